"""What releases of the trapped world tell of a course."""

from typing import Final

from synth.traps.claims import Counted
from synth.traps.requests import COURSES, FIGURES, MOST_MONTHS, within

COURSE: Final = "course_id"


def told(course: str, learners: int, *, figure: int | None = None) -> tuple[Counted, ...]:
    """How many learners microdata and aggregates tell of a planted course.

    Args:
        course: its id.
        learners: whom microdata under course scope shows.
        figure: whom aggregates count, where these are others: they suppress nobody.
    """
    cell = {COURSE: course}
    counted = learners if figure is None else figure
    return (
        Counted((COURSES,), "enrolments", cell, learners),
        Counted((FIGURES,), "by_course", cell, counted, within()),
    )


def active(course: str, month: str, learners: int) -> Counted:
    """How many learners an aggregate tells to have been active in a month of a planted course."""
    cell = {COURSE: course, "month": month}
    return Counted((FIGURES,), "activity", cell, learners, within(MOST_MONTHS))
