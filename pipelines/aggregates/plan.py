"""What an aggregate build does, decided before a row is read: grids, bounds and noise."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from anonymizer.dp.accounting import Cost, composed
from anonymizer.dp.mechanisms import IntegerMechanism, Mechanism, NoisyMax
from anonymizer.hierarchy import Hierarchy
from pipelines.aggregates.grid import Grid, Key, Public
from pipelines.aggregates.rows import Value
from pipelines.plan import needs_of
from schemas.aggregates import AggregateTerms, QueryTerms
from schemas.declaration import Family
from schemas.queries import Events, Histogram, Learners, Query, Sum
from schemas.request import AggregateRequest

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
    def asked(self) -> Query:
        """What is asked."""
        return self.terms.query

    @property
    def name(self) -> str:
        """Of its table."""
        return self.asked.name

    @property
    def nulls(self) -> str | float | None:
        """What an unknown value counts as; None where no value is asked for."""
        found: str | float | None = getattr(self.asked, "nulls", None)
        return found

    @property
    def margin_of(self) -> str | None:
        """The query of whose cells these are sums."""
        return self.asked.margin_of if isinstance(self.asked, _MARGINS) else None

    @property
    def row_keys(self) -> tuple[Key, ...]:
        """The keys that are no attributes of learners: what rows are grouped by."""
        return tuple(key for key in self.grid.keys if not key.own)

    @property
    def always_within(self) -> bool:
        """Whether no learner can be in more cells than the bound says."""
        return not self.grid.discovered and self.grid.reach <= self.l0

    @property
    def value(self) -> Value | None:
        """What is to be added up; None where rows or learners are counted."""
        of = getattr(self.asked, "of", None)
        return None if of is None else Value(of, self.decimals, isinstance(self.asked, Histogram))


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
                found[query.asked.view, query.row_keys].append(query)
        return list(found.values())

    def agrees_with(self, query: PlannedQuery) -> tuple[str, ...]:
        """The tables whose sums are made to agree with this query's."""
        if query.margin_of is not None:
            return (query.margin_of,)
        return tuple(other.name for other in self.margins() if other.margin_of == query.name)

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
            wanted[query.asked.view] |= {}
            for key in query.grid.keys:
                wanted[key.view][key.column] = None
            if query.value is not None:
                wanted[query.asked.view][query.value.column] = None
        views = {view: tuple(columns) for view, columns in wanted.items()}
        return needs_of(self.family, views, by_item=self.item is not None)


def half_width_of(measurement: Measurement) -> int:
    """The half-width of a measurement of whole numbers."""
    assert not isinstance(measurement.mechanism, NoisyMax)
    mechanism: IntegerMechanism = measurement.mechanism
    return mechanism.half_width()


def quantile_name(share: float) -> str:
    """The column of a quantile: `q50` of 0.5, `q2_5` of 0.025."""
    percent = Decimal(repr(share)) * 100
    return "q" + f"{percent.normalize():f}".replace(".", "_")
