"""Quantiles from a noisy histogram over public candidates, and when to take which method.

The other method, a noisy maximum over the scores of the same candidates (Smith 2011,
"Privacy-Preserving Statistical Estimation with Optimal Convergence Rates", 3.1), draws noise and so
is none of this module's.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer.bounding import check_bounds
from anonymizer.dp.widths import Kind, variance
from anonymizer.errors import CoreError

MOST_CANDIDATES: Final = 401

_FARTHEST: Final = 2**40
"""A noisy bin is told as this one beyond it, so that no sum wraps."""

_MOST_BINS: Final = 2**11

_LARGE: Final = 1000
"""Learners of a cell from which the histogram does."""

_REACH: Final = 2.3264
"""Standard deviations beyond which a Gaussian is, one way, with 1%; rounded up."""

_SEVERAL: Final = 4
"""Quantiles from which it does, however few the learners are."""

Method = Literal["noisy-max", "histogram"]
"""How quantiles are found."""


def candidates(low: int, high: int, *, most: int = MOST_CANDIDATES) -> NDArray[np.int64]:
    """Public values that a quantile may be told as: both bounds, and evenly between them.

    >>> candidates(0, 100, most=5).tolist()
    [0, 25, 50, 75, 100]

    Args:
        low: the bound of a value, in units.
        high: the same, above low.
        most: candidates at most, 2 to 2048. More are finer, and sum up more noise.

    Returns:
        Ascending, of int64; every whole number where there are no more, else steps differ by one
        unit at most.

    Raises:
        CoreError: the bounds are equal, out of order or too far from 0, or `most` is out of range.
    """
    check_bounds(low, high)
    if low == high or not 2 <= most <= _MOST_BINS:
        raise CoreError(f"candidates: low < high, and 2 to {_MOST_BINS} of them, was expected")
    steps = min(most - 1, high - low)
    return low + (high - low) * np.arange(steps + 1, dtype=np.int64) // steps


def nearest(units: NDArray[np.int64], points: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bin of each value: the place of the nearest candidate, the lower of two.

    Args:
        units: values, within the candidates or not; shape (rows,).
        points: candidates, ascending, as of `candidates`.
    """
    return np.searchsorted(points[:-1] + points[1:], 2 * units, "left").astype(np.int64)


def noisy_quantiles(
    counts: NDArray[np.int64], points: NDArray[np.int64], quantiles: Sequence[float]
) -> NDArray[np.int64]:
    """The candidate at which each cell's noisy cumulative share reaches each quantile.

    A candidate stands for the shares from that of the values below it to that of the values up to
    it: where the share of the noisy total lies in there, its distance is 0. Noise makes cumulative
    counts fall here and there; taken instead is the middle between the largest one so far and the
    least one still to come, which never falls and leaves a rising curve as it is. Cells whose noisy
    total is not above 0 get the candidate in the middle. So quantiles never cross.

    Args:
        counts: noisy learners of each bin, one bin a candidate; shape (cells, candidates).
        points: candidates in units, ascending, as of `candidates`.
        quantiles: each above 0 and below 1.

    Returns:
        In units; shape (cells, quantiles).

    Raises:
        CoreError: shapes or types are others, or a quantile is out of range.
    """
    if counts.ndim != 2 or counts.shape[1:] != points.shape or counts.dtype != np.int64:
        raise CoreError("counts: int64 of cells and candidates was expected")
    _check_bins(len(points))
    _check_quantiles(quantiles)
    told = np.clip(counts, -_FARTHEST, _FARTHEST)
    reached = np.cumsum(told, axis=1)
    total = reached[:, -1]
    twice = np.maximum.accumulate(reached, axis=1)
    twice += np.minimum.accumulate(reached[:, ::-1], axis=1)[:, ::-1]
    found = np.empty((len(counts), len(quantiles)), np.int64)
    for j, q in enumerate(quantiles):
        place = np.argmax(twice >= _twice_share(total, q)[:, None], axis=1)
        found[:, j] = points[np.where(total > 0, place, (len(points) - 1) // 2)]
    return found


def rank_half_widths(
    quantiles: Sequence[float], *, bins: int, kind: Kind, scale: float
) -> tuple[float, ...]:
    """How far, with 95%, the rank of a told value is from the asked one; in learners.

    Of public parameters alone, for values that lie as they may: h = 2.3264 max(q, 1 - q) s, where S
    is the noise of all bins together and s its standard deviation. Let W_k be the noise of the bins
    up to k less q S. A rank too high by more than h takes W_a + W_j < -2h for some j >= a, where a
    is the first bin of such a rank; one too low W_b + W_j > 2h for some j <= b, where b is the last
    one. Where a total of 0 or less puts a rank that far off, S < -h / max(q, 1 - q).

    At q = 1/2, W_a + W_j is a partial sum of noises whose signs are turned: that any of them is
    beyond 2h, one way, has at most twice the chance of S (Levy's inequality). In all a miss has at
    most five times the chance that S is beyond 2h = 2.3264 s: 5% with Gaussian noise. For other
    quantiles, and with Laplace noise, it is measured: 2.31 would do (`tests/rank_reach.py`).

    That what a candidate stands for is a range of values is not in it.

    Args:
        quantiles: each above 0 and below 1.
        bins: candidates of a cell.
        kind: of the bins' noise.
        scale: of the bins' noise.

    Raises:
        CoreError: a parameter is out of range.
    """
    _check_bins(bins)
    _check_quantiles(quantiles)
    deviation = (bins * variance(kind, scale)) ** 0.5
    return tuple(_REACH * deviation * max(q, 1 - q) for q in quantiles)


def method_for(expected_learners_per_cell: float | None, quantiles: int) -> Method:
    """Which method to take, by public sizes alone: noisy-max for few learners and few quantiles.

    At epsilon 1 and values up to 600 the median's root mean squared error was 2.1 (noisy-max) and
    74 (histogram) with 50 learners, 3.0 and 2.4 with 1000, none with 10000. One histogram serves
    all quantiles, while noisy-max shares its budget among them: with three it still had half the
    histogram's error, with five and up to 500 learners half as much again.

    Args:
        expected_learners_per_cell: from earlier years, the catalogue or a charged count, never from
            this data; None where nobody can say. Times epsilon, where that is not about 1.
        quantiles: asked, at least 1.

    Raises:
        CoreError: a number is out of range.
    """
    if quantiles < 1:
        raise CoreError("quantiles: at least one was expected")
    if expected_learners_per_cell is not None and not expected_learners_per_cell >= 0:
        raise CoreError("expected learners: 0 or more was expected")
    if quantiles >= _SEVERAL:
        return "histogram"
    if expected_learners_per_cell is None:
        return "noisy-max"
    return "histogram" if expected_learners_per_cell >= _LARGE else "noisy-max"


def _twice_share(total: NDArray[np.int64], q: float) -> NDArray[np.int64]:
    """2 q times each total, rounded up: exactly, for the decimal that q is written as."""
    share = 2 * Fraction(float.__repr__(q))
    whole = -(-share.numerator * total.astype(object) // share.denominator)
    return whole.astype(np.int64)


def _check_quantiles(quantiles: Sequence[float]) -> None:
    if not all(0 < q < 1 for q in quantiles):
        raise CoreError("quantiles: each above 0 and below 1 was expected")


def _check_bins(bins: int) -> None:
    if not 2 <= bins <= _MOST_BINS:
        raise CoreError(f"candidates: 2 to {_MOST_BINS} were expected")
