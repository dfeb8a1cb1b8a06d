"""Privacy models: which equivalence classes may be released as they are.

A model is a callable over equivalence classes, so that `KAnonymity(k=5)` *is* the check. Sizes are
distinct learners, never rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError


@dataclass(frozen=True, eq=False)
class EquivalenceClasses:
    """Learners that a release makes indistinguishable by their quasi-identifiers and items.

    Attributes:
        size: distinct learners of each class; shape (classes,).
        sensitive: sensitive column -> distinct learners of each class who have each value in any
            of their rows; shape (classes, values). Withheld values are left out.
    """

    size: NDArray[np.int64]
    sensitive: Mapping[str, NDArray[np.int64]]

    def __post_init__(self) -> None:
        for name, counts in self.sensitive.items():
            if counts.ndim != 2 or len(counts) != len(self.size):
                raise CoreError(f"sensitive {name}: give one row of counts for each class")


Model: TypeAlias = Callable[[EquivalenceClasses], NDArray[np.bool_]]
"""Which classes hold; shape (classes,)."""


@dataclass(frozen=True)
class KAnonymity:
    """Every class is shared by at least k distinct learners (Samarati and Sweeney 1998).

    Raises:
        CoreError: k is below 1.
    """

    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise CoreError("k: a whole number of learners of at least 1")

    def __call__(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes hold at least k learners."""
        return classes.size >= self.k


@dataclass(frozen=True)
class MaximumShare:
    """No sensitive value is held by more than a share of a class's learners.

    The special case of (alpha, k)-anonymity (Wong et al. 2006) with one alpha for every value,
    counted by learners: one who has several values counts fully for each of them.

    Attributes:
        column: the sensitive column.
        share: alpha, above 0 and at most 1. See `within_share` for how it is compared.

    Raises:
        CoreError: the share is out of range, or the classes lack the column.
    """

    column: str
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise CoreError(f"maximum share of {self.column}: a number above 0 and at most 1")

    def __call__(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes have no value above the share."""
        counts = classes.sensitive.get(self.column)
        if counts is None:
            raise CoreError(f"maximum share of {self.column}: its values were not counted")
        return within_share(counts.max(axis=1, initial=0), classes.size, self.share)


def within_share(
    count: NDArray[np.int64], size: NDArray[np.int64], share: float
) -> NDArray[np.bool_]:
    """Whether count <= share * size, in whole numbers.

    0.29 * 100 is 28.999999999999996 in floating point, and would refuse 29 learners of 100. So the
    share is read as the decimal that it is written as: 0.29 is 29/100.

    Args:
        count: learners who have a value.
        size: learners in all; broadcast against `count`.
        share: at most 1.
    """
    fraction = Fraction(repr(share))
    # Python's integers: sizes times the digits of a share pass 64 bits.
    most = np.asarray(size, object) * fraction.numerator // fraction.denominator
    return count <= np.asarray(most, np.int64)
