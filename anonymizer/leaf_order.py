"""Hierarchies as arrays that compiled passes can read: leaves numbered along the tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.hierarchy import Hierarchy
from anonymizer.jit import jit

Ranks: TypeAlias = NDArray[np.uint16] | NDArray[np.int32]
"""Ranks of tuples, one column a hierarchy: what passes over all tuples read again and again."""


@dataclass(frozen=True, eq=False)
class LeafOrder:
    """The leaves of q hierarchies, each numbered so that every label is a run of numbers.

    A leaf's *rank* is its place in that order. The lowest common ancestor of any set of leaves is
    then that of its lowest and its highest rank, and the labels of a level rise with the rank.

    Attributes:
        rank: the rank of each leaf code; shape (q, most leaves).
        domain: D, the leaves of each hierarchy; shape (q,).
        label: `label[j, level, rank]` numbers the labels of a level from 0. Hierarchies that are
            lower than the highest repeat their root; shape (q, levels, most leaves).
        leaves: the leaves under that label; the same shape.
    """

    rank: NDArray[np.int32]
    domain: NDArray[np.int64]
    label: NDArray[np.int32]
    leaves: NDArray[np.int32]

    @classmethod
    def of(cls, hierarchies: Sequence[Hierarchy]) -> Self:
        """Number the leaves of each hierarchy."""
        height = max((hierarchy.height for hierarchy in hierarchies), default=0)
        domain = np.array([len(hierarchy.leaves) for hierarchy in hierarchies], np.int64)
        shape = (len(hierarchies), height + 1, int(domain.max(initial=1)))
        label, leaves = np.zeros(shape, np.int32), np.ones(shape, np.int32)
        ranks = np.zeros((shape[0], shape[2]), np.int32)
        for j, hierarchy in enumerate(hierarchies):
            by_path = np.lexsort(hierarchy.levels)  # the root first, siblings by their code
            ranks[j, by_path] = np.arange(len(by_path))
            for level in range(height + 1):
                at = min(level, hierarchy.height)
                codes = hierarchy.levels[at][by_path]
                label[j, level, 1 : len(codes)] = np.cumsum(codes[1:] != codes[:-1])
                leaves[j, level, : len(codes)] = hierarchy.leaf_counts(at)[by_path]
        return cls(rank=ranks, domain=domain, label=label, leaves=leaves)

    def ranks(self, codes: NDArray[np.int32], rows: NDArray[np.int64]) -> Ranks:
        """The ranks of some rows of leaf codes, in the smallest type that holds them.

        Args:
            codes: shape (n, q).
            rows: which rows, in which order; shape (m,).
        """
        small = self.rank.shape[1] <= np.iinfo(np.uint16).max + 1
        found = np.empty((len(rows), codes.shape[1]), np.uint16 if small else np.int32)
        _rank(codes, self.rank, rows, found)
        return found

    def extent(
        self, codes: NDArray[np.int32], part_of: NDArray[np.int64], parts: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The lowest and the highest rank in each part; both of shape (parts, q).

        Args:
            codes: leaf codes of tuples; shape (n, q).
            part_of: the part of each tuple; negative where it is in none; shape (n,).
            parts: how many, none of them empty.
        """
        low = np.full((parts, len(self.rank)), np.iinfo(np.int32).max, np.int32)
        high = np.full((parts, len(self.rank)), -1, np.int32)
        _extend(codes, self.rank, part_of, low, high)
        return low, high

    def common_level(self, low: NDArray[np.int32], high: NDArray[np.int32]) -> NDArray[np.int64]:
        """The level of the lowest common ancestor of two ranks; all of shape (n, q)."""
        level = np.zeros(low.shape, np.int64)
        for j, label in enumerate(self.label):
            one, other = low[:, j].copy(), high[:, j].copy()
            # Labels that agree agree at every level above.
            apart = [of_level[one] != of_level[other] for of_level in label[:-1]]
            level[:, j] = np.sum(apart, axis=0, dtype=np.int64)
        return level

    def ncp(
        self, rank: NDArray[np.int32], level: NDArray[np.int64], size: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The normalized certainty penalty (Xu et al. 2006) of each attribute, summed; shape (q,).

        A learner's is (leaves under the label - 1) / (D - 1): 0 for a leaf, 1 for the root.

        Args:
            rank: a rank under each label of each class; shape (classes, q).
            level: of each label; shape (classes, q).
            size: learners of each class.
        """
        more = [
            size @ (leaves[level[:, j], rank[:, j]] - 1) for j, leaves in enumerate(self.leaves)
        ]
        return np.array(more, np.float64) / np.maximum(self.domain - 1, 1)


@jit
def _rank(
    codes: NDArray[np.int32], rank: NDArray[np.int32], rows: NDArray[np.int64], found: Ranks
) -> None:
    for i in range(len(rows)):
        for j in range(codes.shape[1]):
            found[i, j] = rank[j, codes[rows[i], j]]


@jit
def _extend(
    codes: NDArray[np.int32],
    rank: NDArray[np.int32],
    part_of: NDArray[np.int64],
    low: NDArray[np.int32],
    high: NDArray[np.int32],
) -> None:
    for i in range(len(codes)):
        part = part_of[i]
        if part >= 0:
            for j in range(codes.shape[1]):
                at = rank[j, codes[i, j]]
                low[part, j] = min(low[part, j], at)
                high[part, j] = max(high[part, j], at)
