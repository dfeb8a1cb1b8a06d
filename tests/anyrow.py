"""A row for any table: what its columns take, and nothing that means anything."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Column, Date, DateTime, Integer, Table

from pipelines.governance.tables import UtcDateTime

FIRST = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def any_cell(column: Column, number: int) -> object:
    """The cell of the row of this number; where it names another row, that one's."""
    for key in column.foreign_keys:
        return any_cell(key.column, number)
    if isinstance(column.type, UtcDateTime):
        return FIRST + timedelta(days=number)
    if isinstance(column.type, DateTime):  # of a table as the database tells it
        return FIRST.replace(tzinfo=None) + timedelta(days=number)
    if isinstance(column.type, Date):
        return date(2027, 1, number)
    if isinstance(column.type, Integer) or column.type.python_type is int:
        return number
    text = f"{number}{column.name}é"
    return text[: getattr(column.type, "length", None)]


def any_row(table: Table, number: int, *, without: tuple[str, ...] = ()) -> dict[str, object]:
    """No cell of it is null."""
    return {c.name: any_cell(c, number) for c in table.c if c.name not in without}
