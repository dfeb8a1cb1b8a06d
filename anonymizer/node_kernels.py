"""The compiled part of the optimal search, node by node: its classes by k-anonymity, its metric.

numba's cache looks at the file of the function called, and does not see a change of one that it
calls in another file: after a change here or in `lattice`, delete the `__pycache__` (the tests do).
"""

# Kernels take arrays one by one and write their loops out: calls and tuples of arrays cost there.
# ruff: noqa: C901, D417, PLR0912, PLR0917

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.jit import jit
from anonymizer.lattice import (
    CLASS_SIZE,
    CLASSES,
    DISCERNIBILITY,
    FAILED,
    FAILED_SQUARES,
    GEOMETRIC,
    LOST,
    ROOM,
    SQUARES,
    SUPPRESSED,
    Shape,
    Store,
)

_HASH: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing
_PART: Final = 1 << 15  # tuples whose hash table fits the second-level cache


@jit
def score(shape: Shape, levels: NDArray[np.int64], figures: NDArray[np.int64]) -> float:
    """The metric of a node as a float that orders nodes as the metric does; lower is better."""
    if shape.metric == DISCERNIBILITY:
        return float(figures[SQUARES]) + float(shape.learners) * float(figures[SUPPRESSED])
    if shape.metric == CLASS_SIZE:
        return -float(figures[CLASSES] + (1 if figures[SUPPRESSED] else 0))
    total = 0.0
    for j in range(len(levels)):
        total += term(shape, j, levels[j], figures[LOST + j])
    return total


@jit
def term(shape: Shape, j: int, level: int, lost: int) -> float:
    """What a column adds to the Loss at a level, if suppression adds so many leaves."""
    part = float(shape.scale[j]) * float(shape.spread[j, level] + lost - shape.learners)
    return float(np.log1p(part)) if shape.metric == GEOMETRIC else part


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
    return np.uint64(mixed)


@jit
def _shift(size: int) -> np.uint64:
    """How far to shift a hash for its leading bits to number 2^b things."""
    shift = 64
    while size > 1:
        size //= 2
        shift -= 1
    return np.uint64(shift)


@jit
def _scatter(
    store: Store, counts: NDArray[np.int64], base: int, number: int, begin: NDArray[np.int64]
) -> None:
    """Sort generalized keys, and counts from `base` on, into parts by the leading bits of the hash.

    Every part has all tuples of its groups: what is summed over a part is certain, and a node that
    proves of no interest can be left. And the hash table of a part stays in the cache.

    Args:
        begin: receives where each of 2^b parts begins, and the end; shape (parts + 1,).
    """
    parts = len(begin) - 1
    shift = _shift(parts)
    keys, far_keys, far_counts = store.near_keys, store.far_keys, store.far_counts
    place = np.zeros(parts, np.int64)
    for i in range(number):
        place[_hash(keys, i) >> shift] += 1
    for part in range(parts):
        begin[part + 1] = begin[part] + place[part]
        place[part] = begin[part]
    for i in range(number):
        home = _hash(keys, i) >> shift
        at = place[home]
        place[home] += 1
        for w in range(keys.shape[1]):
            far_keys[at, w] = keys[i, w]
        for c in range(counts.shape[1]):
            far_counts[at, c] = counts[base + i, c]


@jit
def _merge(
    store: Store, counts: NDArray[np.int64], begin: int, end: int, skip: int, start: int, parts: int
) -> int:
    """Merge equal keys of begin..end of `far_keys` into groups start..; returns where those end.

    Args:
        counts: key i has count `skip` + i.
        parts: 2^b, where the keys share the leading b bits of their hashes.
    """
    slots = 16
    while slots < 2 * (end - begin):
        slots *= 2
    store.table[:slots] = -1
    # Unsigned throughout: a signed index is checked for counting from the end.
    shift, low = _shift(slots * parts), np.uint64(slots - 1)
    if counts.shape[1] == 1 and store.far_keys.shape[1] == 1:
        return _merge_words(store, counts, begin, end, skip, start, shift, low)
    return _merge_rows(store, counts, begin, end, skip, start, shift, low)


@jit
def _merge_words(
    store: Store,
    counts: NDArray[np.int64],
    begin: int,
    end: int,
    skip: int,
    start: int,
    shift: np.uint64,
    low: np.uint64,
) -> int:
    """`_merge` of keys of one word and one count each: nearly always, and the innermost loop."""
    keys, table = store.far_keys, store.table
    into_keys, into_counts = store.near_keys, store.near_counts
    o = start
    for i in range(begin, end):
        key = keys[i, 0]
        slot = ((key * _HASH) >> shift) & low
        while True:
            found = table[slot]
            if found < 0:
                table[slot] = o
                into_keys[o, 0] = key
                into_counts[o, 0] = counts[skip + i, 0]
                o += 1
                break
            group = np.uint64(found)
            if into_keys[group, 0] == key:
                into_counts[group, 0] += counts[skip + i, 0]
                break
            slot = (slot + np.uint64(1)) & low
    return o


@jit
def _merge_rows(
    store: Store,
    counts: NDArray[np.int64],
    begin: int,
    end: int,
    skip: int,
    start: int,
    shift: np.uint64,
    low: np.uint64,
) -> int:
    """`_merge` of keys of any words and counts."""
    keys, table = store.far_keys, store.table
    into_keys, into_counts = store.near_keys, store.near_counts
    words, width = keys.shape[1], counts.shape[1]
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
    store: Store,
    levels: NDArray[np.int64],
    begin: int,
    end: int,
    figures: NDArray[np.int64],
) -> None:
    """Add the groups begin..end to the figures of a node."""
    # The hash table has served: it takes the numbers of the groups that fail.
    keys, counts, table = store.near_keys, store.near_counts, store.table
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
            table[failed] = group
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
    for j in range(len(levels)):
        w, shift, mask = shape.word[j], shape.shift[j], shape.mask[j]
        at = np.uint64(shape.lost_at[j, levels[j]])
        lost = 0
        for i in range(failed):
            code = (keys[table[i], w] >> shift) & mask
            lost += counts[table[i], 0] * shape.lost[at + code]
        figures[LOST + j] += lost


@jit
def _nearest(store: Store, levels: NDArray[np.int64]) -> int:
    """The kept node of fewest groups that a node can be grouped from; -1 for the tuples."""
    nearest, number = -1, len(store.keys)
    for slot in range(store.kept[0]):
        if store.kept_size[slot] < number:
            j = 0
            while j < len(levels) and store.kept_levels[slot, j] <= levels[j]:
                j += 1
            if j == len(levels):
                nearest, number = slot, store.kept_size[slot]
    return nearest


@jit
def _group(
    shape: Shape,
    store: Store,
    levels: NDArray[np.int64],
    source: int,
    ceiling: float,
    figures: NDArray[np.int64],
) -> bool:
    """Group the tuples at a node from those of a kept one, and keep what is much smaller.

    See `evaluate`. Nothing is left unfinished under an infinite ceiling.
    """
    words = store.keys.shape[1]
    keys, counts, base, number = store.keys, store.counts, 0, len(store.keys)
    if source >= 0:
        keys, counts, base = store.kept_keys, store.kept_counts, store.kept_at[source]
        number = store.kept_size[source]
    rules, ends = np.empty((len(levels), 3), np.uint64), np.zeros(words, np.int64)
    keep = ~np.zeros(words, np.uint64)
    moved = 0
    for j in range(len(levels)):
        level = store.kept_levels[source, j] if source >= 0 else 0
        if level < levels[j]:
            rules[moved, 0], rules[moved, 1] = shape.shift[j], shape.mask[j]
            rules[moved, 2] = shape.map_at[j, level, levels[j]]
            keep[shape.word[j]] &= ~(shape.mask[j] << shape.shift[j])
            moved += 1
        # Words are filled one after the other: a word without rules ends where the one before did.
        for w in range(shape.word[j], words):
            ends[w] = moved
    parts, skip = 1, base
    while number > parts * _PART:
        parts *= 2
    begin = np.zeros(parts + 1, np.int64)
    begin[parts] = number
    if parts == 1:
        _generalize(keys, base, number, rules, ends, keep, shape.maps, store.far_keys)
    else:
        _generalize(keys, base, number, rules, ends, keep, shape.maps, store.near_keys)
        _scatter(store, counts, base, number, begin)
        counts, skip = store.far_counts, 0
    for i in range(len(figures)):
        figures[i] = 0
    o = begin[0]
    for part in range(parts):
        start = o
        o = _merge(store, counts, begin[part], begin[part + 1], skip, start, parts)
        _tally(shape, store, levels, start, o, figures)
        # Few groups are worth finishing: coarser nodes will be grouped from them.
        many = part + 1 < parts and 4 * o > begin[part + 1]
        if (
            many
            and ceiling < np.inf
            and (
                figures[SUPPRESSED] > shape.limit
                or (shape.metric != CLASS_SIZE and score(shape, levels, figures) > ceiling)
            )
        ):
            return False
    # Groups a little fewer than their source are not worth a place, but for the shared steps.
    if o < 0.7 * number or ceiling == np.inf:
        if store.kept[0] == len(store.kept_at) or store.kept[1] + o > len(store.kept_keys):
            store.kept[0], store.kept[1] = 0, 0
        slot, start = store.kept[0], store.kept[1]
        for i in range(o):
            for w in range(words):
                store.kept_keys[start + i, w] = store.near_keys[i, w]
            for c in range(counts.shape[1]):
                store.kept_counts[start + i, c] = store.near_counts[i, c]
        store.kept_at[slot], store.kept_size[slot] = start, o
        for j in range(len(levels)):
            store.kept_levels[slot, j] = levels[j]
        store.kept[0], store.kept[1] = slot + 1, start + o
    return True


@jit
def evaluate(
    shape: Shape,
    store: Store,
    levels: NDArray[np.int64],
    ceiling: float,
    figures: NDArray[np.int64],
) -> bool:
    """Group the tuples at a node by k-anonymity alone.

    From the coarsest groups known, and by way of the node that raises only the columns of most
    codes: many nodes share that step.

    Args:
        levels: the node; shape (q,).
        ceiling: a metric above which the node is of no interest.
        figures: receives the figures; shape (LOST + q,).

    Returns:
        Whether the node was grouped to the end. If not, it breaks the limit or the ceiling, and the
        figures are those of some of its groups: suppression and what it loses are at least so much.
    """
    source = _nearest(store, levels)
    step, reached = np.zeros(len(levels), np.int64), True
    for j in range(len(levels)):
        if shape.wide[j]:
            step[j] = levels[j]
            reached = reached and step[j] <= (store.kept_levels[source, j] if source >= 0 else 0)
    if not reached:
        _group(shape, store, step, _nearest(store, step), np.inf, figures)
        source = _nearest(store, levels)
    return _group(shape, store, levels, source, ceiling, figures)
