"""Whether a Parquet file holds its cells and nothing else, byte by byte.

What polars writes is, one after another: a magic word; the pages of every column of every group of
rows, and behind them what the footer says of them, once more; indexes of pages; the footer, its
length, the magic word. Fields are known by their numbers in `parquet.thrift`.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final

import polars as pl

from pipelines.verify.parquet_chunk import CHUNK, FOREIGN, FORM, Chunk
from pipelines.verify.thrift import MalformedError, Shape, Struct, read_struct

_MAGIC: Final = b"PAR1"
_TAIL: Final = 8
"""The length of the footer, and the magic word."""

_COLUMN: Final[Shape] = {1: int, 3: int, 4: bytes, 5: int, 6: int, 10: {1: {}}}
"""Type, repetition, name, children, older and newer kind of text."""
_GROUP: Final[Shape] = {1: [CHUNK], 2: int, 3: int, 5: int, 6: int, 7: int}
"""Columns, bytes, rows, place, compressed bytes, number."""
_NOTE: Final[Shape] = {1: bytes, 2: bytes}
_FOOTER: Final[Shape] = {
    1: int,  # version
    2: [_COLUMN],
    3: int,  # rows
    4: [_GROUP],
    5: [_NOTE],
    6: bytes,  # who wrote it
    7: [{1: {}}],  # order of each column
}

_ARROW_TYPES: Final = b"ARROW:schema"
_WRITER: Final = re.compile(
    rb"Polars( \(\w{1,20}\))?( version [\w.+-]{1,40}( \(build [0-9a-f]{40}\))?)?"
)
_WORD: Final = re.compile(rb"[ -~]{4}")


def demand_cells_alone(data: bytes, frame: pl.DataFrame) -> None:
    """Refuse a file with anything in it that is not there for the sake of a cell.

    Inside of a page of rows nothing is looked at but its length: it is compressed.

    Args:
        data: the bytes of the file.
        frame: what was read of it.

    Raises:
        MalformedError: there is something else, or no such file can be read.
    """
    end = len(data) - _TAIL
    at = end - int.from_bytes(data[end : end + 4], "little")
    if at < len(_MAGIC) or not (data.startswith(_MAGIC) and data.endswith(_MAGIC)):
        raise MalformedError(FOREIGN)
    footer = read_struct(data, at, end, _FOOTER)
    _demand_types_alone(footer, frame.columns)
    known = [(0, len(_MAGIC)), (at, footer.end)]
    row = 0
    for group in footer.structs(4):
        chunks, height = group.structs(1), group.integer(3)
        if len(chunks) != frame.width or height < 0:
            raise MalformedError(FORM)
        rows = frame.slice(row, height)
        row += height
        for column, chunk in zip(rows, chunks, strict=True):
            known += Chunk(data, at, chunk, column).stretches()
    starts, ends = zip(*sorted(known), strict=True)
    if (*starts[1:], end) != ends or row != frame.height:
        raise MalformedError(FOREIGN)


def _demand_types_alone(footer: Struct, names: Sequence[str]) -> None:
    """The footer says which columns there are, of which types, and who wrote them."""
    columns = footer.structs(2)
    if [column.text(4) for column in columns] != [b"root", *map(str.encode, names)]:
        raise MalformedError(FORM)
    notes = footer.structs(5) if 5 in footer.fields else []
    plain = all(note.text(1) == _ARROW_TYPES and _are_types(note.text(2), names) for note in notes)
    if len(notes) > 1 or not plain or not _WRITER.fullmatch(footer.text(6)):
        raise MalformedError("with notes in its footer")
    if len(footer.structs(7)) != len(names):
        raise MalformedError(FORM)


def _are_types(note: bytes, names: Sequence[str]) -> bool:
    """Whether this can be what Arrow says of these columns: short, and without other words."""
    try:
        left = base64.b64decode(note, validate=True)
    except binascii.Error:
        return False
    for name in sorted(map(str.encode, names), key=len, reverse=True):
        left = left.replace(name, b"\0", 1)
    return len(left) <= 128 + 96 * len(names) and not _WORD.search(left)
