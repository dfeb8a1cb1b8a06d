"""Privacy models: which equivalence classes may be released as they are.

A model is a callable over equivalence classes, so that `KAnonymity(k=5)` *is* the check. Sizes are
distinct learners, never rows. Here are the models of how many learners share a class or a value;
l-diversity is in `anonymizer.diversity`, t-closeness in `anonymizer.closeness`.

All of them read sensitive values alike: `(missing)` is a value of its own, a withheld `*` is none,
and a class in which no value is shown holds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError

_INT64: Final = 2**63
"""Whole numbers from here on do not fit an int64."""

_BLOCK: Final = 2**20
"""Counts that a model looks at in one go, to keep its intermediate arrays small."""


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
        shown: distinct learners of each class who show any value; shape (classes,). None where in
            every class all learners show one, or none does.

    Raises:
        CoreError: the arrays do not fit each other.
    """

    counts: NDArray[np.int64]
    reference: NDArray[np.int64]
    stratum: NDArray[np.int64]
    values: tuple[str, ...]
    shown: NDArray[np.int64] | None = None

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
class KMap:
    """Every class is shared by at least k learners of the population (Sweeney 2001).

    The population is the full platform table that an attacker would search; a release from it may
    hold fewer of them. Weaker than k-anonymity wherever the attacker knows who is in the release.

    Raises:
        CoreError: k is below 1.
    """

    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise CoreError("k of k-map: a whole number of learners of at least 1")

    def __call__(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes at least k learners of the population fall into."""
        return classes.population >= self.k


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
        held = counted(classes, self.column, model="maximum share")
        return within_share(held.counts.max(axis=1, initial=0), classes.size, self.share)


@dataclass(frozen=True)
class OneSidedShare:
    """No protected value is held by more than a share of a class's learners.

    (alpha, k)-anonymity (Wong et al. 2006) as it was defined, for some of the values. Where few
    learners have a value that does them harm, the common other value is no secret, and a maximum
    share over all values could not be kept by anyone.

    Attributes:
        column: the sensitive column.
        share: alpha, above 0 and at most 1. See `within_share` for how it is compared.
        values: the protected labels. One that nobody has is within every share.

    Raises:
        CoreError: the share is out of range, no value or one twice is protected, or the classes
            lack the column.
    """

    column: str
    share: float
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise CoreError(f"one-sided share of {self.column}: a number above 0 and at most 1")
        if not self.values or len(set(self.values)) < len(self.values):
            raise CoreError(f"one-sided share of {self.column}: name each protected value once")

    def __call__(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes have no protected value above the share."""
        held = counted(classes, self.column, model="one-sided share")
        protected = [i for i, value in enumerate(held.values) if value in self.values]
        most = held.counts[:, protected].max(axis=1, initial=0)
        return within_share(most, classes.size, self.share)


def counted(classes: EquivalenceClasses, column: str, *, model: str) -> SensitiveValues:
    """The values of a sensitive column.

    Raises:
        CoreError: the classes lack the column; `model` says who asked.
    """
    held = classes.sensitive.get(column)
    if held is None:
        raise CoreError(f"{model} of {column}: its values were not counted")
    return held


def blocks(held: SensitiveValues) -> Iterator[slice]:
    """The classes in consecutive blocks whose counts fit the processor's memory."""
    rows = max(_BLOCK // max(len(held.values), 1), 1)
    for start in range(0, len(held.counts), rows):
        yield slice(start, start + rows)


def as_written(number: float) -> Fraction:
    """A parameter as the decimal that it is written as: 0.29 is 29/100.

    0.29 * 100 is 28.999999999999996 in floating point, and would refuse 29 learners of 100.
    """
    return Fraction(repr(float(number)))


def times(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """The product of whole numbers of at least 0 and a factor, exact.

    In 64 bits where they hold it, else in Python's integers.
    """
    fits = max(int(np.max(values, initial=1)), 1) * factor < _INT64
    return (values if fits else np.asarray(values, object)) * factor


def within_share(
    count: NDArray[np.int64], size: NDArray[np.int64], share: float
) -> NDArray[np.bool_]:
    """Whether count <= share * size, in whole numbers, the share being as it is written.

    Args:
        count: learners who have a value.
        size: learners in all; broadcast against `count`.
        share: at most 1.
    """
    alpha = as_written(share)
    found: NDArray[np.bool_] = times(count, alpha.denominator) <= times(size, alpha.numerator)
    return found
