"""A new release of microdata: anonymized beside the live ones, written, verified, published."""

from typing import Final

import numpy as np

from pipelines.beside import anonymize_beside
from pipelines.governance.chain import Head
from pipelines.governance.registry_keys import registry_key_of
from pipelines.packing import Building, pack
from pipelines.permitted import Permitted
from pipelines.plan import Plan
from pipelines.publishing import earlier_releases, publish, release_key_for, verified
from pipelines.reading import ViewedSource, views_of
from pipelines.running import Run
from pipelines.steward import write_steward_files
from pipelines.store import package_digest
from pipelines.verify import Verification
from pipelines.world import make_world

_SEED_BYTES: Final = 16
"""Of what is drawn: who leaves beside the departed, and simulated attacks."""


def make_extract(
    run: Run, plan: Plan, source: ViewedSource, rights: Permitted, inputs: str, *, seen: Head
) -> tuple[Verification, Head]:
    """Build a new release of microdata, ready to be handed over.

    Args:
        run: where and for whom.
        plan: what is built.
        source: its views.
        rights: whose rows may be used.
        inputs: the hash of all that it is made from.
        seen: the head of the chain before rights and live releases were read.

    Returns:
        What the checker says, and the head of the chain once it is published.

    Raises:
        KohortError: the promise can't be met, alone or beside what is out already, or something
            that it rests on changed meanwhile.
    """
    workspace, registry, place = run.workspace, run.registry, run.place
    building = Building(plan, rights, inputs, run.release, run.now, seen.hash)
    run.progress("anonymize")
    own = views_of(source, plan, rights.allowed)
    generator = np.random.default_rng(int.from_bytes(run.randomness(_SEED_BYTES)))
    names = registry_key_of(registry, workspace.root)
    earlier = earlier_releases(registry, plan, rights.known_as["digest"], source.people, key=names)
    most = workspace.policy.limits.suppression
    apart = anonymize_beside(
        own, plan, earlier, rights.known_as, most_departing=most, generator=generator
    )
    run.progress("write")
    key = release_key_for(
        plan, registry, workspace.root, run.randomness, actor=run.actor, at=run.now
    )
    packed = pack(apart.extract, building, workspace.policy, place.package, key=key)
    write_steward_files(
        place.steward,
        plan=plan,
        promise=packed.promise,
        tables=packed.tables,
        quarantine=source.staged.quarantine,
        rights=rights,
        apart=apart,
        platform=make_world(source.frames, plan),
        generator=generator,
        package_sha256=package_digest(place.package),
    )
    run.progress("verify")
    verification = verified(place, plan, registry, workspace.root)
    published = publish(
        building,
        apart,
        packed,
        seen=seen,
        workspace=workspace,
        registry=registry,
        place=place,
        actor=run.actor,
        progress=run.progress,
    )
    return verification, published
