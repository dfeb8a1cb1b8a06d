"""The heavy passes, row by row in plain Python over lists of dicts (each with `_row`)."""

from collections import defaultdict


def deduplicate(rows, key):
    """Rows kept, exact repeats, contradictions; all by position."""
    kept, repeats, contradictions, seen, keys = [], [], [], set(), set()
    for row in sorted(rows, key=lambda r: r["_row"]):
        whole = tuple((c, v) for c, v in row.items() if c != "_row")
        if whole in seen:
            repeats.append(row["_row"])
            continue
        seen.add(whole)
        part = tuple(row[c] for c in key)
        (contradictions if part in keys else kept).append(row["_row"])
        keys.add(part)
    return kept, repeats, contradictions


def one_row(rows, by, order_by):
    """The position of the row that stands for each group."""
    groups = defaultdict(list)
    for row in sorted(rows, key=lambda r: r["_row"]):
        groups[tuple(row[c] for c in by)].append(row)
    chosen = {}
    for group, members in groups.items():
        if not order_by:
            chosen[group] = members[0]["_row"]
            continue
        rank = lambda r: [(r[c] is not None, r[c] if r[c] is not None else 0) for c in order_by]  # noqa: E731
        chosen[group] = max(members, key=lambda r: (rank(r), r["_row"]))["_row"]
    return chosen


def aggregate(rows, by, column, how):
    """One value a group, nulls left out."""
    groups = defaultdict(list)
    for row in sorted(rows, key=lambda r: r["_row"]):
        if row[column] is not None:
            groups[tuple(row[c] for c in by)].append(row[column])
    value = {
        "first": lambda v: v[0],
        "last": lambda v: v[-1],
        "sum": sum,
        "count": len,
        "count_distinct": lambda v: len(set(v)),
        "count_weeks": lambda v: len({t.isocalendar()[:2] for t in v}),
    }[how]
    return {group: value(values) for group, values in groups.items()}


def count_learners(rows, by, learner):
    """Distinct learners a group."""
    groups = defaultdict(set)
    for row in rows:
        groups[tuple(row[c] for c in by)].add(row[learner])
    return {group: len(learners) for group, learners in groups.items()}
