"""Writes a synthetic world where a source can be read: a folder of Parquet files, or SQLite."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
from sqlalchemy import (
    URL,
    Boolean,
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    NullPool,
    Table,
    Text,
    create_engine,
    insert,
)
from sqlalchemy.dialects.sqlite import DATETIME
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from pipelines.errors import OutputError
from synth.consent import make_rights

DATABASE_FILE: Final = "world.sqlite"
_BATCH: Final = 20_000

_SQL_TYPES: Final[Mapping[pl.DataType, TypeEngine[Any]]] = {
    pl.String(): Text(),
    pl.Int32(): Integer(),
    pl.Float64(): Float(),
    pl.Boolean(): Boolean(),
    # Written as `YYYY-MM-DD HH:MM:SS`, as in the export.
    pl.Datetime("us"): DATETIME(truncate_microseconds=True),  # type: ignore[no-untyped-call]
}


def write_world(world: Mapping[str, pl.DataFrame], out: Path, *, fmt: str) -> Path:
    """Write the tables of a world into a new or empty folder.

    Args:
        world: table name -> table.
        out: the folder.
        fmt: one of `FORMATS`: `parquet` (one file a table) or `sqlite` (one database).

    Returns:
        What to read it from: the folder, or the database file.

    Raises:
        OutputError: the folder holds something already, or can't be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise OutputError(f"{out}: not empty; name a new folder with --out")
        return FORMATS[fmt](world, out)
    except OSError as error:
        raise OutputError(f"{out}: can't be written ({error.strerror})") from None
    except SQLAlchemyError as error:
        words = getattr(error, "orig", None) or type(error).__name__
        raise OutputError(f"{out / DATABASE_FILE}: can't be written ({words})") from None


def write_rights(world: Mapping[str, pl.DataFrame], file: Path, *, seed: int) -> int:
    """Write what the learners of a world permitted, as a file for `kohort rights import`.

    Args:
        world: the tables of the world.
        file: a new file.
        seed: the seed of the world.

    Returns:
        How many records were written.

    Raises:
        OutputError: the file exists already, or can't be written.
    """
    rights = make_rights(world["users"], seed=seed)
    try:
        with file.open("x", encoding="utf-8", newline="") as text:
            rights.write_csv(text)
    except FileExistsError:
        raise OutputError(f"{file}: exists already; name a new file") from None
    except OSError as error:
        raise OutputError(f"{file}: can't be written ({error.strerror})") from None
    return rights.height


def _write_parquet(world: Mapping[str, pl.DataFrame], out: Path) -> Path:
    for name, table in world.items():
        table.write_parquet(out / f"{name}.parquet")
    return out


def _write_sqlite(world: Mapping[str, pl.DataFrame], out: Path) -> Path:
    file = out / DATABASE_FILE
    url = URL.create("sqlite", database=str(file))
    _fill(create_engine(url, poolclass=NullPool), world)
    return file


def _fill(engine: Engine, world: Mapping[str, pl.DataFrame]) -> None:
    metadata = MetaData()
    tables = {
        name: Table(name, metadata, *(Column(c, _SQL_TYPES[t]) for c, t in frame.schema.items()))
        for name, frame in world.items()
    }
    metadata.create_all(engine)
    with engine.begin() as connection:
        for name, frame in world.items():
            for batch in frame.iter_slices(_BATCH):
                connection.execute(insert(tables[name]), batch.to_dicts())


FORMATS: Final[Mapping[str, Callable[[Mapping[str, pl.DataFrame], Path], Path]]] = {
    "parquet": _write_parquet,
    "sqlite": _write_sqlite,
}
"""Format -> how it is written."""
