"""Utility: how much information a recoding has cost.

Each figure is a function of a histogram and of what a recoding, global or local, makes of its
tuples. Learners are the weights throughout. Everything is counted in whole numbers, which neither
overflow nor depend on the order of the tuples, and divided once at the end.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.generalization import Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, sums

_FLOOR: Final = 10**10
"""ARX floors the loss of a column to ten decimals."""


def loss(
    histogram: Histogram,
    hierarchies: Sequence[Hierarchy],
    generalization: Generalization,
    weights: Sequence[float],
    mean: Literal["geometric", "arithmetic"] = "geometric",
) -> float:
    """Loss (Iyengar 2002) in ARX's formula; 0 loses nothing.

    The loss L of a quasi-identifier is the mean over the learners of the share of the leaves that
    lie under their label, 1 where suppressed, scaled from its least possible value to 0..1 and
    floored to ten decimals. The whole is the geometric mean of (w L + 1), less 1, or the arithmetic
    mean of w L, where w is a weight divided by the largest one. Without weights the arithmetic mean
    is the mean normalized certainty penalty of a cell (Xu et al. 2006).

    A hierarchy of one leaf has nothing to lose, nor has a histogram without learners: L is 0.

    Args:
        histogram: distinct learners by tuple.
        hierarchies: one for each column of `histogram.codes`.
        generalization: the class of each tuple.
        weights: how much the loss of each quasi-identifier matters, above 0.
        mean: how the quasi-identifiers are averaged.

    Raises:
        CoreError: the arguments do not fit each other, or a weight is no number above 0.
    """
    _check(histogram, generalization, hierarchies)
    if len(weights) != len(hierarchies) or not all(0 < weight < math.inf for weight in weights):
        raise CoreError("weights: give one number above 0 for each quasi-identifier")
    if not hierarchies:
        return 0.0
    n, largest = histogram.total, Fraction(max(weights))
    weighted = []
    for j, (hierarchy, weight) in enumerate(zip(hierarchies, weights, strict=True)):
        # (agg - n/D) / (n - n/D), with D * agg in place of agg.
        excess = _spread(histogram, hierarchy, generalization, j) - n
        most = n * (len(hierarchy.leaves) - 1)
        floored = Fraction(excess * _FLOOR // most if most else 0, _FLOOR)
        weighted.append(floored * Fraction(weight) / largest)
    if mean == "arithmetic":
        return float(sum(weighted) / len(weighted))
    return float(float(math.prod(part + 1 for part in weighted)) ** (1 / len(weighted)) - 1)


def discernibility(histogram: Histogram, generalization: Generalization) -> int:
    """Discernibility metric (Bayardo and Agrawal 2005): sum of |class|^2 + n * suppressed learners.

    A suppressed learner is as indiscernible as can be: he is charged all n learners. 0 without
    learners.
    """
    _check(histogram, generalization)
    sizes = class_sizes(histogram, generalization)
    # Python's integers: the squares of large classes pass 64 bits.
    squares = sum(int(size) ** 2 for size in sizes)
    return squares + histogram.total * _suppressed(histogram, generalization)


def average_class_size(histogram: Histogram, generalization: Generalization) -> float:
    """Average equivalence class size (LeFevre et al. 2006), with ARX's treatment of suppression.

    All learners over the released classes; the suppressed learners, if any, are one class more.
    LeFevre's division by k, a constant, is left out as in ARX. 0 without learners.
    """
    _check(histogram, generalization)
    classes = int((class_sizes(histogram, generalization) > 0).sum())
    groups = classes + (_suppressed(histogram, generalization) > 0)
    return histogram.total / groups if groups else 0.0


def granularity(
    histogram: Histogram, hierarchies: Sequence[Hierarchy], generalization: Generalization
) -> float:
    """Granularity as ARX reports it (after Iyengar 2002): 1 as before, 0 if everything is `*`.

    G = 1 - (mean r - mean 1/D) / (1 - mean 1/D) over the quasi-identifiers, where r is the mean
    over the learners of the share of the D leaves that lie under their label, 1 where suppressed.
    Unlike in an average of losses, hierarchies of many leaves weigh more. 1 where there is nothing
    to lose: no learners, or hierarchies of one leaf.

    Raises:
        CoreError: the arguments do not fit each other.
    """
    _check(histogram, generalization, hierarchies)
    n, lost, most = histogram.total, Fraction(0), Fraction(0)
    for j, hierarchy in enumerate(hierarchies):
        leaves = len(hierarchy.leaves)
        lost += Fraction(_spread(histogram, hierarchy, generalization, j) - n, leaves)
        most += n * (1 - Fraction(1, leaves))
    return float(1 - lost / most) if most else 1.0


def class_sizes(histogram: Histogram, generalization: Generalization) -> NDArray[np.int64]:
    """Learners of each class; 0 where only the population has its tuples; shape (classes,)."""
    kept = ~generalization.suppressed
    return sums(generalization.class_of[kept], histogram.learners[kept], len(generalization.levels))


def _spread(
    histogram: Histogram, hierarchy: Hierarchy, generalization: Generalization, j: int
) -> int:
    """Sum over the learners of the leaves under their label of column j, all where suppressed."""
    kept = ~generalization.suppressed
    counts = np.array([hierarchy.leaf_counts(level) for level in range(hierarchy.height + 1)])
    under = counts[generalization.level_of(j), histogram.codes[kept, j]]
    return int(histogram.learners[kept] @ under) + len(hierarchy.leaves) * _suppressed(
        histogram, generalization
    )


def _suppressed(histogram: Histogram, generalization: Generalization) -> int:
    return int(histogram.learners[generalization.suppressed].sum())


def _check(
    histogram: Histogram,
    generalization: Generalization,
    hierarchies: Sequence[Hierarchy] | None = None,
) -> None:
    if generalization.class_of.shape != histogram.learners.shape:
        raise CoreError("generalization: give one class for each tuple of the histogram")
    columns = histogram.codes.shape[1]
    if hierarchies is not None and not (
        len(hierarchies) == columns == generalization.levels.shape[1]
    ):
        raise CoreError("hierarchies: give one for each quasi-identifier")
