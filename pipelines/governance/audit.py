"""The audit chain, as its reader finds it: what was done, and whether anything was tampered with.

An entry seals itself, the entry before, and the rows that it added. Whoever changes one must change
every later hash, up to the head: and heads stand elsewhere too, in the packages that were given out
(Haber and Stornetta 1991). So a chain that was cut or rewritten as a whole is found by those.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, Table

from pipelines.governance.chain import Head
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
from pipelines.governance.tables import Base, ChainHead

__all__ = ["Audit", "Broken", "Entry", "entries", "verified", "verify_chain"]

_HEADS: Final = Base.metadata.tables[ChainHead.__tablename__]


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken link.

    Attributes:
        entry: the lowest that it concerns; 0: rows that no entry ever added; None: a head that is
            none of the chain's.
        what: what is wrong, in words; no cell.
    """

    entry: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found.

    Attributes:
        entries: how many.
        head: the last of them, with the hash that its cells have.
        rows: table -> how many.
        anew: table -> the last entry that answers for all its rows of then, in place of earlier
            ones: these show nothing of it any longer.
        broken: the first broken link; None: all holds.
        lost_heads: those of the given ones that are in the chain no longer.
    """

    entries: int
    head: Head
    rows: Mapping[str, int]
    anew: Mapping[str, int]
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
    faults = _Faults()
    tables = {table.name: table for table in governed_tables()}
    claims: dict[str, dict[int, Claim]] = {name: {} for name in tables}
    lost = dict.fromkeys(heads)
    lost.pop(ORIGIN, None)
    anew: dict[str, int] = {}
    number, head = 0, Head(0, ORIGIN)
    for link in _links(connection, faults):
        number, head = number + 1, link.head
        lost.pop(head.hash, None)
        for name, claim in link.claims.items():
            if name not in claims:
                faults.add(head.entry, "it answers for rows of a table that is not there")
                continue
            if claim.every and claims[name]:
                claims[name].clear()
                anew[name] = head.entry
            claims[name][head.entry] = claim
    rows = {
        name: _check_rows(connection, table, claims[name], head.entry, faults)
        for name, table in tables.items()
    }
    _check_head(connection, head, faults)
    if lost:
        faults.add(None, f"the head {next(iter(lost))} is not in it: it was cut or rewritten")
    return Audit(number, head, rows, anew, faults.first, tuple(lost))


class _Link(NamedTuple):
    """An entry, as far as the chain is about it."""

    head: Head
    claims: Mapping[str, Claim]


def _links(connection: Connection, faults: _Faults) -> Iterator[_Link]:
    """Every entry in order; its own hash and its link to the entry before are checked."""
    before: object = ORIGIN
    query = as_stored(connection, ACTIONS).order_by(ACTIONS.c.id)
    for row in connection.execute(query.execution_options(yield_per=BATCH)):
        cells = cells_of(row)
        number = cells["id"]
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
        yield _Link(Head(number, own), claims or {})


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
