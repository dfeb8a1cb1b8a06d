"""Work that synthetic learners hand in, and what they say of each other's."""

from typing import Final

import numpy as np
import polars as pl

from synth.behaviour import Log
from synth.columns import DAY, Ints, constant, kept, long_ids, picked, timestamps
from synth.coursera_preset import Peers
from synth.enrolling import Block
from synth.grading import ItemGrades
from synth.offering_tables import PEER_SCORE, WAIT_FOR_SCORE
from synth.parts import Part
from synth.pools import titles

_MOST_RATING: Final = 5


def peer_reviews(
    grades: ItemGrades,
    log: Log,
    block: Block,
    *,
    preset: Peers,
    key: str,
    rng: np.random.Generator,
) -> Part:
    """Submissions to peer-reviewed items, and reviews by others who submitted to the same item.

    Args:
        grades: of items, some of which peers review.
        log: who completed them when.
        block: who is where: they review each other.
        preset: how many reviews.
        key: the learner-key column of the tables.
        rng: where chance comes from.
    """
    catalogue, courses = block.catalogue, block.enrolments.courses
    of_peers = catalogue.peer_item[courses[log.entry[grades.row]]] == log.item[grades.row]
    row = np.flatnonzero(of_peers)
    row = row[np.argsort(courses[log.entry[grades.row[row]]], kind="stable")]
    entry, created = log.entry[grades.row[row]], log.completed[grades.row[row]]
    ids = long_ids(len(row), rng)
    no, never = constant(0, len(row), pl.Boolean()), constant(None, len(row), pl.Datetime("us"))
    submissions = pl.DataFrame(
        {
            "peer_submission_id": ids,
            "peer_assignment_id": picked(catalogue.assignments, courses[entry]),
            key: block.users_in("peer_assignments", entry),
            "peer_submission_created_ts": timestamps(created),
            "peer_submission_is_draft": no,
            "peer_submission_title": titles(len(row), rng),
            "peer_submission_removed_from_public_ts": never,
            "peer_submission_score_available_ts": timestamps(created + WAIT_FOR_SCORE),
            "peer_submission_score": (grades.grade[row] * PEER_SCORE).round(1),
            "peer_submission_is_mentor_graded": no,
        }
    )
    work, reviewer = _pairings(courses[entry], preset, rng)
    # Nobody reviews before his own work is in.
    later = np.maximum(created[work], created[reviewer])
    return {
        "peer_submissions": submissions,
        "peer_reviews": _reviews(
            picked(ids, work),
            block.users_in("peer_assignments", entry[reviewer]).alias(key),
            later + rng.exponential(2 * DAY, len(work)).astype(np.int64),
            preset=preset,
            rng=rng,
        ),
    }


def _pairings(course: Ints, preset: Peers, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Whose work is reviewed by whom: each reviews the next few of his course, round and round."""
    size = len(course)
    first = np.searchsorted(course, course)
    count = np.searchsorted(course, course, side="right") - first
    reviewer = np.repeat(np.arange(size), preset.reviews.value)
    step = np.tile(np.arange(1, preset.reviews.value + 1), size)
    does = (step < count[reviewer]) & (rng.random(len(step)) < preset.reviewing.value)
    reviewer, step = reviewer[does], step[does]
    place = (reviewer - first[reviewer] + step) % count[reviewer]
    return first[reviewer] + place, reviewer


def _reviews(
    work: pl.Series,
    reviewer: pl.Series,
    seconds: Ints,
    *,
    preset: Peers,
    rng: np.random.Generator,
) -> pl.DataFrame:
    count = len(work)
    rated = rng.random(count) < preset.rated.value
    after = timestamps(seconds + rng.integers(DAY, 10 * DAY, count))
    rating = rng.integers(1, _MOST_RATING + 1, count).astype(np.int32)
    return pl.DataFrame(
        {
            "peer_review_id": long_ids(count, rng),
            "peer_submission_id": work,
            reviewer.name: reviewer,
            "peer_review_created_ts": timestamps(seconds),
            "peer_review_first_visible_to_submitter_ts": timestamps(seconds + DAY),
            "peer_review_marked_helpful_ts": kept(after, rated & (rating == _MOST_RATING)),
            "peer_review_rated_ts": kept(after, rated),
            "peer_review_rating": kept(pl.Series(rating), rated),
            "peer_review_is_mentor_review": constant(0, count, pl.Boolean()),
        }
    )
