"""Quarantine: rows that break their declaration, put aside with a reason. Steward-side, always."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

import polars as pl

from pipelines.sources.private import create_private
from schemas.raw import ROW


class Reason(StrEnum):
    """Why a row was put aside."""

    RAGGED_ROW = "ragged_row"
    """It has more or fewer cells than the header."""

    WRONG_TYPE = "wrong_type"
    """A cell does not parse as its declared type."""

    NULL_KEY = "null_key"
    """The learner, or a part of the table's key, is missing."""

    NOT_IN_DOMAIN = "not_in_domain"
    """A value lies outside the closed list of its column."""

    DUPLICATE_ROW = "duplicate_row"
    """It repeats an earlier row in every column read."""

    DUPLICATE_KEY = "duplicate_key"
    """It shares the key of an earlier row, and contradicts it."""

    NO_LEARNER_ROW = "no_learner_row"
    """Its learner has no row in the table that lists the learners."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """How many rows of a table were put aside for one reason.

    Attributes:
        column: the column at fault, where one is.
    """

    table: str
    column: str | None
    reason: Reason
    rows: int

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError("rows must be at least 1: nothing was put aside")


class Quarantine:
    """Collects what was put aside, as positions in file order: never the rows themselves."""

    def __init__(self) -> None:
        self.positions: dict[tuple[str, str | None, Reason], list[pl.Series]] = {}

    def add(
        self,
        table: str,
        reason: Reason,
        rows: pl.Series | Sequence[int],
        *,
        column: str | None = None,
    ) -> None:
        """Put rows of a table aside.

        Args:
            table: the table's canonical name.
            reason: why.
            rows: their positions (`_row`).
            column: the column at fault, where one is.
        """
        positions = pl.Series(ROW, rows, dtype=pl.Int64)
        if len(positions):
            self.positions.setdefault((table, column, reason), []).append(positions)

    def absorb(self, other: "Quarantine") -> None:
        """Add what another one put aside and this one did not."""
        for key, parts in other.positions.items():
            table, column, reason = key
            rows = pl.concat(parts).unique(maintain_order=True)
            if known := self.positions.get(key):
                rows = rows.filter(~rows.is_in(pl.concat(known).implode()))
            self.add(table, reason, rows, column=column)

    def entries(self) -> tuple[Quarantined, ...]:
        """The counts, ordered by table, reason and column."""
        counts = [
            Quarantined(table, column, reason, sum(map(len, positions)))
            for (table, column, reason), positions in self.positions.items()
        ]
        return tuple(sorted(counts, key=lambda c: (c.table, c.reason, c.column or "")))

    def write(self, folder: Path) -> None:
        """Write `counts.csv`, and one `<table>.parquet` of positions for each table.

        Args:
            folder: an existing folder on the steward's side. Files are made with mode 0600.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["table", "column", "reason", "rows"])
        writer.writerows([c.table, c.column or "", c.reason, c.rows] for c in self.entries())
        with create_private(folder / "counts.csv") as file:
            file.write(text.getvalue().encode())
        for table in sorted({table for table, _, _ in self.positions}):
            with create_private(folder / f"{quote(table, safe='{}')}.parquet") as file:
                self._table(table).write_parquet(file)

    def _table(self, table: str) -> pl.DataFrame:
        return pl.concat(
            pl.DataFrame({ROW: positions}).with_columns(
                pl.lit(reason.value).alias("reason"),
                pl.lit(column, dtype=pl.String).alias("column"),
            )
            for (name, column, reason), parts in self.positions.items()
            if name == table
            for positions in parts
        ).sort(ROW)
