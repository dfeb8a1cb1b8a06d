"""Bounded contributions and their exact aggregates, the slow and obvious way: dictionaries."""

from bisect import bisect_right


def kept_pairs(learners, priorities, most):
    """Whether each pair stays: it is among its learner's `most` least (priority, place)."""
    owned = {}
    for place, (learner, priority) in enumerate(zip(learners, priorities, strict=True)):
        owned.setdefault(learner, []).append((priority, place))
    kept = {place for pairs in owned.values() for _, place in sorted(pairs)[:most]}
    return [place in kept for place in range(len(learners))]


def put_together(rows):
    """Rows (learner, cell, value) as (learner, cell) -> its values."""
    together = {}
    for learner, cell, value in rows:
        together.setdefault((learner, cell), []).append(value)
    return together


def bounded(rows, priority, l0):
    """(learner, cell) -> its values, with each learner's cells of least priority alone."""
    together = put_together(rows)
    kept = {}
    for learner in {learner for learner, _ in together}:
        own = sorted(cell for other, cell in together if other == learner)
        for cell in sorted(own, key=lambda cell: priority(learner, cell))[:l0]:
            kept[learner, cell] = together[learner, cell]
    return kept


def answers(rows, priority, *, l0, size, most, low, high, edges):
    """Every query's aggregate as a list, or for the histogram a list of lists."""
    kept = bounded(rows, priority, l0)
    middle = (low + high) // 2
    found = {
        "learners": [0] * size,
        "events": [0] * size,
        "sums": [0] * size,
        "centred": [0] * size,
        "histogram": [[0] * (len(edges) + 1) for _ in range(size)],
    }
    for (_, cell), values in kept.items():
        total = min(max(sum(values), low), high)
        found["learners"][cell] += 1
        found["events"][cell] += min(len(values), most)
        found["sums"][cell] += total
        found["centred"][cell] += total - middle
        found["histogram"][cell][bisect_right(edges, total)] += 1
    return found
