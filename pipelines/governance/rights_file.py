"""A rights file, CSV or Parquet, or a table of a database: read whole or refused whole.

A mistyped withdrawal that were skipped would leave a grant in force, so one bad line refuses
everything. Refusals give the numbers of lines, never values.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Final, TextIO

import polars as pl

from pipelines.errors import RightsError, SourceError
from pipelines.governance.rights_ids import column_id, visible_id
from pipelines.governance.rights_statement import (
    Statement,
    StatementError,
    folded_texts,
    read_statement,
    stands_in,
)
from pipelines.sources.database import open_database
from pipelines.sources.parquet import ParquetTable
from pipelines.sources.tables import ROW, RawTable, did_you_mean

__all__ = [
    "COLUMNS",
    "ENDS",
    "Faults",
    "RightsLine",
    "read_rights",
    "read_rights_table",
    "visible_id",
]

COLUMNS: Final = (
    "learner_id",
    "purpose",
    "scope",
    "state",
    "legal_basis",
    "jurisdiction",
    "notice_version",
    "effective_from",
    "effective_to",
    "source",
)
"""The columns of a rights file, all of them, in any order."""

ENDS: Final = "ends"
"""The one column that may be left out: the state that a line ends."""

_WORDS: Final = itemgetter(
    *(
        COLUMNS[1:].index(name)
        for name in ("purpose", "scope", "legal_basis", "jurisdiction", "notice_version", "source")
    )
)
"""The cells behind the id that the registry keeps as they stand."""

_SHOWN: Final = 3
_MIDNIGHT: Final = r"^\d{4}-\d{2}-\d{2} 00:00:00(\.0+)?$"
_DAY: Final = len("2026-01-31")

RightsLine = tuple[int, str, Statement]
"""Number, learner id as the source has it, and what is stated."""

_Cells = tuple[int, tuple[str, ...]]
"""Number, and the cells of `COLUMNS` and `ENDS`, without blanks around them."""


@dataclass(frozen=True)
class Faults:
    """What is wrong with the lines of a file, found while they are read.

    Attributes:
        where: what to call the file in messages.
        line: what its lines are called.
    """

    where: str
    line: str = "line"
    _lines: dict[str, list[int]] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, line: int) -> None:
        """A bad line, and why; no value of it."""
        self._counts[reason] += 1
        if self._counts[reason] <= _SHOWN:
            self._lines.setdefault(reason, []).append(line)

    def refuse(self) -> None:
        """Refuse the file where a line was bad.

        Raises:
            RightsError: tells every reason, how many lines there are of each, and the first ones.
        """
        if not self._counts:
            return
        by_line = sorted(self._counts, key=lambda reason: self._lines[reason][0])
        said = "; ".join(f"{self._counts[r]} {r} ({self._told(r)})" for r in by_line)
        raise RightsError(
            f"{self.where}: nothing is imported: {said}; correct it and import it again"
        )

    def _told(self, reason: str) -> str:
        count, lines = self._counts[reason], self._lines[reason]
        told = f"in {self.line}{'s' if count > 1 else ''} {', '.join(map(str, lines))}"
        return f"first {told}" if count > len(lines) else told


def read_rights(file: Path, faults: Faults) -> Iterator[RightsLine]:
    """The good lines of a rights file; the caller keeps nothing if there are faults at the end.

    Args:
        file: a CSV file, or a Parquet file where its name says so.
        faults: takes the bad lines.

    Raises:
        RightsError: the file can't be read, its columns are not `COLUMNS`, or it holds no record.
    """
    if file.suffix.lower() == ".parquet":
        table = ParquetTable(str(file), lambda: file.open("rb"))
        _check_precision(file, table, faults.where)
        return _parsed(_table_rows(table, faults), faults, column_id)
    return _parsed(_csv_rows(file, faults), faults, visible_id)


def read_rights_table(url: str, table: str, *, base: Path, faults: Faults) -> Iterator[RightsLine]:
    """The good rows of a table or view of a database; see `read_rights`.

    They come, and are numbered, by its primary key, or else by `effective_from`.

    Args:
        url: an SQLAlchemy URL.
        table: its name there.
        base: what a relative SQLite path starts from.
        faults: takes the bad rows.

    Raises:
        RightsError: as `read_rights`; or there is no such table.
    """
    with _translated(faults.where):
        tables = open_database(url, base=base).tables
    if table not in tables:
        hint = did_you_mean(table, tables)
        raise RightsError(f"--table {table}: the database has no such table{hint}")
    return _parsed(_table_rows(tables[table], faults), faults, column_id)


def _parsed(
    rows: Iterable[_Cells], faults: Faults, read_id: Callable[[str], str]
) -> Iterator[RightsLine]:
    empty = True
    for number, cells in rows:
        empty = False
        try:
            learner_id = read_id(cells[0])
            statement, words = _statement(cells[1:])
            if stands_in(learner_id, words):
                faults.add("with the learner's id in another column", number)
            yield number, learner_id, statement
        except StatementError as fault:
            faults.add(str(fault), number)
    faults.refuse()
    if empty:
        raise RightsError(f"{faults.where}: holds no record; expected at least one")


@lru_cache(maxsize=1 << 14)  # a file says the same few things of many learners
def _statement(cells: tuple[str, ...]) -> tuple[Statement, str]:
    """What is stated, and its words as `stands_in` takes them."""
    said = dict(zip((*COLUMNS[1:], ENDS, "note"), (*cells, ""), strict=True))
    return read_statement(said), folded_texts(_WORDS(cells))


def _csv_rows(file: Path, faults: Faults) -> Iterator[_Cells]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            yield from _lines(text, faults)
    except OSError as error:
        raise RightsError(
            f"{file}: can't be read ({error.strerror}); name a CSV or Parquet file"
        ) from None
    except UnicodeDecodeError:
        raise RightsError(f"{file}: not UTF-8; save it as UTF-8, nothing is imported") from None


def _lines(text: TextIO, faults: Faults) -> Iterator[_Cells]:
    reader = csv.reader(text, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(header, f"{faults.where}: wrong columns in line 1")
        known = (*COLUMNS, ENDS) if ENDS in header else COLUMNS
        ordered = itemgetter(*map(header.index, known))
        added = () if ENDS in header else ("",)
        first = reader.line_num + 1
        for cells in reader:
            line, first = first, reader.line_num + 1
            if len(cells) == len(header):
                yield line, (*map(str.strip, ordered(cells)), *added)
            elif cells:  # an empty line says nothing
                faults.add(f"wrong number of cells: {len(header)} were expected", line)
    except csv.Error:
        faults.add("not valid CSV", reader.line_num)
        faults.refuse()


def _check_precision(file: Path, table: ParquetTable, where: str) -> None:
    with _translated(where):
        table.columns()  # refuses what is no Parquet file
    dtype = pl.read_parquet_schema(file).get(COLUMNS[0])
    if dtype is not None and dtype.is_float() and dtype != pl.Float64:
        raise RightsError(
            f"{where}: column {COLUMNS[0]} holds numbers of low precision, which may be those of "
            "other learners; write the ids as text"
        )


def _only_midnights(table: ParquetTable) -> bool:
    """Whether the column `effective_from` holds days, written as their first instants."""
    texts = (batch["effective_from"] for batch in table.read(["effective_from"]).batches)
    return all(text.str.contains(_MIDNIGHT).all() for text in texts)


def _table_rows(table: RawTable, faults: Faults) -> Iterator[_Cells]:
    with _translated(faults.where):
        header = table.columns()
        _check_header(header, f"{faults.where}: wrong columns")
        known = (*COLUMNS, ENDS) if ENDS in header else COLUMNS
        # A database gives rows without a key in the order of these columns: as they came to hold.
        in_time = sorted(known, key=lambda name: name != "effective_from")
        by_day = isinstance(table, ParquetTable) and _only_midnights(table)
        begins = pl.col("effective_from")
        for batch in table.read(in_time).batches:
            cells = batch.select(
                *(pl.col(name).fill_null("") for name in known),
                *([] if ENDS in header else [pl.lit("").alias(ENDS)]),
            ).select(pl.all().str.strip_chars())
            if by_day:
                cells = cells.with_columns(begins.str.head(_DAY))
            yield from zip((batch[ROW] + 1).to_list(), cells.iter_rows(), strict=True)


def _check_header(header: Sequence[str], subject: str) -> None:
    faults = {
        "missing": [name for name in COLUMNS if name not in header],
        "repeated": [name for name in (*COLUMNS, ENDS) if list(header).count(name) > 1],
    }
    unknown = sum(name not in {*COLUMNS, ENDS} for name in header)
    said = [f"{fault} {', '.join(names)}" for fault, names in faults.items() if names]
    if unknown:
        said.append(f"{unknown} unknown")
    if said:
        raise RightsError(
            f"{subject}: {'; '.join(said)}; expected exactly {','.join(COLUMNS)} and, where a line "
            f"ends a state, {ENDS}"
        )


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except SourceError as error:
        raise RightsError(f"{error}; nothing is imported") from None
    except OSError as error:
        raise RightsError(f"{where}: can't be read ({error.strerror})") from None
