"""Whether everybody in a release would still be permitted: asked before it is passed on."""

from datetime import datetime

import polars as pl
from sqlalchemy import Engine

from anonymizer.eligibility import RECORD_SCHEMA, eligible
from pipelines.governance.releases.registry import members
from pipelines.governance.releases.state import ReleaseStatus
from pipelines.governance.rights_as_of import rights_as_of
from schemas.policy import Policy
from schemas.sharing import admitted


def all_permitted(
    engine: Engine,
    release: ReleaseStatus,
    policy: Policy,
    recipient: str,
    *,
    names: pl.DataFrame | None,
    by_course: bool,
    at: datetime,
) -> bool:
    """Whether a build of these learners for this recipient would keep all of them now.

    Args:
        engine: the registry.
        release: whose members are asked about.
        policy: as it stands.
        recipient: who shall get it.
        names: `learner` and `now`: digests under which a person is known besides his own.
        by_course: whether the release's items are the courses that rights name; if not, what
            restricts any course restricts the learner, and a grant of one course is not enough.
        at: now.
    """
    pairs = _renamed(members(engine, release.id), names).select("learner", "item").unique()
    found = [pl.DataFrame(schema=RECORD_SCHEMA)]
    for records in rights_as_of(engine, source=release.source, cut_off=at):
        known = _renamed(records, names)
        theirs = pl.col("learner").is_null() | pl.col("learner").is_in(pairs["learner"].implode())
        found.append(known.filter(theirs).select(RECORD_SCHEMA.names()))
    said = pl.concat(found)
    jurisdictions = said["jurisdiction"].drop_nulls().unique().to_list()
    by_item = by_course and release.scope == "course"
    asked = pairs if by_item else pairs.select("learner").unique()
    kept = eligible(
        asked,
        said,
        purpose=release.purpose.casefold(),
        known_purposes=[known.casefold() for known in policy.purposes],
        cut_off=at,
        legal_bases=policy.legal_bases,
        jurisdictions=admitted(policy, recipient, jurisdictions, access=release.access),
        learner="learner",
        item="item" if by_item else None,
    )
    return kept.allowed.height == asked.height


def _renamed(frame: pl.DataFrame, names: pl.DataFrame | None) -> pl.DataFrame:
    if names is None:
        return frame
    joined = frame.join(names, on="learner", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("now", "learner").alias("learner")).drop("now")
