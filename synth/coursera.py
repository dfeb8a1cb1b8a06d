"""A synthetic world: learners, courses and what they did, in the shape of the Coursera export."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from synth.behaviour import PASSING_STATES, PROGRESS_STATES, Enrolments, behave
from synth.catalogue import FIRST_LAUNCH, Catalogue, make_catalogue, texts, timestamps
from synth.coursera_preset import CourseraPreset
from synth.parts import Part
from synth.pools import (
    COUNTRIES,
    DEFAULT_LANGUAGE,
    EDUCATION,
    EMPLOYMENT,
    GENDERS,
    LANGUAGES,
    REGIONS,
    STUDENT,
    draw,
)

LEARNER: Final = "synth_user_id"
"""The learner-key column: the export names it after the partner, which is `synth`."""

_LAST_JOIN: Final = 1_672_531_200  # 2023-01-01 UTC
_DAY: Final = 86_400
_LONGEST_WAIT: Final = 700 * _DAY
_ENROLMENTS: Final = np.array([0.80, 0.14, 0.036, *(0.05 / n**2 for n in range(4, 19))])
"""How many courses a learner enrols in, from 1 to 18, before scaling to one."""


def coursera_parts(
    preset: CourseraPreset, *, learners: int, courses: int, seed: int
) -> Iterator[Part]:
    """Make a world."""
    for name, value, least in (
        ("learners", learners, 1),
        ("courses", courses, 1),
        ("seed", seed, 0),
    ):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    rng = np.random.default_rng(seed)
    catalogue = make_catalogue(courses, rng=rng, seed=seed)
    joins = rng.integers(FIRST_LAUNCH, _LAST_JOIN, learners)
    users = _users(joins, rng)
    enrolments = _enrolments(joins, catalogue, rng)
    behaviour = behave(enrolments, catalogue, users=users[LEARNER], learner=LEARNER, rng=rng)
    yield {
        "users": users,
        "courses": catalogue.courses,
        "course_items": catalogue.items,
        "course_memberships": _memberships(
            users=users[LEARNER],
            joins=joins,
            enrolments=enrolments,
            catalogue=catalogue,
            passed=behaviour.passed,
            rng=rng,
        ),
        "course_progress": behaviour.progress,
        "course_grades": behaviour.grades,
        "users_courses__certificate_payments": behaviour.payments,
        "course_passing_states": PASSING_STATES,
        "course_progress_state_types": PROGRESS_STATES,
    }


def _users(joins: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    size = len(joins)
    digits = np.frombuffer(rng.bytes(20 * size).hex().encode(), dtype=np.uint8)
    country = draw(rng, COUNTRIES, size, missing=0.03)
    language = country.replace_strict(LANGUAGES, default=DEFAULT_LANGUAGE, return_dtype=pl.String)
    unset = pl.Series([None], dtype=pl.String)
    return pl.DataFrame(
        {
            LEARNER: texts(digits.reshape(size, 40)),
            "user_join_ts": timestamps(joins),
            "country_cd": country,
            "region_cd": draw(rng, REGIONS, size, missing=0.2).zip_with(
                country.is_not_null(), unset
            ),
            "profile_language_cd": language.zip_with(pl.Series(rng.random(size) < 0.3), unset),
            "browser_language_cd": language.zip_with(pl.Series(rng.random(size) < 0.9), unset),
            "reported_or_inferred_gender": draw(rng, GENDERS, size, missing=0.27),
            "employment_status": draw(rng, EMPLOYMENT, size, missing=0.95),
            "educational_attainment": draw(rng, EDUCATION, size, missing=0.6),
            "student_status": draw(rng, STUDENT, size, missing=0.93),
        }
    )


def _enrolments(joins: np.ndarray, catalogue: Catalogue, rng: np.random.Generator) -> Enrolments:
    """Who enrols where: popularity falls with the rank of a course; a repeated draw is one draw."""
    courses = len(catalogue.launches)
    number = 1 + rng.choice(len(_ENROLMENTS), size=len(joins), p=_ENROLMENTS / _ENROLMENTS.sum())
    users = np.repeat(np.arange(len(joins)), number)
    popularity = 1 / np.arange(1, courses + 1)
    drawn = rng.choice(courses, size=len(users), p=popularity / popularity.sum())
    pairs = np.unique(users * courses + drawn)
    users, chosen = pairs // courses, pairs % courses
    wait = np.minimum(rng.exponential(60 * _DAY, len(users)), _LONGEST_WAIT)
    possible = np.maximum(joins[users], catalogue.launches[chosen])
    return Enrolments(users, chosen, possible + wait.astype(np.int64))


def _memberships(
    *,
    users: pl.Series,
    joins: np.ndarray,
    enrolments: Enrolments,
    catalogue: Catalogue,
    passed: np.ndarray,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """The log of roles, by time: some look first, some leave, a few only look or teach."""
    size, courses = len(enrolments.users), len(catalogue.launches)
    everyone = np.arange(size)
    possible = np.maximum(joins[enrolments.users], catalogue.launches[enrolments.courses])
    before = possible + (rng.random(size) * (enrolments.starts - possible)).astype(np.int64)
    after = enrolments.starts + rng.integers(_DAY, 200 * _DAY, size)
    first = rng.random(size)
    left = ~passed & (rng.random(size) < 0.15)
    parts = [
        _role("LEARNER", everyone, enrolments, enrolments.starts),
        _role("BROWSER", everyone[first < 0.25], enrolments, before),
        _role("PRE_ENROLLED_LEARNER", everyone[first > 0.95], enrolments, before),
        _role("NOT_ENROLLED", everyone[left], enrolments, after),
    ]
    for role, number in (("BROWSER", len(joins) // 12), ("INSTRUCTOR", max(1, courses // 4))):
        who = rng.choice(len(joins), size=min(number, len(joins)), replace=False)
        where = rng.integers(0, courses, len(who))
        possible = np.maximum(joins[who], catalogue.launches[where])
        when = possible + rng.integers(0, 200 * _DAY, len(who))
        parts.append(_role(role, np.arange(len(who)), Enrolments(who, where, when), when))
    log = pl.concat(parts).sort("second", "user", "course", "role")
    return pl.DataFrame(
        {
            LEARNER: users.gather(log["user"]),
            "course_id": catalogue.courses["course_id"].gather(log["course"]),
            "course_membership_role": log["role"],
            "course_membership_ts": timestamps(log["second"].to_numpy()),
        }
    )


def _role(
    role: str, entries: np.ndarray, enrolments: Enrolments, seconds: np.ndarray
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user": enrolments.users[entries],
            "course": enrolments.courses[entries],
            "second": seconds[entries],
        }
    ).with_columns(pl.lit(role).alias("role"))
