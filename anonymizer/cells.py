"""What an attacker sees who holds several releases: learners by what each shows of them.

Learners of whom all releases show the same form a cell; `anonymizer.releases` judges their sizes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.histogram import group_index
from anonymizer.incidence import Incidence, Trie, require_keys
from anonymizer.item_subsets import levels

Keys: TypeAlias = NDArray[Any]
"""Opaque keys of learners: whole numbers, or bytes of one fixed length."""

Known: TypeAlias = Literal[2, 3, "full"]
"""Items that the attacker knows."""

_STRENGTH: Final[Mapping[Known | Literal[1], int]] = {1: 1, 2: 2, 3: 3, "full": 4}


@dataclass(frozen=True, eq=False)
class ReleaseEntry:
    """What the registry keeps of a live release: who is in it, in which class, with which items.

    Attributes:
        keys: the learners, each once; shape (learners,). Who is not listed is absent.
        held: their classes and released items. Items have the same numbers in all entries; classes
            are each release's own.
        k: distinct learners of every cell that it shows, at least.
        m: items that the attacker of its own promise knows. Against a stronger one it promises
            nothing, and it is given without items.
        beside: whether it shows its class only beside what others show: whom no release shows but
            such, is in no cell.

    Raises:
        CoreError: the keys do not fit the incidence, or one occurs twice.
    """

    keys: Keys
    held: Incidence
    k: int
    m: Known | Literal[1] = "full"
    beside: bool = False

    def __post_init__(self) -> None:
        if self.keys.shape != self.held.classes.shape:
            raise CoreError("release entry: give one key for each learner")
        if len(distinct(self.keys)) < len(self.keys):
            raise CoreError("release entry: a learner is listed twice; list each once")

    @cached_property
    def wholes(self) -> NDArray[np.int64]:
        """The number of each learner's class and exact set of items."""
        return Trie.of(self.held).node

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """The number of each learner's class, from 0 without gaps."""
        return np.unique(self.held.classes, return_inverse=True)[1].astype(np.int64, copy=False)

    def without(self, keys: Keys) -> "ReleaseEntry":
        """The release with these learners left out."""
        stays = ~among(self.keys, keys)
        length = np.diff(self.held.offsets)[stays]
        held = Incidence(
            offsets=np.concatenate(([0], np.cumsum(length))).astype(np.int64),
            item=self.held.item[stays[self.held.owner]],
            classes=self.held.classes[stays],
        )
        return replace(self, keys=self.keys[stays], held=held)


@dataclass(frozen=True, eq=False)
class View:
    """Learners by what all releases show of them with regard to sets of items of one size.

    Attributes:
        learner: an index of everyone; once for each set that some release shows of him.
        cell: of the set and all releases, numbered from 0.
        before: of the set and all releases but the last, numbered from 0.
        shown: whether the last release shows something of him.
        need: the largest k of the releases that show something of him.
        promised: whether one of these promises something against the attacker.
    """

    learner: NDArray[np.int64]
    cell: NDArray[np.int64]
    before: NDArray[np.int64]
    shown: NDArray[np.bool_]
    need: NDArray[np.int64]
    promised: NDArray[np.bool_]

    @property
    def small(self) -> NDArray[np.bool_]:
        """Whether the cell is below k."""
        return np.bincount(self.cell)[self.cell] < self.need


def distinct(keys: Keys) -> Keys:
    """Each once, ascending; ten times as fast as `np.unique` of numpy 2.4, which hashes."""
    ordered = np.sort(keys)
    first: Keys = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]
    return first


def among(keys: Keys, others: Keys) -> NDArray[np.bool_]:
    """Whether each key is among the others; as `np.isin`, which hashes too."""
    if not len(others):
        return np.zeros(len(keys), np.bool_)
    ordered = np.sort(others)
    at = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[at] == keys
    return found


def everyone_of(releases: Sequence[ReleaseEntry]) -> Keys:
    """The keys of all releases, ascending."""
    return distinct(np.concatenate([release.keys for release in releases]))


def views_of(
    releases: Sequence[ReleaseEntry], everyone: Keys, m: Known, *, linked: bool
) -> Iterator[View]:
    """What an attacker of m items sees, smaller sets first."""
    at = [np.searchsorted(everyone, release.keys) for release in releases]
    nothing = np.arange(len(everyone)), np.zeros(len(everyone), np.int64)
    if linked:
        yield from _linked_views(releases, at, len(everyone), m)
    elif m == "full":
        wholes = _spread([release.wholes for release in releases], at, len(everyone))
        yield _seen(releases, *nothing, wholes, m)
    else:
        classes = _spread([release.classes for release in releases], at, len(everyone))
        yield _seen(releases, *nothing, classes, m)
        for chosen, learner, having in _held_sets(releases, at, len(everyone), m):
            seen = [
                np.where(own[learner] > 0, 2 * own[learner] + has, 0)
                for own, has in zip(classes, having, strict=True)
            ]
            yield _seen(releases, learner, chosen, seen, m)


def _spread(
    numbers: Sequence[NDArray[np.int64]], at: Sequence[NDArray[np.int64]], number: int
) -> list[NDArray[np.int64]]:
    """1 + the number of each learner in each release, 0 where he is absent."""
    spread = [np.zeros(number, np.int64) for _ in numbers]
    for one, place, own in zip(spread, at, numbers, strict=True):
        one[place] = 1 + own
    return spread


def _columns(seen: Sequence[NDArray[Any]]) -> list[tuple[NDArray[np.int32], int]]:
    return [(one.astype(np.int32), int(one.max(initial=0)) + 1) for one in seen]


def _largest(numbers: Sequence[int], seen: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The largest number of the releases that show something, which is not 0."""
    largest = np.zeros(len(seen[0]), np.int64)
    for number, one in zip(numbers, seen, strict=True):
        np.maximum(largest, np.where(one > 0, number, 0), out=largest)
    return largest


def _need(releases: Sequence[ReleaseEntry], seen: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return _largest([release.k for release in releases], seen)


def _strongest(
    releases: Sequence[ReleaseEntry], seen: Sequence[NDArray[np.int64]]
) -> NDArray[np.int64]:
    return _largest([_STRENGTH[release.m] for release in releases], seen)


def _seen(
    releases: Sequence[ReleaseEntry],
    learner: NDArray[np.int64],
    chosen: NDArray[np.int64],
    seen: Sequence[NDArray[np.int64]],
    m: Known,
) -> View:
    """Group by the set and by what is seen, release by release, 0 for nothing."""
    stands = np.zeros(len(learner), np.bool_)
    for release, one in zip(releases, seen, strict=True):
        stands |= (one > 0) & (not release.beside)
    learner, chosen = learner[stands], chosen[stands]
    seen = [one[stands] for one in seen]
    columns = _columns(seen)
    cell, _ = group_index(chosen, columns)
    before, _ = group_index(chosen, columns[:-1])
    promised = _strongest(releases, seen) >= _STRENGTH[m]
    return View(learner, cell, before, seen[-1] > 0, _need(releases, seen), promised)


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


def _linked_views(
    releases: Sequence[ReleaseEntry], at: Sequence[NDArray[np.int64]], number: int, m: Known
) -> Iterator[View]:
    """What is seen where one pseudonym joins the releases.

    A learner's class is that of all releases, and his items are pairs of an item and of the
    releases that show it. What was seen before is the same of all releases but the last.
    """
    classes = _spread([release.classes for release in releases], at, number)
    promised = _strongest(releases, classes) == _STRENGTH[m]
    need = np.where(promised, _need(releases, classes), 0)
    shown = classes[-1] > 0
    all_classes, _ = group_index(np.zeros(number, np.int64), _columns(classes))
    old_classes, _ = group_index(np.zeros(number, np.int64), _columns(classes[:-1]))
    items = 1 + max(int(release.held.item.max(initial=0)) for release in releases)
    require_keys(number, items)
    rows = [
        place[release.held.owner] * items + release.held.item
        for release, place in zip(releases, at, strict=True)
    ]
    pairs = distinct(np.concatenate(rows))
    having = _columns([among(pairs, own) for own in rows])
    # Numbered by item first: the pairs of a learner ascend as his items do.
    pair, _ = group_index(pairs % items, having)
    old_pair, _ = group_index(pairs % items, having[:-1])

    def union(
        of_row: NDArray[np.int64], kept: NDArray[np.bool_], of_learner: NDArray[np.int64]
    ) -> Incidence:
        length = np.bincount((pairs // items)[kept], minlength=number)
        offsets = np.concatenate(([0], np.cumsum(length))).astype(np.int64)
        return Incidence(offsets, of_row[kept].astype(np.int32), of_learner)

    every = np.ones(len(pairs), np.bool_)
    now = union(pair, every, all_classes)
    if m == "full":
        old = np.zeros(len(pairs), np.bool_)
        for has, _ in having[:-1]:
            old |= has > 0
        cell, _ = group_index(Trie.of(now).node, [])
        before = Trie.of(union(old_pair, old, old_classes)).node
        yield View(np.arange(number), cell, before, shown, need, promised)
        return
    sizes = zip(range(m + 1), levels(now, rows=every, kept=np.ones(number, np.bool_)), strict=False)
    for _, level in sizes:
        own = level.rows(np.arange(len(level.learner)))
        before, _ = group_index(
            old_classes[level.learner], _columns([old_pair[column] for column in own.T])
        )
        who = level.learner
        yield View(who, level.group, before, shown[who], need[who], promised[who])
