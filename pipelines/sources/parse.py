"""From text to declared types."""

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

from schemas.declaration import ColumnDeclaration
from schemas.raw import DTYPES
from schemas.roles import ColumnType, Role


def cleaned(name: str, column: ColumnDeclaration) -> pl.Expr:
    """The text of a column: stripped of blanks, empty text null, label faults relabelled.

    Ids that a tool wrote as numbers (`1000.0`, where a column once held a gap) lose the `.0`, so
    that a learner or item has one name in every table and in the rights registry.
    """
    text = pl.col(name).str.strip_chars()
    if column.role in (Role.LEARNER_KEY, Role.ITEM):
        text = text.str.replace(r"^(\d+)\.0+$", "$1")
    text = pl.when(text == "").then(None).otherwise(text)
    return text.replace(dict(column.relabel)) if column.relabel else text


def parsed(text: pl.Expr, column: ColumnDeclaration) -> pl.Expr:
    """The text as the column's type; null where it does not parse."""
    return _PARSERS[column.type](text).cast(DTYPES[column.type])


def _integer(text: pl.Expr) -> pl.Expr:
    # Tools that know no integer with nulls write 5 as 5.0.
    return text.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)


def _number(text: pl.Expr) -> pl.Expr:
    value = text.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _boolean(text: pl.Expr) -> pl.Expr:
    words = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
    return text.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)


def _timestamp(text: pl.Expr) -> pl.Expr:
    naive = text.str.replace("T", " ", literal=True).str.replace(r"( ?UTC|Z|\+00(:?00)?)$", "")
    return naive.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)


def _date(text: pl.Expr) -> pl.Expr:
    return text.str.to_date("%Y-%m-%d", strict=False)


_PARSERS: Final[Mapping[ColumnType, Callable[[pl.Expr], pl.Expr]]] = {
    ColumnType.TEXT: lambda text: text,
    ColumnType.INTEGER: _integer,
    ColumnType.NUMBER: _number,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.TIMESTAMP: _timestamp,
    ColumnType.DATE: _date,
}
