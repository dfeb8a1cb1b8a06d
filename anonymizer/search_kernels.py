"""The compiled part of the optimal search: which nodes of a lattice can still be the best.

`explore` visits nodes, grouped by `node_kernels.evaluate`, until one might be the best by
k-anonymity alone, and leaves it to the caller to settle, exactly and with every other model,
whether it is. Floats only ever rule nodes out, and only beyond a margin that the caller adds to
`ceiling`.

Why a node w can be ruled out by another one, u:

- u above w: generalizing only merges classes, so whoever k-anonymity suppresses at u it suppresses
  at w, where his label, before he was suppressed, was no wider. Whether he was suppressed for k or
  for another model, more suppression never improves a metric. So the loss at w is at least that of
  its own levels plus what these learners lose at u; and w breaks the limit if u does.
- u below w: the classes at w are unions of those at u: fewer of them, and squares add up.
"""

# Kernels take arrays one by one and write their loops out: calls and tuples of arrays cost there.
# ruff: noqa: C901, D417, PLR0917

import numpy as np
from numpy.typing import NDArray

from anonymizer.jit import jit
from anonymizer.lattice import (
    CLASS_SIZE,
    CLASSES,
    DISCERNIBILITY,
    EVALUATED,
    FAILED,
    FAILED_SQUARES,
    FINISHED,
    FIRST,
    FROM_ABOVE,
    HIGH,
    KEEPS,
    LAST,
    LOST,
    LOW,
    MIDDLE,
    ROOM,
    SPENT,
    SQUARES,
    SUPPRESSED,
    Front,
    Shape,
    Store,
)
from anonymizer.node_kernels import evaluate, score, term


@jit
def _bound_below(
    shape: Shape, front: Front, node: int, levels: NDArray[np.int64], figures: NDArray[np.int64]
) -> None:
    """Raise the bounds of a node and all below it by what k-anonymity suppresses at the node."""
    last = len(levels) - 1
    terms = np.zeros((last + 1, levels.max() + 1))
    own = 0.0
    if figures[SUPPRESSED] > shape.limit:
        terms[last] = np.inf
    elif shape.metric == DISCERNIBILITY:
        # Each of these counts n, where `low` counts no more than his class at this node.
        own, n = 1.0, float(shape.learners)
        terms[last] = n * float(figures[SUPPRESSED]) - float(figures[FAILED_SQUARES])
    elif shape.metric == CLASS_SIZE:
        terms[last] = -float(figures[ROOM] + 1)
    else:
        for j in range(last + 1):
            for level in range(levels[j] + 1):
                terms[j, level] = term(shape, j, level, figures[LOST + j])
    digits = np.zeros(last + 1, np.int64)
    partial = np.zeros(last + 1)
    below, j = 0, 0
    while j >= 0:
        for i in range(j, last):
            partial[i + 1] = partial[i] + terms[i, digits[i]]
        for level in range(levels[last] + 1):
            least = partial[last] + terms[last, level] + own * front.low[below + level]
            front.bound[below + level] = max(front.bound[below + level], least)
        j = last - 1
        while j >= 0 and digits[j] == levels[j]:
            below -= digits[j] * shape.stride[j]
            digits[j] = 0
            j -= 1
        if j >= 0:
            below += shape.stride[j]
            digits[j] += 1
    front.bound[node] = np.inf


@jit
def _bound_above(
    shape: Shape, front: Front, node: int, levels: NDArray[np.int64], figures: NDArray[np.int64]
) -> None:
    """Raise the bounds of the nodes above by the classes of a node, whoever suppresses them."""
    if shape.metric == DISCERNIBILITY:
        least = float(figures[SQUARES] + figures[FAILED_SQUARES])
    else:
        least = -float(figures[CLASSES] + figures[FAILED])
    digits = levels.copy()
    above, j = node, 0
    while j >= 0:
        front.low[above] = max(front.low[above], least)
        front.bound[above] = max(front.bound[above], least)
        j = len(levels) - 1
        while j >= 0 and digits[j] == shape.height[j]:
            above -= (digits[j] - levels[j]) * shape.stride[j]
            digits[j] = levels[j]
            j -= 1
        if j >= 0:
            above += shape.stride[j]
            digits[j] += 1


@jit
def _start_chain(shape: Shape, front: Front, ceiling: float) -> bool:
    """Choose the nodes to bisect next; returns whether any are left.

    In turn a path that climbs from the live node of least rank by the cheapest live steps, which
    finds nodes that keep to the limit, and the live node of highest rank alone, whose suppression
    bounds the most nodes below.
    """
    at, order = front.at, front.order
    while at[FIRST] < len(order) and front.bound[order[at[FIRST]]] > ceiling:
        at[FIRST] += 1
    while at[LAST] >= 0 and front.bound[order[at[LAST]]] > ceiling:
        at[LAST] -= 1
    if at[FIRST] == len(order):
        return False
    node = order[at[LAST]] if at[FROM_ABOVE] else order[at[FIRST]]
    length = 0
    while node >= 0:
        front.chain[length] = node
        length += 1
        cheapest = -1
        if not at[FROM_ABOVE]:
            for j in range(len(shape.height)):
                if node // shape.stride[j] % (shape.height[j] + 1) < shape.height[j]:
                    up = node + shape.stride[j]
                    live = front.bound[up] <= ceiling
                    if live and (cheapest < 0 or front.rank[up] < front.rank[cheapest]):
                        cheapest = up
        node = cheapest
    at[LOW], at[HIGH], at[MIDDLE] = 0, length - 1, -1
    at[FROM_ABOVE] = 1 - at[FROM_ABOVE]
    return True


@jit
def explore(
    shape: Shape,
    store: Store,
    front: Front,
    ceiling: float,
    budget: int,
    figures: NDArray[np.int64],
) -> int:
    """Visit nodes until one may be the best.

    Args:
        ceiling: the metric of the best node so far, as `score` gives it, plus a margin.
        budget: nodes to evaluate in all, at most.
        figures: receives the figures of the node found; shape (LOST + q,).

    Returns:
        A node that by k-anonymity alone keeps to the limit and the ceiling; FINISHED where there is
        no other; SPENT where the budget ended before that was known. If the node found breaks the
        limit by another model, the caller sets KEEPS to 0.
    """
    at = front.at
    levels = np.empty(len(shape.height), np.int64)
    while True:
        if at[MIDDLE] >= 0:
            # Upward where this node broke the limit, or nothing below it is left to be tried.
            middle = at[MIDDLE]
            settled = middle > 0 and front.bound[front.chain[middle - 1]] > ceiling
            if at[KEEPS] and not settled:
                at[HIGH] = middle - 1
            else:
                at[LOW] = middle + 1
            at[MIDDLE] = -1
        if at[LOW] > at[HIGH] and not _start_chain(shape, front, ceiling):
            return FINISHED
        middle = (at[LOW] + at[HIGH]) // 2
        node = front.chain[middle]
        if front.bound[node] > ceiling:
            if front.low[node] > ceiling:
                at[HIGH] = middle - 1
            else:
                at[LOW] = middle + 1
            continue
        if at[EVALUATED] == budget:
            return SPENT
        for j in range(len(levels)):
            levels[j] = node // shape.stride[j] % (shape.height[j] + 1)
        at[EVALUATED] += 1
        whole = evaluate(shape, store, levels, ceiling, figures)
        at[MIDDLE] = middle
        at[KEEPS] = 1 if figures[SUPPRESSED] <= shape.limit else 0
        if whole and shape.metric >= DISCERNIBILITY:
            _bound_above(shape, front, node, levels, figures)
        _bound_below(shape, front, node, levels, figures)
        if whole and at[KEEPS] and score(shape, levels, figures) <= ceiling:
            return int(node)
