"""The results as a readable table, and as one JSON object."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipelines.verify.aggregate_verification import AggregateVerification
from pipelines.verify.count import CountResult
from pipelines.verify.outcome import Check, plural
from pipelines.verify.promise import millionths, scientific
from pipelines.verify.union import UnionVerification
from pipelines.verify.verification import Verification

_NOISE_SELF_DECLARED = (
    "note: noise, bounds and roles are self-declared; hold them against --approval FILE"
)
_SELF_DECLARED = "note: roles, k and bounds are self-declared; hold them against --approval FILE"


def verification_json(found: Verification | AggregateVerification) -> dict[str, Any]:
    """The object that `--json` prints for a package."""
    privacy = {}
    if isinstance(found, AggregateVerification):
        privacy["privacy"] = asdict(found.promise.privacy)
    return {
        "ok": found.ok,
        "release_type": found.release_type,
        "k_promised": found.k_promised,
        "k_found": found.k_found,
        **privacy,
        "checks": [asdict(check) for check in found.checks],
    }


def verification_table(found: Verification | AggregateVerification) -> str:
    """One line a check, and what it comes to."""
    if isinstance(found, AggregateVerification):
        lines, note = _aggregate_lines(found), _NOISE_SELF_DECLARED
    else:
        lines, note = _microdata_lines(found), _SELF_DECLARED
    lines += ["", *_check_lines(found.checks)]
    return "\n".join(lines if found.approved else [*lines, note])


def _microdata_lines(found: Verification) -> list[str]:
    promise = found.promise
    smallest = "none" if found.k_found is None else found.k_found
    project = "" if promise.project is None else f" of {promise.project}"
    return [
        f"{promise.release_type}, {promise.access} access",
        f"{promise.pseudonym_scope} scope{project}, m = {promise.m}",
        f"k promised {promise.k}, smallest class found {smallest}",
    ]


def _aggregate_lines(found: AggregateVerification) -> list[str]:
    promise, privacy = found.promise, found.promise.privacy
    spent = f"rho {millionths(privacy.micro_rho)}"
    if privacy.micro_epsilon is not None:
        spent = f"epsilon {millionths(privacy.micro_epsilon)}"
    draws = plural(len(promise.measurements), "draw")
    return [
        f"{found.release_type}, {promise.access} access, of the family {promise.family}",
        f"{spent}, delta {scientific(privacy.atto_delta)}: with and without one learner",
        f"{draws} of noise, {plural(found.cells, 'cell')}",
    ]


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
