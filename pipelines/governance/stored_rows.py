"""Governed rows as the database holds them, for sealing and for auditing."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Date, String, Table, select, type_coerce

from pipelines.governance.sealing import as_text, row_hash
from pipelines.governance.tables import Base, Governed, UtcDateTime

_BATCH: Final = 20_000


def governed_tables() -> list[Table]:
    """Every table whose rows the audit chain answers for, by name."""
    mappers = Base.registry.mappers
    tables = [m.local_table for m in mappers if issubclass(m.class_, Governed)]
    return sorted((t for t in tables if isinstance(t, Table)), key=lambda table: table.name)


def stored_hashes(connection: Connection, table: Table) -> Iterator[tuple[object, bytes]]:
    """The entry and the hash of each row, in the order of entries; in bounded memory.

    A cell that is no cell of such a table (SQLite takes any) makes a hash that no entry has.
    """
    columns = sorted((c for c in table.c if c.name != "entry"), key=lambda column: column.name)
    names = [column.name for column in columns]
    as_stored = connection.dialect.name == "sqlite"
    query = select(table.c.entry, *(_raw(c) if as_stored else c for c in columns))
    ordered = query.order_by(table.c.entry).execution_options(yield_per=_BATCH)
    for entry, *cells in connection.execute(ordered):
        yield entry, row_hash(names, [_cell(cell) for cell in cells])


def _raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A day or instant as the text that SQLite holds, which is how it is hashed."""
    return type_coerce(column, String) if isinstance(column.type, UtcDateTime | Date) else column


def _cell(value: object) -> object:
    if value is None or type(value) in {str, int}:
        return value
    try:
        return as_text(value)
    except TypeError:
        return ["no cell", type(value).__name__]
