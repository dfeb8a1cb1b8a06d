"""The strict Pandera schema of a staged raw table, built from its declaration."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pandera.polars as pa
import polars as pl

from schemas.declaration import ColumnDeclaration, TableDeclaration
from schemas.roles import ColumnType, Role

ROW: Final = "_row"
"""The position of a row in file order."""

DTYPES: Final[Mapping[ColumnType, pl.DataType]] = {
    ColumnType.TEXT: pl.String(),
    ColumnType.INTEGER: pl.Int64(),
    ColumnType.NUMBER: pl.Float64(),
    ColumnType.BOOLEAN: pl.Boolean(),
    ColumnType.TIMESTAMP: pl.Datetime("us"),
    ColumnType.DATE: pl.Date(),
}
"""What each declared type is once parsed. Timestamps are naive and mean UTC."""

_DOMAIN_TYPES: Final[Mapping[ColumnType, Callable[[str], Any]]] = {
    ColumnType.TEXT: str,
    ColumnType.INTEGER: int,
    ColumnType.NUMBER: float,
}


def required(table: TableDeclaration) -> frozenset[str]:
    """The columns that may hold no null: the key, the learner and the item."""
    named = (Role.LEARNER_KEY, Role.ITEM)
    return frozenset(table.key) | {n for n, c in table.columns.items() if c.role in named}


def domain(column: ColumnDeclaration) -> list[Any] | None:
    """The closed domain of a column as values of its type; None where it is open.

    Raises:
        ValueError: the column's type can't have a closed domain, or a value is not of it.
    """
    if column.values is None:
        return None
    if column.type not in _DOMAIN_TYPES:
        raise ValueError(f"a column of type {column.type} can't have `values`; remove them")
    return [_DOMAIN_TYPES[column.type](value) for value in column.values]


def raw_model(name: str, table: TableDeclaration) -> pa.DataFrameSchema:
    """The schema of a staged table: exactly the declared columns, parsed, and `_row`.

    Nothing is coerced. Nulls are allowed but in the key and the learner column.

    Raises:
        ValueError: a column's `values` don't fit its type.
    """
    never_null = required(table)
    columns = {
        column: pa.Column(
            DTYPES[declared.type],
            checks=None if (values := domain(declared)) is None else pa.Check.isin(values),
            nullable=column not in never_null,
        )
        for column, declared in table.columns.items()
    }
    columns[ROW] = pa.Column(pl.Int64, checks=pa.Check.ge(0), unique=True)
    return pa.DataFrameSchema(columns, name=name, strict=True, coerce=False)
