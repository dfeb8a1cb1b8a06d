"""What releases of the trapped world tell of a course."""

import math
from typing import Final

from synth.traps.claims import MEASURED, Counted
from synth.traps.requests import COURSES, FIGURES, MOST_MONTHS, TWIN, within

COURSE: Final = "course_id"
GENDER: Final = "reported_or_inferred_gender"

_DEVIATIONS: Final = 7
"""Of a Poisson count: how far chance takes the number of invented learners off."""


def told(
    course: str, learners: int, *, figure: int | None = None, gender: str = "male"
) -> tuple[Counted, ...]:
    """How many learners releases tell of a planted course.

    Args:
        course: its id.
        learners: whom microdata under course scope shows.
        figure: whom aggregates and twins count, where these are others: they suppress nobody.
        gender: of all whom they count.
    """
    counted = learners if figure is None else figure
    return (
        Counted((COURSES,), "enrolments", {COURSE: course}, learners),
        Counted((FIGURES,), "by_course", {COURSE: course}, counted, within()),
        Counted((TWIN,), MEASURED, {GENDER: gender, COURSE: course}, counted, within()),
    )


def active(course: str, month: str, learners: int) -> Counted:
    """How many learners an aggregate tells to have been active in a month of a planted course."""
    cell = {COURSE: course, "month": month}
    return Counted((FIGURES,), "activity", cell, learners, within(MOST_MONTHS))


def invented(course: str, learners: int) -> Counted:
    """How many invented learners of a twin are in a planted course, give or take."""
    off = math.ceil(_DEVIATIONS * math.sqrt(learners))
    return Counted((TWIN,), "enrolments", {COURSE: course}, learners, off)
