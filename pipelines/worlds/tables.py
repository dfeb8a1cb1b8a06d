"""A world as a folder of Parquet files, or with a SQLite database."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from pipelines.worlds.database import database_file
from pipelines.worlds.places import Sink
from synth.parts import Part

DATABASE_FILE: Final = "world.sqlite"


@contextmanager
def parquet_folder(folder: Path) -> Iterator[Sink]:
    """A new folder of Parquet files, one a table; each part is a row group of it."""
    folder.mkdir()
    with ExitStack() as files:
        writers: dict[str, pq.ParquetWriter] = {}

        def write(part: Part) -> None:
            for name, rows in part.items():
                table = rows.to_arrow()
                if name not in writers:
                    file = folder / f"{name}.parquet"
                    writer = pq.ParquetWriter(file, table.schema, compression="zstd")
                    writers[name] = files.enter_context(writer)
                if table.num_rows:
                    writers[name].write_table(table)

        yield write


@contextmanager
def sqlite_folder(folder: Path) -> Iterator[Sink]:
    """A new folder with one SQLite database."""
    folder.mkdir()
    with database_file(folder / DATABASE_FILE) as write:
        yield write
