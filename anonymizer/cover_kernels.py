"""The compiled part of the cover: one root, block by block."""

# Compiled functions take arrays one by one, and calls within them cost the reader more than loops.
# ruff: noqa: C901, D417, PLR0912, PLR0915, PLR0917

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.jit import jit
from anonymizer.leaf_order import Ranks

_FARTHEST: Final = 24
"""How far above a node its fruitlessness is tested, in levels."""


@jit
def cover_root(
    ranks: Ranks,
    learners: NDArray[np.int64],
    bounds: NDArray[np.int64],
    label: NDArray[np.int32],
    leaves: NDArray[np.int32],
    mix: NDArray[np.uint64],
    price: NDArray[np.float64],
    k: int,
    part: NDArray[np.int64],
) -> int:
    """Cover each block, then what they leave together; the last few join the parts.

    Args:
        ranks, learners: of the tuples, block by block; shape (n, q) and (n,). At least k learners.
        bounds: the first tuple of each block, and n at last.
        label, leaves: as in `LeafOrder`.
        mix: a number for each label, at random; the shape of `label`.
        price: the loss of a leaf more, weighted; shape (q,).
        k: learners that every part must have.
        part: the part of each tuple, from 0; written.

    Returns:
        The number of parts.
    """
    parts = 0
    for b in range(len(bounds) - 1):
        rows = np.arange(bounds[b], bounds[b + 1])
        parts = _cover(ranks, learners, rows, label, leaves, mix, price, k, part, parts)
    if len(bounds) > 2:
        rows = np.flatnonzero(part < 0)
        parts = _cover(ranks, learners, rows, label, leaves, mix, price, k, part, parts)
    _join(ranks, learners, label, leaves, price, part, parts)
    return parts


@jit
def _cover(
    ranks: Ranks,
    learners: NDArray[np.int64],
    rest: NDArray[np.int64],
    label: NDArray[np.int32],
    leaves: NDArray[np.int32],
    mix: NDArray[np.uint64],
    price: NDArray[np.float64],
    k: int,
    part: NDArray[np.int64],
    parts: int,
) -> int:
    """Release what each node can, in ascending order of loss; the number of parts then.

    Most nodes release nothing. Whether one far above makes no class of k is seen in one pass, and
    then nothing below it does: the distance doubles while that succeeds and halves when it fails.

    Args:
        rest: the tuples of the block; overwritten by those that are left.
        part: of each tuple; -1 for those that are left.
        parts: so far.
    """
    q = ranks.shape[1]
    left = 0
    top = np.zeros(q, np.int64)
    for i in rest:
        left += learners[i]
        part[i] = -1
        for j in range(q):
            while label[j, top[j], ranks[i, j]] != label[j, top[j], ranks[rest[0], j]]:
                top[j] += 1
    if left < k:
        return parts
    stride = np.ones(q + 1, np.int64)
    for j in range(q - 1, -1, -1):
        stride[j] = stride[j + 1] * (top[j] + 1)
    nodes = stride[0]
    loss = np.zeros(nodes)
    levels = np.zeros((nodes, q), np.int8)
    for j in range(q):
        at = np.zeros(top[j] + 1)
        for level in range(top[j] + 1):
            total = 0
            for i in rest:
                total += learners[i] * leaves[j, level, ranks[i, j]]
            at[level] = total * price[j]
        for node in range(nodes):
            levels[node, j] = node // stride[j + 1] % (top[j] + 1)
            loss[node] += at[levels[node, j]]
    dead = np.zeros(nodes, np.bool_)
    key = np.empty(len(rest), np.uint64)
    size = np.empty(len(rest), np.int64)
    slot = np.empty(len(rest), np.int64)
    number = np.empty(len(rest), np.int64)
    table = np.empty(4 * len(rest), np.int64)
    within = np.zeros(q, np.int64)
    hop = 1
    for node in np.argsort(loss, kind="mergesort"):
        if left < k:
            break
        if dead[node]:
            continue
        above = node
        for _ in range(hop):
            step = -1
            for j in range(q):
                upper = above + stride[j + 1]
                cheaper = levels[above, j] < top[j] and not dead[upper]
                if cheaper and (step < 0 or loss[upper] < loss[step]):
                    step = upper
            if step < 0:
                break
            above = step
        if above != node:
            if not _group(ranks, learners, rest, mix, levels[above], k, key, size, slot, table):
                # Every node below has levels of at most `above`, one by one.
                within[:] = 0
                below = 0
                j = q
                while j >= 0:
                    dead[below] = True
                    j = q - 1
                    while j >= 0 and within[j] == levels[above, j]:
                        below -= within[j] * stride[j + 1]
                        within[j] = 0
                        j -= 1
                    if j >= 0:
                        within[j] += 1
                        below += stride[j + 1]
                hop = min(2 * hop, _FARTHEST)
                continue
            hop = max(1, hop // 2)
        dead[node] = True
        groups = _group(ranks, learners, rest, mix, levels[node], 0, key, size, slot, table)
        first = parts
        for group in range(groups):
            if size[group] >= k:
                left -= size[group]
                number[group] = parts
                parts += 1
        if parts > first:
            kept = 0
            for at_rest in range(len(rest)):
                group = slot[at_rest]
                if size[group] >= k:
                    part[rest[at_rest]] = number[group]
                else:
                    rest[kept] = rest[at_rest]
                    kept += 1
            rest = rest[:kept]
    return parts


@jit
def _group(
    ranks: Ranks,
    learners: NDArray[np.int64],
    rest: NDArray[np.int64],
    mix: NDArray[np.uint64],
    level: NDArray[np.int8],
    enough: int,
    key: NDArray[np.uint64],
    size: NDArray[np.int64],
    slot: NDArray[np.int64],
    table: NDArray[np.int64],
) -> int:
    """Group tuples by their labels at a node; how many groups.

    Labels are compared by a sum of 64 random bits each. Should two sums ever agree by chance, the
    part made of both groups gets the labels common to both: it loses more and promises no less.

    Args:
        enough: where above 0, only whether a group reaches this size is found out: 1 or 0.
        key, size: of each group; written.
        slot: the group of each tuple; written.
        table: room for twice as many entries as tuples, rounded up to a power of two.
    """
    bits = 1
    while 1 << bits < 2 * len(rest):
        bits += 1
    last = (1 << bits) - 1
    table[: last + 1] = -1
    groups = 0
    for at_rest in range(len(rest)):
        i = rest[at_rest]
        of_tuple = np.uint64(0)
        for j in range(ranks.shape[1]):
            of_tuple += mix[j, level[j], ranks[i, j]]
        place = np.int64(of_tuple >> np.uint64(64 - bits))
        while table[place] >= 0 and key[table[place]] != of_tuple:
            place = (place + 1) & last
        group = table[place]
        if group < 0:
            group = groups
            table[place] = group
            key[group] = of_tuple
            size[group] = 0
            groups += 1
        size[group] += learners[i]
        if 0 < enough <= size[group]:
            return 1
        slot[at_rest] = group
    return 0 if enough else groups


@jit
def _join(
    ranks: Ranks,
    learners: NDArray[np.int64],
    label: NDArray[np.int32],
    leaves: NDArray[np.int32],
    price: NDArray[np.float64],
    part: NDArray[np.int64],
    parts: int,
) -> None:
    """Put each tuple without a part into the one that it adds the least loss to, in their order."""
    q = ranks.shape[1]
    low = np.full((parts, q), label.shape[2], np.int64)
    high = np.full((parts, q), -1, np.int64)
    size = np.zeros(parts, np.int64)
    for i in range(len(part)):
        if part[i] >= 0:
            _widen(low, high, part[i], ranks[i])
            size[part[i]] += learners[i]
    wide_low = np.empty((1, q), np.int64)
    wide_high = np.empty((1, q), np.int64)
    for i in range(len(part)):
        if part[i] >= 0:
            continue
        best, least = -1, np.inf
        for p in range(parts):
            wide_low[0] = low[p]
            wide_high[0] = high[p]
            _widen(wide_low, wide_high, 0, ranks[i])
            before = _lost(low[p], high[p], label, leaves, price)
            after = _lost(wide_low[0], wide_high[0], label, leaves, price)
            added = (size[p] + learners[i]) * after - size[p] * before
            if added < least:
                best, least = p, added
        part[i] = best
        _widen(low, high, best, ranks[i])
        size[best] += learners[i]


@jit
def _widen(
    low: NDArray[np.int64], high: NDArray[np.int64], row: int, rank: NDArray[np.int32]
) -> None:
    """Take the ranks of a tuple into a part's lowest and highest."""
    for j in range(len(rank)):
        low[row, j] = min(low[row, j], np.int64(rank[j]))
        high[row, j] = max(high[row, j], np.int64(rank[j]))


@jit
def _lost(
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    label: NDArray[np.int32],
    leaves: NDArray[np.int32],
    price: NDArray[np.float64],
) -> float:
    """What a learner loses under the lowest common ancestors of these ranks."""
    lost = 0.0
    for j in range(len(low)):
        level = 0
        while label[j, level, low[j]] != label[j, level, high[j]]:
            level += 1
        lost += price[j] * (leaves[j, level, low[j]] - 1)
    return lost
