"""Every exact set of items within a class is shared: rare sets lose items until they meet others.

Transactional k-anonymity (He and Naughton 2009) jointly with the class, by suppression. Whoever
knows which items a learner has, and which he has not, still finds k learners.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anonymizer.histogram import sums
from anonymizer.incidence import Incidence, Profiles, Trie, require_keys
from anonymizer.item_groups import GroupCheck, Groups
from anonymizer.jit import jit


def merge_rare_sets(
    profiles: Profiles, *, check: GroupCheck
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Drop rows until every class with an exact item set, the empty one included, holds.

    Args:
        profiles: learners by class and items.
        check: what is asked of each group.

    Returns:
        The rows of the profiles that stay, and the profiles that stay: learners without items
        whom too few share this with leave.
    """
    rows = np.ones(len(profiles.held.item), np.bool_)
    kept = np.ones(len(profiles.learners), np.bool_)
    # A sweep can fail anew only where dropping has changed what groups are compared with.
    while _sweep(profiles, rows, kept, check):
        pass
    return rows, kept


def _sweep(
    profiles: Profiles, rows: NDArray[np.bool_], kept: NDArray[np.bool_], check: GroupCheck
) -> bool:
    """One pass from the largest sets to the empty one; whether it dropped anything, in place.

    Sets only lose one item at a time, so all who come to a set have come before it is looked at.
    """
    held = profiles.held
    holds = check.against(rows, kept)
    size = np.bincount(held.owner[rows], minlength=len(kept))
    offsets = np.concatenate(([0], np.cumsum(size))).astype(np.int64)
    trie = Trie.of(Incidence(offsets, held.item[rows], held.classes))
    node = trie.node
    forest = _forest(trie, sums(node, profiles.learners * kept, len(trie.parent)))
    frequency = np.bincount(held.item, weights=profiles.learners[held.owner] * rows)
    dropped = False
    for depth in range(int(size.max(initial=0)), -1, -1):
        here = np.flatnonzero((size == depth) & kept)
        nodes, group = np.unique(node[here], return_inverse=True)
        having = partial(_kept_rows, held, rows, here, depth)
        failing = ~holds(Groups(len(nodes), group.astype(np.int64, copy=False), here, having), rows)
        if not failing.any():
            continue
        dropped = True
        moving = np.flatnonzero(failing[group])
        if depth == 0:
            kept[here[moving]] = False
            continue
        forest = _with_room(forest, int(failing.sum()) * depth)
        moved = _move(forest, nodes[failing], depth, frequency.astype(np.float64))
        item, target = moved[(np.cumsum(failing) - 1)[group[moving]]].T
        having_now = having(moving)
        rows[having_now[held.item[having_now] == item[:, None]]] = False
        node[here[moving]] = target
        size[here[moving]] -= 1
    return dropped


def _kept_rows(
    held: Incidence,
    rows: NDArray[np.bool_],
    profiles: NDArray[np.int64],
    depth: int,
    at: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The kept rows of some of these profiles, which keep `depth` each; shape (len(at), depth)."""
    begin, end = held.offsets[profiles[at]], held.offsets[profiles[at] + 1]
    length = end - begin
    before = np.cumsum(length) - length
    every = np.arange(int(length.sum())) + np.repeat(begin - before, length)
    kept: NDArray[np.int64] = every[rows[every]].reshape(len(at), depth)
    return kept


class _Forest(NamedTuple):
    """A trie that grows: sets of items as nodes, found by (parent, item) in an open hash table.

    A named tuple, because compiled functions take those.

    Attributes:
        parent: of each node, as in `Trie`; spare places at the end.
        item: likewise.
        learners: who are at each node.
        used: how many nodes there are; shape (1,).
        slot: the node at each place of the table, -1 where free; a power of two of places, at
            least twice as many as nodes.
        items: what every item number is below.
    """

    parent: NDArray[np.int64]
    item: NDArray[np.int64]
    learners: NDArray[np.int64]
    used: NDArray[np.int64]
    slot: NDArray[np.int64]
    items: int


def _forest(trie: Trie, learners: NDArray[np.int64]) -> _Forest:
    items = int(trie.item.max(initial=0)) + 1
    used = np.array([len(trie.parent)], np.int64)
    full = _Forest(trie.parent, trie.item, learners, used, np.empty(0, np.int64), items)
    return _with_room(full, len(learners))


def _with_room(forest: _Forest, more: int) -> _Forest:
    """The same forest with room for more nodes, doubled so that it is seldom copied."""
    used = int(forest.used[0])
    if used + more <= len(forest.parent):
        return forest
    places = 2 * (used + more)
    require_keys(places, forest.items)

    def longer(short: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.concatenate((short[:used], np.zeros(places - used, np.int64)))

    grown = _Forest(
        parent=longer(forest.parent),
        item=longer(forest.item),
        learners=longer(forest.learners),
        used=forest.used,
        slot=np.full(1 << (2 * places).bit_length(), -1, np.int64),
        items=forest.items,
    )
    _index(grown)
    return grown


@jit
def _place(forest: _Forest, node: np.int64, item: np.int64) -> np.int64:
    """Where the table holds the child of a node by an item, or where it belongs."""
    mask = len(forest.slot) - 1
    # Fibonacci hashing: the upper half of a product with 2^64 / golden ratio.
    product = np.uint64(node * forest.items + item) * np.uint64(0x9E3779B97F4A7C15)
    at = np.int64(product >> np.uint64(32)) & mask
    while forest.slot[at] >= 0 and (
        forest.parent[forest.slot[at]] != node or forest.item[forest.slot[at]] != item
    ):
        at = (at + 1) & mask
    return at


@jit
def _index(forest: _Forest) -> None:
    """Enter every node below a class into the table."""
    for node in range(forest.used[0]):
        if forest.parent[node] >= 0:
            forest.slot[_place(forest, forest.parent[node], forest.item[node])] = node


@jit
def _without(forest: _Forest, path: NDArray[np.int64], left_out: int) -> np.int64:
    """The node of a path without one of its items, -1 where there is none."""
    node: np.int64 = path[left_out - 1]
    for i in range(left_out + 1, len(path)):
        node = forest.slot[_place(forest, node, forest.item[path[i]])]
        if node < 0:
            break
    return node


@jit
def _move(
    forest: _Forest,
    nodes: NDArray[np.int64],
    depth: int,
    frequency: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Move all learners of each node to its set without one item; shape (nodes, [item, target]).

    The item is the one without which they meet the most learners, and so k if they can; where they
    meet as many, the rarest.
    """
    moved = np.empty((len(nodes), 2), np.int64)
    path = np.empty(depth + 1, np.int64)
    for f in range(len(nodes)):
        path[depth] = nodes[f]
        for i in range(depth, 0, -1):
            path[i - 1] = forest.parent[path[i]]
        best, merit = 0, (np.int64(-1), 0.0)
        for i in range(1, depth + 1):
            node = _without(forest, path, i)
            met = forest.learners[node] if node >= 0 else np.int64(0)
            this = (met, -frequency[forest.item[path[i]]])
            if this > merit:
                best, merit = i, this
        target = path[best - 1]
        for i in range(best + 1, depth + 1):
            at = _place(forest, target, forest.item[path[i]])
            if forest.slot[at] < 0:
                new = forest.used[0]
                forest.slot[at] = new
                forest.parent[new] = target
                forest.item[new] = forest.item[path[i]]
                forest.used[0] += 1
            target = forest.slot[at]
        forest.learners[target] += forest.learners[nodes[f]]
        forest.learners[nodes[f]] = 0
        moved[f, 0], moved[f, 1] = forest.item[path[best]], target
    return moved
