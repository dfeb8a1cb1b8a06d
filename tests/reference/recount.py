"""The slow, separate counter: plain Python over rows as dicts, for what a package promises.

Nothing here is shared with kohort: no polars expression, no manifest.
"""

import csv
import math
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations, pairwise


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


def groups_of(learners, enrolments, learner, quasi, item, m):
    """Group -> its learners: (class, exact item set), or (class, set of at most m items) he has.

    Under course scope (m = 1) there is no learner table: give the same rows twice.
    """
    sets, groups = item_set_of(enrolments, learner, item), defaultdict(set)
    for row in learners:
        of_class = tuple(row[column] for column in quasi)
        if m == 1:
            groups[of_class, (row[item],)].add(row[learner])
            continue
        items = sorted(sets[row[learner]])
        known = (
            [items] if m == "full" else (c for n in range(m + 1) for c in combinations(items, n))
        )
        for each in known:
            groups[of_class, tuple(each)].add(row[learner])
    return dict(groups)


def shown(rows, item, column):
    """The rows of items in which some value of the column is shown; item None: of all rows."""
    showing = {row[item] if item else "" for row in rows if row[column] != "*"}
    return [row for row in rows if (row[item] if item else "") in showing]


def holders(rows, members, learner, column):
    """Value -> the members who have it in any row; one who withheld may have each of them."""
    mine = [row for row in rows if row[learner] in members]
    return {
        value: {row[learner] for row in mine if row[column] in {value, "*"}}
        for value in {row[column] for row in mine}
    }


def shares_hold(groups, rows, learner, column, alpha, protected=None):
    """Whether in no group more than alpha of the learners hold one (protected) value."""
    for members in groups.values():
        for value, who in holders(rows, members, learner, column).items():
            counts = protected is None or value in {*protected, "*"}
            if counts and len(who) > Fraction(str(alpha)) * len(members):
                return False
    return True


def choices(groups, rows, learner, column):
    """For each group that shows a value: the counts w of its worst choice of one a learner."""
    for members in groups.values():
        found = holders(rows, members, learner, column).values()
        left, counts = len(set().union(*found)), []
        for who in sorted(found, key=len, reverse=True):
            counts.append(min(len(who), left))
            left -= counts[-1]
        if counts:
            yield counts


def distinct_holds(counts, least):
    """Whether there are so many values."""
    return sum(count > 0 for count in counts) >= least


def entropy_holds(counts, least):
    """Whether the entropy is at least ln(least)."""
    shares = [count / sum(counts) for count in counts if count]
    return -sum(p * math.log(p) for p in shares) >= math.log(least) - 1e-9


def recursive_holds(counts, c, least):
    """Whether r1 < c (r_l + ... + r_m)."""
    return counts[0] < Fraction(str(c)) * sum(counts[least - 1 :])


def distances_of(groups, rows, learner, item, column, distance):
    """The distance of each group in each item of it (item None: of learner values) to all."""
    for (_, known), members in groups.items():
        for each in known if item else [None]:
            here = [row for row in rows if item is None or row[item] == each]
            mine = [row[column] for row in here if row[learner] in members]
            if mine:
                yield distance(shares_of(mine), shares_of([row[column] for row in here]))


def shares_of(values):
    """Value -> its share."""
    return {value: Fraction(n, len(values)) for value, n in Counter(values).items()}


def equal_distance(mine, everybody):
    """Half the sum of the differences."""
    return sum(abs(mine.get(v, 0) - q) for v, q in everybody.items()) / 2


def ordered_distance(order):
    """Steps between values that occur, each as long as the others, 1 in all."""

    def distance(mine, everybody):
        values = [value for value in order if value in everybody]
        moved, over = Fraction(0), Fraction(0)
        for value, _ in pairwise(values):
            over += mine.get(value, 0) - everybody[value]
            moved += abs(over)
        return moved / max(len(values) - 1, 1)

    return distance


def hierarchical_distance(tree):
    """The recursion of Li et al. 2007: what the children of a node settle among themselves.

    A value that is itself an inner label is one more child of its node.
    """
    height = len(tree[0]) - 1

    def distance(mine, everybody):
        def settle(rows, level):
            """The excess of the node above these rows, and the cost below it."""
            label = rows[0][level]
            parts, below = [], defaultdict(list)
            if label not in rows[0][:level]:
                parts.append((mine.get(label, 0) - everybody.get(label, 0), Fraction(0)))
            if level == 0:
                return parts[0]
            for row in rows:
                below[row[level - 1]].append(row)
            parts += [settle(part, level - 1) for part in below.values()]
            up = sum(extra for extra, _ in parts if extra > 0)
            down = -sum(extra for extra, _ in parts if extra < 0)
            cost = sum(cost for _, cost in parts) + Fraction(level, height) * min(up, down)
            return up - down, cost

        return settle(tree, height)[1]

    return distance
