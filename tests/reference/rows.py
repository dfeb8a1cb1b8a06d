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


def enrolments(roles, events, *, parts, dated):
    """(learner, unit) -> (time of the row that leaves, clicks, last number), row by row.

    Args:
        roles: rows of `id`, `course`, `run`, `kind`, `ts`; those of kind LEARNER are in the view.
        events: rows of `id`, `course`, `run`, `n`.
        parts: the columns of the item; the kept run's events count where `run` is none of them.
        dated: whether the time is wanted.
    """
    staff = {(r["id"], r["course"]) for r in roles if r["kind"] == "STAFF"}
    found = {}
    for row in sorted(roles, key=lambda r: (r["ts"] is not None, r["ts"] or 0, r["_row"])):
        if row["kind"] == "LEARNER" and (row["id"], row["course"]) not in staff:
            found[row["id"], *(row[part] for part in parts)] = row
    result = {}
    for unit, row in found.items():
        own = [e for e in events if (e["id"], *(e[part] for part in parts)) == unit]
        if "run" not in parts:
            own = [e for e in own if row["run"] is not None and e["run"] == row["run"]]
        numbers = [e["n"] for e in own if e["n"] is not None]
        last = numbers[-1] if numbers else None
        result[unit] = (row["ts"] if dated else None, sum(numbers), last)
    return result
