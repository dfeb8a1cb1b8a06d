"""Measures: numbers coarsened by declared rules, never by looking for a good-looking result.

Log bins and top-coded bins are ladders that `coarsen` climbs item by item. Microaggregation
releases each number as the mean of a group of at least k similar ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.hierarchy import MISSING, ROOT, Hierarchy
from anonymizer.microaggregation import group_means, microaggregate

Edges = tuple[float, ...]
_MOST_EDGES: Final = 64


def log_edges(base: float, lowest: float, highest: float) -> tuple[Edges, ...]:
    """The ladder of edges of logarithmic bins, for `Hierarchy.from_bins`.

    The finest edges are lowest, lowest * base, lowest * base^2, ... up to highest; each level keeps
    every second edge of the finer one, from the lowest, until that one alone is left.

    >>> log_edges(10, 1, 1000)
    ((1.0, 10.0, 100.0, 1000.0), (1.0, 100.0), (1.0,))

    Raises:
        CoreError: the base is not above 1, the edges are not positive and ascending, or there are
            more than 64.
    """
    if not (1 < base < np.inf and 0 < lowest <= highest < np.inf):
        raise CoreError("log bins: give base > 1 and 0 < lowest <= highest, all finite")
    # Multiplied as the decimals they are written as: 0.1 * 3 is 0.3, and reads so in a label.
    factor, edge, last = (Fraction(repr(float(x))) for x in (base, lowest, highest))
    finest: list[float] = []
    while edge <= last:
        if len(finest) == _MOST_EDGES:
            raise CoreError("log bins: more than 64 edges; give a larger base or a smaller highest")
        finest.append(float(edge))
        edge *= factor
    ladder = [tuple(finest)]
    while len(ladder[-1]) > 1:
        ladder.append(ladder[-1][::2])
    return tuple(ladder)


def top_code(values: NDArray[np.float64], edges: Sequence[float], floor: int) -> Edges:
    """The edges left when the tail above the last of them must hold at least `floor` learners.

    Args:
        values: one number a distinct learner, no NaN; shape (n,).
        edges: declared, strictly increasing.
        floor: learners at or above the highest edge left.

    Returns:
        The lowest edges; none where not even the lowest has such a tail.
    """
    _refuse_nan(values)
    return tuple(edge for edge in edges if np.count_nonzero(values >= edge) >= floor)


@dataclass(frozen=True, eq=False)
class TopCodedBins(Hierarchy):
    """Bins of a number whose highest ones are merged, item by item, until the tail is not rare.

    Level 0, the declared bins as they are, serves as the leaves only and is never released; the
    levels above it are the declared ones. As it stands this is the ladder of an item that drops
    no edge; `without` gives the others'.

    Attributes:
        edges: the declared edges, one list a level, finest first.
    """

    edges: tuple[Edges, ...]

    @classmethod
    def from_bins(cls, name: str, edges: Sequence[Sequence[float]], *, missing: bool) -> Self:
        """As `Hierarchy.from_bins`.

        Raises:
            HierarchyError: no edges, or edges that do not increase or do not nest.
        """
        ladder = Hierarchy.from_bins(name, [*edges[:1], *edges], missing=missing)
        return cls(name, ladder.leaves, ladder.levels, ladder.labels, tuple(map(tuple, edges)))

    def dropped(self, learners: NDArray[np.int64], floor: int) -> int:
        """How many of the highest edges an item drops for `floor` learners in its tail.

        The lowest edge always stays: whether the rest may be told apart by it is for the promise on
        combinations to decide.

        Args:
            learners: of each leaf, within the item; shape (D,).
            floor: learners in the tail.
        """
        number = len(self.edges[0])
        bins = learners[: number + 1]  # an unknown value stands behind them
        tails = np.cumsum(bins[::-1])[: number - 1]
        return int(np.count_nonzero(tails < floor))

    def without(self, dropped: int) -> Hierarchy:
        """The ladder of an item that drops that many of the highest edges; as high as this one."""
        highest = self.edges[0][len(self.edges[0]) - 1 - dropped]
        ladder = [self.edges[0]]
        for edges in self.edges:
            # A level of which no edge is left is as fine as the one below it.
            ladder.append(tuple(edge for edge in edges if edge <= highest) or ladder[-1])
        return Hierarchy.from_bins(self.name, ladder, missing=MISSING in self.leaves)

    def domain(self) -> tuple[str, ...]:
        """Every label that may be released in some item, ascending by the bins' lower ends."""
        lowest: dict[str, int] = {}
        for dropped in range(len(self.edges[0])):
            ladder = self.without(dropped)
            for level in range(1, ladder.height + 1):
                for leaf, label in enumerate(ladder.label_of(level)):
                    lowest.setdefault(label, leaf)
        return tuple(sorted(lowest, key=lambda label: (label == ROOT, lowest[label])))


def microaggregate_rows(
    frame: pl.DataFrame,
    *,
    column: str,
    by: Sequence[str],
    learner: str,
    k: int,
    decimals: int,
) -> pl.Series:
    """Release a number as the mean of at least k learners who agree in everything else released.

    Within each combination of `by` the known numbers are microaggregated. Unknown ones become
    `(missing)`, a group of their own. Where either side has learners, but fewer than k of them, the
    combination shows neither: known and unknown values meet only at `*`.

    Args:
        frame: one row for each learner and combination of `by`.
        column: the number; null, NaN and infinite mean unknown.
        by: the item, and every other released measure and sensitive value.
        learner: the learner column.
        k: learners of a group.
        decimals: digits after the point of a released mean.

    Returns:
        A label for each row, in the order of the rows: every combination of `by` and label that
        occurs, but `*` in combinations of fewer than k, is shared by at least k learners.

    Raises:
        CoreError: a learner is null or repeats within a combination, or k or decimals is out of
            range.
    """
    if k < 1 or decimals < 0:
        raise CoreError("k: at least 1; decimals: at least 0")
    keys = [learner, *by]
    if frame[learner].null_count() or frame.select(keys).is_duplicated().any():
        raise CoreError(f"frame: {learner} is null or repeats within {', '.join(by) or 'it'}")
    numbers = frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
    labels = np.full(len(frame), ROOT, object)
    for rows in _groups(frame, by):
        known = np.isfinite(numbers[rows])
        shown, unknown = rows[known], rows[~known]
        if any(0 < len(side) < k for side in (shown, unknown)):
            continue
        labels[unknown] = MISSING
        if len(shown):
            group = microaggregate(numbers[shown, None], k)
            means = group_means(numbers[shown, None], group)[:, 0]
            # Plus zero: no group is called -0.0.
            texts = [f"{round(mean, decimals) + 0.0:.{decimals}f}" for mean in means]
            labels[shown] = np.array(texts, object)[group]
    return pl.Series(column, labels, dtype=pl.String)


def _groups(frame: pl.DataFrame, by: Sequence[str]) -> list[NDArray[np.int64]]:
    """The rows of each combination of `by`."""
    if not by:
        return [np.arange(len(frame))]
    row = frame.select(by).with_row_index("_index").group_by(by).agg("_index")["_index"]
    return [np.array(of_group, np.int64) for of_group in row.to_list()]


def _refuse_nan(values: NDArray[np.float64]) -> None:
    if np.isnan(values).any():
        raise CoreError("values: NaN; set unknown values apart first")
