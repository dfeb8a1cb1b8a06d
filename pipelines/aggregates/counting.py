"""The exact figures of every query: bounded, whole numbers, and never to leave but with noise."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.bounding import clamp, keep_cells
from anonymizer.dp import queries as exact
from anonymizer.dp.quantiles import nearest
from pipelines.aggregates.grid import Grid, Key
from pipelines.aggregates.people import NUMBER, People, people_of
from pipelines.aggregates.plan import AggregatePlan, PlannedQuery
from pipelines.aggregates.rows import Counted, added_up, key_name
from pipelines.passes import ROWS
from pipelines.sources.quarantine import Quarantine
from pipelines.views import conform
from schemas.queries import LEAVE_OUT, Events, Histogram, Mean, Sum

_PRIORITY: Final = np.dtype(np.uint64)
_DRAWN_AT_ONCE: Final = 1 << 22
_KNOWN: Final = "known:"
_FARTHEST: Final = 10**12
"""Of what an unknown value counts as, in units: far beyond all bounds, and a whole number still."""

Whole = NDArray[np.int64]


class Lots(Protocol):
    """Draws which of a learner's cells stay where he is in more than count."""

    def __call__(self, learners: NDArray[np.uint32], cells: Whole) -> NDArray[np.uint64]:
        """A priority for each learner and cell; the least ones stay."""


def fresh_lots(randomness: Callable[[int], bytes]) -> Lots:
    """Priorities from a source of n secret random bytes: drawn anew each time, of nothing else."""

    def draw(learners: NDArray[np.uint32], cells: Whole) -> NDArray[np.uint64]:  # noqa: ARG001
        number, size = len(learners), _PRIORITY.itemsize
        parts = [
            np.frombuffer(randomness(min(_DRAWN_AT_ONCE, number - start) * size), _PRIORITY)
            for start in range(0, number, _DRAWN_AT_ONCE)
        ]
        return np.concatenate([np.empty(0, _PRIORITY), *parts])

    return draw


@dataclass(frozen=True, slots=True)
class Exact:
    """What noise is drawn for, of one query; for nobody's eyes.

    Attributes:
        values: an array a measurement of whole numbers, in the order of the plan; of a grid of
            cells, or of cells times bins.
        groups: of quantiles by noisy maximum: the values of each cell.
        labels: of discovered keys: the labels of each cell that anybody is in; else None.
    """

    values: tuple[Whole, ...]
    groups: tuple[Whole, ...] = ()
    labels: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class _Contributions:
    """What learners add to the cells of one query, bounded: one entry a learner and cell."""

    cells: Whole
    counts: Whole
    units: Whole | None
    known: NDArray[np.bool_] | None


def exact_figures(
    tables: Mapping[str, pl.LazyFrame],
    plan: AggregatePlan,
    quarantine: Quarantine,
    lots: Lots,
) -> dict[str, Exact]:
    """The exact figures of every query, by its name; a margin's are sums of the other's.

    Args:
        tables: staged tables, of permitted rows alone, each learner under one id.
        plan: queries and bounds.
        quarantine: where rows go that repeat a key, or have no learner.
        lots: which of a learner's cells stay; drawn for each query.
    """
    conformed = conform(tables, plan.family, quarantine, own_keys=True)
    keys = [key for query in plan.queries for key in query.grid.keys]
    people = people_of(conformed, plan.family, keys, quarantine)
    of = Counted(conformed, plan.family, people)
    found: dict[str, Exact] = {}
    for together in plan.passes():
        first = together[0]
        values = dict.fromkeys(q.value for q in together if q.value is not None)
        frame, labels = added_up(first.asked.view, first.row_keys, values, of)
        for query in together:
            found[query.name] = _figures(query, frame, labels, people, lots)
    for query in plan.margins():
        found[query.name] = _margin(query, plan.query(query.margin_of), found)
    return found


def _figures(
    query: PlannedQuery,
    frame: pl.DataFrame,
    labels: Mapping[Key, Sequence[str]],
    people: People,
    lots: Lots,
) -> Exact:
    """Bound what each learner adds, and add it up."""
    sizes = [len(labels.get(key, key.labels)) for key in query.grid.keys]
    every = _contributions(query, frame, sizes, people)
    bounded = _bounded(query, every, lots)
    if query.grid.discovered:
        return _discovered(query.grid, bounded, sizes, labels)
    return _added(query, bounded)


def _contributions(
    query: PlannedQuery, frame: pl.DataFrame, sizes: Sequence[int], people: People
) -> tuple[NDArray[np.uint32], _Contributions]:
    """The learner's number and what he adds, for each learner and cell of the grid.

    Who has a value that no key lists, and no `(other)` takes, is in no cell; nor is a learner whose
    value is unknown, where that counts as nothing.
    """
    numbers = frame[NUMBER].to_numpy()
    cells, inside = np.zeros(len(numbers), np.int64), np.ones(len(numbers), np.bool_)
    for key, size in zip(query.grid.keys, sizes, strict=True):
        position = people.own[key][numbers] if key.own else frame[key_name(key)].to_numpy()
        inside &= position >= 0
        cells = cells * size + position
    units, known = _units(query, frame)
    if known is not None and query.nulls == LEAVE_OUT:
        inside &= known
    chosen = _Contributions(
        cells[inside],
        frame[ROWS].to_numpy()[inside],
        None if units is None else units[inside],
        None if known is None else known[inside],
    )
    return numbers[inside], chosen


def _units(
    query: PlannedQuery, frame: pl.DataFrame
) -> tuple[Whole | None, NDArray[np.bool_] | None]:
    """A learner's value in each cell, and whether any of his rows there has one.

    Counts and sums add up over his rows; of other numbers it is the mean, to the nearest unit, or
    for bins to the one below.
    """
    value = query.value
    if value is None:
        return None, None
    units, rows = frame[value.name].to_numpy(), frame[f"{_KNOWN}{value.name}"].to_numpy()
    known = rows > 0
    if not query.adds_up:
        divisor = np.maximum(rows, 1)
        units = units // divisor if value.cut else (2 * units + divisor) // (2 * divisor)
    if isinstance(query.nulls, float):
        counted_as = Decimal(repr(query.nulls)).scaleb(value.decimals)
        whole = math.floor(counted_as) if value.cut else round(counted_as)
        units = np.where(known, units, max(-_FARTHEST, min(_FARTHEST, whole)))
    return units, known


def _bounded(
    query: PlannedQuery,
    every: tuple[NDArray[np.uint32], _Contributions],
    lots: Lots,
) -> _Contributions:
    """What stays of each learner: as many cells as the bound says, chosen by lot."""
    numbers, found = every
    if query.always_within:
        return found
    keep = keep_cells(numbers, lots(numbers, found.cells), most=query.l0)
    return _Contributions(
        found.cells[keep],
        found.counts[keep],
        None if found.units is None else found.units[keep],
        None if found.known is None else found.known[keep],
    )


def _added(query: PlannedQuery, found: _Contributions) -> Exact:
    """The figures of a public grid."""
    of, cells, size = query.asked, found.cells, query.grid.size
    if isinstance(of, Events):
        most = query.terms.most
        return Exact((exact.events(cells, found.counts, most=most, size=size),))
    if found.units is None:
        return Exact((exact.learners(cells, size=size),))
    if isinstance(of, Histogram):
        number = len(query.bin_labels)
        counts = exact.histogram(cells, _bins(query, found), size=size, bins_n=number)
        return Exact((counts.reshape(-1),))
    return _of_values(query, cells, found.units)


def _of_values(query: PlannedQuery, cells: Whole, units: Whole) -> Exact:
    """The figures of sums, means and quantiles: of clamped values."""
    size, (low, high) = query.grid.size, query.clamps
    if isinstance(query.asked, Sum):
        return Exact((exact.sums(cells, units, low=low, high=high, size=size),))
    if isinstance(query.asked, Mean):
        totals = exact.centred_sums(cells, units, low=low, high=high, size=size)
        return Exact((totals, exact.learners(cells, size=size)))
    clamped = clamp(units, low, high)
    if query.method == "noisy-max":
        order = np.argsort(cells, kind="stable")
        starts = np.searchsorted(cells[order], np.arange(1, size))
        return Exact((), groups=tuple(np.split(clamped[order], starts)))
    points = np.array(query.candidates, np.int64)
    counts = exact.histogram(cells, nearest(clamped, points), size=size, bins_n=len(points))
    return Exact((counts.reshape(-1),))


def _bins(query: PlannedQuery, found: _Contributions) -> Whole:
    """The bin of each value: a value on an edge lies above it, an unknown one in the last bin."""
    assert found.units is not None
    assert found.known is not None
    bins = np.searchsorted(query.bin_edges, found.units, side="right").astype(np.int64)
    return np.where(found.known, bins, len(query.bin_labels) - 1) if query.nulls == "bin" else bins


def _discovered(
    grid: Grid, found: _Contributions, sizes: Sequence[int], labels: Mapping[Key, Sequence[str]]
) -> Exact:
    """Distinct learners of the cells that anybody is in, and the labels of these."""
    places, cells = np.unique(found.cells, return_inverse=True)
    counts = np.bincount(cells, minlength=len(places)).astype(np.int64, copy=False)
    columns = []
    rest = places
    for key, size in zip(reversed(grid.keys), reversed(sizes), strict=True):
        rest, position = np.divmod(rest, size)
        names = labels.get(key, key.labels)
        columns.append([names[i] for i in position])
    return Exact((counts,), labels=tuple(zip(*reversed(columns), strict=True)))


def _margin(query: PlannedQuery, detail: PlannedQuery, found: Mapping[str, Exact]) -> Exact:
    """A margin: sums over attributes of learners, of which each has one value."""
    (values,) = found[detail.name].values
    keys = detail.grid.keys
    cube = values.reshape([len(key.labels) for key in keys])
    dropped = tuple(i for i, key in enumerate(keys) if key not in query.grid.keys)
    kept = [key for key in keys if key in query.grid.keys]
    order = [kept.index(key) for key in query.grid.keys]
    return Exact((cube.sum(axis=dropped).transpose(order).reshape(-1),))
