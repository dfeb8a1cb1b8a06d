"""Databases by SQLAlchemy URL: tables are reflected and read in a stated order."""

import datetime as dt
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SAWarning, SQLAlchemyError
from sqlalchemy.pool import NullPool

from pipelines.errors import SourceError
from pipelines.governance.bulk import read_frames
from pipelines.sources import postgresql
from pipelines.sources.tables import RawTable, Reading, Source
from schemas.raw import ROW

_BATCH_ROWS: Final = 50_000
_POSTGRESQL: Final = "postgresql"


def open_database(url_text: str, *, base: Path) -> Source:
    """The tables and views of a database's default schema.

    Args:
        url_text: an SQLAlchemy URL, such as `sqlite:///export.db`.
        base: what a relative SQLite path starts from.

    Raises:
        SourceError: the URL names no known driver, or the database can't be read.
    """
    engine, where = _engine(url_text, base=base)
    with _translated(where, engine):
        inspector = sa.inspect(engine)
        schema = inspector.default_schema_name
        names = [*inspector.get_table_names(), *inspector.get_view_names()]
        if engine.dialect.name == _POSTGRESQL:
            names += inspector.get_materialized_view_names()
    if not names:
        raise SourceError(f"{where}: no tables in it; check the path or the schema")
    tables: dict[str, RawTable] = {
        name: DatabaseTable(f"{where}: table '{name}'", engine, schema, name)
        for name in sorted(names)
    }
    return Source(where, tables)


@dataclass(frozen=True)
class DatabaseTable:
    """A table or view.

    Attributes:
        where: what to call it in messages.
        engine: the database.
        schema: the schema it lies in; None where the database knows none.
        name: the table's name there.
    """

    where: str
    engine: sa.Engine
    schema: str | None
    name: str

    def columns(self) -> tuple[str, ...]:
        """The reflected column names.

        Raises:
            SourceError: the database can't be read.
        """
        return tuple(column.name for column in self._reflected().columns)

    def read(self, columns: Sequence[str]) -> Reading:
        """Read some columns, in the order of the primary key or else of the columns read."""
        sha256 = hashlib.sha256(repr(tuple(columns)).encode())
        return Reading(self._batches(columns, sha256), ragged=(), digest=sha256.hexdigest)

    def _reflected(self) -> sa.Table:
        with _translated(self.where, self.engine), warnings.catch_warnings():
            # A type that SQLAlchemy does not know is no matter until such a column is read.
            warnings.simplefilter("ignore", SAWarning)
            return sa.Table(
                self.name,
                sa.MetaData(),
                schema=self.schema,
                autoload_with=self.engine,
                resolve_fks=False,
            )

    def _batches(self, columns: Sequence[str], sha256: "hashlib._Hash") -> Iterator[pl.DataFrame]:
        table = self._reflected()
        frames = self._copied if self.engine.dialect.name == _POSTGRESQL else self._selected
        following = 0
        with _translated(self.where, self.engine), self.engine.connect() as connection:
            for frame in frames(connection, table, columns):
                # As CSV, which is the same however the rows are cut into batches.
                sha256.update(frame.write_csv(include_header=False).encode())
                positions = pl.int_range(following, following + frame.height, dtype=pl.Int64)
                following += frame.height
                yield frame.with_columns(positions.alias(ROW))

    def _copied(
        self, connection: sa.Connection, table: sa.Table, columns: Sequence[str]
    ) -> Iterator[pl.DataFrame]:
        """By PostgreSQL's COPY of what it casts to text itself."""
        text = {n: postgresql.as_text(table.columns[n], where=self.where) for n in columns}
        key: list[sa.ColumnElement[Any]] = list(table.primary_key.columns)
        # By code point: no other order is total, and the same on every server.
        order = key or [sa.collate(column, "C") for column in text.values()]
        query = sa.select(*(column.label(name) for name, column in text.items()))
        schema = pl.Schema(dict.fromkeys(columns, pl.String))
        postgresql.settle(connection)
        yield from read_frames(connection, query.order_by(*order), schema)

    def _selected(
        self, connection: sa.Connection, table: sa.Table, columns: Sequence[str]
    ) -> Iterator[pl.DataFrame]:
        """By a streamed SELECT, cell by cell."""
        chosen = [table.columns[name] for name in columns]
        # No result processing: SQLAlchemy's own conversions raise with the value in the message.
        raw = [sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in chosen]
        order = list(table.primary_key.columns) or chosen
        streamed = connection.execution_options(stream_results=True, yield_per=_BATCH_ROWS)
        result = streamed.execute(sa.select(*raw).order_by(*order))
        for rows in result.partitions():
            text = [self._row_as_text(row, columns) for row in rows]
            yield pl.DataFrame(text, schema=dict.fromkeys(columns, pl.String), orient="row")

    def _row_as_text(self, row: Sequence[Any], columns: Sequence[str]) -> tuple[str | None, ...]:
        return tuple(self._as_text(cell, name) for cell, name in zip(row, columns, strict=True))

    def _as_text(self, cell: object, name: str) -> str | None:
        if cell is None or isinstance(cell, str):
            return cell
        if isinstance(cell, dt.datetime) and cell.tzinfo is not None:
            return str(cell.astimezone(dt.UTC).replace(tzinfo=None))
        if isinstance(cell, bytes | memoryview | list | dict):
            raise SourceError(
                f"{self.where}: column '{name}' holds {type(cell).__name__} cells; kohort reads "
                "text, numbers, truth values and times"
            )
        return str(cell)


def _engine(url_text: str, *, base: Path) -> tuple[sa.Engine, str]:
    """The engine, and the URL without its password, which may stand among its options, too."""
    options: dict[str, Any] = {}
    try:
        url = sa.make_url(url_text)
        where = url.set(query={}).render_as_string(hide_password=True)
        if url.get_backend_name() == "sqlite":
            url = _read_only(url, where, base=base)
        elif url.get_backend_name() == _POSTGRESQL:
            url = url.set(drivername="postgresql+psycopg")
            options["connect_args"] = {"client_encoding": "utf8"}
            options["execution_options"] = {"postgresql_readonly": True}
        # A source is read table by table and never written: no connection is kept.
        return sa.create_engine(url, poolclass=NullPool, hide_parameters=True, **options), where
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError):
        scheme = url_text.split(":", 1)[0]
        raise SourceError(
            f"{scheme}: not a database URL whose driver is installed; write one like "
            "sqlite:///export.db, or install the driver (pip install 'kohort[postgresql]')"
        ) from None


def _read_only(url: sa.URL, where: str, *, base: Path) -> sa.URL:
    path = base / (url.database or "")
    if not path.is_file():  # SQLite would make an empty database instead
        raise SourceError(f"{where}: no such file; check the path (it starts from {base})")
    return url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})


@contextmanager
def _translated(where: str, engine: sa.Engine) -> Iterator[None]:
    driver = engine.dialect.loaded_dbapi.Error
    try:
        yield
    except (SQLAlchemyError, driver) as error:
        # The driver's message may quote cells or the password: only its kind is told.
        raise SourceError(
            f"{where}: the database can't be read ({type(error).__name__}); check that it is "
            "there, is a database, and that the account may read it"
        ) from None
