"""A world in a database: new tables and all their rows in one transaction.

PostgreSQL takes them by COPY where its driver is psycopg; any other database takes them in batches.
One that commits each CREATE TABLE by itself, such as MySQL, keeps empty tables of a failed writing.
"""

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from pipelines.errors import OutputError
from pipelines.worlds.places import Sink
from synth.parts import Part

_BATCH: Final = 20_000
_TIMES: Final = "%Y-%m-%d %H:%M:%S%.f"
_ADVICE: Final = "; check that the database is there, and that the account may make tables in it"
_OUTSIDE: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
}

_TYPES: Final[Mapping[type[pl.DataType], type[sa.types.TypeEngine[Any]]]] = {
    pl.String: sa.Text,
    pl.Categorical: sa.Text,
    pl.Enum: sa.Text,
    pl.Int8: sa.SmallInteger,
    pl.Int16: sa.SmallInteger,
    pl.Int32: sa.Integer,
    pl.Int64: sa.BigInteger,
    pl.Float64: sa.Double,
    pl.Boolean: sa.Boolean,
    pl.Date: sa.Date,
    pl.Datetime: sa.DateTime,
}


@contextmanager
def database(address: str) -> Iterator[Sink]:
    """New tables of a database, there for others once all is written.

    Args:
        address: an SQLAlchemy URL; its password is in no message.

    Raises:
        OutputError: it is none, its driver is missing, a table exists already, or the database
            can't be written.
    """
    url, where = _url(address)
    engine = _engine(url, where)
    try:
        with _tables(url, engine, where) as write:
            yield write
    except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
        advice = "" if _is_sqlite(url) else _ADVICE
        raise OutputError(f"{where}: can't be written ({_reason(error)}){advice}") from None


@contextmanager
def database_file(file: Path) -> Iterator[Sink]:
    """Tables of a SQLite database in a new file, which whoever lends the place has a name for.

    Raises:
        OSError: it can't be written.
    """
    url = sa.URL.create("sqlite", database=str(file))
    engine = _engine(url, str(file))
    try:
        with _tables(url, engine, str(file)) as write:
            yield write
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise OSError(errno.EIO, _reason(error)) from None


@contextmanager
def _tables(url: sa.URL, engine: sa.Engine, where: str) -> Iterator[Sink]:
    insert = _copy if _copies(url) else partial(_insert, times_as_text=_is_sqlite(url))
    tables: dict[str, sa.Table] = {}
    with engine.begin() as connection:

        def write(part: Part) -> None:
            new = {name: rows for name, rows in part.items() if name not in tables}
            tables.update(_created(connection, new, where))
            for name, rows in part.items():
                insert(connection, tables[name], rows)

        yield write


def shown(address: str) -> str:
    """A database's URL without its password and options, for messages.

    Raises:
        OutputError: it is no URL.
    """
    return _url(address)[1]


def file_of(address: str) -> Path | None:
    """The file of a SQLite database; None for any other.

    Raises:
        OutputError: it is no URL.
    """
    url, _ = _url(address)
    return Path(str(url.database)) if _is_sqlite(url) else None


def _url(address: str) -> tuple[sa.URL, str]:
    try:
        url = sa.make_url(address)
    except (ArgumentError, ValueError):
        raise OutputError(
            "--url: not a database URL; write one like postgresql+psycopg://user@host/name"
        ) from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if address.count("@") > 1 and not _is_sqlite(url):
        # Where the password ends is anyone's guess: what we took for the host may be of it.
        raise OutputError("--url: more than one @; write all but the one before the host as %40")
    where = url.set(query={}).render_as_string(hide_password=True)
    if _is_sqlite(url) and url.query:
        # One of them may mean that there is no file, or another one.
        raise OutputError(f"{where}: SQLite takes no options; leave out what follows the ?")
    if _is_sqlite(url) and url.database in {None, "", ":memory:"}:
        raise OutputError(f"{where}: a database in memory is gone at once; name a file")
    return url, where


def _engine(url: sa.URL, where: str) -> sa.Engine:
    # What is copied is UTF-8, whatever the environment asks of psycopg.
    options = {"connect_args": {"client_encoding": "utf8"}} if _copies(url) else {}
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, **options)
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError):
        raise OutputError(
            f"{where}: its driver is not installed; install it (for PostgreSQL: pip install "
            "'kohort[postgresql]')"
        ) from None
    if _is_sqlite(url):
        # Python would begin at the first INSERT only, and leave empty tables behind a failure.
        sa.event.listen(engine, "connect", _leave_begin_to_us)
        sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _leave_begin_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _created(connection: sa.Connection, part: Part, where: str) -> dict[str, sa.Table]:
    """New, empty tables for these rows."""
    inspector = sa.inspect(connection)
    there = {*inspector.get_table_names(), *inspector.get_view_names()} if part else set()
    taken = sorted(part.keys() & there)
    if taken:
        raise OutputError(
            f"{where}: table '{taken[0]}' exists already; name an empty database or schema"
        )
    metadata = sa.MetaData()
    tables = {
        name: sa.Table(
            name, metadata, *(sa.Column(c, _TYPES[t.base_type()]()) for c, t in rows.schema.items())
        )
        for name, rows in part.items()
    }
    metadata.create_all(connection, checkfirst=False)
    return tables


def _copies(url: sa.URL) -> bool:
    return url.drivername == "postgresql+psycopg"


def _is_sqlite(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _copy(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> None:
    """By COPY: an empty cell is null, a quoted empty cell an empty text, to both sides."""
    from psycopg import sql  # noqa: PLC0415 - the driver of PostgreSQL is an extra

    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    )
    session: Any = connection.connection.driver_connection
    with session.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in rows.iter_slices(_BATCH):
            copy.write(batch.write_csv(include_header=False, datetime_format=_TIMES))


def _insert(
    connection: sa.Connection, table: sa.Table, rows: pl.DataFrame, *, times_as_text: bool
) -> None:
    # Columns without types: values go to the driver as they are.
    into = sa.insert(sa.table(table.name, *(sa.column(name) for name in rows.columns)))
    if times_as_text:  # as in the export; SQLite has no type for them
        rows = rows.with_columns(pl.selectors.datetime().dt.strftime(_TIMES))
    for batch in rows.iter_slices(_BATCH):
        if connection.dialect.positional:  # twice as fast, where the driver takes tuples
            text = str(into.compile(dialect=connection.dialect))
            connection.exec_driver_sql(text, batch.rows())
        else:
            connection.execute(into, batch.to_dicts())


def _reason(error: Exception) -> str:
    """What went wrong: not in the driver's words, which may run over lines and hold passwords."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", None)
    # But those of SQLite for a cause outside of it are few, and hold nothing.
    return str(cause) if code is not None and code & 0xFF in _OUTSIDE else type(cause).__name__
