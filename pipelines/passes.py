"""The heavy passes: the only code that sees all rows. narwhals LazyFrame in, LazyFrame out.

They stream on polars today; the same code runs on any engine that narwhals drives lazily. Semantics
that differ between engines (order, ties, nulls) are therefore always written out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import narwhals as nw

from pipelines.sources.tables import ROW

_MS_A_DAY: Final = 86_400_000
Frame = nw.LazyFrame[Any]


class Deduplicated(NamedTuple):
    """Rows kept, and the two kinds of rows that were not."""

    kept: Frame
    duplicate_rows: Frame
    duplicate_keys: Frame


def deduplicate(rows: Frame, *, key: Sequence[str]) -> Deduplicated:
    """Keep one row a key: the first in file order.

    Rows equal in every column are harmless repeats (`duplicate_rows`); rows that share the key but
    differ elsewhere contradict each other (`duplicate_keys`). Nulls equal nulls.
    """
    columns = [name for name in rows.collect_schema().names() if name != ROW]
    distinct = rows.unique(subset=columns, keep="first", order_by=[ROW])
    kept = distinct.unique(subset=list(key), keep="first", order_by=[ROW])
    return Deduplicated(kept, _without(rows, distinct), _without(distinct, kept))


def _without(rows: Frame, others: Frame) -> Frame:
    return rows.join(others.select(ROW), on=ROW, how="anti")


class Referenced(NamedTuple):
    """Rows whose learner is known, and the orphans."""

    kept: Frame
    orphans: Frame


def with_learner_row(rows: Frame, learners: Frame, *, learner: str) -> Referenced:
    """Split rows by whether their learner has a row in the table that lists the learners."""
    known = learners.select(learner).unique()
    return Referenced(
        rows.join(known, on=learner, how="semi"), rows.join(known, on=learner, how="anti")
    )


def admit(
    rows: Frame,
    *,
    where: Mapping[str, Iterable[str]],
    exclude: Mapping[str, Iterable[str]],
    by: Sequence[str],
) -> Frame:
    """Rows with admitted values, less every `by` group that has any excluded one."""
    admitted = rows
    for column, values in where.items():
        admitted = admitted.filter(nw.col(column).cast(nw.String).is_in(list(values)))
    for column, values in exclude.items():
        staff = rows.filter(nw.col(column).cast(nw.String).is_in(list(values)))
        admitted = admitted.join(staff.select(*by).unique(), on=list(by), how="anti")
    return admitted


def one_row(rows: Frame, *, by: Sequence[str], order_by: Sequence[str]) -> Frame:
    """One row a group: the last by `order_by` (nulls first), or the first in file order.

    Among rows equal in `order_by` the last in file order wins.
    """
    if not order_by:
        return rows.unique(subset=list(by), keep="first", order_by=[ROW])
    return rows.unique(subset=list(by), keep="last", order_by=[*order_by, ROW])


def aggregate(rows: Frame, *, by: Sequence[str], column: str, how: str, name: str) -> Frame:
    """One value a group, in a column `name`. Null values count for nothing.

    Args:
        rows: raw rows, `_row` among their columns.
        by: the columns of a group.
        column: the raw column.
        how: `first`, `last` (file order), `sum` (of any order of rows the same, to the last bit),
            `count`, `count_distinct`, or `count_weeks`: distinct calendar weeks, Monday to Sunday,
            of a timestamp.
        name: what to call the result.
    """
    present = rows.filter(~nw.col(column).is_null())
    if how in ("first", "last"):
        keep: Literal["first", "last"] = "first" if how == "first" else "last"
        one = present.unique(subset=list(by), keep=keep, order_by=[ROW])
        return one.select(*by, nw.col(column).alias(name))
    if how == "sum" and present.collect_schema()[column].is_float():
        return _float_sum(present, by=by, column=column, name=name)
    value = nw.col(column)
    if how == "count_weeks":
        # 1 January 1970 was a Thursday: three days more make weeks start on Monday.
        week = (value.dt.timestamp("ms") + 3 * _MS_A_DAY) // (7 * _MS_A_DAY)
        present = present.with_columns(week.alias(column))
    result = {
        "sum": value.sum(),
        "count": value.count().cast(nw.Int64),
        "count_distinct": value.n_unique().cast(nw.Int64),
        "count_weeks": value.n_unique().cast(nw.Int64),
    }[how]
    return present.group_by(*by).agg(result.alias(name))


_PARTS: Final = (2.0**32, 1.0, 2.0**-32, 2.0**-64)
_FARTHEST: Final = 2.0**63


def _float_sum(rows: Frame, *, by: Sequence[str], column: str, name: str) -> Frame:
    """Sums of floats that depend on nothing but the floats: not on their order, nor on other rows.

    Added up as they come, floats lose what depends on how an engine has split the rows, so that
    whoever is removed could change a sum of somebody else's. Each is cut into whole numbers of 32
    bits instead, whose sums are exact up to 2^31 rows a group; of these the sum is made. A float is
    kept to 2^-64, and up to 2^63 either way; NaN and infinities add up as they do.

    Args:
        rows: with the column, no null in it.
        by: the columns of a group.
        column: of floats.
        name: what to call the result.
    """
    rest, value = f"{name}:rest", nw.col(column).cast(nw.Float64)
    finite = nw.when(value.is_finite())
    cut = rows.with_columns(
        finite.then(value).otherwise(0.0).clip(-_FARTHEST, _FARTHEST).alias(rest),
        finite.then(0.0).otherwise(value).alias(name),
    )
    parts = {f"{name}:{unit}": unit for unit in _PARTS}
    for part, unit in parts.items():
        whole = (nw.col(rest) * (1 / unit)).cast(nw.Int64)
        cut = cut.with_columns(whole.alias(part)).with_columns(
            nw.col(rest) - nw.col(part).cast(nw.Float64) * unit
        )
    added = cut.group_by(*by).agg(nw.col(name, *parts).sum())
    total = nw.col(name)
    for part, unit in parts.items():
        total = total + nw.col(part).cast(nw.Float64) * unit
    return added.select(*by, total.alias(name))


def count_learners(rows: Frame, *, by: Sequence[str], learner: str, name: str) -> Frame:
    """The QI histogram: distinct learners a group, in a column `name`. Nulls equal nulls."""
    return rows.group_by(*by).agg(nw.col(learner).n_unique().cast(nw.Int64).alias(name))


ROWS: Final = "_rows"
"""How many rows a learner has in a cell."""

_LARGEST_VALUE: Final = 10**12
"""Of one row, in units: nine million of them add up to less than the largest integer. What lies
beyond is far outside of any bounds that may be asked for."""


_TO_BIN: Final = 3
"""Decimals of a unit that a value has before it is cut: 0.1 + 0.7 is 0.8, and 0.6 no 1."""


def in_units(column: str, decimals: int, *, cut: bool = False) -> nw.Expr:
    """A number as whole units of its last decimal; null where it is unknown, NaN or infinite.

    Args:
        column: of numbers.
        decimals: that are kept.
        cut: whether to the unit at or below it, as bins need: a value below an edge stays below;
            else to the nearest.
    """
    number = nw.col(column).cast(nw.Float64)
    known = nw.when(number.is_finite()).then(number * 10**decimals)
    within = known.clip(-_LARGEST_VALUE, _LARGEST_VALUE)
    units = within.round(_TO_BIN).floor() if cut else within.round(0)
    return units.cast(nw.Int64)


def period_number(column: str, period: str, *, relative: bool) -> nw.Expr:
    """The number of the period that a time lies in, counted without gaps; null where unknown.

    Args:
        column: of timestamps or dates; of days from some start where `relative`.
        period: week, 4w, month, quarter or year.
        relative: whether days are counted from some start; the period is a week then.
    """
    time = nw.col(column)
    if relative:
        return (time // 7).cast(nw.Int64)
    if period in {"week", "4w"}:
        days = time.cast(nw.Datetime("us")).dt.timestamp("ms") // _MS_A_DAY
        # 1 January 1970 was a Thursday: the first Monday is the fifth.
        return ((days - 4) // (7 if period == "week" else 28)).cast(nw.Int64)
    year, month = time.dt.year().cast(nw.Int64), time.dt.month().cast(nw.Int64)
    return {
        "month": year * 12 + month - 1,
        "quarter": year * 4 + (month - 1) // 3,
        "year": year,
    }[period]


def contributions(rows: Frame, *, by: Sequence[str], values: Sequence[str]) -> Frame:
    """What each learner adds to each cell: one row a combination of `by`.

    Args:
        rows: integer columns: the learner's number and the codes of keys, none of them null, and
            values in units.
        by: the learner's number and the keys.
        values: to be added up; unknown ones count for nothing.

    Returns:
        `by`, `_rows`, and for each value its sum and, under `known:` and its name, of how many rows
        it is known.
    """
    known = [(~nw.col(value).is_null()).cast(nw.Int64).alias(f"known:{value}") for value in values]
    sums = [nw.col(name).sum() for value in values for name in (value, f"known:{value}")]
    return (
        rows.select(*by, *values, *known)
        .group_by(*by)
        .agg(nw.len().cast(nw.Int64).alias(ROWS), *sums)
    )


def recode(rows: Frame, tuples: Frame, *, on: Sequence[str]) -> Frame:
    """Broadcast a recoding: each row gains what became of its tuple, null where it was suppressed.

    Args:
        rows: rows with the columns of `on`, none of them null.
        tuples: one row a tuple that stays: the columns of `on`, and what rows gain.
        on: the columns of a tuple.
    """
    return rows.join(tuples, on=list(on), how="left")
