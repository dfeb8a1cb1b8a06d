"""The results as a readable table, and as one JSON object."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from pipelines.verify.aggregate_verification import AggregateVerification
from pipelines.verify.count import CountResult
from pipelines.verify.outcome import Check, plural
from pipelines.verify.promise import millionths, scientific
from pipelines.verify.synthetic_verification import SyntheticVerification
from pipelines.verify.union import UnionVerification
from pipelines.verify.verification import Verification

AnyVerification: TypeAlias = Verification | AggregateVerification | SyntheticVerification
"""What became of a package, of whatever kind."""

_NOISE_SELF_DECLARED = (
    "note: noise, bounds and roles are self-declared; hold them against --approval FILE"
)
_SELF_DECLARED = "note: roles, k and bounds are self-declared; hold them against --approval FILE"


def verification_json(found: AnyVerification) -> dict[str, Any]:
    """The object that `--json` prints for a package."""
    more: dict[str, Any] = {}
    if not isinstance(found, Verification):
        more["privacy"] = asdict(found.promise.privacy)
    if isinstance(found, SyntheticVerification):
        more["invented"] = dict(found.rows)
    return {
        "ok": found.ok,
        "release_type": found.release_type,
        "k_promised": found.k_promised,
        "k_found": found.k_found,
        **more,
        "checks": [asdict(check) for check in found.checks],
    }


def verification_table(found: AnyVerification) -> str:
    """One line a check, and what it comes to."""
    if isinstance(found, Verification):
        lines, note = _microdata_lines(found), _SELF_DECLARED
    else:
        lines, note = _noisy_lines(found), _NOISE_SELF_DECLARED
    if isinstance(found, SyntheticVerification):
        lines.append(_invented_line(found))
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


def _invented_line(found: SyntheticVerification) -> str:
    rows = ", ".join(f"{name} {plural(number, 'row')}" for name, number in found.rows.items())
    return f"invented learners, {found.twin.pseudonym_scope} scope: {rows}"


def _noisy_lines(found: AggregateVerification | SyntheticVerification) -> list[str]:
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
