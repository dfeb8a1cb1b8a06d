"""Builders of generalization hierarchies whose levels follow a rule.

Numbers become intervals, days become months, codes lose their ends. Whatever the builder, the
result is a `Hierarchy`, validated as a tree: a label that would stand for different leaves at
different levels is refused by name.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Literal, TypeAlias, get_args

import polars as pl

from anonymizer.errors import HierarchyError
from anonymizer.hierarchy import ROOT, Hierarchy
from anonymizer.models import as_written

MOST_LEAVES: Final = 100_000
"""Leaves that a builder makes at most: beyond that a column is an identifier, not an attribute."""

DateLevel: TypeAlias = Literal["day", "month", "quarter", "year"]
"""The levels of a date, finest first. No week: it lies within no month and no year."""


def interval_edges(
    name: str, *, low: float, high: float, widths: Sequence[float]
) -> tuple[tuple[float, ...], ...]:
    """The edges of equally wide intervals, one tuple a width, for `from_bins` and `bin_expr`.

    Values below `low` and from `high` on are coded as such (bottom and top coding), at every level.

    >>> interval_edges("age", low=20, high=60, widths=[10, 20])
    ((20.0, 30.0, 40.0, 50.0, 60.0), (20.0, 40.0, 60.0))

    Args:
        name: the column, for errors.
        low: the lower end of the first interval.
        high: the upper end of the last.
        widths: finest first; each divides the next, and the last divides high - low, in the
            decimals that they are written as.

    Raises:
        HierarchyError: the widths do not nest or do not divide the range, or there are too many
            intervals.
    """
    try:
        start, end, *steps = map(as_written, (low, high, *widths))
    except (ValueError, OverflowError):
        raise HierarchyError(f"hierarchy {name}: low, high and widths: finite numbers") from None
    if not start < end or not steps or min(steps) <= 0:
        raise HierarchyError(f"hierarchy {name}: low below high, and widths above 0")
    if (end - start) / steps[0] > MOST_LEAVES:
        raise HierarchyError(f"hierarchy {name}: over {MOST_LEAVES} intervals; widen the first")
    for finer, coarser in zip(steps, [*steps[1:], end - start], strict=True):
        if coarser % finer:
            raise HierarchyError(
                f"hierarchy {name}: widths: {float(finer):g} does not divide {float(coarser):g};"
                " each width divides the next, and the last divides high - low"
            )
    return tuple(
        tuple(float(start + i * step) for i in range(int((end - start) / step) + 1))
        for step in steps
    )


def interval_hierarchy(
    name: str, *, low: float, high: float, widths: Sequence[float], missing: bool
) -> Hierarchy:
    """The hierarchy of the intervals of `interval_edges`, whose narrowest are the leaves.

    Raises:
        HierarchyError: the widths do not nest or do not divide the range.
    """
    edges = interval_edges(name, low=low, high=high, widths=widths)
    return Hierarchy.from_bins(name, edges, missing=missing)


def date_hierarchy(
    name: str, *, first: date, last: date, finest: DateLevel, missing: bool
) -> Hierarchy:
    """Days, months, quarters, years: `2014-02-28`, `2014-02`, `2014-Q1`, `2014` (ISO 8601).

    Args:
        name: the column it generalizes.
        first: a day of the first leaf.
        last: a day of the last leaf.
        finest: the level of the leaves.
        missing: whether an unknown value occurs.

    Raises:
        HierarchyError: the period is empty or too long.
    """
    days = (last - first).days + 1
    if not 1 <= days <= MOST_LEAVES:
        raise HierarchyError(
            f"hierarchy {name}: first to last: a period of 1 to {MOST_LEAVES} days"
        )
    level = get_args(DateLevel).index(finest)
    paths = (_date_path(first + timedelta(day))[level:] for day in range(days))
    return Hierarchy.from_rows(name, list(dict.fromkeys(paths)), missing=missing)


def _date_path(day: date) -> tuple[str, ...]:
    quarter = (day.month + 2) // 3
    year = f"{day.year:04}"
    return (day.isoformat(), f"{year}-{day.month:02}", f"{year}-Q{quarter}", year)


def prefix_hierarchy(
    name: str, values: Sequence[str], *, lengths: Sequence[int], separator: str, missing: bool
) -> Hierarchy:
    """Codes that start alike: postal codes by characters, dotted codes by parts.

    `10115` becomes `101*`, then `1*` at lengths 3 and 1; `K.62.01` becomes `K.62.*`, then `K.*`
    at lengths 2 and 1. A code with fewer parts than a length stays itself at that level.

    Args:
        name: the column it generalizes.
        values: the leaves.
        lengths: how many characters or parts are kept, decreasing from level to level.
        separator: between the parts; "" where each character is one.
        missing: whether an unknown value occurs.

    Raises:
        HierarchyError: the lengths do not decrease down to at least 1, or the leaves are none, too
            many, repeated or look like prefixes themselves.
    """
    _check_number(name, values)
    decreasing = list(lengths) == sorted(set(lengths), reverse=True)
    if not lengths or not decreasing or lengths[-1] < 1:
        raise HierarchyError(f"hierarchy {name}: lengths: decreasing whole numbers of at least 1")

    def prefix(value: str, length: int) -> str:
        parts = value.split(separator) if separator else list(value)
        return value if len(parts) < length else separator.join([*parts[:length], ROOT])

    rows = [(value, *(prefix(value, length) for length in lengths)) for value in values]
    return Hierarchy.from_rows(name, rows, missing=missing)


def redaction_hierarchy(name: str, values: Sequence[str], *, missing: bool) -> Hierarchy:
    """Characters masked from the right, one more a level: `12345`, `1234*`, `123**`, ... `*`.

    As ARX aligns them by default, shorter values are thought of as having `_` before them, so that
    they can be told from longer ones at every level: beside `123`, the value `45` becomes `_4*`.

    Args:
        name: the column it generalizes.
        values: the leaves.
        missing: whether an unknown value occurs.

    Raises:
        HierarchyError: the leaves are none, too many, repeated or look masked themselves.
    """
    _check_number(name, values)
    width = max(map(len, values), default=0)
    rows = [
        (value, *(value.rjust(width, "_")[:-masked] + ROOT * masked for masked in range(1, width)))
        for value in values
    ]
    return Hierarchy.from_rows(name, rows, missing=missing)


def occurring(column: pl.Series) -> tuple[str, ...]:
    """The distinct values of a column as text, in the order of their type, nulls left out.

    The same for every order of the rows. A hierarchy of them tells which values occur: where its
    labels are published, prefer declared values.

    Raises:
        HierarchyError: the column has no value, or too many.
    """
    values = column.drop_nulls().unique().sort()
    found = tuple(values.cast(pl.String).to_list())
    _check_number(column.name, found)
    return found


def _check_number(name: str, values: Sequence[str]) -> None:
    if not 1 <= len(values) <= MOST_LEAVES:
        raise HierarchyError(
            f"hierarchy {name}: {len(values)} values; 1 to {MOST_LEAVES} can be leaves, so coarsen"
            " or drop the column"
        )
