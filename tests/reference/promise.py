"""The promise of house.md, recounted row by row in plain Python."""

from collections import defaultdict
from itertools import combinations


def smallest_class(tables, *, scope, quasi, item):
    """The least number of distinct learners in a class (with the item, or the exact item set)."""
    groups = defaultdict(set)
    if scope == "course":
        for row in tables["enrolments"].to_dicts():
            groups[(*(row[q] for q in quasi), row[item])].add(row["learner"])
    else:
        sets = defaultdict(set)
        if "enrolments" in tables:
            for row in tables["enrolments"].to_dicts():
                sets[row["learner"]].add(row[item])
        rows = tables["learners"].to_dicts() if "learners" in tables else []
        classes = {row["learner"]: tuple(row[q] for q in quasi) for row in rows}
        for learner in classes or sets:
            groups[(classes.get(learner, ()), frozenset(sets[learner]))].add(learner)
    return min((len(learners) for learners in groups.values()), default=0)


def rarest_combination(table, *, values, item):
    """The least number of learners who share all of a row's values in an item."""
    groups = defaultdict(set)
    for row in table.to_dicts():
        groups[(row[item] if item else "", *(row[v] for v in values))].add(row["learner"])
    return min((len(learners) for learners in groups.values()), default=0)


def broken_shares(tables, *, scope, quasi, item, shares):
    """Sensitive values that too many learners of a class share (with item, or exact item set)."""
    sets = defaultdict(set)
    for row in tables["enrolments"].to_dicts():
        sets[row["learner"]].add(row[item])
    people = tables.get("learners")
    classes = {r["learner"]: r for r in people.to_dicts()} if people is not None else {}
    broken = []
    for column, share in shares.items():
        for name, table in tables.items():
            if column not in table.columns:
                continue
            members, holders = defaultdict(set), defaultdict(set)
            for row in table.to_dicts():
                known = row if scope == "course" else classes.get(row["learner"], {})
                cell = row[item] if scope == "course" else frozenset(sets[row["learner"]])
                group = (*(known[q] for q in quasi), cell)
                members[group].add(row["learner"])
                if row[column] != "*":
                    holders[group, row[column]].add(row["learner"])
            for (group, value), learners in holders.items():
                if len(learners) > share * len(members[group]) + 1e-9:
                    broken.append((name, column, group, value))
    return broken


def groups(tables, *, m, quasi, item):
    """What the attacker can single out, as pairs of members and the items they are sought by.

    m = 1 is course scope: (class, item). Else there is a learner table, and items are linked: each
    class with the exact set of items (m = full), or with every set of at most m items that one of
    its learners has, the empty one included.
    """
    found = defaultdict(set)
    if m == 1:
        for row in tables["enrolments"].to_dicts():
            found[tuple(row[q] for q in quasi), (row[item],)].add(row["learner"])
    else:
        items = defaultdict(set)
        for row in tables["enrolments"].to_dicts() if "enrolments" in tables else []:
            items[row["learner"]].add(row[item])
        for row in tables["learners"].to_dicts():
            mine = sorted(items[row["learner"]])
            numbers = [len(mine)] if m == "full" else range(m + 1)
            for known in (c for n in numbers for c in combinations(mine, n)):
                found[tuple(row[q] for q in quasi), known].add(row["learner"])
    return [(members, known) for (_, known), members in found.items()]


def values_held(members, table, column):
    """For each member the set of the values he shows in any of his rows; maybe none."""
    held = {member: set() for member in members}
    for row in table.to_dicts():
        if row["learner"] in held and row[column] != "*":
            held[row["learner"]].add(row[column])
    return list(held.values())


def breaking(found, table, column, holds):
    """The groups whose members' values do not hold."""
    return [group for group in found if not holds(values_held(group[0], table, column))]


def far(found, table, column, item, near):
    """The groups, and items in them, whose values are not near those of everybody there.

    A column of a learner table (item None) is compared over the whole table.
    """
    astray = []
    for members, known in found:
        for each in known if item else [None]:
            there = table if each is None else table.filter(table[item] == each)
            everybody = values_held(set(there["learner"]), there, column)
            if not near(values_held(members, there, column), everybody):
                astray.append((members, each))
    return astray


def levels_of(table, source, ladder, item):
    """Item -> the levels of the ladder at which its released labels all stand.

    Args:
        table: released rows.
        source: the same learners' leaves, one row for each (learner, item).
        ladder: of a column that is not top-coded.
        item: the item column; None for a learner table, which is then one item.
    """

    def key(row):
        return row["learner"], row[item] if item else None

    leaf_of = {key(row): row[ladder.name] for row in source.to_dicts()}
    levels = defaultdict(lambda: set(range(ladder.height + 1)))
    for row in table.to_dicts():
        leaf = ladder.leaves.index(leaf_of[key(row)])
        levels[key(row)[1]] &= {
            level
            for level in range(ladder.height + 1)
            if ladder.labels[level][ladder.levels[level][leaf]] == row[ladder.name]
        }
    return dict(levels)
