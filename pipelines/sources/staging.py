"""Staging: the named columns of the named tables become typed Parquet, or quarantine."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pyarrow.parquet as pq

from pipelines.errors import SourceError
from pipelines.sources.binding import Bound, bind, find_partner, is_headless
from pipelines.sources.parse import cleaned, parsed
from pipelines.sources.private import create_private
from pipelines.sources.quarantine import Quarantine, Reason
from pipelines.sources.tables import Source, did_you_mean
from schemas.checking import breaches
from schemas.declaration import Family, TableDeclaration
from schemas.raw import DTYPES, ROW, domain, raw_model, required

_FAULT = "_fault"


@dataclass(frozen=True, slots=True)
class StagedTable:
    """A table as typed Parquet.

    Attributes:
        path: the file: the needed columns under canonical names, and `_row` (Int64), ascending.
        id_domain: `linked`, or the isolated name of the learner column; None without one.
        rows: how many were accepted.
        sha256: of the source's content: a file's bytes, or the rows read from a database.
    """

    path: Path
    id_domain: str | None
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Staged:
    """What was read, by canonical table name, and what was put aside."""

    tables: Mapping[str, StagedTable]
    quarantine: Quarantine


def stage(
    source: Source, family: Family, needs: Mapping[str, frozenset[str]], folder: Path
) -> Staged:
    """Read the needed columns, and nothing else, into a private folder.

    Rows that break the declaration are put aside with one reason each: of several the first in the
    order ragged, wrong type, null key, not in the domain.

    Args:
        source: where the tables lie.
        family: what they are.
        needs: canonical table name -> canonical column names.
        folder: an existing private folder; files are made with mode 0600.

    Raises:
        SourceError: a needed table or column is missing or not declared, a needed table has a
            column that is neither declared nor dropped, or can't be read.
    """
    partner = find_partner(family, source)
    bounds = [_needed(family, name, source, partner, needs[name]) for name in sorted(needs)]
    quarantine = Quarantine()
    tables = {
        bound.name: _stage_table(bound, folder, quarantine, location=source.location)
        for bound in bounds
    }
    return Staged(tables, quarantine)


def _needed(
    family: Family, name: str, source: Source, partner: str | None, columns: frozenset[str]
) -> Bound:
    """The table narrowed to the needed columns, once it is known to be readable."""
    where = f"{source.location}: table '{name}'"
    if name not in family.tables:
        hint = did_you_mean(name, family.tables)
        raise SourceError(f"{where}: not declared by family '{family.family}'{hint}")
    bound = bind(family, name, source, partner)
    declared = bound.declaration.columns
    for column in sorted(columns - declared.keys()):
        hint = did_you_mean(column, declared)
        raise SourceError(f"{where}: column '{column}' is not declared{hint}")
    if bound.raw is None and not bound.declaration.optional:
        hint = did_you_mean(name, source.tables)
        raise SourceError(f"{where}: missing{hint}; export it too, or ask for less")
    if bound.raw is not None:
        unknown = len(bound.undeclared)
        if is_headless(len(bound.raw.columns()) - unknown, unknown):
            raise SourceError(
                f"{where}: its first line names hardly a known column; put the header line back, "
                "or declare the columns"
            )
        for column in sorted(columns.intersection(bound.missing)):
            hint = did_you_mean(column, bound.undeclared)
            raise SourceError(f"{where}: column '{column}' is missing{hint}; export it too")
        for column in bound.undeclared:
            raise SourceError(
                f"{where}: column '{column}' is not declared; declare what it is, as dropped if it "
                "is not needed"
            )
    narrowed = bound.declaration.model_copy(
        update={
            "columns": {name: c for name, c in declared.items() if name in columns},
            "key": tuple(name for name in bound.declaration.key if name in columns),
        }
    )
    found = {name: raw for name, raw in bound.columns.items() if name in columns}
    return Bound(name, narrowed, bound.raw, found, (), bound.id_domain)


def _stage_table(
    bound: Bound, folder: Path, quarantine: Quarantine, *, location: str
) -> StagedTable:
    path = folder / f"{quote(bound.name, safe='{}')}.parquet"
    judge = _Judge(bound, location=location)
    rows = 0
    with create_private(path) as file:
        empty = _empty(bound.declaration).to_arrow(compat_level=pl.CompatLevel.oldest())
        with pq.ParquetWriter(file, empty.schema) as writer:
            for accepted in judge.accepted(quarantine):
                rows += accepted.height
                writer.write_table(accepted.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return StagedTable(path, bound.id_domain, rows, judge.sha256())


def _empty(declaration: TableDeclaration) -> pl.DataFrame:
    types = {name: DTYPES[column.type] for name, column in declaration.columns.items()}
    return pl.DataFrame(schema={**types, ROW: pl.Int64()})


class _Judge:
    """Parses a table batch by batch, and parts what its declaration accepts from the rest."""

    def __init__(self, bound: Bound, *, location: str) -> None:
        self._bound = bound
        self._where = f"{location}: table '{bound.name}'"
        self._reading = None
        if bound.raw is not None:
            # Where every needed column is an absent optional one, any other tells the rows.
            names = list(bound.columns.values()) or bound.raw.columns()[:1]
            self._reading = bound.raw.read(names)
        try:
            self._model = raw_model(bound.name, bound.declaration)
            self._faults = self._conditions()
        except ValueError as error:
            raise SourceError(f"{self._where}: {error}") from None

    def accepted(self, quarantine: Quarantine) -> Iterator[pl.DataFrame]:
        """The accepted rows, batch by batch; the others go to quarantine."""
        if self._reading is None:
            return
        for batch in self._reading.batches:
            typed = self._typed(batch)
            faulty = typed.filter(pl.col(_FAULT).is_not_null())
            for position, (reason, column, _) in enumerate(self._faults):
                rows = faulty.filter(pl.col(_FAULT) == position)[ROW]
                quarantine.add(self._bound.name, reason, rows, column=column)
            kept = typed.filter(pl.col(_FAULT).is_null()).select(
                *self._bound.declaration.columns, ROW
            )
            self._assert_sound(kept)
            yield kept
        quarantine.add(self._bound.name, Reason.RAGGED_ROW, self._reading.ragged)

    def sha256(self) -> str:
        """The content's hash, once all batches were read; of nothing where the table is absent."""
        return hashlib.sha256().hexdigest() if self._reading is None else self._reading.digest()

    def _typed(self, batch: pl.DataFrame) -> pl.DataFrame:
        found, declared = self._bound.columns, self._bound.declaration.columns
        text = batch.select(
            *(
                cleaned(found[name], column).alias(f"text:{name}")
                if name in found
                else pl.lit(None, dtype=pl.String).alias(f"text:{name}")
                for name, column in declared.items()
            ),
            ROW,
        )
        typed = text.with_columns(
            parsed(pl.col(f"text:{name}"), column).alias(name) for name, column in declared.items()
        )
        chain = [pl.when(broken).then(pl.lit(i)) for i, (_, _, broken) in enumerate(self._faults)]
        return typed.with_columns(pl.coalesce(*chain, pl.lit(None, dtype=pl.Int32)).alias(_FAULT))

    def _conditions(self) -> list[tuple[Reason, str, pl.Expr]]:
        """What can be wrong with a row, most telling first."""
        declaration = self._bound.declaration
        typeless = [
            (Reason.WRONG_TYPE, n, pl.col(f"text:{n}").is_not_null() & pl.col(n).is_null())
            for n in declaration.columns
        ]
        keyless = [(Reason.NULL_KEY, n, pl.col(n).is_null()) for n in sorted(required(declaration))]
        outside = [
            (Reason.NOT_IN_DOMAIN, n, ~pl.col(n).is_in(values))
            for n, column in declaration.columns.items()
            if (values := domain(column)) is not None
        ]
        return [*typeless, *keyless, *outside]

    def _assert_sound(self, kept: pl.DataFrame) -> None:
        """The accepted rows satisfy the Pandera schema; a breach here is kohort's own fault."""
        for breach in breaches(self._model, kept):
            raise SourceError(
                f"{self._where}: column '{breach.column}' breaks {breach.check} in {breach.cells} "
                "cells after parsing; please report this as a fault of kohort"
            )
