"""Repeated releases: what an attacker sees who holds several releases of one population.

Two extracts that are each k-anonymous can single a learner out together. So learners are compared
by what every live release shows of them jointly, absence included: all who agree form a *cell*,
and a new release may go out where every cell keeps k learners: the largest k of the releases that
show it. The idea is the m-invariance of Xiao and Tao (2007), for membership instead of sensitive
values.

Under course scope nothing joins two rows of a learner. Give each row as a learner of its own: its
key is that of learner and item, its class that of item and class, it holds no items, and m is
"full".

The caller makes the keys of learners (an HMAC under the registry's own key) and counts a recalled
release as live until every recipient has confirmed its destruction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonymizer.cells import Keys, Known, ReleaseEntry, View, among, everyone_of, views_of
from anonymizer.errors import CoreError


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


def intersect(
    releases: Sequence[ReleaseEntry],
    *,
    m: Known,
    linked: bool = False,
    departed: Keys | None = None,
) -> Intersection:
    """The gate: count the cells of all live releases, the new one, which is the last, among them.

    What one release shows of a learner to an attacker of the promise:

    - m = 2 or 3, for each set of at most m items that some release shows together: that he is
      absent, or his class and whether he has the whole set. The empty set leaves the class.
    - m = "full": that he is absent, or his class and exact set of items.

    Learners of whom no release shows the set are in no cell of it. So a single release that keeps
    its own promise passes. So do cells of earlier releases alone none of which promises anything
    against this attacker.

    Where pseudonyms are linked, the attacker sees each learner's class, or absence, in all
    releases, and for every item which of them show it: the sets are of such pairs. Learners are
    then judged by the strongest m of the releases that show them, and pass under any other.

    Args:
        releases: the live releases. Where their promises differ, call once for each of them.
        m: items that the attacker knows.
        linked: whether one pseudonym joins the releases.
        departed: whose right it was to leave. They can't be shown again: cells that hold one of
            them, and that the last release does not show, are passed over.

    Raises:
        CoreError: no release is given, or too many sets and items for exact keys.
    """
    if not releases:
        raise CoreError("releases: give at least the new release")
    everyone = everyone_of(releases)
    gone = among(everyone, everyone[:0] if departed is None else departed)
    exposed = np.zeros(len(everyone), np.bool_)
    sizes = []
    for view in views_of(releases, everyone, m, linked=linked):
        size = np.bincount(view.cell)
        excused = np.zeros(len(size), np.bool_)
        excused[view.cell[(gone[view.learner] | ~view.promised) & ~view.shown]] = True
        exposed[view.learner[view.small & ~excused[view.cell]]] = True
        sizes.append(size)
    every = np.concatenate(sizes)
    return Intersection(int(every.min()) if len(every) else 0, everyone[exposed])


def hold_back(
    earlier: Sequence[ReleaseEntry],
    new: ReleaseEntry,
    *,
    m: Known,
    linked: bool = False,
    generator: np.random.Generator,
) -> Keys:
    """Whom to leave out of a new release, so that it adds no cell below k.

    Cells below k are held back whole. Where that leaves too few who were shown before and are not
    now, some who looked like them before are held back too: those who are missing, chosen at random
    from the largest cell that can spare them, or else the smallest cell whole. Afterwards
    `intersect` says whether anything remains that the new release cannot mend; if so, refuse.

    Args:
        earlier: the live releases.
        new: the release that asks to go out.
        m: as for `intersect`.
        linked: as for `intersect`.
        generator: draws who is held back of a cell that can spare some.

    Returns:
        The keys of learners of `new`, ascending.

    Raises:
        CoreError: too many sets and items for exact keys.
    """
    everyone = everyone_of([*earlier, new])
    lot = generator.permutation(len(everyone))
    now = new
    while True:
        views = list(views_of([*earlier, now], everyone, m, linked=linked))
        held = np.zeros(len(everyone), np.bool_)
        for view in views:
            held[view.learner[view.small & view.shown]] = True
        if not held.any():
            for view in views:
                held[view.learner[_next_to_small(view, lot)]] = True
        if not held.any():
            return _left(new, now)
        now = now.without(everyone[held])


def depart(
    earlier: Sequence[ReleaseEntry],
    new: ReleaseEntry,
    departed: Keys,
    *,
    m: Known,
    linked: bool = False,
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
        linked: as for `intersect`.
        generator: draws who leaves.

    Returns:
        The keys of learners of `new`, ascending.

    Raises:
        CoreError: a departed learner is in the new release, or too many sets for exact keys.
    """
    if among(new.keys, departed).any():
        raise CoreError("departed: a learner is still in the new release; leave him out first")
    if not len(departed):
        return new.keys[:0]
    # One lot for each learner, whatever the set: who is drawn for one is the first to leave for
    # others, so that few leave.
    everyone = everyone_of([*earlier, new])
    lot = generator.permutation(len(everyone))
    gone = among(everyone, departed)
    now = new
    while True:
        leaving = np.zeros(len(everyone), np.bool_)
        # Larger sets first: who leaves for them is gone from their subsets too.
        for view in reversed(list(views_of([*earlier, now], everyone, m, linked=linked))):
            leaving[view.learner[_drawn(view, gone=gone, leaving=leaving, lot=lot)]] = True
        if not leaving.any():
            return _left(new, now)
        gone |= leaving
        now = now.without(everyone[leaving])


def _next_to_small(view: View, lot: NDArray[np.int64]) -> NDArray[np.int64]:
    """Who is held back beside each cell below k that is not shown now.

    One cell of those who looked the same before: the largest that keeps k without those who are
    missing, of which they are drawn; where there is none, the smallest, whole.
    """
    missing = _missing(view, view.small & ~view.shown, ~view.shown)
    size = np.bincount(view.cell)[view.cell]
    beside = np.flatnonzero(view.shown & (missing[view.before] > 0))
    wanted = missing[view.before[beside]]
    spares = size[beside] - wanted >= view.need[beside]
    preferred = np.where(spares, -size[beside], size[beside])
    order = np.lexsort((view.cell[beside], preferred, ~spares, view.before[beside]))
    first = order[_begins(view.before[beside[order]])]
    chosen = np.isin(view.cell[beside], view.cell[beside[first]])
    whole = chosen & ~spares
    drawn = _by_lot(view, beside[chosen & spares], lot, missing)
    return np.concatenate((beside[whole], drawn))


def _drawn(
    view: View,
    *,
    gone: NDArray[np.bool_],
    leaving: NDArray[np.bool_],
    lot: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Who leaves with those who are gone, by lot, so that k are gone of each cell of before."""
    left = ~view.shown | leaving[view.learner]
    missing = _missing(view, view.small & ~view.shown & gone[view.learner], left)
    return _by_lot(view, np.flatnonzero(~left), lot, missing)


def _missing(view: View, short: NDArray[np.bool_], left: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many more must leave, by what was seen before; none where nothing is short."""
    missing = np.zeros(int(view.before.max(initial=-1)) + 1, np.int64)
    missing[view.before[short]] = view.need[short]
    missing -= np.bincount(view.before[left], minlength=len(missing))
    return np.maximum(missing, 0)


def _by_lot(
    view: View, some: NDArray[np.int64], lot: NDArray[np.int64], number: NDArray[np.int64]
) -> NDArray[np.int64]:
    """As many of some as their `before` is to lose, those with the lowest lots."""
    some = some[number[view.before[some]] > 0]
    order = some[np.lexsort((lot[view.learner[some]], view.before[some]))]
    begins = _begins(view.before[order])
    rank = np.arange(len(order)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    drawn: NDArray[np.int64] = order[rank < number[view.before[order]]]
    return drawn


def _begins(ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where numbers that ascend from 0 change."""
    return np.diff(ordered, prepend=-1) > 0


def _left(new: ReleaseEntry, now: ReleaseEntry) -> Keys:
    """Whose keys are no longer there, ascending."""
    return np.sort(new.keys[~among(new.keys, now.keys)])
