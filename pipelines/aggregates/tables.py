"""From exact figures to the tables that leave: noise, then what is made of noisy figures alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.dp.margins import Reconciled, reconcile
from anonymizer.dp.means import noisy_means
from anonymizer.dp.mechanisms import IntegerMechanism, NoisyMax
from anonymizer.dp.noise import add_noise, select_quantiles
from anonymizer.dp.quantiles import noisy_quantiles, rank_half_widths
from anonymizer.dp.widths import Kind
from pipelines.aggregates.counting import Exact
from pipelines.aggregates.describe import BIN
from pipelines.aggregates.plan import AggregatePlan, PlannedQuery, half_width_of, quantile_name
from pipelines.governance.ledger import Reserved
from schemas.queries import Events, Histogram, Mean, Quantiles, Sum

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NoisyTable:
    """The answer of a query.

    Attributes:
        query: which.
        frame: keys as text, values, and after each its half-width; in grid order.
    """

    query: PlannedQuery
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Noisy:
    """Noisy whole numbers, an array a measurement; and the half-width of the first."""

    values: tuple[Whole, ...]
    half_width: int


def noisy_tables(
    plan: AggregatePlan,
    exact: Mapping[str, Exact],
    *,
    paid: Reserved,  # noqa: ARG001 - a receipt
) -> tuple[NoisyTable, ...]:
    """Draw noise for every figure, and make the tables of what came of it.

    Args:
        plan: which noise.
        exact: the figures of every query, by its name; nothing else is made of them.
        paid: the charge for all of it, which is on record. Nothing of it is looked at: it is asked
            for so that nobody draws who has none.

    Returns:
        One table a query, in the order of the request.
    """
    noisy = {query.name: _drawn(query, exact[query.name]) for query in plan.queries}
    for margin in plan.margins():
        detail = plan.query(margin.margin_of)
        found = agreed(margin, detail, noisy[margin.name].values[0], noisy[detail.name].values[0])
        noisy[margin.name] = _Noisy((found.margins,), found.margin_half_width)
        noisy[detail.name] = _Noisy((found.cells,), found.cell_half_width)
    return tuple(
        NoisyTable(query, _table(query, exact[query.name].labels, noisy[query.name]))
        for query in plan.queries
    )


def _drawn(query: PlannedQuery, exact: Exact) -> _Noisy:
    """Noise on every measurement: the only step that sees exact figures and noisy ones."""
    if exact.groups:
        points = np.array(query.candidates, np.int64)
        chosen = [
            select_quantiles(exact.groups, points, measurement.mechanism)
            for measurement in query.measurements
            if isinstance(measurement.mechanism, NoisyMax)
        ]
        return _Noisy(tuple(chosen), 0)
    values = tuple(
        add_noise(figures, _integer(measurement.mechanism))
        for figures, measurement in zip(exact.values, query.measurements, strict=True)
    )
    return _Noisy(values, half_width_of(query.measurements[0]))


def _integer(mechanism: IntegerMechanism | NoisyMax) -> IntegerMechanism:
    assert not isinstance(mechanism, NoisyMax)
    return mechanism


def agreed(
    margin: PlannedQuery,
    detail: PlannedQuery,
    sums: Whole | None = None,
    cells: Whole | None = None,
) -> Reconciled:
    """A margin and its cells, moved so that they agree; of noisy figures alone.

    Args:
        margin: the sums.
        detail: of these cells.
        sums: noisy; None: only the half-widths are asked for.
        cells: the same.
    """
    noise = [_integer(query.measurements[0].mechanism) for query in (margin, detail)]
    return reconcile(
        np.zeros(margin.grid.size, np.int64) if sums is None else sums,
        np.zeros(detail.grid.size, np.int64) if cells is None else cells,
        _margin_cells(margin, detail),
        kind=_kind(noise[0]),
        margin_scale=float(noise[0].scale),
        cell_scale=float(noise[1].scale),
    )


def _margin_cells(margin: PlannedQuery, detail: PlannedQuery) -> Whole:
    """Of each cell of the detailed grid, the place of its margin; shape (cells,)."""
    shape = [len(key.labels) for key in detail.grid.keys]
    positions = np.indices(shape).reshape(len(shape), -1)
    found = np.zeros(detail.grid.size, np.int64)
    for key in margin.grid.keys:
        found = found * len(key.labels) + positions[detail.grid.keys.index(key)]
    return found


def _kind(mechanism: IntegerMechanism | NoisyMax) -> Kind:
    return "gaussian" if mechanism.norm == "L2" else "laplace"


def _table(
    query: PlannedQuery, labels: Sequence[tuple[str, ...]] | None, noisy: _Noisy
) -> pl.DataFrame:
    of = query.asked
    if labels is not None:
        return _discovered(query, labels, noisy)
    keys = _keys(query, query.grid.combinations())
    if isinstance(of, Mean):
        return keys.hstack(_means(query, noisy))
    if isinstance(of, Quantiles):
        return keys.hstack(_quantiles(query, of, noisy))
    if isinstance(of, Histogram):
        keys = keys.join(pl.DataFrame({BIN: query.bin_labels}), how="cross", maintain_order="left")
    return keys.hstack(_counted(query, noisy.values[0], noisy.half_width))


def _keys(query: PlannedQuery, combinations: Sequence[tuple[str, ...]]) -> pl.DataFrame:
    names = [key.column for key in query.grid.keys]
    if not names:  # one cell, that no key tells of
        return pl.DataFrame(height=1)
    return pl.DataFrame(combinations, schema=dict.fromkeys(names, pl.String), orient="row")


def _counted(query: PlannedQuery, values: Whole, half_width: int) -> pl.DataFrame:
    """A column of whole numbers, or of decimals, and its half-width."""
    name = value_column(query)
    told = [pl.Series(name, values), pl.Series(f"{name}_half_width", [half_width] * len(values))]
    return pl.DataFrame([_in_decimals(series.cast(pl.Int64), query) for series in told])


def value_column(query: PlannedQuery) -> str:
    """The one value column of a count or a sum."""
    if isinstance(query.asked, Events):
        return "events"
    return "sum" if isinstance(query.asked, Sum) else "learners"


def _in_decimals(series: pl.Series, query: PlannedQuery) -> pl.Series:
    """Units as numbers: exact where they are whole, the nearest float else."""
    if not isinstance(query.asked, Sum | Quantiles) or not query.decimals:
        return series
    name = series.name
    return pl.Series(name, series.to_numpy().astype(np.float64) / 10**query.decimals)


def _means(query: PlannedQuery, noisy: _Noisy) -> pl.DataFrame:
    total, count = (_integer(m.mechanism) for m in query.measurements)
    low, high = query.clamps
    found = noisy_means(
        noisy.values[0],
        noisy.values[1],
        low=low,
        high=high,
        decimals=query.decimals,
        least=query.least,
        kind=_kind(total),
        sum_scale=float(total.scale),
        count_scale=float(count.scale),
    )
    learners = noisy.values[1]
    half_width = half_width_of(query.measurements[1])
    return pl.DataFrame(
        [
            pl.Series("mean", found.values, nan_to_null=True),
            pl.Series("mean_half_width", found.half_widths, nan_to_null=True),
            pl.Series("learners", learners),
            pl.Series("learners_half_width", [half_width] * len(learners), pl.Int64),
        ]
    )


def _quantiles(query: PlannedQuery, of: Quantiles, noisy: _Noisy) -> pl.DataFrame:
    points = np.array(query.candidates, np.int64)
    if query.method == "noisy-max":
        chosen = noisy.values
        widths = [
            measurement.mechanism.rank_half_width(len(points))
            for measurement in query.measurements
            if isinstance(measurement.mechanism, NoisyMax)
        ]
    else:
        noise = _integer(query.measurements[0].mechanism)
        counts = noisy.values[0].reshape(query.grid.size, len(points))
        chosen = tuple(noisy_quantiles(counts, points, of.quantiles).T)
        widths = list(
            rank_half_widths(
                of.quantiles, bins=len(points), kind=_kind(noise), scale=float(noise.scale)
            )
        )
    columns = []
    for share, values, width in zip(of.quantiles, chosen, widths, strict=True):
        name = quantile_name(share)
        columns.append(_in_decimals(pl.Series(name, values), query))
        columns.append(pl.Series(f"{name}_rank_half_width", [width] * len(values), pl.Float64))
    return pl.DataFrame(columns)


def _discovered(
    query: PlannedQuery, labels: Sequence[tuple[str, ...]], noisy: _Noisy
) -> pl.DataFrame:
    """The cells whose noisy count exceeds the threshold, in the order of their labels."""
    keys = _keys(query, labels)
    names = keys.columns
    table = keys.hstack(_counted(query, noisy.values[0], noisy.half_width))
    assert query.threshold is not None
    return table.filter(pl.col("learners") > query.threshold).sort(names)
