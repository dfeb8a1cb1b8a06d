"""Grades of synthetic learners, and how their certificates were paid for."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from synth.behaviour import CERTIFIED, Log
from synth.codes import NOT_PASSED, PASSED, VERIFIED_PASSED
from synth.columns import DAY, Floats, Ints, Mask, chosen, constant, kept, picked, timestamps
from synth.coursera_preset import Grading
from synth.enrolling import Block
from synth.parts import Part
from synth.people import LEARNER

LATEST_GRADE: Final = 2 * DAY
"""Within so many seconds of the last thing done in a course its grade is given."""

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
    log: Log, fate: Ints, block: Block, *, preset: Grading, rng: np.random.Generator
) -> ItemGrades:
    """Grade what was completed: those who pass the course pass each item of it."""
    row = np.flatnonzero(log.done & block.catalogue.items.graded[log.item])
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
    block: Block,
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
        block: who is where.
        preset: who pays.
        rng: where chance comes from.
    """
    passes = fate == CERTIFIED
    share = np.where(passes, preset.certified_pay.value, preset.others_pay.value)
    pays = rng.random(len(fate)) < share
    state = np.where(passes, np.where(pays, VERIFIED_PASSED, PASSED), NOT_PASSED)
    courses = _courses(grades, log, block, state=state, pays=pays, rng=rng)
    return {
        "course_item_grades": _items(grades, log, block, state=state),
        "course_grades": courses,
        "course_branch_grades": courses.select(
            block.branches(log.active).alias("course_branch_id"),
            LEARNER,
            pl.col("course_grade_ts").alias("course_branch_grade_ts"),
            "course_passing_state_id",
            pl.col("course_grade_overall_passed_items").alias(
                "course_branch_grade_overall_passed_items"
            ),
            pl.col("course_grade_overall").alias("course_branch_grade_overall"),
        ),
        "users_courses__certificate_payments": _payments(
            np.flatnonzero(pays), block, preset=preset, rng=rng
        ),
    }


def _items(grades: ItemGrades, log: Log, block: Block, *, state: Ints) -> pl.DataFrame:
    entry = log.entry[grades.row]
    states = np.maximum(state[entry], PASSED) * grades.passed
    return pl.DataFrame(
        {
            "course_id": block.courses(entry),
            "course_item_id": picked(block.catalogue.items.ids, log.item[grades.row]),
            LEARNER: block.users(entry),
            "course_item_grade_ts": timestamps(log.completed[grades.row]),
            "course_item_passing_state_id": states.astype(np.int32),
            "course_item_grade_overall": grades.grade,
        }
    )


def _courses(
    grades: ItemGrades, log: Log, block: Block, *, state: Ints, pays: Mask, rng: np.random.Generator
) -> pl.DataFrame:
    """Whoever starts an item has a grade in the course."""
    active, entry = log.active, log.entry[grades.row]
    points = np.bincount(entry, weights=grades.grade, minlength=len(state))[active]
    items = np.bincount(entry, weights=grades.passed, minlength=len(state))[active]
    graded = block.catalogue.module_counts[block.enrolments.courses[active]]
    grade, passed = (points / graded).round(_DIGITS), items.astype(np.int32)
    return pl.DataFrame(
        {
            "course_id": block.courses(active),
            LEARNER: block.users(active),
            "course_grade_ts": timestamps(log.ends + rng.integers(0, LATEST_GRADE, len(active))),
            "course_passing_state_id": state[active].astype(np.int32),
            "course_grade_overall_passed_items": passed,
            "course_grade_overall": grade,
            "course_grade_verified_passed_items": kept(pl.Series(passed), pays[active]),
            "course_grade_verified": kept(pl.Series(grade), pays[active]),
        }
    )


def _payments(
    entry: Ints, block: Block, *, preset: Grading, rng: np.random.Generator
) -> pl.DataFrame:
    """How those who met the payment condition did so."""
    ways = preset.ways.value
    way = picked(pl.Series(list(ways)), chosen(rng, ways, len(entry)))
    return pl.DataFrame(
        {
            LEARNER: block.users(entry),
            "course_id": block.courses(entry),
            "met_payment_condition": constant(1, len(entry), pl.Boolean()),
            "was_payment": way == "payment",
            "was_finaid_grant": way == "finaid_grant",
            "was_group_sponsored": way == "group_sponsored",
        }
    )
