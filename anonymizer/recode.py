"""The master recode of a population: one frozen recoding that every extract is a projection of.

Two extracts that are optimized apart single out nearly everybody who is in both. So a population is
recoded once, and the recode says of any learner, then or later, which labels are his. It never
widens a label: a newcomer whom it does not cover waits, or goes with others as a batch of their
own, k-anonymous by themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.grouping import holding
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, classes_of, group_index
from anonymizer.leaf_order import LeafOrder
from anonymizer.models import Model
from anonymizer.parts import Demands, checked_weights, good_cells, released
from anonymizer.split_kernels import NONE
from anonymizer.splitter import Tree, split

Labels: TypeAlias = tuple[str, ...]
"""The label of each quasi-identifier in a class."""


@dataclass(frozen=True, eq=False)
class FrozenTree:
    """A local recoding that newcomers can be led through.

    Attributes:
        hierarchies: of the quasi-identifiers.
        k: learners that every class had at least.
        tree: one root; `part` is the class of a leaf, -1 where there is none.
        classes: their labels, all different.

    Raises:
        CoreError: the arrays are no tree over these hierarchies, or a label is of none of them.
    """

    hierarchies: tuple[Hierarchy, ...]
    k: int
    tree: Tree
    classes: tuple[Labels, ...]

    def __post_init__(self) -> None:
        _check(self.hierarchies, self.k, self.classes)
        tree, nodes = self.tree, np.arange(len(self.tree.parent))
        below = tree.parent[1:]
        heights = np.array([hierarchy.height for hierarchy in self.hierarchies] or [0])
        inner = tree.attribute != NONE
        sound = (
            len(nodes) > 0
            and tree.parent[0] == NONE
            and ((below >= 0) & (below < nodes[1:])).all()
            and inner[below].all()
            and (tree.attribute < len(self.hierarchies)).all()
            and ((tree.level >= 0) & (tree.level < heights[tree.attribute]))[inner].all()
            and ((tree.part >= NONE) & (tree.part < len(self.classes))).all()
        )
        if not sound:
            raise CoreError("recode: the nodes are no tree; fit it again")

    @classmethod
    def fit(
        cls,
        histogram: Histogram,
        hierarchies: Sequence[Hierarchy],
        models: Sequence[Model],
        *,
        weights: Sequence[float],
    ) -> Self:
        """Split a population, and keep the tree (see `splitter.split`).

        Args:
            histogram: of the population's learners, in one cell.
            hierarchies: one for each column of `histogram.codes`.
            models: what every class must satisfy.
            weights: how much the loss of each quasi-identifier matters, above 0.

        Raises:
            CoreError: there are several cells, or a parameter is out of range.
            NoRecodingError: the population as a whole fails the models.
        """
        _one_cell(histogram)
        matter, demands = checked_weights(weights, len(hierarchies)), Demands.of(models)
        order = LeafOrder.of(hierarchies)
        roots = good_cells(histogram, demands)
        if (roots == SUPPRESSED).all():
            raise NoRecodingError("models: the population as a whole fails them; lower k, l or t")
        found = split(histogram, order, roots, demands.others, k=demands.k, weights=matter)
        made = released(histogram, order, found.part_of, found.parts, demands)
        # A node that is split has part NONE, which picks the NONE appended here.
        part = np.append(made.class_of_part, NONE)[found.tree.part]
        classes = made.generalization.class_of[~made.generalization.suppressed]
        member = np.zeros(len(made.size), np.int64)
        member[classes] = np.arange(len(classes))
        labels = made.generalization.labels(histogram.codes, hierarchies)
        return cls(
            hierarchies=tuple(hierarchies),
            k=demands.k,
            tree=replace(found.tree, part=part),
            classes=_rows([column[member] for column in labels], len(member)),
        )

    def apply(self, codes: NDArray[np.int32]) -> Generalization:
        """Lead each learner down the tree; `SUPPRESSED` where the recode does not cover him.

        He is not covered if no branch is his, or if a leaf of his is not under his class's label.

        Args:
            codes: leaf codes of the hierarchies; shape (n, q).
        """
        order = LeafOrder.of(self.hierarchies)
        tree, number = self.tree, len(self.tree.parent)
        residual = np.full(number, NONE)
        is_residual = (tree.label == NONE) & (tree.parent != NONE)
        residual[tree.parent[is_residual]] = np.flatnonzero(is_residual)
        labels = int(order.label.max(initial=0)) + 1
        named = np.flatnonzero(tree.label != NONE)
        branch = tree.parent[named] * labels + tree.label[named]
        by_branch = np.argsort(branch)
        branch, child = np.append(branch[by_branch], number * labels), named[by_branch]
        child = np.append(child, NONE)
        node = np.zeros(len(codes), np.int64)
        on_the_way = np.arange(len(codes))
        while len(on_the_way):
            at = node[on_the_way]
            inner = (at != NONE) & (tree.attribute[at] != NONE)
            on_the_way, at = on_the_way[inner], at[inner]
            j = tree.attribute[at]
            label = order.label[j, tree.level[at], order.rank[j, codes[on_the_way, j]]]
            wanted = at * labels + label
            place = np.searchsorted(branch, wanted)
            node[on_the_way] = np.where(branch[place] == wanted, child[place], residual[at])
        class_of = np.where(node == NONE, SUPPRESSED, tree.part[node])
        return _covered(codes, self.hierarchies, self.classes, class_of)


@dataclass(frozen=True, eq=False)
class FrozenLevels:
    """A full-domain recoding, and the classes that it released.

    Attributes:
        hierarchies: of the quasi-identifiers.
        k: learners that every class had at least.
        levels: the level of each quasi-identifier.
        classes: their labels, all different.

    Raises:
        CoreError: a level or a label is of none of the hierarchies.
    """

    hierarchies: tuple[Hierarchy, ...]
    k: int
    levels: tuple[int, ...]
    classes: tuple[Labels, ...]

    def __post_init__(self) -> None:
        _check(self.hierarchies, self.k, self.classes)
        heights = [hierarchy.height for hierarchy in self.hierarchies]
        if len(self.levels) != len(heights) or not all(
            0 <= level <= height for level, height in zip(self.levels, heights, strict=True)
        ):
            raise CoreError("levels: give one of each hierarchy's levels")

    @classmethod
    def fit(
        cls,
        histogram: Histogram,
        hierarchies: Sequence[Hierarchy],
        models: Sequence[Model],
        *,
        levels: Sequence[int],
    ) -> Self:
        """Keep the classes that hold at the levels that a search found.

        Args:
            histogram: of the population's learners, in one cell.
            hierarchies: one for each column of `histogram.codes`.
            models: what every class must satisfy; one that fails is not covered.
            levels: the level of each quasi-identifier.

        Raises:
            CoreError: there are several cells, or a level is out of range.
            NoRecodingError: no class holds.
        """
        _one_cell(histogram)
        demands = Demands.of(models)
        recode = cls(tuple(hierarchies), demands.k, tuple(levels), ())
        names = recode._labels(histogram.codes)
        group, number = group_index(histogram.cell, names)
        good = holding(classes_of(histogram, group, number), demands.others, demands.k)
        if not good.any():
            raise NoRecodingError("models: no class holds at these levels; choose higher ones")
        member = np.zeros(number, np.int64)
        member[group] = np.arange(len(group))
        columns = [
            np.array(hierarchy.domain(), object)[name[member[good]]]
            for hierarchy, (name, _) in zip(hierarchies, names, strict=True)
        ]
        return replace(recode, classes=_rows(columns, int(good.sum())))

    def apply(self, codes: NDArray[np.int32]) -> Generalization:
        """The class of each learner; `SUPPRESSED` where his labels were not released.

        Args:
            codes: leaf codes of the hierarchies; shape (n, q).
        """
        names = self._labels(codes)
        known = _numbered(self.hierarchies, self.classes)
        columns = [
            (np.concatenate([known[:, j], name]).astype(np.int32), size)
            for j, (name, size) in enumerate(names)
        ]
        rows = len(self.classes) + len(codes)
        group, number = group_index(np.zeros(rows, np.int64), columns)
        class_of = np.full(number, SUPPRESSED)
        class_of[group[: len(self.classes)]] = np.arange(len(self.classes))
        own = class_of[group[len(self.classes) :]]
        return _covered(codes, self.hierarchies, self.classes, own)

    def _labels(self, codes: NDArray[np.int32]) -> list[tuple[NDArray[np.int32], int]]:
        """The label of each learner in each quasi-identifier, as a place in its domain."""
        names = [_names(hierarchy) for hierarchy in self.hierarchies]
        return [
            (name[level, codes[:, j]], int(name.max()) + 1)
            for j, (name, level) in enumerate(zip(names, self.levels, strict=True))
        ]


MasterRecode: TypeAlias = FrozenTree | FrozenLevels
"""How a population is recoded, for good."""


def _one_cell(histogram: Histogram) -> None:
    if histogram.cell.min(initial=0) != histogram.cell.max(initial=0):
        raise CoreError("histogram: a master recode is of learners; count them in one cell")


def _check(hierarchies: Sequence[Hierarchy], k: int, classes: Sequence[Labels]) -> None:
    domains = [frozenset(hierarchy.domain()) for hierarchy in hierarchies]
    for labels in classes:
        if len(labels) != len(domains) or not all(map(frozenset.__contains__, domains, labels)):
            raise CoreError("recode: a class has a label that its hierarchy lacks; fit it again")
    if k < 1 or len(set(classes)) < len(classes):
        raise CoreError("recode: k is below 1, or a class occurs twice; fit it again")


def _rows(columns: Sequence[NDArray[np.object_]], number: int) -> tuple[Labels, ...]:
    """The columns of labels as one tuple a class."""
    return tuple(zip(*columns, strict=True)) if columns else ((),) * number


def _names(hierarchy: Hierarchy) -> NDArray[np.int32]:
    """The place in the domain of each leaf's label at each level; shape (levels, D)."""
    place = {label: i for i, label in enumerate(hierarchy.domain())}
    return np.array(
        [
            [place[label] for label in hierarchy.label_of(level)]
            for level in range(hierarchy.height + 1)
        ],
        np.int32,
    )


def _numbered(hierarchies: Sequence[Hierarchy], classes: Sequence[Labels]) -> NDArray[np.int64]:
    """The labels of the classes as places in the domains; shape (classes, q)."""
    places = [{label: i for i, label in enumerate(h.domain())} for h in hierarchies]
    found = [[place[label] for place, label in zip(places, row, strict=True)] for row in classes]
    return np.array(found, np.int64).reshape(len(classes), len(hierarchies))


def _covered(
    codes: NDArray[np.int32],
    hierarchies: Sequence[Hierarchy],
    classes: Sequence[Labels],
    class_of: NDArray[np.int64],
) -> Generalization:
    """The given classes, without those whose leaves are not under the labels of theirs."""
    levels = np.zeros((len(classes), len(hierarchies)), np.int64)
    numbers = _numbered(hierarchies, classes)
    covered = class_of != SUPPRESSED
    for j, hierarchy in enumerate(hierarchies):
        names = _names(hierarchy)
        lowest = np.zeros(int(names.max()) + 1, np.int64)
        for level in range(hierarchy.height, -1, -1):
            lowest[names[level]] = level
        levels[:, j] = lowest[numbers[:, j]]
        own = class_of[covered]
        covered[covered] = names[levels[own, j], codes[covered, j]] == numbers[own, j]
    kept = class_of[covered]
    used, renumbered = np.unique(kept, return_inverse=True)
    found = np.full(len(codes), SUPPRESSED)
    found[covered] = renumbered
    return Generalization(found, levels[used])
