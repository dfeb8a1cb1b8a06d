"""Raking: weights that make released rows add up to known margins.

Suppression that looks at no outcome still loses the learners of rare sets, who complete more
often. Weights on the released rows correct that, where the margins are published in their own
right: from a release with differential privacy, never from the table that was suppressed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.errors import CoreError


@dataclass(frozen=True, eq=False)
class RakedWeights:
    """Weights of rows, and how well they meet the margins.

    Attributes:
        weights: at least 0, 1 on average; shape (rows,).
        iterations: passes over all margins.
        deviation: the largest difference between a weighted share and its margin's share.
        converged: whether the deviation is within the tolerance.
    """

    weights: NDArray[np.float64]
    iterations: int
    deviation: float
    converged: bool


def rake(
    table: pl.DataFrame,
    margins: Mapping[str, Mapping[str, float]],
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
) -> RakedWeights:
    """Iterative proportional fitting of rows to margins (Deming and Stephan 1940).

    Of all weights that meet the margins, those which differ least from equal ones in relative
    entropy (Ireland and Kullback 1968).

    Args:
        table: released rows; the columns of the margins are text without nulls.
        margins: column -> value -> its count or share. Each column's are scaled to a sum of 1,
            because noisy counts of different columns disagree about the total.
        tolerance: of a share, above 0.
        max_iterations: passes over all margins, at least 1.

    Returns:
        The weights after the last pass. Margins that no weights meet together do not converge.

    Raises:
        CoreError: there is no row or no margin, a margin is negative, not finite or 0 throughout,
            a value of a column has no margin, or a positive margin has no row that may have weight.
    """
    if not margins or not len(table):
        raise CoreError("raking: give at least one row and one margin")
    if tolerance <= 0 or max_iterations < 1:
        raise CoreError("raking: a tolerance above 0 and at least one iteration")
    fitted = [_margin(table, column, counts) for column, counts in margins.items()]
    weights = np.ones(len(table))
    iterations, deviation = 0, np.inf
    while iterations < max_iterations and deviation > tolerance:
        for column, (codes, target) in zip(margins, fitted, strict=True):
            share = np.bincount(codes, weights=weights, minlength=len(target)) / weights.sum()
            if ((share == 0) & (target > 0)).any():
                raise CoreError(
                    f"margins of {column}: a positive margin has no row that may have weight;"
                    " merge its value with another, or leave this margin out"
                )
            factor = np.divide(target, share, out=np.zeros(len(target)), where=share > 0)
            weights *= factor[codes]
        weights *= len(weights) / weights.sum()
        iterations += 1
        deviation = max(
            np.abs(np.bincount(codes, weights=weights, minlength=len(target)) / len(table) - target)
            .max()
            .item()
            for codes, target in fitted
        )
    return RakedWeights(weights, iterations, float(deviation), bool(deviation <= tolerance))


def _margin(
    table: pl.DataFrame, column: str, counts: Mapping[str, float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The margin's value of each row as a number, and the share of each value."""
    if column not in table.columns:
        raise CoreError(f"margins of {column}: the table has no such column")
    if not all(isfinite(count) and count >= 0 for count in counts.values()):
        raise CoreError(f"margins of {column}: a count is negative; clip noisy counts at 0")
    total = sum(counts.values())
    if not total > 0:
        raise CoreError(f"margins of {column}: all are 0; leave this column out")
    codes = table[column].cast(pl.Enum(list(counts)), strict=False).to_physical()
    if codes.null_count():
        raise CoreError(f"margins of {column}: a row's value has no margin; give it, be it 0")
    target = np.array(list(counts.values()), np.float64) / total
    return codes.cast(pl.Int64).to_numpy(), target
