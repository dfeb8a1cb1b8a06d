"""An aggregate package as it lies on disk, read once: its manifest, and its tables of cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.verify.outcome import CannotRunError
from pipelines.verify.package import Folder, as_text
from schemas.manifest import (
    AggregateManifest,
    AggregatePromise,
    CellTable,
    Draw,
    Query,
    parse_aggregate,
)


@dataclass(frozen=True, slots=True)
class Cells:
    """One released table, a row a cell.

    Attributes:
        resource: what the manifest says about it.
        frame: as it was written.
        text: the same as strings; a column that can't be read as text is left out.
    """

    resource: CellTable
    frame: pl.DataFrame
    text: pl.DataFrame

    @property
    def name(self) -> str:
        """Of the table."""
        return self.resource.name

    @property
    def query(self) -> Query:
        """What it answers."""
        return self.resource.query

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that tell cells apart."""
        return self.resource.primary_key

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of numbers in the file."""
        return tuple(name for name, kind in self.frame.schema.items() if kind.is_numeric())

    def select(self, *columns: str) -> pl.DataFrame:
        """These columns, as they were written.

        Raises:
            CannotRunError: one of them is not in the file.
        """
        absent = [column for column in columns if column not in self.frame.columns]
        if absent:
            raise CannotRunError(f"{self.name} has no column {', '.join(absent)}")
        return self.frame.select(columns)


@dataclass(frozen=True, slots=True)
class CellPackage:
    """An aggregate package on disk.

    Attributes:
        root: the folder.
        files: every file below it, as `/`-separated paths, sorted.
        manifest: what it says about itself.
        tables: what it releases.
    """

    root: Path
    files: tuple[str, ...]
    manifest: AggregateManifest
    tables: tuple[Cells, ...]

    @property
    def promise(self) -> AggregatePromise:
        """What it promises."""
        return self.manifest.promise

    def searched(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """The name of each table, and all of it that is text."""
        for table in self.tables:
            if table.text.width:
                yield table.name, table.text

    def draw_of(self, table: str, column: str) -> Draw:
        """What was drawn for this column.

        Raises:
            CannotRunError: no measurement names it, or more than one does.
        """
        found = [
            one.draw
            for one in self.promise.measurements
            if one.table == table and column in one.columns
        ]
        if len(found) != 1:
            raise CannotRunError(f"{len(found)} measurements name {table}.{column}, expected one")
        return found[0]


def read_cells(folder: Folder) -> CellPackage:
    """Read the aggregate package that a folder holds.

    Raises:
        UnreadablePackageError: its manifest is none of this format, or a table is missing or no
            Parquet file.
    """
    return cells_of(folder, folder.parsed(parse_aggregate))


def cells_of(folder: Folder, manifest: AggregateManifest) -> CellPackage:
    """Read the tables of cells that a folder holds.

    Raises:
        UnreadablePackageError: one of them is missing, or no Parquet file.
    """
    tables = []
    for resource in manifest.resources:
        frame = folder.frame(resource.path)
        tables.append(Cells(resource, frame, as_text(frame)))
    return CellPackage(folder.root, folder.files, manifest, tuple(tables))
