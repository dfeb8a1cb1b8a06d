"""Coarsening by trying every combination of levels on the rows one by one."""

import itertools
from collections import Counter
from fractions import Fraction


def best_levels(rows, ladders, *, k, maximum_share, at_least):
    """The levels of one item, whose rows are tuples of leaf labels."""
    top = tuple(ladder.height for ladder in ladders)
    nodes = itertools.product(
        *(range(low, high + 1) for low, high in zip(at_least, top, strict=True))
    )
    holding = [node for node in nodes if _holds(rows, ladders, node, k, maximum_share)]
    ranked = sorted(holding, key=lambda node: (_loss(rows, ladders, node), sum(node), node))
    return ranked[0] if ranked else top


def labels_at(row, ladders, node):
    """The row's labels at a node."""
    return tuple(
        ladder.label_of(level)[ladder.leaves.index(leaf)]
        for ladder, level, leaf in zip(ladders, node, row, strict=True)
    )


def _holds(rows, ladders, node, k, maximum_share):
    released = [labels_at(row, ladders, node) for row in rows]
    if len(rows) < k or min(Counter(released).values()) < k:
        return False
    for j, ladder in enumerate(ladders):
        most = max(Counter(labels[j] for labels in released).values())
        share = Fraction(str(maximum_share.get(ladder.name, 1)))
        if node[j] < ladder.height and most > share * len(rows):
            return False
    return True


def _loss(rows, ladders, node):
    loss = Fraction(0)
    for row in rows:
        for label, ladder, level in zip(labels_at(row, ladders, node), ladders, node, strict=True):
            under = ladder.label_of(level).count(label)
            loss += Fraction(under - 1, max(len(ladder.leaves) - 1, 1))
    return loss
