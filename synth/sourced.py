"""A parameter of a synthetic world, and where it comes from."""

from typing import Annotated, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

_SHORTEST: Final = 8
"""Letters of a source: `x` and `todo` name none."""


class Sourced(BaseModel, Generic[T]):
    """A parameter as a preset writes it: `{ value = 0.29, source = "Ho et al. 2014, table 2" }`.

    Attributes:
        value: what the generator uses.
        source: the published figure it follows, or `plausible, not measured` and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    value: T
    source: Annotated[str, Field(min_length=_SHORTEST)]
