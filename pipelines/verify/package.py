"""A package as it lies on disk, read once: its manifest, its tables, the names of its files."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import polars as pl

from pipelines.verify.outcome import CannotRunError
from schemas.manifest import (
    AGGREGATE,
    ITEM,
    MANIFEST_NAME,
    SYNTHETIC,
    Manifest,
    ManifestError,
    Promise,
    Resource,
    Twin,
    parse_manifest,
    release_type_of,
)

_T = TypeVar("_T")
_OTHERS: Final = {AGGREGATE: "an aggregate", SYNTHETIC: "a synthetic"}
"""Packages that hold no microdata, as they are called."""


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
        return cls(resource, frame, as_text(frame))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of numbers: none, for whatever a column holds, it must be text."""
        return ()

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


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Every column as strings; one that can't be read so is left out."""
    return pl.DataFrame(list(_texts(frame)))


def _texts(frame: pl.DataFrame) -> Iterator[pl.Series]:
    for series in frame:
        try:
            yield series.cast(pl.String)
        except pl.exceptions.PolarsError:
            continue


@dataclass(frozen=True, slots=True)
class Rows:
    """Tables of rows about learners, real or invented, and what is said of them.

    Attributes:
        promise: what their keys join, and what the item is; of real learners, all that is promised.
        tables: what is about them.
    """

    promise: Promise | Twin
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

    def searched(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """The name of each table, and all of it as text.

        Raises:
            CannotRunError: a table has no readable learners.
        """
        for table in self.tables:
            others = (name for name in table.frame.columns if name != table.learner)
            yield table.resource.name, table.select(*others)


@dataclass(frozen=True, slots=True)
class Extract(Rows):
    """The promise and the tables it is about."""

    promise: Promise


@dataclass(frozen=True, slots=True)
class Package:
    """A package of microdata on disk.

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

    @property
    def tables(self) -> tuple[Table, ...]:
        """What it releases, table by table."""
        return self.extract.tables

    def searched(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """The name of each table, and all of it as text.

        Raises:
            CannotRunError: a table has no readable learners.
        """
        return self.extract.searched()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that holds a manifest, not yet understood.

    Attributes:
        root: where it is.
        files: every file below it, as `/`-separated paths, sorted.
        manifest: the text of `datapackage.json`.
    """

    root: Path
    files: tuple[str, ...]
    manifest: str

    @property
    def release_type(self) -> str:
        """What kind of release it says that it is.

        Raises:
            UnreadablePackageError: it says nothing of the kind.
        """
        return self.parsed(release_type_of)

    def parsed(self, parse: Callable[[str], _T]) -> _T:
        """What the manifest means.

        Raises:
            UnreadablePackageError: it is none.
        """
        try:
            return parse(self.manifest)
        except ManifestError as error:
            raise UnreadablePackageError(f"{self.root / MANIFEST_NAME}: {error}") from None

    def frame(self, file: str) -> pl.DataFrame:
        """The Parquet file of this path.

        Raises:
            UnreadablePackageError: it is missing, or no Parquet file.
        """
        path = self.root / file
        if file not in self.files:
            raise UnreadablePackageError(f"{path}: not found; the manifest lists it")
        try:
            # A path is one file, whatever `*`, `[` or `=` a folder of the user has in its name.
            return pl.read_parquet(path, glob=False, hive_partitioning=False)
        except OSError as error:
            raise UnreadablePackageError(f"{path}: can't be read ({error.strerror})") from None
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            raise UnreadablePackageError(f"{path}: expected a readable Parquet file") from None


def read_folder(root: Path) -> Folder:
    """Look into the folder of a package of any kind.

    Raises:
        UnreadablePackageError: no folder, no manifest in it, or anything that is no plain file.
    """
    try:
        files = tuple(sorted(_plain_files(root)))
        return Folder(root, files, _manifest(root, files))
    except OSError as error:
        raise UnreadablePackageError(f"{root}: can't be read ({error.strerror})") from None


def open_package(root: Path) -> Package:
    """Read a package of microdata.

    Raises:
        UnreadablePackageError: no folder, no manifest of this format, a package of another kind, a
            table that is missing or no Parquet file, or anything in the folder that is no plain
            file.
    """
    return read_microdata(read_folder(root))


def read_microdata(folder: Folder) -> Package:
    """Read the package of microdata that a folder holds; as `open_package`."""
    other = _OTHERS.get(folder.release_type)
    if other is not None:
        raise UnreadablePackageError(f"{folder.root}: {other} package; expected one of microdata")
    manifest = folder.parsed(parse_manifest)
    tables = tuple(Table.of(one, folder.frame(one.path)) for one in manifest.resources)
    return Package(folder.root, folder.files, manifest, Extract(manifest.promise, tables))


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


def _manifest(root: Path, files: tuple[str, ...]) -> str:
    path = root / MANIFEST_NAME
    if MANIFEST_NAME not in files:
        raise UnreadablePackageError(f"{path}: not found; expected the folder of a package")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UnreadablePackageError(f"{path}: expected UTF-8") from None
