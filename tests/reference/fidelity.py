"""The fidelity of a twin, row by row in fractions. Tables are lists of dicts with a `learner`."""

from collections import Counter
from fractions import Fraction
from itertools import combinations, product

import numpy as np
from sklearn.linear_model import LogisticRegression

COUNT = "rows of a learner"


def tvd(real, twin):
    """Half the sum of |p - q| over the union of what the two lists hold."""
    if not real or not twin:
        return Fraction(bool(real) != bool(twin))
    p, q = Counter(real), Counter(twin)
    return sum(abs(Fraction(p[v], len(real)) - Fraction(q[v], len(twin))) for v in {*p, *q}) / 2


def tables(learners, enrolments):
    """(learners with their number of rows, rows with their learner's columns or None)."""
    if enrolments is None:
        return learners, None
    if learners is None:
        learners = [{"learner": key} for key in {row["learner"] for row in enrolments}]
    number = Counter(row["learner"] for row in enrolments)
    people = [{**person, COUNT: str(number[person["learner"]])} for person in learners]
    of_key = {person["learner"]: person for person in people}
    return people, [{**of_key[row["learner"]], **row} for row in enrolments]


def finest(side, columns, of_learners):
    """The rows that these columns are counted in."""
    people, rows = side
    return people if rows is None or set(columns) <= set(of_learners) else rows


def ways(real, twin, columns, of_learners, order):
    """{columns: distance} of every combination of so many columns."""
    found = {}
    for chosen in combinations(columns, order):
        values = [
            [tuple(row[c] for c in chosen) for row in finest(side, chosen, of_learners)]
            for side in (real, twin)
        ]
        found[chosen] = tvd(*values)
    return found


def share(rows, column, values):
    """The share of the rows with one of the values; None without rows."""
    return Fraction(sum(row[column] in values for row in rows), len(rows)) if rows else None


def halves(rows, rng):
    """(rows of the half that is learnt from, rows of the other): learners sorted, then permuted."""
    learners = sorted({row["learner"] for row in rows})
    chosen = {learners[i] for i in rng.permutation(len(learners))[: len(learners) // 2]}
    return (
        [row for row in rows if row["learner"] in chosen],
        [row for row in rows if row["learner"] not in chosen],
    )


def mann_whitney(scores, truth, slack=None):
    """(least, most) share of the pairs of a positive and a negative that are in order.

    A pair of equal scores counts half. With a slack, scores are (score, what it is of): a pair of
    the same counts half, and one of scores that nearly agree anything from 0 to 1.
    """
    low, high, pairs = Fraction(0), Fraction(0), 0
    for (upper, positive), (lower, other) in product(zip(scores, truth, strict=True), repeat=2):
        if not positive or other:
            continue
        pairs += 1
        if upper == lower:
            low, high = low + Fraction(1, 2), high + Fraction(1, 2)
        elif slack is None:
            low, high = low + (upper > lower), high + (upper > lower)
        else:
            low, high = low + (upper[0] > lower[0] + slack), high + (upper[0] > lower[0] - slack)
    return low / pairs, high / pairs


def auc(train, test, features, column, positive, labels):
    """`mann_whitney` of a model of dense indicators; a reason where there is none."""
    learnt = [row[column] in positive for row in train]
    true = [row[column] in positive for row in test]
    if not features:
        return "no-features"
    if len(set(true)) < 2:
        return "one-class-held-out"
    if len(set(learnt)) < 2:
        return "one-class-trained-on"

    def indicators(rows):
        return np.array(
            [[float(row[f] == label) for f in features for label in labels[f]] for row in rows]
        )

    model = LogisticRegression(max_iter=10_000, tol=1e-9).fit(indicators(train), learnt)
    scores = [
        (sum(weight for weight, on in zip(model.coef_[0], line, strict=True) if on), line)
        for line in indicators(test).tolist()
    ]
    return mann_whitney(scores, true, slack=1e-6)
