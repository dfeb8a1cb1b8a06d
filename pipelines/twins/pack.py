"""From noisy marginals and invented learners to a package, and to what the steward keeps."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.governance.ledger import PlannedDraw
from pipelines.noisy_files import (
    NoisyBuilding,
    hold_cells_to_schema,
    write_json,
    write_steward_side,
)
from pipelines.package.describe import Described
from pipelines.package.write import write_frame, write_table, write_texts
from pipelines.packing import hold_to_schema
from pipelines.sources.quarantine import Quarantine
from pipelines.twins.describe import QUERY, approval_of, cell_fields, twin_manifest
from pipelines.twins.fidelity_report import fidelity_document, fidelity_text
from pipelines.twins.measuring import NoisyMarginal
from pipelines.twins.plan import TwinPlan
from pipelines.twins.text import codebook, readme
from schemas import manifest as m
from schemas.policy import Policy
from synth.fidelity import Fidelity


def pack_twin(
    noisy: Sequence[NoisyMarginal],
    invented: Sequence[Described],
    building: NoisyBuilding[TwinPlan],
    policy: Policy,
    folder: Path,
) -> m.SyntheticManifest:
    """Write the package.

    Args:
        noisy: what was measured.
        invented: tables of invented learners.
        building: what they were made for and of.
        policy: its legal bases.
        folder: an empty folder.

    Raises:
        PrivacyError: a table breaks the released schema.
    """
    plan, csv = building.plan, building.plan.request.release.csv
    (folder / "data").mkdir()
    tables = []
    for table in invented:
        hold_to_schema(table)
        tables.append(write_table(folder, table, csv=csv))
    cells = [_write_marginal(one, plan, folder) for one in noisy]
    manifest = twin_manifest(plan, policy, building.stamp, cells, tables)
    texts = {
        m.MANIFEST_NAME: m.render_synthetic(manifest),
        "README.md": readme(manifest),
        "codebook.md": codebook(manifest, plan.columns),
    }
    write_texts(folder, texts)
    return manifest


def write_twin_steward(
    folder: Path,
    building: NoisyBuilding[TwinPlan],
    fidelity: Fidelity,
    *,
    charged: tuple[PlannedDraw, ...],
    package_sha256: str,
    quarantine: Quarantine,
    delta: float,
) -> None:
    """Write what was approved and charged, quarantined and refused, and how near the twin comes.

    Args:
        folder: an empty folder that only its owner can read.
        building: what was built.
        fidelity: exact figures about real learners; they stay here.
        charged: the draws of its charge, as the ledger has them.
        package_sha256: of the package as it was written.
        quarantine: rows put aside, by reason.
        delta: of the policy: at which epsilons are told.
    """
    approved = approval_of(building, charged, package_sha256=package_sha256)
    approval = m.render_synthetic_approval(approved)
    drawn = [one.mechanism for one in building.plan.marginals]
    write_steward_side(folder, building, approval, drawn=drawn, quarantine=quarantine, delta=delta)
    write_json(folder / "fidelity.json", fidelity_document(fidelity))
    (folder / "fidelity.md").write_text(fidelity_text(fidelity), encoding="utf-8")


def _write_marginal(noisy: NoisyMarginal, plan: TwinPlan, folder: Path) -> m.CellTable:
    name, columns = noisy.planned.name, cell_fields(noisy.planned, plan)
    hold_cells_to_schema(name, columns, noisy.frame)
    written = write_frame(folder, name, noisy.frame, csv=plan.request.release.csv)
    return m.CellTable(
        name=name,
        path=written.path,
        size=written.size,
        sha256=written.sha256,
        query=QUERY,
        fields=columns,
        csv_path=written.csv_path,
    )
