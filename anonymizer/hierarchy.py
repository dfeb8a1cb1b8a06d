"""Generalization hierarchies: which coarser labels a value may be released under.

A hierarchy is a tree. Its leaves are the values before generalization, its levels are the cuts
through it that full-domain recoding chooses from, its root `*` says nothing. An unknown value is
a leaf of its own that meets the others only at the root, so that an attacker who knows that a
value is unknown learns no more from it than from any other.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.errors import HierarchyError

ROOT: Final = "*"
"""The label that says nothing: the top level of every hierarchy."""

MISSING: Final = "(missing)"
"""The label of an unknown value."""


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A generalization hierarchy, validated as a tree.

    Attributes:
        name: the column it generalizes.
        leaves: the D values before generalization.
        levels: one array of shape (D,) a level; `levels[l][leaf]` is the code of that leaf's label
            at level l. Level 0 is the identity.
        labels: `labels[l][code]`. The top level is the single label `*`.

    Raises:
        HierarchyError: the levels are not a tree, or a released label would be ambiguous.
    """

    name: str
    leaves: tuple[str, ...]
    levels: tuple[NDArray[np.int32], ...]
    labels: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        self._check_shape()
        for level in range(len(self.levels)):
            self._check_labels(level)
        for level in range(1, len(self.levels)):
            self._check_parents(level)
        self._check_meanings()
        for codes in self.levels:
            codes.setflags(write=False)

    @classmethod
    def from_rows(cls, name: str, rows: Sequence[Sequence[str]], *, missing: bool) -> Self:
        """Read a table like ARX's: one row a leaf, `leaf; level 1; level 2; ...`.

        Args:
            name: the column it generalizes.
            rows: all of one length. Unless the last column is `*` throughout, `*` is appended.
            missing: whether an unknown value occurs: appends the leaf `(missing)`.

        Raises:
            HierarchyError: the rows are empty, ragged or not a tree.
        """
        if not rows:
            raise HierarchyError(f"hierarchy {name}: no rows; give one row for each leaf")
        width = len(rows[0])
        if width == 0 or any(len(row) != width for row in rows):
            raise HierarchyError(
                f"hierarchy {name}: ragged rows; give every leaf a label at every level"
            )
        rooted = width > 1 and all(row[-1] == ROOT for row in rows)
        paths = [(*row,) if rooted else (*row, ROOT) for row in rows]
        times = Counter(path[0] for path in paths)
        if MISSING in times:
            raise HierarchyError(
                f"hierarchy {name}: level 0: label {MISSING!r} is no row; `missing` declares it"
            )
        if len(times) < len(paths):
            twice = times.most_common(1)[0][0]
            raise HierarchyError(
                f"hierarchy {name}: level 0: label {twice!r} has two rows; remove one"
            )
        if missing:
            paths.append((MISSING,) * (len(paths[0]) - 1) + (ROOT,))
        codes, labels = zip(*(_encode(column) for column in zip(*paths, strict=True)), strict=True)
        return cls(name=name, leaves=labels[0], levels=codes, labels=labels)

    @classmethod
    def flat(cls, name: str, values: Sequence[str], *, missing: bool) -> Self:
        """The hierarchy of values that generalize to nothing but `*`.

        Raises:
            HierarchyError: no values, or one of them twice.
        """
        return cls.from_rows(name, [(value,) for value in values], missing=missing)

    @classmethod
    def from_bins(cls, name: str, edges: Sequence[Sequence[float]], *, missing: bool) -> Self:
        """The hierarchy of a number: its leaves are the bins of the finest edges.

        Args:
            name: the column it generalizes.
            edges: one strictly increasing list a level, finest first; each coarser list is a
                subset of the finer one.
            missing: whether an unknown value occurs.

        Raises:
            HierarchyError: no edges, or edges that do not increase or do not nest.
        """
        for level, cuts in enumerate(edges):
            increasing = all(a < b for a, b in pairwise(cuts))
            if not cuts or not increasing or not all(map(math.isfinite, cuts)):
                raise HierarchyError(
                    f"hierarchy {name}: level {level}: edges must be finite and strictly increasing"
                )
            if level and not set(cuts) <= set(edges[level - 1]):
                raise HierarchyError(
                    f"hierarchy {name}: level {level}: edges must be a subset of the finer ones"
                )
        if not edges:
            raise HierarchyError(f"hierarchy {name}: no edges; give one list for each level")
        # A fine bin lies in the coarse bin that its lower end lies in.
        lows = np.array([-math.inf, *edges[0]])
        columns = [
            [bin_labels(cuts)[i] for i in np.searchsorted(np.array(cuts, float), lows, "right")]
            for cuts in edges
        ]
        return cls.from_rows(name, list(zip(*columns, strict=True)), missing=missing)

    @property
    def height(self) -> int:
        """The level of the root: the number of levels less one."""
        return len(self.levels) - 1

    def leaf_counts(self, level: int) -> NDArray[np.int64]:
        """For each leaf, the number of leaves with the same label at `level`; shape (D,)."""
        codes = self.levels[level]
        return np.bincount(codes)[codes].astype(np.int64)

    def share(self, level: int) -> NDArray[np.float64]:
        """For each leaf, the share of all leaves with the same label at `level`; shape (D,)."""
        return self.leaf_counts(level) / len(self.leaves)

    def label_of(self, level: int) -> tuple[str, ...]:
        """For each leaf, its label at `level`."""
        return tuple(self.labels[level][code] for code in self.levels[level])

    def domain(self) -> tuple[str, ...]:
        """Every label that may be released, finest level first, without repeats."""
        return tuple(dict.fromkeys(label for labels in self.labels for label in labels))

    def index(self) -> dict[str, int]:
        """Leaf -> its row in the arrays."""
        return {leaf: i for i, leaf in enumerate(self.leaves)}

    def _error(self, level: int, label: str, fault: str) -> HierarchyError:
        return HierarchyError(f"hierarchy {self.name}: level {level}: label {label!r} {fault}")

    def _check_shape(self) -> None:
        shape = (len(self.leaves),)
        sound = (
            self.leaves
            and len(self.levels) == len(self.labels) > 1
            and all(codes.shape == shape for codes in self.levels)
            and np.array_equal(self.levels[0], np.arange(len(self.leaves)))
            and self.labels[0] == self.leaves
            and all(
                np.array_equal(np.unique(codes), np.arange(len(labels)))
                for codes, labels in zip(self.levels, self.labels, strict=True)
            )
        )
        if not sound:
            raise HierarchyError(
                f"hierarchy {self.name}: leaves, levels and labels differ in shape;"
                " build it with from_rows, flat or from_bins"
            )

    def _check_labels(self, level: int) -> None:
        labels = self.labels[level]
        if level == self.height and labels != (ROOT,):
            raise self._error(level, labels[0], f"stands at the top; the top is {ROOT!r} alone")
        for label in labels:
            if not label.strip():
                raise self._error(level, label, "is empty; name it")
            if label == ROOT and level < self.height:
                raise self._error(level, label, "stands below the top; remove or rename it")
        if len(set(labels)) < len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise self._error(level, twice, "occurs twice; rename one")

    def _check_parents(self, level: int) -> None:
        """Each label one level below has one label at `level` above it."""
        below, here = self.levels[level - 1], self.levels[level]
        parent = np.empty(len(self.labels[level - 1]), np.int32)
        parent[below] = here
        astray = np.flatnonzero(parent[below] != here)
        if astray.size:
            label = self.labels[level - 1][below[astray[0]]]
            raise self._error(level - 1, label, "has two parents; a hierarchy is a tree")

    def _check_meanings(self) -> None:
        """A label that recurs stands for the same leaves, and `(missing)` for its own leaf."""
        meaning: dict[str, frozenset[int]] = {}
        missing = {i for i, leaf in enumerate(self.leaves) if leaf == MISSING}
        for level, labels in enumerate(self.labels[:-1]):
            members: list[set[int]] = [set() for _ in labels]
            for leaf, code in enumerate(self.levels[level]):
                members[code].add(leaf)
            for label, leaves in zip(labels, members, strict=True):
                if (label == MISSING or leaves & missing) and leaves != missing:
                    raise self._error(level, label, "mixes known and unknown values; rename it")
                if meaning.setdefault(label, frozenset(leaves)) != leaves:
                    fault = "stands for other leaves than at a finer level; rename one"
                    raise self._error(level, label, fault)


def bin_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """The labels of the bins that `edges` cut a number into, lowest first.

    >>> bin_labels([1, 2.5])
    ('below 1', '[1, 2.5)', '2.5 or more')
    """
    ends = [_number(edge) for edge in edges]
    inner = [f"[{low}, {high})" for low, high in pairwise(ends)]
    return (f"below {ends[0]}", *inner, f"{ends[-1]} or more")


def bin_expr(column: str, edges: Sequence[float]) -> pl.Expr:
    """The bin that a numeric column's value lies in; null and NaN become `(missing)`.

    Args:
        column: the numeric column.
        edges: strictly increasing; a value on an edge lies in the bin above it.
    """
    value = pl.col(column).cast(pl.Float64)
    *inner, label = bin_labels(edges)
    binned: pl.Expr = pl.lit(label)
    for edge, below in zip(reversed(edges), reversed(inner), strict=True):
        binned = pl.when(value < edge).then(pl.lit(below)).otherwise(binned)
    unknown = value.is_null() | value.is_nan()
    return pl.when(unknown).then(pl.lit(MISSING)).otherwise(binned).alias(column)


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _encode(column: Sequence[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Codes in order of first appearance, and the label of each code."""
    code_of = {label: code for code, label in enumerate(dict.fromkeys(column))}
    return np.array([code_of[label] for label in column], np.int32), tuple(code_of)
