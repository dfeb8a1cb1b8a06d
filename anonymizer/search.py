"""Optimal full-domain generalization with suppression, by the Loss metric of ARX.

A *node* chooses one level for each quasi-identifier. It groups the learners into equivalence
classes; the classes that fail a model are suppressed whole. Suppressing only adds loss, so the loss
without suppression bounds a node from below: nodes are visited in its ascending order, until it
exceeds the best loss found. This is exact for every model, monotone or not.

Losses are kept in whole numbers until the last step, so that equal nodes compare as equal.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, classes_of, group_index
from anonymizer.models import KAnonymity, Model

Node: TypeAlias = tuple[int, ...]
"""One level for each quasi-identifier."""

_FLOOR: Final = 10**10
"""ARX floors the loss of a column to ten decimals."""


@dataclass(frozen=True, eq=False)
class Recoding:
    """A full-domain recoding and what it costs.

    Attributes:
        levels: the level of each quasi-identifier.
        loss: geometric mean of (weight * column loss + 1), less 1; 0 loses nothing.
        suppressed_tuples: whether each tuple of the histogram is suppressed; shape (n,).
        suppressed: learners suppressed.
        classes: equivalence classes kept.
        evaluated: nodes whose classes were counted.
    """

    levels: Node
    loss: float
    suppressed_tuples: NDArray[np.bool_]
    suppressed: int
    classes: int
    evaluated: int


def optimal_recoding(
    histogram: Histogram,
    hierarchies: Sequence[Hierarchy],
    models: Sequence[Model],
    *,
    suppression_limit: int,
    weights: Sequence[float],
) -> Recoding:
    """The full-domain recoding of least loss that keeps to the suppression limit.

    Equal losses are settled by the lower total level, then by the lexicographically smaller node.

    Args:
        histogram: distinct learners by tuple.
        hierarchies: one for each column of `histogram.codes`.
        models: a class that fails any of them is suppressed.
        suppression_limit: learners that may be suppressed at most.
        weights: how much the loss of each quasi-identifier matters, above 0.

    Raises:
        CoreError: a parameter is out of range.
        NoRecodingError: no node keeps to the limit and keeps anyone at all.
    """
    lattice = _Lattice(histogram, hierarchies, models, weights)
    if suppression_limit < 0:
        raise CoreError("suppression_limit: a whole number of learners of at least 0")
    # Suppressing everyone is not a result.
    limit = min(suppression_limit, histogram.total - 1)
    refuted = _Refuted(lattice, limit)
    best: tuple[int, int, Node] | None = None
    for bound, node in ascending_nodes((0,) * len(hierarchies), lattice.top, lattice.bound):
        if refuted.holds(lattice.top) or (best is not None and (bound, sum(node), node) > best):
            break
        if refuted.holds(node):
            continue
        suppressed = lattice.suppressed(node, models)
        if lattice.learners(suppressed) <= limit:
            found = (lattice.product(node, suppressed), sum(node), node)
            best = found if best is None else min(best, found)
        else:
            refuted.climb(node)
    if best is None:
        raise NoRecodingError(
            "no generalization keeps suppression within its limit: raise suppression_limit, lower k"
            " or loosen the maximum share, or leave out a quasi-identifier or small items"
        )
    product, _, node = best
    suppressed = lattice.suppressed(node, models)
    return Recoding(
        levels=node,
        loss=lattice.loss(product),
        suppressed_tuples=suppressed,
        suppressed=lattice.learners(suppressed),
        classes=np.unique(lattice.classes(node)[0][~suppressed]).size,
        evaluated=lattice.evaluated - 1,
    )


def ascending_nodes(
    bottom: Node, top: Node, cost: Callable[[Node], int]
) -> Iterator[tuple[int, Node]]:
    """Every node between two nodes with its cost, cheapest first.

    Equal costs come by lower total level, then lexicographically. Nodes are made as they are
    needed: each from the one before its last raise, so that none is made twice.

    Args:
        bottom: the lowest level of each column.
        top: the highest.
        cost: in whole numbers, so that ties are ties; must not fall when a level rises.
    """
    heap = [(cost(bottom), sum(bottom), bottom, 0)]
    while heap:
        value, total, node, raised = heapq.heappop(heap)
        yield value, node
        for j in range(raised, len(node)):
            if node[j] < top[j]:
                above = (*node[:j], node[j] + 1, *node[j + 1 :])
                heapq.heappush(heap, (cost(above), total + 1, above, j))


class _Refuted:
    """Nodes known to break the suppression limit by k-anonymity alone.

    Generalizing only merges classes, so k-anonymity suppresses no more learners at a node than at
    those below it: a node that breaks the limit refutes every node below it. (Of a maximum share
    this is not true.)
    """

    def __init__(self, lattice: "_Lattice", limit: int) -> None:
        self._lattice = lattice
        self._limit = limit
        self._models = [model for model in lattice.models if isinstance(model, KAnonymity)]
        self._highest = np.empty((0, len(lattice.top)), np.int64)

    def holds(self, node: Node) -> bool:
        """Whether a refuted node lies at or above this one."""
        return bool((self._highest >= np.array(node, np.int64)).all(axis=1).any())

    def climb(self, node: Node) -> None:
        """Refute as much as one path from a node to the top allows, by bisection."""
        if not self._breaks(node):
            return
        path = [node]
        while path[-1] != self._lattice.top:
            path.append(self._lattice.cheapest_raise(path[-1]))
        low, high = 0, len(path)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._breaks(path[middle]) else (low, middle)
        self._highest = np.vstack([self._highest, np.array(path[low], np.int64)])

    def _breaks(self, node: Node) -> bool:
        if not self._models:
            return False
        return self._lattice.learners(self._lattice.suppressed(node, self._models)) > self._limit


class _Lattice:
    """One histogram, and the figures of any node of its lattice."""

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
        self._histogram = histogram
        self._hierarchies = hierarchies
        self.models = models
        self.top = tuple(hierarchy.height for hierarchy in hierarchies)
        # A floating-point number is a fraction: these are the weights in a common unit.
        exact = [Fraction(weight) for weight in weights]
        unit = math.lcm(*(weight.denominator for weight in exact))
        self._weights = [int(weight * unit) for weight in exact]
        self._one = _FLOOR * max(self._weights, default=1)
        # Contiguous columns: every node gathers from them anew.
        self._codes = [np.ascontiguousarray(column) for column in histogram.codes.T]
        self._cell = np.unique(histogram.cell, return_inverse=True)[1].astype(np.int64)
        self._leaf_counts = [
            [h.leaf_counts(level) for level in range(h.height + 1)] for h in hierarchies
        ]
        self._spread = [
            [int(histogram.learners @ counts[codes]) for counts in per_level]
            for codes, per_level in zip(self._codes, self._leaf_counts, strict=True)
        ]
        self._factors = [
            [self._factor(j, spread) for spread in spreads]
            for j, spreads in enumerate(self._spread)
        ]
        self.evaluated = 0

    def _factor(self, j: int, spread: int) -> int:
        """Weight * loss + 1 of column j in units of `_one`; `spread` is D_j times ARX's aggregate.

        L = (agg - n/D) / (n - n/D) = (spread - n) / (n (D - 1)), floored to ten decimals. A
        hierarchy of a single leaf has nothing to lose.
        """
        n, leaves = self._histogram.total, len(self._hierarchies[j].leaves)
        lost = (spread - n) * _FLOOR // (n * (leaves - 1)) if n and leaves > 1 else 0
        return self._weights[j] * lost + self._one

    def loss(self, product: int) -> float:
        """The Loss of a node from its product of factors."""
        columns = len(self.top)
        return float((product / self._one**columns) ** (1 / max(columns, 1)) - 1)

    def bound(self, node: Node) -> int:
        """The product of the factors of a node if nobody were suppressed."""
        return math.prod(self._factors[j][level] for j, level in enumerate(node))

    def product(self, node: Node, suppressed: NDArray[np.bool_]) -> int:
        """The product of the factors of a node: suppressed learners count as fully generalized."""
        learners = self._histogram.learners[suppressed]
        factors = []
        for j, level in enumerate(node):
            kept = self._leaf_counts[j][level][self._codes[j][suppressed]]
            lost = int(learners @ (len(self._hierarchies[j].leaves) - kept))
            factors.append(self._factor(j, self._spread[j][level] + lost))
        return math.prod(factors)

    def classes(self, node: Node) -> tuple[NDArray[np.int64], int]:
        """The class of each tuple at a node, and the number of classes."""
        columns = [
            (h.levels[level][codes], len(h.labels[level]))
            for h, level, codes in zip(self._hierarchies, node, self._codes, strict=True)
        ]
        return group_index(self._cell, columns)

    def suppressed(self, node: Node, models: Sequence[Model]) -> NDArray[np.bool_]:
        """Whether each tuple is in a class that fails a model at a node; shape (n,)."""
        self.evaluated += 1
        of_tuple, number = self.classes(node)
        classes = classes_of(self._histogram, of_tuple, number)
        holds = np.ones(number, np.bool_)
        for model in models:
            holds &= model(classes)
        return ~holds[of_tuple]

    def learners(self, tuples: NDArray[np.bool_]) -> int:
        """Learners of the chosen tuples."""
        return int(self._histogram.learners[tuples].sum())

    def cheapest_raise(self, node: Node) -> Node:
        """The node one level up that adds least loss; the node is not the top."""
        raises = [
            (*node[:j], level + 1, *node[j + 1 :])
            for j, level in enumerate(node)
            if level < self.top[j]
        ]
        return min(raises, key=self.bound)
