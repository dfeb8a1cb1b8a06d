"""Synthetic rights: what the learners of a world permitted, as a rights file has it."""

from typing import Final

import numpy as np
import polars as pl

from synth.world import LEARNER

_DAY: Final = 86_400_000_000  # microseconds
_STREAM: Final = 1
"""Rights draw from a stream of their own, so that asking for them leaves the world as it is."""


def make_rights(users: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """What each learner said.

    About 92% permit research, 4% permit it and withdraw within a year, 2% deny it, and 2% say
    nothing, which means no.

    Args:
        users: the table of users of a world.
        seed: the seed of that world.

    Returns:
        Text columns in the order of a rights file; one or two rows a learner, or none.
    """
    rng = np.random.default_rng([_STREAM, seed])
    answer = rng.choice(4, size=users.height, p=[0.92, 0.04, 0.02, 0.02])
    said = users.select(
        pl.col(LEARNER).alias("learner_id"),
        pl.col("user_join_ts").alias("first"),
        pl.Series("answer", answer),
        pl.Series("later", rng.integers(_DAY, 365 * _DAY, users.height)).cast(pl.Duration("us")),
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
