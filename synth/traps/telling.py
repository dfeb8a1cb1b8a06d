"""What releases of the trapped world tell of a course."""

import math
from typing import Final

from synth.traps.claims import MEASURED, Counted
from synth.traps.requests import COURSES, FIGURES, LEARNERS, MOST_MONTHS, TWIN, within

COURSE: Final = "course_id"
GENDER: Final = "reported_or_inferred_gender"

_DEVIATIONS: Final = 7
"""Of a Poisson count: how far chance takes the number of invented learners off."""


def shown(course: str, learners: int, *, linked: int | None = None) -> tuple[Counted, ...]:
    """How many learners microdata shows of a planted course.

    Args:
        course: its id.
        learners: whom it shows under course scope.
        linked: whom it shows under release scope, where these are others.
    """
    other = learners if linked is None else linked
    return (
        Counted((COURSES,), "enrolments", {COURSE: course}, learners),
        Counted((LEARNERS,), "enrolments", {COURSE: course}, other),
    )


def told(
    course: str,
    learners: int,
    *,
    linked: int | None = None,
    figure: int | None = None,
    gender: str = "male",
) -> tuple[Counted, ...]:
    """How many learners releases tell of a planted course.

    Args:
        course: its id.
        learners: whom microdata under course scope shows.
        linked: the same under release scope, where these are others.
        figure: whom aggregates and twins count, where these are others: they suppress nobody. It
            must be clear of what noise could make of another number.
        gender: of all whom they count.
    """
    counted = learners if figure is None else figure
    return (
        *shown(course, learners, linked=linked),
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
