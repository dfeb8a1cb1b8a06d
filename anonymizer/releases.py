"""Repeated releases: what an attacker sees who holds several releases of one population.

Two extracts that are each k-anonymous can single a learner out together. So learners are compared
by what every live release shows of them jointly, absence included: all who agree form a *cell*,
and a new release may go out where every cell keeps k learners. The idea is the m-invariance of
Xiao and Tao (2007), for membership instead of sensitive values.

The caller makes the keys of learners (an HMAC under the registry's own key) and counts a recalled
release as live until every recipient has confirmed its destruction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.histogram import group_index
from anonymizer.incidence import Incidence, Trie, require_keys
from anonymizer.item_subsets import levels

Keys: TypeAlias = NDArray[Any]
"""Opaque keys of learners: whole numbers, or bytes of one fixed length."""

Known: TypeAlias = Literal[1, 2, 3, "full"]
"""Items that the attacker knows. 1 is course scope, where nothing joins two items of a learner."""


@dataclass(frozen=True, eq=False)
class ReleaseEntry:
    """What the registry keeps of a live release: who is in it, in which class, with which items.

    Attributes:
        keys: the learners, each once; shape (learners,). Who is not listed is absent.
        held: their classes and released items. Items have the same numbers in all entries; classes
            are each release's own.

    Raises:
        CoreError: the keys do not fit the incidence, or one occurs twice.
    """

    keys: Keys
    held: Incidence

    def __post_init__(self) -> None:
        if self.keys.shape != self.held.classes.shape:
            raise CoreError("release entry: give one key for each learner")
        if len(np.unique(self.keys)) < len(self.keys):
            raise CoreError("release entry: a learner is listed twice; list each once")

    def without(self, keys: Keys) -> "ReleaseEntry":
        """The release with these learners left out."""
        stays = ~np.isin(self.keys, keys)
        length = np.diff(self.held.offsets)[stays]
        held = Incidence(
            offsets=np.concatenate(([0], np.cumsum(length))).astype(np.int64),
            item=self.held.item[stays[self.held.owner]],
            classes=self.held.classes[stays],
        )
        return ReleaseEntry(self.keys[stays], held)


@dataclass(frozen=True, eq=False)
class Intersection:
    """What the gate found.

    Attributes:
        smallest: learners of the smallest cell; 0 where no release shows anybody.
        exposed: the keys of all learners in cells below k, ascending.
    """

    smallest: int
    exposed: Keys

    @property
    def holds(self) -> bool:
        """Whether every cell keeps k learners."""
        return not len(self.exposed)


def intersect(releases: Sequence[ReleaseEntry], *, m: Known, k: int) -> Intersection:
    """The gate: count the cells of all live releases, the new one among them.

    What one release shows of a learner to an attacker of the promise:

    - m = 1, for each item: his class where he has a row with the item, else nothing. That he is in
      other rows is not seen: no key joins them.
    - m = 2 or 3, for each set of at most m items that some release shows together: that he is
      absent, or his class and whether he has the whole set. The empty set leaves the class.
    - m = "full": that he is absent, or his class and exact set of items.

    Learners of whom no release shows the set are in no cell of it. So a single release that keeps
    its own promise passes.

    Args:
        releases: the live releases. Where their promises differ, call once for each of them.
        m: items that the attacker knows.
        k: distinct learners of a cell, at least; the largest of the releases.

    Raises:
        CoreError: no release is given, or too many sets and items for exact keys.
    """
    if not releases:
        raise CoreError("releases: give at least the new release")
    everyone = _everyone(releases)
    exposed = np.zeros(len(everyone), np.bool_)
    sizes = []
    for view in _views(releases, everyone, m):
        size = np.bincount(view.cell)
        exposed[view.learner[size[view.cell] < k]] = True
        sizes.append(size)
    every = np.concatenate(sizes)
    return Intersection(int(every.min()) if len(every) else 0, everyone[exposed])


def hold_back(earlier: Sequence[ReleaseEntry], new: ReleaseEntry, *, m: Known, k: int) -> Keys:
    """Whom to leave out of a new release, so that it adds no cell below k.

    Cells below k are held back whole. Where that leaves too few who were shown before and are not
    now, the smallest cell of those who looked like them before is held back too. Afterwards
    `intersect` says whether anything remains that the new release cannot mend; if so, refuse.

    Under course scope the items are independent: called with the rows of one item at a time, what
    is held back are rows instead of learners.

    Args:
        earlier: the live releases.
        new: the release that asks to go out.
        m: as for `intersect`.
        k: as for `intersect`.

    Returns:
        The keys of learners of `new`, ascending.

    Raises:
        CoreError: too many sets and items for exact keys.
    """
    now = new
    while True:
        releases = [*earlier, now]
        everyone = _everyone(releases)
        views = list(_views(releases, everyone, m))
        held = np.zeros(len(everyone), np.bool_)
        for view in views:
            small = np.bincount(view.cell)[view.cell] < k
            held[view.learner[small & view.shown]] = True
        if not held.any():
            for view in views:
                held[view.learner[_next_to_small(view, k)]] = True
        if not held.any():
            return np.setdiff1d(new.keys, now.keys)
        now = now.without(everyone[held])


def depart(
    earlier: Sequence[ReleaseEntry],
    new: ReleaseEntry,
    departed: Keys,
    *,
    m: Known,
    k: int,
    generator: np.random.Generator,
) -> Keys:
    """Who leaves a new release together with learners whose right it is to leave.

    A departure is never held back, so it must not be seen: others who looked the same in all
    earlier releases leave with the departed, chosen at random, until k are gone or nobody of them
    is left. Whoever leaves is a departure to hide like the others.

    Args:
        earlier: the live releases.
        new: the release that asks to go out, already without the departed.
        departed: who left for a rights reason.
        m: as for `intersect`.
        k: as for `intersect`.
        generator: draws who leaves.

    Returns:
        The keys of learners of `new`, ascending.

    Raises:
        CoreError: a departed learner is in the new release, or too many sets for exact keys.
    """
    if np.isin(new.keys, departed).any():
        raise CoreError("departed: a learner is still in the new release; leave him out first")
    now = new
    while True:
        releases = [*earlier, now]
        everyone = _everyone(releases)
        gone = np.isin(everyone, departed) | np.isin(everyone, np.setdiff1d(new.keys, now.keys))
        leaving = np.zeros(len(everyone), np.bool_)
        # Larger sets first: who leaves for them is gone from their subsets too.
        for view in reversed(list(_views(releases, everyone, m))):
            size = np.bincount(view.cell)
            seen = gone[view.learner] & ~view.shown & (size[view.cell] < k)
            for before in np.unique(view.before[seen]):
                alike = view.before == before
                left = view.learner[alike & ~view.shown]
                stayed = view.learner[alike & view.shown]
                missing = k - len(left) - int(leaving[stayed].sum())
                others = stayed[~leaving[stayed]]
                if missing > 0:
                    drawn = generator.choice(others, min(missing, len(others)), replace=False)
                    leaving[drawn] = True
        if not leaving.any():
            return np.setdiff1d(new.keys, now.keys)
        now = now.without(everyone[leaving])


@dataclass(frozen=True, eq=False)
class _View:
    """Learners by what all releases show of them with regard to sets of items of one size.

    Attributes:
        learner: an index of everyone; once for each set that some release shows of him.
        cell: of the set and all releases, numbered from 0.
        before: of the set and all releases but the last, numbered from 0.
        shown: whether the last release shows something of him.
    """

    learner: NDArray[np.int64]
    cell: NDArray[np.int64]
    before: NDArray[np.int64]
    shown: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        learner: NDArray[np.int64],
        chosen: NDArray[np.int64],
        seen: Sequence[NDArray[np.int64]],
    ) -> "_View":
        """Group by the set and by what is seen, release by release, 0 for nothing."""
        columns = [(one.astype(np.int32), int(one.max(initial=0)) + 1) for one in seen]
        cell, _ = group_index(chosen, columns)
        before, _ = group_index(chosen, columns[:-1])
        return cls(learner, cell, before, seen[-1] > 0)


def _next_to_small(view: _View, k: int) -> NDArray[np.bool_]:
    """The smallest cell shown now of each who look as a cell below k, not shown now, did before."""
    size = np.bincount(view.cell)[view.cell]
    stuck = np.isin(view.before, view.before[(size < k) & ~view.shown])
    beside = np.flatnonzero(stuck & view.shown)
    order = beside[np.lexsort((view.cell[beside], size[beside], view.before[beside]))]
    first = np.diff(view.before[order], prepend=-1) > 0
    return np.isin(view.cell, view.cell[order[first]])


def _everyone(releases: Sequence[ReleaseEntry]) -> Keys:
    """The keys of all releases, ascending."""
    return np.unique(np.concatenate([release.keys for release in releases]))


def _views(releases: Sequence[ReleaseEntry], everyone: Keys, m: Known) -> Iterator[_View]:
    """What an attacker of m items sees, smaller sets first."""
    at = [np.searchsorted(everyone, release.keys) for release in releases]

    def spread(numbers: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        """One number of each learner in each release, 0 where he is absent."""
        spread = [np.zeros(len(everyone), np.int64) for _ in releases]
        for one, place, number in zip(spread, at, numbers, strict=True):
            one[place] = 1 + number
        return spread

    def dense(classes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.unique(classes, return_inverse=True)[1].astype(np.int64, copy=False)

    nobody_else = np.arange(len(everyone))
    one_set = np.zeros(len(everyone), np.int64)
    if m == "full":
        sets = [Trie.of(release.held).node for release in releases]
        yield _View.of(nobody_else, one_set, spread(sets))
        return
    classes = spread([dense(release.held.classes) for release in releases])
    if m > 1:
        yield _View.of(nobody_else, one_set, classes)
    for pair_set, learner, having in _held_sets(releases, at, len(everyone), m):
        if m == 1:
            seen = [own[learner] * has for own, has in zip(classes, having, strict=True)]
        else:
            seen = [
                np.where(own[learner] > 0, 2 * own[learner] + has, 0)
                for own, has in zip(classes, having, strict=True)
            ]
        yield _View.of(learner, pair_set, seen)


def _held_sets(
    releases: Sequence[ReleaseEntry], at: Sequence[NDArray[np.int64]], number: int, m: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], list[NDArray[np.bool_]]]]:
    """Sets of 1 to m items that some release shows of a learner.

    Yields:
        For each size the set and the learner of each pair, and release by release whether it shows
        the pair.
    """
    # All releases as one incidence, so that a set has one number in all of them.
    offsets = [np.diff(release.held.offsets) for release in releases]
    both = Incidence(
        offsets=np.concatenate(([0], np.cumsum(np.concatenate(offsets)))).astype(np.int64),
        item=np.concatenate([release.held.item for release in releases]),
        classes=np.zeros(sum(map(len, at)), np.int64),
    )
    who = np.concatenate(at)
    source = np.repeat(np.arange(len(releases)), [len(one) for one in at])
    every_row, everyone = np.ones(len(both.item), np.bool_), np.ones(len(who), np.bool_)
    sizes = zip(range(m + 1), levels(both, rows=every_row, kept=everyone), strict=False)
    for size, level in sizes:
        if size == 0:
            continue
        require_keys(level.number, number)
        key = level.group * number + who[level.learner]
        pairs, index = np.unique(key, return_inverse=True)
        having = [np.zeros(len(pairs), np.bool_) for _ in releases]
        for release, has in enumerate(having):
            has[index[source[level.learner] == release]] = True
        yield pairs // number, pairs % number, having
