"""The rights registry: append-only records, by digest of the learner, never by id."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Session

from anonymizer.eligibility import ANY, State
from pipelines.errors import RightsError
from pipelines.governance.chain import Change, changing
from pipelines.governance.database import translated
from pipelines.governance.layers import folded
from pipelines.governance.registry_keys import demand_key
from pipelines.governance.rights_file import Faults, RightsLine, read_rights, read_rights_table
from pipelines.governance.rights_statement import Statement, canonical_id
from pipelines.governance.tables import RightsRecord
from pipelines.people import Actor, Duty

__all__ = [
    "ImportResult",
    "Statement",
    "erased",
    "history",
    "import_rights",
    "import_rights_table",
    "learner_digest",
    "record_dataset_basis",
    "registry_digests",
    "set_state",
]

_COLUMNS: Final = (
    "learner",
    "source",
    "purpose",
    "scope",
    "state",
    "legal_basis",
    "jurisdiction",
    "notice_version",
    "effective_from",
    "effective_to",
    "ends",
    "origin",
    "note",
    "received_at",
)
_ASKED_AT_ONCE: Final = 500
"""Digests in one query; SQLite takes no more than some thousand."""

_WAS_ERASED: Final = "of a learner who was erased, in another state than erased"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import recorded: state -> number of records."""

    counts: Mapping[str, int]


def registry_digests(learners: pl.Series, key: bytes) -> pl.Series:
    """How the registry knows learners: `learner_digest` of each canonical id; nulls stay null."""
    digest = _digest_under(key)
    return pl.Series(
        learners.name,
        [None if learner is None else digest(learner) for learner in learners],
        dtype=pl.String,
    )


def other_names(aliases: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """`learner` and `now`: the digest of each id that is no name, and of whose it is."""
    others = aliases.drop_nulls("person").filter(pl.col("id") != pl.col("person"))
    return pl.DataFrame(
        {
            "learner": registry_digests(others["id"], key),
            "now": registry_digests(others["person"], key),
        }
    )


def learner_digest(learner_id: str, key: bytes) -> str:
    """How the registry knows a learner: HMAC-SHA256 of his canonical id, in hex.

    Blanks around an id are no part of it, neither here nor in a rights file.

    Args:
        learner_id: as any source or file has it.
        key: one or more layers of 32 bytes (see `pipelines.governance.layers`).
    """
    return _digest_under(key)(learner_id)


def import_rights(
    engine: Engine, file: Path, *, registry_key: bytes, received_at: datetime, actor: Actor
) -> ImportResult:
    """Record a whole rights file (CSV or Parquet), or nothing of it.

    Raises:
        RightsError: the file is bad (see `read_rights`), or names a learner who was erased in
            another state than `erased`.
        RegistryError: the key was rotated since it was read; or the registry can't be written.
        RoleError: the actor is neither steward nor engineer.
    """
    actor.must_be(Duty.STEWARD, Duty.ENGINEER)
    faults = Faults(str(file), "row" if file.suffix.lower() == ".parquet" else "line")
    with changing(engine) as change:
        rows = _Rows(read_rights(file, faults), faults, registry_key, received_at)
        return _import(change, rows, actor, subject="a file")


def import_rights_table(
    engine: Engine,
    url: str,
    table: str,
    *,
    base: Path,
    registry_key: bytes,
    received_at: datetime,
    actor: Actor,
) -> ImportResult:
    """Record a whole table of a database, or nothing of it.

    Args:
        engine: the registry.
        url: of the database that holds the table.
        table: its name there.
        base: what a relative SQLite path starts from.
        registry_key: makes digests of ids.
        received_at: when the registry learns of it.
        actor: who imports.

    Raises:
        RegistryError: as `import_rights`.
        RoleError: the actor is neither steward nor engineer.
    """
    actor.must_be(Duty.STEWARD, Duty.ENGINEER)
    faults = Faults(f"table '{table}'", "row")
    with changing(engine) as change:
        lines = read_rights_table(url, table, base=base, faults=faults)
        rows = _Rows(lines, faults, registry_key, received_at)
        return _import(change, rows, actor, subject="a table")


def record_dataset_basis(
    engine: Engine,
    *,
    source: str,
    state: State,
    legal_basis: str,
    note: str,
    received_at: datetime,
    effective_from: datetime,
    actor: Actor,
) -> None:
    """Record that all learners of a source are permitted on one explicit basis, for any purpose.

    It never overrides a learner's own stricter state.

    Raises:
        RightsError: the state is not `granted`, the basis or the note is empty, or the registry
            can't be written.
        RoleError: the actor is neither steward nor engineer.
    """
    actor.must_be(Duty.STEWARD, Duty.ENGINEER)
    if state is not State.GRANTED:
        raise RightsError(f"--state: for a whole source only granted is recorded, not {state}")
    if not legal_basis.strip() or not note.strip():
        raise RightsError("--legal-basis and --note: say on which basis, and why it holds")
    statement = Statement(
        state=state,
        purpose=ANY,
        scope=ANY,
        effective_from=effective_from,
        legal_basis=legal_basis.strip(),
        jurisdiction=ANY,
        note=note.strip(),
    )
    row = (None, source, *_stated(statement), received_at)
    with changing(engine) as change:
        change.add_rows(RightsRecord, _COLUMNS, [row])
        detail = f"{state}, {statement.legal_basis}"
        change.record(actor, "rights.basis", source, at=received_at, detail=detail)


def set_state(
    engine: Engine,
    digests: Sequence[str],
    statement: Statement,
    *,
    registry_key: bytes,
    actor: Actor,
    at: datetime,
) -> None:
    """Record one statement of a person, under each of his ids.

    Args:
        engine: the registry.
        digests: of every id of the person, as of `learner_digest`; recorded in this order.
        statement: what is recorded.
        registry_key: what the digests were made under.
        actor: who records it.
        at: when.

    Raises:
        RightsError: the learner was erased, and the statement is another than that.
        RegistryError: the key was rotated since; or the registry can't be written.
        RoleError: the actor is no steward.
    """
    actor.must_be(Duty.STEWARD)
    # Not in the order of digests: rows keep theirs when the key is rotated, and it would then tell
    # whoever has the old key whose they may be.
    rows = [(digest, None, *_stated(statement), at) for digest in dict.fromkeys(digests)]
    with changing(engine) as change:
        demand_key(change, registry_key)
        if statement.state is not State.ERASED and _erased(change.connection, digests):
            raise RightsError(
                "LEARNER_ID: was erased; nothing but that is recorded of an erased learner"
            )
        change.add_rows(RightsRecord, _COLUMNS, rows)
        ends = f", ends {statement.ends}" if statement.ends else ""
        # The scope may name a course that only one learner took.
        detail = f"purpose {statement.purpose}{ends}; ids: {len(rows)}"
        change.record(actor, "rights.set", statement.state, at=at, detail=detail)


def erased(engine: Engine, digests: Sequence[str]) -> frozenset[str]:
    """Which of these learners were erased."""
    with translated(engine), engine.connect() as connection:
        return _erased(connection, digests)


def history(engine: Engine, digests: Sequence[str]) -> list[RightsRecord]:
    """Every record of a person, in the order of recording.

    What was recorded at once under several of his ids stands once. What bears on all learners of a
    source is no record of his.
    """
    found: list[RightsRecord] = []
    with translated(engine), Session(engine) as session:
        for part in _parts(digests):
            found += session.scalars(select(RightsRecord).where(RightsRecord.learner.in_(part)))
    once: dict[tuple[object, ...], RightsRecord] = {}
    for entry in sorted(found, key=lambda entry: entry.id):
        said = tuple(getattr(entry, name) for name in _COLUMNS if name != "learner")
        once.setdefault(said, entry)
    return list(once.values())


@dataclass(frozen=True)
class _Rows:
    """The rows of an import; counts them, and adds whoever was erased to the faults."""

    lines: Iterable[RightsLine]
    faults: Faults
    key: bytes
    received_at: datetime
    counts: Counter[State] = field(default_factory=Counter)

    def rows(self, gone: Container[str]) -> Iterator[tuple[object, ...]]:
        digest_under = _digest_under(self.key)
        for number, learner_id, statement in self.lines:
            digest = digest_under(learner_id)
            if digest in gone and statement.state is not State.ERASED:
                self.faults.add(_WAS_ERASED, number)
            self.counts[statement.state] += 1
            yield (digest, None, *_stated(statement), self.received_at)


def _digest_under(key: bytes) -> Callable[[str], str]:
    digest = folded(key)
    return lambda learner_id: digest(canonical_id(learner_id).encode()).hex()


def _import(change: Change, rows: _Rows, actor: Actor, *, subject: str) -> ImportResult:
    demand_key(change, rows.key)
    # The lines refuse themselves at their end, and the transaction goes back.
    change.add_rows(RightsRecord, _COLUMNS, rows.rows(_all_erased(change.connection)))
    counts = {state.value: rows.counts[state] for state in sorted(rows.counts)}
    detail = ", ".join(f"{number} {state}" for state, number in counts.items())
    change.record(actor, "rights.import", subject, at=rows.received_at, detail=detail)
    return ImportResult(counts)


def _stated(statement: Statement) -> tuple[object, ...]:
    """The cells between `source` and `received_at`."""
    return (
        statement.purpose,
        statement.scope,
        statement.state.value,
        statement.legal_basis,
        statement.jurisdiction,
        statement.notice_version,
        statement.effective_from,
        statement.effective_to,
        statement.ends.value if statement.ends is not None else None,
        statement.origin,
        statement.note,
    )


def _erased(connection: Connection, digests: Sequence[str]) -> frozenset[str]:
    learner = RightsRecord.__table__.c.learner
    query = select(learner).where(RightsRecord.state == State.ERASED.value)
    found = (connection.scalars(query.where(learner.in_(part))) for part in _parts(digests))
    return frozenset(digest for part in found for digest in part)


def _all_erased(connection: Connection) -> frozenset[str]:
    """Every erased learner: few, as tombstones are."""
    query = select(RightsRecord.learner).where(RightsRecord.state == State.ERASED.value)
    return frozenset(digest for digest in connection.scalars(query) if digest is not None)


def _parts(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(digests), _ASKED_AT_ONCE):
        yield digests[start : start + _ASKED_AT_ONCE]
