"""A package as it lies on disk, read once: its manifest, its tables, the names of its files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.verify.outcome import CannotRunError
from schemas.manifest import (
    ITEM,
    MANIFEST_NAME,
    Manifest,
    ManifestError,
    Promise,
    Resource,
    parse_manifest,
)


class UnreadablePackageError(Exception):
    """The folder is not a package that can be read; the message is one line."""


@dataclass(frozen=True, slots=True)
class Table:
    """One released table.

    Attributes:
        resource: what the manifest says about it.
        frame: as it was written.
        text: the same, every column as strings, so that a column of another type is still counted;
            a column that can't be read as text is left out.
    """

    resource: Resource
    frame: pl.DataFrame
    text: pl.DataFrame

    @classmethod
    def of(cls, resource: Resource, frame: pl.DataFrame) -> "Table":
        """The table of a frame as written."""
        return cls(resource, frame, pl.DataFrame(list(_texts(frame))))

    @property
    def learner(self) -> str:
        """The column of pseudonyms."""
        return self.resource.learner_key

    def select(self, *columns: str) -> pl.DataFrame:
        """The pseudonyms and these columns, as text.

        Raises:
            CannotRunError: one of them is not in the file, or is no text.
        """
        wanted = (self.learner, *columns)
        absent = [column for column in wanted if column not in self.text.columns]
        if absent:
            name = self.resource.name
            raise CannotRunError(f"{name} has no readable column {', '.join(absent)}")
        return self.text.select(wanted)


def _texts(frame: pl.DataFrame) -> Iterator[pl.Series]:
    for series in frame:
        try:
            yield series.cast(pl.String)
        except pl.exceptions.PolarsError:
            continue


@dataclass(frozen=True, slots=True)
class Extract:
    """The promise and the tables it is about."""

    promise: Promise
    tables: tuple[Table, ...]

    def of_grain(self, grain: str) -> tuple[Table, ...]:
        """The tables of this grain."""
        return tuple(table for table in self.tables if table.resource.grain == grain)

    def one(self, grain: str) -> Table:
        """The only table of this grain.

        Raises:
            CannotRunError: there is none, or more than one.
        """
        found = self.of_grain(grain)
        if len(found) != 1:
            raise CannotRunError(f"{len(found)} tables of grain {grain}, expected one")
        return found[0]

    def item_of(self, table: Table) -> str:
        """The item column of a table.

        Raises:
            CannotRunError: the promise names none, or the table does not declare it as its item.
        """
        item = self.promise.item
        if item is None or table.resource.of_role(ITEM) != (item,):
            raise CannotRunError(f"{table.resource.name} has no item column")
        return item


@dataclass(frozen=True, slots=True)
class Package:
    """A package on disk.

    Attributes:
        root: the folder.
        files: every file below it, as `/`-separated paths, sorted.
        manifest: what it says about itself.
        extract: what it releases.
    """

    root: Path
    files: tuple[str, ...]
    manifest: Manifest
    extract: Extract


def open_package(root: Path) -> Package:
    """Read a package.

    Raises:
        UnreadablePackageError: no folder, no manifest of this format, a table that is missing or
            no Parquet file, or anything in the folder that is no plain file.
    """
    try:
        files = tuple(sorted(_plain_files(root)))
        manifest = _manifest(root, files)
        tables = tuple(_table(root, resource, files) for resource in manifest.resources)
    except OSError as error:
        raise UnreadablePackageError(f"{root}: can't be read ({error.strerror})") from None
    return Package(root, files, manifest, Extract(manifest.promise, tables))


def _plain_files(root: Path) -> Iterator[str]:
    if not root.is_dir():
        raise UnreadablePackageError(f"{root}: expected a folder that holds {MANIFEST_NAME}")
    for folder, subfolders, names in os.walk(root, onerror=_refuse):
        for name in (*subfolders, *names):
            path = Path(folder, name)
            # A link may lead out of the package; reading a pipe may never end.
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise UnreadablePackageError(
                    f"{path}: expected a plain file; a package holds no links, pipes or devices"
                )
        yield from (Path(folder, name).relative_to(root).as_posix() for name in names)


def _refuse(error: OSError) -> None:
    raise error


def _manifest(root: Path, files: tuple[str, ...]) -> Manifest:
    path = root / MANIFEST_NAME
    if MANIFEST_NAME not in files:
        raise UnreadablePackageError(f"{path}: not found; expected the folder of a package")
    try:
        return parse_manifest(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UnreadablePackageError(f"{path}: expected UTF-8") from None
    except ManifestError as error:
        raise UnreadablePackageError(f"{path}: {error}") from None


def _table(root: Path, resource: Resource, files: tuple[str, ...]) -> Table:
    path = root / resource.path
    if resource.path not in files:
        raise UnreadablePackageError(f"{path}: not found; the manifest lists it")
    try:
        # A path is one file, whatever `*`, `[` or `=` a folder of the user has in its name.
        frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise UnreadablePackageError(f"{path}: expected a readable Parquet file") from None
    return Table.of(resource, frame)
