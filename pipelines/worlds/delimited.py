r"""A world as CSV files: as ordinary tools write them, or zipped as the platform exports them.

The export's dialect is that of PostgreSQL's COPY with backslash escapes: a quote in a quoted cell
is `\"`, null an unquoted empty cell, truth `t` or `f`. A cell that holds a backslash is quoted here
even where COPY would leave it bare, as readers differ on what a bare backslash means.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import polars as pl

from pipelines.worlds.places import Sink
from synth.parts import Part

_TIMES: Final = "%Y-%m-%d %H:%M:%S%.f"
_LEVEL: Final = 1
"""Of compression: the fastest. A third more bytes than the usual one."""

_QUOTED: Final = ['"', "\\", ",", "\n", "\r"]
"""What an unquoted cell can't hold."""


@contextmanager
def csv_folder(folder: Path) -> Iterator[Sink]:
    """A new folder of CSV files, one a table: quotes doubled, null an unquoted empty cell."""
    with _files(folder, _plain) as write:
        yield write


@contextmanager
def coursera_zip(file: Path) -> Iterator[Sink]:
    """A new zip of CSV files in the dialect of the platform's export.

    A zip takes one file after the other, and a world comes in parts of all: until they are zipped,
    the files lie unpacked beside it.
    """
    folder = file.with_name("unpacked")
    with _files(folder, _escaped) as write:
        yield write
    with ZipFile(file, "x", ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for table in sorted(folder.iterdir()):
            # Of no moment: the same world is the same zip, byte by byte.
            member = ZipInfo(table.name)
            member.compress_type = ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            member.file_size = table.stat().st_size
            with table.open("rb") as source, archive.open(member, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            table.unlink()
    folder.rmdir()


@contextmanager
def _files(folder: Path, append: Callable[[pl.DataFrame, IO[bytes], bool], None]) -> Iterator[Sink]:
    folder.mkdir()
    with ExitStack() as stack:
        files: dict[str, IO[bytes]] = {}

        def write(part: Part) -> None:
            for name, rows in part.items():
                new = name not in files
                if new:
                    files[name] = stack.enter_context((folder / f"{name}.csv").open("xb"))
                append(rows, files[name], new)

        yield write


def _plain(rows: pl.DataFrame, file: IO[bytes], header: bool) -> None:  # noqa: FBT001 - a callback
    rows.write_csv(file, include_header=header, datetime_format=_TIMES)


def _escaped(rows: pl.DataFrame, file: IO[bytes], header: bool) -> None:  # noqa: FBT001 - a callback
    cells = rows.select(_cell(pl.col(name), dtype) for name, dtype in rows.schema.items())
    cells.write_csv(file, include_header=header, datetime_format=_TIMES, quote_style="never")


def _cell(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Boolean:
        truth = pl.when(column).then(pl.lit("t")).otherwise(pl.lit("f"))
        return pl.when(column.is_not_null()).then(truth).alias(column.meta.output_name())
    if dtype not in (pl.String, pl.Categorical, pl.Enum):
        return column
    text = column.cast(pl.String)
    quoted = pl.concat_str(pl.lit('"'), text.str.replace_all(r'(["\\])', r"\$1"), pl.lit('"'))
    bare = text.is_null() | ~((text == "") | text.str.contains_any(_QUOTED))
    return pl.when(bare).then(text).otherwise(quoted).alias(column.meta.output_name())
