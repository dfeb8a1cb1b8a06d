"""l-diversity: each class holds several sensitive values, none of them too common.

Machanavajjhala, Kifer, Gehrke, Venkitasubramaniam, "l-Diversity: Privacy Beyond k-Anonymity", 2007.
Its three forms are defined for one value per person. A learner with several rows may have several,
so the models judge the worst choice of one of them for each learner; see `worst_case`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.models import (
    EquivalenceClasses,
    SensitiveValues,
    as_written,
    blocks,
    counted,
    times,
)

TOLERANCE: Final = 1e-9
"""How far below log(l) an entropy may lie: in floating point a uniform pair may miss l = 2."""


def worst_case(counts: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most uneven counts that one value per learner could give, most frequent value first.

    Holders h1 >= h2 >= ... fill the class up to its size: w1 = min(h1, size),
    w2 = min(h2, size - w1), and so on. Every choice of one of his values for each learner is
    majorized by w, so it has at least as many distinct values, at least the entropy, and is
    (c, l)-diverse if w is. Where every learner has one value, w is h itself.

    Args:
        counts: distinct learners of each class who have each value; shape (classes, values).
        size: distinct learners of each class who show a value; shape (classes,).

    Returns:
        w, descending in each row; shape (classes, values).
    """
    holders = np.sort(counts, axis=1)[:, ::-1]
    before = np.cumsum(holders, axis=1) - holders
    return np.minimum(np.maximum(size[:, None] - before, 0), holders)


@dataclass(frozen=True)
class DistinctLDiversity:
    """Every class holds at least l distinct values.

    Attributes:
        column: the sensitive column.
        l: how many.

    Raises:
        CoreError: l is below 1, or the classes lack the column.
    """

    column: str
    l: int  # noqa: E741 - the name of the literature

    def __post_init__(self) -> None:
        if self.l < 1:
            raise CoreError(f"l of {self.column}: a whole number of values of at least 1")

    def __call__(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes hold l distinct values, or show none."""
        held = counted(classes, self.column, model="l-diversity")
        return _judge(held, classes.size, self._diverse)

    def _diverse(self, worst: NDArray[np.int64]) -> NDArray[np.bool_]:
        diverse: NDArray[np.bool_] = np.count_nonzero(worst, axis=1) >= self.l
        return diverse


@dataclass(frozen=True)
class EntropyLDiversity:
    """The entropy of the values of every class is at least log(l).

    H = -sum_i p_i log p_i >= log l, with p_i the share of value i. Compared with a tolerance of
    `TOLERANCE`. Two good classes merge into a good one where every learner has one value; where one
    has several they may not, for the worst case of both together is no sum of theirs.

    Attributes:
        column: the sensitive column.
        l: at least 1; need not be whole.

    Raises:
        CoreError: l is below 1 or not finite, or the classes lack the column.
    """

    column: str
    l: float  # noqa: E741 - the name of the literature

    def __post_init__(self) -> None:
        if not 1 <= self.l < math.inf:
            raise CoreError(f"entropy l of {self.column}: a finite number of at least 1")

    def __call__(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes are that even, or show no value."""
        held = counted(classes, self.column, model="entropy l-diversity")
        return _judge(held, classes.size, self._diverse)

    def _diverse(self, worst: NDArray[np.int64]) -> NDArray[np.bool_]:
        # H = log n - (sum_i w_i log w_i) / n; a count of 0 adds nothing, as a count of 1 does.
        total = np.maximum(worst.sum(axis=1), 1)
        entropy = np.log(total) - (worst * np.log(np.maximum(worst, 1))).sum(axis=1) / total
        diverse: NDArray[np.bool_] = entropy >= math.log(self.l) - TOLERANCE
        return diverse


@dataclass(frozen=True)
class RecursiveLDiversity:
    """The most frequent value of every class is not too frequent: recursive (c, l)-diversity.

    r_1 < c (r_l + r_(l+1) + ... + r_m), with r_1 >= r_2 >= ... >= r_m the counts of the values.
    Compared in whole numbers; c is the decimal that it is written as.

    Attributes:
        column: the sensitive column.
        c: above 0.
        l: from which count on they are summed, at least 1.

    Raises:
        CoreError: c or l is out of range, or the classes lack the column.
    """

    column: str
    c: float
    l: int  # noqa: E741 - the name of the literature

    def __post_init__(self) -> None:
        if not 0 < self.c < math.inf:
            raise CoreError(f"c of {self.column}: a finite number above 0")
        if self.l < 1:
            raise CoreError(f"recursive l of {self.column}: a whole number of at least 1")

    def __call__(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes are (c, l)-diverse, or show no value."""
        held = counted(classes, self.column, model="recursive l-diversity")
        return _judge(held, classes.size, self._diverse)

    def _diverse(self, worst: NDArray[np.int64]) -> NDArray[np.bool_]:
        c = as_written(self.c)
        most, tail = worst.max(axis=1, initial=0), worst[:, self.l - 1 :].sum(axis=1)
        diverse: NDArray[np.bool_] = times(most, c.denominator) < times(tail, c.numerator)
        return diverse


def _judge(
    held: SensitiveValues,
    size: NDArray[np.int64],
    diverse: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
) -> NDArray[np.bool_]:
    """Which classes are diverse in the worst case; one that shows no value is."""
    holds = np.empty(len(size), np.bool_)
    # One who shows no value takes no seat: the others alone must be diverse.
    seats = size if held.shown is None else held.shown
    for block in blocks(held):
        worst = worst_case(held.counts[block], seats[block])
        holds[block] = ~worst.any(axis=1) | diverse(worst)
    return holds
