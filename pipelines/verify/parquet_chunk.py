"""One column of a group of rows in a Parquet file: its pages, their dictionary, their indexes."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import polars as pl

from pipelines.verify.thrift import MalformedError, Shape, Struct, read_struct
from pipelines.verify.zstandard import demand_one_frame

Stretch: TypeAlias = tuple[int, int]
"""Where some bytes begin, and where they end."""

FOREIGN: Final = "with bytes that belong to no cell"
FORM: Final = "with columns that no package has"

_BOUNDS: Final[Shape] = {3: int, 5: bytes, 6: bytes, 7: bool, 8: bool}
"""Nulls, greatest and least value, whether each is exact."""
_PAGES: Final[Shape] = {
    1: int,  # type
    2: [int],  # encodings
    3: [bytes],  # names that lead to it
    4: int,  # codec
    5: int,  # values
    6: int,  # bytes, were it not for the codec
    7: int,  # bytes
    9: int,  # where the first page of rows begins
    11: int,  # where the dictionary begins
    12: _BOUNDS,
}
CHUNK: Final[Shape] = {2: int, 3: _PAGES, 4: int, 5: int, 6: int, 7: int}
"""Place, pages, place and length of the index of offsets, and of that of bounds."""

_ROWS_HEAD: Final[Shape] = {1: int, 2: int, 3: int, 4: int, 5: _BOUNDS}
_DICTIONARY_HEAD: Final[Shape] = {1: int, 2: int, 3: bool}
"""Values, encoding, whether they are sorted."""
_HEAD: Final[Shape] = {1: int, 2: int, 3: int, 5: _ROWS_HEAD, 7: _DICTIONARY_HEAD}
"""Type, bytes, compressed bytes."""
_BOUNDS_INDEX: Final[Shape] = {1: [bool], 2: [bytes], 3: [bytes], 4: int, 5: [int]}
"""Whether each page has nulls alone, least and greatest values, order, nulls."""
_OFFSETS_INDEX: Final[Shape] = {1: [{1: int, 2: int, 3: int}]}

_NUMBERS: Final = {0: "?", 1: "<i", 2: "<q", 4: "<f", 5: "<d"}
"""Of the types of columns those that are numbers: booleans, integers and floats."""
_TEXT: Final = 6
_CUT: Final = 32
"""A bound that is at least as long may be cut off, and its last letter raised."""

_ZSTD: Final = 6
_ROWS, _DICTIONARY = 0, 2
"""Types of pages."""
_BY_DICTIONARY: Final = (2, 8)
"""Encodings of pages whose values stand in the dictionary."""


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of rows: where it lies, and which rows of its group."""

    start: int
    end: int
    row: int
    rows: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column of a group of rows.

    Attributes:
        data: the bytes of the file.
        end: where the footer begins.
        said: what the footer says of it.
        column: its cells.
    """

    data: bytes
    end: int
    said: Struct
    column: pl.Series

    def stretches(self) -> Iterator[Stretch]:
        """Where its pages lie, what is said of them once more, and its indexes."""
        said = self.said.struct(3)
        known = said.texts(3) == [self.column.name.encode()] and len(said.integers(2)) <= 4
        if not known or said.integer(4) != _ZSTD:
            raise MalformedError(FORM)
        if 12 in said.fields:
            self._demand_bounds(said.struct(12))
        start = said.integer(11 if 11 in said.fields else 9)
        stop = start + said.integer(7)
        pages = list(self._pages(start, stop))
        yield start, stop
        again = self.data[said.start : said.end]
        if self.data.startswith(again, stop):
            yield stop, stop + len(again)
        if 6 in self.said.fields:
            yield self._bounds_index(self.said.integer(6), self.said.integer(7), pages)
        if 4 in self.said.fields:
            yield self._offsets_index(self.said.integer(4), self.said.integer(5), pages)

    def _struct(self, start: int, stop: int, shape: Shape) -> Struct:
        if not 0 <= start <= stop <= self.end:
            raise MalformedError(FOREIGN)
        return read_struct(self.data, start, stop, shape)

    def _pages(self, start: int, stop: int) -> Iterator[_Page]:
        """Its pages of rows, one after another, after that of a dictionary."""
        at, row, coded = start, 0, False
        while at < stop:
            head = self._struct(at, stop, _HEAD)
            end = head.end + head.integer(3)
            if not head.end <= end <= stop:
                raise MalformedError(FOREIGN)
            demand_one_frame(self.data[head.end : end], content=head.integer(2))
            if at == start and head.integer(1) == _DICTIONARY:
                self._demand_dictionary(head.struct(7), head.integer(2))
                coded = True
            else:
                rows = self._rows(head, coded=coded)
                yield _Page(at, end, row, rows)
                row += rows
            at = end
        if row != self.column.len():
            raise MalformedError(FOREIGN)

    def _rows(self, head: Struct, *, coded: bool) -> int:
        said = head.struct(5)
        if 5 in said.fields:
            self._demand_bounds(said.struct(5))
        # Beside pages that do without the dictionary, it could have values that nobody needs.
        if head.integer(1) != _ROWS or (said.integer(2) in _BY_DICTIONARY) != coded:
            raise MalformedError(FORM)
        rows = said.integer(1)
        if rows < 1:
            raise MalformedError(FOREIGN)
        return rows

    def _demand_dictionary(self, said: Struct, size: int) -> None:
        """It has every value of the column once, and none that is in no row."""
        values = self.column.drop_nulls().unique()
        needed = self._width() * values.len()
        if self._kind() == _TEXT:
            needed = 4 * values.len() + int(values.cast(pl.String).str.len_bytes().sum())
        if (said.integer(1), size) != (values.len(), needed):
            raise MalformedError("with values in its dictionary that are in no row")

    def _demand_bounds(self, said: Struct) -> None:
        self._demand_known([said.text(number) for number in (5, 6) if number in said.fields])

    def _demand_known(self, bounds: Sequence[bytes]) -> None:
        """The least and the greatest value of a column are values of it."""
        if not all(map(self._is_known, bounds)):
            raise MalformedError("with values in its statistics that are in no row")

    def _is_known(self, bound: bytes) -> bool:
        if self._kind() == _TEXT:
            cells = self.column.cast(pl.String).cast(pl.Binary)
            found = cells == pl.Series([bound], dtype=pl.Binary)
            if len(bound) >= _CUT:  # of which the last letter has four bytes at most
                found = found | cells.bin.starts_with(bound[:-4])
            return bool(found.any())
        if len(bound) != self._width():
            return False
        (value,) = struct.unpack(_NUMBERS[self._kind()], bound)
        return bool((self.column.to_physical() == value).any())

    def _kind(self) -> int:
        kind = self.said.struct(3).integer(1)
        if kind not in _NUMBERS and kind != _TEXT:
            raise MalformedError(FORM)
        return kind

    def _width(self) -> int:
        """Of a number, in bytes; 0 of text."""
        return 0 if self._kind() == _TEXT else struct.calcsize(_NUMBERS[self._kind()])

    def _bounds_index(self, start: int, length: int, pages: Sequence[_Page]) -> Stretch:
        """The least and the greatest value of each page."""
        index = self._struct(start, start + length, _BOUNDS_INDEX)
        empty, least, greatest = index.truths(1), index.texts(2), index.texts(3)
        counts = index.integers(5) if 5 in index.fields else empty
        if not len(empty) == len(least) == len(greatest) == len(counts) == len(pages):
            raise MalformedError(FOREIGN)
        for nothing, bounds in zip(empty, zip(least, greatest, strict=True), strict=True):
            if not nothing:
                self._demand_known(bounds)
            elif any(bounds):
                raise MalformedError(FOREIGN)
        return start, index.end

    def _offsets_index(self, start: int, length: int, pages: Sequence[_Page]) -> Stretch:
        """Where each page begins, how long it is, and which row is its first."""
        index = self._struct(start, start + length, _OFFSETS_INDEX)
        found = [tuple(map(place.integer, (1, 2, 3))) for place in index.structs(1)]
        if found != [(page.start, page.end - page.start, page.row) for page in pages]:
            raise MalformedError(FOREIGN)
        return start, index.end
