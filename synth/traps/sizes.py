"""Traps about how many share what: the boundary of k, staff, idle accounts, rare sets, times."""

from collections.abc import Callable
from typing import Final

from synth.codes import PASSED
from synth.traps.claims import (
    Absent,
    Counted,
    Hidden,
    Nowhere,
    Only,
    Present,
    Quarantined,
    Together,
)
from synth.traps.expected import Trap
from synth.traps.ground import Ground
from synth.traps.requests import (
    COURSES,
    FIGURES,
    LEARNERS,
    MICRODATA,
    NOISY,
    PROFILES,
    TWIN,
    within,
)
from synth.traps.telling import active, shown, told


def boundary(ground: Ground) -> Trap:
    """Of one class k learners stay, and k - 1 do not.

    Of a count that is told with noise nobody can say which of the two it was: nothing is claimed.
    """
    enough, few = ground.course("k"), ground.course("k-less-one")
    kept, hidden = ground.learners(ground.k), ground.learners(ground.k - 1)
    ground.enrol(kept, enough)
    ground.enrol(hidden, few)
    return Trap(
        "boundary",
        "A course with k learners of one class, and one with k - 1.",
        (
            *shown(enough, ground.k),
            *shown(few, 0),
            Present(MICRODATA, tuple(kept)),
            Absent((COURSES,), tuple(hidden)),
            Present((PROFILES,), tuple(hidden)),
            Hidden(MICRODATA, ground.k),
        ),
    )


def staff(ground: Ground) -> Trap:
    """Who teaches is no learner among whom others hide; nor is who learns and mentors."""
    course = ground.course("staff")
    learners, teaching = ground.learners(ground.k - 1), ground.learners(ground.crowd)
    both = ground.learners(ground.crowd)
    ground.enrol([*learners, *both], course)
    ground.enrol([*teaching[::2], *both], course, role="MENTOR")
    ground.enrol(teaching[1::2], course, role="INSTRUCTOR")
    ground.work([*learners, *teaching, *both], course)
    return Trap(
        "staff",
        "k - 1 learners, and instructors and mentors of the same class, some of them enrolled too.",
        (
            *told(course, 0, figure=ground.k - 1),
            active(course, "2020-03", ground.k - 1),
            Absent((COURSES,), tuple(learners)),
            Present((PROFILES,), tuple(learners)),
            Absent(MICRODATA, (*teaching, *both)),
        ),
    )


def idle(ground: Ground) -> Trap:
    """Accounts that never did anything count as learners: no policy asks for activity.

    Whoever controls k - 1 of them is outside the promise; but no measure or result of the one real
    learner is told, as he would be alone with it.
    """
    course = ground.course("idle")
    learners = ground.learners(ground.k)
    ground.enrol(learners, course)
    for week in range(1, 4):
        for item in range(4):
            at = f"2020-03-{7 * week:02d} 1{item}:00:00"
            ground.work(learners[:1], course, item=f"i{week}{item}", at=at)
    ground.grade(learners[:1], course, state=PASSED)
    cell, withheld = {"course_id": course}, ("*",)
    columns = ("passing_state", "active_weeks", "items_completed")
    return Trap(
        "idle",
        "k - 1 accounts without any activity around one real learner of their class.",
        (
            *shown(course, ground.k),
            Present(MICRODATA, tuple(learners)),
            *(Only((COURSES,), "enrolments", cell, column, withheld) for column in columns),
        ),
    )


def rare_set(ground: Ground) -> Trap:
    """A set of courses that one learner has is not shown where courses are linked."""
    courses = tuple(ground.course(f"set-{letter}") for letter in "abc")
    crowds = [ground.learners(ground.crowd) for _ in courses]
    for course, learners in zip(courses, crowds, strict=True):
        ground.enrol(learners, course)
    (alone,) = ground.learners(1)
    for course in courses:
        ground.enrol([alone], course)
    # Where courses are linked, one of his rows may stay: which one is the build's choice.
    counts = (
        Counted((of,), "enrolments", {"course_id": course}, count, off)
        for course in courses
        for of, count, off in (
            (COURSES, ground.crowd + 1, 0),
            (LEARNERS, ground.crowd, 1),
        )
    )
    return Trap(
        "rare-set",
        "One learner whose set of courses nobody else has.",
        (
            *counts,
            Together((LEARNERS,), courses, 0),
            *(Present(MICRODATA, tuple(learners)) for learners in crowds),
            Present((PROFILES,), (alone,)),
        ),
    )


def odd_times(ground: Ground) -> Trap:
    """What a clock got wrong counts as it is recorded; periods that nobody lists are other."""
    course, crowd = ground.course("odd-times"), ground.crowd
    learners = ground.learners(crowd)
    ground.enrol(learners, course, at="2020-06-01 09:00:00")
    ground.work(learners, course, item="i0001", at="2020-03-02 10:00:00")
    ground.work(learners, course, item="i0002", at="1970-01-01 00:00:00")
    ground.work(learners, course, item="i0003", at="2090-02-28 23:59:59")
    half = crowd // 2
    ground.grade(learners[:half], course, state=PASSED, at="1970-01-01 00:00:00")
    ground.grade(learners[half:], course, state=PASSED, at="2090-02-28 23:59:59")
    months = {"2020-03": crowd, "2020-05": 0, "(other)": crowd}
    return Trap(
        "odd-times",
        "Progress before the enrolment, in 1970 and in 2090; grades of 1970 and 2090.",
        (
            *told(course, crowd),
            Present(MICRODATA, tuple(learners)),
            *(active(course, month, count) for month, count in months.items()),
            Nowhere((FIGURES,), ("1970-01", "2090-02")),
        ),
    )


def unlisted(ground: Ground) -> Trap:
    """A course that no table of courses has: neither aggregates nor twins tell its name."""
    course = ground.course("unlisted", listed=False)
    learners = ground.learners(ground.crowd)
    ground.enrol(learners, course)
    return Trap(
        "unlisted",
        "A course that has learners, and stands in no table of courses, so in no catalogue.",
        (
            *shown(course, ground.crowd),
            Present(MICRODATA, tuple(learners)),
            Counted((FIGURES,), "by_course", {"course_id": "(other)"}, ground.crowd, within()),
            Nowhere(NOISY, (course,)),
            Quarantined((TWIN,), "course_memberships", "course_id", "not_in_domain", ground.crowd),
        ),
    )


SIZES: Final[tuple[Callable[[Ground], Trap], ...]] = (
    boundary,
    staff,
    idle,
    rare_set,
    odd_times,
    unlisted,
)
