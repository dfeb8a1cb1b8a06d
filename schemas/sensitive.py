"""What a request may demand of its sensitive columns, as TOML writes it: shares, l and t.

Alternatives are separate types, told apart by their form alone: `2` is distinct l-diversity,
`{ entropy = 2.0 }` is not.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictInt,
    Tag,
    model_validator,
)

_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
Share = Annotated[float, Field(gt=0, le=1, strict=True)]
"""A maximum share of the learners of a group, the same for every value of a column."""


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, of which none may occur twice."""
    if len(set(values)) < len(values):
        raise ValueError("named twice; remove one")
    return values


Values = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(distinct)]


class OneSided(BaseModel):
    """A maximum share for some values only: `{ share = 0.5, values = ["passed"] }`.

    For a rare value that does harm; the common other one is then no secret.
    """

    model_config = _FROZEN
    share: Share
    values: Values


class Distinct(BaseModel):
    """`2`: at least l distinct values in a group."""

    model_config = _FROZEN
    l: Annotated[StrictInt, Field(ge=2)]  # noqa: E741 - the name the literature gives it

    @model_validator(mode="before")
    @classmethod
    def _written_bare(cls, value: object) -> object:
        return {"l": value}


class Entropy(BaseModel):
    """`{ entropy = 2.0 }`: the entropy of the values of a group is at least ln(l).

    At least 1.1: a group with one value passes 1, and an attacker is sure of it.
    """

    model_config = _FROZEN
    l: Annotated[float, Field(ge=1.1, strict=True)]  # noqa: E741

    @model_validator(mode="before")
    @classmethod
    def _written_as_a_table(cls, value: dict[str, object]) -> object:
        return {"l": value["entropy"]}


class Recursive(BaseModel):
    """`{ recursive = { c = 3.0, l = 2 } }`: r1 < c (r_l + ... + r_m), r1 >= r2 >= ... counts."""

    model_config = _FROZEN
    c: Annotated[float, Field(gt=0, le=1_000_000, strict=True)]
    l: Annotated[StrictInt, Field(ge=2)]  # noqa: E741

    @model_validator(mode="before")
    @classmethod
    def _written_as_a_table(cls, value: dict[str, object]) -> object:
        return value["recursive"]


class Closeness(BaseModel):
    """T-closeness: `0.2`, or `{ t = 0.2, distance = "ordered" }`.

    Attributes:
        t: how far a group's values may lie from everybody's.
        distance: of two values: `equal`, `ordered` as declared, or `hierarchical` as in the
            column's hierarchy.
    """

    model_config = _FROZEN
    t: Annotated[float, Field(gt=0, lt=1, strict=True)]
    distance: Literal["equal", "ordered", "hierarchical"] = "equal"

    @model_validator(mode="before")
    @classmethod
    def _written_bare(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"t": value}


def _kind_of_share(value: object) -> str:
    return "one-sided" if isinstance(value, dict | OneSided) else "share"


def _kind_of_diversity(value: object) -> str | None:
    """The alternative by its form in the text; or by its type, of a value to be written."""
    if isinstance(value, Distinct | Entropy | Recursive):
        return type(value).__name__.lower()
    if not isinstance(value, dict):
        return "distinct"
    return {("entropy",): "entropy", ("recursive",): "recursive"}.get(tuple(value))


ShareBound: TypeAlias = Annotated[
    Annotated[Share, Tag("share")] | Annotated[OneSided, Tag("one-sided")],
    Discriminator(_kind_of_share),
]
Diversity: TypeAlias = Annotated[
    Annotated[Distinct, Tag("distinct")]
    | Annotated[Entropy, Tag("entropy")]
    | Annotated[Recursive, Tag("recursive")],
    Discriminator(
        _kind_of_diversity,
        custom_error_type="diversity",
        custom_error_message=(
            "write 2 (distinct), { entropy = 2.0 } or { recursive = { c = 3.0, l = 2 } }"
        ),
    ),
]


class Statistic(BaseModel):
    """A statistic whose bias the steward sees: the share of rows with one of these values.

    Attributes:
        column: a requested sensitive column or measure.
        values: of that column, before generalization.
        by: a requested quasi-identifier whose values the share is also taken for.
    """

    model_config = _FROZEN
    column: Annotated[str, Field(min_length=1)]
    values: Values
    by: Annotated[str, Field(min_length=1)] | None = None
