"""The splitter told slowly: one learner at a time, one part after the other, k-anonymity only."""

import math
from collections import Counter


def common_level(hierarchy, leaves):
    """The lowest level at which all of these leaf codes have one label."""
    return next(
        level
        for level in range(hierarchy.height + 1)
        if len({hierarchy.levels[level][leaf] for leaf in leaves}) == 1
    )


def path_order(hierarchy):
    """Leaf code -> its place when the leaves are sorted by their codes from the root down."""
    paths = sorted(
        range(len(hierarchy.leaves)),
        key=lambda leaf: [int(codes[leaf]) for codes in reversed(hierarchy.levels)],
    )
    return {leaf: place for place, leaf in enumerate(paths)}


def proposal(people, hierarchies, k, weights, frozen):
    """The best split of some tuples of leaves: (attribute, groups that stand alone, residual)."""
    best, found = 0.0, None
    total = len(people)
    for j, hierarchy in enumerate(hierarchies):
        top = common_level(hierarchy, [person[j] for person in people])
        if j in frozen or top == 0:
            continue
        place = path_order(hierarchy)
        under = hierarchy.levels[top - 1]
        children = {}
        for person in sorted(people, key=lambda person: place[person[j]]):
            children.setdefault(int(under[person[j]]), []).append(person)
        counts = [int(n) for n in hierarchy.leaf_counts(top - 1)]
        above = int(hierarchy.leaf_counts(top)[people[0][j]])
        alone = [group for group in children.values() if len(group) >= k]
        rest = [person for group in children.values() if len(group) < k for person in group]
        saved = sum(len(group) * (above - counts[group[0][j]]) for group in alone)
        bits = 0.0
        for group in alone:
            bits += len(group) * math.log2(total / len(group))
        if 0 < len(rest) < k and alone:
            smallest = min(alone, key=len)
            alone = [group for group in alone if group is not smallest]
            rest += smallest
            saved -= len(smallest) * (above - counts[smallest[0][j]])
            bits -= len(smallest) * math.log2(total / len(smallest))
        if not alone:
            continue
        if rest:
            bits += len(rest) * math.log2(total / len(rest))
        price = weights[j] / max(len(hierarchy.leaves) - 1, 1)
        score = price * saved / (bits / total + 0.02)
        if score > best:
            best, found = score, (j, alone, rest)
    return found


def partition(people, hierarchies, k, weights, frozen=frozenset()):
    """The parts that some learners, each a tuple of leaf codes, are split into."""
    found = proposal(people, hierarchies, k, weights, frozen) if len(people) >= 2 * k else None
    if found is None:
        return [people]
    j, alone, rest = found
    parts = [part for group in alone for part in partition(group, hierarchies, k, weights)]
    return parts + (partition(rest, hierarchies, k, weights, frozen | {j}) if rest else [])


def labels_of(part, hierarchies):
    """The labels that a part is released under."""
    return tuple(
        h.label_of(common_level(h, [person[j] for person in part]))[part[0][j]]
        for j, h in enumerate(hierarchies)
    )


def classes(people_by_cell, hierarchies, k, weights):
    """(cell, labels) -> how many learners of each tuple are released so."""
    found = {}
    for cell, people in people_by_cell.items():
        if len(people) < k:
            continue
        for part in partition(people, hierarchies, k, weights):
            found.setdefault((cell, labels_of(part, hierarchies)), Counter()).update(part)
    return found
