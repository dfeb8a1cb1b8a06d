"""A synthetic package as it lies on disk, read once: measured cells, and invented learners."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.verify.aggregate import CellPackage, Cells, cells_of
from pipelines.verify.package import Folder, Rows, Table
from schemas.manifest import SyntheticManifest, parse_synthetic


@dataclass(frozen=True, slots=True)
class SyntheticPackage:
    """A synthetic package on disk.

    Attributes:
        root: the folder.
        files: every file below it, as `/`-separated paths, sorted.
        manifest: what it says about itself.
        cells: what was measured, as if it were all of the package.
        rows: the tables of invented learners.
    """

    root: Path
    files: tuple[str, ...]
    manifest: SyntheticManifest
    cells: CellPackage
    rows: Rows

    @property
    def tables(self) -> tuple[Table | Cells, ...]:
        """What it releases, table by table."""
        return (*self.rows.tables, *self.cells.tables)

    def searched(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """The name of each table, and all of it that is text.

        Raises:
            CannotRunError: a table of invented learners has no readable keys.
        """
        yield from self.rows.searched()
        yield from self.cells.searched()


def read_synthetic(folder: Folder) -> SyntheticPackage:
    """Read the synthetic package that a folder holds.

    Raises:
        UnreadablePackageError: its manifest is none of this format, or a table is missing or no
            Parquet file.
    """
    manifest = folder.parsed(parse_synthetic)
    cells = cells_of(folder, manifest.cells)
    tables = tuple(Table.of(one, folder.frame(one.path)) for one in manifest.tables)
    return SyntheticPackage(folder.root, folder.files, manifest, cells, Rows(manifest.twin, tables))
