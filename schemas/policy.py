"""The policy, as a steward writes it, and what it makes of a request.

Nothing here reads a learner's row: a request is judged by its words, the policy's and the family's
declaration alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from schemas.declaration import Family, ViewColumn
from schemas.request import ExtractRequest, unknown_column
from schemas.roles import Role
from schemas.violations import SchemaError, Violation

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Share = Annotated[float, Field(gt=0, le=1, strict=True)]


class KFloors(BaseModel):
    """The least k by kind of access, and where a special category or minors are involved."""

    model_config = _FROZEN
    controlled: Annotated[StrictInt, Field(ge=2)] = 5
    public: Annotated[StrictInt, Field(ge=2)] = 11
    special_category: Annotated[StrictInt, Field(ge=2)] = 20


class Limits(BaseModel):
    """What a request may lose at most (share of learners), and the largest maximum share."""

    model_config = _FROZEN
    suppression: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.2
    maximum_share: Share = 0.8


class Budget(BaseModel):
    """What aggregate releases of one family may spend; this version offers none."""

    model_config = _FROZEN
    epsilon_per_family: Annotated[float, Field(gt=0)]
    delta: Annotated[float, Field(gt=0, lt=1)]


class Policy(BaseModel):
    """What may leave, to whom, for what and on which legal basis."""

    model_config = _FROZEN
    require_approval: StrictBool = True
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    legal_bases: tuple[str, ...]
    jurisdictions: tuple[str, ...] = ("*",)
    minors: StrictBool = False
    k: KFloors = KFloors()
    limits: Limits = Limits()
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a request and a policy together promise: every default filled in.

    Attributes:
        k: the least number of distinct learners in a class.
        m: how many of a learner's items the attacker knows.
        suppression_limit: share of learners that may be left out.
        maximum_share: sensitive column -> largest share of one value in a class.
    """

    k: int
    m: Literal[1, "full"]
    suppression_limit: float
    maximum_share: Mapping[str, float]


def authorize(request: ExtractRequest, policy: Policy, family: Family) -> Terms:
    """The terms under which a request may be built.

    Raises:
        SchemaError: the request asks for what the family does not offer or the policy does not
            allow; carries *all* violations.
    """
    violations = [
        *_approval(policy),
        *_people(request, policy),
        *_columns(request, family),
        *_privacy(request, policy, family),
    ]
    if violations:
        raise SchemaError("request", violations)
    release, privacy = request.release, request.release.privacy
    sensitive = [n for n, c in requested(request, family).items() if c.role is Role.SENSITIVE]
    return Terms(
        k=privacy.k or k_floor(request, policy, family),
        m=1 if release.pseudonyms == "course" else "full",
        suppression_limit=privacy.suppression_limit,
        maximum_share={
            name: privacy.maximum_share.get(name, policy.limits.maximum_share) for name in sensitive
        },
    )


def requested(request: ExtractRequest, family: Family) -> dict[str, ViewColumn]:
    """The view columns that a request names and the family has; those of `learners` first."""
    release = request.release
    named = (("learners", release.learners), ("enrolments", release.enrolments))
    columns = {
        view: family.views[view].columns if view in family.views else {} for view, _ in named
    }
    return {n: columns[view][n] for view, names in named for n in names if n in columns[view]}


def k_floor(request: ExtractRequest, policy: Policy, family: Family) -> int:
    """The least k that the policy allows for this request."""
    floor = policy.k.public if request.release.access == "public" else policy.k.controlled
    special = any(
        column.special_category or family.behind(name).special_category
        for name, column in requested(request, family).items()
    )
    return max(floor, policy.k.special_category) if special or policy.minors else floor


def _approval(policy: Policy) -> Iterator[Violation]:
    if policy.require_approval:
        yield Violation(
            "",
            "the policy requires an approval, which this version can't record yet; for your own "
            "data make a workspace with `kohort init DIR --local`",
        )


def _people(request: ExtractRequest, policy: Policy) -> Iterator[Violation]:
    if request.purpose not in policy.purposes:
        allowed = ", ".join(policy.purposes)
        yield Violation("purpose", f"the policy admits: {allowed}")
    # `a@evil b@uni.example` is no address of the university's, whatever a pattern makes of it.
    address = re.fullmatch(r"[^@\s]+@[^@\s]+", request.researcher) is not None
    patterns = policy.recipients if address else [p for p in policy.recipients if p == "*"]
    if not any(fnmatchcase(request.researcher, pattern) for pattern in patterns):
        yield Violation("researcher", "not among the policy's recipients; ask the steward")


def _columns(request: ExtractRequest, family: Family) -> Iterator[Violation]:
    release = request.release
    for view, names in (("learners", release.learners), ("enrolments", release.enrolments)):
        offered = tuple(family.views[view].columns) if view in family.views else ()
        for name in names:
            if name not in offered:
                yield unknown_column(f"release.{view}", name, offered)
    if release.enrolments and "enrolments" in family.views:
        columns = family.views["enrolments"].columns
        items = [name for name, column in columns.items() if column.role is Role.ITEM]
        absent = [name for name in items if name not in release.enrolments]
        if absent:
            yield Violation("release.enrolments", f"the item column is required: {absent[0]}")
    if release.pseudonyms == "course" and not release.enrolments:
        yield Violation(
            "release.enrolments", "required with pseudonyms = course; there is no learner table"
        )


def _privacy(request: ExtractRequest, policy: Policy, family: Family) -> Iterator[Violation]:
    release, privacy = request.release, request.release.privacy
    floor = k_floor(request, policy, family)
    if privacy.k is not None and privacy.k < floor:
        yield Violation("release.privacy.k", f"at least {floor} for this access and these columns")
    if privacy.m is not None and privacy.m != (1 if release.pseudonyms == "course" else "full"):
        yield Violation("release.privacy.m", "1 with pseudonyms = course, 'full' with release")
    if privacy.suppression_limit > policy.limits.suppression:
        limit = policy.limits.suppression
        yield Violation("release.privacy.suppression_limit", f"at most {limit}")
    yield from _column_settings(request, policy, requested(request, family))


def _column_settings(
    request: ExtractRequest, policy: Policy, columns: Mapping[str, ViewColumn]
) -> Iterator[Violation]:
    def has_role(name: str, role: Role) -> bool:
        return name in columns and columns[name].role is role

    for name, share in request.release.privacy.maximum_share.items():
        key = f"release.privacy.maximum_share.{name}"
        if not has_role(name, Role.SENSITIVE):
            yield Violation(key, "not a requested sensitive column")
        elif share > policy.limits.maximum_share:
            yield Violation(key, f"at most {policy.limits.maximum_share}")
    for name in request.release.weights:
        if not has_role(name, Role.QUASI_IDENTIFIER):
            yield Violation(f"release.weights.{name}", "not a requested quasi-identifier")
    if request.release.pseudonyms == "course":
        for name in request.release.learners:
            if name in columns and not has_role(name, Role.QUASI_IDENTIFIER):
                yield Violation(
                    "release.learners",
                    f"{name} is no quasi-identifier: under pseudonyms = course no learner-level "
                    "value but the class is repeated on enrolments",
                )
