"""The release registry: what was built, for whom, on which data, and which learners it shows.

What a build records of one stands in `recording`, what a steward does to one in `actions`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import polars as pl
from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, select

from pipelines.errors import RegistryError
from pipelines.governance.bulk import read_frames
from pipelines.governance.chain import Change
from pipelines.governance.database import translated
from pipelines.governance.releases.state import (
    Kind,
    ReleaseHappening,
    ReleaseState,
    ReleaseStatus,
)
from pipelines.governance.tables import (
    RELEASE_ID_LENGTH,
    Release,
    ReleaseEvent,
    ReleaseMember,
)
from pipelines.people import Actor

MEMBER_SCHEMA: Final = pl.Schema(
    {"learner": pl.String(), "item": pl.String(), "class_number": pl.Int64()}
)
"""One row a member and item: digest, released label (`NO_ITEM` where none), number of the class."""

_PREFIX: Final = re.compile(rf"[0-9a-f]{{1,{RELEASE_ID_LENGTH}}}")
_COLUMNS: Final = tuple(c for c in Release.__table__.c if c.name not in {"recode", "entry"})


def releases(engine: Engine) -> list[ReleaseStatus]:
    """Every release, oldest first."""
    with translated(engine), engine.connect() as connection:
        return statuses(connection)


def release(engine: Engine, id_prefix: str) -> ReleaseStatus:
    """The one release whose id starts so.

    Raises:
        RegistryError: there is none, or more than one.
    """
    with translated(engine), engine.connect() as connection:
        return only(connection, id_prefix)


def releases_of(engine: Engine, digests: Sequence[str]) -> list[ReleaseStatus]:
    """The releases that show a learner; those that failed never did.

    Args:
        engine: the registry.
        digests: of every id of one person.
    """
    shown = select(ReleaseMember.release).where(ReleaseMember.learner.in_(digests))
    with translated(engine), engine.connect() as connection:
        found = statuses(connection, Release.id.in_(shown))
    return [one for one in found if one.state is not ReleaseState.FAILED]


def served_for(engine: Engine, request_sha256: str) -> list[ReleaseStatus]:
    """The releases of a request that are served now: what a new one supersedes."""
    with translated(engine), engine.connect() as connection:
        return [
            one for one in statuses(connection, Release.request == request_sha256) if one.served
        ]


def served_again(
    engine: Engine, *, request_sha256: str, inputs_sha256: str, today: date
) -> ReleaseStatus | None:
    """The release that answers the same request on the same inputs; the newest.

    One that was recalled, superseded or expired, or may be kept no longer, is never it.
    """
    same = [one for one in served_for(engine, request_sha256) if one.inputs_sha256 == inputs_sha256]
    return next((one for one in reversed(same) if not one.is_past(today)), None)


def members(engine: Engine, release_id: str) -> pl.DataFrame:
    """Whom a release shows, with which items, in which class; in `MEMBER_SCHEMA`, in no order."""
    table = ReleaseMember.__table__
    query = select(*(table.c[name] for name in MEMBER_SCHEMA)).where(table.c.release == release_id)
    with translated(engine), engine.connect() as connection:
        frames = list(read_frames(connection, query, MEMBER_SCHEMA))
    return pl.concat([pl.DataFrame(schema=MEMBER_SCHEMA), *frames])


def recode_text(engine: Engine, release_id: str) -> str:
    """The frozen recode of a release, as JSON.

    Raises:
        RegistryError: there is no such release, or it shows nobody.
    """
    with translated(engine), engine.connect() as connection:
        query = select(Release.recode).where(Release.id == release_id)
        found = connection.execute(query).one_or_none()
    if found is None:
        raise RegistryError(f"there is no release {release_id}; see `kohort release list`")
    if found.recode is None:
        raise RegistryError(f"release {release_id}: it shows nobody, and has no recode")
    text: str = found.recode
    return text


def statuses(connection: Connection, *criteria: ColumnElement[bool]) -> list[ReleaseStatus]:
    """The releases that meet all criteria, with their events; oldest first."""
    rows = connection.execute(
        select(*_COLUMNS).where(*criteria).order_by(Release.created_at, Release.id)
    ).mappings()
    events = connection.execute(
        select(
            ReleaseEvent.release,
            ReleaseEvent.kind,
            ReleaseEvent.at,
            ReleaseEvent.actor,
            ReleaseEvent.recipient,
            ReleaseEvent.reason,
        )
        .join(Release, Release.id == ReleaseEvent.release)
        .where(*criteria)
        .order_by(ReleaseEvent.id)
    )
    of: defaultdict[str, list[ReleaseHappening]] = defaultdict(list)
    for release_id, kind, at, actor, recipient, reason in events:
        of[release_id].append(ReleaseHappening(Kind(kind), at, actor, recipient, reason))
    return [_status(row, of[row["id"]]) for row in rows]


def only(connection: Connection, id_prefix: str) -> ReleaseStatus:
    """As `release`, inside a transaction that then decides on what it reads."""
    found = []
    if _PREFIX.fullmatch(id_prefix):
        found = statuses(connection, Release.id.startswith(id_prefix))
    if not found:  # what was typed stays unsaid: it may be a learner's id, by mistake
        raise RegistryError(
            "RELEASE: no release has an id that starts so; see `kohort release list`"
        )
    if len(found) > 1:
        raise RegistryError(
            f"RELEASE: {len(found)} releases have an id that starts with {id_prefix}; write more"
        )
    return found[0]


def happened(
    change: Change,
    release_id: str,
    kind: Kind,
    *,
    actor: Actor,
    at: datetime,
    recipient: str | None = None,
    reason: str | None = None,
) -> None:
    """Add an event to a release; in the transaction that decided on it."""
    row = {"release": release_id, "kind": kind.value, "at": at, "actor": actor.name}
    change.add(ReleaseEvent, {**row, "recipient": recipient, "reason": reason})


def _status(row: RowMapping, events: Sequence[ReleaseHappening]) -> ReleaseStatus:
    m = row["m"]
    parsed = {
        "m": m if m in {None, "full"} else int(m),
        "jurisdictions": tuple(json.loads(row["jurisdictions"])),
        "events": tuple(events),
    }
    return ReleaseStatus(**(dict(row) | parsed))
