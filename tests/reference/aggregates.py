"""The exact figures of a small world by definition: loops over rows, one learner at a time."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import date

from tests.aggworld import AREAS, priority, taking_part

MISSING, OTHER = "(missing)", "(other)"


def exact_by_definition(world, flags) -> dict:
    """Query -> labels of a cell -> what is counted there; of values the list of them."""
    people, results = deduped(world.people, [0]), deduped(world.results, [0, 1, 2])
    pairs = set(taking_part(world))
    kept = [row for row in results if (row[0], row[1]) in pairs]
    own = {}
    for row in people:
        own.setdefault(row[0], row)
    names = sorted({name for name, _ in pairs})
    rows = {
        "learners": [(name, {}) for name in names if name in own],
        "enrolments": enrolments(kept, [0, 1], world.events, flags),
        "taken": enrolments(kept, [0, 1, 2], world.events, flags),
        "activity": activity(world.events, pairs),
    }
    found = {}
    for query in world.plan.queries:
        if query.margin_of is None:
            by_run = any(key.column == "taken" for key in query.grid.keys)
            view = "taken" if by_run else query.asked.view
            found[query.name] = answer(query, rows[view], own)
    for query in world.plan.margins():
        places = [
            [k.column for k in world.plan.query(query.margin_of).grid.keys].index(key.column)
            for key in query.grid.keys
        ]
        found[query.name] = defaultdict(int)
        for cell, count in found[query.margin_of].items():
            found[query.name][tuple(cell[i] for i in places)] += count
    return found


def deduped(rows, key):
    """Equal rows once; of rows with one key, all of one learner's, the first."""
    seen, kept = set(), []
    for row in rows:
        if (name := tuple(row[i] for i in key)) not in seen:
            seen.add(name)
            kept.append(row)
    return kept


def enrolments(results, unit, events, flags):
    """One row a learner and course, or a learner, course and run."""
    chosen = {}
    for row in results:
        name = tuple(row[i] for i in unit)
        if name not in chosen or (flags["ordered"] and row[2] >= chosen[name][2]):
            chosen[name] = row
    found = []
    for row in chosen.values():
        own = [event for event in events if event[:2] == row[:2]]
        values = {
            "code": row[1],
            "taken": f"{row[1]} / {row[2]}",
            "final": row[3],
            "score": row[4],
            "clicks": sum(event[4] for event in own if event[4] is not None),
            "minutes": math.fsum(event[5] for event in own if event[5] is not None),
            "days": len({event[2] for event in own if event[2] is not None}),
        }
        found.append((row[0], values))
    return found


def activity(events, pairs):
    """Every event of a pair."""
    return [
        (
            e[0],
            {
                "code": e[1],
                "week": e[2],
                "month": e[3],
                "monday": e[3],
                "clicks": e[4],
                "effort": e[5],
            },
        )
        for e in events
        if (e[0], e[1]) in pairs
    ]


def label(key, values, own):
    """The label of a key in one row."""
    value = values.get(key.column)
    if key.own and own is None:
        return None
    if key.column == "taken":
        return value
    if key.column == "gender":
        return level(own[1], key, [["F"], ["M"]])
    if key.column == "region":
        return level(own[2], key, AREAS)
    if key.column == "final":
        return level(value, key, [["Pass"], ["Fail"]])
    if key.column == "clicks":
        bins = ["below 1", "[1, 4)", "4 or more"]
        return "*" if key.level else bins[bisect_right([1, 4], value)]
    if key.column == "code":
        return value if value in {"x", "y", "z"} or not key.labels else OTHER
    if value is None:
        return OTHER
    if key.column == "week":
        week = math.floor(value / 7)
        return f"week {week}" if 0 <= week <= 2 else OTHER
    day = value.date()
    if key.column == "month":
        return f"{day:%Y-%m}" if date(2024, 1, 1) <= day < date(2024, 3, 1) else OTHER
    monday = date.fromordinal(day.toordinal() - day.weekday())
    return str(monday) if date(2024, 1, 1) <= monday <= date(2024, 1, 20) else OTHER


def level(value, key, tree):
    """A value at a level of a hierarchy: unknown is a leaf of its own, below the root."""
    if value is None:
        return "*" if key.level == len(tree[0]) - (tree[0][-1] == "*") else MISSING
    path = next((row for row in tree if row[0] == value), None)
    if path is None:
        return OTHER
    return path[key.level] if key.level < len(path) else "*"


def answer(query, rows, own):
    """What each learner adds to each cell, the cells that stay, and what comes of them."""
    sums = defaultdict(lambda: [0, [], 0])
    of = getattr(query.asked, "of", None)
    for name, values in rows:
        cell = tuple(label(key, values, own.get(name)) for key in query.grid.keys)
        if None in cell:  # who has no attributes is in no cell of them
            continue
        entry = sums[name, cell]
        entry[0] += 1
        number = values.get(of) if of else None
        if number is not None and math.isfinite(number):
            units = float(number) * 10**query.decimals
            entry[1].append(math.floor(round(units, 3)) if query.bin_edges else round(units))
    mine = defaultdict(dict)
    for (name, cell), (count, numbers_told, _) in sums.items():
        told = value_of(query, numbers_told) if of else 0
        if told != "nothing":
            mine[name][cell] = (count, told)
    kept = defaultdict(list)
    for name, cells in mine.items():
        for cell in bounded(query, name, cells):
            kept[cell].append(cells[cell])
    return {cell: counted(query, entries) for cell, entries in kept.items()}


def value_of(query, told):
    """A learner's value in a cell, in units; "nothing" where he is not counted; None: unknown."""
    if not told:
        if query.nulls == "leave-out":
            return "nothing"
        return None if query.nulls == "bin" else round(query.nulls * 10**query.decimals)
    if query.adds_up:
        return sum(told)
    if query.bin_edges:
        return sum(told) // len(told)
    return (2 * sum(told) + len(told)) // (2 * len(told))


def bounded(query, name, cells):
    """The cells that stay of a learner: those with the least lots."""
    import numpy as np  # noqa: PLC0415

    if len(cells) <= query.l0:
        return list(cells)
    positions = [
        [key.labels.index(part) for key, part in zip(query.grid.keys, cell, strict=True)]
        for cell in cells
    ]
    codes = []
    for position in positions:
        code = 0
        for key, place in zip(query.grid.keys, position, strict=True):
            code = code * len(key.labels) + place
        codes.append(code)
    drawn = priority([name] * len(codes), np.array(codes, np.int64))
    order = sorted(range(len(codes)), key=lambda i: int(drawn[i]))
    return [list(cells)[i] for i in order[: query.l0]]


def counted(query, entries):
    """What the entries of one cell come to."""
    low, high = query.clamps
    kind = query.asked.type
    if kind == "learners":
        return len(entries)
    if kind == "events":
        return sum(min(count, query.terms.most) for count, _ in entries)
    if kind == "histogram":
        bins = [0] * len(query.bin_labels)
        for _, told in entries:
            bins[-1 if told is None else bisect_right(query.bin_edges, told)] += 1
        return bins
    clamped = sorted(min(max(told, low), high) for _, told in entries)
    if kind == "sum":
        return sum(clamped)
    if kind == "mean":
        return (sum(clamped) - len(clamped) * ((low + high) // 2), len(clamped))
    if query.method == "noisy-max":
        return clamped
    points = query.candidates
    bins = [0] * len(points)
    for told in clamped:
        place = bisect_left(points, told)
        if place and (place == len(points) or told - points[place - 1] <= points[place] - told):
            place -= 1
        bins[place] += 1
    return bins
