"""Local recoding from the top down: parts of a table, split along the hierarchies while they hold.

The learners of a cell begin as one part. A part is split on one quasi-identifier, into the children
of the lowest common ancestor of its leaves: the multidimensional partitioning of Mondrian (LeFevre
et al. 2006) with hierarchies for cuts. What no child can hold alone is kept together as the
*residual*, which keeps the ancestor's label. Of all splits, that with the most loss saved per bit
of partition is taken: parts run out of learners, and bits are what a split spends of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.generalization import SUPPRESSED
from anonymizer.grouping import selected, settled
from anonymizer.histogram import Histogram, classes_of
from anonymizer.leaf_order import LeafOrder, Ranks
from anonymizer.models import EquivalenceClasses, Model
from anonymizer.split_kernels import NONE, count_children, divide, propose

_MOST_ATTRIBUTES: Final = 62  # they are bits of an int64

_Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tree:
    """How the parts came about: nodes, the roots first, each after its parent.

    Attributes:
        attribute: the quasi-identifier that a node is split on; -1 for a leaf of the tree.
        level: the level of the labels that it is split into; -1 for a leaf.
        parent: the node that it was split from; -1 for a root.
        label: the number of its label at its parent's level, as in `LeafOrder.label`; -1 for a
            residual and for a root.
        part: the part that a leaf became; -1 elsewhere.
    """

    attribute: _Ints
    level: _Ints
    parent: _Ints
    label: _Ints
    part: _Ints


@dataclass(frozen=True, eq=False)
class Partition:
    """Parts of a histogram that hold, each to be released under its lowest common ancestors.

    Attributes:
        part_of: the part of each tuple, from 0 without gaps; `SUPPRESSED` where it is in none;
            shape (n,).
        parts: how many.
        tree: how they came about; node i is root i.
    """

    part_of: _Ints
    parts: int
    tree: Tree


@dataclass(frozen=True, eq=False)
class _Tuples:
    """The tuples that take part, so ordered that every open part is a run of rows."""

    ranks: Ranks
    learners: _Ints
    index: _Ints

    def blank(self) -> "_Tuples":
        """Room for as many."""
        return _Tuples(
            np.empty_like(self.ranks), np.empty_like(self.learners), np.empty_like(self.index)
        )


@dataclass(frozen=True, eq=False)
class _Parts:
    """Parts, row by row: their tuples, their node, and what they are not to be split on.

    Attributes:
        start: the first row of its tuples.
        end: the row after the last.
        node: in the tree.
        frozen: attributes, as bits, that it is a residual of: its residuals inherit them.
        banned: attributes, as bits, whose split the models refused: its residuals may try again.
    """

    start: _Ints
    end: _Ints
    node: _Ints
    frozen: _Ints
    banned: _Ints

    def taken(self, rows: NDArray[Any]) -> Self:
        """The parts that a mask or an index names."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def together(cls, several: "Sequence[_Parts]") -> "_Parts":
        """All of them in the order of their tuples."""
        columns = ([getattr(parts, field.name) for parts in several] for field in fields(cls))
        joined = cls(*map(np.concatenate, columns))
        return joined.taken(np.argsort(joined.start, kind="stable"))


def split(
    histogram: Histogram,
    order: LeafOrder,
    roots: _Ints,
    models: Sequence[Model],
    *,
    k: int,
    weights: NDArray[np.float64],
) -> Partition:
    """Split the roots as far as every part has k learners and satisfies the models.

    In a round every open part proposes one split, the children of all proposals are verified at
    once, and what fails joins the residual of its part. A residual that fails takes in the smallest
    child that held, until it holds; where none is left, the part does not propose that attribute
    again. A residual is not split on the attribute that it is a residual of. The order of the
    tuples makes no difference.

    Args:
        histogram: distinct learners by tuple. A residual may consist of tuples without learners
            alone: a part of which nothing is asked.
        order: of the hierarchies of `histogram.codes`.
        roots: the root that each tuple belongs to, from 0 without gaps, each within a cell and
            satisfying the models; `SUPPRESSED` where a tuple takes no part; shape (n,).
        models: what every part must satisfy besides k.
        k: learners that every part must have.
        weights: how much the loss of each quasi-identifier matters, above 0; shape (q,).

    Raises:
        CoreError: there are too many quasi-identifiers.
    """
    if len(order.domain) > _MOST_ATTRIBUTES:
        raise CoreError(f"hierarchies: at most {_MOST_ATTRIBUTES} quasi-identifiers; drop some")
    tuples, open_parts = _rooted(histogram, order, roots)
    growth = _Growth(len(open_parts.node))
    price = weights / np.maximum(order.domain - 1, 1)
    spare, index, final = tuples.blank(), np.empty_like(tuples.index), []
    while len(open_parts.node):
        splits = np.empty((len(open_parts.node), 4), np.int64)
        closed = open_parts.frozen | open_parts.banned
        propose(
            tuples.ranks, tuples.learners, tuples.index, open_parts.start, open_parts.end, closed,
            order.label, order.leaves, price, k, splits, index,
        )  # fmt: skip
        stays = splits[:, 0] == NONE
        final.append(open_parts.taken(stays))
        open_parts, splits = open_parts.taken(~stays), splits[~stays]
        if len(splits):
            open_parts = _divided(
                histogram, order, tuples, spare, open_parts, splits, models, k, growth
            )
            tuples, spare = spare, tuples
    return _partition(len(roots), index, _Parts.together(final), growth)


class _Growth:
    """The nodes of the tree as the rounds add them, and the splits of those that have children."""

    def __init__(self, roots: int) -> None:
        none = np.full(roots, NONE)
        self.nodes = roots
        self.born = [np.stack([none, none])]
        self.splits = [np.empty((3, 0), np.int64)]

    def grow(self, parent: _Ints, label: _Ints) -> _Ints:
        """Add nodes; their numbers."""
        self.born.append(np.stack([parent, label]))
        self.nodes += len(parent)
        return np.arange(self.nodes - len(parent), self.nodes)

    def tree(self, leaf_of_part: _Ints) -> Tree:
        """The finished tree."""
        parent, label = np.concatenate(self.born, axis=1)
        node, *split_at = np.concatenate(self.splits, axis=1)
        attribute, level, part = np.full((3, self.nodes), NONE)
        attribute[node], level[node] = split_at
        part[leaf_of_part] = np.arange(len(leaf_of_part))
        return Tree(attribute, level, parent, label, part)


def _rooted(histogram: Histogram, order: LeafOrder, roots: _Ints) -> tuple[_Tuples, _Parts]:
    """The tuples root by root, and the roots as parts."""
    index = np.argsort(roots, kind="stable")
    index = index[np.count_nonzero(roots == SUPPRESSED) :]
    sizes = np.bincount(roots[index])
    end = np.cumsum(sizes)
    nothing = np.zeros(len(end), np.int64)
    tuples = _Tuples(order.ranks(histogram.codes, index), histogram.learners[index], index)
    return tuples, _Parts(end - sizes, end, np.arange(len(end)), nothing, nothing)


def _divided(  # noqa: PLR0917 (all of a round)
    histogram: Histogram,
    order: LeafOrder,
    tuples: _Tuples,
    target: _Tuples,
    parts: _Parts,
    splits: _Ints,
    models: Sequence[Model],
    k: int,
    growth: _Growth,
) -> _Parts:
    """Carry out the splits that the models let pass, wholly or in part; the open parts then.

    Their tuples are written into `target`.
    """
    width = splits[:, 3]
    offset = np.cumsum(width) - width
    part = np.repeat(np.arange(len(width)), width)
    learners, rows = np.zeros((2, len(part)), np.int64)
    count_children(
        tuples.ranks, tuples.learners, parts.start, parts.end,
        order.label, splits, offset, learners, rows,
    )  # fmt: skip
    occupied = np.flatnonzero(rows)
    classes = (
        _children(histogram, order, tuples, parts, splits, offset, rows)
        if models
        else EquivalenceClasses(learners[occupied], learners[occupied], {})
    )
    alone = occupied[settled(classes, part[occupied], len(width), models, k)]

    # Rows of a part: the children that stand alone, one after the other, then the residual.
    moved = np.zeros(len(part), np.int64)
    moved[alone] = rows[alone]
    ahead = np.cumsum(moved) - moved
    begin = np.where(moved > 0, (parts.start - ahead[offset])[part] + ahead, NONE)
    first = begin[alone]
    taken = np.bincount(part, weights=moved, minlength=len(width)).astype(np.int64)
    residual = parts.start + taken
    divide(
        tuples.ranks, tuples.learners, tuples.index, parts.start, parts.end,
        order.label, splits, offset, begin, residual.copy(),
        target.ranks, target.learners, target.index,
    )  # fmt: skip

    divides = taken > 0
    divided, at, residual = parts.taken(divides), splits[divides], residual[divides]
    growth.splits.append(np.stack([divided.node, at[:, 0], at[:, 1]]))
    label = (np.arange(len(part)) - offset[part] + splits[part, 2])[alone]
    nothing = np.zeros(len(alone), np.int64)
    node = growth.grow(parts.node[part[alone]], label)
    children = _Parts(first, first + rows[alone], node, nothing, nothing)
    left = residual < divided.end
    frozen = (divided.frozen | 1 << at[:, 0])[left]
    node = growth.grow(divided.node[left], np.full(len(frozen), NONE))
    residuals = _Parts(residual[left], divided.end[left], node, frozen, np.zeros_like(frozen))
    refused = parts.taken(~divides)
    refused = replace(refused, banned=refused.banned | 1 << splits[~divides, 0])
    return _Parts.together([children, residuals, refused])


def _children(  # noqa: PLR0917 (all of a round)
    histogram: Histogram,
    order: LeafOrder,
    tuples: _Tuples,
    parts: _Parts,
    splits: _Ints,
    offset: _Ints,
    rows: _Ints,
) -> EquivalenceClasses:
    """The children that have tuples, with everything that a model may ask about them."""
    sizes = parts.end - parts.start
    part = np.repeat(np.arange(len(sizes)), sizes)
    row = np.arange(len(part)) + (parts.start - np.cumsum(sizes) + sizes)[part]
    attribute, level, low, _ = splits[part].T
    label = order.label[attribute, level, tuples.ranks[row, attribute]]
    number = np.cumsum(rows > 0) - 1
    others = int(number[-1]) + 1  # where the tuples are that no open part holds
    child = np.full(len(histogram.codes), others)
    child[tuples.index[row]] = number[offset[part] + label - low]
    return selected(classes_of(histogram, child, others + 1), np.arange(others))


def _partition(number: int, index: _Ints, final: _Parts, growth: _Growth) -> Partition:
    """The parts numbered in the order of their rows."""
    part_of = np.full(number, SUPPRESSED)
    part_of[index] = np.repeat(np.arange(len(final.node)), final.end - final.start)
    return Partition(part_of, len(final.node), growth.tree(final.node))
