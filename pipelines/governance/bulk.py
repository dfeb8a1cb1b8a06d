"""Many rows into the workspace's database and out of it, fast and in bounded memory.

PostgreSQL streams them with COPY; SQLite takes and gives them in batches. On the way out no row
becomes an object, and instants are parsed a column at a time.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    Table,
    func,
    insert,
    type_coerce,
)

if TYPE_CHECKING:  # a workspace on SQLite needs no driver of PostgreSQL
    from psycopg import Connection as Session

_BATCH: Final = 20_000
_BLOCK: Final = 4 << 20
"""Bytes of CSV that become one frame."""

_INSTANT: Final = "%Y-%m-%d %H:%M:%S%.6f"
_INSTANT_IN_POSTGRESQL: Final = "YYYY-MM-DD HH24:MI:SS.US"


def insert_rows(
    connection: Connection,
    table: FromClause,
    columns: Sequence[str],
    rows: Iterable[tuple[object, ...]],
) -> int:
    """Add rows to a table.

    Args:
        connection: in a transaction.
        table: one of the workspace's tables.
        columns: the names of the columns that rows have; others are null, or count up.
        rows: Python values, as SQLAlchemy takes them; read once.

    Returns:
        How many.

    Raises:
        ValueError: there is no transaction that would keep them.
    """
    if not connection.in_transaction():
        raise ValueError("rows are added in a transaction: use engine.begin()")
    assert isinstance(table, Table)
    if connection.dialect.name == "postgresql":
        return _copy_in(connection, table, columns, rows)
    number = 0
    following = iter(rows)
    while batch := list(islice(following, _BATCH)):
        values = [dict(zip(columns, row, strict=True)) for row in batch]
        connection.execute(insert(table), values)
        number += len(batch)
    return number


def read_frames(
    connection: Connection, query: Select[Any], schema: pl.Schema
) -> Iterator[pl.DataFrame]:
    """The rows of a query in its order, some ten thousand a frame; no frame where it has none.

    Args:
        connection: of the registry; not used otherwise until the last frame is there.
        query: what to read.
        schema: the names and types of its columns, in their order: String, Int64, and
            Datetime("us", "UTC") for a `UtcDateTime`.
    """
    on_postgresql = connection.dialect.name == "postgresql"
    plain = query.with_only_columns(
        *(
            _instant_as_text(column, on_postgresql) if schema[name] == pl.Datetime else column
            for name, column in zip(schema, query.selected_columns, strict=True)
        ),
        maintain_column_froms=True,
    )
    instants = [name for name, dtype in schema.items() if dtype == pl.Datetime]
    raw = pl.Schema({**schema, **dict.fromkeys(instants, pl.String())})
    parsed = pl.col(instants).str.to_datetime(_INSTANT, time_unit="us", time_zone="UTC")
    frames = _copy_out if on_postgresql else _select
    for frame in frames(connection, plain, raw):
        yield frame.with_columns(parsed)


def _instant_as_text(column: ColumnElement[Any], on_postgresql: bool) -> ColumnElement[Any]:  # noqa: FBT001 - private
    """A `UtcDateTime` as `_INSTANT`: that is how SQLite holds it."""
    if on_postgresql:
        return func.to_char(column, _INSTANT_IN_POSTGRESQL)
    return type_coerce(column, String)


def _select(
    connection: Connection, query: Select[Any], schema: pl.Schema
) -> Iterator[pl.DataFrame]:
    for rows in connection.execute(query).partitions(_BATCH):
        yield pl.DataFrame(rows, schema=schema, orient="row")


def _copy_in(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> int:
    from psycopg import sql  # noqa: PLC0415 - the driver of PostgreSQL is an extra

    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    types = (table.c[name].type.dialect_impl(connection.dialect) for name in columns)
    processors = [type_.bind_processor(connection.dialect) for type_ in types]
    bound = [(i, process) for i, process in enumerate(processors) if process is not None]
    number = 0
    with _session(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            values = list(row)
            for i, process in bound:
                values[i] = process(values[i])
            copy.write_row(values)
            number += 1
    return number


def _copy_out(
    connection: Connection, query: Select[Any], schema: pl.Schema
) -> Iterator[pl.DataFrame]:
    with _session(connection).cursor() as cursor, cursor.copy(_copied(connection, query)) as copy:
        block, size = [], 0
        for line in copy:  # one row each, says PostgreSQL's protocol
            block.append(bytes(line))
            size += len(line)
            if size >= _BLOCK:
                yield _parsed(block, schema)
                block, size = [], 0
        if block:
            yield _parsed(block, schema)


def _parsed(block: list[bytes], schema: pl.Schema) -> pl.DataFrame:
    # An empty cell is null, a quoted empty cell is an empty text: to both sides.
    return pl.read_csv(io.BytesIO(b"".join(block)), has_header=False, schema=schema)


def _copied(connection: Connection, query: Select[Any]) -> bytes:
    """The query as a COPY statement, which takes no parameters: psycopg writes them into it."""
    from psycopg import ClientCursor  # noqa: PLC0415 - the driver of PostgreSQL is an extra

    dialect = connection.dialect
    compiled = query.compile(dialect=dialect)
    state = compiled.construct_expanded_state()  # each element of an IN is a parameter
    parameters = dict(state.parameters)
    for bind, name in compiled.bind_names.items():
        process = bind.type.dialect_impl(dialect).bind_processor(dialect)
        for key in state.parameter_expansion.get(name, [name]):
            if process is not None:
                parameters[key] = process(parameters[key])
    with ClientCursor(_session(connection)) as cursor:
        text = cursor.mogrify(state.statement.encode(), parameters)
    return f"COPY ({text}) TO STDOUT (FORMAT csv)".encode()


def _session(connection: Connection) -> "Session[Any]":
    session = connection.connection.driver_connection
    assert session is not None
    return cast("Session[Any]", session)
