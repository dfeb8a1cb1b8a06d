"""Governed rows as the database holds them, for sealing and for auditing."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Engine,
    Select,
    String,
    Table,
    case,
    extract,
    func,
    select,
    type_coerce,
)

from pipelines.governance.engines import translated
from pipelines.governance.sealing import HASH_BYTES, row_hasher
from pipelines.governance.tables import Base, Governed, UtcDateTime

NO_ROW: Final = bytes(HASH_BYTES)
"""The hash of what is no row of such a table; no row has it."""

BATCH: Final = 20_000
"""Rows that are read at a time."""


def governed_tables() -> list[Table]:
    """Every table whose rows the audit chain answers for, by name."""
    mappers = Base.registry.mappers
    tables = [m.local_table for m in mappers if issubclass(m.class_, Governed)]
    return sorted((t for t in tables if isinstance(t, Table)), key=lambda table: table.name)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that only reads, and sees one state however long it takes.

    Raises:
        RegistryError: the database can't be used.
    """
    with translated(engine), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(  # noqa: PLW2901 - the same one
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        yield connection


def as_stored(connection: Connection, table: Table) -> Select[Any]:
    """The query of a table's rows, with all cells in the order of its columns as they are hashed.

    Instants and days are texts. What SQLite holds against the type of its column comes as it is.

    Args:
        connection: that will run it; its texts are read from now on even if they are no UTF-8.
        table: which.
    """
    if connection.dialect.name != "sqlite":
        return select(*map(_written, table.c))
    session = connection.connection.driver_connection
    assert session is not None
    session.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    return select(*map(_kept, table.c))


def stored_hashes(connection: Connection, table: Table) -> Iterator[tuple[object, bytes]]:
    """The entry and the hash of each row, in the order of entries; in bounded memory.

    A cell that is no cell of such a table (SQLite takes any) makes the row `NO_ROW`.
    """
    own = table.c.keys()
    of_entry = own.index("entry")
    order = sorted((i for i in range(len(own)) if i != of_entry), key=own.__getitem__)
    row_hash = row_hasher([own[i] for i in order])
    query = as_stored(connection, table).order_by(table.c.entry)
    for row in connection.execute(query.execution_options(yield_per=BATCH)):
        try:
            yield row[of_entry], row_hash([row[i] for i in order])
        except TypeError:
            yield row[of_entry], NO_ROW


def _kept(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A cell of SQLite's: a day or an instant is the text that is hashed."""
    return type_coerce(column, String) if isinstance(column.type, UtcDateTime | Date) else column


def _written(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A cell of PostgreSQL's: a day or an instant is written as it is hashed.

    It takes some that can't be: `infinity`, and years before 1 or after 9999.
    """
    if not isinstance(column.type, UtcDateTime | Date):
        return column
    pattern = "YYYY-MM-DD" if isinstance(column.type, Date) else "YYYY-MM-DD HH24:MI:SS.US"
    within = extract("year", column).between(1, 9999)
    written = case((within, func.to_char(column, pattern)), else_="no such day")
    return case((column.is_(None), None), else_=written)
