"""The compiled part of the optimal search: which nodes of a lattice can still be the best.

A *node* is numbered by its levels as the digits of a mixed-radix number, the last column first;
levels count from the bottom node. `evaluate` groups the tuples at a node; `explore` visits nodes
until it finds one that might be the best by k-anonymity alone, and leaves it to the caller to
settle, exactly and with every other model, whether it is. Floats only ever rule nodes out, and
only beyond a margin that the caller adds to `ceiling`.

Why a node w can be ruled out by another one, u:

- u above w: generalizing only merges classes, so whoever k-anonymity suppresses at u it suppresses
  at w, where his label, before he was suppressed, was no wider. Whether he was suppressed for k or
  for another model, more suppression never improves a metric. So the loss at w is at least that of
  its own levels plus what these learners lose at u; and w breaks the limit if u does.
- u below w: the classes at w are unions of those at u: fewer of them, and squares add up.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anonymizer.jit import jit

GEOMETRIC, ARITHMETIC, DISCERNIBILITY, CLASS_SIZE = range(4)
"""The metrics, as `Shape.metric`."""

SUPPRESSED, CLASSES, SQUARES, FAILED, FAILED_SQUARES, ROOM, LOST = range(7)
"""Whole figures of a node: learners suppressed; classes kept and the sum of their sizes squared;
classes suppressed and the same; the most classes that those kept could be split into; and from
LOST on, for each column, the leaves that suppression adds to its spread."""

EVALUATED, FIRST, LAST, FROM_ABOVE, LENGTH, LOW, HIGH, MIDDLE, KEEPS = range(9)
"""The state of `explore`: nodes evaluated; the ends of `Front.order` not yet settled; whether the
next chain is a node from the far end; the chain's length and the ends of its bisection; the node
evaluated last in the chain, -1 if none, and whether it kept to the limit."""

FINISHED: Final = -1
SPENT: Final = -2

_HASH: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing
_PART: Final = 1 << 15  # tuples whose hash table fits the second-level cache
_SLOTS: Final = 1024  # grouped nodes kept to group coarser ones from


class Shape(NamedTuple):
    """A lattice over q columns, as the kernels read it.

    Attributes:
        height: levels above the bottom; shape (q,).
        stride: the worth of one level of each column in a node's number; shape (q,).
        word, shift, mask: where a key holds each column; see `PackedCodes`; shape (q,).
        maps: codes at one level -> codes at a higher one, concatenated.
        map_at: where the map of a column from one level to another starts; shape (q, H, H).
        lost: for each code at a level, D less the leaves under it, concatenated.
        lost_at: where those of a column and level start; shape (q, H).
        spread: leaves under the label of each learner, summed, by column and level; shape (q, H).
        scale: what one leaf of spread weighs in the Loss of each column; shape (q,).
        least: learners, and where there are two also population, that a class needs.
        learners: n.
        limit: learners that may be suppressed.
        metric: GEOMETRIC, ARITHMETIC, DISCERNIBILITY or CLASS_SIZE.
    """

    height: NDArray[np.int64]
    stride: NDArray[np.int64]
    word: NDArray[np.int64]
    shift: NDArray[np.uint64]
    mask: NDArray[np.uint64]
    maps: NDArray[np.int32]
    map_at: NDArray[np.int64]
    lost: NDArray[np.int64]
    lost_at: NDArray[np.int64]
    spread: NDArray[np.int64]
    scale: NDArray[np.float64]
    least: NDArray[np.int64]
    learners: int
    limit: int
    metric: int


class Store(NamedTuple):
    """The tuples at the bottom, room to group them, and the groups of nodes visited before.

    Keys have shape (tuples, words), counts (tuples, 1 or 2): learners, and population where a
    model asks for it.
    """

    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]
    near_keys: NDArray[np.uint64]
    near_counts: NDArray[np.int64]
    far_keys: NDArray[np.uint64]
    far_counts: NDArray[np.int64]
    table: NDArray[np.int32]
    kept_keys: NDArray[np.uint64]
    kept_counts: NDArray[np.int64]
    kept_at: NDArray[np.int64]
    kept_size: NDArray[np.int64]
    kept_levels: NDArray[np.int64]
    kept: NDArray[np.int64]


class Front(NamedTuple):
    """What is known of the nodes; shapes (nodes,) but for the last two.

    Attributes:
        rank: the order to try them in: their Loss if nobody were suppressed.
        order: nodes by ascending rank.
        low: the metric at least, by the node's own levels and nodes below it.
        bound: the metric at least, by all that is known; infinite once settled.
        chain: the nodes being bisected, lowest first; shape (total height + 1,).
        at: see EVALUATED and the following.
    """

    rank: NDArray[np.float64]
    order: NDArray[np.int64]
    low: NDArray[np.float64]
    bound: NDArray[np.float64]
    chain: NDArray[np.int64]
    at: NDArray[np.int64]


def store_of(keys: NDArray[np.uint64], counts: NDArray[np.int64], columns: int) -> Store:
    """Room to group tuples in.

    Args:
        keys: packed codes at the bottom; shape (n, W).
        counts: learners, and population where a model asks for it; shape (n, 1 or 2).
        columns: q.
    """
    number, words = keys.shape
    width, room = counts.shape[1], max(4_000_000, 2 * number)
    return Store(
        keys=keys,
        counts=counts,
        near_keys=np.empty((number, words), np.uint64),
        near_counts=np.empty((number, width), np.int64),
        far_keys=np.empty((number, words), np.uint64),
        far_counts=np.empty((number, width), np.int64),
        table=np.empty(1 << (2 * number + 32).bit_length(), np.int32),
        kept_keys=np.empty((room, words), np.uint64),
        kept_counts=np.empty((room, width), np.int64),
        kept_at=np.zeros(_SLOTS, np.int64),
        kept_size=np.zeros(_SLOTS, np.int64),
        kept_levels=np.zeros((_SLOTS, columns), np.int64),
        kept=np.zeros(2, np.int64),
    )


def front_of(rank: NDArray[np.float64], low: NDArray[np.float64], longest: int) -> Front:
    """A front at which nothing has been evaluated."""
    at = np.zeros(9, np.int64)
    at[LAST], at[HIGH], at[MIDDLE] = len(rank) - 1, -1, -1
    return Front(
        rank=rank,
        order=np.argsort(rank, kind="stable"),
        low=low,
        bound=low.copy(),
        chain=np.zeros(longest, np.int64),
        at=at,
    )


@jit
def score(shape: Shape, levels: NDArray[np.int64], figures: NDArray[np.int64]) -> float:
    """The metric of a node as a float that orders nodes as the metric does; lower is better."""
    if shape.metric == DISCERNIBILITY:
        return float(figures[SQUARES]) + float(shape.learners) * float(figures[SUPPRESSED])
    if shape.metric == CLASS_SIZE:
        return -float(figures[CLASSES] + (1 if figures[SUPPRESSED] else 0))
    total = 0.0
    for j in range(len(levels)):
        total += _term(shape, j, levels[j], figures[LOST + j])
    return total


@jit
def _term(shape: Shape, j: int, level: int, lost: int) -> float:
    """What a column adds to the Loss at a level, if suppression adds so many leaves."""
    part = shape.scale[j] * float(shape.spread[j, level] + lost - shape.learners)
    return np.log1p(part) if shape.metric == GEOMETRIC else part


@jit
def _generalize(
    keys: NDArray[np.uint64],
    begin: int,
    number: int,
    rules: NDArray[np.uint64],
    ends: NDArray[np.int64],
    keep: NDArray[np.uint64],
    maps: NDArray[np.int32],
    into: NDArray[np.uint64],
) -> None:
    """Write the keys of tuples from `begin` on with some columns generalized, from 0 on.

    Args:
        rules: shift, mask and start in `maps` of each column to generalize, word by word.
        ends: where the rules of each word end; shape (words,).
        keep: the bits of each word that stay; shape (words,).
    """
    first = 0
    for w in range(len(ends)):
        last, kept = ends[w], keep[w]
        for i in range(number):
            key = keys[begin + i, w]
            raised = key & kept
            for d in range(first, last):
                code = (key >> rules[d, 0]) & rules[d, 1]
                raised |= np.uint64(maps[rules[d, 2] + code]) << rules[d, 0]
            into[i, w] = raised
        first = last


@jit
def _hash(keys: NDArray[np.uint64], i: int) -> np.uint64:
    mixed = keys[i, 0] * _HASH
    for w in range(1, keys.shape[1]):
        mixed = ((mixed ^ (mixed >> np.uint64(32))) + keys[i, w]) * _HASH
    return mixed


@jit
def _merge(
    keys: NDArray[np.uint64],
    counts: NDArray[np.int64],
    begin: int,
    end: int,
    skip: int,
    into_keys: NDArray[np.uint64],
    into_counts: NDArray[np.int64],
    start: int,
    table: NDArray[np.int32],
    spent: int,
) -> int:
    """Merge equal keys of begin..end into start..; returns where that ends.

    Args:
        skip: key i has count `skip` + i.
        spent: the leading bits of the hash that all of these keys share.
    """
    bits = 4
    while (1 << bits) < 2 * (end - begin):
        bits += 1
    # Unsigned throughout: a signed index is checked for counting from the end.
    shift, low = np.uint64(64 - bits - spent), np.uint64((1 << bits) - 1)
    words, width = keys.shape[1], counts.shape[1]
    table[: 1 << bits] = -1
    o = start
    for i in range(begin, end):
        slot = (_hash(keys, i) >> shift) & low
        while True:
            if table[slot] < 0:
                table[slot] = o
                for w in range(words):
                    into_keys[o, w] = keys[i, w]
                for c in range(width):
                    into_counts[o, c] = counts[skip + i, c]
                o += 1
                break
            group = np.uint64(table[slot])
            same = into_keys[group, 0] == keys[i, 0]
            for w in range(1, words):
                same = same and into_keys[group, w] == keys[i, w]
            if same:
                for c in range(width):
                    into_counts[group, c] += counts[skip + i, c]
                break
            slot = (slot + np.uint64(1)) & low
    return o


@jit
def _tally(
    shape: Shape,
    levels: NDArray[np.int64],
    keys: NDArray[np.uint64],
    counts: NDArray[np.int64],
    begin: int,
    end: int,
    figures: NDArray[np.int64],
) -> None:
    """Add the groups begin..end to the figures of a node."""
    enough, mapped = shape.least[0], shape.least[-1]
    last = counts.shape[1] - 1
    suppressed, classes, squares, failed, failed_squares = 0, 0, 0, 0, 0
    for group in range(begin, end):
        size = counts[group, 0]
        if size >= enough and counts[group, last] >= mapped:
            classes += 1
            squares += size * size
        elif size > 0:
            suppressed += size
            failed += 1
            failed_squares += size * size
    figures[SUPPRESSED] += suppressed
    figures[CLASSES] += classes
    figures[SQUARES] += squares
    figures[FAILED] += failed
    figures[FAILED_SQUARES] += failed_squares
    if shape.metric == CLASS_SIZE:
        for group in range(begin, end):
            if counts[group, 0] >= enough and counts[group, last] >= mapped:
                figures[ROOM] += counts[group, 0] // enough
    if figures[SUPPRESSED] > shape.limit:
        return
    for group in range(begin, end):
        size = counts[group, 0]
        if size < enough or counts[group, last] < mapped:
            for j in range(len(levels)):
                code = np.int64((keys[group, shape.word[j]] >> shape.shift[j]) & shape.mask[j])
                figures[LOST + j] += size * shape.lost[shape.lost_at[j, levels[j]] + code]


@jit
def evaluate(
    shape: Shape,
    store: Store,
    levels: NDArray[np.int64],
    ceiling: float,
    figures: NDArray[np.int64],
) -> bool:
    """Group the tuples at a node by k-anonymity alone, from the coarsest groups that allow it.

    Args:
        levels: the node; shape (q,).
        ceiling: a metric above which the node is of no interest.
        figures: receives the figures; shape (LOST + q,).

    Returns:
        Whether the node was grouped to the end. If not, it breaks the limit or the ceiling, and the
        figures are those of some of its groups: suppression and what it loses are at least so much.
    """
    q, words = len(levels), store.keys.shape[1]
    source, number = -1, len(store.keys)
    for slot in range(store.kept[0]):
        if store.kept_size[slot] < number:
            j = 0
            while j < q and store.kept_levels[slot, j] <= levels[j]:
                j += 1
            if j == q:
                source, number = slot, store.kept_size[slot]
    keys, counts, base = store.keys, store.counts, 0
    if source >= 0:
        keys, counts, base = store.kept_keys, store.kept_counts, store.kept_at[source]
    rules, ends = np.empty((q, 3), np.uint64), np.zeros(words, np.int64)
    keep = np.full(words, ~np.uint64(0))
    moved = 0
    for j in range(q):
        level = store.kept_levels[source, j] if source >= 0 else 0
        if level < levels[j]:
            rules[moved, 0], rules[moved, 1] = shape.shift[j], shape.mask[j]
            rules[moved, 2] = shape.map_at[j, level, levels[j]]
            keep[shape.word[j]] &= ~(shape.mask[j] << shape.shift[j])
            moved += 1
        ends[shape.word[j] :] = moved
    figures[:] = 0
    if number <= _PART:
        _generalize(keys, base, number, rules, ends, keep, shape.maps, store.far_keys)
        o = _merge(
            store.far_keys, counts, 0, number, base,
            store.near_keys, store.near_counts, 0, store.table, 0,
        )  # fmt: skip
        _tally(shape, levels, store.near_keys, store.near_counts, 0, o, figures)
    else:
        _generalize(keys, base, number, rules, ends, keep, shape.maps, store.near_keys)
        o = _in_parts(shape, store, counts, base, number, levels, ceiling, figures)
        if o < 0:
            return False
    # Groups a little fewer than their source are not worth a place.
    if o < 0.7 * number and 4 * o <= len(store.kept_keys):
        if store.kept[0] == len(store.kept_at) or store.kept[1] + o > len(store.kept_keys):
            store.kept[:] = 0
        slot, start = store.kept[0], store.kept[1]
        store.kept_keys[start : start + o] = store.near_keys[:o]
        store.kept_counts[start : start + o] = store.near_counts[:o]
        store.kept_at[slot], store.kept_size[slot] = start, o
        store.kept_levels[slot] = levels
        store.kept[0], store.kept[1] = slot + 1, start + o
    return True


@jit
def _in_parts(
    shape: Shape,
    store: Store,
    counts: NDArray[np.int64],
    base: int,
    number: int,
    levels: NDArray[np.int64],
    ceiling: float,
    figures: NDArray[np.int64],
) -> int:
    """Group many tuples, generalized in `near_keys`, part by part, each with all of its hashes.

    So every part is a sum over whole classes, and what they lose so far is certain. Returns the
    number of groups, or -1 where the node proved of no interest and the groups were many.
    """
    spent = 1
    while number >> spent > _PART:
        spent += 1
    shift = np.uint64(64 - spent)
    begin = np.zeros((1 << spent) + 1, np.int64)
    keys, far_keys, far_counts = store.near_keys, store.far_keys, store.far_counts
    for i in range(number):
        begin[np.int64(_hash(keys, i) >> shift) + 1] += 1
    begin = np.cumsum(begin)
    place = begin[:-1].copy()
    for i in range(number):
        part = np.int64(_hash(keys, i) >> shift)
        at = place[part]
        place[part] += 1
        for w in range(keys.shape[1]):
            far_keys[at, w] = keys[i, w]
        for c in range(counts.shape[1]):
            far_counts[at, c] = counts[base + i, c]
    o = 0
    for part in range(len(begin) - 1):
        start = o
        o = _merge(
            far_keys, far_counts, begin[part], begin[part + 1], 0,
            store.near_keys, store.near_counts, start, store.table, spent,
        )  # fmt: skip
        _tally(shape, levels, store.near_keys, store.near_counts, start, o, figures)
        # Few groups are worth finishing: coarser nodes will be grouped from them.
        if 4 * o > begin[part + 1] and (
            figures[SUPPRESSED] > shape.limit
            or (shape.metric != CLASS_SIZE and score(shape, levels, figures) > ceiling)
        ):
            return -1
    return o


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
                terms[j, level] = _term(shape, j, level, figures[LOST + j])
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
    at[LENGTH], at[LOW], at[HIGH], at[MIDDLE] = length, 0, length - 1, -1
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
            return node
