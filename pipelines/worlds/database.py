"""A world in a database: new tables and all their rows in one transaction.

PostgreSQL takes them by COPY where its driver is psycopg; any other database takes them in batches.
One that commits each CREATE TABLE by itself, such as MySQL, keeps empty tables of a failed writing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from pipelines.errors import OutputError
from pipelines.worlds.places import Sink
from synth.parts import Part

_BATCH: Final = 20_000
_TIMES: Final = "%Y-%m-%d %H:%M:%S%.f"

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
def database(address: str | sa.URL) -> Iterator[Sink]:
    """New tables of a database, there for others once all is written.

    Args:
        address: an SQLAlchemy URL; its password is in no message.

    Raises:
        OutputError: it is none, its driver is missing, a table exists already, or the database
            can't be written.
    """
    url, where = _url(address)
    engine = _engine(url, where)
    insert = _copy if _copies(url) else partial(_insert, times_as_text=_is_sqlite(url))
    tables: dict[str, sa.Table] = {}
    with _translated(where, engine), engine.begin() as connection:

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


def _url(address: str | sa.URL) -> tuple[sa.URL, str]:
    try:
        url = sa.make_url(address)
    except (ArgumentError, ValueError):
        raise OutputError(
            "--url: not a database URL; write one like postgresql+psycopg://user@host/name"
        ) from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    where = url.set(query={}).render_as_string(hide_password=True)
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


@contextmanager
def _translated(where: str, engine: sa.Engine) -> Iterator[None]:
    driver = engine.dialect.loaded_dbapi.Error
    try:
        yield
    except (SQLAlchemyError, driver) as error:
        # The driver's own words may run over lines, and hold what the URL holds.
        kind = type(getattr(error, "orig", None) or error).__name__
        raise OutputError(
            f"{where}: can't be written ({kind}); check that the database is there, and that the "
            "account may make tables in it"
        ) from None
