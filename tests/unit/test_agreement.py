"""Figures of worlds, checked by hand on a world of four learners."""

import math
from datetime import datetime, timedelta

import polars as pl
import pytest

from synth.agreement import Published, compared, number, set_aside, share
from synth.mooc_figures import mooc_figures
from synth.mooc_published import MOOC_FIGURES
from synth.oulad_figures import OULAD_FIGURES, oulad_figures
from tests.published_figures import lines

NOON = datetime(2020, 1, 1, 12)
LETTERS = "abcdefghij"


def rows(columns, *values):
    return pl.DataFrame(list(values), schema=columns.split(), orient="row")


def progress(learner, course, *, items, days=1, done=()):
    """Items started in their order, as evenly over the days as they go; some completed."""
    return [
        (learner, course, f"{course}{item}", state, NOON + timedelta(days=n * days // len(items)))
        for n, item in enumerate(items)
        for state in ([1, 2] if item in done else [1])
    ]


@pytest.fixture(scope="module")
def courses():
    """Course C has ten items in two weeks, course D two in one; A to D are learners."""
    items = [
        ("C", f"C{c}", "first" if c < "f" else "second", 3 if c == "j" else 1) for c in LETTERS
    ]
    items += [("D", "Da", "only", 1), ("D", "Db", "only", 1)]
    lessons = [("C", "first", "m1"), ("C", "second", "m2"), ("D", "only", "m1")]
    modules = [("C", "m1", 0), ("C", "m2", 1), ("D", "m1", 0)]
    enrolled = [("A", "C"), ("A", "D"), ("B", "C"), ("C", "C"), ("D", "C"), ("D", "C")]
    return {
        "users": rows(
            "x_user_id country_cd reported_or_inferred_gender employment_status "
            "educational_attainment",
            ("A", "US", "female", None, "BACHELOR_DEGREE"),
            ("B", "US", "male", None, "BACHELOR_DEGREE"),
            ("C", "IN", "male", None, "HIGH_SCHOOL_DIPLOMA"),
            ("D", None, None, "RETIRED", None),
        ),
        "course_memberships": rows(
            "x_user_id course_id course_membership_role",
            *[(*pair, "LEARNER") for pair in enrolled],
            ("B", "D", "BROWSER"),
        ),
        "course_items": rows(
            "course_id course_item_id course_lesson_id course_item_type_id", *items
        ),
        "course_item_types": rows(
            "course_item_type_id course_item_type_desc", (1, "lecture"), (3, "supplement")
        ),
        "course_lessons": rows("course_id course_lesson_id course_module_id", *lessons),
        "course_modules": rows("course_id course_module_id course_module_order", *modules),
        "course_progress": rows(
            "x_user_id course_id course_item_id course_progress_state_type_id course_progress_ts",
            *progress("A", "C", items=LETTERS, days=10, done=LETTERS),
            *progress("B", "C", items="abcdj", days=2, done="a"),
            *progress("C", "C", items="aj"),
        ),
        "course_grades": rows(
            "x_user_id course_id course_passing_state_id course_grade_overall",
            ("A", "C", 2, 0.97),
            ("B", "C", 0, 0.5),
            ("C", "C", 0, 0.0),
        ),
        "demographics_answers": rows(
            "question_id y_user_id submission_ts answer_int",
            (18, "1", NOON, 1993),
            (18, "2", NOON, 1960),
            (18, "3", NOON, 1994),
            (22, "3", NOON, None),
        ),
        "discussion_questions": rows("z_user_id course_id", ("7", "C"), ("8", "C")),
        "discussion_answers": rows("z_user_id course_id", ("7", "C"), ("7", "C")),
        "specializations": rows(
            "specialization_id specialization_primary_domain", ("s", "arts"), ("t", "arts")
        ),
        "specializations_courses": rows("specialization_id course_id", ("s", "C"), ("t", "D")),
    }


def test_figures_of_courses_by_hand(courses):
    """Five registrations of four learners, counted on paper."""
    found = mooc_figures(courses)
    expected = {
        "registrations a learner": 5 / 4,
        "never enter": 2 / 5,  # A in D, and D
        "view less than half": 1 / 5,  # C starts 2 of 10
        "explore": 1 / 5,  # B starts 5 of 10
        "certify": 1 / 5,
        "no-shows: complete nothing": 3 / 5,  # all but A and B in C
        "women, of those whose gender is known": 1 / 3,
        "gender missing": 1 / 4,
        "employment missing": 3 / 4,
        "up to high school, of the known": 1 / 3,
        "median education: 5 is a bachelor's degree": 5,
        "learners in the US": 2 / 3,
        "learners in India": 1 / 3,
        "median age": 27,
        "aged 50 and older": 1 / 3,
        "learners in one course": 3 / 4,
        "learners in two courses": 1 / 4,
        "learners in three and more courses": 0,
        "most courses of a learner": 2,
        "pairs of courses in one subject, to chance": 1,
        "active days of who views less than half, mean": 1,
        "active days of the certified, mean": 10,
        # A has nine gaps of a day, B one: all whole days.
        "gaps within 3 hours of whole days": 1,
        "post, of who enters": 2 / 3,
        "posts of a poster, mean": 2,
        "posts of a poster, most": 3,
        "start a video of week 1": 3 / 5,
        "start a video of week 2": 1 / 4,  # item j is none, and D has one week
        "grades of 0": 1 / 3,
        "commonest tenth of grades above one half, its middle": 0.95,
        "registrations a learner of the whole platform": 5 / 4,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert {figure.name for figure in MOOC_FIGURES} == set(found)


def test_popular_courses_by_hand(courses):
    """Courses of 800 and 400: an exponent of one; passes of a quarter and a half."""
    many = [(str(n), "C") for n in range(800)] + [(str(n), "D") for n in range(400)]
    memberships = rows(
        "x_user_id course_id course_membership_role", *[(*pair, "LEARNER") for pair in many]
    )
    passes = [(str(n), "C") for n in range(200)] + [(str(n), "D") for n in range(200)]
    grades = rows(
        "x_user_id course_id course_passing_state_id course_grade_overall",
        *[(*pair, 1, 0.9) for pair in passes],
    )
    found = mooc_figures({**courses, "course_memberships": memberships, "course_grades": grades})
    assert found["Zipf exponent of course popularity"] == pytest.approx(1)
    assert found["courses' shares of passes, least"] == pytest.approx(0.25)
    assert found["courses' shares of passes, median"] == pytest.approx(0.375)
    assert found["courses' shares of passes, most"] == pytest.approx(0.5)
    assert found["courses of which more than 12.6% pass"] == 1
    assert found["correlation of passes with length"] == pytest.approx(-1)


def test_figures_of_presentations_by_hand():
    """Five rows of three learners, counted on paper."""
    key = "code_module code_presentation id_student"
    tables = {
        "studentInfo": rows(
            f"{key} gender highest_education imd_band final_result",
            ("A", "1", 1, "F", "HE Qualification", None, "Pass"),
            ("A", "2", 1, "F", "HE Qualification", None, "Fail"),
            ("A", "1", 2, "M", "Lower Than A Level", "0-10%", "Fail"),
            ("A", "1", 3, "M", "Lower Than A Level", "0-10%", "Withdrawn"),
            ("B", "1", 3, "M", "Lower Than A Level", "0-10%", "Distinction"),
        ),
        "studentRegistration": rows("date_unregistration", (-1,), (0,), (None,), (None,)),
        "studentAssessment": rows("score", (7,), (None,), (8,), (9,)),
        "studentVle": rows(
            f"{key} date sum_click",
            ("A", "1", 1, 1, 5),
            ("A", "1", 1, 1, 5),
            ("A", "1", 1, 2, 90),
            ("A", "1", 2, 2, 20),
        ),
    }
    found = oulad_figures(tables)
    expected = {
        "learners in one presentation": 1 / 3,
        "learners in two presentations": 2 / 3,
        "learners in three and more presentations": 0,
        "presentations that repeat a module, of a learner's further ones": 1 / 2,
        "Fail": 2 / 5,
        "passed with an HE Qualification": 1 / 2,
        "passed with Lower Than A Level": 1 / 3,
        "women, of rows": 2 / 5,
        "without an imd_band": 2 / 5,
        "scores that are null": 1 / 4,
        "left before the first day, of the withdrawn": 1 / 2,
        "scores a presentation taken": 4 / 5,
        "no click, of the failed": 1 / 2,
        "no click, of the withdrawn": 1,
        "clicks, median": 60,
        "clicks, most": 100,
        "clicks, median of Pass": 100,
        "clicks, median of Fail": 20,
        "active days, median of Pass": 2,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert {figure.name for figure in OULAD_FIGURES} == set(found)


def test_a_figure_agrees_within_its_tolerance():
    """Both ends belong to it; NaN never does; a range has an outside on both sides."""
    one = share("a", 0.5, 0.25, "here")
    assert [one.agrees(x) for x in (0.24, 0.25, 0.75, 0.76)] == [False, True, True, False]
    assert not one.agrees(math.nan)
    assert one.agrees(0.2, times=2)
    assert not one.agrees(0.2)
    wide = Published("b", 2, 5, 1, "here")
    assert [wide.agrees(x) for x in (0.9, 1, 6, 6.1)] == [False, True, True, False]


@pytest.mark.parametrize("low, high, tolerance", [(2, 1, 0), (1, 1, -1), (1, 1, math.inf)])
def test_figures_without_meaning_are_refused(low, high, tolerance):
    """An empty range, and tolerances that are none."""
    with pytest.raises(ValueError, match="low <= high and a tolerance"):
        Published("a", low, high, tolerance, "here")


def test_both_sides_name_the_same_figures():
    """A figure that was not looked for, or not published, is named."""
    with pytest.raises(ValueError, match="not 'b'"):
        list(compared([number("a", 1, 0, "here")], {"a": 1, "b": 2}))


def test_the_table_marks_what_is_outside():
    """Percentages, ranges and thousands as the docs have them."""
    figures = [
        share("a", 0.35, 0.015, "Ho"),
        Published("b", 2, math.inf, 0, "X"),
        number("c", 7_722, 772, "Y"),
        Published("d", 2, 5, 0, "X"),
        set_aside("e", 0.126, "Z", why="a", as_share=True),
    ]
    found = {"a": 0.4, "b": 3.14159, "c": 8_000.4, "d": 2, "e": 0.05}
    table, others = lines(list(compared(figures, found)))
    assert others[2:] == ["| e | 12.6% | 5% | Z | a |"]
    assert table[2:] == [
        "| a | 35% | ± 1.5% | 40% **outside** | Ho |",
        "| b | at least 2 |  | 3.14 | X |",
        "| c | 7,722 | ± 772 | 8,000 | Y |",
        "| d | 2 to 5 |  | 2 | X |",
    ]
