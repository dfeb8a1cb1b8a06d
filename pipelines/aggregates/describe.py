"""The tables of an aggregate release as they will stand in its manifest."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from anonymizer.dp.accounting import Cost
from pipelines.aggregates.plan import AggregatePlan, PlannedQuery
from pipelines.aggregates.tables import BIN, NoisyTable
from pipelines.governance.ledger import PlannedDraw
from schemas import manifest as m
from schemas.queries import LEAVE_OUT, Events, Histogram, Mean, Quantiles
from schemas.queries import Query as Asked

HALF_WIDTH_SUFFIX: Final = "_half_width"
_TYPES: Final = {pl.String(): "string", pl.Int64(): "integer", pl.Float64(): "number"}


def planned_draws(plan: AggregatePlan) -> tuple[PlannedDraw, ...]:
    """All that will be drawn, as the ledger puts it on record: query by query."""
    return tuple(
        PlannedDraw(
            mechanism=one.mechanism.name,
            scale=str(one.mechanism.scale),
            l0=one.mechanism.l0,
            linf=one.mechanism.linf,
            norm=one.mechanism.norm,
            cost=one.cost,
        )
        for query in plan.queries
        for one in query.measurements
    )


def measurements(plan: AggregatePlan) -> tuple[m.Measurement, ...]:
    """The same as the manifest has it, each with the columns that tell what came of it."""
    columns = [(query.name, one.columns) for query in plan.queries for one in query.measurements]
    return tuple(
        m.Measurement(table, told, as_draw(draw))
        for (table, told), draw in zip(columns, planned_draws(plan), strict=True)
    )


def as_draw(draw: PlannedDraw) -> m.Draw:
    """A draw of the ledger, as the manifest and the approval write it."""
    privacy = privacy_of(draw.cost)
    return m.Draw(draw.mechanism, draw.scale, draw.l0, draw.linf, draw.norm, privacy)


def privacy_of(cost: Cost) -> m.Privacy:
    """What draws cost, as the manifest writes it."""
    return m.Privacy(cost.micro_epsilon, cost.micro_rho, cost.atto_delta)


def described(table: NoisyTable) -> m.Query:
    """What a table answers, and how far one learner counts in it."""
    query = table.query
    of, unit = query.query, 10**query.decimals
    bounded = query.terms.bounds is not None
    low, high = query.clamps
    return m.Query(
        metric=of.type,
        keys=m.DISCOVERED if query.grid.discovered else m.GRID,
        cells=query.l0,
        most=query.terms.most if isinstance(of, Events) else None,
        bounds=(low / unit, high / unit) if bounded else None,
        decimals=query.decimals if bounded else 0,
        nulls=_nulls_text(query),
        least=query.least if isinstance(of, Mean) else None,
        threshold=query.threshold,
        quantiles=of.quantiles if isinstance(of, Quantiles) else (),
        consistent_with=table.consistent_with,
    )


def _nulls_text(query: PlannedQuery) -> str | None:
    rule = query.nulls
    if rule is None:
        return None
    if rule == LEAVE_OUT:
        return "a learner whose value is unknown counts in no cell"
    if isinstance(rule, float):
        return f"an unknown value counts as {rule:g}"
    return "unknown values have a bin of their own"


def fields(table: NoisyTable, plan: AggregatePlan) -> tuple[m.CellField, ...]:
    """The columns of a table, in its order."""
    return tuple(_fields(table, plan))


def _fields(table: NoisyTable, plan: AggregatePlan) -> Iterator[m.CellField]:
    query, schema = table.query, table.frame.schema
    for key in query.grid.keys:
        column = plan.family.views[key.view].columns[key.column]
        enum = () if query.grid.discovered else key.labels
        yield m.CellField(key.column, "string", m.KEY, column.description, enum=enum)
    if isinstance(query.query, Histogram):
        text = f"Bin of {query.query.of}."
        yield m.CellField(BIN, "string", m.KEY, text, enum=query.bin_labels)
    for name in table.frame.columns[len(query.grid.keys) + isinstance(query.query, Histogram) :]:
        kind = _TYPES[schema[name]]
        of = _value_of(name)
        required = not (isinstance(query.query, Mean) and (of or name) == "mean")
        role = m.VALUE if of is None else m.HALF_WIDTH
        text = _meaning(name, query.query) if of is None else _width_meaning(name, of)
        yield m.CellField(name, kind, role, text, of=of, required=required)


def _value_of(name: str) -> str | None:
    """The value column that a column of half-widths is about."""
    if not name.endswith(HALF_WIDTH_SUFFIX):
        return None
    return name.removesuffix(HALF_WIDTH_SUFFIX).removesuffix("_rank")


def _meaning(name: str, query: Asked) -> str:
    of = getattr(query, "of", "")
    if name == "learners":
        return "Distinct learners, with noise."
    if name == "events":
        return f"Rows of {query.view}, with noise."
    if name == "sum":
        return f"Sum of {of} over learners, with noise."
    if name == "mean":
        return f"Mean of {of} over learners, a noisy sum over a noisy count."
    share = name.removeprefix("q").replace("_", ".")
    return f"The value of {of} that {share}% of learners do not exceed, by a noisy choice."


def _width_meaning(name: str, of: str) -> str:
    if "_rank" in name:
        return (
            f"Learners: with 95% the rank of {of} is no further from the asked one, for the noise."
        )
    return f"Half-width of the 95% interval about {of}, for the noise alone."
