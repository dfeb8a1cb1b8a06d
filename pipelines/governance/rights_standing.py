"""What the records on rights make of one learner, now (GDPR Art. 15): state by state."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl
from sqlalchemy import Engine, and_, or_, select

from anonymizer.eligibility import ANY, COURSE_SCOPE, State, eligible
from anonymizer.endings import ENDING_SCHEMA, until_ended
from pipelines.governance.database import translated
from pipelines.governance.tables import RightsRecord
from schemas.policy import Policy

_PERSON: Final = "person"
_COURSE: Final = "course"


@dataclass(frozen=True, slots=True)
class Standing:
    """The state that decides.

    Attributes:
        source: whose data.
        purpose: for what.
        course: which; None where the learner's courses are linked, so that what restricts one of
            them restricts all.
        state: the strictest on record. `granted` counts where the recipient's place is admitted.
    """

    source: str
    purpose: str
    course: str | None
    state: State


def standing(
    engine: Engine,
    digests: Sequence[str],
    *,
    policy: Policy,
    sources: Iterable[str],
    at: datetime,
) -> list[Standing]:
    """How a learner stands, for each purpose of the policy and each course that a record names.

    Args:
        engine: the registry.
        digests: of every id of the person.
        policy: its purposes and legal bases.
        sources: the sources to say it of.
        at: as of when.

    Raises:
        RegistryError: the registry can't be read.
    """
    return [
        each
        for source in sources
        for each in _in_source(_records(engine, digests, source, at), source, policy, at)
    ]


def _records(engine: Engine, digests: Sequence[str], source: str, at: datetime) -> pl.DataFrame:
    """All that bears on the person in a source, as of one learner; in `RECORD_SCHEMA`."""
    table = RightsRecord.__table__.c
    for_all = and_(table.learner.is_(None), table.source == source)
    query = select(*(table[name] for name in ENDING_SCHEMA)).where(
        or_(table.learner.in_(digests), for_all)
    )
    with translated(engine), engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    found = pl.DataFrame(rows, schema=ENDING_SCHEMA, orient="row")
    # A record ends those of its own id; what decides is the strictest of all ids.
    person = pl.when(pl.col("learner").is_not_null()).then(pl.lit(_PERSON)).alias("learner")
    return until_ended(found, found, cut_off=at).with_columns(person)


def _in_source(
    records: pl.DataFrame, source: str, policy: Policy, at: datetime
) -> Iterator[Standing]:
    scopes = records["scope"].unique().sort()
    courses = [s.removeprefix(COURSE_SCOPE) for s in scopes if s.startswith(COURSE_SCOPE)]
    for purpose in policy.purposes:
        for course in (None, *courses):
            result = eligible(
                pl.DataFrame({_PERSON: [_PERSON], _COURSE: [course or ""]}),
                records,
                purpose=purpose.casefold(),
                known_purposes=[known.casefold() for known in policy.purposes],
                cut_off=at,
                legal_bases=policy.legal_bases,
                jurisdictions=(ANY,),
                learner=_PERSON,
                item=None if course is None else _COURSE,
            )
            yield Standing(source, purpose, course, State(next(iter(result.counts))))
