"""From authorized queries to grids, bounds and noise: all that a build will do."""

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from anonymizer.dp.accounting import MICRO, Cost
from anonymizer.dp.calibration import (
    gaussian_for,
    laplace_for,
    noisy_max_for_epsilon,
    noisy_max_for_rho,
)
from anonymizer.dp.means import least_count
from anonymizer.dp.mechanisms import Mechanism
from anonymizer.dp.quantiles import candidates, method_for
from anonymizer.dp.queries import Sensitivity
from anonymizer.dp.threshold import threshold_for
from anonymizer.dp.widths import Kind
from anonymizer.errors import CoreError
from anonymizer.hierarchy import MISSING, bin_labels
from pipelines.aggregates.grid import MOST_DRAWS, MOST_SELECTIONS, Grid, Public, grid_of
from pipelines.aggregates.plan import (
    AggregatePlan,
    Measurement,
    PlannedQuery,
    half_width_of,
    quantile_name,
)
from pipelines.errors import RequestError
from pipelines.ladders import edges_of
from schemas.aggregates import AggregateTerms, QueryTerms
from schemas.queries import Events, Histogram, Mean, Quantiles, Query, Sum
from schemas.request import AggregateRequest
from schemas.roles import Aggregate

_ADDED_UP: Final = (
    Aggregate.SUM,
    Aggregate.COUNT,
    Aggregate.COUNT_DISTINCT,
    Aggregate.COUNT_WEEKS,
)
_MOST_DECIMALS: Final = 6
_DIGITS: Final = 11
"""Of an edge in units: what `passes.in_units` keeps of a value has one more."""


def make_aggregate_plan(
    request: AggregateRequest, terms: AggregateTerms, public: Public
) -> AggregatePlan:
    """Decide what a build does.

    Raises:
        RequestError: a grid is too large, a level too high, or a budget too small for its draws.
        SourceError: a declared hierarchy is not a tree.
    """
    planned = []
    for i, query in enumerate(terms.queries):
        subject = f"release.queries.{i}"
        try:
            planned.append(plan_query(query, terms.kind, public, subject=subject))
        except CoreError as error:
            raise RequestError(f"request: {subject}: {error}") from None
    return AggregatePlan(request, terms, public, tuple(planned))


def plan_query(
    terms: QueryTerms, kind: Literal["epsilon", "rho"], public: Public, *, subject: str
) -> PlannedQuery:
    """One query's grid, bounds and noise.

    Args:
        terms: what is asked.
        kind: what is spent.
        public: what grids are made of.
        subject: the query's place in the request.

    Raises:
        RequestError: as `make_aggregate_plan`.
        CoreError: the budget is too small for its draws, or edges are too near to each other.
    """
    query = terms.query
    grid = grid_of(query, public, subject=subject)
    l0 = terms.cells if grid.discovered else min(terms.cells, grid.reach)
    column = public.family.views[query.view].columns.get(getattr(query, "of", ""))
    decimals, edges = _units(query, public)
    clamps = (0, 0)
    if terms.bounds is not None:
        low, high = (round(Decimal(repr(bound)) * 10**decimals) for bound in terms.bounds)
        clamps = (low, high)
    points: tuple[int, ...] = ()
    method = ""
    if isinstance(query, Quantiles):
        points = tuple(candidates(*clamps).tolist())
        method = query.method or method_for(
            _expected(terms, kind, public, grid), len(query.quantiles)
        )
        if method == "noisy-max":
            _demand_few_selections(grid, len(query.quantiles), subject)
    labels = bin_labels([edge / 10**decimals for edge in edges]) if edges else ()
    _demand_few(grid, len(labels) or (len(points) if method == "histogram" else 1), subject)
    measurements = _measurements(terms, kind, l0, clamps, method)
    return PlannedQuery(
        terms=terms,
        grid=grid,
        adds_up=column is not None and column.aggregate in _ADDED_UP,
        l0=l0,
        decimals=decimals,
        clamps=clamps,
        candidates=points,
        method=method,
        bin_edges=edges,
        bin_labels=(*labels, MISSING)
        if edges and getattr(query, "nulls", None) == "bin"
        else labels,
        measurements=measurements,
        least=_least(query, measurements),
        threshold=_threshold(terms, measurements),
    )


def _units(query: Query, public: Public) -> tuple[int, tuple[int, ...]]:
    """The decimals of a unit; and the edges of a histogram, in units.

    A unit is as fine as the largest edge allows. What was asked for is told as it is, or refused;
    a declared edge is rounded up to a unit, and told so.
    """
    if not isinstance(query, Histogram):
        return getattr(query, "decimals", 0), ()
    column = public.family.views[query.view].columns[query.of]
    edges = query.edges
    if edges is None:
        declared = edges_of(column)
        assert declared is not None
        edges = declared[0]
    largest = max(abs(edge) for edge in edges)
    room = _DIGITS - math.ceil(math.log10(largest + 1))
    if room < 0:
        raise CoreError(f"edges: below 1e{_DIGITS} were expected")
    decimals = min(_MOST_DECIMALS, room)
    exact = [Decimal(repr(float(edge))).scaleb(decimals) for edge in edges]
    units = tuple(math.ceil(edge) for edge in exact)
    if len(set(units)) < len(units) or (query.edges is not None and units != tuple(exact)):
        raise CoreError(f"edges: at most {decimals} decimals were expected beside {largest:g}")
    return decimals, units


def _demand_few(grid: Grid, each: int, subject: str) -> None:
    """Every cell costs a draw, or one for each of its bins, and a line of the table."""
    draws = grid.size * each
    if not grid.discovered and draws > MOST_DRAWS:
        raise RequestError(
            f"request: {subject}.by: {draws:,} cells and bins; ask for {MOST_DRAWS:,} at most, of "
            "fewer keys, coarser levels or fewer bins"
        )


def _demand_few_selections(grid: Grid, quantiles: int, subject: str) -> None:
    """A noisy maximum draws for each candidate: some two milliseconds for 401 of them."""
    draws = grid.size * quantiles
    if draws > MOST_SELECTIONS:
        raise RequestError(
            f"request: {subject}.by: {draws:,} quantiles of cells by noisy-max; ask for "
            f"{MOST_SELECTIONS:,} at most, of fewer keys or coarser levels, or for "
            'method = "histogram"'
        )


def _expected(
    terms: QueryTerms, kind: Literal["epsilon", "rho"], public: Public, grid: Grid
) -> float | None:
    """How many learners a cell has on average, by public numbers; times epsilon.

    Noise is as large beside n learners at epsilon e as beside n e at epsilon 1.
    """
    learners = public.catalogue.learners
    if learners is None or grid.discovered:
        return None
    budget = terms.micro / MICRO
    return learners / grid.size * (budget if kind == "epsilon" else math.sqrt(2 * budget))


def _measurements(
    terms: QueryTerms,
    kind: Literal["epsilon", "rho"],
    l0: int,
    clamps: tuple[int, int],
    method: str,
) -> tuple[Measurement, ...]:
    query = terms.query
    if isinstance(query, Quantiles) and method == "noisy-max":
        share = Fraction(terms.micro // len(query.quantiles), MICRO)
        noisy_max = noisy_max_for_epsilon if kind == "epsilon" else noisy_max_for_rho
        return tuple(
            _measured((quantile_name(q),), noisy_max(share, l0, Fraction(repr(q))))
            for q in query.quantiles
        )
    noise = laplace_for if kind == "epsilon" else gaussian_for
    budget = Fraction(terms.micro, MICRO)
    if isinstance(query, Mean):
        half = Fraction(terms.micro // 2, MICRO)
        low, high = clamps
        centred = Sensitivity.of_centred_sums(l0, low=low, high=high)
        return (
            _measured(("mean",), noise(half, l0, centred.linf)),
            _measured(("learners",), noise(half, l0, Sensitivity.of_learners(l0).linf)),
        )
    moved = Sensitivity.of_learners(l0)
    columns: tuple[str, ...] = ("learners",)
    if isinstance(query, Events):
        moved, columns = Sensitivity.of_events(l0, most=terms.most), ("events",)
    elif isinstance(query, Sum):
        low, high = clamps
        moved, columns = Sensitivity.of_sums(l0, low=low, high=high), ("sum",)
    elif isinstance(query, Quantiles):
        columns = tuple(quantile_name(q) for q in query.quantiles)
    return (_measured(columns, noise(budget, moved.l0, moved.linf), terms.delta),)


def _measured(
    columns: tuple[str, ...], mechanism: Mechanism, delta: Fraction = Fraction(0)
) -> Measurement:
    cost = mechanism.cost
    more = Cost(0, 0, 0) if not delta else Cost.pure(0, delta)
    return Measurement(columns, mechanism, cost + more)


def _least(query: Query, measurements: Sequence[Measurement]) -> int:
    if not isinstance(query, Mean):
        return 0
    return query.least or least_count(half_width_of(measurements[1]))


def _threshold(terms: QueryTerms, measurements: Sequence[Measurement]) -> int | None:
    if not terms.delta:
        return None
    (measurement,) = measurements
    noise = measurement.mechanism
    kind: Kind = "gaussian" if noise.norm == "L2" else "laplace"
    return threshold_for(kind, noise.scale, noise.l0, terms.delta)
