"""Grades of synthetic learners, and how their certificates were paid for."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from synth.behaviour import CERTIFIED, NOT_PASSED, PASSED, VERIFIED_PASSED, Log
from synth.catalogue import Catalogue
from synth.columns import DAY, Floats, Ints, Mask, chosen, constant, kept, picked, timestamps
from synth.coursera_preset import Grading
from synth.enrolling import Enrolments
from synth.parts import Part
from synth.people import LEARNER, Learners

_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class ItemGrades:
    """Grades of items that were completed.

    Attributes:
        row: of the log.
        grade: from 0 to 1.
        passed: whether it is at the pass mark.
    """

    row: Ints
    grade: Floats
    passed: Mask


def grade_items(
    log: Log, fate: Ints, catalogue: Catalogue, preset: Grading, rng: np.random.Generator
) -> ItemGrades:
    """Grade what was completed: those who pass the course pass each item of it."""
    row = np.flatnonzero(log.done & catalogue.items.graded[log.item])
    entry = log.entry[row]
    ability = np.zeros(len(fate))
    ability[log.active] = rng.beta(4, 2, len(log.active))
    level = np.clip(ability[entry] + 0.12 * rng.standard_normal(len(row)), 0, 1)
    mark = preset.pass_mark.value
    others = np.where(rng.random(len(row)) < preset.zero.value, 0.0, level)
    grade = np.where(fate[entry] == CERTIFIED, mark + (1 - mark) * level, others).round(_DIGITS)
    return ItemGrades(row, grade, grade >= mark)


def grade_tables(
    grades: ItemGrades,
    log: Log,
    fate: Ints,
    enrolments: Enrolments,
    learners: Learners,
    catalogue: Catalogue,
    *,
    preset: Grading,
    rng: np.random.Generator,
) -> Part:
    """The tables of grades and payments.

    A course's grade is the mean of its graded items, of which those not completed count zero.

    Args:
        grades: of items.
        log: who completed them.
        fate: what became of each enrolment.
        enrolments: who is where.
        learners: of the block.
        catalogue: the courses.
        preset: who pays.
        rng: where chance comes from.
    """
    passes = fate == CERTIFIED
    share = np.where(passes, preset.certified_pay.value, preset.others_pay.value)
    pays = rng.random(len(fate)) < share
    courses, by_branch = _courses(grades, log, passes, pays, enrolments, learners, catalogue, rng)
    return {
        "course_item_grades": _items(grades, log, passes & pays, enrolments, learners, catalogue),
        "course_grades": courses,
        "course_branch_grades": by_branch,
        "users_courses__certificate_payments": _payments(
            np.flatnonzero(pays), enrolments, learners, catalogue, preset, rng
        ),
    }


def _items(
    grades: ItemGrades,
    log: Log,
    verified: Mask,
    enrolments: Enrolments,
    learners: Learners,
    catalogue: Catalogue,
) -> pl.DataFrame:
    entry = log.entry[grades.row]
    state = np.where(verified[entry], VERIFIED_PASSED, PASSED) * grades.passed
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, enrolments.courses[entry]),
            "course_item_id": picked(catalogue.items.ids, log.item[grades.row]),
            LEARNER: picked(learners.ids, enrolments.users[entry]),
            "course_item_grade_ts": timestamps(log.completed[grades.row]),
            "course_item_passing_state_id": state.astype(np.int32),
            "course_item_grade_overall": grades.grade,
        }
    )


def _courses(
    grades: ItemGrades,
    log: Log,
    passes: Mask,
    pays: Mask,
    enrolments: Enrolments,
    learners: Learners,
    catalogue: Catalogue,
    rng: np.random.Generator,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`course_grades` and `course_branch_grades`: whoever starts an item has a grade."""
    active, size = log.active, len(passes)
    entry = log.entry[grades.row]
    courses = enrolments.courses[active]
    points = np.bincount(entry, weights=grades.grade, minlength=size)[active]
    items = np.bincount(entry, weights=grades.passed, minlength=size)[active].astype(np.int32)
    grade = (points / catalogue.module_counts[courses]).round(_DIGITS)
    state = np.where(passes, np.where(pays, VERIFIED_PASSED, PASSED), NOT_PASSED)[active]
    when = timestamps(log.ends + rng.integers(0, 2 * DAY, len(active)))
    found = pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, courses),
            LEARNER: picked(learners.ids, enrolments.users[active]),
            "course_grade_ts": when,
            "course_passing_state_id": state.astype(np.int32),
            "course_grade_overall_passed_items": items,
            "course_grade_overall": grade,
            "course_grade_verified_passed_items": kept(pl.Series(items), pays[active]),
            "course_grade_verified": kept(pl.Series(grade), pays[active]),
        }
    )
    branches = catalogue.branches_of(courses, enrolments.sessions[active])
    return found, found.select(
        picked(catalogue.branches, branches).alias("course_branch_id"),
        LEARNER,
        pl.col("course_grade_ts").alias("course_branch_grade_ts"),
        "course_passing_state_id",
        pl.col("course_grade_overall_passed_items").alias(
            "course_branch_grade_overall_passed_items"
        ),
        pl.col("course_grade_overall").alias("course_branch_grade_overall"),
    )


def _payments(
    entry: Ints,
    enrolments: Enrolments,
    learners: Learners,
    catalogue: Catalogue,
    preset: Grading,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """How those who met the payment condition did so."""
    ways = preset.ways.value
    way = picked(pl.Series(list(ways)), chosen(rng, ways, len(entry)))
    return pl.DataFrame(
        {
            LEARNER: picked(learners.ids, enrolments.users[entry]),
            "course_id": picked(catalogue.ids, enrolments.courses[entry]),
            "met_payment_condition": constant(1, len(entry), pl.Boolean()),
            "was_payment": way == "payment",
            "was_finaid_grant": way == "finaid_grant",
            "was_group_sponsored": way == "group_sponsored",
        }
    )
