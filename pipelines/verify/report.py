"""The results as a readable table, and as one JSON object."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipelines.verify.count import CountResult
from pipelines.verify.outcome import Check
from pipelines.verify.union import UnionVerification
from pipelines.verify.verification import Verification

_SELF_DECLARED = "note: roles, k and bounds are self-declared; hold them against --approval FILE"


def verification_json(verification: Verification) -> dict[str, Any]:
    """The object that `--json` prints for a package."""
    return {
        "ok": verification.ok,
        "release_type": verification.release_type,
        "k_promised": verification.k_promised,
        "k_found": verification.k_found,
        "checks": [asdict(check) for check in verification.checks],
    }


def verification_table(verification: Verification) -> str:
    """One line a check, and what it comes to."""
    promise = verification.promise
    found = "none" if verification.k_found is None else verification.k_found
    project = "" if promise.project is None else f" of {promise.project}"
    lines = [
        f"{promise.release_type}, {promise.access} access",
        f"{promise.pseudonym_scope} scope{project}, m = {promise.m}",
        f"k promised {promise.k}, smallest class found {found}",
        "",
        *_check_lines(verification.checks),
    ]
    if not verification.approved:
        lines.append(_SELF_DECLARED)
    return "\n".join(lines)


def union_json(union: UnionVerification) -> dict[str, Any]:
    """The object that `--json` prints for packages that are joined by pseudonym."""
    return {
        "ok": union.ok,
        "projects": list(union.projects),
        "k_promised": list(union.k_promised),
        "k_found": union.k_found,
        "checks": [asdict(check) for check in union.checks],
    }


def union_table(union: UnionVerification) -> str:
    """One line a check of the packages together, and what it comes to."""
    found = "none" if union.k_found is None else union.k_found
    promised = ", ".join(map(str, union.k_promised))
    lines = [
        f"packages joined by pseudonym: {len(union.k_promised)}",
        f"k promised {promised}, smallest group found {found}",
        "",
        *_check_lines(union.checks),
    ]
    return "\n".join(lines)


def _check_lines(checks: Sequence[Check]) -> list[str]:
    width = max(len(check.name) for check in checks)
    failed = sum(not check.ok for check in checks)
    return [
        *(f"{'ok' if c.ok else 'FAIL':4}  {c.name:{width}}  {c.detail}" for c in checks),
        "",
        f"BROKEN: {failed} of {len(checks)} checks fail"
        if failed
        else f"holds: all {len(checks)} checks",
    ]


def count_json(result: CountResult) -> dict[str, Any]:
    """The object that `--json` prints for a count."""
    return {"ok": result.ok, **asdict(result)}


def count_table(result: CountResult) -> str:
    """The counts in words."""
    return "\n".join(
        [
            f"rows                 {result.rows:,} ({result.rows_without_learner:,} no learner)",
            f"learners             {result.learners:,}",
            f"classes              {result.classes:,}, smallest {result.smallest_class:,}",
            f"classes below k = {result.k:<3}{result.classes_below_k:,}",
            f"learners in those    {result.learners_below_k:,}",
        ]
    )
