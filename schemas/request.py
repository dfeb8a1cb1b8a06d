"""A request, as a researcher writes it in TOML."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from schemas.declaration import toml_document
from schemas.queries import Aggregate
from schemas.sensitive import Closeness, Diversity, ShareBound, Statistic, distinct
from schemas.synthetic import Synthetic
from schemas.violations import SchemaError, Violation, violations_of


def _one_line(text: str) -> str:
    if not (text.isprintable() and text.strip()):
        raise ValueError("one line of printable characters was expected")
    return text


def _a_name(text: str) -> str:
    if text.strip() == "*":  # accounts of the budget have it for whoever has none yet
        raise ValueError("a name was expected; * stands for any other")
    return text


_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]


def _slug(name: str) -> str:
    # It names a file of keys: the same on every file system, and no path.
    if re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name) is None or len(name) > _PROJECT_LENGTH:
        raise ValueError(f"a-z, 0-9 and single - only, at most {_PROJECT_LENGTH} characters")
    return name


_PROJECT_LENGTH: Final = 60
Project = Annotated[str, AfterValidator(_slug)]
"""The name of a project whose extracts are linked, such as `completion-study`."""


def _no_look_alike(value: object) -> object:
    # To Python `true` and 1.0 are 1; to a reader of TOML they are not.
    if isinstance(value, bool | float):
        raise ValueError("Input should be 1, 2, 3 or 'full'")  # noqa: TRY004 - pydantic's protocol
    return value


class Privacy(BaseModel):
    """`[release.privacy]`: what is asked for; what is left out comes from the policy.

    Attributes:
        k: the least number of distinct learners in a group.
        m: how many items of a learner the attacker knows: 1 (course scope); up to 2, up to 3, or
            all ("full") in the other scopes.
        suppression_limit: share of learners that may be left out, 0 to 1.
        item_suppression_limit: share of (learner, item) rows that may be left out for the items
            they would tell, 0 to 1; not under course scope.
        maximum_share: sensitive column -> the largest share of one value in a group.
        l: sensitive column -> the l-diversity of every group.
        t: sensitive column -> how near the values of every group are to everybody's.
    """

    model_config = _FROZEN
    k: Annotated[StrictInt, Field(ge=2, le=1_000_000)] | None = None
    m: Annotated[Literal[1, 2, 3, "full"], BeforeValidator(_no_look_alike)] | None = None
    suppression_limit: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.05
    item_suppression_limit: Annotated[float, Field(ge=0, lt=1, strict=True)] = 0.2
    maximum_share: Mapping[str, ShareBound] = Field(default_factory=dict)
    l: Mapping[str, Diversity] = Field(default_factory=dict)  # noqa: E741 - as in the literature
    t: Mapping[str, Closeness] = Field(default_factory=dict)


class Microdata(BaseModel):
    """`[release]` of type microdata: rows about pseudonymous learners.

    Attributes:
        access: who may see the package.
        pseudonyms: `course`, where no key joins two courses; `release`, where none joins two
            releases; or `linked`, where they join the releases of a project.
        project: whose releases `linked` pseudonyms join; None otherwise.
        recoding: `global`, one level a quasi-identifier for everybody, or `local`.
        learners: columns of the view `learners`.
        enrolments: columns of the view `enrolments`; the item column among them.
        weights: quasi-identifier -> how much its detail matters, against 1 for the others.
        statistics: what the steward's report compares before and after.
        csv: whether CSV copies of the tables are wanted beside Parquet.
    """

    model_config = _FROZEN
    type: Literal["microdata"]
    access: Literal["public", "controlled"] = "controlled"
    pseudonyms: Literal["course", "release", "linked"] = "course"
    project: Annotated[Project | None, Field(validate_default=True)] = None
    recoding: Literal["global", "local"] = "global"
    learners: tuple[Text, ...] = ()
    enrolments: tuple[Text, ...] = ()
    weights: Mapping[str, Annotated[float, Field(gt=0, strict=True)]] = Field(default_factory=dict)
    statistics: Annotated[tuple[Statistic, ...], AfterValidator(distinct)] = ()
    csv: StrictBool = False
    privacy: Privacy = Privacy()

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = (*self.learners, *self.enrolments)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        if not names:
            raise ValueError("name at least one column in learners or enrolments")
        return self

    @field_validator("project")
    @classmethod
    def _a_project_or_none(cls, project: str | None, info: ValidationInfo) -> str | None:
        # Where `pseudonyms` itself is refused, nothing is known of what it should be.
        scope = info.data.get("pseudonyms")
        if scope == "linked" and project is None:
            raise ValueError("pseudonyms = linked goes with a project; name it")
        if scope in {"course", "release"} and project is not None:
            raise ValueError("goes with pseudonyms = linked; leave it out")
        return project


class ExtractRequest(BaseModel):
    """Who asks for what, from which source and to which end.

    What `parse_request` gives is one of those below, which say what kind of release it is.
    """

    model_config = _FROZEN
    title: Text
    researcher: Annotated[Text, AfterValidator(str.strip), AfterValidator(_a_name)]
    purpose: Annotated[Text, AfterValidator(_a_name)]
    source: Text
    release: Microdata | Aggregate | Synthetic

    def sha256(self) -> str:
        """The hash of what is asked, whatever the layout and comments of the file."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


class MicrodataRequest(ExtractRequest):
    """A request for rows about pseudonymous learners."""

    release: Microdata


class AggregateRequest(ExtractRequest):
    """A request for noisy figures about groups."""

    release: Aggregate


class SyntheticRequest(ExtractRequest):
    """A request for invented learners, drawn from noisy figures."""

    release: Synthetic


AnyRequest = MicrodataRequest | AggregateRequest | SyntheticRequest
"""What a request may be."""

_KINDS: Final[Mapping[object, type[AnyRequest]]] = {
    "microdata": MicrodataRequest,
    "aggregate": AggregateRequest,
    "synthetic": SyntheticRequest,
}


def parse_request(text: str, *, subject: str) -> AnyRequest:
    """Read a request.

    Args:
        text: the TOML text.
        subject: what to call it in errors, such as the file's name.

    Raises:
        SchemaError: the text is not TOML, or breaks a rule; carries every violation with the TOML
            key it stands at.
    """
    document = toml_document(text, subject=subject)
    try:
        return _kind(document).model_validate(document)
    except ValidationError as error:
        raise SchemaError(subject, [_told(document, v) for v in violations_of(error)]) from None


def unknown_column(key: str, name: str, offered: Sequence[str]) -> Violation:
    """A column that a view does not offer, with the nearest one that it does."""
    near = get_close_matches(name, offered, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it offers: {', '.join(offered) or 'nothing'}"
    return Violation(key, f"the source has no releasable column '{name}'; {hint}")


def _told(document: dict[str, Any], found: Violation) -> Violation:
    """A violation as the writer of the text understands it."""
    key = _written(document, found.key)
    if key == "release.type":  # the schema that was tried knows of no other
        return Violation(key, f"one of {', '.join(map(str, _KINDS))} was expected")
    return Violation(key, found.message)


def _written(document: dict[str, Any], key: str) -> str:
    """The key as it stands in the text.

    Where a value has alternatives, pydantic's key also names the one that was tried, and a field
    of its own for what the text writes bare.
    """
    parts: list[str] = []
    at: Any = document
    path = key.split(".")
    for i, part in enumerate(path):
        if isinstance(at, list) and part.isdecimal():
            at = dict(zip(map(str, range(len(at))), at, strict=True))
        if not isinstance(at, dict):
            break
        if part in at or i == len(path) - 1:  # a key that is left out stands last
            parts.append(part)
            at = at.get(part)
    return ".".join(parts)


def _kind(document: dict[str, Any]) -> type[AnyRequest]:
    """What is asked for; of a type that there is none of, the refusal lists those of microdata."""
    release = document.get("release")
    asked = release.get("type") if isinstance(release, dict) else None
    return _KINDS.get(asked, MicrodataRequest) if isinstance(asked, str) else MicrodataRequest
