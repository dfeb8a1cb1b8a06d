"""The policy, as a steward writes it, and what it makes of a request.

Nothing here reads a learner's row: a request is judged by its words, the policy's and the family's
declaration alone.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
)

from schemas.column_settings import column_settings
from schemas.declaration import Family, ViewColumn
from schemas.queries import MOST_L0, ValueBounds
from schemas.request import MicrodataRequest, Project, unknown_column
from schemas.roles import Role
from schemas.sensitive import Closeness, Diversity, OneSided, Share, ShareBound, Values, distinct
from schemas.sharing import sharing
from schemas.violations import SchemaError, Violation

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class KFloors(BaseModel):
    """The least k by kind of access, and where a special category or minors are involved."""

    model_config = _FROZEN
    controlled: Annotated[StrictInt, Field(ge=2)] = 5
    public: Annotated[StrictInt, Field(ge=2)] = 11
    special_category: Annotated[StrictInt, Field(ge=2)] = 20


class Limits(BaseModel):
    """What a request may lose at most, and how sure of a value an attacker may become.

    Attributes:
        suppression: the largest share of learners that may be left out.
        item_suppression: the largest share of (learner, item) rows.
        maximum_share: the largest maximum share. A recursive (c, l)-diversity, which bounds the
            share of the commonest value by c / (1 + c), must bound it as much.
        t: the largest t of t-closeness; a t near 1 promises nothing.
        one_sided: column -> the values that a one-sided maximum share of it must protect at least.
            Which value does harm is the steward's decision: other columns may have none.
    """

    model_config = _FROZEN
    suppression: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.2
    item_suppression: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.5
    maximum_share: Share = 0.8
    t: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.5
    one_sided: Mapping[str, Values] = Field(default_factory=dict)


_Epsilon = Annotated[float, Field(ge=1e-6, le=1000, strict=True)]


class Budget(BaseModel):
    """What differentially private releases of one family may spend together, for ever.

    Attributes:
        epsilon_per_family: by everybody, for every purpose, on every version of the data.
        epsilon_per_purpose: for one purpose; None: as much as the family has.
        epsilon_per_recipient: by one recipient; None: as much as the family has.
        delta: that goes with each of these, far below 1 / learners: one as large as that would
            allow to give away all of one learner (Dwork and Roth 2014, Section 2.3). Under `zcdp`
            one half is for turning rho into epsilon, the other for the deltas of the draws.
        regime: `pure` (epsilons add up) or `zcdp` (rhos do: Gaussian noise can be drawn, and many
            small draws cost less). What was spent in one can't be counted in the other, so it
            stays as it is from the first release on.
    """

    model_config = _FROZEN
    epsilon_per_family: _Epsilon
    epsilon_per_purpose: _Epsilon | None = None
    epsilon_per_recipient: _Epsilon | None = None
    delta: Annotated[float, Field(ge=1e-15, lt=1e-3, strict=True)]
    regime: Literal["pure", "zcdp"] = "pure"

    @field_validator("epsilon_per_purpose", "epsilon_per_recipient")
    @classmethod
    def _within_the_family(cls, value: float | None, info: ValidationInfo) -> float | None:
        family = info.data.get("epsilon_per_family")
        if value is not None and family is not None and value > family:
            raise ValueError(f"at most epsilon_per_family ({family:g}) was expected")
        return value


class Contributions(BaseModel):
    """What one learner adds to an aggregate at most, where a request leaves it out.

    Known to everybody, and never read off the data (facts: bounds from public policy).

    Attributes:
        cells: in how many cells of a query a learner counts.
        events: how many rows of a learner count in a cell.
        bounds: column -> between which a learner's value in a cell is clamped.
    """

    model_config = _FROZEN
    cells: Annotated[StrictInt, Field(ge=1, le=MOST_L0)] | None = None
    events: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    bounds: Mapping[str, ValueBounds] = Field(default_factory=dict)


class Retention(BaseModel):
    """How many days a controlled release may be kept; left out, there is no end."""

    model_config = _FROZEN
    days: Annotated[StrictInt, Field(ge=1, le=36_500)] | None = None


def _a_place(name: str) -> str:
    if name == "*":
        raise ValueError("a place is named; * stands for any place, and in [transfers] only")
    return name


_Text = Annotated[str, Field(min_length=1)]


class Policy(BaseModel):
    """What may leave, to whom, for what and on which legal basis.

    Attributes:
        require_approval: whether a request is built only after a steward has approved it.
        purposes: those that a request may name.
        recipients: patterns of addresses, such as `*@uni.example`.
        legal_bases: those on which data is used.
        jurisdictions: those whose permissions count, each by its own name; `*`: any.
        minors: whether learners may be minors.
        projects: those whose extracts may be linked by pseudonym.
        places: pattern of addresses -> where these recipients are; the first that matches, in the
            order of the file.
        transfers: jurisdiction of a permission -> places that its rows may go to (`*`: any); `*`
            for each jurisdiction that has no row, nor has one that it lies in (`EU` for `EU-DE`).
            A learner with several permissions goes where any of them allows, and one whose own
            jurisdiction is `*` goes everywhere. None: rows go wherever a recipient is.
    """

    model_config = _FROZEN
    require_approval: StrictBool = True
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    legal_bases: tuple[str, ...]
    jurisdictions: tuple[str, ...] = ("*",)
    minors: StrictBool = False
    projects: Annotated[tuple[Project, ...], AfterValidator(distinct)] = ()
    places: Mapping[_Text, Annotated[_Text, AfterValidator(_a_place)]] = Field(default_factory=dict)
    transfers: Mapping[_Text, tuple[_Text, ...]] | None = None
    retention: Retention = Retention()
    k: KFloors = KFloors()
    limits: Limits = Limits()
    budget: Budget | None = None
    contributions: Contributions | None = None


def policy_sha256(policy: Policy) -> str:
    """The hash of what the policy says, whatever the layout and comments of the file."""
    document = policy.model_dump(mode="json")
    # Sorting keys would hide the one order that means something.
    document["places"] = list(document["places"].items())
    # A policy that does not speak of them is the one that was approved before there were any.
    if document["contributions"] is None:
        del document["contributions"]
    text = json.dumps(document, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a request and a policy together promise: every default filled in.

    Every sensitive column has a maximum share or an l, unless a steward waived it. A t comes on
    top: where most learners of an item have one value, classes of that value alone may be within t.

    Attributes:
        k: the least number of distinct learners in a group.
        m: how many of a learner's items the attacker knows.
        suppression_limit: share of learners that may be left out.
        maximum_share: sensitive column -> largest share of one value in a group.
        protected: column of `maximum_share` -> the values that it is about; all where left out.
        diversity: sensitive column -> l-diversity of every group.
        closeness: sensitive column -> how near every group is to everybody.
        recoding: one level a quasi-identifier for everybody, or local.
        item_suppression_limit: share of (learner, item) rows that may be left out; 0 under course
            scope.
    """

    k: int
    m: Literal[1, 2, 3, "full"]
    suppression_limit: float
    maximum_share: Mapping[str, float]
    protected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    diversity: Mapping[str, Diversity] = field(default_factory=dict)
    closeness: Mapping[str, Closeness] = field(default_factory=dict)
    recoding: Literal["global", "local"] = "global"
    item_suppression_limit: float = 0.0


def authorize(
    request: MicrodataRequest,
    policy: Policy,
    family: Family,
    waived: frozenset[str] = frozenset(),
) -> Terms:
    """The terms under which a request may be built; whether it was approved is not judged here.

    Args:
        request: what is asked for.
        policy: what the steward allows.
        family: what the source offers.
        waived: requested sensitive columns that the approval leaves without the policy's maximum
            share. What the request itself asks of them stays.

    Raises:
        SchemaError: the request asks for what the family does not offer or the policy does not
            allow; carries *all* violations.
    """
    violations = [
        *sharing(request, policy),
        *_columns(request, family),
        *_waived(waived, requested(request, family)),
        *_privacy(request, policy, family),
        *column_settings(request, policy.limits, requested(request, family)),
    ]
    if violations:
        raise SchemaError("request", violations)
    release, privacy = request.release, request.release.privacy
    course = release.pseudonyms == "course"
    shares = _shares(request, policy, family, waived)
    return Terms(
        k=privacy.k or k_floor(request, policy, family),
        m=1 if course else privacy.m or "full",
        suppression_limit=privacy.suppression_limit,
        maximum_share={
            name: bound.share if isinstance(bound, OneSided) else bound
            for name, bound in shares.items()
        },
        protected={
            name: bound.values for name, bound in shares.items() if isinstance(bound, OneSided)
        },
        diversity=privacy.l,
        closeness=privacy.t,
        recoding=release.recoding,
        item_suppression_limit=0.0 if course else privacy.item_suppression_limit,
    )


def _shares(
    request: MicrodataRequest, policy: Policy, family: Family, waived: frozenset[str]
) -> dict[str, ShareBound]:
    """The maximum shares asked for, and the policy's for what nothing else bounds."""
    privacy = request.release.privacy
    return {
        name: privacy.maximum_share.get(name, policy.limits.maximum_share)
        for name, column in requested(request, family).items()
        if column.role is Role.SENSITIVE
        and (name in privacy.maximum_share or name not in {*privacy.l, *waived})
    }


def requested(request: MicrodataRequest, family: Family) -> dict[str, ViewColumn]:
    """The view columns that a request names and the family has; those of `learners` first."""
    release = request.release
    named = (("learners", release.learners), ("enrolments", release.enrolments))
    columns = {
        view: family.views[view].columns if view in family.views else {} for view, _ in named
    }
    return {n: columns[view][n] for view, names in named for n in names if n in columns[view]}


def k_floor(request: MicrodataRequest, policy: Policy, family: Family) -> int:
    """The least k that the policy allows for this request."""
    floor = policy.k.public if request.release.access == "public" else policy.k.controlled
    special = any(
        column.special_category or family.behind(name).special_category
        for name, column in requested(request, family).items()
    )
    return max(floor, policy.k.special_category) if special or policy.minors else floor


def _waived(waived: frozenset[str], columns: Mapping[str, ViewColumn]) -> Iterator[Violation]:
    for name in sorted(waived):
        if name not in columns or columns[name].role is not Role.SENSITIVE:
            yield Violation("waived", f"{name} is no requested sensitive column; waive only those")


def _columns(request: MicrodataRequest, family: Family) -> Iterator[Violation]:
    release = request.release
    for view, names in (("learners", release.learners), ("enrolments", release.enrolments)):
        offered = tuple(family.views[view].columns) if view in family.views else ()
        for name in names:
            if name not in offered:
                yield unknown_column(f"release.{view}", name, offered)
    if release.enrolments and "enrolments" in family.views:
        yield from _items(request, family)
    if release.pseudonyms == "course" and not release.enrolments:
        yield Violation(
            "release.enrolments", "required with pseudonyms = course; there is no learner table"
        )


def _items(request: MicrodataRequest, family: Family) -> Iterator[Violation]:
    """One item column must be requested, and nothing that it can't tell apart."""
    view, names = family.views["enrolments"], request.release.enrolments
    items = view.items()
    named = [name for name in items if name in names]
    if len(named) != 1:
        yield Violation(
            "release.enrolments", f"exactly one item column is required: {' or '.join(items)}"
        )
        return
    known = [name for name in names if name in view.columns]
    for name in family.unattributed(named[0], known):
        yield Violation(
            "release.enrolments", f"{name} can't be told apart by {named[0]}: leave one out"
        )


def _privacy(request: MicrodataRequest, policy: Policy, family: Family) -> Iterator[Violation]:
    release, privacy = request.release, request.release.privacy
    course = release.pseudonyms == "course"
    floor = k_floor(request, policy, family)
    if privacy.k is not None and privacy.k < floor:
        yield Violation("release.privacy.k", f"at least {floor} for this access and these columns")
    if privacy.m is not None and (privacy.m == 1) != course:
        yield Violation(
            "release.privacy.m", "1 with pseudonyms = course; 2, 3 or 'full' with others"
        )
    if privacy.suppression_limit > policy.limits.suppression:
        limit = policy.limits.suppression
        yield Violation("release.privacy.suppression_limit", f"at most {limit}")
    if course and "item_suppression_limit" in privacy.model_fields_set:
        yield Violation(
            "release.privacy.item_suppression_limit",
            "goes with pseudonyms = release or linked: under course scope no item tells of another",
        )
    if not course and privacy.item_suppression_limit > policy.limits.item_suppression:
        limit = policy.limits.item_suppression
        yield Violation("release.privacy.item_suppression_limit", f"at most {limit}")
    if release.recoding == "local" and release.access != "controlled":
        yield Violation("release.recoding", "local goes with access = controlled")
