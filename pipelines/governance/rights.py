"""The rights registry: append-only records in SQLite, by digest of the learner, never by id."""

import hmac
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import polars as pl
from sqlalchemy import Engine, insert, or_, select

from anonymizer.eligibility import ANY, RECORD_SCHEMA, State
from pipelines.errors import RightsError
from pipelines.governance.database import translated
from pipelines.governance.rights_file import RightsLine, read_rights
from pipelines.governance.tables import RightsRecord

_BATCH: Final = 20_000
_NUMBERED: Final = re.compile(r"^(\d+)\.0+$")
"""An id that a tool wrote as a number: `1000.0` is the learner `1000`, here and in sources."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import recorded: state -> number of records."""

    counts: Mapping[str, int]


def registry_digests(learners: pl.Series, key: bytes) -> pl.Series:
    """How the registry knows learners: HMAC-SHA256 in hex of each canonical id; nulls stay null.

    Blanks around an id are no part of it, neither here nor in a rights file.
    """
    return learners.map_elements(lambda learner: _digest(learner, key), return_dtype=pl.String)


def import_rights(
    engine: Engine, file: Path, *, registry_key: bytes, received_at: datetime
) -> ImportResult:
    """Record a whole rights file, or nothing of it.

    Raises:
        RightsError: the file is bad (see `read_rights`), or the registry can't be written.
    """
    counts: Counter[str] = Counter()
    with translated(engine), engine.begin() as connection:
        lines = read_rights(file)
        while batch := list(islice(lines, _BATCH)):
            counts.update(line.state.value for line in batch)
            rows = [_row(line, registry_key, received_at) for line in batch]
            connection.execute(insert(RightsRecord), rows)
    return ImportResult(dict(sorted(counts.items())))


def record_dataset_basis(
    engine: Engine,
    *,
    source: str,
    state: State,
    legal_basis: str,
    note: str,
    received_at: datetime,
    effective_from: datetime,
) -> None:
    """Record that all learners of a source are permitted on one explicit basis, for any purpose.

    It never overrides a learner's own stricter state.

    Raises:
        RightsError: the state is not `granted`, the basis or the note is empty, or the registry
            can't be written.
    """
    if state is not State.GRANTED:
        raise RightsError(f"--state: for a whole source only granted is recorded, not {state}")
    if not legal_basis.strip() or not note.strip():
        raise RightsError("--legal-basis and --note: say on which basis, and why it holds")
    row = {
        "source": source,
        "purpose": ANY,
        "scope": ANY,
        "state": state.value,
        "legal_basis": legal_basis.strip(),
        "jurisdiction": ANY,
        "effective_from": effective_from,
        "note": note.strip(),
        "received_at": received_at,
    }
    with translated(engine), engine.begin() as connection:
        connection.execute(insert(RightsRecord), row)


def rights_records(engine: Engine, *, source: str) -> pl.DataFrame:
    """Every record that bears on the learners of a source, in the shape `eligible` takes.

    Returns:
        The columns of `RECORD_SCHEMA`; `learner` is a digest as of `registry_digests`, or null.

    Raises:
        RightsError: the registry can't be read.
    """
    table = RightsRecord.__table__
    query = (
        select(*(table.c[name] for name in RECORD_SCHEMA))
        .where(or_(table.c.source.is_(None), table.c.source == source))
        .order_by(table.c.id)
    )
    frames = [pl.DataFrame(schema=RECORD_SCHEMA)]
    with translated(engine), engine.connect() as connection:
        frames += [_frame(rows) for rows in connection.execute(query).partitions(_BATCH)]
    records = pl.concat(frames)
    if not records["state"].is_in([state.value for state in State]).all():
        raise RightsError(
            f"{engine.url.database}: holds an unknown state; restore the registry from your backup"
        )
    return records


def _frame(rows: Iterable[Any]) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in rows], schema=RECORD_SCHEMA, orient="row")


def _digest(learner: str, key: bytes) -> str:
    learner = _NUMBERED.sub(r"\1", learner.strip())
    return hmac.digest(key, learner.encode(), "sha256").hex()


def _row(line: RightsLine, key: bytes, received_at: datetime) -> dict[str, object]:
    return {
        "learner": _digest(line.learner_id, key),
        "purpose": line.purpose,
        "scope": line.scope,
        "state": line.state.value,
        "legal_basis": line.legal_basis,
        "jurisdiction": line.jurisdiction,
        "notice_version": line.notice_version,
        "effective_from": line.effective_from,
        "effective_to": line.effective_to,
        "origin": line.source,
        "received_at": received_at,
    }
