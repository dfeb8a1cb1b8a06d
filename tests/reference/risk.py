"""Risk figures and attacks by looking at every learner, with labels and sets as Python has them."""

from fractions import Fraction
from itertools import combinations


def labels_of(histogram, hierarchies, generalization, index):
    """The released labels and the cell of a tuple, None if it is suppressed."""
    of_class = int(generalization.class_of[index])
    if of_class < 0:
        return None
    levels, codes = generalization.levels[of_class], histogram.codes[index]
    parts = zip(hierarchies, levels, codes, strict=True)
    return tuple(h.label_of(int(level))[code] for h, level, code in parts), histogram.cell[index]


def covers(labels, codes, hierarchies):
    """Whether every label stands somewhere above its leaf."""
    return all(
        label in {h.label_of(level)[code] for level in range(h.height + 1)}
        for label, code, h in zip(labels, codes, hierarchies, strict=True)
    )


def journalist(histogram, hierarchies, generalization):
    """(maximum, mean) of 1 / matching platform learners over the released learners."""
    risks = []
    for i, learners in enumerate(histogram.learners.tolist()):
        released = labels_of(histogram, hierarchies, generalization, i)
        if released is not None:
            labels, cell = released
            matching = sum(
                population
                for codes, other, population in zip(
                    histogram.codes, histogram.cell, histogram.population.tolist(), strict=True
                )
                if other == cell and covers(labels, codes, hierarchies)
            )
            risks += [Fraction(1, matching)] * learners
    return (max(risks), sum(risks) / len(risks)) if risks else (0, 0)


def unicity(group_of, sets, m):
    """Mean share of each learner's m-subsets that only he holds in his group."""
    shares = []
    for group, own in zip(group_of, sets, strict=True):
        if group < 0:
            continue
        subsets = [set(chosen) for chosen in combinations(sorted(own), min(m, len(own)))]
        unique = [
            sum(g == group and known <= s for g, s in zip(group_of, sets, strict=True)) == 1
            for known in subsets
        ]
        shares.append(Fraction(sum(unique), len(subsets)))
    return sum(shares) / len(shares) if shares else 0


def attack(world, tuple_of, present, released, *, target, known, cells):
    """(success, identified) of one target of whom the leaves and some items are known.

    `released` is None where items are worlds of their own.
    """
    histogram, hierarchies, _ = world
    codes, cell = histogram.codes[tuple_of[target]], histogram.cell[tuple_of[target]]
    candidates = []
    for row, index in enumerate(tuple_of):
        shown = labels_of(*world, index) if present[row] else None
        if shown is None or (cells and shown[1] != cell):
            continue
        if covers(shown[0], codes, hierarchies) and (released is None or known <= released[row]):
            candidates.append(row)
    hit = target in candidates
    return Fraction(int(hit), max(len(candidates), 1)), candidates == [target]
