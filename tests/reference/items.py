"""Course-set anonymity counted slowly, over sets and dicts of plain Python.

A world is a list of learners: (class, {item: {column: value or None}}, {column: value or None}).
"""

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations


def groups(world, m):
    """(class, set of items) -> the learners whom an attacker of m items finds there."""
    found = defaultdict(set)
    for who, (cls, items, _) in enumerate(world):
        if m == "full":
            found[cls, frozenset(items)].add(who)
            continue
        for size in range(m + 1):
            for chosen in combinations(sorted(items), size):
                found[cls, frozenset(chosen)].add(who)
    return found


def smallest_group(world, m):
    """The fewest learners in a group; None without learners."""
    return min((len(members) for members in groups(world, m).values()), default=None)


def held(learner, column):
    """All values of a column that a learner has in any row, or in his own."""
    _, items, own = learner
    values = {row.get(column) for row in items.values()} | {own.get(column)}
    return values - {None}


def worst_share(world, m, column):
    """The largest share of a group's learners who hold one value, over all groups."""
    worst = Fraction(0)
    for members in groups(world, m).values():
        holders = Counter(v for who in members for v in held(world[who], column))
        worst = max([worst, *(Fraction(n, len(members)) for n in holders.values())])
    return worst


def distance(ours, theirs):
    """Half the L1 distance of two distributions of shown values, as a fraction; 0 without any."""
    ours, theirs = [v for v in ours if v is not None], [v for v in theirs if v is not None]
    if not ours:
        return Fraction(0)
    a, b = Counter(ours), Counter(theirs)
    gaps = (abs(Fraction(a[v], len(ours)) - Fraction(b[v], len(theirs))) for v in {*a, *b})
    return sum(gaps) / 2


def farthest(world, m, column):
    """The largest distance of a group's values in one of its items from all values of the item.

    Of a column of learners: of a group's learners from all learners.
    """
    everyone = [own.get(column) for _, _, own in world]
    worst = Fraction(0)
    for (_, chosen), members in groups(world, m).items():
        worst = max(worst, distance([world[who][2].get(column) for who in members], everyone))
        for item in chosen:
            ours = [world[who][1][item].get(column) for who in members]
            theirs = [items[item].get(column) for _, items, _ in world if item in items]
            worst = max(worst, distance(ours, theirs))
    return worst


def joint_cells(releases, m):
    """(set of items, what each release shows) -> learners, of releases learner -> (class, items).

    What a release shows is None where it shows nothing.
    """
    everyone = {who for release in releases for who in release}
    shown = {frozenset()} if m != 1 else set()
    for release in releases:
        for _, items in release.values():
            for size in range(1, 1 if m == "full" else m + 1):
                shown |= {frozenset(chosen) for chosen in combinations(sorted(items), size)}
    cells = defaultdict(set)
    for chosen in shown:
        for who in everyone:
            mine = [release.get(who) for release in releases]
            if not any(one is not None and chosen <= one[1] for one in mine):
                continue
            if m == "full":
                seen = tuple(one and (one[0], frozenset(one[1])) for one in mine)
            elif m == 1:
                seen = tuple(one[0] if one and chosen <= one[1] else None for one in mine)
            else:
                seen = tuple(one and (one[0], chosen <= one[1]) for one in mine)
            cells[chosen, seen].add(who)
    return cells
