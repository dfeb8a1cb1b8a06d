"""What several linked packages tell together, learner by learner in plain Python.

A package is a dict of `learners` and `enrolments` (rows as dicts), `quasi`, `item`, `k` and `m`.
Nothing here is shared with kohort.
"""

from collections import defaultdict
from itertools import combinations

STRENGTH = [1, 2, 3, "full"]


def groups_of(packages):
    """The groups that can be told apart: (classes, known tokens, k asked for) -> members.

    The classes are one entry a package, None where a learner is absent. A token is an item's column
    and label with the numbers of all packages that show the learner with it.
    """
    groups = defaultdict(set)
    everybody = {row["learner"] for package in packages for row in package["learners"]}
    for learner in everybody:
        classes, shown, ks, ms = [], defaultdict(set), [], []
        for number, package in enumerate(packages):
            mine = [row for row in package["learners"] if row["learner"] == learner]
            classes.append(tuple(mine[0][q] for q in package["quasi"]) if mine else None)
            if mine:
                ks.append(package["k"])
                ms.append(package["m"])
            for row in package["enrolments"]:
                if row["learner"] == learner:
                    shown[package["item"], row[package["item"]]].add(number)
        tokens = sorted((*item, tuple(sorted(numbers))) for item, numbers in shown.items())
        m = max(ms, key=STRENGTH.index)
        sizes = [len(tokens)] if m == "full" else range(m + 1)
        for known in (each for size in sizes for each in combinations(tokens, size)):
            groups[tuple(classes), known, max(ks)].add(learner)
    return dict(groups)


def holds(groups):
    """Whether each group has the k that its classes ask for."""
    return all(len(members) >= k for (_, _, k), members in groups.items())


def seen_in(groups, number):
    """The groups of learners who are in this package, with the known items that it shows of them.

    As in `recount.groups_of`: (anything that tells groups apart, known items) -> members.
    """
    return {
        (key, tuple(label for _, label, shown in key[1] if number in shown)): members
        for key, members in groups.items()
        if key[0][number] is not None
    }
