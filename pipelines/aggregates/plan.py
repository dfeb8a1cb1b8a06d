"""What an aggregate build does, decided before a row is read: grids, bounds and noise."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from anonymizer.dp.accounting import Cost, composed
from anonymizer.dp.calibration import (
    gaussian_for,
    laplace_for,
    noisy_max_for_epsilon,
    noisy_max_for_rho,
)
from anonymizer.dp.means import least_count
from anonymizer.dp.mechanisms import IntegerMechanism, Mechanism, NoisyMax
from anonymizer.dp.quantiles import candidates, method_for
from anonymizer.dp.queries import Sensitivity
from anonymizer.dp.threshold import threshold_for
from anonymizer.dp.widths import Kind
from anonymizer.errors import CoreError
from anonymizer.hierarchy import MISSING, Hierarchy, bin_labels
from pipelines.aggregates.grid import Grid, Key, Public, grid_of
from pipelines.aggregates.rows import value_name
from pipelines.errors import RequestError
from pipelines.ladders import edges_of
from pipelines.plan import needs_of
from schemas.aggregates import AggregateTerms, QueryTerms
from schemas.declaration import Family
from schemas.queries import Events, Histogram, Learners, Mean, Quantiles, Query, Sum
from schemas.request import AggregateRequest
from schemas.roles import Aggregate

_MICRO: Final = 10**6
_ADDED_UP: Final = (
    Aggregate.SUM,
    Aggregate.COUNT,
    Aggregate.COUNT_DISTINCT,
    Aggregate.COUNT_WEEKS,
)
_MOST_DECIMALS: Final = 6
_DIGITS: Final = 11
"""Of a binned value in units: what `passes.in_units` keeps has one more."""

_MARGINS: Final = (Learners, Events, Sum)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One draw, and the columns that are made of it."""

    columns: tuple[str, ...]
    mechanism: Mechanism
    cost: Cost


@dataclass(frozen=True, slots=True)
class PlannedQuery:
    """A query, its grid, and how noise is drawn for it.

    Attributes:
        terms: what is asked, with every bound.
        grid: its cells.
        adds_up: whether several values of a learner in a cell are added up; else their mean counts.
        l0: in how many cells a learner counts.
        decimals: of a unit.
        clamps: between which a learner's value lies, in units; (0, 0) where nothing is clamped.
        candidates: of quantiles: the values that may be told, in units, ascending.
        method: of quantiles: `noisy-max` or `histogram`; else empty.
        bin_edges: of a histogram, in units.
        bin_labels: of a histogram, `(missing)` last if it is one.
        measurements: one a draw.
        least: of a mean: the noisy count from which it is told; else 0.
        threshold: of discovered keys: what the noisy count must exceed; else None.
    """

    terms: QueryTerms
    grid: Grid
    adds_up: bool
    l0: int
    decimals: int
    clamps: tuple[int, int]
    candidates: tuple[int, ...]
    method: str
    bin_edges: tuple[int, ...]
    bin_labels: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    least: int
    threshold: int | None

    @property
    def query(self) -> Query:
        """What is asked."""
        return self.terms.query

    @property
    def name(self) -> str:
        """Of its table."""
        return self.query.name

    @property
    def nulls(self) -> str | float | None:
        """What an unknown value counts as; None where no value is asked for."""
        found: str | float | None = getattr(self.query, "nulls", None)
        return found

    @property
    def margin_of(self) -> str | None:
        """The query of whose cells these are sums."""
        return self.query.margin_of if isinstance(self.query, _MARGINS) else None

    @property
    def row_keys(self) -> tuple[Key, ...]:
        """The keys that are no attributes of learners: what rows are grouped by."""
        return tuple(key for key in self.grid.keys if not key.own)

    @property
    def always_within(self) -> bool:
        """Whether no learner can be in more cells than the bound says."""
        return not self.grid.discovered and self.grid.reach <= self.l0

    def values(self) -> list[tuple[str, tuple[str, int]]]:
        """What is to be added up: name -> column and decimals."""
        of = getattr(self.query, "of", None)
        return [] if of is None else [(value_name(of, self.decimals), (of, self.decimals))]


@dataclass(frozen=True, slots=True)
class AggregatePlan:
    """What a build does.

    Attributes:
        request: what was asked.
        terms: under which bounds.
        public: what grids are made of.
        queries: one table each.
    """

    request: AggregateRequest
    terms: AggregateTerms
    public: Public
    queries: tuple[PlannedQuery, ...]

    @property
    def family(self) -> Family:
        """What the source is."""
        return self.public.family

    @property
    def item(self) -> str | None:
        """The item column of `enrolments`, by which rights are recorded; None without items."""
        view = self.family.views.get("enrolments")
        return None if view is None else next(iter(view.items()), None)

    @property
    def course_scope(self) -> bool:
        """The permission for a course is enough for its rows: nothing links them to others."""
        return True

    @property
    def hierarchies(self) -> tuple[Hierarchy, ...]:
        """None: the request's own hash covers what grids are made of."""
        return ()

    @property
    def cost(self) -> Cost:
        """Of all draws together."""
        return composed(m.cost for query in self.queries for m in query.measurements)

    def query(self, name: str | None) -> PlannedQuery:
        """The query of that name."""
        return next(query for query in self.queries if query.name == name)

    def passes(self) -> list[list[PlannedQuery]]:
        """The queries that go over the rows, those together that group rows by the same keys."""
        found: defaultdict[tuple[str, tuple[Key, ...]], list[PlannedQuery]] = defaultdict(list)
        for query in self.queries:
            if query.margin_of is None:
                found[query.query.view, query.row_keys].append(query)
        return list(found.values())

    def margins(self) -> list[PlannedQuery]:
        """The queries that are sums of another's cells."""
        return [query for query in self.queries if query.margin_of is not None]

    def needs(self) -> dict[str, frozenset[str]]:
        """The raw tables and columns that are read, and no others."""
        wanted: defaultdict[str, dict[str, None]] = defaultdict(dict)
        if self.item is not None:
            wanted["enrolments"][self.item] = None
        elif "learners" in self.family.views:
            wanted["learners"] = {}
        for query in self.queries:
            wanted[query.query.view] |= {}
            for key in query.grid.keys:
                wanted[key.view][key.column] = None
            for _, (column, _) in query.values():
                wanted[query.query.view][column] = None
        views = {view: tuple(columns) for view, columns in wanted.items()}
        return needs_of(self.family, views, by_item=self.item is not None)


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
            raise RequestError(f"{subject}: {error}") from None
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
        CoreError: the budget is too small for its draws.
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
        method = query.method or method_for(_expected(public, grid), len(query.quantiles))
    labels = bin_labels([edge / 10**decimals for edge in edges]) if edges else ()
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

    A binned value is kept to more decimals than its edges have, so that none moves to another bin.
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
    decimals = max(0, min(_MOST_DECIMALS, room))
    units = tuple(math.ceil(Decimal(repr(float(edge))) * 10**decimals) for edge in edges)
    return decimals, units


def _expected(public: Public, grid: Grid) -> float | None:
    """How many learners a cell has on average, by public numbers."""
    learners = public.catalogue.learners
    return None if learners is None or not grid.size else learners / grid.size


def _measurements(
    terms: QueryTerms,
    kind: Literal["epsilon", "rho"],
    l0: int,
    clamps: tuple[int, int],
    method: str,
) -> tuple[Measurement, ...]:
    query = terms.query
    if isinstance(query, Quantiles) and method == "noisy-max":
        share = Fraction(terms.micro // len(query.quantiles), _MICRO)
        noisy_max = noisy_max_for_epsilon if kind == "epsilon" else noisy_max_for_rho
        return tuple(
            _measured((quantile_name(q),), noisy_max(share, l0, Fraction(repr(q))))
            for q in query.quantiles
        )
    noise = laplace_for if kind == "epsilon" else gaussian_for
    budget = Fraction(terms.micro, _MICRO)
    if isinstance(query, Mean):
        half = Fraction(terms.micro // 2, _MICRO)
        low, high = clamps
        centred = Sensitivity.of_centred_sums(l0, low=low, high=high)
        return (
            _measured(("mean",), noise(half, l0, centred.linf)),
            _measured(("learners",), noise(half, l0, 1)),
        )
    linf = 1
    columns: tuple[str, ...] = ("learners",)
    if isinstance(query, Events):
        linf, columns = terms.most, ("events",)
    elif isinstance(query, Sum):
        low, high = clamps
        linf, columns = Sensitivity.of_sums(l0, low=low, high=high).linf, ("sum",)
    elif isinstance(query, Quantiles):
        columns = tuple(quantile_name(q) for q in query.quantiles)
    return (_measured(columns, noise(budget, l0, linf), terms.delta),)


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


def half_width_of(measurement: Measurement) -> int:
    """The half-width of a measurement of whole numbers."""
    assert not isinstance(measurement.mechanism, NoisyMax)
    mechanism: IntegerMechanism = measurement.mechanism
    return mechanism.half_width()


def quantile_name(share: float) -> str:
    """The column of a quantile: `q50` of 0.5, `q2_5` of 0.025."""
    percent = Decimal(repr(share)) * 100
    return "q" + f"{percent.normalize():f}".replace(".", "_")
