"""The figures of utility, learner by learner in fractions, and random recodings to measure."""

from collections import Counter
from fractions import Fraction
from math import floor, prod

import numpy as np
from hypothesis import strategies as st

from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.histogram import Histogram
from tests.reference.trees import trees


@st.composite
def recodings(draw):
    """A histogram, its hierarchies and a local recoding of it that suppresses some classes.

    Some tuples are held by the population alone, some classes by nobody else.
    """
    hierarchies = [draw(trees(name)) for name in "abc"[: draw(st.integers(1, 3))]]
    leaf = st.tuples(*(st.integers(0, len(h.leaves) - 1) for h in hierarchies))
    keys = draw(st.lists(st.tuples(leaf, st.integers(0, 1)), unique=True, max_size=12))
    counts = st.lists(st.integers(0, 4), min_size=len(keys), max_size=len(keys))
    learners = np.array(draw(counts), np.int64)
    histogram = Histogram(
        codes=np.array([codes for codes, _ in keys], np.int32).reshape(-1, len(hierarchies)),
        cell=np.array([cell for _, cell in keys], np.int64),
        learners=learners,
        population=learners + np.maximum(np.array(draw(counts), np.int64), learners == 0),
        sensitive={},
    )
    nodes = st.tuples(*(st.integers(0, h.height) for h in hierarchies))
    pool = draw(st.lists(nodes, min_size=1, max_size=3))
    number, levels, class_of = {}, [], []
    for codes, cell in keys:
        node = draw(st.sampled_from(pool))
        parts = zip(hierarchies, node, codes, strict=True)
        labels = (cell, *(h.label_of(level)[code] for h, level, code in parts))
        if labels not in number:
            suppressed = draw(st.integers(0, 3)) == 0
            number[labels] = SUPPRESSED if suppressed else len(levels)
            levels += [] if suppressed else [node]
        class_of.append(number[labels])
    generalization = Generalization(
        class_of=np.array(class_of, np.int64),
        levels=np.array(levels, np.int64).reshape(-1, len(hierarchies)),
    )
    return histogram, hierarchies, generalization


def people(histogram, hierarchies, generalization):
    """One (released labels or None, cell, shares of the leaves) for each learner."""
    for i, learners in enumerate(histogram.learners.tolist()):
        of_class = int(generalization.class_of[i])
        labels, shares = None, [Fraction(1) for _ in hierarchies]
        if of_class >= 0:
            columns = [
                hierarchy.label_of(int(level))
                for hierarchy, level in zip(
                    hierarchies, generalization.levels[of_class], strict=True
                )
            ]
            labels = tuple(c[code] for c, code in zip(columns, histogram.codes[i], strict=True))
            shares = [
                Fraction(column.count(label), len(column))
                for column, label in zip(columns, labels, strict=True)
            ]
        yield from [(labels, int(histogram.cell[i]), shares)] * learners


def classes(histogram, hierarchies, generalization):
    """The size of each released class."""
    found = Counter(
        (labels, cell) for labels, cell, _ in people(histogram, hierarchies, generalization)
    )
    return [size for (labels, _), size in found.items() if labels is not None]


def loss(histogram, hierarchies, generalization, weights, mean):
    """ARX's formula as it is written."""
    shares = [row for _, _, row in people(histogram, hierarchies, generalization)]
    n, parts = len(shares), []
    for j, (hierarchy, weight) in enumerate(zip(hierarchies, weights, strict=True)):
        aggregate, least = sum(row[j] for row in shares), Fraction(n, len(hierarchy.leaves))
        lost = max(Fraction(0), (aggregate - least) / (n - least)) if n > least else Fraction(0)
        parts.append(
            Fraction(floor(lost * 10**10), 10**10) * Fraction(weight) / Fraction(max(weights))
        )
    if mean == "arithmetic":
        return float(sum(parts) / len(parts))
    return float(prod(part + 1 for part in parts)) ** (1 / len(parts)) - 1


def granularity(histogram, hierarchies, generalization):
    """ARX's formula as it is written."""
    shares = [row for _, _, row in people(histogram, hierarchies, generalization)]
    q, n = len(hierarchies), len(shares)
    least = sum(Fraction(1, len(h.leaves)) for h in hierarchies) / q
    if least == 1 or not n:
        return 1.0
    mean = sum(sum(row[j] for row in shares) / n for j in range(q)) / q
    return float(1 - (mean - least) / (1 - least))


def discernibility(histogram, hierarchies, generalization):
    """Each learner is charged the learners he cannot be told from; n if suppressed."""
    sizes = classes(histogram, hierarchies, generalization)
    n = int(histogram.learners.sum())
    return sum(size**2 for size in sizes) + n * (n - sum(sizes))


def average_class_size(histogram, hierarchies, generalization):
    """Learners over classes; the suppressed are one class."""
    sizes = classes(histogram, hierarchies, generalization)
    n = int(histogram.learners.sum())
    groups = len(sizes) + (n > sum(sizes))
    return n / groups if groups else 0.0
