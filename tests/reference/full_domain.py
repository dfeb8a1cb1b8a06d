"""Full-domain recoding by trying every node on the learners one by one."""

import itertools
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from math import floor, prod


@dataclass(frozen=True)
class Person:
    """One learner in one cell: leaf labels, the cell, and the sensitive values of his rows.

    One who is not released is only in the population.
    """

    leaves: tuple[str, ...]
    cell: int
    values: frozenset[str]
    released: bool = True

    @property
    def shown(self):
        """His sensitive values that are not withheld."""
        return self.values - {"*"}


def best_node(people, hierarchies, models, *, metric, limit, weights, minimum=None, maximum=None):
    """(cost, levels, suppressed, classes) of the best node, or None; ties as documented.

    Args:
        people: released or not.
        hierarchies: one for each leaf of a person.
        models: callables of (a class, everyone in its cell), lists of learners released or not.
        metric: geometric, arithmetic, discernibility or aecs.
        limit: learners that may be suppressed.
        weights: of the hierarchies.
        minimum: the lowest level of each; None for 0.
        maximum: the highest; None for the root.
    """
    bottom = minimum or [0] * len(hierarchies)
    top = maximum or [h.height for h in hierarchies]
    nodes = itertools.product(*(range(a, z + 1) for a, z in zip(bottom, top, strict=True)))
    found = [_evaluate(people, hierarchies, node, models, metric, weights) for node in nodes]
    learners = sum(person.released for person in people)
    feasible = [f for f in found if f[2] <= limit and f[2] < learners]
    if not feasible:
        return None
    return min(feasible, key=lambda f: (f[0], sum(f[1]), f[1]))


def released(members):
    """Those of a class who are in the release."""
    return [member for member in members if member.released]


def _evaluate(people, hierarchies, node, models, metric, weights):
    cells, classes = defaultdict(list), defaultdict(list)
    for person in people:
        labels = tuple(
            h.label_of(level)[h.leaves.index(leaf)]
            for h, level, leaf in zip(hierarchies, node, person.leaves, strict=True)
        )
        cells[person.cell].append(person)
        classes[labels, person.cell].append(person)
    kept = {
        key: len(released(members))
        for key, members in classes.items()
        if released(members) and all(model(members, cells[key[1]]) for model in models)
    }
    n = len(released(people))
    suppressed = n - sum(kept.values())
    if metric == "discernibility":
        cost = sum(size**2 for size in kept.values()) + n * suppressed
    elif metric == "aecs":
        cost = Fraction(n, max(len(kept) + (suppressed > 0), 1))
    else:
        losses = []
        for j, (h, level) in enumerate(zip(hierarchies, node, strict=True)):
            loss = _loss(h.label_of(level), n, suppressed, {k[0][j]: 0 for k in kept}, kept, j)
            losses.append(loss * Fraction(weights[j]) / Fraction(max(weights)))
        cost = prod(loss + 1 for loss in losses) if metric == "geometric" else sum(losses)
    return cost, node, suppressed, len(kept)


def _loss(labels, n, suppressed, sizes, kept, j):
    for (released_labels, _), size in kept.items():
        sizes[released_labels[j]] += size
    aggregate = suppressed + sum(
        size * Fraction(labels.count(label), len(labels)) for label, size in sizes.items()
    )
    least = Fraction(n, len(labels))
    loss = (aggregate - least) / (n - least) if n > least else Fraction(0)
    return Fraction(floor(loss * 10**10), 10**10)
