"""Microaggregation: groups of at least k similar rows, and their means.

Hansen and Mukherjee 2003, "A polynomial algorithm for optimal univariate microaggregation", IEEE
TKDE 15(4); Domingo-Ferrer and Torra 2005, "Ordinal, continuous and heterogeneous k-anonymity
through microaggregation", Data Mining and Knowledge Discovery 11(2).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.jit import jit


def microaggregate(values: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Groups of at least k similar rows; rows with equal values are never in different groups.

    One column: the partition of the sorted values with the least squared error within groups, which
    has groups of k to 2k - 1 where values differ (Hansen and Mukherjee 2003). Several columns:
    MDAV on standardized columns, whose groups have k, and at the end up to 2k - 1, rows
    (Domingo-Ferrer and Torra 2005). Equal rows are weighed as one point; they are what makes a
    group larger.

    Args:
        values: finite numbers; shape (n, d), d >= 1.
        k: rows a group has at least.

    Returns:
        The group of each row, numbered from 0 without gaps; shape (n,). It depends on the values,
        not on the order of the rows.

    Raises:
        CoreError: fewer than k rows, k below 1, or a number that is not finite.
    """
    if values.ndim != 2 or values.shape[1] < 1:
        raise CoreError("values: expected an array of shape (rows, columns)")
    if not np.isfinite(values).all():
        raise CoreError("values: null, NaN or infinite; set such rows apart first")
    if not 1 <= k <= len(values):
        raise CoreError("k: at least 1, and at most the number of rows")
    points, point, weight = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    weight = weight.astype(np.int64)
    if values.shape[1] == 1:
        of_point = _optimal_groups(points[:, 0], weight, k)
    else:
        of_point = _mdav(points, weight, k)
    return of_point[point.reshape(-1)]


def group_means(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of each group and column; shape (groups, d).

    Args:
        values: shape (n, d).
        group: of each row, numbered from 0 without gaps; shape (n,).
    """
    # Summed in the order of the values, so that the order of rows can't tip a rounding.
    order = np.lexsort((*values.T, group))
    rows, of_row = values[order], group[order]
    sizes = np.bincount(of_row)
    totals = [np.bincount(of_row, weights=column) for column in rows.T]
    return np.stack(totals, axis=1) / sizes[:, None]


def _optimal_groups(
    points: NDArray[np.float64], weight: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """The group of each of the distinct, ascending points."""
    centred = points - np.average(points, weights=weight)  # the sums of squares lose less
    start = _last_starts(
        _before(weight), _before(centred * weight), _before(centred**2 * weight), k
    )
    starts, end = [], len(points)
    while end > 0:
        end = start[end]
        starts.append(end)
    return np.searchsorted(starts[::-1], np.arange(len(points)), "right") - 1


def _before(amounts: NDArray[Any]) -> NDArray[Any]:
    """The sum of the amounts before each position; shape (n + 1,)."""
    return np.concatenate((np.zeros(1, amounts.dtype), np.cumsum(amounts)))


@jit
def _last_starts(
    weight: NDArray[np.int64], total: NDArray[np.float64], squares: NDArray[np.float64], k: int
) -> NDArray[np.int64]:
    """Where the last group starts in the best partition of the points before each position.

    Args:
        weight: rows before each position; shape (n + 1,).
        total: their sum.
        squares: the sum of their squares.
        k: rows a group has at least.
    """
    size = len(weight)
    cost = np.full(size, np.inf)
    cost[0] = 0.0
    start = np.zeros(size, np.int64)
    shortest = 0  # where the shortest possible last group starts
    for end in range(1, size):
        if weight[end] < k:
            continue
        while weight[end] - weight[shortest + 1] >= k:
            shortest += 1
        first = shortest
        # A longer group that falls into two possible ones is never better than they are.
        while first >= 0 and weight[shortest] - weight[first] < k:
            rows, added = weight[end] - weight[first], total[end] - total[first]
            error = squares[end] - squares[first] - added * added / rows
            if cost[first] + max(error, 0.0) < cost[end]:
                cost[end] = cost[first] + max(error, 0.0)
                start[end] = first
            first -= 1
    return start


def _mdav(points: NDArray[np.float64], weight: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The group of each of the distinct points, sorted, by maximum distance to average vector."""
    centre = np.average(points, axis=0, weights=weight)
    spread = np.sqrt(np.average((points - centre) ** 2, axis=0, weights=weight))
    scaled = (points - centre) / np.where(spread > 0, spread, 1.0)
    group = np.full(len(points), -1, np.int64)

    def grow(seed: NDArray[np.float64], number: int) -> None:
        """The points nearest to the seed; all that are left where the rest would be too few."""
        left = np.flatnonzero(group < 0)
        nearest = left[np.argsort(_distances(scaled[left], seed), kind="stable")]
        rows = np.cumsum(weight[nearest])
        size = int(np.searchsorted(rows, k)) + 1
        group[nearest if rows[-1] - rows[size - 1] < k else nearest[:size]] = number

    number = 0
    while (left := np.flatnonzero(group < 0)).size and weight[left].sum() >= 2 * k:
        many = weight[left].sum() >= 3 * k
        middle = np.average(scaled[left], axis=0, weights=weight[left])
        seed = _farthest(scaled[left], middle)
        grow(seed, number)
        number += 1
        left = np.flatnonzero(group < 0)
        if many and left.size:
            grow(_farthest(scaled[left], seed), number)
            number += 1
    group[group < 0] = number
    return group


def _distances(points: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Euclidean distances; shape (n,)."""
    squares: NDArray[np.float64] = ((points - point) ** 2).sum(axis=1)
    return squares


def _farthest(points: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first of the points that are farthest from one."""
    farthest: NDArray[np.float64] = points[np.argmax(_distances(points, point))]
    return farthest
