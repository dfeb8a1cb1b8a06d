"""The equivalence classes of one node of a generalization lattice, counted exactly.

A *node* chooses one level for each quasi-identifier. It groups the learners into equivalence
classes, and the classes that fail a model are suppressed whole.
"""

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import (
    Histogram,
    SensitiveCounts,
    classes_of,
    group_index,
    sums,
)
from anonymizer.metrics import Figures
from anonymizer.models import EquivalenceClasses, KAnonymity, KMap, Model, SensitiveValues

Node: TypeAlias = tuple[int, ...]
"""One level for each quasi-identifier."""

_REMEMBERED: Final = 64  # grouped nodes kept to group coarser ones from


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
        mapped = [model.k for model in models if isinstance(model, KMap)]
        self.least = (k, max(mapped)) if mapped else (k,)
        self.others = [model for model in models if not isinstance(model, (KAnonymity, KMap))]
        self._grouped: list[tuple[Node, Histogram]] = []

    def figures(self, suppressed: int, classes: int, squares: int, spread: Sequence[int]) -> Figures:
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
        source, of_tuple, number = self._group(node)
        classes = classes_of(source, of_tuple, number)
        enough = self._enough(classes)
        holds = self._holds(classes, enough)
        member = np.zeros(number, np.int64)
        member[of_tuple] = np.arange(len(of_tuple))
        lost = np.flatnonzero(~holds)
        spread = []
        for j, level in enumerate(node):
            under = self._leaf_counts[j][level][source.codes[member[lost], j]]
            added = int(classes.size[lost] @ (self.leaves[j] - under))
            spread.append(self.spread[j][level] + added)
        kept = classes.size[holds]
        self._remember(node, source, classes, member, len(of_tuple))
        return (
            self.figures(int(classes.size[lost].sum()), len(kept), int(kept @ kept), spread),
            int(classes.size[~enough].sum()),
        )

    def generalization(self, node: Node) -> Generalization:
        """The classes of a node; a tuple whose class has no learners is in none."""
        columns = self._labels(node, self.histogram)
        of_tuple, number = group_index(self.histogram.cell, columns)
        classes = classes_of(self.histogram, of_tuple, number)
        holds = self._holds(classes, self._enough(classes))
        kept = int(holds.sum())
        renumbered = np.full(number, SUPPRESSED, np.int64)
        renumbered[holds] = np.arange(kept)
        levels = np.tile(np.array(node, np.int64), (kept, 1))
        return Generalization(class_of=renumbered[of_tuple], levels=levels)

    def _labels(self, node: Node, source: Histogram) -> list[tuple[NDArray[np.int32], int]]:
        return [
            (h.levels[level][source.codes[:, j]], len(h.labels[level]))
            for j, (h, level) in enumerate(zip(self.hierarchies, node, strict=True))
        ]

    def _group(self, node: Node) -> tuple[Histogram, NDArray[np.int64], int]:
        """The smallest histogram known that a node can be grouped from, and its groups."""
        source = self.histogram
        for below, grouped in self._grouped:
            finer = all(a <= b for a, b in zip(below, node, strict=True))
            if finer and len(grouped.codes) < len(source.codes):
                source = grouped
        return source, *group_index(source.cell, self._labels(node, source))

    def _remember(
        self,
        node: Node,
        source: Histogram,
        classes: EquivalenceClasses,
        member: NDArray[np.int64],
        tuples: int,
    ) -> None:
        """Keep the classes of a node as a histogram: any leaf of a label stands for the label."""
        if 2 * len(member) > tuples:
            return
        del self._grouped[: len(self._grouped) - _REMEMBERED + 1]
        grouped = Histogram(
            codes=np.asfortranarray(source.codes[member]),
            cell=source.cell[member],
            learners=classes.size,
            population=classes.population,
            sensitive={name: _counts(held) for name, held in classes.sensitive.items()},
        )
        self._grouped.append((node, grouped))

    def _enough(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes hold by k-anonymity and k-map; one without learners is no class."""
        enough = KAnonymity(self.least[0])(classes)
        return enough & KMap(self.least[1])(classes) if len(self.least) > 1 else enough

    def _holds(
        self, classes: EquivalenceClasses, enough: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which classes hold by every model. The costly ones see only what the others left."""
        holds = enough.copy()
        for model in self.others:
            left = np.flatnonzero(holds)
            holds[left] = model(_some(classes, left))
        return holds


def _some(classes: EquivalenceClasses, index: NDArray[np.int64]) -> EquivalenceClasses:
    """The chosen classes."""
    return EquivalenceClasses(
        size=classes.size[index],
        population=classes.population[index],
        sensitive={
            name: SensitiveValues(
                counts=held.counts[index],
                reference=held.reference,
                stratum=held.stratum[index],
                values=held.values,
            )
            for name, held in classes.sensitive.items()
        },
    )


def _counts(held: SensitiveValues) -> SensitiveCounts:
    """The values of classes as those of the tuples of a histogram."""
    at, value = np.nonzero(held.counts)
    return SensitiveCounts(
        tuple_index=at.astype(np.int64),
        value=value.astype(np.int32),
        learners=held.counts[at, value],
        values=held.values,
    )
