"""Files of `kohort anonymize`: a table and ARX's hierarchy files in, one anonymized table out."""

import csv
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
from pyarrow import csv as arrow_csv

from pipelines.errors import OutputError, SourceError
from pipelines.spreadsheet import neutralized

_HIERARCHY: Final = "_hierarchy_"
_ARX_SEPARATOR: Final = ";"

HierarchyTables = Mapping[str, Sequence[Sequence[str]]]
"""Column -> the rows of its hierarchy, one a leaf: leaf, level 1, ..."""


def read_table(file: Path, separator: str) -> pl.DataFrame:
    """A CSV file with a header, every cell as text; an empty cell is the empty text.

    Args:
        file: in UTF-8, with or without a byte order mark; quotes are doubled.
        separator: one character.

    Raises:
        SourceError: it can't be read, is empty, is not UTF-8, has an open quote, a column without
            a name or a name twice, or a row with more or fewer cells than the header.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SourceError(f"{file}: can't be read ({error.strerror})") from None
    _check_text(file, content)
    ragged = 0

    def count(_: arrow_csv.InvalidRow) -> str:
        nonlocal ragged
        ragged += 1
        return "skip"

    parse = arrow_csv.ParseOptions(
        delimiter=separator, newlines_in_values=True, invalid_row_handler=count
    )
    try:
        with arrow_csv.open_csv(io.BytesIO(content), parse_options=parse) as start:
            names = list(start.schema.names)
        _check_names(file, names)
        ragged = 0  # the look at the header met some of them already
        text = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        )
        table = arrow_csv.read_csv(io.BytesIO(content), parse_options=parse, convert_options=text)
    except pa.ArrowException:
        # pyarrow's own message quotes cells.
        raise SourceError(
            f"{file}: can't be split into rows and columns; check --separator"
        ) from None
    if ragged:
        raise SourceError(
            f"{file}: rows with more or fewer cells than the header: {ragged}; mend or remove them"
        )
    if not table.num_rows:
        raise SourceError(f"{file}: a header without rows")
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # a table is never a series
    return frame


def _check_text(file: Path, content: bytes) -> None:
    if not content.strip():
        raise SourceError(f"{file}: empty file, expected a header")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise SourceError(f"{file}: not UTF-8 at byte {error.start}; convert it first") from None
    # pyarrow would take everything behind an open quote for one cell, without a word.
    if content.count(b'"') % 2:
        raise SourceError(f"{file}: an odd number of quotes: one is never closed; export it again")


def _check_names(file: Path, names: Sequence[str]) -> None:
    for position, name in enumerate(names, start=1):
        if not name:
            raise SourceError(f"{file}: column {position} of the header has no name; name it")
        if name in names[: position - 1]:
            # By position: where the header is missing, a learner's cells stand here.
            first = names.index(name) + 1
            raise SourceError(
                f"{file}: columns {first} and {position} of the header have one name; rename one"
            )


def read_hierarchies(folder: Path, separator: str) -> HierarchyTables:
    """The hierarchy files `<anything>_hierarchy_<column>.csv` of a folder.

    They have no header. Cells are separated by `;`, as ARX writes them, or like the table.

    Raises:
        SourceError: the folder or a file can't be read, two files are for one column, or there is
            none.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")
    except OSError as error:
        raise SourceError(f"{folder}: can't be read ({error.strerror})") from None
    tables: dict[str, Sequence[Sequence[str]]] = {}
    for file in files:
        _, named, column = file.stem.rpartition(_HIERARCHY)
        if not named or not column:
            continue
        if column in tables:
            raise SourceError(f"{folder}: two hierarchies for column {column}; remove one")
        tables[column] = _read_hierarchy(file, separator)
    if not tables:
        raise SourceError(
            f"{folder}: no hierarchy; expected files named <anything>{_HIERARCHY}<column>.csv"
        )
    return tables


def _read_hierarchy(file: Path, separator: str) -> list[list[str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceError(f"{file}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SourceError(f"{file}: not UTF-8; save it as UTF-8") from None
    own = _ARX_SEPARATOR if _ARX_SEPARATOR in text else separator
    try:
        rows = [
            row
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=own, strict=True)
            if row
        ]
    except csv.Error:
        raise SourceError(f"{file}: can't be split into rows; check its quotes") from None
    if not rows:
        raise SourceError(f"{file}: empty hierarchy; give one row for each value")
    return rows


def check_new(out: Path) -> None:
    """Refuse to write over anything.

    Raises:
        OutputError: the name is taken.
    """
    if os.path.lexists(out):
        raise OutputError(f"{out} exists already; choose another --out, or remove it")


def _umask() -> int:
    """What the process would not let a new file have; it can only be read by setting it."""
    found = os.umask(0o077)
    os.umask(found)
    return found


def write_table(table: pl.DataFrame, out: Path, separator: str) -> None:
    """Write a table of text as CSV: whole, or not at all.

    Cells that a spreadsheet would run as formulas get a leading apostrophe.

    Raises:
        OutputError: the name is taken, or the file can't be written.
    """
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".kohort-", suffix=".csv", dir=out.parent)
        os.close(handle)
        part = Path(name)
        neutralized(table).write_csv(part, separator=separator)
        part.chmod(0o666 & ~_umask())
        check_new(out)
        part.rename(out)
    except OSError as error:
        raise OutputError(f"{out}: can't be written ({error.strerror})") from None
    finally:
        if part is not None:
            with suppress(OSError):  # after the rename there is nothing to remove
                part.unlink()
