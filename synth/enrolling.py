"""Where synthetic learners enrol: courses, moments, roles and sessions."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from synth.catalogue import Catalogue
from synth.columns import DAY, Floats, Ints, Mask, kept, picked, timestamps
from synth.coursera_preset import Enrolling
from synth.people import LEARNER, Learners

_ROUNDS: Final = 6
"""Draws of a further course, before it is drawn among those that the learner does not take."""
_LONGEST_WAIT: Final = 700
_ROLES: Final = ("LEARNER", "BROWSER", "PRE_ENROLLED_LEARNER", "NOT_ENROLLED", "INSTRUCTOR")
_LEARNER, _BROWSER, _EARLY, _LEFT, _INSTRUCTOR = range(len(_ROLES))


@dataclass(frozen=True, slots=True)
class Enrolments:
    """Who enrolled where and when: one entry a learner and course, ordered by both.

    Attributes:
        users: row numbers of the learners.
        courses: row numbers of the courses.
        possible: the moment from which the learner could enrol; seconds since 1970.
        starts: the moment when he did.
        sessions: the session he came into, counted within its course.
    """

    users: Ints
    courses: Ints
    possible: Ints
    starts: Ints
    sessions: Ints

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, slots=True)
class Block:
    """Learners, the courses, and who is where."""

    learners: Learners
    catalogue: Catalogue
    enrolments: Enrolments

    def users(self, entries: Ints) -> pl.Series:
        """The learner keys of these enrolments, under the name that they have in most tables."""
        return picked(self.learners.ids, self.enrolments.users[entries]).alias(LEARNER)

    def users_in(self, domain: str, entries: Ints) -> pl.Series:
        """The ids of the learners of these enrolments in a domain; see `synth.people.DOMAINS`."""
        return picked(self.learners.domains[domain], self.enrolments.users[entries])

    def courses(self, entries: Ints) -> pl.Series:
        """The ids of the courses of these enrolments."""
        return picked(self.catalogue.ids, self.enrolments.courses[entries])

    def branches(self, entries: Ints) -> pl.Series:
        """The ids of the branches that the learners of these enrolments see."""
        sessions, courses = self.enrolments.sessions[entries], self.enrolments.courses[entries]
        return picked(self.catalogue.branches, self.catalogue.branches_of(courses, sessions))


def enrol(
    learners: Learners, catalogue: Catalogue, preset: Enrolling, rng: np.random.Generator
) -> Enrolments:
    """Let each learner enrol in one course or more."""
    most = min(preset.most.value, len(catalogue))
    chances = registration_shares(preset.registrations.value, preset.most.value)
    number = 1 + np.searchsorted(np.cumsum(chances)[:-1], rng.random(len(learners)), side="right")
    pairs = _pairs(np.minimum(number, most), catalogue, preset.same_category.value, rng)
    users, courses = pairs // len(catalogue), pairs % len(catalogue)
    possible = np.maximum(learners.joins[users], catalogue.launches[courses])
    wait = np.minimum(rng.exponential(preset.wait_days.value, len(users)), _LONGEST_WAIT)
    starts = _at_an_hour(possible + (wait * DAY).astype(np.int64), possible, preset, rng)
    return Enrolments(users, courses, possible, starts, catalogue.sessions_at(courses, starts))


def registration_shares(mean: float, most: int) -> Floats:
    """A power law of 1 to `most` courses with this mean, as shares."""
    numbers = np.arange(1, most + 1)

    def shares(exponent: float) -> Floats:
        weights = np.power(numbers, -exponent, dtype=np.float64)
        found: Floats = weights / weights.sum()
        return found

    # The mean falls with the exponent: halve what it lies in.
    low, high = 0.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        if float((shares(middle) * numbers).sum()) > mean:
            low = middle
        else:
            high = middle
    return shares(high)


def memberships(
    block: Block,
    preset: Enrolling,
    *,
    passed: Mask,
    until: Ints,
    instructors: int,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """The log of roles, by time: some look first, some leave, a few only look or teach.

    Args:
        block: who is where.
        preset: how many look and leave.
        passed: by enrolment.
        until: the moment, by enrolment, before which nobody leaves: what he does there lies before.
        instructors: how many of the learners teach, each in one course.
        rng: where chance comes from.
    """
    enrolments, learners, catalogue = block.enrolments, block.learners, block.catalogue
    size = len(enrolments)
    reach = enrolments.starts - enrolments.possible
    before = enrolments.possible + (rng.random(size) * reach).astype(np.int64)
    after = until + rng.integers(DAY, 200 * DAY, size)
    first = rng.random(size)
    looked = np.flatnonzero(first < preset.looked_before.value)
    early = np.flatnonzero(first >= 1 - preset.registered_early.value)
    left = np.flatnonzero(~passed & (rng.random(size) < preset.left.value))
    users, courses = enrolments.users, enrolments.courses
    parts = [
        (_LEARNER, users, courses, enrolments.starts),
        (_BROWSER, users[looked], courses[looked], before[looked]),
        (_EARLY, users[early], courses[early], before[early]),
        (_LEFT, users[left], courses[left], after[left]),
    ]
    lookers = int(len(learners) * preset.only_looked.value)
    for role, number in ((_BROWSER, lookers), (_INSTRUCTOR, min(instructors, len(learners)))):
        who = rng.choice(len(learners), size=number, replace=False)
        where = rng.integers(0, len(catalogue), number)
        possible = np.maximum(learners.joins[who], catalogue.launches[where])
        parts.append((role, who, where, possible + rng.integers(0, 200 * DAY, number)))
    roles = np.concatenate([np.full(len(who), role) for role, who, _, _ in parts])
    user, course, second = (np.concatenate([part[n] for part in parts]) for n in (1, 2, 3))
    order = np.lexsort((roles, course, user, second))
    return pl.DataFrame(
        {
            LEARNER: picked(learners.ids, user[order]),
            "course_id": picked(catalogue.ids, course[order]),
            "course_membership_role": picked(pl.Series(_ROLES), roles[order]),
            "course_membership_ts": timestamps(second[order]),
        }
    )


def session_memberships(block: Block, preset: Enrolling, rng: np.random.Generator) -> pl.DataFrame:
    """The session that each comes into; some move on to the next one when it ends."""
    enrolments, catalogue = block.enrolments, block.catalogue
    number, courses = enrolments.sessions, enrolments.courses
    begins = catalogue.launches[courses] + number * catalogue.session_seconds
    ends = np.maximum(begins + catalogue.session_length(courses), enrolments.starts + DAY)
    moved = rng.random(len(enrolments)) < preset.moved.value
    moved &= number < catalogue.session_counts[courses] - 1
    entry = np.concatenate([np.arange(len(enrolments)), np.flatnonzero(moved)])
    later = np.arange(len(entry)) >= len(enrolments)
    session, course = number[entry] + later, courses[entry]
    place = catalogue.first_session[course] + session
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, course),
            "on_demand_session_id": picked(catalogue.sessions, place),
            LEARNER: block.users(entry),
            "on_demand_sessions_membership_start_ts": timestamps(
                np.where(later, ends[entry], enrolments.starts[entry])
            ),
            "on_demand_sessions_membership_end_ts": kept(
                timestamps(ends[entry]), moved[entry] & ~later
            ),
            "course_branch_id": picked(catalogue.branches, catalogue.branches_of(course, session)),
        }
    )


def specialization_enrolments(
    block: Block, preset: Enrolling, *, passed: Mask, rng: np.random.Generator
) -> pl.DataFrame:
    """Who is in a course by way of its specialization; complete with each course of it passed."""
    enrolments, catalogue = block.enrolments, block.catalogue
    through = np.flatnonzero(rng.random(len(enrolments)) < preset.specialized.value)
    number = catalogue.specialization[enrolments.courses]
    joint = enrolments.users * len(catalogue.specializations) + number
    found, passes = np.unique(joint[passed], return_counts=True)
    wanted = np.bincount(catalogue.specialization)[found % len(catalogue.specializations)]
    return pl.DataFrame(
        {
            LEARNER: block.users(through),
            "course_id": block.courses(through),
            "specialization_id": picked(catalogue.specializations, number[through]),
            "is_specialization_enrollment_complete": np.isin(
                joint[through], found[passes == wanted]
            ),
        }
    )


def _pairs(number: Ints, catalogue: Catalogue, similar: float, rng: np.random.Generator) -> Ints:
    """As many different courses a learner, as `learner * courses + course`, ascending."""
    courses = len(catalogue)
    first = catalogue.drawn(rng.random(len(number)))
    pairs = np.arange(len(number)) * courses + first
    several = np.flatnonzero(number > 1)
    taken = pairs[several]
    for _ in range(_ROUNDS):
        lacking = _lacking(taken, several, number, courses)
        if not lacking.any():
            break
        who = np.repeat(several, lacking)
        anywhere = catalogue.drawn(rng.random(len(who)))
        alike = catalogue.drawn_within(catalogue.categories[first[who]], rng.random(len(who)))
        drawn = np.where(rng.random(len(who)) < similar, alike, anywhere)
        taken = np.unique(np.concatenate([taken, who * courses + drawn]))
    lacking = _lacking(taken, several, number, courses)
    rest = _others(taken, several[lacking > 0], lacking[lacking > 0], catalogue, rng)
    return np.sort(np.concatenate([pairs[number == 1], taken, rest]))


def _lacking(taken: Ints, several: Ints, number: Ints, courses: int) -> Ints:
    found = np.bincount(taken // courses, minlength=len(number))
    return number[several] - found[several]


def _others(
    taken: Ints, who: Ints, lacking: Ints, catalogue: Catalogue, rng: np.random.Generator
) -> Ints:
    """Courses that they don't take yet, by popularity: the first few of a weighted shuffle."""
    courses = len(catalogue)
    ranks = np.log(catalogue.popularity) + rng.gumbel(size=(len(who), courses))
    user, course = taken // courses, taken % courses
    own = np.isin(user, who)
    ranks[np.searchsorted(who, user[own]), course[own]] = -np.inf
    order = np.argsort(-ranks, axis=1)
    row = np.repeat(np.arange(len(who)), lacking)
    place = np.arange(len(row)) - np.repeat(np.cumsum(lacking) - lacking, lacking)
    return who[row] * courses + order[row, place]


def _at_an_hour(seconds: Ints, possible: Ints, preset: Enrolling, rng: np.random.Generator) -> Ints:
    """The same day at an hour when people are about; the next day, where that is too early."""
    weights = np.cumsum(preset.hours.value)
    hour = np.searchsorted(weights / weights[-1], rng.random(len(seconds)), side="right")
    moved = seconds // DAY * DAY + np.minimum(hour, 23) * 3_600 + rng.integers(0, 3_600, len(hour))
    found: Ints = np.where(moved < possible, moved + DAY, moved)
    return found
