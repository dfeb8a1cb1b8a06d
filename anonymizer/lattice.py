"""What the compiled search works on: a lattice, the tuples at its bottom, and what is known of it.

A *node* is numbered by its levels as the digits of a mixed-radix number, the last column first;
levels count from the bottom node.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

GEOMETRIC, ARITHMETIC, DISCERNIBILITY, CLASS_SIZE = range(4)
"""The metrics, as `Shape.metric`."""

SUPPRESSED, CLASSES, SQUARES, FAILED, FAILED_SQUARES, ROOM, LOST = range(7)
"""Whole figures of a node: learners suppressed; classes kept and the sum of their sizes squared;
classes suppressed and the same; the most classes that those kept could be split into; and from
LOST on, for each column, the leaves that suppression adds to its spread."""

EVALUATED, FIRST, LAST, FROM_ABOVE, LOW, HIGH, MIDDLE, KEEPS = range(8)
"""The state of `explore`: nodes evaluated; the ends of `Front.order` not yet settled; whether the
next chain is a node from the far end; the ends of the chain still to be bisected; the place in the
chain of the node evaluated last, -1 if none, and whether that node kept to the limit."""

FINISHED, SPENT = -1, -2
"""What `explore` returns instead of a node: nothing is left to try, or the budget ended."""

_SLOTS: Final = 1024  # grouped nodes kept to group coarser ones from


class Shape(NamedTuple):
    """A lattice over q columns, as the kernels read it.

    Attributes:
        height: levels above the bottom; shape (q,).
        stride: the worth of one level of each column in a node's number; shape (q,).
        word, shift, mask: where a key holds each column; see `PackedCodes`; shape (q,).
        maps: codes at one level -> codes at a higher one, concatenated.
        map_at: where the map of a column from one level to another starts; shape (q, H, H).
        lost: for each code at a level, D less the leaves under it, concatenated.
        lost_at: where those of a column and level start; shape (q, H).
        spread: leaves under the label of each learner, summed, by column and level; shape (q, H).
        scale: what one leaf of spread weighs in the Loss of each column; shape (q,).
        wide: whether a column is one of the two thirds with most codes at the bottom; shape (q,).
        least: learners, and where there are two also population, that a class needs.
        learners: n.
        limit: learners that may be suppressed.
        metric: GEOMETRIC, ARITHMETIC, DISCERNIBILITY or CLASS_SIZE.
    """

    height: NDArray[np.int64]
    stride: NDArray[np.int64]
    word: NDArray[np.int64]
    shift: NDArray[np.uint64]
    mask: NDArray[np.uint64]
    maps: NDArray[np.int32]
    map_at: NDArray[np.int64]
    lost: NDArray[np.int64]
    lost_at: NDArray[np.int64]
    spread: NDArray[np.int64]
    scale: NDArray[np.float64]
    wide: NDArray[np.bool_]
    least: NDArray[np.int64]
    learners: int
    limit: int
    metric: int


class Store(NamedTuple):
    """The tuples at the bottom, room to group them, and the groups of nodes visited before.

    Keys have shape (tuples, words), counts (tuples, 1 or 2): learners, and population where a
    model asks for it.

    Attributes:
        keys, counts: the tuples.
        near_keys, near_counts: the groups of the node visited last.
        far_keys, far_counts: scratch.
        table: hash slot -> group, -1 for none.
        kept_keys, kept_counts: the groups of several nodes, one after the other.
        kept_at, kept_size, kept_levels: where those of each node start, how many, and the node.
        kept: how many nodes, and how much of the room they take.
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    near_keys: NDArray[np.uint64]
    near_counts: NDArray[np.int64]
    far_keys: NDArray[np.uint64]
    far_counts: NDArray[np.int64]
    table: NDArray[np.int32]
    kept_keys: NDArray[np.uint64]
    kept_counts: NDArray[np.int64]
    kept_at: NDArray[np.int64]
    kept_size: NDArray[np.int64]
    kept_levels: NDArray[np.int64]
    kept: NDArray[np.int64]


class Front(NamedTuple):
    """What is known of the nodes; shapes (nodes,) but for the last two.

    Attributes:
        rank: the order to try them in: their Loss if nobody were suppressed.
        order: nodes by ascending rank.
        low: the metric at least, by the node's own levels and nodes below it.
        bound: the metric at least, by all that is known; infinite once settled.
        chain: the nodes being bisected, lowest first; shape (total height + 1,).
        at: see EVALUATED and the following.
    """

    rank: NDArray[np.float64]
    order: NDArray[np.int64]
    low: NDArray[np.float64]
    bound: NDArray[np.float64]
    chain: NDArray[np.int64]
    at: NDArray[np.int64]


def store_of(keys: NDArray[np.uint64], counts: NDArray[np.int64], columns: int) -> Store:
    """Room to group tuples in.

    Args:
        keys: packed codes at the bottom; shape (n, W).
        counts: learners, and population where a model asks for it; shape (n, 1 or 2).
        columns: q.
    """
    number, words = keys.shape
    width, room = counts.shape[1], max(4_000_000, 4 * number)
    return Store(
        keys=keys,
        counts=counts,
        near_keys=np.empty((number, words), np.uint64),
        near_counts=np.empty((number, width), np.int64),
        far_keys=np.empty((number, words), np.uint64),
        far_counts=np.empty((number, width), np.int64),
        table=np.empty(1 << (2 * number + 32).bit_length(), np.int32),
        kept_keys=np.empty((room, words), np.uint64),
        kept_counts=np.empty((room, width), np.int64),
        kept_at=np.zeros(_SLOTS, np.int64),
        kept_size=np.zeros(_SLOTS, np.int64),
        kept_levels=np.zeros((_SLOTS, columns), np.int64),
        kept=np.zeros(2, np.int64),
    )


def front_of(rank: NDArray[np.float64], low: NDArray[np.float64], longest: int) -> Front:
    """A front at which nothing has been evaluated."""
    at = np.zeros(8, np.int64)
    at[LAST], at[HIGH], at[MIDDLE] = len(rank) - 1, -1, -1
    return Front(
        rank=rank,
        order=np.argsort(rank, kind="stable"),
        low=low,
        bound=low.copy(),
        chain=np.zeros(longest, np.int64),
        at=at,
    )
