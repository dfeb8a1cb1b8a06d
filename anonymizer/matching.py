"""Matching released learners with the items that an attacker knows."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.jit import jit


@dataclass(frozen=True, eq=False)
class ItemSets:
    """The set of items of each of n learners, end to end.

    Attributes:
        offsets: where each learner's items begin, and at last where they end; shape (n + 1,).
        item: numbers from 0, ascending and without repeats for each learner.

    Raises:
        CoreError: the arrays are not such.
    """

    offsets: NDArray[np.int64]
    item: NDArray[np.int64]

    def __post_init__(self) -> None:
        lengths = np.diff(self.offsets)
        sound = (
            len(self.offsets) > 0 and self.offsets[0] == 0 and self.offsets[-1] == len(self.item)
        )
        if not sound or (lengths < 0).any() or (self.item < 0).any():
            raise CoreError("item sets: bounds or items out of range; build them with from_pairs")
        same = np.diff(np.repeat(np.arange(len(lengths)), lengths)) == 0
        if (np.diff(self.item)[same] <= 0).any():
            raise CoreError("item sets: a set does not ascend; build them with from_pairs")

    @classmethod
    def from_pairs(
        cls, learner: NDArray[np.int64], item: NDArray[np.int64], *, learners: int
    ) -> Self:
        """Collect the pairs of learners and items; their order and repeats do not matter.

        Args:
            learner: numbers from 0 and below `learners`.
            item: numbers from 0.
            learners: how many there are, those without items included.
        """
        if (learner < 0).any() or (learner >= learners).any() or (item < 0).any():
            raise CoreError("pairs: number learners and items from 0")
        radix = int(item.max(initial=0)) + 1
        pairs = np.unique(learner * radix + item)
        offsets = np.searchsorted(pairs, np.arange(learners + 1) * radix)
        return cls(offsets.astype(np.int64), pairs % radix)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Items of each learner; shape (n,)."""
        return np.diff(self.offsets)

    def draw(
        self, learner: NDArray[np.int64], m: int, generator: np.random.Generator
    ) -> "ItemSets":
        """M items of each of these learners at random, every subset of m equally likely.

        Args:
            learner: those known about; repeats are drawn anew; shape (draws,).
            m: items known, at most: of a learner with fewer all are known.
            generator: the source of randomness.
        """
        sizes = self.sizes[learner]
        draw = np.repeat(np.arange(len(learner)), sizes)
        ends = np.cumsum(sizes)
        place = np.arange(len(draw)) - np.repeat(ends - sizes, sizes)
        item = self.item[np.repeat(self.offsets[learner], sizes) + place]
        # Sorting by random numbers within a draw shuffles it; the first m are its sample.
        order = np.lexsort((generator.random(len(draw)), draw))
        chosen = order[place < m]
        return ItemSets.from_pairs(draw[chosen], item[chosen], learners=len(learner))


class Holders:
    """Learners by group and item: who holds all of some known items."""

    def __init__(self, group_of: NDArray[np.int64], items: ItemSets) -> None:
        """Index the learners.

        Args:
            group_of: the group of each of n learners, from 0; -1 for one who is not there.
            items: of the same learners.

        Raises:
            CoreError: the arguments differ in length.
        """
        if group_of.shape != items.sizes.shape:
            raise CoreError("items: give a group and an item set for each learner")
        self._items = items
        self._size = np.bincount(group_of[group_of >= 0])
        self._radix = int(items.item.max(initial=0)) + 1
        group = np.repeat(group_of, items.sizes)
        there = group >= 0
        key = group[there] * self._radix + items.item[there]
        order = np.argsort(key, kind="stable")
        self._keys, first = np.unique(key[order], return_index=True)
        self._first = np.append(first, len(key)).astype(np.int64)
        self._holder = np.repeat(np.arange(len(group_of)), items.sizes)[there][order]

    def count(
        self, query: NDArray[np.int64], group: NDArray[np.int64], known: ItemSets
    ) -> NDArray[np.int64]:
        """For each query, the learners in any of its groups who hold all of its known items.

        Args:
            query: ascending, and with `group` without repeats; shape (pairs,).
            group: a group that the query looks in; shape (pairs,).
            known: the known items of each query; where there are none, everybody holds them.
        """
        held = group < len(self._size)  # nobody is in a group above
        query, group = query[held], group[held]
        found = np.zeros(len(known.sizes), np.int64)
        bounds = np.searchsorted(query, np.arange(len(found) + 1)).astype(np.int64)
        _count(
            (bounds, group, known.offsets, known.item),
            (self._size, self._keys, self._first, self._holder),
            (self._items.offsets, self._items.item, self._radix),
            found,
        )
        return found


@jit
def _position(ascending: NDArray[np.int64], low: int, high: int, value: int) -> int:
    """Where a value stands between two bounds, by bisection; -1 if it does not."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if low < end and ascending[low] == value else -1


@jit
def _contains(own: NDArray[np.int64], known: NDArray[np.int64]) -> bool:
    """Whether an item set, ascending, has all known items."""
    for item in known:  # noqa: SIM110  (numba compiles no generator expressions)
        if _position(own, 0, len(own), item) < 0:
            return False
    return True


@jit
def _count(
    queries: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    index: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    sets: tuple[NDArray[np.int64], NDArray[np.int64], int],
    found: NDArray[np.int64],
) -> None:
    """Add to each query its holders: see `Holders.count`."""
    bounds, group, known_at, known = queries
    size, keys, first, holder = index
    offsets, item, radix = sets
    for query in range(len(found)):
        begin, end = known_at[query], known_at[query + 1]
        for at in range(bounds[query], bounds[query + 1]):
            if begin == end:
                found[query] += size[group[at]]
                continue
            # The holders of the rarest known item in the group are the only ones to look at.
            low, high = 0, len(holder)
            for i in range(begin, end):
                key = -1
                if known[i] < radix:
                    key = _position(keys, 0, len(keys), group[at] * radix + known[i])
                if key < 0:
                    high = low
                elif first[key + 1] - first[key] < high - low:
                    low, high = first[key], first[key + 1]
            if end - begin == 1:
                found[query] += high - low
                continue
            for candidate in holder[low:high]:
                own = item[offsets[candidate] : offsets[candidate + 1]]
                found[query] += _contains(own, known[begin:end])
