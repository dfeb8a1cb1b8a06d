"""Synthetic rights: what the learners of a Coursera-shaped world permitted."""

import polars as pl

from synth.coursera import LEARNER
from synth.permission import Consent, said_by
from synth.presets import small_preset


def make_rights(
    users: pl.DataFrame, *, seed: int, number: int = 0, consent: Consent | None = None
) -> pl.DataFrame:
    """What each learner said on joining.

    Args:
        users: the table of users of a world, or of a part of it.
        seed: the seed of that world.
        number: of the part, from 0.
        consent: by what shares; None: those of the preset `small`, where about 92% permit research,
            4% permit it and withdraw within a year, 2% deny it, and 2% say nothing, which means no.

    Returns:
        Text columns in the order of a rights file; one or two rows a learner, or none.
    """
    return said_by(
        users[LEARNER],
        users["user_join_ts"],
        consent or small_preset().rights,
        seed=seed,
        number=number,
    )
