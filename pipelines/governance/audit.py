"""The audit chain, as its reader finds it: what was done, and whether anything was tampered with.

An entry seals itself, the entry before, and the rows that it added. Whoever changes one must change
every later hash, up to the head: and heads stand elsewhere too, in the packages that were given out
(Haber and Stornetta 1991). So a chain that was cut or rewritten as a whole is found by those.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Table

from pipelines.governance.audit_schema import database_fault
from pipelines.governance.chain import BEGINS, Head
from pipelines.governance.entries import ACTIONS, Claim, Entry, cells_of, claims_of, entries
from pipelines.governance.sealing import (
    HASH_BYTES,
    ORIGIN,
    entry_hash,
    is_hash,
    rows_digest,
)
from pipelines.governance.stored_rows import (
    BATCH,
    as_stored,
    governed_tables,
    snapshot,
    stored_hashes,
)
from pipelines.governance.tables import (
    Base,
    ChainHead,
    KeyEvent,
    ReleaseMember,
    RightsRecord,
)

__all__ = ["Anew", "Audit", "Broken", "Entry", "entries", "verified", "verify_chain"]

_HEADS: Final = Base.metadata.tables[ChainHead.__tablename__]
_ROTATED: Final = frozenset({RightsRecord.__tablename__, ReleaseMember.__tablename__})
"""The tables that a rotation of the registry key rewrites."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken link.

    Attributes:
        entry: the lowest that it concerns; 0: rows that no entry ever added; None: the database
            itself, which was then read no further, or a head that is none of the chain's.
        what: what is wrong, in words; no cell.
    """

    entry: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Anew:
    """An entry that answers for all rows that a table then had, in place of earlier entries.

    Attributes:
        entry: which; the earlier ones show nothing of these rows any longer.
        at: when, as it says.
        actor: who, as it says.
    """

    entry: int
    at: str
    actor: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found.

    Attributes:
        entries: how many.
        head: the last of them, with the hash that its cells have.
        rows: table -> how many.
        anew: table -> the entries that answered for all its rows, oldest first.
        releases: the ids of those that were reserved since there is a chain: they print a head.
        broken: the first broken link; None: all holds.
        lost_heads: those of the given ones that are in the chain no longer.
    """

    entries: int
    head: Head
    rows: Mapping[str, int]
    anew: Mapping[str, Sequence[Anew]]
    releases: frozenset[str]
    broken: Broken | None
    lost_heads: tuple[str, ...]


class _Faults:
    """Keeps the first of the broken links, whatever the order that they are found in."""

    def __init__(self) -> None:
        self.first: Broken | None = None

    def add(self, entry: int | None, what: str) -> None:
        """One more; of one entry's, the one that was found first stays."""
        if self.first is None or (
            entry is not None and (self.first.entry is None or entry < self.first.entry)
        ):
            self.first = Broken(entry, what)


def verify_chain(engine: Engine, *, heads: Sequence[str] = ()) -> Audit:
    """Recompute every hash, from the rows up to the head.

    Takes one pass over every table, and memory for an entry's claims and for 32 bytes of each row
    of the largest entry. What is written meanwhile is not seen.

    Args:
        engine: of the registry.
        heads: hashes, in hex, that the chain is known to have had.

    Raises:
        RegistryError: the database can't be used.
        ValueError: a head is no hash.
    """
    if not all(map(is_hash, heads)):
        raise ValueError("a head is 64 hex digits")
    with snapshot(engine) as connection:
        return verified(connection, heads)


def verified(connection: Connection, heads: Sequence[str] = ()) -> Audit:
    """As `verify_chain`, in the state that a connection sees: for who is about to `adopt` rows."""
    fault = database_fault(connection)
    if fault is not None:
        return Audit(0, Head(0, ORIGIN), {}, {}, frozenset(), Broken(None, fault), ())
    faults = _Faults()
    tables = {table.name: table for table in governed_tables()}
    claims = _Claims(tables)
    lost = dict.fromkeys(heads)
    lost.pop(ORIGIN, None)
    number, head = 0, Head(0, ORIGIN)
    for link in _links(connection, faults):
        number, head = number + 1, link.head
        lost.pop(head.hash, None)
        claims.take(link, faults)
    rows = {
        name: _check_rows(connection, table, claims.of[name], head.entry, faults)
        for name, table in tables.items()
    }
    _check_head(connection, head, faults)
    if lost:
        faults.add(None, f"the head {next(iter(lost))} is not in it: it was cut or rewritten")
    releases = frozenset(claims.reserved)
    return Audit(number, head, rows, claims.anew, releases, faults.first, tuple(lost))


class _Link(NamedTuple):
    """An entry, as far as the chain is about it."""

    head: Head
    cells: Mapping[str, Any]
    claims: Mapping[str, Claim]


class _Claims:
    """What the entries up to one say of the rows of each table.

    Attributes:
        of: table -> entry -> what it says.
        anew: as in `Audit`.
        reserved: the releases of `Audit`.
    """

    def __init__(self, tables: Iterable[str]) -> None:
        self.of: dict[str, dict[int, Claim]] = {name: {} for name in tables}
        self.anew: dict[str, list[Anew]] = {}
        self.reserved: set[str] = set()
        self._begun = False

    def take(self, link: _Link, faults: _Faults) -> None:
        """Go on to the next entry."""
        entry, kind = link.head.entry, link.cells["kind"]
        begins = kind == BEGINS
        if begins and (self._begun or any(self.of.values())):
            faults.add(entry, "its kind begins a chain, and this one had begun")
            begins = False
        if begins:
            self._begun = True
            self.reserved.clear()
        if kind == "release.reserve":
            self.reserved.add(_word(link.cells["subject"]))
        rewritten = _ROTATED if _rotates(link) else frozenset()
        for name, claim in link.claims.items():
            if name not in self.of:
                faults.add(entry, "it answers for rows of a table that is not there")
                continue
            if claim.every:
                replaced = sum(earlier.rows for earlier in self.of[name].values())
                if not begins and (name not in rewritten or claim.rows != replaced):
                    faults.add(entry, f"it answers for all rows of {name}, and has no right to")
                self._replace(name, link)
            self.of[name][entry] = claim

    def _replace(self, name: str, link: _Link) -> None:
        """Forget what earlier entries say of a table."""
        if self.of[name]:
            self.of[name].clear()
            told = Anew(link.head.entry, _word(link.cells["at"]), _word(link.cells["actor"]))
            self.anew.setdefault(name, []).append(told)


def _rotates(link: _Link) -> bool:
    """Whether it records that the registry key was rotated; that neither adds nor removes rows."""
    event = link.claims.get(KeyEvent.__tablename__)
    return (
        link.cells["kind"] == "key.rotate"
        and event is not None
        and (event.rows, event.every) == (1, False)
    )


def _word(cell: object) -> str:
    """A cell of an entry; SQLite may hold anything."""
    return cell if isinstance(cell, str) else "?"


def _links(connection: Connection, faults: _Faults) -> Iterator[_Link]:
    """Every entry in order; its own hash and its link to the entry before are checked."""
    before: object = ORIGIN
    last = 0
    query = as_stored(connection, ACTIONS).order_by(ACTIONS.c.id)
    for row in connection.execute(query.execution_options(yield_per=BATCH)):
        cells = cells_of(row)
        number = cells["id"]
        if type(number) is not int:
            faults.add(last, "an entry after it has no number")
            continue
        last = number
        try:
            own = entry_hash(cells)
        except TypeError:  # no cell of an entry
            own = ""
        if cells["hash"] != own:
            faults.add(number, "its own hash is not that of what it says")
        if cells["previous"] != before:
            faults.add(number, "its link to the entry before it is another entry's")
        before = cells["hash"]
        claims = claims_of(cells["rows"])
        if claims is None:
            faults.add(number, "what it says of rows can't be read")
        yield _Link(Head(number, own), cells, claims or {})


def _check_rows(
    connection: Connection, table: Table, claims: dict[int, Claim], last: int, faults: _Faults
) -> int:
    """Hold the rows of a table against what the entries say of them; how many there are."""
    number = 0
    unseen = dict(claims)
    for entry, group in groupby(stored_hashes(connection, table), key=itemgetter(0)):
        hashes = bytearray()
        for _, row_hash in group:
            hashes += row_hash
        found = len(hashes) // HASH_BYTES
        number += found
        whose = entry if type(entry) is int else 0
        claim = unseen.pop(whose, None)
        if claim is None:
            # A number that is no entry's may be anything: it is not told.
            concerned = min(max(whose, 0), last + 1)
            faults.add(concerned, f"{found} rows of {table.name} that no entry answers for")
        elif (found, rows_digest(hashes)) != (claim.rows, claim.digest):
            faults.add(whose, _difference(table, claim.rows, found))
    for entry, claim in unseen.items():
        faults.add(entry, _difference(table, claim.rows, 0))
    return number


def _difference(table: Table, recorded: int, found: int) -> str:
    what = "changed"
    if recorded != found:
        what = "added" if recorded < found else "removed"
    return f"rows of {table.name} were {what} ({recorded} recorded, {found} found)"


def _check_head(connection: Connection, head: Head, faults: _Faults) -> None:
    """There is one row that says where the chain ends, and it says so."""
    rows = connection.execute(as_stored(connection, _HEADS).limit(2)).all()
    if not rows:
        faults.add(head.entry, "the row of chain_head is missing")
    elif len(rows) > 1:
        faults.add(head.entry, "chain_head has a second row")
    elif tuple(rows[0]) != (1, *head):
        faults.add(head.entry, "chain_head is not the last entry")
