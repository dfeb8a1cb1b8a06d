"""The tables of an aggregate release as they will stand in its manifest."""

from collections.abc import Iterable, Iterator
from typing import Final

from anonymizer.dp.accounting import Cost
from pipelines.aggregates.plan import AggregatePlan, PlannedQuery, quantile_name
from pipelines.errors import RequestError
from pipelines.governance.ledger import PlannedDraw
from pipelines.verify import reads_like_a_promise
from schemas import manifest as m
from schemas.queries import LEAVE_OUT, Events, Histogram, Mean, Quantiles, Sum

HALF_WIDTH_SUFFIX: Final = "_half_width"

BIN: Final = "bin"
"""The key of a histogram's bins."""


def demand_describable(plan: AggregatePlan) -> None:
    """Refuse what no package could say of itself: before it is paid for, and before it is approved.

    Raises:
        RequestError: such as two columns of one name.
    """
    for i, query in enumerate(plan.queries):
        try:
            described(query, plan)
            told = fields(query, plan)
            names = [field.name for field in told]
        except m.ManifestError as error:
            raise RequestError(f"request: release.queries.{i}: {error}; ask otherwise") from None
        if len(set(names)) < len(names):
            raise RequestError(
                f"request: release.queries.{i}: two columns of its table share a name"
            )
        demand_unpromising(told, subject=f"release.queries.{i}")
    measurements(plan)


def demand_unpromising(told: Iterable[m.CellField | m.Field], *, subject: str) -> None:
    """Refuse descriptions and labels that the checker would take for promises of privacy.

    Raises:
        RequestError: one reads so, such as a course called `epsilon: 3`.
    """
    for field in told:
        texts = (field.description, *field.enum, "; ".join(field.enum))
        if any(map(reads_like_a_promise, texts)):
            raise RequestError(
                f"request: {subject}: the description of {field.name}, or a label of it, reads "
                "like a promise of privacy; leave the column out, or have the declaration or the "
                "catalogue say it otherwise"
            )


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


def described(query: PlannedQuery, plan: AggregatePlan) -> m.Query:
    """What a table answers, and how far one learner counts in it."""
    of, unit = query.asked, 10**query.decimals
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
        candidates=len(query.candidates) if isinstance(of, Quantiles) else None,
        consistent_with=plan.agrees_with(query),
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


def fields(query: PlannedQuery, plan: AggregatePlan) -> tuple[m.CellField, ...]:
    """The columns of a query's table, in its order: keys, and each figure with its half-width."""
    return (*_keys(query, plan), *_figures(query))


def _keys(query: PlannedQuery, plan: AggregatePlan) -> Iterator[m.CellField]:
    for key in query.grid.keys:
        column = plan.family.views[key.view].columns[key.column]
        enum = () if query.grid.discovered else key.labels
        yield m.CellField(key.column, "string", m.KEY, column.description, enum=enum)
    if isinstance(query.asked, Histogram):
        text = f"Bin of {query.asked.of}{_put_together(query)}."
        yield m.CellField(BIN, "string", m.KEY, text, enum=query.bin_labels)


def _figures(query: PlannedQuery) -> Iterator[m.CellField]:
    of = query.asked
    if isinstance(of, Quantiles):
        kind = "number" if query.decimals else "integer"
        for share in of.quantiles:
            name = quantile_name(share)
            text = (
                f"The value of {of.of}{_put_together(query)} that {share:.6g} of the learners do "
                "not exceed, chosen with noise."
            )
            yield m.CellField(name, kind, m.VALUE, text)
            text = f"Learners by which the rank of {name} may be off, with 95%, for the noise."
            yield m.CellField(f"{name}_rank_half_width", "number", m.HALF_WIDTH, text, of=name)
        return
    if isinstance(of, Mean):
        text = f"Mean of {of.of}{_put_together(query)}: a noisy sum over a noisy count."
        yield from _with_width("mean", "number", text, required=False)
    if isinstance(of, Sum):
        kind = "number" if query.decimals else "integer"
        text = f"Sum of {of.of}{_put_together(query)} over learners, with noise."
        yield from _with_width("sum", kind, text)
    elif isinstance(of, Events):
        yield from _with_width("events", "integer", f"Rows of {of.view}, with noise.")
    else:
        yield from _with_width("learners", "integer", "Distinct learners, with noise.")


def _with_width(name: str, kind: str, text: str, *, required: bool = True) -> Iterator[m.CellField]:
    yield m.CellField(name, kind, m.VALUE, text, required=required)
    text = f"Half-width of the 95% interval about {name}, for the noise alone."
    width = f"{name}{HALF_WIDTH_SUFFIX}"
    yield m.CellField(width, kind, m.HALF_WIDTH, text, of=name, required=required)


def _put_together(query: PlannedQuery) -> str:
    """What becomes of several rows of a learner in one cell."""
    return " (a learner's rows in a cell added up)" if query.adds_up else " (a learner's mean)"
