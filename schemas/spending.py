"""What an aggregate request spends, and how it is split among its queries."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Final, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

Micro = Annotated[float, Field(ge=1e-6, le=1000, strict=True)]
"""An amount of epsilon or rho; below a millionth nothing can be charged."""


class Spender(Protocol):
    """A query, as far as its share of the budget goes."""

    @property
    def weight(self) -> float:
        """Of its share of what no query names for itself."""

    @property
    def epsilon(self) -> float | None:
        """Its own part of the budget, where that is in epsilon."""

    @property
    def rho(self) -> float | None:
        """The same in rho."""


class Spend(BaseModel):
    """`[release.budget]`: what all queries together cost one learner.

    Attributes:
        epsilon: spent by Laplace noise; or
        rho: by Gaussian noise, of zero-concentrated differential privacy.
        delta: what discovered keys may cost besides; split evenly among them.
    """

    model_config = _FROZEN
    epsilon: Micro | None = None
    rho: Micro | None = None
    delta: Annotated[float, Field(ge=1e-15, lt=1e-3, strict=True)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.epsilon is None) == (self.rho is None):
            raise ValueError("give epsilon or rho, and not both")
        return self

    @property
    def kind(self) -> Literal["epsilon", "rho"]:
        """What is spent."""
        return "rho" if self.epsilon is None else "epsilon"

    @property
    def micro(self) -> int:
        """Millionths of it, rounded down: no more is spent than is asked for."""
        written = self.rho if self.epsilon is None else self.epsilon
        return int(Fraction(repr(written)) * 10**6)


def shares(budget: Spend, queries: Sequence[Spender]) -> list[int]:
    """What each query may spend, in millionths: its own part, or a share of the rest by weight.

    Whole millionths, so that what is rounded up for each draw does not exceed the whole.

    Raises:
        ValueError: the queries' own parts exceed the budget, leave nothing for the others, or leave
            something that goes to no query.
    """
    own = [q.epsilon if budget.kind == "epsilon" else q.rho for q in queries]
    taken = [0 if part is None else int(Fraction(repr(part)) * 10**6) for part in own]
    rest = budget.micro - sum(taken)
    sharing = [i for i, part in enumerate(own) if part is None]
    if rest < 0 or (sharing and rest < len(sharing)) or (not sharing and rest > 0):
        raise ValueError(
            f"the queries' own {budget.kind} must leave something for those without, or be the "
            "whole of release.budget"
        )
    whole = sum(Fraction(repr(queries[i].weight)) for i in sharing)
    for i in sharing:
        taken[i] = int(rest * Fraction(repr(queries[i].weight)) / whole)
    if not all(taken):
        raise ValueError("a query's share is below a millionth; give it more weight")
    return taken
