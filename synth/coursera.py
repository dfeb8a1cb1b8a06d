"""A platform in the shape of the Coursera export, part by part."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from synth.behaviour import CERTIFIED, behave, fates, progress
from synth.catalogue import Catalogue, make_catalogue
from synth.catalogue_tables import catalogue_tables
from synth.coursera_preset import CourseraPreset
from synth.enrolling import enrol, memberships, session_memberships, specialization_enrolments
from synth.forum import forum
from synth.grading import grade_items, grade_tables
from synth.parts import BLOCK, Part
from synth.peers import peer_reviews
from synth.people import LEARNER, bridges, learner_key, make_learners, survey

__all__ = ["LEARNER", "coursera_parts"]

# Streams of chance. 1 is that of rights, see `synth.permission`. What one table draws changes no
# other, and a block none that follows it.
_CATALOGUE: Final = 2
_PEOPLE, _ENROLLING, _ACTIVITY, _GRADES, _ROLES, _FORUM, _PEERS, _BRIDGES = range(3, 11)
_NAMES: Final = 11


def coursera_parts(
    preset: CourseraPreset, *, learners: int, courses: int, seed: int
) -> Iterator[Part]:
    """Make a world, part by part; the same arguments give the same parts.

    Referentially sound: whoever stands in a table has a profile, and so have courses and items.
    Time runs forward: join <= membership <= progress <= grade. Timestamps are naive UTC.

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
    names = catalogue_tables(
        catalogue,
        grading=preset.grading,
        peers=preset.peers,
        rng=_rng(_NAMES, seed, 0),
    )
    for number in range(-(-learners // BLOCK)):
        size = min(BLOCK, learners - number * BLOCK)
        block = _block(preset, catalogue, size, seed, number)
        yield block if number else {**names, **survey(preset.people), **block}


def _block(
    preset: CourseraPreset, catalogue: Catalogue, size: int, seed: int, number: int
) -> Part:
    """Everything about the learners of one block. Accounts that teach are among the first."""
    isolated = preset.ids.value == "isolated"
    learners = make_learners(
        size, preset.people, isolated=isolated, rng=_rng(_PEOPLE, seed, number)
    )
    enrolments = enrol(learners, catalogue, preset.enrolling, _rng(_ENROLLING, seed, number))
    rng = _rng(_ACTIVITY, seed, number)
    fate = fates(enrolments, catalogue, preset.outcomes, rng)
    log = behave(
        enrolments, fate, catalogue, outcomes=preset.outcomes, activity=preset.activity, rng=rng
    )
    passed = fate == CERTIFIED
    rng = _rng(_GRADES, seed, number)
    grades = grade_items(log, fate, catalogue, preset.grading, rng)
    people = (enrolments, learners, catalogue)
    graded = grade_tables(grades, log, fate, *people, preset=preset.grading, rng=rng)
    rng = _rng(_ROLES, seed, number)
    tables = {
        "users": learners.users,
        "course_memberships": memberships(
            *people,
            preset.enrolling,
            passed=passed,
            instructors=0 if number else max(1, len(catalogue) // 4),
            rng=rng,
        ),
        "on_demand_session_memberships": session_memberships(*people, preset.enrolling, rng),
        "users_courses__s12n_enrollments": specialization_enrolments(
            *people, preset.enrolling, passed=passed, rng=rng
        ),
        "course_progress": progress(log, *people),
        **graded,
        **forum(
            log,
            *people,
            preset=preset.forum,
            key=learner_key("discussions", isolated=isolated),
            rng=_rng(_FORUM, seed, number),
        ),
        **peer_reviews(
            grades,
            log,
            *people,
            preset=preset.peers,
            key=learner_key("peer_assignments", isolated=isolated),
            rng=_rng(_PEERS, seed, number),
        ),
        "demographics_answers": learners.answers,
    }
    if isolated:
        tables |= bridges(learners, enrolments.users, _rng(_BRIDGES, seed, number))
    return tables


def _rng(stream: int, seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng([stream, seed, number])
