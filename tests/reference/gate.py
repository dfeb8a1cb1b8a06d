"""What the gate asks of live releases, counted slowly over sets and dicts of plain Python.

A release is a mapping learner -> (class, set of items), with its promise beside it.
"""

from collections import defaultdict
from itertools import combinations
from typing import Any, NamedTuple

from tests.reference.items import joint_cells

ORDER = [1, 2, 3, "full"]


class Released(NamedTuple):
    """A release and its promise; `items` says whether it has an item column."""

    k: int
    m: Any
    project: str | None
    items: bool
    shown: dict


class Cell(NamedTuple):
    """Who looks alike to one attacker.

    `keys` are learners, or (learner, item) where he knows one item; `need` is the k that they must
    be, `now` whether the last release shows them, and `promised` whether one that shows them
    promises anything against him.
    """

    keys: frozenset
    need: int
    now: bool
    promised: bool


def cells(releases):
    """Every cell of every attacker whom one of the releases promises something."""
    found = []
    for m in {release.m for release in releases}:
        found += one_item(releases) if m == 1 else several_items(releases, m)
    last = releases[-1]
    if last.project is not None:
        found += joined([release for release in releases if release.project == last.project])
    return found


def one_item(releases):
    """What one who knows an item sees in each release: the class, where there is a row.

    A release without items shows the class beside the item.
    """
    rows = {
        (who, item)
        for r in releases
        if r.items
        for who, (_, held) in r.shown.items()
        for item in held
    }
    found = defaultdict(set)
    for who, item in rows:
        seen = []
        for release in releases:
            cls, held = release.shown.get(who, (None, ()))
            seen.append(cls if item in held or not release.items else None)
        found[item, tuple(seen)].add((who, item))
    return [cell(keys, seen, releases, 1) for (_, seen), keys in found.items()]


def several_items(releases, m):
    """What one who knows m items sees; a weaker release shows its classes alone."""
    strong = [ORDER.index(release.m) >= ORDER.index(m) for release in releases]
    shown = [
        {who: (cls, items if takes else frozenset()) for who, (cls, items) in release.shown.items()}
        for release, takes in zip(releases, strong, strict=True)
    ]
    return [cell(who, seen, releases, m) for (_, seen), who in joint_cells(shown, m).items()]


def joined(releases):
    """Releases of one project: learners count for the strongest m of those that show them."""
    found = []
    for m in {release.m for release in releases}:
        for (_, seen), who in linked_cells([release.shown for release in releases], m).items():
            ms = [release.m for release, one in zip(releases, seen, strict=True) if one is not None]
            if max(ms, key=ORDER.index) == m:
                found.append(cell(who, seen, releases, m))
    return found


def cell(keys, seen, releases, m):
    """A cell by what each release shows, None for nothing."""
    showing = [release for release, one in zip(releases, seen, strict=True) if one is not None]
    need = max(release.k for release in showing)
    promised = any(ORDER.index(release.m) >= ORDER.index(m) for release in showing)
    return Cell(frozenset(keys), need, seen[-1] is not None, promised)


def linked_cells(releases, m):
    """(set of (item, which releases show it), class in each release) -> learners.

    One pseudonym joins all rows of a learner in all releases.
    """
    found = defaultdict(set)
    for who in {who for release in releases for who in release}:
        mine = [release.get(who, (None, frozenset())) for release in releases]
        classes = tuple(cls for cls, _ in mine)
        held = frozenset().union(*(items for _, items in mine))
        pairs = [(item, tuple(item in items for _, items in mine)) for item in sorted(held)]
        sizes = [len(pairs)] if m == "full" else range(m + 1)
        for size in sizes:
            for chosen in combinations(pairs, size):
                found[frozenset(chosen), classes].add(who)
    return found
