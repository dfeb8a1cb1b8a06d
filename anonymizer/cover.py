"""Local recoding from the bottom up: classes of k learners, the cheapest first.

A full-domain node applied to a few hundred learners makes some classes of k and leaves the rest. So
the nodes of a *block* are visited by what they would lose; what a node can release leaves the
block, and the next node groups what remains. Where the splitter starts from everything and stops
early, this starts from the leaves. It loses less, and takes time that grows with the lattice.
"""

from collections.abc import Sequence
from math import prod
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.cover_kernels import cover_root
from anonymizer.generalization import SUPPRESSED
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram
from anonymizer.leaf_order import LeafOrder
from anonymizer.splitter import split

AFFORDABLE: Final = 10**10
"""The product of tuples and nodes of the lattice up to which a cover is sought."""

_FEWEST: Final = 10_000
"""Tuples that the bound counts at least, so that it also bounds the lattice and its memory."""

_BLOCK: Final = 500
"""Learners that a block has at least."""

_Ints: TypeAlias = NDArray[np.int64]


def affordable(tuples: int, hierarchies: Sequence[Hierarchy]) -> bool:
    """Whether a cover is sought: tuples x nodes of the lattice are at most `AFFORDABLE`."""
    nodes = prod(hierarchy.height + 1 for hierarchy in hierarchies)
    return max(tuples, _FEWEST) * nodes <= AFFORDABLE


def cover(
    histogram: Histogram,
    order: LeafOrder,
    roots: _Ints,
    *,
    k: int,
    weights: NDArray[np.float64],
) -> tuple[_Ints, int]:
    """Group the tuples of each root into parts of at least k learners.

    The splitter makes blocks; each is covered; what the blocks of a root leave is covered together;
    the fewer than k learners left at last join the parts to which they add the least loss. Nobody
    is suppressed. Only k is heeded: other models are not monotone, so that learners who join a
    part, or leave a block, could break what was verified.

    Args:
        histogram: distinct learners by tuple, at least one each where the tuple takes part.
        order: of the hierarchies of `histogram.codes`.
        roots: the root that each tuple belongs to, from 0 without gaps, each of at least k
            learners; `SUPPRESSED` where a tuple takes no part; shape (n,).
        k: learners that every part must have.
        weights: how much the loss of each quasi-identifier matters, above 0; shape (q,).

    Returns:
        The part of each tuple, from 0 without gaps, `SUPPRESSED` where it is in no root; and the
        number of parts.
    """
    ranks = order.ranks(histogram.codes, np.arange(len(roots)))
    blocks = split(histogram, order, roots, [], k=max(_BLOCK, k), weights=weights).part_of
    by_block = np.lexsort((*ranks.T[::-1], blocks, roots))
    by_block = by_block[np.count_nonzero(roots == SUPPRESSED) :]
    starts = np.flatnonzero(np.diff(blocks[by_block], prepend=SUPPRESSED))
    ends = np.flatnonzero(np.diff(roots[by_block], append=SUPPRESSED)) + 1
    price = weights / np.maximum(order.domain - 1, 1)
    mix = _mixed(order)
    part_of, parts, start = np.full(len(roots), SUPPRESSED), 0, 0
    for end in ends:
        rows = by_block[start:end]
        bounds = starts[np.searchsorted(starts, start) : np.searchsorted(starts, end)]
        found = np.empty(len(rows), np.int64)
        number = cover_root(
            ranks[rows], histogram.learners[rows], np.append(bounds, end) - start,
            order.label, order.leaves, mix, price, k, found,
        )  # fmt: skip
        part_of[rows] = parts + found
        parts, start = parts + number, int(end)
    return part_of, parts


def _mixed(order: LeafOrder) -> NDArray[np.uint64]:
    """64 bits for each label of each level and attribute, by SplitMix64 (Steele et al. 2014)."""
    attribute, level, _ = np.indices(order.label.shape)
    bits = ((attribute << 8 | level) << 32 | order.label).astype(np.uint64)
    bits = (bits + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ bits >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ bits >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = bits ^ bits >> np.uint64(31)
    return mixed
