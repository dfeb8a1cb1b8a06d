"""The equivalence classes of one node of a generalization lattice, counted exactly.

A *node* chooses one level for each quasi-identifier. It groups the learners into equivalence
classes, and the classes that fail a model are suppressed whole.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.grouping import holding, merged
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, classes_of, group_index, sums
from anonymizer.metrics import Figures
from anonymizer.models import EquivalenceClasses, KAnonymity, KMap, Model

Node: TypeAlias = tuple[int, ...]
"""One level for each quasi-identifier."""

_REMEMBERED: Final = 64  # grouped nodes kept to group coarser ones from


@dataclass(frozen=True, eq=False)
class _Grouped:
    """A node whose classes were counted: any leaf under a label stands for the label."""

    node: Node
    codes: NDArray[np.int32]
    cell: NDArray[np.int64]
    classes: EquivalenceClasses


class Nodes:
    """One histogram, and the figures of any node of its lattice.

    Attributes:
        learners: n, over all tuples.
        weights: how much each quasi-identifier matters.
        leaves: D of each quasi-identifier.
        spread: `spread[j][level]` is the sum over the learners of the leaves under their label.
        least: k of k-anonymity, and where k-map is asked for also its k. More learners in a class
            never break these two: of other models this is not true.

    Raises:
        CoreError: hierarchies or weights do not fit the histogram.
    """

    def __init__(
        self,
        histogram: Histogram,
        hierarchies: Sequence[Hierarchy],
        models: Sequence[Model],
        weights: Sequence[float],
    ) -> None:
        if not len(hierarchies) == len(weights) == histogram.codes.shape[1]:
            raise CoreError("weights: give one for each quasi-identifier")
        if not all(0 < weight < math.inf for weight in weights):
            raise CoreError("weights: numbers above 0")
        self.hierarchies = hierarchies
        self.weights = tuple(weights)
        self.learners = histogram.total
        self.leaves = tuple(len(hierarchy.leaves) for hierarchy in hierarchies)
        # Contiguous columns, and cells without gaps.
        self.histogram = Histogram(
            codes=np.asfortranarray(histogram.codes),
            cell=np.unique(histogram.cell, return_inverse=True)[1].astype(np.int64),
            learners=histogram.learners,
            population=histogram.population,
            sensitive=histogram.sensitive,
        )
        self._leaf_counts = [
            [h.leaf_counts(level) for level in range(h.height + 1)] for h in hierarchies
        ]
        held = [
            sums(codes, histogram.learners, leaves)
            for codes, leaves in zip(histogram.codes.T, self.leaves, strict=True)
        ]
        self.spread = [
            [int(of_leaf @ counts) for counts in per_level]
            for of_leaf, per_level in zip(held, self._leaf_counts, strict=True)
        ]
        k = max((model.k for model in models if isinstance(model, KAnonymity)), default=1)
        self._mapped = [model for model in models if isinstance(model, KMap)]
        self.least = (k, max(model.k for model in self._mapped)) if self._mapped else (k,)
        self.others = [model for model in models if not isinstance(model, (KAnonymity, KMap))]
        self._grouped: list[_Grouped] = []

    def figures(
        self, suppressed: int, classes: int, squares: int, spread: Sequence[int]
    ) -> Figures:
        """The figures of a recoding of these learners."""
        return Figures(
            learners=self.learners,
            suppressed=suppressed,
            classes=classes,
            squares=squares,
            spread=tuple(spread),
            leaves=self.leaves,
            weights=self.weights,
        )

    def unsuppressed(self, node: Node) -> Figures:
        """The figures of a node if nobody were suppressed, as if in a single class a learner.

        Of no node can any metric be lower: its loss is at least that of its levels, and nothing is
        known of its classes without counting them.
        """
        spread = [self.spread[j][level] for j, level in enumerate(node)]
        return self.figures(0, self.learners, self.learners, spread)

    def count(self, node: Node) -> tuple[Figures, int]:
        """The figures of a node, and how many learners k-anonymity and k-map alone suppress."""
        at = self._group(node)
        size = at.classes.size
        holds = holding(at.classes, [*self._mapped, *self.others], self.least[0])
        enough = holding(at.classes, self._mapped, self.least[0])
        lost = np.flatnonzero(~holds)
        spread = []
        for j, level in enumerate(node):
            under = self._leaf_counts[j][level][at.codes[lost, j]]
            added = int(size[lost] @ (self.leaves[j] - under))
            spread.append(self.spread[j][level] + added)
        kept = size[holds]
        return (
            self.figures(int(size[lost].sum()), len(kept), int(kept @ kept), spread),
            int(size[~enough].sum()),
        )

    def generalization(self, node: Node) -> Generalization:
        """The classes of a node; a tuple whose class has no learners is in none."""
        of_tuple, number = self._labels(node, self.histogram.codes, self.histogram.cell)
        classes = classes_of(self.histogram, of_tuple, number)
        holds = holding(classes, [*self._mapped, *self.others], self.least[0])
        kept = int(holds.sum())
        renumbered = np.full(number, SUPPRESSED, np.int64)
        renumbered[holds] = np.arange(kept)
        levels = np.tile(np.array(node, np.int64), (kept, 1))
        return Generalization(class_of=renumbered[of_tuple], levels=levels)

    def _labels(
        self, node: Node, codes: NDArray[np.int32], cell: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], int]:
        """Which of them have equal labels at a node, and how many differ."""
        columns = [
            (h.levels[level][codes[:, j]], len(h.labels[level]))
            for j, (h, level) in enumerate(zip(self.hierarchies, node, strict=True))
        ]
        return group_index(cell, columns)

    def _source(self, node: Node) -> Histogram | _Grouped:
        """The smallest remembered groups that a node unites."""
        source: Histogram | _Grouped = self.histogram
        for known in self._grouped:
            below = all(a <= b for a, b in zip(known.node, node, strict=True))
            if below and len(known.cell) < len(source.cell):
                source = known
        return source

    def _group(self, node: Node) -> _Grouped:
        """Group the tuples at a node, and remember groups that are much fewer than their source."""
        source = self._source(node)
        of_source, number = self._labels(node, source.codes, source.cell)
        member = np.zeros(number, np.int64)
        member[of_source] = np.arange(len(of_source))
        found = _Grouped(
            node=node,
            codes=np.asfortranarray(source.codes[member]),
            cell=source.cell[member],
            classes=merged(source.classes, of_source, number)
            if isinstance(source, _Grouped)
            else classes_of(source, of_source, number),
        )
        if 2 * number <= len(of_source):
            self._grouped = [*self._grouped, found][-_REMEMBERED:]
        return found
