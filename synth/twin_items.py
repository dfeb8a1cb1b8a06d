"""Several items for one learner, none twice, each as often as the model says.

Drawing one after the other without the ones already drawn would favour rare items. A fixed number
is drawn instead with the chance of each item given: systematic sampling in random order (Madow
1949; Hartley and Rao 1962, "Sampling with Unequal Probabilities and without Replacement").
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from synth.factors import by_lot

_AT_ONCE: Final = 1 << 22
_UNIT: Final = 1 << 32
"""Chances are added up in whole multiples of one in so many: no item is met twice by rounding."""

_SURE: Final = 1 - 1e-6

_ORDERS: Final = 512
"""Random orders of items that learners share: one for each learner takes long."""


def inclusion(shares: NDArray[np.float64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """The chance that an item is among so many: proportional to its share, but 1 at most.

    Where the model knows of fewer items than are drawn, all others are alike.

    >>> inclusion(np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]]), np.array([2, 2])).round(2).tolist()
    [[1.0, 0.67, 0.33], [1.0, 0.5, 0.5]]

    Args:
        shares: not negative, each row with one above 0; shape (kinds, items).
        numbers: of items to be drawn in each row, 1 to items; shape (kinds,).

    Returns:
        Shape (kinds, items); each row's sum is its number.
    """
    sure = np.zeros(shares.shape, np.bool_)
    while True:
        left = (numbers - sure.sum(axis=1))[:, None]
        open_shares = np.where(sure, 0, shares)
        sums = open_shares.sum(axis=1, keepdims=True)
        even = ~sure / np.maximum((~sure).sum(axis=1, keepdims=True), 1)
        scaled = np.divide(open_shares, sums, out=even, where=sums > 0)
        chances = np.where(sure, 1.0, left * scaled)
        more = (chances >= _SURE) & ~sure
        if not more.any():
            return chances
        sure |= more


def chosen_items(
    chances: NDArray[np.float64],
    numbers: NDArray[np.int64],
    kind: NDArray[np.int64],
    lots: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Items of each learner, none twice.

    Args:
        chances: by `inclusion`, for each kind of learner.
        numbers: of items of a learner of each kind.
        kind: of each learner.
        lots: one for each learner, from 0 to below 1.
        rng: where the order of items comes from.

    Returns:
        Of each row its item, and the place of its learner.
    """
    single = np.flatnonzero(numbers[kind] == 1)
    items = [by_lot(chances, kind[single], lots[single])]
    owners = [single]
    several = np.flatnonzero(numbers[kind] > 1)
    step = max(_AT_ONCE // chances.shape[1], 1)
    for begin in range(0, len(several), step):
        who = several[begin : begin + step]
        owner, item = np.nonzero(_systematic(chances[kind[who]], lots[who], rng))
        items.append(item)
        owners.append(who[owner])
    return np.concatenate(items), np.concatenate(owners)


def _systematic(
    chances: NDArray[np.float64], lots: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which items each learner gets; shape (learners, items)."""
    sure = chances >= _SURE
    items = chances.shape[1]
    orders = rng.permuted(np.tile(np.arange(items), (_ORDERS, 1)), axis=1)
    order = orders[rng.integers(0, _ORDERS, len(chances))]
    ends = np.take_along_axis(np.where(sure, 0, chances), order, axis=1).cumsum(axis=1)
    whole = np.rint(ends[:, -1:])  # how many are left, but for rounding
    units = np.rint(ends * _UNIT).astype(np.int64)
    units[:, -1] = (whole[:, 0] * _UNIT).astype(np.int64)
    start = (lots * _UNIT).astype(np.int64)[:, None]
    met = -((start - units) // _UNIT)  # of start, start + 1, ... those that are before each end
    chosen = np.zeros(chances.shape, np.bool_)
    np.put_along_axis(chosen, order, np.diff(met, axis=1, prepend=0) > 0, axis=1)
    return chosen | sure
