"""The compiled passes of the splitter: each reads the tuples of the open parts once or twice.

Arrays of tuples are ordered so that every part is a run of rows, `start` to `end`. A part's split
is into the labels `low` to `low + width - 1` of one level of one attribute, its *children*; those
of all parts lie one after the other, a part's from its `offset`.
"""

# Compiled functions take arrays one by one, and calls within them cost the reader more than loops.
# ruff: noqa: C901, D417, PLR0912, PLR0915, PLR0917

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.jit import jit
from anonymizer.leaf_order import Ranks

NONE: Final = -1
"""No attribute, node, label or part."""

LEAST_BITS: Final = 0.02
"""Added to the bits of a split, so that one that sets next to nobody apart is not the best."""


@jit
def propose(
    ranks: Ranks,
    learners: NDArray[np.int64],
    index: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    closed: NDArray[np.int64],
    label: NDArray[np.int32],
    leaves: NDArray[np.int32],
    price: NDArray[np.float64],
    k: int,
    split: NDArray[np.int64],
    final: NDArray[np.int64],
) -> None:
    """Choose the split of each part that saves the most loss per bit, as far as k alone forbids.

    Saved: learners times the leaves fewer that their label stands for, times the attribute's price.
    Bits: the entropy of who goes where. Children below k form the residual; one below k takes in
    the smallest child. Ties go to the first attribute, and among children to the first.

    Args:
        ranks, learners, index: of the tuples; shape (n, q), (n,) and (n,).
        start, end: of the parts.
        closed: bit j is set where attribute j is not to be split.
        label, leaves: as in `LeafOrder`.
        price: the loss of a leaf more, weighted; shape (q,).
        k: learners that every child and residual must have.
        split: written: attribute (-1: none), level, low and width of each part; shape (parts, 4).
        final: written: the index of the tuples of parts without a split; shape (n,).
    """
    q = ranks.shape[1]
    count = np.zeros(label.shape[:1] + label.shape[2:], np.int64)
    low = np.empty(q, np.int64)
    high = np.empty(q, np.int64)
    for p in range(len(start)):
        split[p, 0] = NONE
        total = 0
        idle = False
        low[:] = label.shape[2]
        high[:] = -1
        for i in range(start[p], end[p]):
            total += learners[i]
            idle |= learners[i] == 0
            for j in range(q):
                rank = np.int64(ranks[i, j])
                count[j, rank] += learners[i]
                low[j] = min(low[j], rank)
                high[j] = max(high[j], rank)
        best = 0.0
        # Below 2k one of two sides fails, unless it has tuples without learners only.
        if total >= 2 * k or idle:
            for j in range(q):
                if low[j] == high[j] or (closed[p] >> j) & 1:
                    continue
                top = 0
                while label[j, top, low[j]] != label[j, top, high[j]]:
                    top += 1
                level = top - 1
                above = leaves[j, top, low[j]]
                saved = smallest_saved = rest = run = smallest = np.int64(0)
                held = 0
                bits = 0.0
                for v in range(low[j], high[j] + 1):
                    run += count[j, v]
                    if v < high[j] and label[j, level, v] == label[j, level, v + 1]:
                        continue
                    if run >= k:
                        gain = run * (above - leaves[j, level, v])
                        saved += gain
                        held += 1
                        bits += run * np.log2(total / run)
                        if smallest == 0 or run < smallest:
                            smallest = run
                            smallest_saved = gain
                    else:
                        rest += run
                    run = np.int64(0)
                if 0 < rest < k and held > 0:
                    saved -= smallest_saved
                    held -= 1
                    bits -= smallest * np.log2(total / smallest)
                    rest += smallest
                if held == 0:
                    continue
                if rest > 0:
                    bits += rest * np.log2(total / rest)
                score = price[j] * saved / (bits / total + LEAST_BITS)
                if score > best:
                    best = score
                    split[p, 0] = j
                    split[p, 1] = level
                    split[p, 2] = label[j, level, low[j]]
                    split[p, 3] = label[j, level, high[j]] - label[j, level, low[j]] + 1
        if split[p, 0] == NONE:
            final[start[p] : end[p]] = index[start[p] : end[p]]
        if end[p] - start[p] < label.shape[2]:
            for i in range(start[p], end[p]):
                for j in range(q):
                    count[j, ranks[i, j]] = 0
        else:
            count[:] = 0


@jit
def count_children(
    ranks: Ranks,
    learners: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    label: NDArray[np.int32],
    split: NDArray[np.int64],
    offset: NDArray[np.int64],
    held: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> None:
    """Add up the learners and the tuples of each child into `held` and `rows`, zeros at first."""
    for p in range(len(start)):
        j = split[p, 0]
        for i in range(start[p], end[p]):
            child = offset[p] + label[j, split[p, 1], ranks[i, j]] - split[p, 2]
            held[child] += learners[i]
            rows[child] += 1


@jit
def divide(
    ranks: Ranks,
    learners: NDArray[np.int64],
    index: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    label: NDArray[np.int32],
    split: NDArray[np.int64],
    offset: NDArray[np.int64],
    begin: NDArray[np.int64],
    residual: NDArray[np.int64],
    to_ranks: Ranks,
    to_learners: NDArray[np.int64],
    to_index: NDArray[np.int64],
) -> None:
    """Copy the tuples of each part so that each child is a run of rows; tuples keep their order.

    Args:
        ranks, learners, index: of the tuples.
        start, end, label, split, offset: as above.
        begin: the first row of each child; -1 where it is in the residual. Overwritten.
        residual: the first row of each part's residual. Overwritten.
        to_ranks, to_learners, to_index: written.
    """
    for p in range(len(start)):
        j = split[p, 0]
        for i in range(start[p], end[p]):
            child = offset[p] + label[j, split[p, 1], ranks[i, j]] - split[p, 2]
            if begin[child] >= 0:
                to = begin[child]
                begin[child] += 1
            else:
                to = residual[p]
                residual[p] += 1
            for column in range(ranks.shape[1]):
                to_ranks[to, column] = ranks[i, column]
            to_learners[to] = learners[i]
            to_index[to] = index[i]
