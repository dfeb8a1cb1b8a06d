"""Optimal full-domain generalization with suppression: one level for each quasi-identifier.

The search is exact for every model and metric. Compiled code (`search_kernels`) rules nodes out by
what k-anonymity alone is known to cost there, which no further model makes cheaper; the nodes that
it cannot rule out are settled here in whole numbers and with every model. Ruling out more, as Flash
(Kohlmayer et al. 2012) does, would take for granted that a node fails wherever a more general one
does: with suppression that is not true of l-diversity, t-closeness or a maximum share.
"""

import heapq
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.generalization import Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram
from anonymizer.lattice import EVALUATED, FINISHED, KEEPS
from anonymizer.metrics import Figures, Loss, Metric
from anonymizer.models import Model
from anonymizer.nodes import Node, Nodes
from anonymizer.search_kernels import explore
from anonymizer.shape import Space

__all__ = ["Node", "Recoding", "ascending_nodes", "optimal_recoding"]

_LARGEST: Final = 10_000_000
"""The nodes of the largest lattice that is held in memory: 33 bytes each."""

_UNBOUNDED: Final = 2**62


@dataclass(frozen=True, eq=False)
class Recoding:
    """A full-domain recoding and what it costs.

    Attributes:
        levels: the level of each quasi-identifier.
        value: the metric's value.
        generalization: the class of each tuple of the histogram.
        suppressed: learners suppressed.
        classes: equivalence classes kept.
        evaluated: nodes whose classes were counted.
        exact: whether no better node exists; False where the budget ended before that was proven.
    """

    levels: Node
    value: float
    generalization: Generalization
    suppressed: int
    classes: int
    evaluated: int
    exact: bool


def optimal_recoding(
    histogram: Histogram,
    hierarchies: Sequence[Hierarchy],
    models: Sequence[Model],
    *,
    suppression_limit: int,
    weights: Sequence[float],
    metric: Metric = Loss(),  # noqa: B008 - frozen
    minimum: Node | None = None,
    maximum: Node | None = None,
    max_evaluations: int | None = None,
) -> Recoding:
    """The full-domain recoding of least cost that keeps to the suppression limit.

    Equal costs are settled by the lower total level, then by the lexicographically smaller node.

    Args:
        histogram: distinct learners by tuple.
        hierarchies: one for each column of `histogram.codes`.
        models: a class that fails any of them is suppressed.
        suppression_limit: learners that may be suppressed at most.
        weights: how much the loss of each quasi-identifier matters, above 0.
        metric: what is minimized.
        minimum: the lowest level allowed for each quasi-identifier; None allows every level.
        maximum: the highest; None allows every level.
        max_evaluations: nodes counted at most, for a best effort; None searches to the end.

    Raises:
        CoreError: a parameter is out of range.
        NoRecodingError: no node keeps to the limit and keeps anyone at all, or none was found
            before the budget ended.
    """
    nodes = Nodes(histogram, hierarchies, models, weights)
    bottom, top = _levels(hierarchies, minimum, maximum)
    if suppression_limit < 0:
        raise CoreError("suppression_limit: a whole number of learners of at least 0")
    if max_evaluations is not None and max_evaluations < 1:
        raise CoreError("max_evaluations: a whole number of nodes of at least 1")
    # Suppressing everyone is not a result.
    limit = min(suppression_limit, nodes.learners - 1)
    budget = _UNBOUNDED if max_evaluations is None else max_evaluations
    best = _Best(nodes, metric, limit)
    size = math.prod(high - low + 1 for low, high in zip(bottom, top, strict=True))
    if limit < 0:
        evaluated, exact = 0, True
    elif not bottom or size > _LARGEST:
        evaluated, exact = _search_lazily(nodes, bottom, top, best, budget)
    else:
        evaluated, exact = _search(nodes, bottom, top, best, budget)
    if best.found is None:
        raise NoRecodingError(_nothing_found(exact=exact))
    (_, _, node), figures = best.found
    return Recoding(
        levels=node,
        value=metric.value(figures),
        generalization=nodes.generalization(node),
        suppressed=figures.suppressed,
        classes=figures.classes,
        evaluated=evaluated,
        exact=exact,
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


def _levels(
    hierarchies: Sequence[Hierarchy], minimum: Node | None, maximum: Node | None
) -> tuple[Node, Node]:
    """The lowest and the highest node allowed."""
    heights = tuple(hierarchy.height for hierarchy in hierarchies)
    bottom = (0,) * len(heights) if minimum is None else tuple(minimum)
    top = heights if maximum is None else tuple(maximum)
    if not len(bottom) == len(top) == len(heights) or not all(
        0 <= low <= high <= height for low, high, height in zip(bottom, top, heights, strict=True)
    ):
        raise CoreError(
            "minimum, maximum: give a level of each hierarchy for each quasi-identifier, the"
            " minimum no higher than the maximum"
        )
    return bottom, top


def _nothing_found(*, exact: bool) -> str:
    if exact:
        return (
            "no generalization keeps suppression within its limit: raise suppression_limit, lower k"
            " or loosen the other models, or leave out a quasi-identifier or small items"
        )
    return (
        "the budget ended before any generalization was found that keeps suppression within its"
        " limit: raise max_evaluations or suppression_limit, or leave out a quasi-identifier"
    )


class _Best:
    """The best node offered so far, by exact cost."""

    def __init__(self, nodes: Nodes, metric: Metric, limit: int) -> None:
        self.nodes = nodes
        self.metric = metric
        self.limit = limit
        self.found: tuple[tuple[int, int, Node], Figures] | None = None

    def offer(self, node: Node, figures: Figures) -> bool:
        """Take a node if it is better; returns whether it keeps to the limit."""
        if figures.suppressed > self.limit:
            return False
        ranked = (self.metric.cost(figures), sum(node), node)
        if self.found is None or ranked < self.found[0]:
            self.found = ranked, figures
        return True


def _search(nodes: Nodes, bottom: Node, top: Node, best: _Best, budget: int) -> tuple[int, bool]:
    """Search a lattice that fits memory; returns the nodes evaluated and whether to the end."""
    space = Space(nodes, bottom, top, best.metric, best.limit)
    ceiling = sys.float_info.max
    while True:
        number = explore(space.shape, space.store, space.front, ceiling, budget, space.figures)
        if number < 0:
            return int(space.front.at[EVALUATED]), number == FINISHED
        node = space.node(number)
        figures = nodes.count(node)[0] if nodes.others else space.found(node)
        if best.offer(node, figures):
            ceiling = min(ceiling, space.ceiling(node, figures))
        else:
            space.front.at[KEEPS] = 0


def _search_lazily(
    nodes: Nodes, bottom: Node, top: Node, best: _Best, budget: int
) -> tuple[int, bool]:
    """Search a lattice of any size, best first by what a node costs if nobody is suppressed.

    A node that breaks the limit by k-anonymity alone refutes all nodes below it, so that from each
    one a bisected path is climbed to refute as many as it can.
    """
    evaluated = 0
    refuted = np.empty((0, len(bottom)), np.int64)

    def cost(node: Node) -> int:
        return best.metric.cost(nodes.unsuppressed(node))

    for bound, node in ascending_nodes(bottom, top, cost):
        beaten = best.found is not None and (bound, sum(node), node) > best.found[0]
        if beaten or (refuted == top).all(axis=1).any():
            break
        if (refuted >= np.array(node, np.int64)).all(axis=1).any():
            continue
        path = _climb(node, top, cost)
        low, high, middle = -1, len(path), 0
        while high - low > 1:
            if evaluated == budget:
                return evaluated, False
            evaluated += 1
            figures, too_few = nodes.count(path[middle])
            best.offer(path[middle], figures)
            if too_few > best.limit:
                low = middle
                refuted = np.vstack([refuted, np.array(path[middle], np.int64)])
            else:
                high = middle
            middle = (low + high) // 2
    return evaluated, True


def _climb(node: Node, top: Node, cost: Callable[[Node], int]) -> list[Node]:
    """A path to the top by the cheapest steps."""
    path = [node]
    while path[-1] != top:
        raises = [
            (*path[-1][:j], level + 1, *path[-1][j + 1 :])
            for j, level in enumerate(path[-1])
            if level < top[j]
        ]
        path.append(min(raises, key=cost))
    return path
