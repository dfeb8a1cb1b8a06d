"""The labels of items that are made of several columns, or of a course and a coarse time."""

from collections.abc import Sequence
from typing import Final

import narwhals as nw
import polars as pl

from schemas.roles import MISSING
from schemas.view import Period

_JOIN: Final = " / "
_AT: Final = " @ "
_MONDAY: Final = 4
"""Days from 1 January 1970, a Thursday, to the first Monday: where periods of four weeks start."""


def joined(columns: Sequence[str]) -> nw.Expr:
    r"""The values of several columns as one text, such as `AAA / 2013J`; one column as it is.

    Different values have different texts: `\` and `/` are written `\\` and `\/` within a value. An
    unknown value is `(missing)`.
    """
    if len(columns) == 1:
        return nw.col(columns[0])
    texts = [
        nw.col(column)
        .cast(nw.String)
        .str.replace_all("\\", "\\\\", literal=True)
        .str.replace_all("/", "\\/", literal=True)
        .fill_null(MISSING)
        for column in columns
    ]
    return nw.concat_str(*texts, separator=_JOIN)


def dated(item: str, moment: str, period: Period) -> pl.Expr:
    """An item with its period, such as `course @ 2024-03`; `(missing)` for an unknown time.

    Args:
        item: the text column of the item.
        moment: a column of dates or of timestamps, which mean UTC.
        period: month `2024-03`, quarter `2024-Q1`, year `2024`, or four weeks by their first
            Monday as ISO 8601 writes an interval, `2024-02-26/P4W`.
    """
    return pl.concat_str(pl.col(item), _period(pl.col(moment), period), separator=_AT)


def _period(moment: pl.Expr, period: Period) -> pl.Expr:
    day = moment.cast(pl.Date)
    if period == "4w":
        days = day.cast(pl.Int32)
        start = (days - (days - _MONDAY) % 28).cast(pl.Date)
        text = start.dt.to_string("%Y-%m-%d/P4W")
    elif period == "quarter":
        text = pl.format("{}-Q{}", day.dt.to_string("%Y"), day.dt.quarter())
    else:
        text = day.dt.to_string("%Y-%m" if period == "month" else "%Y")
    return text.fill_null(MISSING)
