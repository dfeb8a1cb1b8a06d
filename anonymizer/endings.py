"""Where a record stops because a later one says so: worked out before eligibility is decided.

Records are only ever added. Who consents anew, or whose restriction is lifted, gets a record that
*ends* a state; a grant that ends nothing lifts nothing, so that a stale grant never beats a
withdrawal. Nor does a stale ending: it is recorded anew whenever its file is imported again, and
what began after it was said of a time that it knew nothing of.
"""

from datetime import datetime
from typing import Final

import polars as pl

from anonymizer.eligibility import RECORD_SCHEMA, State, check_records
from anonymizer.errors import CoreError

ENDING_SCHEMA: Final = pl.Schema({"id": pl.Int64(), "ends": pl.String(), **RECORD_SCHEMA})
"""Records with their number in the order of recording, and the state of earlier records that each
ends; null: it ends none."""

_SAME: Final = ("learner", "purpose", "scope", "state")
"""What records that one record ends have in common."""


def until_ended(records: pl.DataFrame, ending: pl.DataFrame, *, cut_off: datetime) -> pl.DataFrame:
    """The records with the end that later records put to them.

    A record that was received by the cut-off and `ends` a state stops, at its own
    `effective_from`, the records of lower `id`, of the same learner, purpose and scope, in that
    state, whose `effective_from` is not after its own. Whether it still holds itself plays no part.
    What is erased is never ended, nor what bears on everybody.

    An ending that only repeats an earlier one (a file imported again) knows no more than that did:
    it stops what was on record before the first of them, and what was received together with it.

    Args:
        records: in `ENDING_SCHEMA`; any part of what is on record.
        ending: all records that may end one of them; in `ENDING_SCHEMA`.
        cut_off: the instant as of which rights are read; with a time zone.

    Returns:
        `records` in their order, in `RECORD_SCHEMA`.

    Raises:
        CoreError: a frame breaks its schema, or the cut-off has no time zone.
    """
    for frame in (records, ending):
        check_records(frame, cut_off)
        if any(frame.schema.get(name) != ENDING_SCHEMA[name] for name in ("id", "ends")):
            raise CoreError("records: expected a number 'id' and a text column 'ends'")
    known = ending.filter(
        pl.col("received_at") <= pl.lit(cut_off).dt.convert_time_zone("UTC"),
        pl.col("ends") != State.ERASED,
    ).select(
        "learner",
        "purpose",
        "scope",
        pl.col("ends").alias("state"),
        pl.col("id").alias("_later"),
        pl.col("effective_from").alias("_end"),
        pl.col("received_at").alias("_with"),
    )
    known = known.with_columns(pl.col("_later").min().over(*_SAME, "_end").alias("_first"))
    # Nulls meet nothing in a join: a record about everybody is neither ended nor ends one.
    ends = (
        records.select("id", "effective_from", "received_at", *_SAME)
        .join(known, on=_SAME, how="inner")
        .filter(
            pl.col("_later") > pl.col("id"),
            pl.col("_end") >= pl.col("effective_from"),
            (pl.col("_first") > pl.col("id")) | (pl.col("_with") == pl.col("received_at")),
        )
        .group_by("id")
        .agg(pl.col("_end").min())
    )
    return (
        records.join(ends, on="id", how="left", maintain_order="left")
        .with_columns(pl.min_horizontal("effective_to", "_end").alias("effective_to"))
        .select(RECORD_SCHEMA.names())
    )
