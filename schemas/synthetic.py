"""What a request for a synthetic twin asks, as TOML writes it."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from schemas.queries import digest
from schemas.sensitive import Statistic, distinct
from schemas.spending import Spend

_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
MOST_ROWS: Final = 5
"""Up to how many rows of a learner are told apart, where a request does not say."""

_Name = Annotated[str, Field(min_length=1, max_length=200)]


class Synthetic(BaseModel):
    """`[release]` of type synthetic: invented learners, drawn from noisy figures about real ones.

    Attributes:
        access: who may see the package.
        pseudonyms: as in `Microdata`; an invented learner has no project that could link it.
        catalogue: as in `Aggregate`: the courses of the twin are those that it lists.
        learners: columns of the view `learners`.
        enrolments: columns of the view `enrolments`; the item column among them.
        levels: column -> of its hierarchy; 0, the finest, where it is left out. Noise grows with
            the number of values.
        most_rows: up to how many rows of a learner are told apart.
        budget: what it costs.
        statistics: what the steward's fidelity report compares; of the first one it also tells how
            well what is learned from the twin predicts it.
        csv: whether CSV copies of the tables are wanted beside Parquet.
    """

    model_config = _FROZEN
    type: Literal["synthetic"]
    access: Literal["public", "controlled"] = "controlled"
    pseudonyms: Literal["course", "release"] = "course"
    catalogue: Annotated[str, AfterValidator(digest)]
    learners: tuple[_Name, ...] = ()
    enrolments: tuple[_Name, ...] = ()
    levels: Mapping[str, Annotated[StrictInt, Field(ge=0, le=20)]] = Field(default_factory=dict)
    most_rows: Annotated[StrictInt, Field(ge=1, le=20)] = MOST_ROWS
    budget: Spend
    statistics: Annotated[tuple[Statistic, ...], AfterValidator(distinct)] = ()
    csv: StrictBool = False

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = (*self.learners, *self.enrolments)
        distinct(names)
        if not names:
            raise ValueError("name at least one column in learners or enrolments")
        if self.budget.delta is not None:
            raise ValueError("budget.delta: nothing is discovered; leave it out")
        return self
