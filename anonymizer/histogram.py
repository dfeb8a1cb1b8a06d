"""The histogram of quasi-identifiers: all that the search needs to know about the learners.

A *tuple* is a combination of quasi-identifier leaves within a cell; a *cell* is what the promise
holds within and what is never generalized: the item under course scope, the exact item set under
release scope. Every learner counts once in each cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.errors import CoreError, HierarchyError
from anonymizer.hierarchy import ROOT, Hierarchy
from anonymizer.models import EquivalenceClasses, SensitiveValues

VALUE: Final = "value"
"""The column of sensitive counts that holds the sensitive value."""

_KEY_LIMIT: Final = 2**62
"""Packed keys stay below this, clear of the sign of an int64."""


@dataclass(frozen=True, eq=False)
class SensitiveCounts:
    """Distinct learners by tuple and sensitive value, as triplets.

    Attributes:
        tuple_index: the tuple; shape (m,).
        value: the code of the value; shape (m,).
        learners: distinct learners of the tuple who have the value in any of their rows, at least
            1; shape (m,).
        values: the label of each code, in the declared order of the column. Never `*`: a withheld
            value says nothing.

    Raises:
        CoreError: the arrays differ in length, a code or count is out of range, or a pair of tuple
            and value occurs twice.
    """

    tuple_index: NDArray[np.int64]
    value: NDArray[np.int32]
    learners: NDArray[np.int64]
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.tuple_index.shape == self.value.shape == self.learners.shape:
            raise CoreError("sensitive counts: the three arrays differ in length")
        if ROOT in self.values:
            raise CoreError(f"sensitive counts: leave rows with the withheld value {ROOT!r} out")
        coded = (self.value >= 0) & (self.value < len(self.values))
        if not (coded & (self.learners >= 1) & (self.tuple_index >= 0)).all():
            raise CoreError("sensitive counts: a code or a count is out of range")
        pairs = self.tuple_index * max(len(self.values), 1) + self.value
        if np.unique(pairs).size < pairs.size:
            raise CoreError("sensitive counts: a tuple has a value twice; add them up first")


@dataclass(frozen=True, eq=False)
class Histogram:
    """Distinct learners by tuple.

    Attributes:
        codes: the leaf of each of n tuples in each of q quasi-identifiers; shape (n, q).
        cell: the cell of each tuple; shape (n,). All 0 where there is none.
        learners: distinct learners of each tuple; shape (n,). 0 where only the population has it.
        population: distinct learners of each tuple in the full platform table, at least 1 and at
            least `learners`; equal to it where the table is its own population; shape (n,).
        sensitive: sensitive column -> its counts.

    Raises:
        CoreError: the arrays differ in length, or a count is out of range.
    """

    codes: NDArray[np.int32]
    cell: NDArray[np.int64]
    learners: NDArray[np.int64]
    population: NDArray[np.int64]
    sensitive: Mapping[str, SensitiveCounts]

    def __post_init__(self) -> None:
        n = len(self.codes)
        lengths = {len(self.cell), len(self.learners), len(self.population)}
        if self.codes.ndim != 2 or lengths != {n}:
            raise CoreError("histogram: codes, cell, learners and population differ in length")
        if (self.population < 1).any() or (self.learners < 0).any() or (self.codes < 0).any():
            raise CoreError("histogram: a code is negative or a tuple has no learner")
        if (self.learners > self.population).any():
            raise CoreError("histogram: a tuple has more learners than its population")
        for name, counts in self.sensitive.items():
            inside = counts.tuple_index < len(self.learners)
            if not inside.all() or (counts.learners > self.learners[counts.tuple_index]).any():
                raise CoreError(f"histogram: {name} counts learners that the tuples do not hold")

    @property
    def total(self) -> int:
        """Learners over all tuples; one in several cells counts in each."""
        return int(self.learners.sum())


def histogram_from_counts(
    counts: pl.DataFrame,
    hierarchies: Sequence[Hierarchy],
    *,
    cell: str | None,
    learners: str,
    sensitive: Mapping[str, pl.DataFrame],
    orders: Mapping[str, Sequence[str]],
) -> tuple[Histogram, pl.DataFrame]:
    """Pack the grouped counts that the passes collected.

    Args:
        counts: one row a tuple: its leaf labels in columns named as the hierarchies, its cell, and
            its distinct learners.
        hierarchies: one for each quasi-identifier, in the order of `Histogram.codes`.
        cell: the column that holds the cell; None where there is none.
        learners: the column that holds the count, here and in `sensitive`.
        sensitive: sensitive column -> one row for each tuple and value that occurs: the tuple's
            columns as in `counts`, `value`, and the distinct learners. Rows with `*` are dropped.
        orders: sensitive column -> its labels in the declared order, for distances that need one.
            Columns left out are ordered by label.

    Returns:
        The histogram, and `counts` in its order: sorted by leaf codes, then cell.

    Raises:
        HierarchyError: a value is no leaf of its hierarchy.
        CoreError: two columns share a name, a tuple occurs twice, or `sensitive` names a tuple
            that `counts` lacks.
    """
    names = [hierarchy.name for hierarchy in hierarchies]
    keys = [*names, *([] if cell is None else [cell])]
    columns = [*keys, learners, VALUE]
    if len(set(columns)) < len(columns):
        raise CoreError(f"counts: two columns share a name among {', '.join(columns)}; rename one")
    codes = leaf_codes(counts, hierarchies)
    cells = (
        pl.repeat(0, len(counts), dtype=pl.Int64, eager=True)
        if cell is None
        else counts[cell].rank("dense").cast(pl.Int64) - 1
    )
    if cells.null_count():
        raise CoreError(f"counts: null in {cell}; drop rows without it first")
    order = np.lexsort((cells.to_numpy(), *codes.T[::-1]))
    tuples = counts[order]
    if tuples.select(keys).is_duplicated().any() if keys else len(tuples) > 1:
        raise CoreError("counts: a tuple has two rows; group by all of its columns first")
    of_tuple = tuples[learners].cast(pl.Int64).to_numpy()
    histogram = Histogram(
        codes=codes[order],
        cell=cells.to_numpy()[order],
        learners=of_tuple,
        population=of_tuple,
        sensitive={
            name: _sensitive_counts(
                name, frame, tuples.select(keys), learners=learners, order=orders.get(name, ())
            )
            for name, frame in sensitive.items()
        },
    )
    return histogram, tuples


def leaf_codes(frame: pl.DataFrame, hierarchies: Sequence[Hierarchy]) -> NDArray[np.int32]:
    """The leaf of each row in each hierarchy; shape (rows, hierarchies).

    Raises:
        HierarchyError: a value is null, or no leaf of its hierarchy. The value is not named.
    """
    codes = np.empty((len(frame), len(hierarchies)), np.int32)
    for j, hierarchy in enumerate(hierarchies):
        text = frame[hierarchy.name].cast(pl.String)
        coded = text.cast(pl.Enum(hierarchy.leaves), strict=False).to_physical()
        if coded.null_count():
            kind = "a null" if text.null_count() else "a value that is no leaf"
            raise HierarchyError(
                f"column {hierarchy.name}: holds {kind}; add its leaf to the hierarchy, or declare"
                " what it becomes"
            )
        codes[:, j] = coded.cast(pl.Int32).to_numpy()
    return codes


def _sensitive_counts(
    name: str, frame: pl.DataFrame, tuples: pl.DataFrame, *, learners: str, order: Sequence[str]
) -> SensitiveCounts:
    """Match the rows of one sensitive column with their tuples."""
    keys = tuples.columns
    shown = frame.with_columns(pl.col(VALUE).cast(pl.String))
    if shown[VALUE].null_count():
        raise CoreError(f"sensitive {name}: holds a null; name its label first")
    shown = shown.filter(pl.col(VALUE) != ROOT)
    numbered = tuples.with_row_index("index")
    index = (
        shown.select(keys).join(numbered, on=keys, how="left", maintain_order="left")["index"]
        if keys
        else pl.repeat(0, len(shown), dtype=pl.UInt32, eager=True)
    )
    if index.null_count():
        raise CoreError(f"sensitive {name}: names a tuple that the counts lack; count both alike")
    place = {value: i for i, value in enumerate(order)}
    found = shown[VALUE].unique().to_list()
    values = tuple(sorted(found, key=lambda value: (place.get(value, len(place)), value)))
    coded = shown[VALUE].cast(pl.Enum(values)).to_physical().cast(pl.Int32).to_numpy()
    by_tuple = np.lexsort((coded, index.to_numpy()))
    return SensitiveCounts(
        tuple_index=index.cast(pl.Int64).to_numpy()[by_tuple],
        value=coded[by_tuple],
        learners=shown[learners].cast(pl.Int64).to_numpy()[by_tuple],
        values=values,
    )


def classes_of(
    histogram: Histogram, of_tuple: NDArray[np.int64], number: int
) -> EquivalenceClasses:
    """The equivalence classes that a grouping of the tuples makes.

    What a class is compared with by t-closeness is its cell.

    Args:
        histogram: distinct learners by tuple.
        of_tuple: the class of each tuple; every class lies in one cell; shape (n,).
        number: of classes.
    """
    cells = int(histogram.cell.max(initial=-1)) + 1
    stratum = np.zeros(number, np.int64)
    stratum[of_tuple] = histogram.cell

    def held(counts: SensitiveCounts) -> SensitiveValues:
        width = len(counts.values)

        def table(index: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
            at = index[counts.tuple_index] * width + counts.value
            return sums(at, counts.learners, rows * width).reshape(rows, width)

        return SensitiveValues(
            counts=table(of_tuple, number),
            reference=table(histogram.cell, cells),
            stratum=stratum,
            values=counts.values,
        )

    return EquivalenceClasses(
        size=sums(of_tuple, histogram.learners, number),
        population=sums(of_tuple, histogram.population, number),
        sensitive={name: held(counts) for name, counts in histogram.sensitive.items()},
    )


def group_index(
    cell: NDArray[np.int64], columns: Sequence[tuple[NDArray[np.int32], int]]
) -> tuple[NDArray[np.int64], int]:
    """Number the rows that agree in a cell and in every column, from 0 without gaps.

    Args:
        cell: numbers from 0; shape (rows,).
        columns: codes of shape (rows,), each with the number that its codes stay below.

    Returns:
        The group of each row, and the number of groups.
    """
    key, radix = cell, int(cell.max(initial=0)) + 1
    for codes, cardinality in columns:
        if radix * cardinality > _KEY_LIMIT:
            key, radix = _dense(key, radix)
        key = key * cardinality + codes
        radix *= cardinality
    return _dense(key, radix)


def _dense(key: NDArray[np.int64], radix: int) -> tuple[NDArray[np.int64], int]:
    """Renumber keys below `radix` from 0 without gaps; the new keys and how many there are."""
    if radix <= 4 * len(key):
        seen = np.zeros(radix, np.bool_)
        seen[key] = True
        number = np.cumsum(seen) - 1
        return number[key], int(number[-1]) + 1
    distinct, inverse = np.unique(key, return_inverse=True)
    return inverse.astype(np.int64, copy=False), len(distinct)


def sums(
    index: NDArray[np.integer[Any]], weight: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Sum of weights by index; shape (size,). Exact up to 2^53 learners."""
    return np.bincount(index, weights=weight, minlength=size).astype(np.int64)
