"""Privacy models, learner by learner in plain Python.

A learner is the set of values shown in his rows; the empty set where all are withheld. A class is
a list of learners.
"""

import itertools
import math
from collections import Counter
from fractions import Fraction


def holders(members):
    """How many learners hold each value in any of their rows."""
    return Counter(value for member in members for value in member)


def most_share(members, share, protected=None):
    """Whether no value, or no protected one, is held by more than the share."""
    counts = holders(members)
    bounded = counts if protected is None else {v: counts[v] for v in protected}
    return all(n <= Fraction(str(share)) * len(members) for n in bounded.values())


def filled(members):
    """Holders, most frequent value first, until every member who shows a value has a seat."""
    seats, vector = sum(1 for member in members if member), []
    for _, held in holders(members).most_common():
        taken = 0
        while taken < held and seats > 0:
            taken, seats = taken + 1, seats - 1
        vector.append(taken)
    return vector


def choices(members):
    """The counts of every choice of one value for each learner who shows any."""
    for chosen in itertools.product(*(sorted(member) for member in members if member)):
        yield list(Counter(chosen).values())


def distinct(counts, l):  # noqa: E741
    """Whether at least l values occur; nothing shown holds."""
    return sum(counts) == 0 or sum(n > 0 for n in counts) >= l


def entropy(counts, l):  # noqa: E741
    """Whether the entropy is at least log l, within 1e-9; nothing shown holds."""
    shares = [n / sum(counts) for n in counts if n]
    return not shares or -sum(p * math.log(p) for p in shares) >= math.log(l) - 1e-9


def recursive(counts, c, l):  # noqa: E741
    """Whether r_1 < c (r_l + ... + r_m), most frequent first; nothing shown holds."""
    r = sorted(counts, reverse=True)
    return sum(r) == 0 or r[0] < Fraction(str(c)) * sum(r[l - 1 :])


def close(members, reference, t, apart):
    """Whether the values of one value per learner can be moved into the reference at cost t."""
    here = Counter(value for member in members for value in member)
    there = Counter(value for member in reference for value in member)
    if not here:
        return True
    # In units that make both whole: each of the one has as much as all of the other.
    supply = {v: n * there.total() for v, n in here.items()}
    demand = {v: n * here.total() for v, n in there.items()}
    moved = _cheapest_transport(supply, demand, apart)
    return moved <= Fraction(str(t)) * here.total() * there.total()


def ordered(order, reference):
    """|i - j| / (m - 1) over the values that occur in the reference, in declared order."""
    there = {value for member in reference for value in member}
    rank = {v: i for i, v in enumerate(v for v in order if v in there)}
    return lambda a, b: Fraction(abs(rank[a] - rank[b]), max(len(rank) - 1, 1))


def hierarchical(tree):
    """(Level of the lowest common ancestor) / height, for labels none of which is above another."""

    def leaves(label):
        level = next(i for i, labels in enumerate(tree.labels) if label in labels)
        return {i for i, other in enumerate(tree.label_of(level)) if other == label}

    def apart(a, b):
        if a == b:
            return Fraction(0)
        both = leaves(a) | leaves(b)
        level = next(
            i for i in range(tree.height + 1) if len({tree.label_of(i)[leaf] for leaf in both}) == 1
        )
        return Fraction(level, tree.height)

    return apart


def _cheapest_transport(supply, demand, apart):
    """The least cost of moving supply to demand: augment along cheapest paths (Bellman and Ford).

    Sources and sinks are nodes ("from", value) and ("to", value); a flow may be sent back.
    """
    left, needed = dict(supply), dict(demand)
    flow = {(a, b): 0 for a in supply for b in demand}
    while any(left.values()):
        best = {("from", a): Fraction(0) for a in left if left[a]}
        before = {}
        for _ in range(len(supply) + len(demand)):
            for (a, b), amount in flow.items():
                edges = [(("from", a), ("to", b), apart(a, b))]
                if amount:
                    edges.append((("to", b), ("from", a), -apart(a, b)))
                for start, end, cost in edges:
                    if start in best and (end not in best or best[start] + cost < best[end]):
                        best[end], before[end] = best[start] + cost, start
        node = min((("to", b) for b in needed if needed[b]), key=lambda n: (best[n], n))
        path = [node]
        while path[-1] in before:
            path.append(before[path[-1]])
        steps = [(y, x) for x, y in itertools.pairwise(path)]
        room = [flow[x[1], y[1]] for y, x in steps if y[0] == "to"]
        sent = min([left[path[-1][1]], needed[node[1]], *room])
        for start, end in steps:
            if start[0] == "from":
                flow[start[1], end[1]] += sent
            else:
                flow[end[1], start[1]] -= sent
        left[path[-1][1]] -= sent
        needed[node[1]] -= sent
    return sum(amount * apart(a, b) for (a, b), amount in flow.items())
