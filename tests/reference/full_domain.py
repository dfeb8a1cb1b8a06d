"""Full-domain recoding by trying every node on the learners one by one."""

import itertools
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from math import floor, prod


@dataclass(frozen=True)
class Person:
    """One learner in one cell: leaf labels, the cell, and the sensitive values of his rows."""

    leaves: tuple[str, ...]
    cell: int
    values: frozenset[str]


def best_node(people, hierarchies, *, k, share, limit, weights):
    """(loss, levels, suppressed, classes) of the best node, or None; ties as documented."""
    nodes = itertools.product(*(range(h.height + 1) for h in hierarchies))
    found = [_evaluate(people, hierarchies, node, k, share, weights) for node in nodes]
    feasible = [f for f in found if f[2] <= limit and f[2] < len(people)]
    if not feasible:
        return None
    return min(feasible, key=lambda f: (f[0], sum(f[1]), f[1]))


def _evaluate(people, hierarchies, node, k, share, weights):
    classes = defaultdict(list)
    for person in people:
        labels = tuple(
            h.label_of(level)[h.leaves.index(leaf)]
            for h, level, leaf in zip(hierarchies, node, person.leaves, strict=True)
        )
        classes[labels, person.cell].append(person)
    kept = {key: members for key, members in classes.items() if _holds(members, k, share)}
    suppressed = len(people) - sum(map(len, kept.values()))
    factors = []
    for j, (h, level) in enumerate(zip(hierarchies, node, strict=True)):
        labels, n = h.label_of(level), len(people)
        aggregate = Fraction(suppressed)
        for (released, _), members in kept.items():
            aggregate += len(members) * Fraction(labels.count(released[j]), len(labels))
        least = Fraction(n, len(labels))
        loss = (aggregate - least) / (n - least) if n > least else Fraction(0)
        floored = Fraction(floor(loss * 10**10), 10**10)
        factors.append(floored * Fraction(weights[j]) / Fraction(max(weights)) + 1)
    return prod(factors), node, suppressed, len(kept)


def _holds(members, k, share):
    values = {value for member in members for value in member.values}
    counts = [sum(value in member.values for member in members) for value in values - {"*"}]
    most = max(counts, default=0)
    return len(members) >= k and (share is None or most <= Fraction(str(share)) * len(members))
