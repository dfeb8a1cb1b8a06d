"""Coarsening of measures and sensitive values, item by item, along declared ladders.

Within an item every combination of all measure and sensitive values of a row is shared by at least
k learners. Each item gets its own levels, so that a large course keeps detail that a small one must
give up; a column that cannot be shown in an item is `*` throughout it.

A top-coded ladder first merges the item's rare tail into the bin below it, so that a few extreme
learners do not cost the others their detail.
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
from anonymizer.measures import TopCodedBins
from anonymizer.models import EquivalenceClasses, Model, SensitiveValues
from anonymizer.search import Node, ascending_nodes


def coarsen(
    values: pl.DataFrame,
    ladders: Sequence[Hierarchy],
    *,
    item: str | None,
    learner: str,
    k: int,
    models: Mapping[str, Sequence[Model]],
    at_least: Mapping[str, Node],
) -> dict[str, Node]:
    """The levels of least information loss at which each item keeps the promise.

    Information loss is the mean over the ladders, then over the rows, of
    (leaves under the label - 1) / (leaves - 1): 0 for a leaf, 1 for `*` (the normalized certainty
    penalty, Xu et al. 2006). Equal losses are settled by the lower total level, then
    lexicographically.

    Args:
        values: one row for each (learner, item): finest labels in columns named as the ladders.
        ladders: one for each column. Of a `TopCodedBins` the tail has at least k of the item's
            learners before anything else is decided.
        item: the item column; None for a learner table, which is then one item named "".
        learner: the learner column.
        k: learners who share each combination of labels within an item.
        models: column -> what an item's learners taken together must satisfy in it, such as a
            maximum share, unless the column is `*` throughout the item: what fails as a whole
            could hold in no class. Columns without a ladder are passed over: they are another
            table's.
        at_least: item -> what an earlier call returned for it: nothing gets finer again.

    Returns:
        Item -> the level of each ladder, and then of each top-coded one how many of its highest
        edges are dropped; sorted by item. An item of fewer than k learners gets the root of every
        ladder.

    Raises:
        HierarchyError: a value is no leaf of its ladder.
        CoreError: a parameter does not fit the columns, or a learner has two rows in an item.
    """
    _check(values, item=item, learner=learner, k=k)
    levels = {}
    codes = leaf_codes(values, ladders)
    for key, rows in _rows_by_item(values, item=item):
        bottom = at_least.get(key, _lowest(ladders))
        _check_levels(bottom, ladders)
        drops = _drops(codes[rows], ladders, bottom[len(ladders) :], floor=k)
        best = _least_loss(
            codes[rows],
            _within_item(ladders, drops),
            bottom=bottom[: len(ladders)],
            k=k,
            models=models,
        )
        levels[key] = (*best, *drops)
    return levels


def _lowest(ladders: Sequence[Hierarchy]) -> Node:
    """The levels of an item about which nothing is known yet."""
    # Level 0 of a top-coded ladder still has the tail.
    levels = [int(isinstance(ladder, TopCodedBins)) for ladder in ladders]
    return (*levels, *(0 for level in levels if level))


def _check_levels(node: Node, ladders: Sequence[Hierarchy]) -> None:
    edges = [len(ladder.edges[0]) for ladder in ladders if isinstance(ladder, TopCodedBins)]
    lowest = _lowest(ladders)
    highest = (*(ladder.height for ladder in ladders), *(number - 1 for number in edges))
    if len(node) != len(lowest) or not all(
        low <= level <= high for low, level, high in zip(lowest, node, highest, strict=True)
    ):
        raise CoreError("at_least: give each item the levels that an earlier call returned")


def _drops(
    codes: NDArray[np.int32], ladders: Sequence[Hierarchy], at_least: Node, *, floor: int
) -> Node:
    """How many of its highest edges an item drops from each top-coded ladder."""
    tails = [
        ladder.dropped(np.bincount(column, minlength=len(ladder.leaves)), floor)
        for ladder, column in zip(ladders, codes.T, strict=True)
        if isinstance(ladder, TopCodedBins)
    ]
    return tuple(max(pair) for pair in zip(tails, at_least, strict=True))


def _within_item(ladders: Sequence[Hierarchy], drops: Node) -> list[Hierarchy]:
    """The ladders of an item that drops so many edges from each top-coded one."""
    left = iter(drops)
    return [
        ladder.without(next(left)) if isinstance(ladder, TopCodedBins) else ladder
        for ladder in ladders
    ]


def _least_loss(
    codes: NDArray[np.int32],
    ladders: Sequence[Hierarchy],
    *,
    bottom: Node,
    k: int,
    models: Mapping[str, Sequence[Model]],
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
        _Column.of(ladder, column, learners, k=k, models=models.get(ladder.name, ()), scale=scale)
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
        within: whether the column's models hold; of `*` they always do.
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
        models: Sequence[Model],
        scale: int,
    ) -> "_Column":
        """Count the learners of each label; `scale` is divisible by the ladder's leaves - 1."""
        levels = range(ladder.height + 1)
        counts = [
            sums(ladder.levels[level][column], learners, len(ladder.labels[level]))
            for level in levels
        ]

        def holds(level: int) -> bool:
            taken = _as_one_class(ladder, level, counts[level])
            return level == ladder.height or all(model(taken).all() for model in models)

        return cls(
            loss=tuple(
                int(learners @ (ladder.leaf_counts(level)[column] - 1))
                * (scale // max(len(ladder.leaves) - 1, 1))
                for level in levels
            ),
            within=tuple(map(holds, levels)),
            lowest=next(level for level, c in enumerate(counts) if (c[c > 0] >= k).all()),
        )


def _as_one_class(ladder: Hierarchy, level: int, counts: NDArray[np.int64]) -> EquivalenceClasses:
    """All learners of an item, one value each, compared with themselves."""
    total = counts.sum(keepdims=True)
    table, stratum = counts[None, :], np.zeros(1, np.int64)
    held = SensitiveValues(table, table, stratum, ladder.labels[level])
    return EquivalenceClasses(total, total, {ladder.name: held})


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
        node = levels[key]
        own = _within_item(ladders, node[len(ladders) :])
        for j, (ladder, level) in enumerate(zip(own, node[: len(ladders)], strict=True)):
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
