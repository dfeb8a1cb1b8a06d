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
class SensitiveValues:
    """The values of one sensitive column, class by class.

    Withheld values (`*`) are left out: they say nothing. An unknown value is a value of its own.

    Attributes:
        counts: distinct learners of each class who have each value in any of their rows; shape
            (classes, values). Where learners have several rows a class may count more values than
            learners.
        reference: learners of each value in everything that a class is compared with, such as its
            cell; shape (strata, values).
        stratum: the row of `reference` that each class is compared with; shape (classes,).
        values: the label of each value, in the declared order of the column; shape (values,).

    Raises:
        CoreError: the arrays do not fit each other.
    """

    counts: NDArray[np.int64]
    reference: NDArray[np.int64]
    stratum: NDArray[np.int64]
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        width = (len(self.values),)
        if self.counts.shape[1:] != width or self.reference.shape[1:] != width:
            raise CoreError("sensitive values: give one column of counts for each value")
        if self.stratum.shape != (len(self.counts),):
            raise CoreError("sensitive values: give one stratum for each class")


@dataclass(frozen=True, eq=False)
class EquivalenceClasses:
    """Learners that a release makes indistinguishable by their quasi-identifiers and items.

    Attributes:
        size: distinct learners of each class; shape (classes,).
        population: distinct learners of the full platform table who would fall into each class;
            equal to `size` where the table is its own population; shape (classes,).
        sensitive: sensitive column -> its values in these classes.

    Raises:
        CoreError: the arrays differ in length.
    """

    size: NDArray[np.int64]
    population: NDArray[np.int64]
    sensitive: Mapping[str, SensitiveValues]

    def __post_init__(self) -> None:
        if self.population.shape != self.size.shape:
            raise CoreError("population: give one number for each class")
        for name, values in self.sensitive.items():
            if len(values.counts) != len(self.size):
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
        held = classes.sensitive.get(self.column)
        if held is None:
            raise CoreError(f"maximum share of {self.column}: its values were not counted")
        return within_share(held.counts.max(axis=1, initial=0), classes.size, self.share)


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
