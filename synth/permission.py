"""What the learners of a synthetic world permitted: shares, and the records of a rights file."""

from datetime import datetime
from typing import Annotated, Final, Self

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth.sourced import Sourced

_DAY: Final = 86_400_000_000  # microseconds
_STREAM: Final = 1
"""Rights draw from a stream of their own, so that asking for them leaves the world as it is."""

_Share = Annotated[float, Field(ge=0, le=1)]


class Consent(BaseModel):
    """What learners said, as shares of them; the rest says nothing, which means no.

    Attributes:
        granted: permit research.
        withdrawn: permit it, and withdraw within a year.
        denied: deny it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    granted: Sourced[_Share]
    withdrawn: Sourced[_Share]
    denied: Sourced[_Share]

    @property
    def silent(self) -> float:
        """The share that says nothing."""
        return max(0.0, 1 - self.granted.value - self.withdrawn.value - self.denied.value)

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.granted.value + self.withdrawn.value + self.denied.value > 1 + 1e-9:
            raise ValueError("granted + withdrawn + denied at most 1 was expected")
        return self


def said_by(
    learners: pl.Series, since: pl.Series | datetime, consent: Consent, *, seed: int, number: int
) -> pl.DataFrame:
    """What the learners of one part of a world said.

    Args:
        learners: their ids, each once.
        since: the moment when each of them answered, or all did; naive UTC.
        consent: by what shares.
        seed: the seed of that world.
        number: of the part, from 0.

    Returns:
        Text columns in the order of a rights file; one or two rows a learner, or none.
    """
    rng = np.random.default_rng([_STREAM, seed, number])
    weights = np.array(
        [consent.granted.value, consent.withdrawn.value, consent.denied.value, consent.silent]
    )
    answer = rng.choice(4, size=len(learners), p=weights / weights.sum())
    later = rng.integers(_DAY, 365 * _DAY, len(learners))
    said = pl.DataFrame({"learner_id": learners.cast(pl.String)}).with_columns(
        pl.lit(since).cast(pl.Datetime("us")).alias("first"),
        pl.Series("answer", answer),
        pl.Series("later", later).cast(pl.Duration("us")),
    )
    withdrawn = said.filter(answer=1).with_columns(pl.col("first") + pl.col("later"))
    return pl.concat(
        [
            _records(said.filter(pl.col("answer") <= 1), "granted"),
            _records(withdrawn, "withdrawn"),
            _records(said.filter(answer=2), "denied"),
        ]
    )


def _records(said: pl.DataFrame, state: str) -> pl.DataFrame:
    return said.select(
        "learner_id",
        pl.lit("research").alias("purpose"),
        pl.lit("*").alias("scope"),
        pl.lit(state).alias("state"),
        pl.lit("consent").alias("legal_basis"),
        pl.lit("*").alias("jurisdiction"),
        pl.lit("synthetic-1").alias("notice_version"),
        pl.col("first").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("effective_from"),
        pl.lit("").alias("effective_to"),
        pl.lit("kohort synth").alias("source"),
    )
