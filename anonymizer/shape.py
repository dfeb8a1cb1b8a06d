"""From a histogram and its hierarchies to the arrays that the compiled search reads."""

import numpy as np
from numpy.typing import NDArray

from anonymizer import lattice
from anonymizer.metrics import AverageClassSize, Discernibility, Figures, Loss, Metric
from anonymizer.node_kernels import score
from anonymizer.nodes import Node, Nodes
from anonymizer.packing import pack

_MARGIN = 1e-12
"""Far above the rounding errors of a float metric, relative to it."""


class Space:
    """The lattice between two nodes, ready to be explored.

    Codes that do not occur are left out, so that keys are narrow and maps short. Levels count from
    the bottom node.

    Attributes:
        shape, store, front: what the kernels work on.
        figures: receives the figures of the node found.
    """

    def __init__(self, nodes: Nodes, bottom: Node, top: Node, metric: Metric, limit: int) -> None:
        self._nodes = nodes
        self._bottom = np.array(bottom, np.int64)
        height = np.array(top, np.int64) - self._bottom
        shape = (len(height), int(height.max()) + 1)
        self._maps: list[NDArray[np.int32]] = []
        self._lost: list[NDArray[np.int64]] = []
        map_at, lost_at = np.zeros((*shape, shape[1]), np.int64), np.zeros(shape, np.int64)
        spread = np.zeros(shape, np.int64)
        codes = np.empty((len(nodes.histogram.codes), len(height) + 1), np.int32, order="F")
        cardinalities = []
        for j, (low, high) in enumerate(zip(bottom, top, strict=True)):
            spread[j, : high - low + 1] = nodes.spread[j][low : high + 1]
            of_leaf, number = self._column(j, low, high, map_at[j], lost_at[j])
            codes[:, j] = of_leaf[nodes.histogram.codes[:, j]]
            cardinalities.append(number)
        codes[:, -1] = nodes.histogram.cell
        packed = pack(codes, [*cardinalities, int(nodes.histogram.cell.max(initial=0)) + 1])
        counts = [nodes.histogram.learners, nodes.histogram.population][: len(nodes.least)]
        widest = np.argsort(cardinalities, kind="stable")[len(height) // 3 :]
        weights = np.array(nodes.weights) / max(nodes.weights)
        leaves = np.array(nodes.leaves, np.float64)
        self.shape = lattice.Shape(
            height=height,
            stride=np.cumprod([1, *(height[:0:-1] + 1)])[::-1].astype(np.int64),
            word=packed.word,
            shift=packed.shift,
            mask=packed.mask,
            maps=np.concatenate(self._maps),
            map_at=map_at,
            lost=np.concatenate(self._lost),
            lost_at=lost_at,
            spread=spread,
            scale=weights / (nodes.learners * np.maximum(leaves - 1, 1)),
            wide=np.isin(np.arange(len(height)), widest),
            least=np.array(nodes.least, np.int64),
            learners=nodes.learners,
            limit=limit,
            metric=_number(metric),
        )
        self.store = lattice.store_of(packed.keys, np.stack(counts, axis=1), len(height))
        self.front = lattice.front_of(*self._ranks(metric), int(height.sum()) + 1)
        self.figures = np.zeros(lattice.LOST + len(height), np.int64)

    def node(self, number: int) -> Node:
        """The levels of a node of the lattice."""
        levels = number // self.shape.stride % (self.shape.height + 1) + self._bottom
        return tuple(int(level) for level in levels)

    def found(self, node: Node) -> Figures:
        """The figures of the node found, by k-anonymity and k-map alone."""
        of = self.figures
        lost = of[lattice.LOST :]
        return self._nodes.figures(
            int(of[lattice.SUPPRESSED]),
            int(of[lattice.CLASSES]),
            int(of[lattice.SQUARES]),
            [self._nodes.spread[j][level] + int(lost[j]) for j, level in enumerate(node)],
        )

    def ceiling(self, node: Node, figures: Figures) -> float:
        """A metric so far above that of a node that any above it is certainly worse.

        ARX's floor to ten decimals makes losses equal that differ by less than 1e-10 a column.
        """
        of = np.zeros_like(self.figures)
        of[lattice.SUPPRESSED] = figures.suppressed
        of[lattice.CLASSES] = figures.classes
        of[lattice.SQUARES] = figures.squares
        for j, level in enumerate(node):
            of[lattice.LOST + j] = figures.spread[j] - self._nodes.spread[j][level]
        found = score(self.shape, np.array(node, np.int64) - self._bottom, of)
        floored = 1e-10 * len(node) if self.shape.metric < lattice.DISCERNIBILITY else 0.0
        return found + floored + _MARGIN * max(1.0, abs(found))

    def _column(
        self, j: int, low: int, high: int, map_at: NDArray[np.int64], lost_at: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], int]:
        """Lay out a column's maps; returns the code of each leaf at the bottom and their number."""
        hierarchy = self._nodes.hierarchies[j]
        used = np.unique(self._nodes.histogram.codes[:, j])
        codes, leaf = [], []
        for level in range(low, high + 1):
            _, first, code = np.unique(
                hierarchy.levels[level][used], return_index=True, return_inverse=True
            )
            codes.append(code.astype(np.int32))
            leaf.append(first)
            lost_at[level - low] = sum(map(len, self._lost))
            self._lost.append(len(hierarchy.leaves) - hierarchy.leaf_counts(level)[used[first]])
        for a, first in enumerate(leaf):
            for z in range(a + 1, len(codes)):
                map_at[a, z] = sum(map(len, self._maps))
                self._maps.append(codes[z][first])
        # Where the column cannot be raised, the kernels still need an array of the type.
        self._maps.append(np.empty(0, np.int32))
        of_leaf = np.zeros(len(hierarchy.leaves), np.int32)
        of_leaf[used] = codes[0]
        return of_leaf, len(leaf[0])

    def _ranks(self, metric: Metric) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For each node its Loss, and its metric, if nobody were suppressed."""
        shape = self.shape
        rank = np.zeros(1)
        for j, top in enumerate(shape.height):
            lost = shape.scale[j] * (shape.spread[j, : top + 1] - shape.learners)
            terms = lost if shape.metric == lattice.ARITHMETIC else np.log1p(lost)
            rank = np.add.outer(rank, terms).ravel()
        if isinstance(metric, Loss):
            return rank, rank.copy()
        bottom = self._nodes.unsuppressed(tuple(int(level) for level in self._bottom))
        return rank, np.full(len(rank), float(metric.cost(bottom)))


def _number(metric: Metric) -> int:
    """The metric as the kernels know it."""
    match metric:
        case Loss(mean="geometric"):
            return lattice.GEOMETRIC
        case Loss():
            return lattice.ARITHMETIC
        case Discernibility():
            return lattice.DISCERNIBILITY
        case AverageClassSize():
            return lattice.CLASS_SIZE
