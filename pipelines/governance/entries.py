"""The entries of the audit chain, and what they say of the rows that they added."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Engine, func, or_

from pipelines.errors import RegistryError
from pipelines.governance.engines import place
from pipelines.governance.stored_rows import as_stored, snapshot
from pipelines.governance.tables import Action, Base

ACTIONS: Final = Base.metadata.tables[Action.__tablename__]

_ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that was done.

    Attributes:
        id: its place in the chain.
        at: when.
        actor: who, as claimed.
        login: the account of the operating system that it was done from.
        kind: what, such as `request.approve`.
        subject: what about; never a learner.
        detail: why or how much; None where the kind says it all.
        rows: table -> the number of rows that it answers for.
        hash: its own, in hex.
    """

    id: int
    at: datetime
    actor: str
    login: str
    kind: str
    subject: str
    detail: str | None
    rows: Mapping[str, int]
    hash: str


class Claim(NamedTuple):
    """What an entry says of the rows of a table."""

    rows: int
    digest: str
    every: bool


def entries(
    engine: Engine,
    *,
    kind: str | None = None,
    subject: str | None = None,
    since: int | None = None,
    limit: int | None = None,
) -> tuple[Entry, ...]:
    """What was done, oldest first.

    Args:
        engine: of the registry.
        kind: only this, or all that it stands for before a dot: `rights` for `rights.import`, ...
        subject: only what was done about this.
        since: only later entries than this.
        limit: the last so many of them; None: all.

    Raises:
        RegistryError: the database can't be used, or holds an entry that can't be read.
    """
    columns = ACTIONS.c
    with snapshot(engine) as connection:
        query = as_stored(connection, ACTIONS).order_by(columns.id.desc()).limit(limit)
        if kind is not None:
            within = func.substr(columns.kind, 1, len(kind) + 1) == f"{kind}."
            query = query.where(or_(columns.kind == kind, within))
        if subject is not None:
            query = query.where(columns.subject == subject)
        if since is not None:
            query = query.where(columns.id > since)
        found = [cells_of(row) for row in connection.execute(query)]
    return tuple(_entry(engine, cells) for cells in reversed(found))


def cells_of(row: Sequence[Any]) -> dict[str, Any]:
    """A row of `action` by the names of its columns."""
    return dict(zip(ACTIONS.c.keys(), row, strict=True))


def claims_of(text: object) -> Mapping[str, Claim] | None:
    """What an entry says of rows; None: it can't be read."""
    try:
        said = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    claims = {name: _claim(of_table) for name, of_table in said.items()}
    whole = {name: claim for name, claim in claims.items() if claim is not None}
    return whole if len(whole) == len(claims) else None


def _claim(said: object) -> Claim | None:
    match said:
        case [int(rows), str(digest)]:
            return Claim(rows, digest, every=False)
        case [int(rows), str(digest), str(every)] if every == _ALL:
            return Claim(rows, digest, every=True)
        case _:
            return None


def _entry(engine: Engine, cells: Mapping[str, Any]) -> Entry:
    claims = claims_of(cells["rows"])
    number = cells["id"] if type(cells["id"]) is int else "without a number"
    words = [cells[name] for name in ("actor", "login", "kind", "subject", "hash")]
    words += [cells["detail"] or ""]
    try:
        at = datetime.fromisoformat(cells["at"]).replace(tzinfo=UTC)
    except (ValueError, TypeError):
        at = None
    whole = type(number) is int and all(isinstance(word, str) for word in words)
    if at is None or claims is None or not whole:
        raise RegistryError(
            f"{place(engine.url)}: entry {number} of the audit chain can't be read; see "
            "`kohort audit verify`"
        )
    told = {name: cells[name] for name in ("id", "actor", "login", "kind", "subject", "detail")}
    rows = {name: claim.rows for name, claim in claims.items()}
    return Entry(**told, at=at, rows=rows, hash=cells["hash"])
