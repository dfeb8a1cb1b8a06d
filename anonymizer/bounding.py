"""Contribution bounds: what one learner may hold of an aggregate, before anything is added up.

Each learner stays in few cells, chosen by priorities that the caller draws: one a (learner, cell),
independent of the data, so that without a learner every other one keeps the same cells. Bounds are
on learners, not rows: Wilson et al. 2020, "Differentially Private SQL with Bounded User
Contribution"; Amin et al. 2019, "Bounding User Contributions", on what a bound costs.

Values are whole units of 10^-decimals from here on: float sums depend on their order, and their low
bits tell what was added (Mironov 2012, "On Significance of the Least Significant Bits for
Differential Privacy").
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError

LARGEST_BOUND: Final = 10**9
"""In units: no clamp is farther from 0, so that 9 * 10^9 contributions to a cell can't wrap."""

MOST_DECIMALS: Final = 9

_HALF_WORD: Final = np.uint64(32)
_SPARSE: Final = 1 << 20


def keep_cells(
    learners: NDArray[np.uint32], priorities: NDArray[np.uint64], *, most: int
) -> NDArray[np.bool_]:
    """Which (learner, cell) pairs stay: of each learner those with the least priorities.

    What stays of a learner depends on its own rows alone.

    Args:
        learners: of each pair, any numbers; shape (pairs,). Pairs are distinct: rows of the same
            learner and cell have been put together.
        priorities: of each pair, drawn evenly and independently of all data; shape (pairs,).
        most: pairs that may stay of a learner, at least 1. A larger bound keeps more and needs more
            noise.

    Returns:
        Shape (pairs,). Where priorities tie, earlier pairs stay.

    Raises:
        CoreError: shapes or types are others, or `most` is below 1.
    """
    if learners.ndim != 1 or learners.shape != priorities.shape:
        raise CoreError("priorities: one for each learner's cell was expected")
    if learners.dtype != np.uint32 or priorities.dtype != np.uint64:
        raise CoreError("learners and priorities: uint32 and uint64 were expected")
    if most < 1:
        raise CoreError("most: at least 1 was expected")
    keep = np.ones(len(learners), np.bool_)
    if not len(learners):
        return keep
    numbers = _dense(learners)
    crowded = (np.bincount(numbers) > most)[numbers]
    keep[crowded] = _least(numbers[crowded], priorities[crowded], most)
    return keep


def clamp(units: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    """What each (learner, cell) contributes: its units, moved into the bounds.

    Args:
        units: of one learner in one cell each, added up over its rows; any shape.
        low: the least that a learner may contribute to a cell.
        high: the most.

    Raises:
        CoreError: the bounds are out of order or beyond `LARGEST_BOUND`, or units are not int64.
    """
    check_bounds(low, high)
    if units.dtype != np.int64:
        raise CoreError("units: int64 was expected")
    clamped: NDArray[np.int64] = np.clip(units, low, high)
    return clamped


def check_bounds(low: int, high: int) -> None:
    """Refuse bounds that hold no value, or whose sums could wrap.

    Raises:
        CoreError: they are out of order, or beyond `LARGEST_BOUND`.
    """
    if not -LARGEST_BOUND <= low <= high <= LARGEST_BOUND:
        raise CoreError(f"bounds: low <= high within {LARGEST_BOUND} units of 0 was expected")


def _dense(learners: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The same learners under numbers that a table can have a place for each of."""
    if learners.max() < 2 * len(learners) + _SPARSE:
        return learners
    _, numbers = np.unique(learners, return_inverse=True)
    return np.asarray(numbers, np.uint32)


def _least(
    learners: NDArray[np.uint32], priorities: NDArray[np.uint64], most: int
) -> NDArray[np.bool_]:
    """The same for learners with more than `most` pairs each.

    Sorting keys of learner and upper half of the priority is ten times faster than sorting
    positions. It tells each learner's last key; where several pairs share that, only the lower
    halves, and then positions, decide.
    """
    if not len(learners):
        return np.ones(0, np.bool_)
    keys = learners.astype(np.uint64) << _HALF_WORD | priorities >> _HALF_WORD
    ordered = np.sort(keys)
    owner = (ordered >> _HALF_WORD).astype(np.uint32)
    first = np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1])))
    last = np.zeros(int(owner[-1]) + 1, np.uint64)
    last[owner[first]] = ordered[first + most - 1]
    keep = keys <= last[learners]
    open_ = (np.bincount(learners[keep], minlength=len(last)) > most)[learners]
    if open_.any():
        keep[open_] = _least_exactly(learners[open_], priorities[open_], most)
    return keep


def _least_exactly(
    learners: NDArray[np.uint32], priorities: NDArray[np.uint64], most: int
) -> NDArray[np.bool_]:
    """The same, by sorting positions."""
    order = np.lexsort((priorities, learners))
    owner = learners[order]
    first = np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1])))
    sizes = np.diff(np.append(first, len(owner)))
    keep = np.empty(len(owner), np.bool_)
    keep[order] = np.arange(len(owner)) - np.repeat(first, sizes) < most
    return keep
