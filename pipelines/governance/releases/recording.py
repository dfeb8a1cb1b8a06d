"""What a build records of its release: that it is reserved, published, given again, or failed.

Each decides inside its transaction, on what nobody else changes meanwhile.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

import polars as pl
from sqlalchemy import ColumnElement, Connection, Engine, and_, or_, select

from pipelines.errors import RegistryError
from pipelines.governance.chain import Head, changing
from pipelines.governance.database import translated
from pipelines.governance.key_events import key_created, key_destroyed
from pipelines.governance.releases.registry import MEMBER_SCHEMA, happened, only, statuses
from pipelines.governance.releases.state import (
    SHOWING_NOBODY,
    Kind,
    NewNoisyRelease,
    NewRelease,
    ReleaseState,
)
from pipelines.governance.tables import (
    Action,
    Release,
    ReleaseClass,
    ReleaseMember,
)
from pipelines.people import Actor

_OF_RIGHTS: Final = Action.kind.startswith("rights.")


def reserve(
    engine: Engine,
    release: NewRelease,
    *,
    members: pl.DataFrame,
    classes: Mapping[int, Mapping[str, str]],
    seen: Head,
    key: bytes | None,
    actor: Actor,
    at: datetime,
) -> None:
    """Record a release before its package is published, so that none is out that is not known.

    What it was decided on must be so still: nobody else reserves between this look and the record,
    but for what shows nobody.

    Args:
        engine: the registry.
        release: what was built.
        members: in `MEMBER_SCHEMA`; each learner and item once.
        classes: the number of a class -> the released label of each quasi-identifier.
        seen: the head of the chain before rights and live releases were read.
        key: of its pseudonyms, if it has one of its own; goes on record by its id.
        actor: who builds.
        at: when.

    Raises:
        ValueError: the members have another shape, or are in classes that are not given.
        RegistryError: the registry can't be written, or has a release of that id; or what the
            release was decided on changed since.
    """
    if members.schema != MEMBER_SCHEMA:
        raise ValueError("members: expected the columns of MEMBER_SCHEMA")
    if not members["class_number"].is_in(list(classes)).all(ignore_nulls=False):
        raise ValueError("members: a class_number is not among the classes")
    row = asdict(release) | {
        "m": str(release.m),
        "jurisdictions": json.dumps(release.jurisdictions),
        "recode": release.frozen_text,
    }
    del row["frozen_text"]
    labels = ((release.id, n, json.dumps(label)) for n, label in classes.items())
    # In the order of the key: quicker to write and to read, and no order of the source is kept.
    shown = ((release.id, *one) for one in members.sort("learner", "item").iter_rows())
    with changing(engine) as change:
        # One without a row here is a neighbour, too: nobody can tell what it shows.
        noisy = select(Release.id).where(Release.scope.in_(SHOWING_NOBODY))
        neighbour = and_(_reserved_since(seen), Action.subject.not_in(noisy))
        otherwise = _decided_otherwise(release.request, seen, release.cut_off)
        _refuse(change.connection, or_(neighbour, otherwise))
        change.add(Release, row)
        change.add_rows(ReleaseClass, ("release", "number", "labels"), labels)
        change.add_rows(ReleaseMember, ("release", *MEMBER_SCHEMA), shown)
        happened(change, release.id, Kind.RESERVED, actor=actor, at=at)
        if key is not None:
            key_created(change, "release", release.id, key, actor=actor, at=at)
        change.record(actor, "release.reserve", release.id, at=at)


def reserve_noisy(
    engine: Engine, release: NewNoisyRelease, *, seen: Head, actor: Actor, at: datetime
) -> None:
    """Record a release that shows nobody before its package is published, as `reserve` does.

    What others release meanwhile is nothing to it, for it shows nobody whom theirs could tell
    apart; but the same request is released once.

    Args:
        engine: the registry.
        release: what was built.
        seen: the head of the chain before rights were read.
        actor: who builds.
        at: when.

    Raises:
        RegistryError: the registry can't be written, or has a release of that id; or what the
            release was decided on changed since, or its request was released.
    """
    row = asdict(release) | {"jurisdictions": json.dumps(release.jurisdictions)}
    with changing(engine) as change:
        same = select(Release.id).where(Release.request == release.request)
        twin = and_(_reserved_since(seen), Action.subject.in_(same))
        otherwise = _decided_otherwise(release.request, seen, release.cut_off)
        _refuse(change.connection, or_(twin, otherwise))
        change.add(Release, row)
        happened(change, release.id, Kind.RESERVED, actor=actor, at=at)
        change.record(actor, "release.reserve", release.id, at=at)


def published(
    engine: Engine,
    release_id: str,
    *,
    seen: Head,
    actor: Actor,
    at: datetime,
    supersedes: Sequence[str],
) -> Head:
    """Record that a reserved release is out, in place of earlier ones: from here on it exists.

    Rights and the request are looked at once more: an erasure while the copy was made comes before
    the release exists, and must keep it from existing.

    Args:
        engine: the registry.
        release_id: which.
        seen: the head of the chain before rights were read.
        actor: who built it.
        at: when.
        supersedes: ids of releases of the same request; those that are no longer served stay as
            they are.

    Returns:
        The head of the chain.

    Raises:
        RegistryError: it is not reserved, or one of the earlier is of another request; or what it
            was decided on changed since.
    """
    with changing(engine) as change:
        new = only(change.connection, release_id)
        if new.state is not ReleaseState.RESERVED:
            raise RegistryError(
                f"release {new.id} is {new.state}, where reserved was expected; build anew"
            )
        _refuse(change.connection, _decided_otherwise(new.request, seen, new.cut_off))
        for earlier in (only(change.connection, each) for each in supersedes):
            if earlier.request != new.request:
                raise RegistryError(
                    f"release {earlier.id} is of another request than {new.id}: it stays served; "
                    "this is a fault of kohort: please report it"
                )
            if earlier.served:
                happened(change, earlier.id, Kind.SUPERSEDED, actor=actor, at=at)
                detail = f"by {new.id}"
                change.record(actor, "release.supersede", earlier.id, at=at, detail=detail)
        happened(change, new.id, Kind.PUBLISHED, actor=actor, at=at)
        return change.record(actor, "release.publish", new.id, at=at)


def given_again(engine: Engine, release_id: str, *, seen: Head, actor: Actor, at: datetime) -> Head:
    """Record that a served release is given out once more; returns the head of the chain.

    Args:
        engine: the registry.
        release_id: which.
        seen: the head of the chain before rights were read.
        actor: who builds.
        at: the cut-off of the rights that were read.

    Raises:
        RegistryError: it is served no longer, or what was decided on changed since.
    """
    with changing(engine) as change:
        found = only(change.connection, release_id)
        if not found.served:
            raise RegistryError(f"release {found.id} is {found.state} by now; build anew")
        _refuse(change.connection, _decided_otherwise(found.request, seen, at))
        return change.record(actor, "release.give_again", release_id, at=at)


def failed(engine: Engine, release_id: str, *, actor: Actor, at: datetime) -> ReleaseState | None:
    """Record of a build that is over that nothing of its release left it, unless something did.

    It waits for a writer whose end nobody was told of, such as the build's own last commit.

    Returns:
        What the release is from now on; None where it was never recorded.

    Raises:
        RegistryError: the registry can't be written.
    """
    with changing(engine) as change:
        found = next(iter(statuses(change.connection, Release.id == release_id)), None)
        if found is None or found.state is not ReleaseState.RESERVED:
            return None if found is None else found.state
        happened(change, release_id, Kind.FAILED, actor=actor, at=at)
        if found.project is None and not found.shows_nobody:
            reason = "its build failed"
            key_destroyed(change, "release", release_id, actor=actor, at=at, reason=reason)
        change.record(actor, "release.fail", release_id, at=at)
        return ReleaseState.FAILED


def refuse_later_rights(engine: Engine, cut_off: datetime) -> None:
    """Refuse a build whose cut-off passes over rights that are on record by now.

    Raises:
        RegistryError: some were recorded after it, while the build read its source or waited.
    """
    with translated(engine), engine.connect() as connection:
        _refuse(connection, and_(_OF_RIGHTS, Action.at > cut_off))


def _reserved_since(seen: Head) -> ColumnElement[bool]:
    return and_(Action.kind == "release.reserve", Action.id > seen.entry)


def _decided_otherwise(request: str, seen: Head, cut_off: datetime) -> ColumnElement[bool]:
    """What was recorded since the chain's head was seen and may decide otherwise on a request.

    Rights that are on record after the cut-off count whenever that was: nobody has read them.
    """
    of_request = Action.kind.in_(["request.approve", "request.reject", "request.withdraw"])
    of_keys = Action.kind.in_(["key.rotate", "key.destroy"])
    decisive = or_(_OF_RIGHTS, of_keys, and_(of_request, Action.subject == request))
    return or_(and_(decisive, Action.id > seen.entry), and_(_OF_RIGHTS, Action.at > cut_off))


def _refuse(connection: Connection, changed: ColumnElement[bool]) -> None:
    kinds = connection.scalars(select(Action.kind).where(changed).distinct().order_by(Action.kind))
    if found := ", ".join(kinds):
        raise RegistryError(
            f"something changed during the build ({found}); nothing is released; run it again"
        )
