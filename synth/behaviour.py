"""What synthetic learners do in a course: start items, complete some, pass or not, pay or not.

Simple on purpose, and kinder than reality: in every course 30-40% never start, and 27-40% pass
(real MOOCs: a median of 12.6% complete), so that in a course of some size no passing state is held
by more than about three quarters of the enrolled and an extract with a maximum share can be
demonstrated. Nothing here depends on who the learner is.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from synth.catalogue import Catalogue, timestamps

NOT_PASSED, PASSED, VERIFIED_PASSED, NOT_PASSABLE = range(4)
STARTED, COMPLETED = 1, 2

PASSING_STATES: Final = pl.DataFrame(
    {
        "course_passing_state_id": [NOT_PASSED, PASSED, VERIFIED_PASSED, NOT_PASSABLE],
        "course_passing_state_desc": ["not passed", "passed", "verified passed", "not passable"],
    },
    schema_overrides={"course_passing_state_id": pl.Int32},
)
PROGRESS_STATES: Final = pl.DataFrame(
    {
        "course_progress_state_type_id": [STARTED, COMPLETED],
        "course_progress_state_type_desc": ["started", "completed"],
    },
    schema_overrides={"course_progress_state_type_id": pl.Int32},
)

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Enrolments:
    """Who enrolled where and when; arrays of one length, one entry a learner and course.

    Attributes:
        users: row numbers in the table of users.
        courses: row numbers in the table of courses.
        starts: seconds since 1970.
    """

    users: np.ndarray
    courses: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The tables that follow from enrolments, and for each enrolment whether it was passed."""

    progress: pl.DataFrame
    grades: pl.DataFrame
    payments: pl.DataFrame
    passed: np.ndarray


def behave(
    enrolments: Enrolments,
    catalogue: Catalogue,
    *,
    users: pl.Series,
    learner: str,
    rng: np.random.Generator,
) -> Behaviour:
    """Let learners work through the courses they enrolled in.

    Args:
        enrolments: who is where.
        catalogue: the courses.
        users: the ids that `enrolments.users` counts.
        learner: the name of the learner-key column.
        rng: where chance comes from.
    """
    courses, size = len(catalogue.launches), len(enrolments.users)
    absent = rng.uniform(0.30, 0.40, courses)[enrolments.courses]
    passing = rng.uniform(0.27, 0.40, courses)[enrolments.courses]
    fate = rng.random(size)
    passed = (absent <= fate) & (fate < absent + passing)
    pays = rng.random(size) < np.where(passed, 0.3, 0.05)
    share = np.where(passed, rng.beta(20, 1.5, size), rng.beta(0.8, 2.5, size))
    keys = pl.DataFrame(
        {
            "course_id": catalogue.courses["course_id"].gather(enrolments.courses),
            learner: users.gather(enrolments.users),
        }
    )
    active = fate >= absent
    log = _log(enrolments, catalogue, active=active, passed=passed, share=share, rng=rng)
    items = catalogue.items["course_item_id"].gather(log["item"])
    progress = keys[log["entry"]].with_columns(
        items.alias("course_item_id"),
        log["state"].alias("course_progress_state_type_id"),
        timestamps(log["second"].to_numpy()).alias("course_progress_ts"),
    )
    ends = log.group_by("entry").agg(pl.col("second").max()).sort("entry")
    graded = catalogue.graded_counts[enrolments.courses[active]]
    grades = keys.filter(pl.Series(active)).with_columns(
        _grades(
            passed=passed[active],
            pays=pays[active],
            share=share[active],
            graded=graded,
            ends=ends["second"],
            rng=rng,
        )
    )
    return Behaviour(
        progress=progress.select(
            "course_id",
            "course_item_id",
            learner,
            "course_progress_state_type_id",
            "course_progress_ts",
        ),
        grades=grades,
        payments=_payments(keys.filter(pl.Series(pays)).select(learner, "course_id"), rng),
        passed=passed,
    )


def _log(
    enrolments: Enrolments,
    catalogue: Catalogue,
    *,
    active: np.ndarray,
    passed: np.ndarray,
    share: np.ndarray,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Columns entry (of `enrolments`), item (of the items table), state, second.

    Items are started in their order, spread over some weeks; most are completed within hours.
    """
    available = catalogue.item_counts[enrolments.courses]
    touched = np.clip(np.rint(share * available), 1, available).astype(np.int64) * active
    days = np.where(passed, rng.uniform(24, 90, len(touched)), touched * rng.uniform(0.3, 3.0))
    delay = rng.exponential(3 * _DAY, len(touched))
    entry = np.repeat(np.arange(len(touched)), touched)
    place = np.arange(len(entry)) - np.repeat(np.cumsum(touched) - touched, touched)
    when = (place + rng.random(len(entry))) / touched[entry]
    started = enrolments.starts[entry] + delay[entry] + when * days[entry] * _DAY
    log = pl.DataFrame(
        {
            "entry": entry,
            "item": catalogue.first_item[enrolments.courses[entry]] + place,
            "state": np.full(len(entry), STARTED, dtype=np.int32),
            "second": started.astype(np.int64),
        }
    )
    minutes = 1 + rng.exponential(40, len(entry))
    completed = log.with_columns(
        pl.lit(COMPLETED, pl.Int32).alias("state"),
        pl.col("second") + pl.Series((minutes * 60).astype(np.int64)),
    ).filter(pl.Series(passed[entry] | (rng.random(len(entry)) < 0.85)))
    return pl.concat([log, completed])


def _grades(
    *,
    passed: np.ndarray,
    pays: np.ndarray,
    share: np.ndarray,
    graded: np.ndarray,
    ends: pl.Series,
    rng: np.random.Generator,
) -> list[pl.Series]:
    """The columns of `course_grades` after its keys; all arrays by active enrolment."""
    size = len(passed)
    failing = np.where(rng.random(size) < 0.4, 0.0, 0.78 * rng.beta(1.2, 1.5, size))
    grade = np.where(passed, 0.8 + 0.2 * rng.beta(4, 2, size), failing)
    state = np.where(passed, np.where(pays, VERIFIED_PASSED, PASSED), NOT_PASSED)
    items = np.where(passed, graded, np.floor(share * graded)).astype(np.int32)
    verified_grade = pl.Series("course_grade_verified", np.where(pays, grade, np.nan).round(4))
    return [
        timestamps(ends.to_numpy() + rng.integers(0, 2 * _DAY, size)).alias("course_grade_ts"),
        pl.Series("course_passing_state_id", state.astype(np.int32)),
        pl.Series("course_grade_overall_passed_items", items),
        pl.Series("course_grade_overall", grade.round(4)),
        pl.Series("course_grade_verified_passed_items", items).set(pl.Series(~pays), None),
        verified_grade.fill_nan(None),
    ]


def _payments(keys: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """How those who met the payment condition did so: by card, by aid, or by their group."""
    way = pl.Series(rng.choice(3, size=keys.height, p=[0.7, 0.2, 0.1]))
    return keys.with_columns(
        pl.lit(value=True).alias("met_payment_condition"),
        (way == 0).alias("was_payment"),
        (way == 1).alias("was_finaid_grant"),
        (way == 2).alias("was_group_sponsored"),
    )
