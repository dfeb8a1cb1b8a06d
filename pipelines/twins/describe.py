"""What is measured for a twin as its manifest will say it: cells, noise, cost."""

from collections.abc import Sequence
from typing import Final

from pipelines.aggregates.describe import as_draw, demand_unpromising
from pipelines.errors import RequestError
from pipelines.governance.ledger import PlannedDraw
from pipelines.noisy_files import NoisyBuilding, Stamp, approved_cells, promise_of
from pipelines.packing import package_name
from pipelines.twins.measuring import HALF_WIDTH, LEARNERS
from pipelines.twins.plan import PlannedMarginal, TwinPlan
from pipelines.twins.tables import layouts
from schemas import manifest as m
from schemas.policy import Policy

_TEXT: Final = "Invented learners that stand in for a research extract; README.md says how."

QUERY = m.Query(metric=m.LEARNERS, keys=m.GRID, cells=1)
"""What every marginal asks: distinct learners, each in one cell."""


def demand_describable(plan: TwinPlan) -> None:
    """Refuse what no package could say of itself: before it is paid for, and before it is approved.

    Raises:
        RequestError: such as two columns of one name.
    """
    try:
        tables: list[tuple[m.CellField | m.Field, ...]] = [
            *(cell_fields(one, plan) for one in plan.marginals),
            *(layout.fields for layout in layouts(plan)),
        ]
        measurements(plan)
        twin_of(plan)
    except m.ManifestError as error:
        raise RequestError(f"request: release: {error}; ask otherwise") from None
    for told in tables:
        names = [field.name for field in told]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise RequestError(
                f"request: release: a column of the package is called {', '.join(twice)}, too; "
                "leave it out"
            )
        demand_unpromising(told, subject="release")


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


def twin_manifest(
    plan: TwinPlan,
    policy: Policy,
    stamp: Stamp,
    cells: Sequence[m.CellTable],
    tables: Sequence[m.Resource],
) -> m.SyntheticManifest:
    """What the package says of itself.

    Args:
        plan: what is built.
        policy: its legal bases.
        stamp: of the build.
        cells: the tables of what was measured, as they were written.
        tables: those of invented learners.

    Raises:
        ManifestError: no package can say so.
    """
    measured = m.AggregateManifest(
        name=package_name(stamp.release),
        title=plan.request.title,
        description=_TEXT,
        created=stamp.moment,
        resources=tuple(cells),
        promise=promise_of(plan, policy, measurements(plan), stamp),
    )
    return m.SyntheticManifest(measured, tuple(tables), twin_of(plan))


def twin_of(plan: TwinPlan) -> m.Twin:
    """What the tables of invented learners are like."""
    return m.Twin(
        pseudonym_scope=plan.request.release.pseudonyms,
        item=plan.shape.item,
        most_rows=plan.shape.most_rows,
    )


def approval_of(
    building: NoisyBuilding[TwinPlan], charged: Sequence[PlannedDraw], *, package_sha256: str
) -> m.SyntheticApproval:
    """What a steward approved and the ledger charged.

    Args:
        building: what was built.
        charged: the draws of its charge, as the ledger has them.
        package_sha256: of the package as it was written.
    """
    plan = building.plan
    cells = {one.name: m.ApprovedTable(QUERY, cell_fields(one, plan)) for one in plan.marginals}
    return m.SyntheticApproval(
        cells=approved_cells(building, cells, charged, package_sha256=package_sha256),
        tables={
            one.name: m.TwinTable(one.grain, one.fields, one.primary_key) for one in layouts(plan)
        },
        twin=twin_of(plan),
    )
