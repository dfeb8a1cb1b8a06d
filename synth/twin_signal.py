"""What noisy marginals say of single columns, and what they say beyond these."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def combined(
    columns: Sequence[tuple[str, ...]],
    counts: Sequence[NDArray[np.float64]],
    noise: Sequence[float],
) -> tuple[float, dict[str, NDArray[np.float64]]]:
    """The number of records, and the shares of each column, from all tables together.

    Each table's sums are weighted by their inverse variance: the best estimate before negative
    shares become 0.

    Args:
        columns: of each table.
        counts: an axis for each column.
        noise: the standard deviation of each table's counts.

    Returns:
        The number of records, at least 1, and column -> shares, which sum to 1: uniform where
        nothing is left.
    """
    weights = [1 / (std**2 * table.size) for table, std in zip(counts, noise, strict=True)]
    sums = [table.sum() * weight for table, weight in zip(counts, weights, strict=True)]
    total = max(1.0, float(math.fsum(sums) / math.fsum(weights)))
    alone: dict[str, NDArray[np.float64]] = {}
    for of, table, std in zip(columns, counts, noise, strict=True):
        for axis, column in enumerate(of):
            size = table.shape[axis]
            kept = table.sum(axis=tuple(other for other in range(table.ndim) if other != axis))
            weighted = kept / (std**2 * table.size / size)
            alone[column] = alone.get(column, np.zeros(size)) + weighted
    return total, {column: _shares(values) for column, values in alone.items()}


def with_signal(
    counts: NDArray[np.float64],
    alone: Sequence[NDArray[np.float64]],
    *,
    total: float,
    noise: float,
) -> NDArray[np.float64]:
    """A table drawn towards the product of its columns, where noise is most of what it adds to it.

    By the positive part of James and Stein's estimator (Efron and Morris 1973, "Stein's estimation
    rule and its competitors"). A table of very many cells and few learners so becomes independent
    instead of a picture of its noise; one that differs from independence by much stays as it is.

    Args:
        counts: an axis for each column.
        alone: counts of each column alone, of that sum.
        total: the number of records.
        noise: the standard deviation of a count.
    """
    if counts.ndim == 1:
        return counts
    product: NDArray[np.float64] = np.full((), total)
    for column in alone:
        product = np.multiply.outer(product, column / total)
    beyond = counts - product
    # What independence leaves free, without noise: cells less those that the columns fix.
    free = math.prod(size - 1 for size in counts.shape)
    size = float(np.square(beyond).sum())
    kept = max(0.0, 1 - max(free - 2, 0) * noise**2 / size) if size else 0.0
    return product + kept * beyond


def _shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.maximum(values, 0)
    total = values.sum()
    return values / total if total > 0 else np.full(len(values), 1 / len(values))
