"""Which released labels cover the leaves that an attacker knows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.generalization import Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram

_BLOCK: Final = 2**15
"""Rows matched at once: each stands in memory once for every prefix of labels that covers it."""


class ReleasedLabels:
    """The combinations of labels that a release shows, found by the leaves that they cover.

    Under local recoding labels overlap: a learner's leaves may be covered by combinations other
    than his own. They are kept as a trie with one quasi-identifier at each depth, so that only the
    prefixes that cover a row are followed.

    Attributes:
        of_class: the combination of each class; shape (classes,). Classes share one only where the
            attacker does not know the cell that parts them.
        number: of combinations.
    """

    def __init__(
        self,
        histogram: Histogram,
        hierarchies: Sequence[Hierarchy],
        generalization: Generalization,
        *,
        cell: NDArray[np.int64],
    ) -> None:
        """Collect the labels of every class.

        Args:
            histogram: distinct learners by tuple.
            hierarchies: one for each column of `histogram.codes`.
            generalization: the class of each tuple.
            cell: the cell of each tuple as far as the attacker knows it: `histogram.cell`, or 0
                throughout; shape (n,).

        Raises:
            CoreError: the arguments do not fit each other.
        """
        if not generalization.class_of.shape == cell.shape == histogram.learners.shape:
            raise CoreError("generalization: give a class and a cell for each tuple")
        if not len(hierarchies) == histogram.codes.shape[1] == generalization.levels.shape[1]:
            raise CoreError("hierarchies: give one for each quasi-identifier")
        # Any of its tuples tells the labels of a class.
        teller = np.empty(len(generalization.levels), np.int64)
        kept = np.flatnonzero(~generalization.suppressed)
        teller[generalization.class_of[kept]] = kept
        self._cells, node = _number(cell[teller])
        self._depths: list[_Depth] = []
        for j, hierarchy in enumerate(hierarchies):
            labels = _Labels.of(hierarchy)
            label = labels.at[generalization.levels[:, j], histogram.codes[teller, j]]
            edges, node = _number(node * labels.radix + label)
            self._depths.append(_Depth(labels.only(label), edges, labels.radix))
        self.of_class = node
        self.number = int(node.max(initial=-1)) + 1

    def covering(
        self, codes: NDArray[np.int32], cell: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Every pair of a row and a combination that covers its leaves in its cell.

        Args:
            codes: the leaf of each row in each quasi-identifier; shape (rows, q).
            cell: as in construction; shape (rows,).

        Yields:
            Rows, ascending, and combinations; block by block, each pair once.
        """
        for start in range(0, len(codes), _BLOCK):
            row = np.arange(start, min(start + _BLOCK, len(codes)))
            node = _find(self._cells, cell[row])
            row, node = row[node >= 0], node[node >= 0]
            for j, depth in enumerate(self._depths):
                labels = depth.paths[codes[row, j]]
                child = _find(depth.edges, node[:, None] * depth.radix + labels)
                at, level = np.nonzero(child >= 0)
                row, node = row[at], child[at, level]
            yield row, node


@dataclass(frozen=True, eq=False)
class _Depth:
    """One depth of the trie.

    Attributes:
        paths: for each leaf, the distinct labels above it that the release shows, 0 in places
            without one; shape (D, places).
        edges: parent * radix + label, ascending; a child is the place of its edge.
        radix: above every label.
    """

    paths: NDArray[np.int64]
    edges: NDArray[np.int64]
    radix: int


@dataclass(frozen=True, eq=False)
class _Labels:
    """The labels of a hierarchy, numbered from 1: equal ones alike, whatever their level.

    Attributes:
        at: the label of each leaf at each level; shape (levels, D).
        radix: above every label.
    """

    at: NDArray[np.int64]
    radix: int

    @classmethod
    def of(cls, hierarchy: Hierarchy) -> Self:
        number = {label: i for i, label in enumerate(hierarchy.domain(), 1)}
        levels = range(hierarchy.height + 1)
        at = [[number[label] for label in hierarchy.label_of(level)] for level in levels]
        return cls(np.array(at, np.int64), len(number) + 1)

    def only(self, shown: NDArray[np.int64]) -> NDArray[np.int64]:
        """The paths from each leaf to the root, reduced to the labels that are shown."""
        kept = np.isin(self.at, shown)
        # A label that stands at several levels of a path counts once.
        kept[1:] &= self.at[1:] != self.at[:-1]
        paths = np.where(kept, self.at, 0)
        return np.ascontiguousarray(paths[kept.any(axis=1)].T)


def _number(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct keys, ascending, and the place of each key among them."""
    distinct, place = np.unique(keys, return_inverse=True)
    return distinct, place.astype(np.int64, copy=False)


def _find(ascending: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each wanted key, -1 where it is absent."""
    if not len(ascending):
        return np.full(wanted.shape, -1, np.int64)
    place = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return np.where(ascending[place] == wanted, place, -1)
