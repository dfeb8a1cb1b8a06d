"""Traps about who a row is of: orphans, roles, repeats, contradictions, several ids."""

from collections.abc import Callable
from typing import Final

from synth.codes import NOT_PASSABLE, NOT_PASSED, PASSED
from synth.traps.claims import MEASURED, Absent, Counted, Never, Present, Quarantined
from synth.traps.expected import Trap
from synth.traps.ground import LEARNT, Ground
from synth.traps.requests import (
    COURSES,
    EVERY,
    FIGURES,
    LEARNERS,
    MICRODATA,
    NOISY,
    PROFILES,
    TWIN,
    within,
)
from synth.traps.telling import COURSE, GENDER, told
from synth.world import LEARNER

_GRADED: Final = (COURSES, TWIN)
"""Requests that read grades."""


def orphans(ground: Ground) -> Trap:
    """Whom the table of users does not know is in no release, but told among rows put aside."""
    course, crowd = ground.course("orphans"), ground.crowd
    known = ground.learners(ground.k)
    unknown = ground.learners(crowd, profile=False)
    ground.enrol([*known, *unknown], course)
    ground.grade(unknown, course, state=PASSED)
    ground.work(unknown, course)
    put_aside = (
        (EVERY, "course_memberships"),
        ((COURSES, FIGURES), "course_progress"),
        (_GRADED, "course_grades"),
    )
    return Trap(
        "orphans",
        "Memberships, grades and progress of learners who stand in no row of users.",
        (
            *told(course, len(known)),
            Present(MICRODATA, tuple(known)),
            Absent(MICRODATA, tuple(unknown)),
            *(Quarantined(of, table, "", "no_learner_row", crowd) for of, table in put_aside),
        ),
    )


def roles(ground: Ground) -> Trap:
    """Whoever comes, goes and comes back is one learner; whoever only looks is none."""
    course = ground.course("roles")
    churning, left = ground.learners(ground.k), ground.learners(ground.k)
    for learners, log in (
        (churning, ("BROWSER", "PRE_ENROLLED_LEARNER", "LEARNER", "NOT_ENROLLED", "LEARNER")),
        (left, ("LEARNER", "NOT_ENROLLED")),
    ):
        for day, role in enumerate(log, start=1):
            ground.enrol(learners, course, role=role, at=f"2020-02-{day:02d} 09:00:00")
    looking = ground.learners(2 * ground.crowd)
    ground.enrol(looking[: ground.crowd], course, role="BROWSER")
    ground.enrol(looking[ground.crowd :], course, role="PRE_ENROLLED_LEARNER")
    return Trap(
        "roles",
        "LEARNER, NOT_ENROLLED and LEARNER again; and accounts that only browse or pre-enrolled.",
        (
            *told(course, len(churning) + len(left)),
            Present(MICRODATA, (*churning, *left)),
            Absent(MICRODATA, tuple(looking)),
        ),
    )


def repeats(ground: Ground) -> Trap:
    """Rows that stand there several times count once."""
    course = ground.course("repeats")
    learners = ground.learners(2 * ground.k)
    for one in learners:
        ground.profile(one)
    for _ in range(3):
        ground.enrol(learners, course)
        ground.work(learners, course)
    for _ in range(2):
        ground.grade(learners, course, state=PASSED)
    return Trap(
        "repeats",
        "Each profile and grade stands there twice, each membership and completed item thrice.",
        (
            *told(course, len(learners)),
            Present(MICRODATA, tuple(learners)),
            Quarantined(EVERY, "users", "", "duplicate_row", len(learners)),
            Quarantined(_GRADED, "course_grades", "", "duplicate_row", len(learners)),
        ),
    )


def contradictions(ground: Ground) -> Trap:
    """Of rows that share a key the first stays.

    In a file that is the first line; in a database without a primary key, the first in the order of
    the columns read. Here both are the same row.
    """
    course, crowd = ground.course("contradictions"), ground.crowd
    learners = ground.learners(crowd, reported_or_inferred_gender="female")
    for one in learners:
        ground.profile(one, reported_or_inferred_gender="male")
    ground.enrol(learners, course)
    half = crowd // 2
    ground.grade(learners[:half], course, state=NOT_PASSED)
    ground.grade(learners[half:], course, state=PASSED)
    ground.grade(learners, course, state=NOT_PASSABLE)
    cell = {COURSE: course}
    return Trap(
        "contradictions",
        "Two profiles with different genders and two grades with different states a learner.",
        (
            *told(course, crowd, gender="female"),
            Present(MICRODATA, tuple(learners)),
            Never((COURSES,), "enrolments", cell, GENDER, ("male",)),
            Never((COURSES,), "enrolments", cell, "passing_state", ("not passable",)),
            Counted((COURSES,), "enrolments", {**cell, "passing_state": "passed"}, crowd - half),
            Counted((FIGURES,), "by_gender", {**cell, GENDER: "female"}, crowd, within()),
            *(
                Counted((of,), table, {**cell, GENDER: "male"}, 0, within())
                for of, table in ((FIGURES, "by_gender"), (TWIN, MEASURED))
            ),
            *(
                Counted((TWIN,), MEASURED, {**cell, "passing_state": state}, count, within())
                for state, count in (("passed", crowd - half), ("not passable", 0))
            ),
            Quarantined(EVERY, "users", "", "duplicate_key", crowd),
            Quarantined(_GRADED, "course_grades", "", "duplicate_key", crowd),
        ),
    )


def labels(ground: Ground) -> Trap:
    """Values that nobody declared, one of them an id: the row goes, and with it its learner."""
    course, crowd = ground.course("labels"), ground.crowd
    sound = ground.learners(ground.k)
    unknown_degree = ground.learners(crowd - 1, educational_attainment="PhD")
    unknown_degree += ground.learners(1, educational_attainment=ground.new_id())
    unknown_country = ground.learners(crowd, country_cd="QZ")
    ground.enrol([*sound, *unknown_degree, *unknown_country], course)
    exact, coarse = (
        {COURSE: course, "educational_attainment": degree}
        for degree in ("BACHELOR_DEGREE", "bachelor's")
    )
    counted = len(sound) + crowd  # all but one request do not ask for the country
    return Trap(
        "labels",
        "Degrees outside the closed list, and a country outside its hierarchy.",
        (
            *told(course, len(sound), linked=counted, figure=counted),
            Present(MICRODATA, tuple(sound)),
            Present((LEARNERS, PROFILES), tuple(unknown_country)),
            Counted((FIGURES,), "by_education", exact, counted, within()),
            Counted((TWIN,), MEASURED, coarse, counted, within()),
            Absent(MICRODATA, tuple(unknown_degree)),
            Absent((COURSES,), tuple(unknown_country)),
            Quarantined(EVERY, "users", "educational_attainment", "not_in_domain", crowd),
            Quarantined((COURSES,), "users", "country_cd", "not_in_domain", crowd),
            Quarantined(EVERY, "course_memberships", "", "no_learner_row", crowd),
            Quarantined((COURSES,), "course_memberships", "", "no_learner_row", crowd),
        ),
    )


def several_ids(ground: Ground) -> Trap:
    """A bridge table says which ids are one person's, who is one learner with one say."""
    course, crowd = ground.course("several-ids"), ground.crowd
    pairs = [(one, ground.new_id()) for one in ground.learners(2 * crowd + 2)]
    for one, other in pairs:
        ground.profile(other)
        ground.row("partner_user_ids", **{LEARNER: one}, course_user_id=other)
        ground.enrol([one, other], course)
        ground.work([one], course)
        ground.work([other], course, item="i0002", at=LEARNT)
    kept, withdrawn = pairs[:crowd], pairs[crowd : 2 * crowd]
    mentors = pairs[2 * crowd :]
    ground.say([other for _, other in kept], "granted")
    ground.say([other for _, other in withdrawn], "withdrawn", since="2021-05-01T00:00:00Z")
    ground.enrol([other for _, other in mentors], course, role="MENTOR")
    return Trap(
        "several-ids",
        "Enrolled, and with a profile, under two ids that a bridge table links; half withdrew "
        "under the other id, and two are mentors under it.",
        (
            *told(course, crowd),
            Present(MICRODATA, tuple(one for one, _ in kept)),
            Absent(MICRODATA, tuple(one for one, _ in mentors)),
            Absent(MICRODATA, tuple(one for one, _ in withdrawn)),
            Absent(MICRODATA, tuple(other for _, other in withdrawn)),
            Quarantined(MICRODATA, "users", "", "duplicate_row", len(pairs)),
            # Budgets are spent on permitted rows alone: no other is looked at.
            Quarantined(NOISY, "users", "", "duplicate_row", len(kept) + len(mentors)),
        ),
    )


def strangers(ground: Ground) -> Trap:
    """Nobody knows whose an id is that two learners have: neither of them is in a release."""
    course = ground.course("strangers")
    sound, strange = ground.learners(ground.k), ground.learners(ground.crowd)
    ground.enrol([*sound, *strange], course)
    for number, one in enumerate(strange):
        shared = f"stranger-{number // 2}"
        ground.row("partner_user_ids", **{LEARNER: one}, course_user_id=shared)
    return Trap(
        "strangers",
        "Pairs of learners with one id of a course in common, by an error of the bridge table.",
        (
            *told(course, len(sound)),
            Present(MICRODATA, tuple(sound)),
            Absent(MICRODATA, tuple(strange)),
        ),
    )


PEOPLE: Final[tuple[Callable[[Ground], Trap], ...]] = (
    orphans,
    roles,
    repeats,
    contradictions,
    labels,
    several_ids,
    strangers,
)
