"""Steward-side files: what a build knew that no package may hold."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.microdata import Extract
from pipelines.package import Described
from pipelines.permitted import Permitted
from pipelines.plan import Plan
from pipelines.sources.quarantine import Quarantine
from schemas.manifest import LEARNER_KEY, Approval, Promise, render_approval

APPROVAL_FILE = "approval.json"


def write_steward_files(
    folder: Path,
    *,
    plan: Plan,
    promise: Promise,
    tables: Sequence[Described],
    quarantine: Quarantine,
    rights: Permitted,
    extract: Extract,
) -> None:
    """Write what was approved, quarantined, refused by rights, and suppressed.

    Args:
        folder: an empty folder that only its owner can read.
        plan: what was to be built.
        promise: what the package promises.
        tables: what is released.
        quarantine: rows put aside, by reason.
        rights: what the registry decided.
        extract: the recoding and what it cost.
    """
    (folder / APPROVAL_FILE).write_text(_approval(promise, tables), encoding="utf-8")
    (folder / "quarantine").mkdir()
    quarantine.write(folder / "quarantine")
    _write_json(
        folder / "eligibility.json",
        {"cut_off": promise.cut_off, "purpose": plan.request.purpose, **rights.decided},
    )
    recoding = extract.recoding
    _write_json(
        folder / "recoding.json",
        {
            "quasi_identifiers": {
                h.name: level
                for h, level in zip(plan.quasi_identifiers, recoding.levels, strict=True)
            },
            "levels": extract.levels,
            "loss": recoding.loss,
            "classes": recoding.classes,
            "learners_before": extract.learners,
            "learners_who_lost_a_row": extract.affected,
        },
    )


def _approval(promise: Promise, tables: Sequence[Described]) -> str:
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
        )
    )


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
