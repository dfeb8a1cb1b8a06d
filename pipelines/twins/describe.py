"""What is measured for a twin as its manifest will say it: cells, noise, cost."""

from pipelines.aggregates.describe import as_draw
from pipelines.governance.ledger import PlannedDraw
from pipelines.twins.measuring import HALF_WIDTH, LEARNERS
from pipelines.twins.plan import PlannedMarginal, TwinPlan
from pipelines.twins.tables import layouts
from schemas import manifest as m

QUERY = m.Query(metric=m.LEARNERS, keys=m.GRID, cells=1)
"""What every marginal asks: distinct learners, each in one cell."""


def planned_draws(plan: TwinPlan) -> tuple[PlannedDraw, ...]:
    """All that will be drawn, as the ledger puts it on record: marginal by marginal."""
    return tuple(
        PlannedDraw(
            mechanism=one.mechanism.name,
            scale=str(one.mechanism.scale),
            l0=one.mechanism.l0,
            linf=one.mechanism.linf,
            norm=one.mechanism.norm,
            cost=one.mechanism.cost,
        )
        for one in plan.marginals
    )


def measurements(plan: TwinPlan) -> tuple[m.Measurement, ...]:
    """The same as the manifest has it."""
    return tuple(
        m.Measurement(one.name, (LEARNERS,), as_draw(draw))
        for one, draw in zip(plan.marginals, planned_draws(plan), strict=True)
    )


def cell_fields(marginal: PlannedMarginal, plan: TwinPlan) -> tuple[m.CellField, ...]:
    """The columns of a marginal's table: keys, the noisy count, its half-width."""
    descriptions = {column.name: column.description for column in plan.columns}
    most = plan.shape.most_rows
    descriptions[m.ROWS_KEY] = f"How many rows a learner has; {most} stands for more, too."
    labels = plan.labels()
    keys = (
        m.CellField(name, "string", m.KEY, descriptions[name], enum=labels[name])
        for name in marginal.columns
    )
    width = f"Half-width of the 95% interval about {LEARNERS}, for the noise alone."
    return (
        *keys,
        m.CellField(LEARNERS, "integer", m.VALUE, "Distinct learners, with noise."),
        m.CellField(HALF_WIDTH, "integer", m.HALF_WIDTH, width, of=LEARNERS),
    )


def twin_of(plan: TwinPlan) -> m.Twin:
    """What the tables of invented learners are like."""
    return m.Twin(
        pseudonym_scope=plan.request.release.pseudonyms,
        item=plan.shape.item,
        most_rows=plan.shape.most_rows,
    )


def approval_of(plan: TwinPlan, charge: str, drawn: tuple[PlannedDraw, ...]) -> m.SyntheticApproval:
    """What a steward approved and the ledger charged.

    Args:
        plan: what was approved.
        charge: the id of the charge.
        drawn: its draws, as the ledger has them.
    """
    request = plan.request
    return m.SyntheticApproval(
        cells=m.AggregateApproval(
            access=request.release.access,
            family=plan.family.family,
            request_sha256=request.sha256(),
            catalogue_sha256=request.release.catalogue,
            tables={
                one.name: m.ApprovedTable(QUERY, cell_fields(one, plan)) for one in plan.marginals
            },
            charge_id=charge,
            draws=tuple(as_draw(draw) for draw in drawn),
        ),
        tables={
            one.name: m.TwinTable(one.grain, one.fields, one.primary_key) for one in layouts(plan)
        },
        twin=twin_of(plan),
    )
