"""A platform in the shape of the Coursera export, part by part."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from synth.behaviour import CERTIFIED, Log, behave, fates, progress
from synth.catalogue import Catalogue, make_catalogue
from synth.catalogue_tables import catalogue_tables
from synth.clickstream import clickstream
from synth.codes import code_tables
from synth.columns import Ints
from synth.coursera_preset import CourseraPreset
from synth.enrolling import (
    Block,
    Enrolments,
    enrol,
    memberships,
    session_memberships,
    specialization_enrolments,
)
from synth.forum import forum
from synth.grading import LATEST_GRADE, grade_items, grade_tables
from synth.offering_tables import offering_tables
from synth.parts import BLOCK, Part
from synth.peers import peer_reviews
from synth.people import LEARNER, bridges, learner_key, make_learners, survey

__all__ = ["LEARNER", "coursera_parts"]

# Streams of chance. 1 is that of rights, see `synth.permission`. What one table draws changes no
# other, and a block none that follows it.
_CATALOGUE, _NAMES = 2, 3
_STREAMS: Final = range(4, 13)


def coursera_parts(
    preset: CourseraPreset, *, learners: int, courses: int, seed: int
) -> Iterator[Part]:
    """Make a world, part by part; the same arguments give the same parts.

    Referentially sound: whoever stands in a table has a profile, and so have courses and items.
    Time runs forward: join <= membership <= progress <= grade, and whoever leaves does so after
    that, and after his posts. He may still edit one, review others' work, or be moved to a later
    session. Timestamps are naive UTC.

    Args:
        preset: what it is like.
        learners: how many accounts, each enrolled in at least one course.
        courses: how many courses.
        seed: where chance comes from.

    Raises:
        ValueError: fewer than one learner or course, or a negative seed; at once, not when the
            first part is asked for.
    """
    for name, value, least in (
        ("learners", learners, 1),
        ("courses", courses, 1),
        ("seed", seed, 0),
    ):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    return _parts(preset, learners, courses, seed)


def _parts(preset: CourseraPreset, learners: int, courses: int, seed: int) -> Iterator[Part]:
    catalogue = make_catalogue(courses, preset.courses, rng=_rng(_CATALOGUE, seed, 0))
    named = _rng(_NAMES, seed, 0)
    first = {
        **catalogue_tables(catalogue, named),
        **offering_tables(catalogue, grading=preset.grading, peers=preset.peers, rng=named),
        **code_tables(),
        **survey(preset.people),
    }
    for number in range(-(-learners // BLOCK)):
        size = min(BLOCK, learners - number * BLOCK)
        tables = _tables(preset, catalogue, size, seed=seed, number=number)
        yield tables if number else {**first, **tables}


def _tables(
    preset: CourseraPreset, catalogue: Catalogue, size: int, *, seed: int, number: int
) -> Part:
    """Everything about the learners of one block. Accounts that teach are among the first."""
    isolated = preset.ids.value == "isolated"
    peopling, enrolling, acting, grading, roles, posting, reviewing, bridging, clicking = (
        _rng(stream, seed, number) for stream in _STREAMS
    )
    learners = make_learners(size, preset.people, isolated=isolated, rng=peopling, naming=bridging)
    enrolments = enrol(learners, catalogue, preset.enrolling, enrolling)
    block = Block(learners, catalogue, enrolments)
    fate = fates(enrolments, catalogue, preset.outcomes, acting)
    log = behave(block, fate, outcomes=preset.outcomes, activity=preset.activity, rng=acting)
    grades = grade_items(log, fate, block, preset=preset.grading, rng=grading)
    passed = fate == CERTIFIED
    instructors = 0 if number else max(1, len(catalogue) // 4)
    forums, peers = (
        learner_key(domain, isolated=isolated) for domain in ("discussions", "peer_assignments")
    )
    return {
        "users": learners.users,
        "course_memberships": memberships(
            block,
            preset.enrolling,
            passed=passed,
            until=_until(log, enrolments),
            instructors=instructors,
            rng=roles,
        ),
        "on_demand_session_memberships": session_memberships(block, preset.enrolling, roles),
        "users_courses__s12n_enrollments": specialization_enrolments(
            block, preset.enrolling, passed=passed, rng=roles
        ),
        "course_progress": progress(log, block),
        **grade_tables(grades, log, fate, block, preset=preset.grading, rng=grading),
        **forum(log, block, preset=preset.forum, key=forums, rng=posting),
        **peer_reviews(grades, log, block, preset=preset.peers, key=peers, rng=reviewing),
        "demographics_answers": learners.answers,
        **clickstream(log, block, preset=preset.clickstream, rng=clicking),
        **(bridges(learners, enrolments.users, bridging) if isolated else {}),
    }


def _until(log: Log, enrolments: Enrolments) -> Ints:
    """When all that a learner does in a course is over; his grade and posts follow within days."""
    until = enrolments.starts.copy()
    until[log.active] = log.ends + LATEST_GRADE
    return until


def _rng(stream: int, seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([stream, seed, number])
