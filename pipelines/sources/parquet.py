"""Parquet files, read as text like every other source."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import SourceError
from pipelines.sources.delimited import Opener
from pipelines.sources.tables import Reading
from schemas.raw import ROW

_BATCH_ROWS = 1 << 16
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file.

    Attributes:
        where: what to call it in messages.
        opener: opens its bytes, seekable.
    """

    where: str
    opener: Opener

    @cached_property
    def _schema(self) -> pa.Schema:
        with self._file() as file:
            return file.schema_arrow

    @cached_property
    def _sha256(self) -> str:
        sha256 = hashlib.sha256()
        with self.opener() as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                sha256.update(chunk)
        return sha256.hexdigest()

    def columns(self) -> tuple[str, ...]:
        """The column names of its schema.

        Raises:
            SourceError: the file is not Parquet, or names a column twice.
        """
        names = tuple(self._schema.names)
        for name in names:
            if names.count(name) > 1:
                raise SourceError(f"{self.where}: names column '{name}' twice; rename one")
        return names

    def read(self, columns: Sequence[str]) -> Reading:
        """Read some columns; see `RawTable.read`. A Parquet file has no ragged rows."""
        return Reading(self._batches(columns), ragged=(), digest=lambda: self._sha256)

    def _batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        following = 0
        with self._file() as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns)):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)  # a record batch is never a series
                positions = pl.int_range(following, following + frame.height, dtype=pl.Int64)
                following += frame.height
                yield frame.select(
                    *(self._as_text(name, frame.schema[name]) for name in columns),
                    positions.alias(ROW),
                )

    def _as_text(self, name: str, dtype: pl.DataType) -> pl.Expr:
        column = pl.col(name)
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        if dtype.is_nested() or dtype in (pl.Binary, pl.Duration, pl.Object):
            raise SourceError(
                f"{self.where}: column '{name}' holds {str(dtype).split('(')[0]} cells; "
                "kohort reads text, numbers, truth values and times"
            )
        return column.cast(pl.String)

    @contextmanager
    def _file(self) -> Iterator[pq.ParquetFile]:
        with self.opener() as stream:
            try:
                with pq.ParquetFile(stream) as file:
                    yield file
            except (pa.ArrowException, OSError):
                raise SourceError(
                    f"{self.where}: not a readable Parquet file (truncated?); export it again"
                ) from None
