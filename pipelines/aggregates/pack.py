"""From noisy tables to a package: the promise, the written files, and what the steward keeps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipelines.aggregates.describe import described, fields, measurements
from pipelines.aggregates.plan import AggregatePlan
from pipelines.aggregates.tables import NoisyTable
from pipelines.aggregates.text import codebook, readme
from pipelines.governance.ledger import PlannedDraw
from pipelines.noisy_files import (
    NoisyBuilding,
    Stamp,
    approved_cells,
    hold_cells_to_schema,
    promise_of,
    write_steward_side,
)
from pipelines.package.write import write_frame, write_texts
from pipelines.packing import package_name
from pipelines.sources.quarantine import Quarantine
from schemas import manifest as m
from schemas.policy import Policy

_TEXT: Final = "An aggregate research extract under differential privacy; README.md says how."


def pack_aggregate(
    tables: Sequence[NoisyTable],
    building: NoisyBuilding[AggregatePlan],
    policy: Policy,
    folder: Path,
) -> m.AggregateManifest:
    """Write the package of noisy tables.

    Args:
        tables: one a query.
        building: what they were made for and of.
        policy: its legal bases.
        folder: an empty folder.

    Raises:
        PrivacyError: a table breaks the released schema.
    """
    plan = building.plan
    (folder / "data").mkdir()
    resources = []
    for table in tables:
        columns = fields(table.query, plan)
        hold_cells_to_schema(table.query.name, columns, table.frame)
        name, csv = table.query.name, plan.request.release.csv
        written = write_frame(folder, name, table.frame, csv=csv)
        resources.append(
            m.CellTable(
                name=name,
                path=written.path,
                size=written.size,
                sha256=written.sha256,
                query=described(table.query, plan),
                fields=columns,
                csv_path=written.csv_path,
            )
        )
    manifest = aggregate_manifest(plan, policy, building.stamp, resources)
    texts = {
        m.MANIFEST_NAME: m.render_aggregate(manifest),
        "README.md": readme(manifest),
        "codebook.md": codebook(manifest),
    }
    write_texts(folder, texts)
    return manifest


def aggregate_manifest(
    plan: AggregatePlan, policy: Policy, stamp: Stamp, tables: Sequence[m.CellTable]
) -> m.AggregateManifest:
    """What the package says of itself.

    Args:
        plan: what is built.
        policy: its legal bases.
        stamp: of the build.
        tables: as they were written.

    Raises:
        ManifestError: no package can say so.
    """
    return m.AggregateManifest(
        name=package_name(stamp.release),
        title=plan.request.title,
        description=_TEXT,
        created=stamp.moment,
        resources=tuple(tables),
        promise=promise_of(plan, policy, measurements(plan), stamp),
    )


def write_aggregate_steward(
    folder: Path,
    building: NoisyBuilding[AggregatePlan],
    *,
    charged: Sequence[PlannedDraw],
    package_sha256: str,
    quarantine: Quarantine,
    delta: float,
) -> None:
    """Write the steward's files: none of them has a true figure.

    Args:
        folder: an empty folder that only its owner can read.
        building: what was built.
        charged: the draws of its charge, as the ledger has them.
        package_sha256: of the package as it was written.
        quarantine: rows put aside, by reason.
        delta: of the policy: at which epsilons are told.
    """
    plan = building.plan
    tables = {
        query.name: m.ApprovedTable(described(query, plan), fields(query, plan))
        for query in plan.queries
    }
    approved = approved_cells(building, tables, charged, package_sha256=package_sha256)
    approval = m.render_aggregate_approval(approved)
    drawn = [one.mechanism for query in plan.queries for one in query.measurements]
    write_steward_side(folder, building, approval, drawn=drawn, quarantine=quarantine, delta=delta)
