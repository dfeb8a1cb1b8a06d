"""The rights registry: append-only records in SQLite, by digest of the learner, never by id."""

import hmac
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import polars as pl
from sqlalchemy import URL, Engine, NullPool, create_engine, event, insert, or_, select
from sqlalchemy.exc import SQLAlchemyError

from anonymizer.eligibility import ANY, RECORD_SCHEMA, State
from pipelines.errors import RightsError
from pipelines.governance.rights_file import RightsLine, read_rights
from pipelines.governance.tables import Base, RightsRecord

_BATCH: Final = 20_000
_NUMBERED: Final = re.compile(r"^(\d+)\.0+$")
"""An id that a tool wrote as a number: `1000.0` is the learner `1000`, here and in sources."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import recorded: state -> number of records."""

    counts: Mapping[str, int]


def create_registry(path: Path) -> Engine:
    """A new registry in a SQLite file, for its owner's eyes only.

    Raises:
        RightsError: the file exists, or can't be made.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise RightsError(f"{path}: can't be made ({error.strerror})") from None
    return open_registry(path)


def open_registry(path: Path) -> Engine:
    """The registry in a SQLite file.

    Every commit is on disk when it returns (WAL, synchronous=FULL). A lost registry is not made
    anew: the restrictions in it would be lost with it.

    Raises:
        RightsError: there is no such file, or it is no SQLite database.
    """
    if not path.is_file():
        raise RightsError(f"{path}: the rights registry is missing; restore it from your backup")
    # No pool: a connection is closed when it is given back, so nothing is left to dispose of.
    # Parameters are learners' data: they stay out of messages.
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", _set_pragmas)
    with _one_line_errors(engine):
        Base.metadata.create_all(engine)
    return engine


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
    with _one_line_errors(engine), engine.begin() as connection:
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
    with _one_line_errors(engine), engine.begin() as connection:
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
    with _one_line_errors(engine), engine.connect() as connection:
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


def _set_pragmas(connection: Any, _record: object) -> None:
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


@contextmanager
def _one_line_errors(engine: Engine) -> Iterator[None]:
    """SQLAlchemy's errors as ours; only the driver's own words, which hold no parameters."""
    try:
        yield
    except (SQLAlchemyError, ValueError) as error:
        words = getattr(error, "orig", None) or type(error).__name__
        raise RightsError(
            f"{engine.url.database}: the rights registry can't be used ({words}); "
            "check the file, or restore it from your backup"
        ) from None
