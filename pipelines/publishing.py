"""What becomes of a package that was built: held against others, recorded and kept.

A release is recorded, its key and a copy are kept, and only then it is published: from there on it
exists, and nothing of it was to be seen before. What is cut off in between, `recovery` undoes.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl
from sqlalchemy import Engine

from pipelines.beside import Apart, Earlier
from pipelines.errors import PrivacyError, RegistryError
from pipelines.folders import Workplace
from pipelines.frozen import Frozen
from pipelines.governance.chain import Head
from pipelines.governance.key_events import project_key_for
from pipelines.governance.releases import (
    NewRelease,
    ReleaseStatus,
    given_again,
    members,
    published,
    recode_text,
    releases,
    reserve,
    served_for,
)
from pipelines.governance.rights import other_names
from pipelines.keys import KEY_BYTES, store_release_key
from pipelines.packing import Building, Packed
from pipelines.people import Actor
from pipelines.plan import Plan
from pipelines.settings import Workspace
from pipelines.shown import Shown
from pipelines.steward import APPROVAL_FILE
from pipelines.store import Stored, copy_to, keep, package_digest, stored
from pipelines.verify import (
    AggregateVerification,
    SyntheticVerification,
    UnreadablePackageError,
    Verification,
    verify_microdata,
    verify_package,
    verify_union,
)
from schemas.sharing import expires_on


def earlier_releases(
    registry: Engine, plan: Plan, digests: pl.Series, aliases: pl.DataFrame | None, *, key: bytes
) -> list[Earlier]:
    """The live releases that show anybody of the source, whoever asked for them; oldest first.

    Args:
        registry: the registry.
        plan: what is built.
        digests: everybody whom the source knows, as the registry knows him.
        aliases: `id` and `person`: a release may show somebody under an id by which he was called
            before a bridge table told whose it is.
        key: the registry's.

    Raises:
        PrivacyError: the project is one of another source: its key would give two learners one
            pseudonym; or a live release can't be compared, for its learners have other names now.
        RegistryError: the registry can't be read.
    """
    live = [one for one in releases(registry) if one.live]
    project = plan.request.release.project
    others = {one.source for one in live if one.project and one.project == project}
    if others - {plan.request.source}:
        raise PrivacyError(
            f"release.project: {project} links extracts of another source; name another project"
        )
    names = other_names(aliases, key) if live and aliases is not None else None
    found = []
    for one in live:
        if one.k is None or one.m is None:  # aggregates show nobody
            continue
        of = members(registry, one.id)
        linked = one.project is not None and one.project == project
        if names is not None:
            of = of.join(names, on="learner", how="left").with_columns(
                pl.coalesce("now", "learner").alias("now")
            )
        else:
            of = of.with_columns(pl.col("learner").alias("now"))
        here = of["now"].is_in(digests.implode())
        if one.source == plan.request.source and here.sum() < of.height / 2:
            raise PrivacyError(
                f"release {one.id}: the source knows few of its learners any more, so nobody can "
                "tell what both show together; bring back the bridge table that names them, give "
                "another export a source of its own, or have the destruction confirmed"
            )
        if here.any():
            of = _renamed(of, one.id, linked=linked)
            shown = Shown(k=one.k, m=one.m, project=one.project, item=one.item, members=of)
            found.append(Earlier(one.id, shown, Frozen.from_text(recode_text(registry, one.id))))
    return found


def _renamed(of: pl.DataFrame, release: str, *, linked: bool) -> pl.DataFrame:
    """The members of a release as they are called `now`."""
    people = of.select("learner", "now").unique()
    changed = (people["learner"] != people["now"]).any()
    if people["now"].n_unique() < people.height or (linked and changed):
        raise PrivacyError(
            f"release {release}: bridge tables tell by now that ids in it are of other learners "
            "than it was built for; recall it and have its destruction confirmed"
        )
    return of.select(pl.col("now").alias("learner"), "item", "class_number")


def release_key_for(
    plan: Plan,
    registry: Engine,
    root: Path,
    randomness: Callable[[int], bytes],
    *,
    actor: Actor,
    at: datetime,
) -> bytes:
    """The key of the pseudonyms: the project's in linked scope, else a new one."""
    project = plan.request.release.project
    if project is None:
        return randomness(KEY_BYTES)
    return project_key_for(registry, root, project, randomness, actor=actor, at=at)


def verified(place: Workplace, plan: Plan, registry: Engine, root: Path) -> Verification:
    """The checker's word on the written package, alone and with those that it is linked to.

    Raises:
        PrivacyError: the package breaks a promise, alone or on the union.
    """
    found = verify_microdata(place.package, place.steward / APPROVAL_FILE)
    if not found.ok:
        failing = ", ".join(check.name for check in found.checks if not check.ok)
        raise PrivacyError(
            f"the checker refuses what was built ({failing}); nothing is released; "
            "this is a fault of kohort: please report it"
        )
    if linked := _linked(plan, registry, root):
        union = verify_union([*linked, place.package])
        if not union.ok:
            failing = ", ".join(check.name for check in union.checks if not check.ok)
            raise PrivacyError(
                f"linked with the other releases of its project it breaks the promise ({failing}); "
                "recall one of them and have its destruction confirmed, or ask for less"
            )
    return found


def give_again(
    release: ReleaseStatus,
    registry: Engine,
    root: Path,
    place: Workplace,
    *,
    seen: Head,
    actor: Actor,
    at: datetime,
) -> tuple[Verification | AggregateVerification | SyntheticVerification, Head]:
    """The recorded package once more, verified anew; to be handed over.

    Raises:
        RegistryError: the stored copy is missing or was changed, the release just ended, or what
            was decided on changed since `seen`.
        PrivacyError: it breaks its promise.
    """
    kept = _stored(root, release.id)
    copy_to(kept, place.package, place.steward, package_sha256=release.package_sha256)
    try:
        found = verify_package(place.package, place.steward / APPROVAL_FILE)
    except UnreadablePackageError:
        raise RegistryError(
            f"release {release.id}: the workspace's copy can't be read; restore releases/ from "
            "your backup, or recall the release"
        ) from None
    if not found.ok:
        raise PrivacyError(f"release {release.id}: the stored copy breaks its promise; recall it")
    return found, given_again(registry, release.id, seen=seen, actor=actor, at=at)


def publish(
    building: Building,
    apart: Apart,
    packed: Packed,
    *,
    seen: Head,
    workspace: Workspace,
    registry: Engine,
    place: Workplace,
    actor: Actor,
    progress: Callable[[str], None],
) -> Head:
    """Record a release, keep its key and a copy, and publish it; to be handed over.

    Args:
        building: what it is.
        apart: whom it shows.
        packed: its package.
        seen: the head of the chain before rights and live releases were read.
        workspace: where it is kept.
        registry: where it is recorded.
        place: where the package and the steward's files lie.
        actor: who builds.
        progress: told the name of each step.

    Returns:
        The head of the chain.

    Raises:
        RegistryError: the registry can't be written, or something changed since `seen`.
        OutputError: the key or the copy can't be written.
    """
    new = _new_release(building, apart, packed, place, workspace)
    root, at = workspace.root, building.now
    own = packed.key if new.project is None else None
    progress("record")
    before = served_for(registry, new.request)
    reserve(
        registry,
        new,
        members=apart.shown.members,
        classes=apart.classes,
        seen=seen,
        key=own,
        actor=actor,
        at=at,
    )
    progress("keep the key")
    if own is not None:
        store_release_key(root, new.id, own)
    progress("keep a copy")
    keep(root, new.id, place.package, place.steward, package_sha256=new.package_sha256)
    progress("publish")
    earlier = [one.id for one in before]
    return published(registry, new.id, seen=seen, actor=actor, at=at, supersedes=earlier)


def _linked(plan: Plan, registry: Engine, root: Path) -> list[Path]:
    """The packages of the live releases of the same project, which are kept until destroyed.

    Not those whose key is destroyed: nobody's pseudonym in them is one of this key.
    """
    project = plan.request.release.project
    if project is None:
        return []
    live = [one for one in releases(registry) if one.live and one.project == project]
    # One that is reserved has not appeared; the gate counts it, should another workspace's appear.
    out = (one for one in live if one.state != "reserved" and not one.key_destroyed)
    return [_stored(root, one.id).package for one in out]


def _stored(root: Path, release: str) -> Stored:
    found = stored(root, release)
    if found is None:
        raise RegistryError(
            f"release {release}: its copy is not in this workspace; run this where it was built, "
            "or restore releases/ from your backup; what can't be found is recalled and built anew"
        )
    return found


def _new_release(
    building: Building, apart: Apart, packed: Packed, place: Workplace, workspace: Workspace
) -> NewRelease:
    plan, request = building.plan, building.plan.request
    return NewRelease(
        id=building.release,
        request=request.sha256(),
        title=request.title,
        researcher=request.researcher,
        purpose=request.purpose,
        source=request.source,
        family=plan.family.family,
        access=request.release.access,
        scope=request.release.pseudonyms,
        project=request.release.project,
        k=plan.terms.k,
        m=plan.terms.m,
        item=apart.shown.item,
        jurisdictions=building.rights.jurisdictions,
        inputs_sha256=building.inputs,
        data_version=packed.promise.data_version,
        package_sha256=package_digest(place.package),
        frozen_text=Frozen.of(apart.extract, plan).to_text(),
        cut_off=building.now,
        created_at=building.now,
        expires_on=expires_on(workspace.policy, request.release.access, building.now.date()),
    )
