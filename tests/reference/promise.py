"""The promise of house.md, recounted row by row in plain Python."""

from collections import defaultdict


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
