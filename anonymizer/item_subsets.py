"""Every set of at most m items that learners of a class hold is shared: greedy suppression.

The k^m-anonymity of Terrovitis, Mamoulis and Kalnis (2008), jointly with the class of the
quasi-identifiers, and by suppression of rows instead of generalization of items. What is dropped
to break up a set is a greedy hitting set (Johnson 1974) per profile, which sees items and counts
only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import NoRecodingError
from anonymizer.incidence import Incidence, Profiles, require_keys
from anonymizer.item_groups import GroupCheck, Groups
from anonymizer.jit import jit

_MOST_SETS: Final = 100_000_000
"""Sets of learners held in memory, at most: some five gigabytes."""


def suppress_rare_subsets(
    profiles: Profiles, *, m: int, check: GroupCheck
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Drop rows until every class with at most m items that occurs holds.

    Smaller sets come first: what they drop needs no larger set. After a drop everything is counted
    anew, because smaller groups, and what groups are compared with, have changed.

    Args:
        profiles: learners by class and items.
        m: items that the attacker knows, 1 to 3.
        check: what is asked of each group.

    Returns:
        The rows of the profiles that stay, and the profiles that stay: a class that fails without
        any item leaves as a whole.
    """
    held = profiles.held
    rows = np.ones(len(held.item), np.bool_)
    kept = np.ones(len(profiles.learners), np.bool_)
    # A popular item is a little dearer: its loss breaks up more sets of others.
    frequency = np.bincount(held.item, weights=profiles.learners[held.owner])
    price = np.power(frequency[held.item], 0.1, dtype=np.float64)
    while True:
        holds = check.against(rows, kept)
        for size, level in zip(range(m + 1), levels(held, rows=rows, kept=kept), strict=False):
            failing = ~holds(level.groups(), None)
            if not failing.any():
                continue
            rare = np.flatnonzero(failing[level.group])
            if size == 0:
                kept[level.learner[rare]] = False
                rows &= kept[held.owner]
            else:
                rows[_hitting_sets(level, rare, price)] = False
            break
        else:
            return rows, kept


@dataclass(frozen=True, eq=False)
class Level:
    """Every set of s items that a learner holds, for one s.

    Memberships are sorted by learner. Where learners are profiles, read profile.

    Attributes:
        number: of distinct (class, set).
        group: (class, set) of each membership, below `number`; shape (memberships,).
        learner: who holds the set; shape (memberships,).
        last: the row that holds the largest item of the set, -1 at s = 0; shape (memberships,).
        origin: the membership one level below of which this one is an extension.
        below: the level of s - 1 items; None at s = 0.
    """

    number: int
    group: NDArray[np.int64]
    learner: NDArray[np.int64]
    last: NDArray[np.int64]
    origin: NDArray[np.int64]
    below: "Level | None"

    def rows(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of some memberships, ascending by item; shape (len(at), s)."""
        found: list[NDArray[np.int64]] = []
        level: Level | None = self
        while level is not None and level.below is not None:
            found.append(level.last[at])
            at = level.origin[at]
            level = level.below
        return np.stack(found[::-1], axis=1) if found else np.empty((len(at), 0), np.int64)

    def groups(self) -> Groups:
        """The level as groups of profiles."""
        return Groups(self.number, self.group, self.learner, self.rows)


def levels(held: Incidence, *, rows: NDArray[np.bool_], kept: NDArray[np.bool_]) -> Iterator[Level]:
    """The sets of 0, 1, 2, ... items that learners hold in their kept rows, one size after another.

    Every key is packed from the number of a smaller set and an item, so equal numbers mean equal
    sets.

    Args:
        held: learners and their items.
        rows: the rows that count; shape (rows,).
        kept: the learners that count; shape (learners,).

    Raises:
        CoreError: too many sets and items for exact keys.
        NoRecodingError: too many sets of one learner or another to hold in memory.
    """
    items = int(held.item.max(initial=0)) + 1
    here = np.flatnonzero(rows)
    until = np.cumsum(np.bincount(held.owner[here], minlength=len(kept)))
    who = np.flatnonzero(kept)
    classes, group = np.unique(held.classes[who], return_inverse=True)
    none = np.full(len(who), -1, np.int64)
    level = Level(len(classes), group.astype(np.int64, copy=False), who, none, none, None)
    # Positions count kept rows; a set is extended by the learner's kept rows after its last.
    position = until[who] - np.bincount(held.owner[here], minlength=len(kept))[who] - 1
    while True:
        yield level
        more = until[level.learner] - position - 1
        if more.sum() > _MOST_SETS:
            raise NoRecodingError(
                f"items: learners have more than {_MOST_SETS:,} sets of known items; lower m, or "
                "release items of a coarser kind"
            )
        origin = np.repeat(np.arange(len(more)), more)
        first = np.cumsum(more) - more
        position = np.arange(len(origin)) + (position + 1 - first)[origin]
        last = here[position]
        require_keys(level.number, items)
        group, number = _number(level.group[origin] * items + held.item[last])
        level = Level(number, group, level.learner[origin], last, origin, level)


def _hitting_sets(
    level: Level, rare: NDArray[np.int64], price: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Rows to drop, so that every rare set of a profile loses one: greedy, profile by profile."""
    sets = level.rows(rare)
    if sets.shape[1] == 1:
        return sets[:, 0]
    # Number the rows that occur in rare sets, to keep the tallies of the greedy choice short.
    occurring, local = np.unique(sets, return_inverse=True)
    starts = np.flatnonzero(np.diff(level.learner[rare], prepend=-1))
    ends = np.append(starts, len(rare))
    hit = _greedy(ends, local.reshape(sets.shape).astype(np.int64), price[occurring])
    return occurring[hit]


@jit
def _number(key: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Number keys from 0 in order of appearance, by an open hash table that compares whole keys."""
    bits = 4
    while (1 << bits) < 2 * len(key):
        bits += 1
    mask = (1 << bits) - 1
    shift = np.uint64(64 - bits)
    slot = np.full(1 << bits, -1, np.int64)
    distinct = np.empty(len(key), np.int64)
    number = np.empty(len(key), np.int64)
    count = 0
    for i in range(len(key)):
        # Fibonacci hashing: the top bits of a product with 2^64 / golden ratio.
        at = np.int64((np.uint64(key[i]) * np.uint64(0x9E3779B97F4A7C15)) >> shift)
        while slot[at] >= 0 and distinct[slot[at]] != key[i]:
            at = (at + 1) & mask
        if slot[at] < 0:
            slot[at] = count
            distinct[count] = key[i]
            count += 1
        number[i] = slot[at]
    return number, count


@jit
def _greedy(
    ends: NDArray[np.int64], sets: NDArray[np.int64], price: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Hit every set of each profile: take the row with the most hits for its price, then again.

    Rows of a profile are consecutive numbers ascending by item; of equal rows the first is taken.
    """
    hit = np.zeros(len(price), np.bool_)
    hits = np.zeros(len(price), np.int64)
    unhit = np.ones(len(sets), np.bool_)
    for i in range(len(sets)):
        for row in sets[i]:
            hits[row] += 1
    for profile in range(len(ends) - 1):
        begin, end = ends[profile], ends[profile + 1]
        low, high = sets[begin:end].min(), sets[begin:end].max() + 1
        while True:
            best = low + np.argmax(hits[low:high] / price[low:high])
            if hits[best] == 0:
                break
            hit[best] = True
            for i in range(begin, end):
                if unhit[i] and (sets[i] == best).any():
                    unhit[i] = False
                    for row in sets[i]:
                        hits[row] -= 1
    return hit
