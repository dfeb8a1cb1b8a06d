"""Zips and folders: which files are tables, and how to open them."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from pipelines.errors import SourceError
from pipelines.sources.delimited import DelimitedTable, Opener
from pipelines.sources.parquet import ParquetTable
from pipelines.sources.tables import RawTable, Source

_ENCRYPTED: Final = 0x1
_KINDS: Final = (".csv", ".parquet")


def open_folder(path: Path) -> Source:
    """A folder of CSV or Parquet files, or one that holds nothing but such a folder.

    Raises:
        SourceError: it holds no tables, or two of one name.
    """
    tables: dict[str, RawTable] = {}
    try:
        files = _table_files(path, str(path))
    except OSError as error:
        raise SourceError(f"{path}: can't be read ({error.strerror}); check the rights") from None
    for file in files:
        assert isinstance(file, Path)
        _add(tables, file.name, str(file), _file_opener(file))
    return Source(str(path), tables)


def open_zip(path: Path) -> Source:
    """A zip of CSV or Parquet files; what macOS packs beside them is passed over.

    Raises:
        SourceError: it is damaged or encrypted, holds no tables, or two of one name.
    """
    tables: dict[str, RawTable] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            files = _table_files(zipfile.Path(archive), str(path))
            members = [archive.getinfo(file.at) for file in files]  # type: ignore[union-attr]
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        raise SourceError(
            f"{path}: not a readable zip (a truncated download?); fetch it again"
        ) from None
    for member in members:
        where = f"{path}:{member.filename}"
        if names.count(member.filename) > 1:
            raise SourceError(f"{where}: stands twice in the zip; keep one")
        if member.flag_bits & _ENCRYPTED:
            raise SourceError(f"{where}: encrypted; give a zip without a password")
        _add(
            tables, Path(member.filename).name, where, _member_opener(path, member.filename, where)
        )
    return Source(str(path), tables)


def _table_files(root: Path | zipfile.Path, where: str) -> list[Path | zipfile.Path]:
    """The table files of the nearest folder that has any; a lone folder is stepped into."""
    folder = root
    while True:
        visible = [e for e in folder.iterdir() if e.name[:1] != "." and e.name != "__MACOSX"]
        files = [e for e in visible if e.is_file() and Path(e.name).suffix.lower() in _KINDS]
        if files:
            return sorted(files, key=lambda file: file.name)
        folders = [entry for entry in visible if entry.is_dir()]
        if len(folders) != 1:
            raise SourceError(
                f"{where}: no CSV or Parquet files in it; name the folder that holds the tables"
            )
        folder = folders[0]


def _add(tables: dict[str, RawTable], file_name: str, where: str, opener: Opener) -> None:
    name, kind = Path(file_name).stem, Path(file_name).suffix.lower()
    if name in tables:
        raise SourceError(f"{where}: a second file for table '{name}'; keep one")
    is_csv = kind == ".csv"
    tables[name] = DelimitedTable(where, opener) if is_csv else ParquetTable(where, opener)


def _file_opener(path: Path) -> Opener:
    @contextmanager
    def opener() -> Iterator[BinaryIO]:
        try:
            stream = path.open("rb")
        except OSError as error:
            raise SourceError(f"{path}: can't be opened ({error.strerror})") from None
        with stream:
            yield stream

    return opener


def _member_opener(path: Path, member: str, where: str) -> Opener:
    """Opens a member of a zip; nothing is unpacked to disk."""

    @contextmanager
    def opener() -> Iterator[BinaryIO]:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
                # Parquet is read from its end: it needs the whole member at hand.
                seekable = member.lower().endswith(".parquet")
                yield io.BytesIO(stream.read()) if seekable else stream  # type: ignore[misc]
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError):
            raise SourceError(f"{where}: damaged in the zip; fetch the zip again") from None
        except NotImplementedError:
            raise SourceError(f"{where}: packed in a way that can't be read; zip it anew") from None

    return opener
