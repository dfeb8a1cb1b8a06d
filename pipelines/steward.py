"""Steward-side files: what a build knew that no package may hold."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anonymizer.local import LocalRecoding
from pipelines.beside import Apart
from pipelines.figures import bias_figures, risk_figures, utility_figures
from pipelines.microdata import Extract
from pipelines.package import Described
from pipelines.permitted import Permitted
from pipelines.plan import Plan
from pipelines.sources.quarantine import Quarantine
from pipelines.world import World
from schemas.manifest import LEARNER_KEY, SENSITIVE, Approval, Promise, render_approval

APPROVAL_FILE = "approval.json"


def write_steward_files(
    folder: Path,
    *,
    plan: Plan,
    promise: Promise,
    tables: Sequence[Described],
    quarantine: Quarantine,
    rights: Permitted,
    apart: Apart,
    platform: World,
    generator: np.random.Generator,
    package_sha256: str,
) -> None:
    """Write what was approved, quarantined, refused by rights and suppressed, and what it risks.

    Args:
        folder: an empty folder that only its owner can read.
        plan: what was to be built.
        promise: what the package promises.
        tables: what is released.
        quarantine: rows put aside, by reason.
        rights: what the registry decided.
        apart: the extract, what it cost, and what the live releases cost it.
        platform: every learner of the source, permitted or not.
        generator: for simulated attacks.
        package_sha256: of the package as it was written.
    """
    extract = apart.extract
    approval = _approval(promise, tables, package_sha256)
    (folder / APPROVAL_FILE).write_text(approval, encoding="utf-8")
    (folder / "quarantine").mkdir()
    quarantine.write(folder / "quarantine")
    _write_json(
        folder / "eligibility.json",
        {"cut_off": promise.cut_off, "purpose": plan.request.purpose, **rights.decided},
    )
    _write_json(
        folder / "beside.json",
        {
            "live_releases": apart.releases,
            "held_back": apart.held_back,
            "left_beside_the_departed": apart.departing,
        },
    )
    _write_json(folder / "recoding.json", _recoding(extract, plan))
    _write_json(folder / "utility.json", utility_figures(extract, plan))
    _write_json(folder / "risk.json", risk_figures(extract, plan, platform, generator))
    _write_json(folder / "bias.json", {"statistics": bias_figures(extract, plan)})


def _recoding(extract: Extract, plan: Plan) -> dict[str, Any]:
    """The levels of each quasi-identifier: one, or those that occur where they differ by class."""
    found = extract.recoded.found
    levels = found.generalization.levels
    return {
        "recoding": plan.terms.recoding,
        "method": found.method if isinstance(found, LocalRecoding) else "optimal full-domain",
        "quasi_identifiers": {
            hierarchy.name: sorted(set(levels[:, j].tolist()))
            for j, hierarchy in enumerate(plan.quasi_identifiers)
        },
        "levels": extract.levels,
    }


def _approval(promise: Promise, tables: Sequence[Described], package_sha256: str) -> str:
    roles = {
        table.name: {f.name: f.role for f in table.fields if f.role != LEARNER_KEY}
        for table in tables
    }
    return render_approval(
        Approval(
            request_sha256=promise.request_sha256,
            release_type=promise.release_type,
            k=promise.k,
            m=promise.m,
            pseudonym_scope=promise.pseudonym_scope,
            access=promise.access,
            item=promise.item,
            maximum_share=promise.maximum_share,
            suppression_limit=promise.suppression_limit,
            tables=roles,
            recoding=promise.recoding,
            protected=promise.protected,
            diversity=promise.diversity,
            closeness=promise.closeness,
            item_suppression_limit=promise.item_suppression_limit,
            project=promise.project,
            domains={
                field.name: field.enum
                for table in tables
                for field in table.fields
                if field.role == SENSITIVE
            },
            package_sha256=package_sha256,
        )
    )


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
