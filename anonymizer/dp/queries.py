"""Exact aggregates of bounded contributions on a public grid, and how far one learner moves them.

Every aggregate is a whole number of int64. One row is one learner's contribution to one cell:
`anonymizer.bounding` has left at most l0 rows a learner, no two for the same cell. Cells are
numbered by the grid, which no data has shaped; a cell that nobody is in counts 0.

Sensitivities are those of adding or removing one learner (Dwork, McSherry, Nissim and Smith 2006,
"Calibrating Noise to Sensitivity in Private Data Analysis"), not of changing one.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from anonymizer.bounding import LARGEST_BOUND, check_bounds, clamp
from anonymizer.errors import CoreError

Whole = np.dtype[np.integer[Any]]
"""Of any width."""

_LARGEST: Final = 2**63 - 1
_MOST_CELLS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How far an aggregate moves, at most, when one learner is added or removed.

    Attributes:
        l0: cells that change.
        linf: units by which a cell changes.

    Raises:
        CoreError: one is below 1, or linf is beyond `anonymizer.bounding.LARGEST_BOUND`.
    """

    l0: int
    linf: int

    def __post_init__(self) -> None:
        if self.l0 < 1 or not 1 <= self.linf <= LARGEST_BOUND:
            raise CoreError(f"sensitivity: l0 >= 1 and linf from 1 to {LARGEST_BOUND} was expected")

    @property
    def l1(self) -> int:
        """Of the sum of all changes, whatever their signs."""
        return self.l0 * self.linf

    @property
    def squared_l2(self) -> int:
        """Of the sum of their squares."""
        return self.l0 * self.linf**2

    @classmethod
    def of_learners(cls, l0: int) -> Self:
        """Of `learners`, and of `histogram`, which has one bin for each of a learner's cells."""
        return cls(l0, 1)

    @classmethod
    def of_events(cls, l0: int, *, most: int) -> Self:
        """Of `events`."""
        return cls(l0, most)

    @classmethod
    def of_sums(cls, l0: int, *, low: int, high: int) -> Self:
        """Of `sums`: a learner that comes or goes brings all it has, not what it has above low."""
        check_bounds(low, high)
        return cls(l0, max(abs(low), abs(high)))

    @classmethod
    def of_centred_sums(cls, l0: int, *, low: int, high: int) -> Self:
        """Of `centred_sums`: about half the width, which is never more than that of `sums`."""
        middle = centre(low, high)
        return cls(l0, max(high - middle, middle - low))


def centre(low: int, high: int) -> int:
    """The whole number in the middle of the bounds, the lower of two.

    >>> centre(0, 101)
    50

    Raises:
        CoreError: the bounds are equal, out of order, or too far from 0.
    """
    check_bounds(low, high)
    if low == high:
        raise CoreError("bounds: low < high was expected")
    return (low + high) // 2


def learners(cells: np.ndarray[Any, Whole], *, size: int) -> NDArray[np.int64]:
    """Distinct learners of each cell.

    Args:
        cells: of each contribution, its place in the grid; shape (rows,).
        size: cells of the grid.

    Returns:
        Shape (size,).

    Raises:
        CoreError: the grid is empty or has more than 10^9 cells, or a place is outside.
    """
    _check_places(cells, size, "cells")
    return np.bincount(cells, minlength=size).astype(np.int64, copy=False)


def events(
    cells: np.ndarray[Any, Whole], counts: NDArray[np.int64], *, most: int, size: int
) -> NDArray[np.int64]:
    """Events of each cell, of which a learner adds `most` at most.

    Args:
        cells: as for `learners`.
        counts: events of each contribution, clamped to [0, most]; shape (rows,).
        most: the cap, at least 1.
        size: cells of the grid.

    Raises:
        CoreError: as for `learners`; or counts are not int64 or not one for each contribution,
            or the cap is out of range.
    """
    if most < 1:
        raise CoreError("most: at least 1 was expected")
    return sums(cells, counts, low=0, high=most, size=size)


def sums(
    cells: np.ndarray[Any, Whole], units: NDArray[np.int64], *, low: int, high: int, size: int
) -> NDArray[np.int64]:
    """The sum of each cell in whole units, each contribution clamped to the bounds.

    Args:
        cells: as for `learners`.
        units: of each contribution; shape (rows,).
        low: the least that a learner adds to a cell.
        high: the most.
        size: cells of the grid.

    Raises:
        CoreError: as for `learners`; or units are not int64 or not one for each contribution, or
            the bounds are out of order or beyond `anonymizer.bounding.LARGEST_BOUND`.
    """
    return _total(cells, clamp(units, low, high), size)


def centred_sums(
    cells: np.ndarray[Any, Whole], units: NDArray[np.int64], *, low: int, high: int, size: int
) -> NDArray[np.int64]:
    """The sum of (clamped contribution - centre of the bounds) of each cell: of means.

    Args:
        cells: as for `learners`.
        units: of each contribution; shape (rows,).
        low: the least that a learner adds to a cell.
        high: the most, above low.
        size: cells of the grid.

    Raises:
        CoreError: as for `sums`, or the bounds are equal.
    """
    return _total(cells, clamp(units, low, high) - centre(low, high), size)


def histogram(
    cells: np.ndarray[Any, Whole], bins: np.ndarray[Any, Whole], *, size: int, bins_n: int
) -> NDArray[np.int64]:
    """Distinct learners of each cell and bin.

    Args:
        cells: as for `learners`.
        bins: of each contribution, the one public bin that its value is in; shape (rows,).
        size: cells of the grid.
        bins_n: bins of a cell.

    Returns:
        Shape (size, bins_n).

    Raises:
        CoreError: as for `learners`, of cells times bins; or bins are not one for each
            contribution.
    """
    _check_places(cells, size, "cells")
    _check_places(bins, bins_n, "bins")
    if len(bins) != len(cells):
        raise CoreError("bins: one for each contribution was expected")
    _check_size(size * bins_n, "cells times bins")
    places = cells.astype(np.int64) * bins_n + bins.astype(np.int64)
    return learners(places, size=size * bins_n).reshape(size, bins_n)


def _total(
    cells: np.ndarray[Any, Whole], clamped: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Their sum in each cell. `numpy.bincount` would add them up as floats."""
    _check_places(cells, size, "cells")
    if clamped.shape != cells.shape:
        raise CoreError("values: one for each contribution was expected")
    _refuse_wrapping(cells)
    totals = np.zeros(size, np.int64)
    np.add.at(totals, cells, clamped)
    return totals


def _refuse_wrapping(cells: np.ndarray[Any, Whole]) -> None:
    """Refuse more contributions than can be added up, each of twice the largest bound at most."""
    if len(cells) * 2 * LARGEST_BOUND > _LARGEST:
        raise CoreError("contributions: so many could wrap; split the query by its keys")


def _check_places(places: np.ndarray[Any, Whole], size: int, name: str) -> None:
    _check_size(size, name)
    if places.ndim != 1 or not np.issubdtype(places.dtype, np.integer):
        raise CoreError(f"{name}: one whole number for each contribution was expected")
    if len(places) and not (places.min() >= 0 and places.max() < size):
        raise CoreError(f"{name}: places within the public grid were expected")


def _check_size(size: int, name: str) -> None:
    if not 1 <= size <= _MOST_CELLS:
        raise CoreError(f"{name}: a grid of 1 to {_MOST_CELLS} was expected")
