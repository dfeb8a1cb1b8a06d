"""Bias: what a release does to statistics that were declared to matter.

The figures before anonymization are exact: for the steward, never for a package.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from anonymizer.errors import CoreError, HierarchyError
from anonymizer.hierarchy import Hierarchy
from anonymizer.measures import TopCodedBins


@dataclass(frozen=True)
class ShareOf:
    """The share of rows whose value is one of some, such as those passed.

    Attributes:
        column: whose values are looked at.
        values: leaves of its hierarchy.
        by: a column that parts the rows into groups; None for all rows alone.

    Raises:
        CoreError: no values, or the column is to be parted by itself.
    """

    column: str
    values: tuple[str, ...]
    by: str | None

    def __post_init__(self) -> None:
        if not self.values:
            raise CoreError(f"share of {self.column}: name at least one value")
        if self.by == self.column:
            raise CoreError(f"share of {self.column}: part the rows by another column")


@dataclass(frozen=True)
class ShareBias:
    """A share before and after anonymization. None stands for a division by zero.

    A released row whose label covers counted and other leaves alike, as `*` does, may or may not
    count: the share after lies between two bounds, and no guess is made within them.

    Attributes:
        group: the label of the parting column; None for all rows.
        rows_before: rows whose leaf lies under that label.
        rows_after: rows that are released with that very label: fewer of the same where others of
            them carry a coarser label.
        before: share of the rows before.
        low: share of the rows after, if no undetermined row counts.
        high: the same, if all of them do.
        change_low: (low - before) / before.
        change_high: (high - before) / before.
    """

    group: str | None
    rows_before: int
    rows_after: int
    before: float | None
    low: float | None
    high: float | None
    change_low: float | None
    change_high: float | None


def bias(
    before: pl.DataFrame,
    after: pl.DataFrame,
    statistic: ShareOf,
    ladder: Hierarchy,
    *,
    groups: Hierarchy | None,
) -> tuple[ShareBias, ...]:
    """A declared share before and after, of all rows and of each group.

    Args:
        before: one row each, with leaf labels in the columns of the statistic.
        after: the released rows, with labels of any level. Who is missing here was suppressed.
        statistic: the share.
        ladder: the hierarchy of `statistic.column`.
        groups: the hierarchy of `statistic.by`; None where that is None.

    Returns:
        All rows first; then a group for every label that rows before or after carry, in the order
        of the hierarchy, finest level first. Groups of coarser labels hold the rows before of the
        finer ones again.

    Raises:
        HierarchyError: a value before is no leaf, or a value after no label, of its hierarchy.
        CoreError: a hierarchy is not of its column, or a counted value is no leaf.
    """
    if ladder.name != statistic.column or (groups and groups.name) != statistic.by:
        raise CoreError("bias: give the hierarchies of the statistic's own columns")
    counted = set(statistic.values)
    if not counted <= set(ladder.leaves):
        raise CoreError(f"share of {statistic.column}: a value is no leaf of its hierarchy")
    below = _leaves_below(ladder)
    inside = {label for label, leaves in below.items() if leaves <= counted}
    touched = {label for label, leaves in below.items() if leaves & counted}
    rows_before = _pairs(before, ladder, groups, of_leaves=True)
    rows_after = _pairs(after, ladder, groups, of_leaves=False)
    found = [_compare(None, rows_before, rows_after, inside, touched)]
    if groups:
        present = {group for _, group in (*rows_before, *rows_after)}
        for label, leaves in _leaves_below(groups).items():
            if label in present:
                of_leaves = _within(rows_before, leaves)
                of_label = _within(rows_after, {label})
                found.append(_compare(label, of_leaves, of_label, inside, touched))
    return tuple(found)


def _compare(
    group: str | None,
    before: Mapping[tuple[str, str], int],
    after: Mapping[tuple[str, str], int],
    inside: set[str],
    touched: set[str],
) -> ShareBias:
    was, low, high = _share(before, inside), _share(after, inside), _share(after, touched)
    return ShareBias(
        group=group,
        rows_before=sum(before.values()),
        rows_after=sum(after.values()),
        before=was,
        low=low,
        high=high,
        change_low=_change(was, low),
        change_high=_change(was, high),
    )


def _share(rows: Mapping[tuple[str, str], int], counted: set[str]) -> float | None:
    total = sum(rows.values())
    count = sum(number for (label, _), number in rows.items() if label in counted)
    return count / total if total else None


def _change(before: float | None, after: float | None) -> float | None:
    return (after - before) / before if before and after is not None else None


def _within(rows: Mapping[tuple[str, str], int], groups: set[str]) -> dict[tuple[str, str], int]:
    return {pair: number for pair, number in rows.items() if pair[1] in groups}


def _pairs(
    frame: pl.DataFrame, ladder: Hierarchy, groups: Hierarchy | None, *, of_leaves: bool
) -> Counter[tuple[str, str]]:
    """Rows by the label of the ladder and that of the group, which is "" where there is none."""
    columns: Sequence[Hierarchy] = [ladder, *([groups] if groups else [])]
    counts = frame.group_by([h.name for h in columns]).len()
    for hierarchy in columns:
        allowed = hierarchy.leaves if of_leaves else hierarchy.domain()
        if not set(counts[hierarchy.name]) <= set(allowed):
            kind = "leaf before" if of_leaves else "label after"
            raise HierarchyError(
                f"column {hierarchy.name}: a value is no {kind} anonymization; give the hierarchy"
                " that it was released by"
            )
    found: Counter[tuple[str, str]] = Counter()
    for row in counts.iter_rows(named=True):
        found[row[ladder.name], row[groups.name] if groups else ""] += row["len"]
    return found


def _leaves_below(hierarchy: Hierarchy) -> dict[str, set[str]]:
    """The leaves under each label, finest level first."""
    below: dict[str, set[str]] = {label: set() for label in hierarchy.domain()}
    ladders = [hierarchy]
    if isinstance(hierarchy, TopCodedBins):
        # An item may have merged any tail.
        ladders += [hierarchy.without(dropped) for dropped in range(len(hierarchy.edges[0]))]
    for ladder in ladders:
        for level in range(ladder.height + 1):
            for leaf, label in zip(ladder.leaves, ladder.label_of(level), strict=True):
                below.setdefault(label, set()).add(leaf)
    return below
