"""Microaggregation and top-coding the slow way: every partition, every row."""

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise


def partitions(points, weights, k):
    """Every way to cut the ascending distinct points into runs of at least k rows."""
    if not points:
        yield []
        return
    for size in range(1, len(points) + 1):
        if sum(weights[:size]) >= k:
            for rest in partitions(points[size:], weights[size:], k):
                yield [points[:size], *rest]


def squared_error(values, group):
    """The sum of squared distances to the means of the groups, exactly."""
    members = defaultdict(list)
    for value, number in zip(values, group, strict=True):
        members[number].append(Fraction(value))
    total = Fraction(0)
    for rows in members.values():
        mean = sum(rows) / len(rows)
        total += sum((row - mean) ** 2 for row in rows)
    return total


def least_squared_error(values, k):
    """The least error of any partition into groups of at least k rows that splits no value."""
    points = sorted(set(values))
    weights = [values.count(point) for point in points]
    best = None
    for runs in partitions(points, weights, k):
        of_point = {point: i for i, run in enumerate(runs) for point in run}
        error = squared_error(values, [of_point[value] for value in values])
        best = error if best is None else min(best, error)
    return best


def least_squared_error_with_splits(values, k):
    """The same where equal values may be in different groups: runs of sorted rows."""
    rows = sorted(values)
    best = [Fraction(0), *[None] * len(rows)]
    for end in range(k, len(rows) + 1):
        errors = [
            best[start] + squared_error(rows[start:end], [0] * (end - start))
            for start in range(end - k + 1)
            if best[start] is not None
        ]
        best[end] = min(errors)
    return best[-1]


def mdav(rows, k):
    """The groups that MDAV forms of distinct rows, without ties of distance."""
    columns = [standardized(column) for column in zip(*rows, strict=True)]
    left, groups = list(zip(*columns, range(len(rows)), strict=True)), []

    def squared(a, b):
        return sum((x - y) ** 2 for x, y in zip(a[:-1], b, strict=False))

    def take(seed):
        nonlocal left
        near = sorted(left, key=lambda row: squared(row, seed))[:k]
        left = [row for row in left if row not in near]
        groups.append(near)

    while len(left) >= 2 * k:
        pair = len(left) >= 3 * k
        centre = [sum(column) / len(left) for column in zip(*left, strict=True)][:-1]
        far = max(left, key=lambda row: squared(row, centre))
        take(far)
        if pair:
            take(max(left, key=lambda row: squared(row, far)))
    return {frozenset(row[-1] for row in group) for group in [*groups, left]}


def standardized(column):
    """A column with mean 0 and standard deviation 1."""
    mean = sum(column) / len(column)
    spread = (sum((x - mean) ** 2 for x in column) / len(column)) ** 0.5
    return [(x - mean) / spread for x in column]


def top_bins(values, edges, floor):
    """The label of each value once the rare tail is merged; the lowest edge stays."""
    left = list(edges)
    while len(left) > 1 and sum(value >= left[-1] for value in values) < floor:
        left.pop()
    labels = []
    for value in values:
        if value < left[0]:
            labels.append(f"below {left[0]}")
        elif value >= left[-1]:
            labels.append(f"{left[-1]} or more")
        else:
            low, high = next((a, b) for a, b in pairwise(left) if a <= value < b)
            labels.append(f"[{low}, {high})")
    return labels


def coarse_label(values, edges):
    """The labels of values in bins with these edges."""
    return top_bins(values, edges, 0)
