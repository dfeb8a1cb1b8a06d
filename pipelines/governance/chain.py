"""The audit chain: whatever changes goes through here, and is sealed as it is written.

Every entry says who did what, and holds a digest of the rows that it added and the hash of the
entry before (Haber and Stornetta 1991, "How to time-stamp a digital document"). One writer at a
time: SQLite lets in no other, and PostgreSQL's wait for the row that holds the head.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    Table,
    func,
    insert,
    select,
    text,
    update,
)

from pipelines.errors import RegistryError
from pipelines.governance.bulk import insert_rows
from pipelines.governance.engines import WAIT_SECONDS, place, translated
from pipelines.governance.salting import random_salt, salt_rows
from pipelines.governance.sealing import (
    HASH_BYTES,
    ORIGIN,
    entry_hash,
    row_hasher,
    rows_digest,
)
from pipelines.governance.stored_rows import governed_tables, stored_hashes
from pipelines.governance.tables import Action, Base, ChainHead, Governed
from pipelines.people import Actor

__all__ = [
    "BEGINS",
    "Change",
    "Head",
    "begin_chain",
    "changing",
    "head",
    "locked_head",
    "random_salt",
]

BEGINS: Final = "registry.begin_chain"
"""The kind of the entry that answers for what was there before the chain."""

_HEAD_ROW: Final = 1
_HEAD: Final = select(ChainHead.entry, ChainHead.hash).where(ChainHead.id == _HEAD_ROW)
_KOHORT: Final = Actor("kohort", "kohort", frozenset())
"""Who lays a chain: nobody but the program itself."""


class Head(NamedTuple):
    """The last entry of the chain: its id, and its hash in hex."""

    entry: int
    hash: str


class Change:
    """A transaction that adds rows, and says at its end who did it.

    Attributes:
        connection: for what must be read before it is decided; nothing is written over it.
    """

    def __init__(self, connection: Connection, head: Head) -> None:
        """Use `changing`: the caller holds the chain's lock."""
        self.connection = connection
        self._head = head
        self._added: dict[str, bytearray] = {}
        self._adopted: set[str] = set()
        self._next: dict[str, int] = {}
        self._refused = False

    def add(self, table: type[Base], row: Mapping[str, object]) -> int | None:
        """Add a row.

        Args:
            table: a governed one.
            row: its cells but for `entry` and an `id` that counts up; what is left out is null.

        Returns:
            The id that it got; None where the table has none that counts up.
        """
        own = _governed(table)
        number = self._number(own)
        cells = dict(row) if number is None else {"id": number, **row}
        self._bulk(own, tuple(cells), [tuple(cells.values())])
        return number

    def add_rows(
        self, table: type[Base], columns: Sequence[str], rows: Iterable[tuple[object, ...]]
    ) -> int:
        """Add many rows; read once, in bounded memory but for 32 bytes each.

        Args:
            table: a governed one.
            columns: the names of the cells: neither `entry` nor an `id` that counts up.
            rows: their cells.

        Returns:
            How many.
        """
        own = _governed(table)
        number = self._number(own)
        if number is None:
            return self._bulk(own, columns, rows)
        counted = ((n, *row) for n, row in enumerate(rows, start=number))
        added = self._bulk(own, ("id", *columns), counted)
        self._next[own.name] = number + added
        return added

    def record(
        self, actor: Actor, kind: str, subject: str, *, at: datetime, detail: str | None = None
    ) -> Head:
        """Write the entry of everything that was added since the last one.

        Args:
            actor: who.
            kind: what, such as `request.approve`.
            subject: what about: a request's hash, a release's id, a source; never a learner.
            at: when.
            detail: why or how much; no learner's value.

        Returns:
            The new head of the chain.

        Raises:
            ValueError: rows of this change were refused before.
        """
        self.demand_whole()
        rows = {name: self._sealed(name) for name in self.pending}
        cells: dict[str, object] = {
            "id": self._head.entry + 1,
            "at": at,
            "actor": actor.name,
            "login": actor.login,
            "kind": kind,
            "subject": subject,
            "detail": detail,
            "rows": json.dumps(rows, sort_keys=True),
            "previous": self._head.hash,
        }
        self._head = Head(self._head.entry + 1, entry_hash(cells))
        self._added = {}
        self._adopted = set()
        self.connection.execute(insert(Action), [{**cells, "hash": self._head.hash}])
        self.connection.execute(
            update(ChainHead).values(entry=self._head.entry, hash=self._head.hash)
        )
        return self._head

    def adopt(self, table: Table) -> None:
        """Answer for every row of a table, whichever entry did before: they were just rewritten."""
        hashes = bytearray()
        for _, sealed in stored_hashes(self.connection, table):
            hashes += sealed
        if hashes:
            self._added[table.name] = hashes
            self._adopted.add(table.name)
            others = table.c.entry != self.entry
            self.connection.execute(update(table).where(others).values(entry=self.entry))

    def demand_whole(self) -> None:
        """Refuse to go on after the database refused rows: nobody knows which of them it has.

        Raises:
            ValueError: it did, and the caller caught its error.
        """
        if self._refused:
            raise ValueError("rows of this change were refused: nothing of it can be kept")

    @property
    def entry(self) -> int:
        """The id of the entry that will answer for what is added now."""
        return self._head.entry + 1

    @property
    def pending(self) -> tuple[str, ...]:
        """The tables with rows that no entry answers for yet."""
        return tuple(name for name, hashes in self._added.items() if hashes)

    def _sealed(self, name: str) -> list[object]:
        """What an entry says of a table: number and digest of rows, and whether it has all."""
        hashes = self._added[name]
        every = ["all"] if name in self._adopted else []
        return [len(hashes) // HASH_BYTES, rows_digest(hashes), *every]

    def _bulk(
        self, table: Table, columns: Sequence[str], rows: Iterable[tuple[object, ...]]
    ) -> int:
        if "salt" in table.c:
            columns, rows = (*columns, "salt"), ((*row, random_salt()) for row in rows)
        order = sorted(range(len(columns)), key=columns.__getitem__)
        row_hash = row_hasher([columns[i] for i in order])
        hashes = self._added.setdefault(table.name, bytearray())
        entry = self.entry

        def sealed() -> Iterator[tuple[object, ...]]:
            for row in rows:
                hashes.extend(row_hash([row[i] for i in order]))
                yield (*row, entry)

        self._refused = True
        added = insert_rows(self.connection, table, (*columns, "entry"), sealed())
        self._refused = False
        return added

    def _number(self, table: Table) -> int | None:
        """The next id of a table that counts up."""
        key = table.primary_key.columns
        if [c.name for c in key] != ["id"] or key["id"].type.python_type is not int:
            return None
        if table.name not in self._next:
            last = self.connection.scalar(select(func.max(table.c.id)))
            self._next[table.name] = (last or 0) + 1
        number = self._next[table.name]
        self._next[table.name] = number + 1
        return number


def _governed(table: type[Base]) -> Table:
    own = table.__table__
    assert issubclass(table, Governed)
    assert isinstance(own, Table)
    return own


@contextmanager
def changing(engine: Engine) -> Iterator[Change]:
    """A transaction of the one writer: what it reads, decides and writes goes together.

    Raises:
        RegistryError: the database can't be used, or another writer does not end.
        ValueError: rows were added that no entry answers for, or refused; nothing is kept.
    """
    with translated(engine), engine.begin() as connection:
        change = Change(connection, locked_head(connection))
        yield change
        change.demand_whole()
        if change.pending:
            raise ValueError(f"rows of {', '.join(change.pending)} were added and never recorded")


def locked_head(connection: Connection) -> Head:
    """The head of the chain, which nobody else moves before this transaction ends.

    Raises:
        RegistryError: the registry holds none.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
    return _head(connection, _HEAD.with_for_update())


def head(engine: Engine) -> Head:
    """The head of the chain as of now.

    Raises:
        RegistryError: the database can't be used, or holds no head.
    """
    with translated(engine), engine.connect() as connection:
        return _head(connection, _HEAD)


def _head(connection: Connection, query: Select[int, str]) -> Head:
    found = connection.execute(query).one_or_none()
    # SQLite takes anything for a number.
    if found is None or (type(found.entry), type(found.hash)) != (int, str):
        raise _without_head(connection)
    return Head(found.entry, found.hash)


def _without_head(connection: Connection) -> RegistryError:
    return RegistryError(
        f"{place(connection.engine.url)}: the audit chain has no head that one could go on from; "
        "see `kohort audit verify`, and restore the registry from your backup"
    )


def begin_chain(connection: Connection, at: datetime) -> None:
    """Lay the first link: seal the actions of a registry that had no chain, and every row of it.

    Args:
        connection: in a transaction, in a registry whose tables were just laid or changed.
        at: when.

    Raises:
        RegistryError: it had a chain, whose head is gone.
    """
    if connection.scalar(select(Action.id).where(Action.hash != "").limit(1)) is not None:
        raise _without_head(connection)
    last = ORIGIN
    number = 0
    columns = [c for c in Action.__table__.c if c.name not in {"hash", "previous", "rows"}]
    for old in connection.execute(select(*columns).order_by(Action.id)).mappings().all():
        number = old["id"]
        cells = {**old, "rows": "{}", "previous": last}
        last = entry_hash(cells)
        sealed = {"rows": "{}", "previous": cells["previous"], "hash": last}
        connection.execute(update(Action).where(Action.id == number).values(sealed))
    connection.execute(insert(ChainHead), [{"id": _HEAD_ROW, "entry": number, "hash": last}])
    change = Change(connection, Head(number, last))
    for table in governed_tables():
        if "salt" in table.c:
            salt_rows(connection, table)
        change.adopt(table)
    if number or change.pending:
        change.record(_KOHORT, BEGINS, "what was there", at=at)
