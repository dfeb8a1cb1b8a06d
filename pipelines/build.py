"""One extract, start to finish."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import Engine

from pipelines.beside import anonymize_beside
from pipelines.errors import (
    KohortError,
    RegistryError,
    RequestError,
)
from pipelines.folders import Workplace, hand_over, refuse_inside, target
from pipelines.governance.chain import Head, head
from pipelines.governance.database import open_registry
from pipelines.governance.registry_keys import registry_key_of
from pipelines.governance.releases import refuse_later_rights, served_again
from pipelines.governance.requests import Approved, approved
from pipelines.governance.tables import RELEASE_ID_LENGTH
from pipelines.locks import building as one_at_a_time
from pipelines.packing import Building, pack
from pipelines.people import Actor, Duty
from pipelines.permitted import Permitted, permitted
from pipelines.plan import Plan, make_plan
from pipelines.publishing import (
    earlier_releases,
    give_again,
    publish,
    release_key_for,
    verified,
)
from pipelines.reading import Source, read_source, refuse_ids, views_of
from pipelines.recovery import discard_all_ended, recover, surviving
from pipelines.settings import Workspace
from pipelines.sources import load_family
from pipelines.steward import write_steward_files
from pipelines.verify import Verification
from pipelines.versions import inputs_sha256
from pipelines.views import LEARNER, occurring
from pipelines.world import make_world
from schemas.policy import authorize
from schemas.request import ExtractRequest, parse_request
from schemas.violations import SchemaError

STEPS: Final = (
    "recover",
    "read",
    "conform",
    "wait",
    "keep who permits it",
    "anonymize",
    "write",
    "verify",
    "record",
    "keep the key",
    "keep a copy",
    "publish",
    "hand over to the steward",
    "hand over",
    "tidy up",
)
"""What `progress` is told before each step of a build of a new release, in this order.

"wait" is told before the build lock is taken, and "record" before the release is reserved. A
project's key is kept by "write": "keep the key" is for a release with a key of its own. Where the
recorded release is given out once more, "give out" follows "keep who permits it", then come both
"hand over" and "tidy up".
"""

_SEED_BYTES = 16
"""Of what is drawn: who leaves beside the departed, and simulated attacks."""


@dataclass(frozen=True, slots=True)
class Built:
    """A released package: where it lies, and what the checker said of it.

    Attributes:
        release: how the registry knows it.
        again: whether it was built before, from the same data, and is given out once more.
        head: the hash of the audit chain's head once it was published, or given out again.
    """

    package: Path
    steward: Path
    verification: Verification
    release: str
    again: bool
    head: str


def build(
    request_text: str,
    workspace: Workspace,
    out: Path,
    *,
    actor: Actor,
    now: datetime,
    randomness: Callable[[int], bytes],
    progress: Callable[[str], None],
) -> Built:
    """Build a verified extract, or nothing.

    The same request on the same version of the data gives the recorded release once more. A new
    one is held against all that are out, and is recorded before it appears. Sources are read side
    by side; from asking who permits it to the record one build is at it at a time.

    Args:
        request_text: the request (TOML); approved, where the policy asks for it.
        workspace: its sources, policy, registry and keys.
        out: where the package shall lie; steward-side files go to `OUT.steward` beside it.
        actor: an engineer or a steward.
        now: the moment of the build, with time zone; also the cut-off of rights.
        randomness: a source of n secret random bytes.
        progress: told the name of each step.

    Raises:
        KohortError: the request is refused or not approved, a source can't be read as declared,
            nobody is permitted, the promise can't be met, alone or beside what is out already,
            something that it rests on changed meanwhile, or the output exists. Nothing is written
            then; but where the output can't be written once the release is recorded, the message
            says so, and the next build of the request gives it out.
    """
    actor.must_be(Duty.ENGINEER, Duty.STEWARD)
    root, registry = workspace.root, open_registry(workspace.database)
    request = read_request(request_text)
    approval = approved(registry, request, workspace.policy)
    plan = plan_request(request, workspace, waived=approval.waived)
    progress("recover")
    recover(root, registry, actor=actor, at=now)
    to = target(out)
    refuse_inside(to, root)
    run = _Run(plan, workspace, registry, approval, actor, now, randomness, progress)
    release = randomness(RELEASE_ID_LENGTH // 2).hex()
    with surviving(root, registry, release, to, actor=actor, at=now) as place:
        source = read_source(plan, workspace, place.staging, progress=progress)
        progress("wait")
        waiting = partial(progress, "wait for another build")
        with one_at_a_time(registry, root, waiting=waiting):
            # Whatever changes from here on is found out when the release is recorded.
            seen = head(registry)
            progress("keep who permits it")
            _refuse_taken_back(run)
            refuse_later_rights(registry, now)
            rights, inputs = _permitted(run, source)
            again = served_again(
                registry, request_sha256=request.sha256(), inputs_sha256=inputs, today=now.date()
            )
            if again is None:
                building = Building(plan, rights, inputs, release, now, seen.hash)
                verification, last = _make(run, source, building, seen, place)
            else:
                progress("give out")
                release = again.id
                verification, last = give_again(
                    again, registry, root, place, seen=seen, actor=actor, at=now
                )
        hand_over(place, to, release=release, progress=progress)
        progress("tidy up")
        with suppress(KohortError):  # then the next build says so
            discard_all_ended(root, registry)
    return Built(
        out,
        out.with_name(to.steward.name),
        verification,
        release,
        again=again is not None,
        head=last.hash,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """What is built, where, and for whom: the same for every step."""

    plan: Plan
    workspace: Workspace
    registry: Engine
    approval: Approved
    actor: Actor
    now: datetime
    randomness: Callable[[int], bytes]
    progress: Callable[[str], None]


def _permitted(run: _Run, source: Source) -> tuple[Permitted, str]:
    """Whose rows may be used, and the hash of all that the release is made from."""
    everybody = occurring(source.tables, run.plan)
    refuse_ids(run.plan.request, everybody[LEARNER], source.people)
    rights = permitted(everybody, run.plan, run.workspace, cut_off=run.now, aliases=source.people)
    inputs = inputs_sha256(
        source.staged,
        run.plan,
        aliases=source.people,
        rights=rights,
        policy=run.workspace.policy,
        waived=run.approval.waived,
    )
    return rights, inputs


def _make(
    run: _Run, source: Source, building: Building, seen: Head, place: Workplace
) -> tuple[Verification, Head]:
    """A new release: anonymized beside the live ones, written, verified, recorded, published."""
    plan, workspace, registry = run.plan, run.workspace, run.registry
    rights = building.rights
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


def _refuse_taken_back(run: _Run) -> None:
    """Refuse a request that is approved no longer, or otherwise than when the build began."""
    if approved(run.registry, run.plan.request, run.workspace.policy) != run.approval:
        raise RegistryError(
            "something changed during the build (request.approve); nothing is released; run it "
            "again"
        )


def read_request(text: str) -> ExtractRequest:
    """Read a request.

    Raises:
        RequestError: it breaks its schema; the message lists every violation.
    """
    try:
        return parse_request(text, subject="request")
    except SchemaError as error:
        raise RequestError(str(error)) from None


def plan_request(
    request: ExtractRequest, workspace: Workspace, *, waived: frozenset[str] = frozenset()
) -> Plan:
    """Authorize a request and decide what its build does; reads no learner's row.

    Args:
        request: what is asked.
        workspace: its sources and policy.
        waived: the sensitive columns that an approval leaves without a bound.

    Raises:
        RequestError: the policy refuses it; the message lists every violation.
        SettingsError: the workspace has no such source.
    """
    declared = workspace.source(request.source).family
    family, hierarchies = load_family(declared, base=workspace.root)
    try:
        terms = authorize(request, workspace.policy, family, waived)
    except SchemaError as error:
        raise RequestError(str(error)) from None
    return make_plan(request, terms, family, hierarchies)
