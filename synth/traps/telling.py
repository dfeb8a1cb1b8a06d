"""What releases of the trapped world tell of a course."""

from synth.traps.claims import Counted
from synth.traps.requests import COURSES, FIGURES, within


def told(course: str, learners: int, *, figure: int | None = None) -> tuple[Counted, ...]:
    """How many learners microdata and aggregates tell of a planted course.

    Args:
        course: its id.
        learners: whom microdata under course scope shows.
        figure: whom aggregates count, where these are others: they suppress nobody.
    """
    cell = {"course_id": course}
    counted = learners if figure is None else figure
    return (
        Counted((COURSES,), "enrolments", cell, learners),
        Counted((FIGURES,), "by_course", cell, counted, within()),
    )
