"""Who permits the purpose, as of a cut-off: decided before anything is made of his rows."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from anonymizer.eligibility import COURSE_SCOPE, EligibilityResult, State, eligible
from pipelines.errors import RightsError
from pipelines.governance.database import open_registry
from pipelines.governance.rights import registry_digests, rights_records
from pipelines.keys import registry_key
from pipelines.plan import Plan
from pipelines.settings import Workspace
from pipelines.views import COURSE, LEARNER

_DIGEST = "_digest"


@dataclass(frozen=True, slots=True)
class Permitted:
    """Who permits what, and what decided (steward-side).

    Attributes:
        decided: `learners`, `enrolments` -> deciding state -> how many of them; and under
            `restrictions_without_effect` how many restrict a learner, or a course, that the source
            does not have: a sign of mistyped ids.
        allowed: the learners and raw items whose rows may be used: `learner` and, where the family
            has items, `_course`.
        digest: of the permitted pairs, keyed, so that nobody can test a guess against it.
    """

    decided: Mapping[str, Mapping[str, int]]
    allowed: pl.DataFrame
    digest: str


def permitted(
    occurring: pl.DataFrame, plan: Plan, workspace: Workspace, *, cut_off: datetime
) -> Permitted:
    """Ask the rights registry about every learner and item.

    Args:
        occurring: `learner` and, where the family has items, `_course`, as recorded: rights name
            courses, whatever the released item is made of.
        plan: the purpose, and whether the family has items.
        workspace: its registry, key and policy.
        cut_off: the moment as of which rights are read.

    Raises:
        RightsError: nobody permits the purpose.
    """
    key = registry_key(workspace.root)
    records = rights_records(open_registry(workspace.database), source=plan.request.source)
    course = None if plan.item is None else COURSE
    items = None if course is None else occurring[course].unique()
    if items is not None:
        records = _with_items_of(items, records)
    policy = workspace.policy
    pairs, learners = occurring, occurring[LEARNER].unique()
    known_as = pl.DataFrame({LEARNER: learners, _DIGEST: registry_digests(learners, key)})

    def decide(rows: pl.DataFrame, item: str | None) -> EligibilityResult:
        return eligible(
            rows.join(known_as, on=LEARNER, how="inner"),
            records,
            purpose=plan.request.purpose.casefold(),  # as the registry writes it
            known_purposes=[known.casefold() for known in policy.purposes],
            cut_off=cut_off,
            legal_bases=policy.legal_bases,
            jurisdictions=policy.jurisdictions,
            learner=_DIGEST,
            item=item,
        )

    counts: dict[str, Mapping[str, int]] = {}
    if not plan.course_scope:
        # Courses are linked there: what restricts one of them, or permits only one, is not enough.
        people = decide(learners.to_frame(), None)
        counts["learners"] = people.counts
        pairs = pairs.join(people.allowed, on=LEARNER, how="semi")
    decided = decide(pairs, course)
    if plan.item is not None:
        counts["enrolments"] = decided.counts
    counts["restrictions_without_effect"] = _without_effect(records, known_as[_DIGEST], items)
    if decided.allowed.is_empty():
        raise RightsError(
            f"no learner of source '{plan.request.source}' permits the purpose "
            f"'{plan.request.purpose}'; record rights with `kohort rights import`"
        )
    return Permitted(
        decided=counts,
        allowed=decided.allowed.select(occurring.columns),
        digest=_keyed_digest(decided.allowed.drop(LEARNER), key),
    )


def _with_items_of(items: pl.Series, records: pl.DataFrame) -> pl.DataFrame:
    """Restrictions on a course under another case, as restrictions on the source's course."""
    known = pl.DataFrame({"_item": items, "_folded": items.str.to_lowercase()})
    named = known.filter(pl.col("_folded").is_unique()).with_columns(
        pl.concat_str(pl.lit(COURSE_SCOPE), "_item").alias("_scope"),
        pl.concat_str(pl.lit(COURSE_SCOPE), "_folded").alias("_folded"),
    )
    folded = records.with_columns(pl.col("scope").str.to_lowercase().alias("_folded"))
    exact = pl.col("scope").str.strip_prefix(COURSE_SCOPE).is_in(items.implode())
    mistyped = (pl.col("state") != State.GRANTED) & pl.col("_scope").is_not_null() & ~exact
    scope = pl.when(mistyped).then(pl.col("_scope")).otherwise(pl.col("scope"))
    joined = folded.join(named, on="_folded", how="left", maintain_order="left")
    return joined.with_columns(scope.alias("scope")).select(records.columns)


def _without_effect(
    records: pl.DataFrame, learners: pl.Series, items: pl.Series | None
) -> dict[str, int]:
    """Restrictions of learners, and on courses, that the source does not have."""
    restricts = records.filter(pl.col("learner").is_not_null(), pl.col("state") != State.GRANTED)
    known = pl.col("learner").is_in(learners.implode())
    found = {"unknown_learners": restricts.filter(~known)["learner"].n_unique()}
    if items is not None:
        course = pl.col("scope").str.strip_prefix(COURSE_SCOPE)
        on_course = pl.col("scope").str.starts_with(COURSE_SCOPE)
        unknown = restricts.filter(known, on_course, ~course.is_in(items.implode()))
        found["unknown_courses"] = unknown.height
    return found


def _keyed_digest(pairs: pl.DataFrame, key: bytes) -> str:
    text = json.dumps(pairs.sort(pl.all()).rows())
    return hmac.digest(key, b"kohort eligible set\0" + text.encode(), hashlib.sha256).hex()
