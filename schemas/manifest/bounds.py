"""What a package may promise of a sensitive column besides a maximum share: l or t.

Every alternative is a type of its own. They hold what the checker needs to recompute them from the
package alone: a distance carries the order or the tree that it is measured along.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from schemas.manifest.error import demand

WITHHELD: Final = "*"
"""The released value that says nothing: the root of every tree."""

_LARGEST_C: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class DistinctDiversity:
    """At least l distinct values in every group (Machanavajjhala et al. 2007)."""

    l: int  # noqa: E741 - the name the literature gives it

    def __post_init__(self) -> None:
        demand((self.l >= 2, "l", "a whole number of values, at least 2"))


@dataclass(frozen=True, slots=True)
class EntropyDiversity:
    """An entropy of at least ln(l) in every group (Machanavajjhala et al. 2007)."""

    l: float  # noqa: E741

    def __post_init__(self) -> None:
        # A group of one value would pass 1, and the tolerance of the checker anything near it.
        demand((self.l >= 1.1, "l", "a number of at least 1.1"))


@dataclass(frozen=True, slots=True)
class RecursiveDiversity:
    """Recursive (c, l)-diversity: r1 < c (r_l + ... + r_m), the counts in descending order."""

    c: float
    l: int  # noqa: E741

    def __post_init__(self) -> None:
        demand(
            (0 < self.c <= _LARGEST_C, "c", f"a number above 0, at most {_LARGEST_C}"),
            (self.l >= 2, "l", "a whole number of values, at least 2"),
        )


Diversity: TypeAlias = DistinctDiversity | EntropyDiversity | RecursiveDiversity


@dataclass(frozen=True, slots=True)
class EqualDistance:
    """Any two values are equally far apart."""


@dataclass(frozen=True, slots=True)
class OrderedDistance:
    """Values are as far apart as there are steps between them.

    Attributes:
        order: every value that may be released, in ascending order; withheld is none.
    """

    order: tuple[str, ...]

    def __post_init__(self) -> None:
        demand(
            (bool(self.order), "order", "labels"),
            (len(set(self.order)) == len(self.order), "order", "no label twice"),
            (WITHHELD not in self.order, "order", f"no {WITHHELD}: it is no value"),
        )


@dataclass(frozen=True, slots=True)
class HierarchicalDistance:
    """Values are as far apart as the level at which they first meet in a tree.

    Attributes:
        tree: one row a leaf, as in a hierarchy's table: leaf, level 1, ..., `*`.
    """

    tree: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        lengths = {len(row) for row in self.tree}
        leaves = {row[0] for row in self.tree if row}
        demand(
            (len(lengths) == 1 and min(lengths) >= 2, "tree", "rows of one length, at least 2"),
            (len(leaves) == len(self.tree), "tree", "no leaf twice"),
            (all(_rooted(row) for row in self.tree), "tree", f"{WITHHELD} at the end of each row"),
            (_is_tree(self.tree), "tree", "one parent for each label, and one meaning"),
        )


Distance: TypeAlias = EqualDistance | OrderedDistance | HierarchicalDistance


@dataclass(frozen=True, slots=True)
class Closeness:
    """T-closeness: no group's values are further than t from those of everybody (Li et al. 2007).

    Attributes:
        t: above 0 and below 1.
        distance: between two values; of two distributions it is the earth mover's.
    """

    t: float
    distance: Distance

    def __post_init__(self) -> None:
        demand((0 < self.t < 1, "t", "a number above 0 and below 1"))


def _rooted(row: Sequence[str]) -> bool:
    return row.index(WITHHELD) == len(row) - 1 if WITHHELD in row else False


def _is_tree(rows: Sequence[Sequence[str]]) -> bool:
    """Whether each label has one label above it, and stands for the same leaves at every level."""
    parent: dict[tuple[int, str], str] = {}
    leaves: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        for level, (label, above) in enumerate(pairwise(row)):
            leaves[label][level].add(row[0])
            if parent.setdefault((level, label), above) != above:
                return False
    return all(len({*map(frozenset, by.values())}) == 1 for by in leaves.values())
