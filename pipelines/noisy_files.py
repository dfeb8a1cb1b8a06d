"""What the packages of noisy releases, and the steward's files beside them, have in common."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import pandera.polars as pa
import polars as pl

from anonymizer.dp.accounting import Cost
from anonymizer.dp.mechanisms import Mechanism
from anonymizer.dp.report import together
from pipelines.aggregates.describe import as_draw, privacy_of
from pipelines.errors import PrivacyError
from pipelines.governance.ledger import PlannedDraw
from pipelines.permitted import Permitted
from pipelines.sources.quarantine import Quarantine
from pipelines.steward import APPROVAL_FILE
from schemas import manifest as m
from schemas.checking import breaches
from schemas.declaration import Family
from schemas.policy import Policy
from schemas.released import cells_schema
from schemas.request import AggregateRequest, SyntheticRequest


class NoisyPlan(Protocol):
    """A plan whose figures are drawn with noise."""

    @property
    def request(self) -> AggregateRequest | SyntheticRequest:
        """What was asked."""

    @property
    def family(self) -> Family:
        """What the source is."""

    @property
    def cost(self) -> Cost:
        """Of all draws together."""


_Plan = TypeVar("_Plan", bound=NoisyPlan)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a package says of its build, and no plan knows.

    Attributes:
        inputs: the hash of what it is made from: the version of the data.
        release: the id that it will have.
        moment: of the build, and the cut-off of rights (ISO 8601).
        audit_head: the hash of the audit chain's head, before rights were read.
    """

    inputs: str
    release: str
    moment: str
    audit_head: str


@dataclass(frozen=True, slots=True)
class NoisyBuilding(Generic[_Plan]):
    """What is known of a noisy release before it is counted.

    Attributes:
        plan: what is built.
        rights: whose rows.
        stamp: of the build.
    """

    plan: _Plan
    rights: Permitted
    stamp: Stamp


def promise_of(
    plan: NoisyPlan, policy: Policy, measured: tuple[m.Measurement, ...], stamp: Stamp
) -> m.AggregatePromise:
    """What the package promises of its noise.

    Args:
        plan: what is built.
        policy: its legal bases.
        measured: all that is drawn.
        stamp: of the build.
    """
    return m.AggregatePromise(
        access=plan.request.release.access,
        family=plan.family.family,
        request_sha256=plan.request.sha256(),
        catalogue_sha256=plan.request.release.catalogue,
        data_version=stamp.inputs,
        cut_off=stamp.moment,
        legal_bases=policy.legal_bases,
        privacy=privacy_of(plan.cost),
        measurements=measured,
        audit_head=stamp.audit_head,
    )


def approved_cells(
    building: NoisyBuilding[_Plan],
    tables: Mapping[str, m.ApprovedTable],
    charged: Iterable[PlannedDraw],
    *,
    package_sha256: str,
) -> m.AggregateApproval:
    """What a steward approved of tables of cells, and the ledger charged for them.

    Args:
        building: what was built.
        tables: as they were planned.
        charged: the draws of the charge, as the ledger has them.
        package_sha256: of the package as it was written.
    """
    plan = building.plan
    return m.AggregateApproval(
        access=plan.request.release.access,
        family=plan.family.family,
        request_sha256=plan.request.sha256(),
        catalogue_sha256=plan.request.release.catalogue,
        tables=tables,
        charge_id=building.stamp.release,
        draws=tuple(as_draw(draw) for draw in charged),
        package_sha256=package_sha256,
    )


def write_steward_side(
    folder: Path,
    building: NoisyBuilding[_Plan],
    approval: str,
    *,
    drawn: Sequence[Mechanism],
    quarantine: Quarantine,
    delta: float,
) -> None:
    """Write what was approved and charged, quarantined, refused by rights, and what it costs.

    Args:
        folder: an empty folder that only its owner can read.
        building: what was built.
        approval: the text of what was approved and charged.
        drawn: the mechanism of each draw.
        quarantine: rows put aside, by reason.
        delta: of the policy: at which epsilons are told.
    """
    (folder / APPROVAL_FILE).write_text(approval, encoding="utf-8")
    (folder / "quarantine").mkdir()
    quarantine.write(folder / "quarantine")
    purpose = building.plan.request.purpose
    rights = {"cut_off": building.stamp.moment, "purpose": purpose, **building.rights.decided}
    write_json(folder / "eligibility.json", rights)
    write_json(folder / "accounting.json", _accounting(drawn, delta))


def write_json(path: Path, document: Mapping[str, object]) -> None:
    """Write a document that programs read."""
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _accounting(drawn: Sequence[Mechanism], delta: float) -> dict[str, object]:
    """What a release costs alone, by three accountants; the ledger charges the first two."""
    found = together(drawn, delta)
    return {
        "delta": delta,
        "epsilon_by_basic_composition": None if found.basic is None else float(found.basic),
        "epsilon_by_zcdp": None if found.zcdp is None else float(found.zcdp),
        "epsilon_by_pld": found.pld,
        "pld_is_bound": found.pld_is_bound,
    }


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
