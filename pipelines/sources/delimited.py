"""Delimited text files, read as text by pyarrow: it knows backslash escapes, polars does not."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from pipelines.errors import SourceError
from pipelines.sources.dialect import Body, Head, read_body, read_head
from pipelines.sources.tables import Reading
from schemas.raw import ROW

Opener = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens a file from its start, wherever it lies."""

_BLOCK_BYTES: Final = 8 << 20
_HEADER_ROWS: Final = 2  # pyarrow counts rows from 1, the header among them


@dataclass(frozen=True)
class DelimitedTable:
    """A CSV file, or the like; its dialect is detected.

    Where quotes are escaped, pyarrow drops a lone backslash from an unquoted cell. The platform
    writes such cells for free text at most, which no release reads.

    Attributes:
        where: what to call it in messages.
        opener: opens its bytes.
    """

    where: str
    opener: Opener

    @cached_property
    def _head(self) -> Head:
        with self.opener() as stream:
            return read_head(stream, self.where)

    @cached_property
    def _body(self) -> Body:
        with self.opener() as stream:
            return read_body(stream, self.where)

    @cached_property
    def _escapes(self) -> bool:
        """Whether quotes are escaped by a backslash.

        Where the quotes leave it open, the reading wins that closes them and splits more rows.
        """
        if self._body.escapes is not None:
            return self._body.escapes
        closed = dict(zip((True, False), self._body.closed, strict=True))
        if closed[True] != closed[False]:
            return closed[True]
        return self._ragged(escapes=True) <= self._ragged(escapes=False)

    def columns(self) -> tuple[str, ...]:
        """The header.

        Raises:
            SourceError: the file is empty, not UTF-8, or its header is not one.
        """
        return self._head.names

    def read(self, columns: Sequence[str]) -> Reading:
        """Read some columns; see `RawTable.read`."""
        ragged: list[int] = []
        return Reading(
            batches=self._checked_batches(columns, ragged),
            ragged=ragged,
            digest=lambda: self._body.sha256,
        )

    def _checked_batches(self, columns: Sequence[str], ragged: list[int]) -> Iterator[pl.DataFrame]:
        if not self._body.closed[0 if self._escapes else 1]:
            # pyarrow would take everything behind the open quote for one cell, without a word.
            raise SourceError(
                f"{self.where}: an odd number of quotes: one is never closed (a truncated file?); "
                "export it again"
            )
        yield from self._batches(columns, ragged, escapes=self._escapes)

    def _ragged(self, *, escapes: bool) -> float:
        ragged: list[int] = []
        try:
            for _ in self._batches(self._head.names[:1], ragged, escapes=escapes):
                pass
        except SourceError:
            return float("inf")
        return len(ragged)

    def _batches(
        self, columns: Sequence[str], ragged: list[int], *, escapes: bool
    ) -> Iterator[pl.DataFrame]:
        if not self._head.has_rows:
            return

        def put_aside(row: csv.InvalidRow) -> str:
            ragged.append(row.number - _HEADER_ROWS)
            return "skip"

        parse = csv.ParseOptions(
            delimiter=self._head.delimiter,
            escape_char="\\" if escapes else False,
            double_quote=not escapes,
            newlines_in_values=True,
            invalid_row_handler=put_aside,
        )
        convert = csv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            null_values=["", "NA"] if self._head.bare_na and not escapes else [""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        # One thread: only then does pyarrow number the rows that it could not split.
        read = csv.ReadOptions(
            block_size=_BLOCK_BYTES,
            use_threads=False,
            column_names=list(self._head.names),
            skip_rows=1,
        )
        following = 0
        try:
            with self.opener() as stream, csv.open_csv(stream, read, parse, convert) as reader:
                for batch in reader:
                    positions = _positions(following, batch.num_rows, ragged)
                    following = int(positions[-1]) + 1 if len(positions) else following
                    yield _frame(batch, positions)
        except pa.ArrowException:
            # pyarrow's own message quotes cells.
            raise SourceError(
                f"{self.where}: can't be split into rows: an open quote, or a row above "
                f"{_BLOCK_BYTES >> 20} MiB; export it again"
            ) from None


def _positions(following: int, rows: int, ragged: Sequence[int]) -> NDArray[np.int64]:
    """Positions of the next `rows` rows in file order; ragged ones (ascending) are stepped over."""
    ahead = np.array(ragged[bisect_left(ragged, following) :], dtype=np.int64)
    span = np.arange(following, following + rows + len(ahead), dtype=np.int64)
    return span[~np.isin(span, ahead)][:rows]


def _frame(batch: pa.RecordBatch, positions: NDArray[np.int64]) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)  # a record batch is never a series
    return frame.with_columns(pl.Series(ROW, positions, dtype=pl.Int64))
