"""Coarsening of measures and sensitive values, item by item, along declared ladders.

Within an item every combination of all measure and sensitive values of a row is shared by at least
k learners. Each item gets its own levels, so that a large course keeps detail that a small one must
give up; a column that cannot be shown in an item is `*` throughout it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import group_index, leaf_codes, sums
from anonymizer.models import within_share
from anonymizer.search import Node, ascending_nodes


def coarsen(
    values: pl.DataFrame,
    ladders: Sequence[Hierarchy],
    *,
    item: str | None,
    learner: str,
    k: int,
    maximum_share: Mapping[str, float],
    at_least: Mapping[str, Node],
) -> dict[str, Node]:
    """The levels of least information loss at which each item keeps the promise.

    Information loss is the mean over the ladders, then over the rows, of
    (leaves under the label - 1) / (leaves - 1): 0 for a leaf, 1 for `*` (the normalized certainty
    penalty, Xu et al. 2006). Equal losses are settled by the lower total level, then
    lexicographically.

    Args:
        values: one row for each (learner, item): finest labels in columns named as the ladders.
        ladders: one for each column.
        item: the item column; None for a learner table, which is then one item named "".
        learner: the learner column.
        k: learners who share each combination of labels within an item.
        maximum_share: column -> the largest share of an item's learners that one value may have,
            unless the column is `*` throughout the item. Columns without a ladder are passed over:
            they are another table's.
        at_least: item -> the lowest level of each ladder; 0 for items left out.

    Returns:
        Item -> the level of each ladder, sorted by item. An item of fewer than k learners gets the
        root of every ladder.

    Raises:
        HierarchyError: a value is no leaf of its ladder.
        CoreError: a parameter does not fit the columns, or a learner has two rows in an item.
    """
    _check(values, item=item, learner=learner, k=k)
    levels = {}
    codes = leaf_codes(values, ladders)
    heights = [ladder.height for ladder in ladders]
    for key, rows in _rows_by_item(values, item=item):
        bottom = at_least.get(key, (0,) * len(ladders))
        if len(bottom) != len(heights) or not all(
            0 <= b <= h for b, h in zip(bottom, heights, strict=True)
        ):
            raise CoreError("at_least: give each item one level of each ladder")
        levels[key] = _least_loss(
            codes[rows], ladders, bottom=bottom, k=k, maximum_share=maximum_share
        )
    return levels


def _least_loss(
    codes: NDArray[np.int32],
    ladders: Sequence[Hierarchy],
    *,
    bottom: Node,
    k: int,
    maximum_share: Mapping[str, float],
) -> Node:
    """The best levels of one item, whose rows have these leaf codes."""
    top = tuple(ladder.height for ladder in ladders)
    if len(codes) < k:
        return top
    combinations, learners = _group(
        codes, ladders, (0,) * len(ladders), np.ones(len(codes), np.int64)
    )
    scale = math.lcm(*(max(len(ladder.leaves) - 1, 1) for ladder in ladders))
    columns = [
        _Column.of(ladder, column, learners, k=k, alpha=maximum_share.get(ladder.name), scale=scale)
        for ladder, column in zip(ladders, combinations.T, strict=True)
    ]
    lowest = tuple(max(b, column.lowest) for b, column in zip(bottom, columns, strict=True))

    def loss(node: Node) -> int:
        return sum(c.loss[level] for c, level in zip(columns, node, strict=True))

    def holds(node: Node) -> bool:
        if not all(c.within[level] for c, level in zip(columns, node, strict=True)):
            return False
        return bool(_group(combinations, ladders, node, learners)[1].min() >= k)

    return next(node for _, node in ascending_nodes(lowest, top, loss) if holds(node))


@dataclass(frozen=True)
class _Column:
    """One ladder in one item, level by level.

    Attributes:
        loss: information loss, as a whole number comparable between columns.
        within: whether no label is above the maximum share; `*` never is.
        lowest: below this level some label has fewer than k learners, and so has every
            combination it is in.
    """

    loss: tuple[int, ...]
    within: tuple[bool, ...]
    lowest: int

    @classmethod
    def of(
        cls,
        ladder: Hierarchy,
        column: NDArray[np.int32],
        learners: NDArray[np.int64],
        *,
        k: int,
        alpha: float | None,
        scale: int,
    ) -> "_Column":
        """Count the learners of each label; `scale` is divisible by the ladder's leaves - 1."""
        levels = range(ladder.height + 1)
        counts = [
            sums(ladder.levels[level][column], learners, len(ladder.labels[level]))
            for level in levels
        ]
        total = learners.sum()
        return cls(
            loss=tuple(
                int(learners @ (ladder.leaf_counts(level)[column] - 1))
                * (scale // max(len(ladder.leaves) - 1, 1))
                for level in levels
            ),
            within=tuple(
                alpha is None or level == ladder.height or bool(within_share(c, total, alpha).all())
                for level, c in enumerate(counts)
            ),
            lowest=next(level for level, c in enumerate(counts) if (c[c > 0] >= k).all()),
        )


def _group(
    rows: NDArray[np.int32],
    ladders: Sequence[Hierarchy],
    node: Node,
    learners: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """A row of each combination of labels at a node, and the learners of the combination.

    Args:
        rows: leaf codes; shape (rows, ladders).
        ladders: one for each column.
        node: the level of each.
        learners: of each row; shape (rows,).
    """
    columns = [
        (ladder.levels[level][codes], len(ladder.labels[level]))
        for ladder, level, codes in zip(ladders, node, rows.T, strict=True)
    ]
    group, number = group_index(np.zeros(len(rows), np.int64), columns)
    row = np.empty(number, np.int64)
    row[group] = np.arange(len(rows))
    return rows[row], sums(group, learners, number)


def apply_levels(
    values: pl.DataFrame,
    ladders: Sequence[Hierarchy],
    levels: Mapping[str, Node],
    *,
    item: str | None,
) -> pl.DataFrame:
    """Relabel the ladders' columns at the levels of each row's item; rows and columns keep order.

    Raises:
        HierarchyError: a value is no leaf of its ladder.
        CoreError: `levels` lacks an item.
    """
    codes = leaf_codes(values, ladders)
    columns = {ladder.name: np.empty(len(values), object) for ladder in ladders}
    for key, rows in _rows_by_item(values, item=item):
        if key not in levels:
            raise CoreError("levels: lacks an item of the values; coarsen the same values first")
        for j, (ladder, level) in enumerate(zip(ladders, levels[key], strict=True)):
            labels = np.array(ladder.label_of(level), object)
            columns[ladder.name][rows] = labels[codes[rows, j]]
    return values.with_columns(
        pl.Series(name, column, dtype=pl.String) for name, column in columns.items()
    )


def _rows_by_item(
    values: pl.DataFrame, *, item: str | None
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Each item and its rows, sorted by item; a learner table is one item named ""."""
    if item is None:
        yield "", np.arange(len(values))
        return
    rows = (
        values.select(key=pl.col(item).cast(pl.String))
        .with_row_index("row")
        .group_by("key")
        .agg(pl.col("row").cast(pl.Int64))
        .sort("key")
    )
    for key, of_key in rows.iter_rows():
        yield key, np.array(of_key, np.int64)


def _check(values: pl.DataFrame, *, item: str | None, learner: str, k: int) -> None:
    """Refuse what would be counted wrongly."""
    if k < 1:
        raise CoreError("k: a whole number of learners of at least 1")
    keys = values.select([learner] if item is None else [learner, item])
    names = " and ".join(keys.columns)
    if keys.select(pl.any_horizontal(pl.all().is_null().any())).item():
        raise CoreError(f"values: null in {names}; drop rows without either first")
    if keys.is_duplicated().any():
        raise CoreError(f"values: {names} repeat; give one row for each")
