"""The slow, separate counter: plain Python over rows as dicts, for what a package promises.

Nothing here is shared with kohort: no polars expression, no manifest.
"""

import csv
from collections import defaultdict
from fractions import Fraction


def rows_of_csv(path):
    """The rows of a CSV file as dicts of text."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def rows_of(frame):
    """The rows of a polars frame as dicts."""
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.rows()]


def learners_by_class(rows, learner, by):
    """Class -> the set of its learners; a null is a value of its own, and no learner."""
    classes = defaultdict(set)
    for row in rows:
        learners = classes[tuple(row[column] for column in by)]
        if row[learner] is not None:
            learners.add(row[learner])
    return dict(classes)


def smallest(classes):
    """The fewest learners of any class; None where there is no class."""
    return min((len(learners) for learners in classes.values()), default=None)


def item_set_of(enrolments, learner, item):
    """Learner -> the exact set of their items."""
    sets = defaultdict(set)
    for row in enrolments:
        sets[row[learner]].add(row[item])
    return sets


def with_item_sets(learners, enrolments, learner, item):
    """The learner rows, each with the exact item set under `items`."""
    sets = item_set_of(enrolments, learner, item)
    return [row | {"items": tuple(sorted(sets[row[learner]]))} for row in learners]


def combinations_hold(rows, learner, item, columns, k):
    """Whether per item (None: over all) every combination of these columns has k learners."""
    by = [*([item] if item else []), *columns]
    return all(len(who) >= k for who in learners_by_class(rows, learner, by).values())


def single_values_hold(rows, learner, item, columns, k):
    """Whether per item every single value, and the item itself, has k learners."""
    ok = all(combinations_hold(rows, learner, item, [column], k) for column in columns)
    return ok and combinations_hold(rows, learner, item, [], k)


def share_holds(rows, learner, item, column, group, alpha):
    """Whether in every group no value of the column is held by more than alpha of its learners.

    `rows` carry the group's columns. `*` is not counted where its whole item is `*`; elsewhere a
    learner with `*` is taken to hold any value of the group.
    """
    withheld = {row[item] for row in rows} - {row[item] for row in rows if row[column] != "*"}
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in group)].append(row)
    for members in groups.values():
        size = len({row[learner] for row in members})
        said = [row for row in members if row[item] not in withheld]
        for value in {row[column] for row in said}:
            holders = {row[learner] for row in said if row[column] in {value, "*"}}
            if len(holders) > Fraction(str(alpha)) * size:
                return False
    return True
