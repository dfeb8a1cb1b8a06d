"""What an aggregate request asks, query by query, as TOML writes it.

Every kind of query is a type of its own, told apart by `type`. What a query leaves out of its
bounds comes from the policy (`[contributions]`); neither ever comes from the data.
"""

import math
import re
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    Tag,
    model_validator,
)

from schemas.sensitive import distinct
from schemas.spending import Micro, Spend

_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_NAME: Final = re.compile("[a-z][a-z0-9_]*")
_LONGEST: Final = 40
_MOST_QUERIES: Final = 50
MOST_L0: Final = 100_000
"""The largest L0: of how many cells one learner may be a part."""

LEAVE_OUT: Final = "leave-out"
"""The rule by which a learner whose value is unknown counts in no cell of the query."""

Bounds = Annotated[tuple[float, float], Field(strict=False)]


def _named(name: str) -> str:
    # It names a file, and stands in the text that promises what the file holds.
    if _NAME.fullmatch(name) is None or len(name) > _LONGEST:
        raise ValueError(f"a-z, 0-9 and _ only, a letter first, at most {_LONGEST} characters")
    return name


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] < bounds[1]:
        raise ValueError("[lowest, highest] was expected")
    return bounds


ValueBounds = Annotated[Bounds, AfterValidator(_ascending)]
"""Between which a learner's value in a cell is clamped."""


class GroupKey(BaseModel):
    """A column that cells are told apart by: `"gender"`, or `{ column = "region", level = 1 }`.

    Attributes:
        column: of the query's view, or of the view `learners`.
        level: of the column's hierarchy; 0 is the finest.
    """

    model_config = _FROZEN
    column: Annotated[str, Field(min_length=1)]
    level: Annotated[StrictInt, Field(ge=0, le=20)] = 0

    @model_validator(mode="before")
    @classmethod
    def _written_bare(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value


def _columns_once(keys: tuple[GroupKey, ...]) -> tuple[GroupKey, ...]:
    distinct(tuple(key.column for key in keys))
    return keys


GroupKeys = Annotated[tuple[GroupKey, ...], Field(max_length=6), AfterValidator(_columns_once)]


def _rule(*words: str) -> BeforeValidator:
    """A number or one of these words: to Python `true` is 1, to a reader of TOML it is not."""
    expected = ", ".join(f'"{word}"' for word in words)

    def check(value: object) -> object:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        finite = number and -math.inf < float(str(value)) < math.inf
        if not (value in words or finite):
            raise ValueError(f"a number or {expected} was expected")
        return value

    return BeforeValidator(check)


Nulls = Annotated[Literal["leave-out"] | float, _rule(LEAVE_OUT)]
"""What an unknown value counts as: nothing, or a number. It must be said."""


class _Query(BaseModel):
    """What every query says.

    Attributes:
        name: of the table that answers it.
        view: whose rows are counted: `learners`, `enrolments` or `activity`.
        by: which columns tell cells apart; none: one cell.
        cells: in how many cells one learner counts at most (L0); None: the policy's.
        weight: its share of the budget that no query names for itself.
        epsilon: its own part of the budget, where the release spends epsilon.
        rho: the same, where the release spends rho.
    """

    model_config = _FROZEN
    name: Annotated[str, AfterValidator(_named)]
    view: Literal["learners", "enrolments", "activity"] = "enrolments"
    by: GroupKeys = ()
    cells: Annotated[StrictInt, Field(ge=1, le=MOST_L0)] | None = None
    weight: Annotated[float, Field(gt=0, le=1_000_000, strict=True)] = 1.0
    epsilon: Micro | None = None
    rho: Micro | None = None

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        own = self.model_fields_set & {"epsilon", "rho", "weight"}
        if len(own) > 1:
            raise ValueError(f"give one of {', '.join(sorted(own))}")
        return self


class Learners(_Query):
    """Distinct learners in each cell.

    Attributes:
        discover: whether the cells are those that the data shows to be common, instead of a public
            grid: only those whose noisy count exceeds a threshold are told. Costs delta.
        margin_of: another query of the request, with further keys that are attributes of learners:
            of its cells these are sums, and both are made to agree.
    """

    type: Literal["learners"]
    discover: StrictBool = False
    margin_of: str | None = None


class Events(_Query):
    """Rows in each cell.

    Attributes:
        most: how many of a learner's rows count in a cell; None: the policy's.
        margin_of: as in `Learners`.
    """

    type: Literal["events"]
    most: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    margin_of: str | None = None


class _OfValues(_Query):
    """A query about a number.

    Attributes:
        of: the column; several rows of a learner in a cell are added up where the column is a count
            or a sum, else their mean is taken.
        bounds: between which a learner's value in a cell is clamped; None: the policy's.
        decimals: to how many decimals a learner's value is rounded before anything is added up.
        nulls: what a learner whose value in a cell is unknown counts as.
    """

    of: Annotated[str, Field(min_length=1)]
    bounds: ValueBounds | None = None
    decimals: Annotated[StrictInt, Field(ge=0, le=6)] = 0
    nulls: Nulls


class Sum(_OfValues):
    """The sum of learners' values in each cell; `margin_of` as in `Learners`."""

    type: Literal["sum"]
    margin_of: str | None = None


class Mean(_OfValues):
    """The mean of learners' values in each cell: a noisy sum over a noisy count.

    Attributes:
        least: the noisy count below which no mean is told; None: twice the half-width of the count,
            and at least 10.
    """

    type: Literal["mean"]
    least: Annotated[StrictInt, Field(ge=1, le=1_000_000_000)] | None = None


def _share(quantile: float) -> float:
    if (Fraction(repr(quantile)) * 10_000).denominator != 1:
        raise ValueError("steps of 0.0001 were expected")
    return quantile


class Quantiles(_OfValues):
    """Quantiles of learners' values in each cell.

    Attributes:
        quantiles: shares from 0 to 1.
        method: `noisy-max` (for small groups) or `histogram` (for large ones, or several
            quantiles); None: by the public number of learners, never by the data.
    """

    type: Literal["quantiles"]
    quantiles: Annotated[
        tuple[Annotated[float, Field(gt=0, lt=1, strict=True), AfterValidator(_share)], ...],
        Field(min_length=1, max_length=20),
        AfterValidator(distinct),
    ]
    method: Literal["noisy-max", "histogram"] | None = None


def _increasing(edges: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if edges is not None and list(edges) != sorted(set(edges)):
        raise ValueError("strictly increasing edges were expected")
    return edges


class Histogram(_Query):
    """Learners by the bin of their value in each cell.

    Attributes:
        of: as in `Sum`.
        edges: between the bins; None: the finest bins that the column's declaration has.
        nulls: what a learner whose value is unknown counts as; `leave-out`, a number, or `bin`: a
            bin of its own, `(missing)`.
    """

    type: Literal["histogram"]
    of: Annotated[str, Field(min_length=1)]
    edges: Annotated[
        tuple[float, ...] | None, Field(min_length=1, max_length=1000), AfterValidator(_increasing)
    ] = None
    nulls: Annotated[Literal["leave-out", "bin"] | float, _rule(LEAVE_OUT, "bin")]


_KINDS: Final = ("learners", "events", "sum", "mean", "quantiles", "histogram")


def _kind_of(value: object) -> str | None:
    """The alternative by its `type`; as a tag that no key is called."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"of {kind}" if kind in _KINDS else None


Query: TypeAlias = Annotated[
    Annotated[Learners, Tag("of learners")]
    | Annotated[Events, Tag("of events")]
    | Annotated[Sum, Tag("of sum")]
    | Annotated[Mean, Tag("of mean")]
    | Annotated[Quantiles, Tag("of quantiles")]
    | Annotated[Histogram, Tag("of histogram")],
    Discriminator(
        _kind_of,
        custom_error_type="query",
        custom_error_message=f"type: one of {', '.join(_KINDS)} was expected",
    ),
]


def _some_once(queries: tuple[Any, ...]) -> tuple[Any, ...]:
    if not 0 < len(queries) <= _MOST_QUERIES:
        raise ValueError(f"1 to {_MOST_QUERIES} queries were expected")
    distinct(tuple(query.name for query in queries))
    return queries


def digest(text: str) -> str:
    """The SHA-256 of a catalogue, as a request names it."""
    if re.fullmatch("[0-9a-f]{64}", text) is None:
        raise ValueError("64 hex digits were expected, as `kohort catalog show` prints them")
    return text


class Aggregate(BaseModel):
    """`[release]` of type aggregate: noisy figures about groups, and no row about anybody.

    Attributes:
        access: who may see the package.
        catalogue: the SHA-256 of the public catalogue that the grids are made of, as
            `kohort catalog show` prints it: what a cell may be is part of what is asked.
        budget: what it costs.
        queries: one table each.
        csv: whether CSV copies of the tables are wanted beside Parquet.
    """

    model_config = _FROZEN
    type: Literal["aggregate"]
    access: Literal["public", "controlled"] = "controlled"
    catalogue: Annotated[str, AfterValidator(digest)]
    budget: Spend
    queries: Annotated[tuple[Query, ...], AfterValidator(_some_once)]
    csv: StrictBool = False

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        other = "rho" if self.budget.kind == "epsilon" else "epsilon"
        for query in self.queries:
            if getattr(query, other) is not None:
                raise ValueError(
                    f"queries: {query.name} has {other}, and the budget is in {self.budget.kind}"
                )
        return self
