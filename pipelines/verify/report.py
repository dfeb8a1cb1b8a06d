"""The results as a readable table, and as one JSON object."""

from dataclasses import asdict
from typing import Any

from pipelines.verify.count import CountResult
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
    width = max(len(check.name) for check in verification.checks)
    found = "none" if verification.k_found is None else verification.k_found
    failed = sum(not check.ok for check in verification.checks)
    lines = [
        f"{promise.release_type}, {promise.access} access",
        f"{promise.pseudonym_scope} scope, m = {promise.m}",
        f"k promised {promise.k}, smallest class found {found}",
        "",
        *(
            f"{'ok' if check.ok else 'FAIL':4}  {check.name:{width}}  {check.detail}"
            for check in verification.checks
        ),
        "",
        f"BROKEN: {failed} of {len(verification.checks)} checks fail"
        if failed
        else f"holds: all {len(verification.checks)} checks",
    ]
    if not verification.approved:
        lines.append(_SELF_DECLARED)
    return "\n".join(lines)


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
