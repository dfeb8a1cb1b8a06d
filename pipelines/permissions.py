"""What the records on rights say of the learners of a source, taken in part by part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from anonymizer.eligibility import (
    ANY,
    BEARING_SCHEMA,
    COURSE_SCOPE,
    EligibilityResult,
    State,
    bearing,
    decide,
)
from pipelines.plan import Concern
from schemas.policy import Policy
from schemas.sharing import admitted

DIGEST: Final = "_digest"
NUMBER: Final = "_number"
"""Of a learner of the source, in no order: shorter than his id."""

_SCHEMA: Final = pl.Schema({**BEARING_SCHEMA, "learner": pl.UInt32()})


@dataclass
class Permissions:
    """What the records say. Of each part only what bears on the source's learners is kept.

    Attributes:
        plan: the purpose, and to whom the release goes.
        policy: which bases and jurisdictions it admits.
        reach: `_digest`, `_number`: whom of the source a record under this digest bears on; each
            pair once.
        items: the courses of the source; None where its family has none.
        cut_off: as of when rights are read.
        jurisdictions: of the grants that count for this recipient, in the parts so far; one that
            holds everywhere (`*`) names none.
    """

    plan: Concern
    policy: Policy
    reach: pl.DataFrame
    items: pl.Series | None
    cut_off: datetime
    jurisdictions: set[str] = field(default_factory=set)
    _of_pairs: list[pl.DataFrame] = field(default_factory=list)
    _of_learners: list[pl.DataFrame] = field(default_factory=list)
    _unknown_learners: list[pl.Series] = field(default_factory=list)
    _unknown_courses: int = 0

    def take(self, records: pl.DataFrame) -> None:
        """Take in a part of the records, as of `rights_as_of`."""
        if self.items is not None:
            records = _with_items_of(self.items, records)
        named = records.select(pl.col("learner").alias(DIGEST)).unique()
        reach = named.join(self.reach, on=DIGEST, how="inner")
        here = pl.col("learner").is_in(reach[DIGEST].implode())
        known = records.filter(pl.col("learner").is_null() | here)
        self._count_without_effect(records.filter(~here), known)
        jurisdictions = self._admitted(known)
        if self.items is not None:
            said = self._bearing(known, jurisdictions, by_item=True)
            self._of_pairs.append(_of_numbers(said, reach))
        if self.items is None or not self.plan.course_scope:
            said = self._bearing(known, jurisdictions, by_item=False)
            self._of_learners.append(_of_numbers(said, reach))

    def decide(self, pairs: pl.DataFrame, item: str | None) -> EligibilityResult:
        """Who of `_number` and, if given, the column `item` is permitted, by all parts."""
        parts = self._of_learners if item is None else self._of_pairs
        said = pl.concat([pl.DataFrame(schema=_SCHEMA), *parts])
        return decide(pairs, said, learner=NUMBER, item=item)

    def without_effect(self) -> Mapping[str, int]:
        """How many restrictions are of learners, or on courses, that the source does not have."""
        learners = [pl.Series(dtype=pl.UInt64), *self._unknown_learners]
        found = {"unknown_learners": pl.concat(learners).n_unique()}
        return found if self.items is None else found | {"unknown_courses": self._unknown_courses}

    def _admitted(self, records: pl.DataFrame) -> tuple[str, ...]:
        """Which jurisdictions of these grants count for the recipient."""
        request = self.plan.request
        counts = records.filter(
            pl.col("state") == State.GRANTED,
            pl.col("purpose").is_in([self._purpose, ANY]),
            pl.col("legal_basis").is_in(list(self.policy.legal_bases)),
        )
        occurring = counts["jurisdiction"].drop_nulls().unique().to_list()
        found = admitted(self.policy, request.researcher, occurring, access=request.release.access)
        self.jurisdictions.update(name for name in found if name != ANY)
        return found

    @property
    def _purpose(self) -> str:
        return self.plan.request.purpose.casefold()  # as the registry writes it

    def _bearing(
        self, records: pl.DataFrame, jurisdictions: tuple[str, ...], *, by_item: bool
    ) -> pl.DataFrame:
        return bearing(
            records,
            purpose=self._purpose,
            known_purposes=[known.casefold() for known in self.policy.purposes],
            cut_off=self.cut_off,
            legal_bases=self.policy.legal_bases,
            jurisdictions=jurisdictions,
            by_item=by_item,
        )

    def _count_without_effect(self, elsewhere: pl.DataFrame, known: pl.DataFrame) -> None:
        restricts = pl.col("state") != State.GRANTED
        # Digests are random as they are: a hash of one is as good as itself to count them.
        self._unknown_learners.append(elsewhere.filter(restricts)["learner"].hash().unique())
        if self.items is not None:
            course = pl.col("scope").str.strip_prefix(COURSE_SCOPE)
            on_course = pl.col("scope").str.starts_with(COURSE_SCOPE)
            own = pl.col("learner").is_not_null()
            there = course.is_in(self.items.implode())
            self._unknown_courses += known.filter(restricts, own, on_course, ~there).height


def _of_numbers(said: pl.DataFrame, reach: pl.DataFrame) -> pl.DataFrame:
    """What is said of digests, as said of the learners whom they reach."""
    everybody = said.filter(pl.col("learner").is_null())
    own = said.join(reach, left_on="learner", right_on=DIGEST, how="inner")
    return pl.concat(
        [
            everybody.with_columns(pl.col("learner").cast(pl.UInt32)),
            own.select(pl.col(NUMBER).alias("learner"), "item", "rank"),
        ]
    )


def _with_items_of(items: pl.Series, records: pl.DataFrame) -> pl.DataFrame:
    """Restrictions on a course, as restrictions on every course that is it in some case of letters.

    However others spell it: what restricts one learner may not hang on another's rows.
    """
    known = pl.DataFrame(
        {
            "_scope": COURSE_SCOPE + items,
            "_folded": (COURSE_SCOPE + items).str.to_lowercase(),
        }
    )
    restricts = (pl.col("state") != State.GRANTED) & pl.col("scope").str.to_lowercase().is_in(
        known["_folded"].implode()
    )
    named = (
        records.filter(restricts)
        .with_columns(pl.col("scope").str.to_lowercase().alias("_folded"))
        .join(known, on="_folded", how="inner")
        .with_columns(pl.col("_scope").alias("scope"))
        .select(records.columns)
    )
    return pl.concat([records.filter(~restricts), named])
