"""t-closeness: the sensitive values of a class are distributed much as those of all learners.

Li, Li, Venkatasubramanian, "t-Closeness: Privacy Beyond k-Anonymity and l-Diversity", 2007. How far
two distributions lie apart is the earth mover's distance (EMD) over a distance of the values, from
0 to 1. For each of the three distances of the paper it has a closed form in whole numbers, so that
no class is refused or admitted by a rounding.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError, HierarchyError
from anonymizer.hierarchy import Hierarchy
from anonymizer.models import (
    EquivalenceClasses,
    SensitiveValues,
    as_written,
    blocks,
    counted,
    times,
)

_INT64: Final = 2**63
"""Whole numbers from here on do not fit an int64."""


@dataclass(frozen=True)
class EqualDistance:
    """Any two values are 1 apart: EMD = 1/2 sum_i |p_i - q_i|."""


@dataclass(frozen=True)
class OrderedDistance:
    """Values i and j of m are |i - j| / (m - 1) apart: EMD = mean of |sum_(j <= i) (p_j - q_j)|.

    The mean is over the m - 1 cut points between neighbours. m counts the values that occur in
    what the class is compared with, in declared order: one that nobody has makes no step.
    """


@dataclass(frozen=True)
class HierarchicalDistance:
    """Two values are (level of their lowest common ancestor) / height apart.

    The recursion of Li et al. moves what the children of a node cannot settle among themselves up
    to its parent, at 1 / (2 height) a level: EMD = the mean over the levels below the root of half
    the L1 distance between the two distributions of labels at that level. A value may itself be an
    inner label, as columns are released at coarser levels: it then counts as itself at every level
    below its own, which leaves the distance as above.

    Attributes:
        hierarchy: the tree of the sensitive column. Its labels include every value.
    """

    hierarchy: Hierarchy


Distance: TypeAlias = EqualDistance | OrderedDistance | HierarchicalDistance
"""How far two values of a sensitive column lie apart, from 0 to 1."""


@dataclass(frozen=True)
class TCloseness:
    """EMD(values of the class, values it is compared with) <= t, for every class.

    With c_i of C learners of the class and r_i of R learners of the reference having value i, the
    excess c_i R - r_i C is a whole number, and so is EMD * unit * C * R. Each learner has one value
    here: of several he would count once for each. t is the decimal that it is written as.

    Attributes:
        column: the sensitive column.
        t: from 0 to 1.
        distance: of two values.

    Raises:
        CoreError: t is out of range, the classes lack the column, or a class has a value that
            what it is compared with has not.
        HierarchyError: a value is no label of the hierarchy of the distance.
    """

    column: str
    t: float
    distance: Distance

    def __post_init__(self) -> None:
        if not 0 <= self.t <= 1:
            raise CoreError(f"t of {self.column}: a number from 0 to 1")

    def __call__(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes are that close, or show no value."""
        held = counted(classes, self.column, model="t-closeness")
        holds = np.empty(len(held.counts), np.bool_)
        for block in blocks(held):
            holds[block] = self._close(held, block)
        return holds

    def _close(self, held: SensitiveValues, block: slice) -> NDArray[np.bool_]:
        counts, reference = held.counts[block], held.reference[held.stratum[block]]
        occurs = reference > 0
        if ((counts > 0) & ~occurs).any():
            raise CoreError(
                f"t-closeness of {self.column}: a class has a value that its reference lacks;"
                " count both over the same learners"
            )
        inside, overall = counts.sum(axis=1), reference.sum(axis=1)
        unit = _unit(self.distance, occurs)
        if int(unit.max()) * int(inside.max()) * int(overall.max()) >= _INT64:
            counts, reference, inside, overall = (
                array.astype(object) for array in (counts, reference, inside, overall)
            )
        excess = counts * overall[:, None] - reference * inside[:, None]
        if isinstance(self.distance, EqualDistance):
            cost = np.abs(excess).sum(axis=1)
        elif isinstance(self.distance, OrderedDistance):
            # Where a value does not occur, the cut before it would count a second time.
            cost = (np.abs(np.cumsum(excess, axis=1)) * occurs).sum(axis=1)
        else:
            cost = _up_the_tree(excess, self.distance.hierarchy, held.values)
        t = as_written(self.t)
        whole = unit * inside * overall
        close: NDArray[np.bool_] = times(cost, t.denominator) <= times(whole, t.numerator)
        return close


def _unit(distance: Distance, occurs: NDArray[np.bool_]) -> NDArray[np.int64]:
    """By what an EMD is multiplied, besides C R, to become a whole number; shape (classes,)."""
    if isinstance(distance, EqualDistance):
        return np.full(len(occurs), 2, np.int64)
    if isinstance(distance, OrderedDistance):
        cuts: NDArray[np.int64] = np.maximum(occurs.sum(axis=1, dtype=np.int64) - 1, 1)
        return cuts
    return np.full(len(occurs), 2 * distance.hierarchy.height, np.int64)


def _up_the_tree(excess: NDArray[Any], tree: Hierarchy, values: tuple[str, ...]) -> NDArray[Any]:
    """The sum over all labels below the root of the excess that leaves them; shape (classes,)."""
    flow = np.zeros(len(excess), excess.dtype)
    for above in _labels_above(tree, values):
        nodes = {label: node for node, label in enumerate(dict.fromkeys(above))}
        node = np.array([nodes[label] for label in above], np.int64)
        under = (node[:, None] == np.arange(len(nodes))).astype(excess.dtype)
        flow += np.abs(excess @ under).sum(axis=1)
    return flow


def _labels_above(tree: Hierarchy, values: tuple[str, ...]) -> list[list[str]]:
    """For each level below the root the label over each value, the value itself below its own.

    Raises:
        HierarchyError: a value is no label of the hierarchy. The value is not named.
    """
    over = [tree.label_of(level) for level in range(tree.height + 1)]
    place: dict[str, tuple[int, int]] = {}
    for level, labels in enumerate(over):
        for leaf, label in enumerate(labels):
            place.setdefault(label, (level, leaf))
    if not place.keys() >= set(values):
        raise HierarchyError(
            f"hierarchical distance: a value is no label of hierarchy {tree.name}; give the"
            " hierarchy that the column is released along"
        )
    paths = [place[value] for value in values]
    return [[over[max(level, own)][leaf] for own, leaf in paths] for level in range(tree.height)]
