"""From noisy tables to a package: the promise, the written files, and what the steward keeps."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandera.polars as pa
import polars as pl

from anonymizer.dp.report import Together, together
from pipelines.aggregates.describe import (
    as_draw,
    described,
    fields,
    measurements,
    privacy_of,
)
from pipelines.aggregates.plan import AggregatePlan
from pipelines.aggregates.tables import NoisyTable
from pipelines.aggregates.text import codebook, readme
from pipelines.errors import PrivacyError
from pipelines.governance.ledger import PlannedDraw
from pipelines.package.write import write_frame, write_texts
from pipelines.packing import package_name
from pipelines.permitted import Permitted
from pipelines.sources.quarantine import Quarantine
from pipelines.steward import APPROVAL_FILE
from schemas import manifest as m
from schemas.checking import breaches
from schemas.policy import Policy
from schemas.released import cells_schema

_TEXT: Final = "An aggregate research extract under differential privacy; README.md says how."


@dataclass(frozen=True, slots=True)
class Aggregating:
    """What is known of an aggregate release before it is counted.

    Attributes:
        plan: what is built.
        rights: whose rows.
        inputs: the hash of what they are made from: the version of the data.
        release: the id that it will have.
        moment: of the build, and the cut-off of rights (ISO 8601).
        audit_head: the hash of the audit chain's head, before rights were read.
    """

    plan: AggregatePlan
    rights: Permitted
    inputs: str
    release: str
    moment: str
    audit_head: str


def pack_aggregate(
    tables: Sequence[NoisyTable], building: Aggregating, policy: Policy, folder: Path
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
    manifest = m.AggregateManifest(
        name=package_name(building.release),
        title=plan.request.title,
        description=_TEXT,
        created=building.moment,
        resources=tuple(resources),
        promise=_promise(building, policy),
    )
    texts = {
        m.MANIFEST_NAME: m.render_aggregate(manifest),
        "README.md": readme(manifest),
        "codebook.md": codebook(manifest),
    }
    write_texts(folder, texts)
    return manifest


def write_aggregate_steward(
    folder: Path,
    building: Aggregating,
    manifest: m.AggregateManifest,
    *,
    charged: Sequence[PlannedDraw],
    quarantine: Quarantine,
    delta: float,
) -> None:
    """Write what was approved and charged, quarantined, refused by rights, and what it costs.

    Args:
        folder: an empty folder that only its owner can read.
        building: what was built.
        manifest: of its package.
        charged: the draws of its charge, as the ledger has them.
        quarantine: rows put aside, by reason.
        delta: of the policy: at which epsilons are told.
    """
    plan = building.plan
    approval = m.AggregateApproval(
        access=manifest.promise.access,
        family=manifest.promise.family,
        request_sha256=manifest.promise.request_sha256,
        catalogue_sha256=manifest.promise.catalogue_sha256,
        tables={
            query.name: m.ApprovedTable(described(query, plan), fields(query, plan))
            for query in plan.queries
        },
        charge_id=building.release,
        draws=tuple(as_draw(draw) for draw in charged),
    )
    text = m.render_aggregate_approval(approval)
    (folder / APPROVAL_FILE).write_text(text, encoding="utf-8")
    (folder / "quarantine").mkdir()
    quarantine.write(folder / "quarantine")
    purpose = plan.request.purpose
    rights = {"cut_off": building.moment, "purpose": purpose, **building.rights.decided}
    _write_json(folder / "eligibility.json", rights)
    drawn = [one.mechanism for query in plan.queries for one in query.measurements]
    _write_json(folder / "accounting.json", accounting_of(together(drawn, delta), delta))


def _promise(building: Aggregating, policy: Policy) -> m.AggregatePromise:
    plan = building.plan
    return m.AggregatePromise(
        access=plan.request.release.access,
        family=plan.family.family,
        request_sha256=plan.request.sha256(),
        catalogue_sha256=plan.request.release.catalogue,
        data_version=building.inputs,
        cut_off=building.moment,
        legal_bases=policy.legal_bases,
        privacy=privacy_of(plan.cost),
        measurements=measurements(plan),
        audit_head=building.audit_head,
    )


def hold_cells_to_schema(name: str, columns: Sequence[m.CellField], frame: pl.DataFrame) -> None:
    """Hold a table to the strict released schema; its messages name columns, never values.

    Raises:
        PrivacyError: it breaks it.
    """
    if broken := breaches(released_cells(name, columns), frame):
        named = "; ".join(map(str, broken))
        raise PrivacyError(f"{name}: what was built breaks the released schema ({named})")


def released_cells(name: str, columns: Sequence[m.CellField]) -> pa.DataFrameSchema:
    """The Pandera schema of a table of these columns."""
    return cells_schema(
        name,
        keys={field.name: field.enum for field in columns if field.role == m.KEY},
        whole=[field.name for field in columns if field.type == "integer"],
        numbers={field.name: not field.required for field in columns if field.type == "number"},
        order=[field.name for field in columns],
    )


def accounting_of(found: Together, delta: float) -> dict[str, object]:
    """What a release costs alone, by three accountants; the ledger charges the first two."""
    return {
        "delta": delta,
        "epsilon_by_basic_composition": None if found.basic is None else float(found.basic),
        "epsilon_by_zcdp": None if found.zcdp is None else float(found.zcdp),
        "epsilon_by_pld": found.pld,
        "pld_is_bound": found.pld_is_bound,
    }


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
