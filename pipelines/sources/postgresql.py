"""PostgreSQL's columns as text, so that what is read does not depend on its settings."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pipelines.errors import SourceError

_PLAIN: Final = (
    sa.String,  # text, varchar, char, citext, enum
    sa.Integer,
    sa.Numeric,
    sa.Float,
    sa.Boolean,
    sa.Date,
    sa.Time,
    sa.DateTime,
    sa.Uuid,
    sa.JSON,
    postgresql.INET,
    postgresql.CIDR,
    postgresql.MACADDR,
    postgresql.MACADDR8,
)
"""What PostgreSQL itself casts to a text that means the same everywhere. Not so `money`, which
follows the server's locale; bytes, arrays, intervals, ranges and shapes are no cells."""

_SETTINGS: Final = ("DateStyle TO ISO", "extra_float_digits TO 1")
"""The texts of times and of numbers depend on these: as in ISO 8601, and to the last digit."""


def as_text(column: sa.Column[Any], *, where: str) -> sa.ColumnElement[Any]:
    """A column as text; times with a zone in UTC, without it.

    Raises:
        SourceError: its type has no text that kohort reads.
    """
    kind = column.type.data_type if isinstance(column.type, postgresql.DOMAIN) else column.type
    if not isinstance(kind, _PLAIN):
        raise SourceError(
            f"{where}: column '{column.name}' is of type {_name(kind)}; kohort reads text, "
            "numbers, truth values and times; make a view that casts it"
        )
    zoned = isinstance(kind, sa.DateTime) and kind.timezone
    plain = sa.func.timezone("UTC", column) if zoned else column
    return sa.cast(plain, sa.Text)


def settle(connection: sa.Connection) -> None:
    """Settings for this transaction that texts depend on."""
    for setting in _SETTINGS:
        connection.exec_driver_sql(f"SET LOCAL {setting}")


def _name(kind: sa.types.TypeEngine[Any]) -> str:
    # One that SQLAlchemy does not know is NULL to it.
    return "unknown" if isinstance(kind, sa.types.NullType) else type(kind).__name__.lower()
