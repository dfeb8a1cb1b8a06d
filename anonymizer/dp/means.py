"""Means from a noisy centred sum and a noisy count, as post-processing.

A learner moves the sum of (value - middle of the bounds) by half the width of the bounds only, so
that the mean needs less noise than sum / count would (Li, Lyu, Su and Yang 2016, "Differential
Privacy: From Theory to Practice", on noisy averages).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.bounding import MOST_DECIMALS
from anonymizer.dp.queries import centre
from anonymizer.dp.widths import Kind, check_scale, exceeded
from anonymizer.errors import CoreError

_FEWEST: Final = 10
_STEPS: Final = 50
_LATTICE: Final = 0.5
"""Noise of whole numbers can stay on a step that the continuous one has left."""

_FARTHEST: Final = 4.2
"""Times the larger scale: beyond the half-width of any difference of two draws."""


@dataclass(frozen=True, eq=False)
class Means:
    """Noisy means of cells, with how far the noise may have moved them.

    Attributes:
        values: in whole values, not in units of their decimals; NaN where not told; shape (cells,).
        half_widths: the same.
        told: whether the noisy count was large enough; shape (cells,).
    """

    values: NDArray[np.float64]
    half_widths: NDArray[np.float64]
    told: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Noise:
    kind: Kind
    sum_scale: float
    count_scale: float

    def __post_init__(self) -> None:
        check_scale(self.sum_scale)
        check_scale(self.count_scale)


def least_count(half_width: int) -> int:
    """The noisy count from which a mean is told, unless the request says another one.

    From twice the half-width of the count on, noise is seldom half of what the sum is divided by.

    >>> least_count(3), least_count(30)
    (10, 60)
    """
    return max(_FEWEST, 2 * half_width)


def noisy_means(
    sums: NDArray[np.int64],
    counts: NDArray[np.int64],
    *,
    low: int,
    high: int,
    decimals: int,
    least: int,
    kind: Kind,
    sum_scale: float,
    count_scale: float,
) -> Means:
    """The mean of each cell: middle of the bounds + noisy centred sum / noisy count.

    Made of released numbers and public parameters alone; the true count is nowhere in it. Not
    moved into the bounds, for that would bias means near them.

    With noises x and y, true mean r and told mean r' (both less the middle) and noisy count N,
    r' - r = (x - r y) / N. So with 95% the error is at most (h(r) + 1/2) / N, where h(r) is the
    95% half-width of x - r y. The delta method puts r' for r; told is instead the w where
    w = (h(|r'| + w) + 1/2) / N, which allows for the error of r' itself: with the delta method 7.8%
    of cells just above `least` were outside. No true mean is farther from the middle than a bound.

    Args:
        sums: noisy centred sums in units; shape (cells,).
        counts: noisy counts; shape (cells,).
        low: the bound of a value, in units.
        high: the same, above low.
        decimals: of a unit, 0 to 9.
        least: noisy count from which a mean is told, at least 1; see `least_count`.
        kind: of both noises.
        sum_scale: of the sums' noise, in units.
        count_scale: of the counts' noise.

    Raises:
        CoreError: shapes, types or parameters are out of range.
    """
    if sums.ndim != 1 or sums.shape != counts.shape:
        raise CoreError("counts: one for each sum was expected")
    if sums.dtype != np.int64 or counts.dtype != np.int64:
        raise CoreError("sums and counts: int64 was expected")
    if least < 1:
        raise CoreError("least: at least 1 was expected")
    if not 0 <= decimals <= MOST_DECIMALS:
        raise CoreError(f"decimals: 0 to {MOST_DECIMALS} was expected")
    noise = _Noise(kind, sum_scale, count_scale)
    middle, told = centre(low, high), counts >= least
    counted = counts[told].astype(np.float64)
    offset = sums[told] / counted
    reach = max(high - middle, middle - low)
    widths = _half_widths(np.abs(offset), counted, reach, noise)
    per_unit = 10**decimals
    values, half_widths = np.full((2, len(sums)), np.nan)
    values[told] = (middle + offset) / per_unit
    half_widths[told] = widths / per_unit
    return Means(values, half_widths, told)


def _half_widths(
    offset: NDArray[np.float64],
    counted: NDArray[np.float64],
    reach: int,
    noise: _Noise,
) -> NDArray[np.float64]:
    """The least w that is at least (h(|r'| + w) + 1/2) / N, by bisection of all cells at once."""
    farthest = _FARTHEST * max(noise.sum_scale, reach * noise.count_scale)
    low, high = np.zeros(len(offset)), (farthest + _LATTICE) / counted
    for _ in range(_STEPS):
        width = (low + high) / 2
        distance = np.maximum(width * counted - _LATTICE, 0.0)
        second = np.minimum(offset + width, reach) * noise.count_scale
        beyond = exceeded(noise.kind, distance, noise.sum_scale, second)
        low, high = np.where(beyond, width, low), np.where(beyond, high, width)
    return high
