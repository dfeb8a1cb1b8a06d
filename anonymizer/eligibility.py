"""Eligibility: who may be in a release, by the rights on record as of a cut-off.

A pair (learner, item) is permitted only where the strictest record that bears on it is a grant.
No record means no.

A record is *in force* at the cut-off t where `received_at <= t` and
`effective_from <= t < effective_to` (null `effective_to`: open). What came in after the cut-off
does not exist yet. A record bears on a pair where it is in force and every cell of its row holds:

| state | learner | purpose | scope | basis, jurisdiction |
|---|---|---|---|---|
| granted | that learner, or null | this, or `*` | `*` or the item's `course:` | both admitted |
| denied, withdrawn, objected | the same | this, `*`, unknown | restrictive reach | any |
| every other state | that learner, or null | any | restrictive reach | any |
| no_record | bears on nothing | | | |

- A null learner is a dataset-level record: it bears on everybody and outranks nothing. A
  dataset-level grant never overrides a learner's stricter state, nor the reverse.
- An *unknown* purpose is none of those that the policy knows: a mistyped withdrawal must not leave
  a grant in force, so it restricts every purpose.
- *Restrictive reach*: `course:X` bears on item X only; `*` and every other scope (`partner:`,
  `category:`, or one we can't read) bear on everything. A grant under such a scope bears on
  nothing.
- Where there is no item (a learner table), a restrictive record on any course bears on the
  learner, and a grant on one course bears on nothing.
- An admitted jurisdiction is one of the list, or any where the list holds `*`; a record whose own
  jurisdiction is `*` holds everywhere. A legal basis is admitted by name only.
- A record stops by its own `effective_to`, or where a later record of the same learner, purpose and
  scope says that it `ends` that state (see `endings`), and by nothing else: a grant that ends
  nothing lifts nothing, so that a stale one never beats a withdrawal. What is erased stays erased.

States from mild to strict, as in `STRICTNESS`; among those that bear on a pair the last decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import polars as pl

from anonymizer.errors import CoreError


class State(StrEnum):
    """What the registry says of a learner (GDPR 7(3), 8, 17, 18, 21; CCPA opt-out)."""

    NO_RECORD = "no_record"
    GRANTED = "granted"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    RESTRICTED = "restricted"
    ERASURE_REQUESTED = "erasure_requested"
    ERASED = "erased"
    OPTED_OUT_SALE_SHARE = "opted_out_sale_share"
    UNDER_AGE = "under_age"
    ACCESS_HOLD = "access_hold"
    LEGAL_HOLD = "legal_hold"


STRICTNESS: Final = (
    State.NO_RECORD,
    State.GRANTED,
    State.DENIED,
    State.WITHDRAWN,
    State.OBJECTED,
    State.OPTED_OUT_SALE_SHARE,
    State.ACCESS_HOLD,
    State.RESTRICTED,
    State.LEGAL_HOLD,
    State.UNDER_AGE,
    State.ERASURE_REQUESTED,
    State.ERASED,
)
"""From mild to strict. Only whether the last is `granted` permits; the rest orders the counts."""

PURPOSE_BOUND: Final = frozenset({State.DENIED, State.WITHDRAWN, State.OBJECTED})
"""Restrictive states that bear on the purpose they name; the others bear on every purpose."""

RECORD_SCHEMA: Final = pl.Schema(
    {
        "learner": pl.String(),
        "purpose": pl.String(),
        "scope": pl.String(),
        "state": pl.String(),
        "legal_basis": pl.String(),
        "jurisdiction": pl.String(),
        "effective_from": pl.Datetime("us", "UTC"),
        "effective_to": pl.Datetime("us", "UTC"),
        "received_at": pl.Datetime("us", "UTC"),
    }
)
"""The columns of `records`. Null: a `learner` for everybody, an open `effective_to`, a
`legal_basis` or `jurisdiction` that names none."""

BEARING_SCHEMA: Final = pl.Schema({"learner": pl.String(), "item": pl.String(), "rank": pl.Int8()})
"""What records say of whom. Null: everybody, everything."""

ANY: Final = "*"
COURSE_SCOPE: Final = "course:"

_KEYS: Final = ("learner", "item")
_REQUIRED: Final = ("purpose", "scope", "state", "effective_from", "received_at")
_RANK: Final = {str(state): rank for rank, state in enumerate(STRICTNESS)}
_NO_RECORD: Final = _RANK[State.NO_RECORD]


@dataclass(frozen=True, slots=True)
class EligibilityResult:
    """Who may be in a release.

    Attributes:
        allowed: the permitted pairs, in their order.
        counts: deciding state -> number of pairs; states that decide nothing are left out.
            Steward-side: it is computed from data outside the release.
    """

    allowed: pl.DataFrame
    counts: Mapping[str, int]


def eligible(
    pairs: pl.DataFrame,
    records: pl.DataFrame,
    *,
    purpose: str,
    known_purposes: Sequence[str],
    cut_off: datetime,
    legal_bases: Sequence[str],
    jurisdictions: Sequence[str],
    learner: str,
    item: str | None,
) -> EligibilityResult:
    """Keep the pairs that the rights on record permit; the module says by which truth table.

    Args:
        pairs: text columns `learner` and, if given, `item`, without nulls.
        records: the rights on record, as in `RECORD_SCHEMA`; learners as in `pairs`.
        purpose: the purpose of the release.
        known_purposes: the purposes that a restriction may name and mean.
        cut_off: the instant as of which rights are read; with a time zone.
        legal_bases: those the policy admits, by name.
        jurisdictions: those the policy admits; `*` admits any.
        learner: the learner column of `pairs`.
        item: the item column of `pairs`; None for a table of learners.

    Raises:
        CoreError: a column is missing, has another type or holds nulls where it must not, a state
            is unknown, or the cut-off has no time zone.
    """
    said = bearing(
        records,
        purpose=purpose,
        known_purposes=known_purposes,
        cut_off=cut_off,
        legal_bases=legal_bases,
        jurisdictions=jurisdictions,
        by_item=item is not None,
    )
    return decide(pairs, said, learner=learner, item=item)


def bearing(
    records: pl.DataFrame,
    *,
    purpose: str,
    known_purposes: Sequence[str],
    cut_off: datetime,
    legal_bases: Sequence[str],
    jurisdictions: Sequence[str],
    by_item: bool,
) -> pl.DataFrame:
    """What records say at the cut-off: the first half of `eligible`.

    The strictest of what parts of the records say is what the whole says, so that records may be
    read in parts, in any order.

    Args:
        records: as in `eligible`; so are the others.
        purpose: the purpose of the release.
        known_purposes: the purposes that a restriction may name and mean.
        cut_off: the instant as of which rights are read.
        legal_bases: those the policy admits.
        jurisdictions: those the policy admits.
        by_item: whether pairs have an item.

    Returns:
        `BEARING_SCHEMA`: the strictest rank of each learner and item that a record names.

    Raises:
        CoreError: as `eligible`.
    """
    check_records(records, cut_off)
    scope, state = pl.col("scope"), pl.col("state")
    course = scope.str.strip_prefix(COURSE_SCOPE)
    one_course = scope.str.starts_with(COURSE_SCOPE) & (course != "") & by_item
    this_purpose = pl.col("purpose").is_in([purpose, ANY])
    unknown_purpose = ~pl.col("purpose").is_in([*known_purposes, purpose, ANY])
    basis = pl.col("legal_basis").is_in(list(legal_bases)).fill_null(value=False)
    jurisdiction = pl.lit(ANY in jurisdictions) | (
        pl.col("jurisdiction").is_in([*jurisdictions, ANY]).fill_null(value=False)
    )
    reach = (scope == ANY) | one_course
    permits = (state == State.GRANTED) & this_purpose & basis & jurisdiction & reach
    bound = state.is_in([s.value for s in PURPOSE_BOUND])
    restricts = ~state.is_in([State.NO_RECORD.value, State.GRANTED.value])
    bears = permits | (restricts & (this_purpose | unknown_purpose | ~bound))
    said = records.filter(in_force(cut_off), bears).select(
        "learner",
        pl.when(one_course).then(course).otherwise(None).alias("item"),
        state.replace_strict(_RANK, return_dtype=pl.Int8).alias("rank"),
    )
    return said.group_by(_KEYS).agg(pl.col("rank").max())


def decide(
    pairs: pl.DataFrame, said: pl.DataFrame, *, learner: str, item: str | None
) -> EligibilityResult:
    """Keep the pairs on which a grant bears, and nothing stricter: the second half of `eligible`.

    Args:
        pairs: columns `learner` and, if given, `item`, without nulls.
        said: as of `bearing`, of one or several parts; `learner` may be known otherwise in both.
        learner: the learner column of `pairs`.
        item: the item column of `pairs`; None for a table of learners.

    Raises:
        CoreError: a column is missing, has another type or holds nulls.
    """
    keys = {learner: said.schema["learner"]} | ({} if item is None else {item: pl.String()})
    for name, dtype in keys.items():
        if pairs.schema.get(name) != dtype:
            kind = "text" if dtype == pl.String else str(dtype)
            raise CoreError(f"pairs: expected a {kind} column '{name}'; cast the ids to {kind}")
        if pairs[name].null_count():
            raise CoreError(f"pairs: column '{name}' holds nulls; drop the rows without a learner")
    state = _deciding_rank(pairs.select(list(keys)), said, learner, item)
    tally = dict(state.value_counts().iter_rows())
    counts = {s.value: tally[r] for r, s in enumerate(STRICTNESS) if r in tally}
    return EligibilityResult(pairs.filter(state == _RANK[State.GRANTED]), counts)


def check_records(records: pl.DataFrame, cut_off: datetime) -> None:
    """Hold records to `RECORD_SCHEMA`, and the cut-off to having a time zone.

    Raises:
        CoreError: a column is missing, has another type or holds nulls where it must not, a state
            is unknown, or the cut-off has no time zone.
    """
    if cut_off.tzinfo is None:
        raise CoreError("cut_off: has no time zone; give it one, such as UTC")
    for name, dtype in RECORD_SCHEMA.items():
        if records.schema.get(name) != dtype:
            raise CoreError(f"records: expected a column '{name}' of type {dtype}")
    for name in _REQUIRED:
        if records[name].null_count():
            raise CoreError(f"records: column '{name}' holds nulls; correct the registry")
    if not records["state"].is_in(list(_RANK)).all():
        raise CoreError("records: column 'state' holds an unknown state; correct the registry")


def in_force(cut_off: datetime) -> pl.Expr:
    """Of records: received by the cut-off, and the half-open interval holds it."""
    at = pl.lit(cut_off).dt.convert_time_zone("UTC")
    open_ended = pl.col("effective_to").is_null()
    started = (pl.col("received_at") <= at) & (pl.col("effective_from") <= at)
    return started & (open_ended | (pl.col("effective_to") > at))


def _deciding_rank(
    pairs: pl.DataFrame, bearing: pl.DataFrame, learner: str, item: str | None
) -> pl.Series:
    """The strictest rank that bears on each pair, in the order of `pairs`.

    A record reaches a pair by one of four routes (learner or everybody, course or everything); each
    route is one group-by and one join.
    """
    routes = {"learner": learner} if item is None else {"learner": learner, "item": item}
    for_all = bearing.filter(pl.col("learner").is_null() & pl.col("item").is_null())["rank"]
    everybody = _NO_RECORD if for_all.is_empty() else for_all.max()
    ranks = [pl.lit(everybody, dtype=pl.Int8)]
    # Internal names, so that no column of the caller's can meet them.
    found = pairs.select(pl.col(column).alias(name) for name, column in routes.items())
    for number, keys in enumerate((["learner"], ["item"], ["learner", "item"])):
        if not set(keys) <= set(routes):
            continue
        named = [pl.col(k).is_not_null() if k in keys else pl.col(k).is_null() for k in _KEYS]
        strictest = bearing.filter(named).group_by(keys).agg(pl.col("rank").max())
        renamed = strictest.rename({"rank": f"rank{number}"})
        found = found.join(renamed, on=keys, how="left", maintain_order="left")
        ranks.append(pl.col(f"rank{number}").fill_null(_NO_RECORD))
    return found.select(pl.max_horizontal(ranks).alias("rank"))["rank"]
