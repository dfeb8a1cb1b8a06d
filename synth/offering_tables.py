"""The tables that say how synthetic courses are offered: sessions, forums, peer assignments."""

from typing import Final

import numpy as np
import polars as pl

from synth.catalogue import Catalogue
from synth.columns import DAY, constant, picked, timestamps
from synth.coursera_preset import Grading, Peers
from synth.parts import Part
from synth.pools import CATEGORIES, slugs, titles

PEER_SCORE: Final = 10.0
"""Points of a peer assignment."""
WAIT_FOR_SCORE: Final = DAY
"""For how long work handed in waits for its score."""

_EXPORTED: Final = "2025-01-01"
_TEXT: Final = pl.String()
_NUMBER: Final = pl.Int32()


def offering_tables(
    catalogue: Catalogue, *, grading: Grading, peers: Peers, rng: np.random.Generator
) -> Part:
    """The tables, with the names and columns of the export's data dictionary.

    Args:
        catalogue: the courses.
        grading: when an item is passed.
        peers: how many reviews are asked for.
        rng: where the chance comes from that names.
    """
    assignments = _peer_items(catalogue)
    return {
        "on_demand_sessions": _sessions(catalogue),
        "specializations": _specializations(catalogue, rng),
        "specializations_courses": _specialization_courses(catalogue),
        "discussion_course_forums": _forums(catalogue),
        "peer_assignments": _assignments(catalogue, assignments, grading, peers),
        "course_item_peer_assignments": assignments,
    }


def forum_ids(catalogue: Catalogue) -> pl.Series:
    """A forum a module of the first branch: module ids repeat in no other course."""
    return catalogue.modules + "-forum"


def _sessions(catalogue: Catalogue) -> pl.DataFrame:
    course = np.repeat(np.arange(len(catalogue)), catalogue.session_counts)
    number = np.arange(len(course)) - catalogue.first_session[course]
    begins = catalogue.launches[course] + number * catalogue.session_seconds
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, course),
            "on_demand_session_id": catalogue.sessions,
            "on_demand_sessions_start_ts": timestamps(begins),
            "on_demand_sessions_end_ts": timestamps(begins + catalogue.session_length(course)),
            "on_demand_sessions_enrollment_end_ts": timestamps(begins + 7 * DAY),
            "course_branch_id": picked(catalogue.branches, catalogue.branches_of(course, number)),
        }
    )


def _specializations(catalogue: Catalogue, rng: np.random.Generator) -> pl.DataFrame:
    ids = catalogue.specializations
    count = len(ids)
    _, first = np.unique(catalogue.specialization, return_index=True)
    subjects = [_subject(number) for number in catalogue.categories[first]]
    names = titles(count, rng)
    text, number = constant(None, count, _TEXT), constant(None, count, _NUMBER)
    return pl.DataFrame(
        {
            "specialization_id": ids,
            "specialization_slug": slugs(names),
            "specialization_name": names,
            "specialization_display_page_launch_ts": timestamps(catalogue.launches[first]),
            "sequence_branch_id": text,
            "specialization_version": constant(1, count, _NUMBER),
            "base_specialization_id": ids,
            "specialization_primary_domain": subjects,
            "specialization_primary_subdomain": text,
            "specialization_language": constant("en", count, _TEXT),
            "premium_grading_enabled_courses_count": number,
            "specialization_type": constant("NORMAL", count, _TEXT),
        }
    )


def _subject(number: int) -> str:
    """The name of a category: there are some, then they are numbered."""
    turn, place = divmod(int(number), len(CATEGORIES))
    return CATEGORIES[place] if turn == 0 else f"{CATEGORIES[place]}-{turn + 1}"


def _specialization_courses(catalogue: Catalogue) -> pl.DataFrame:
    order = np.argsort(catalogue.specialization, kind="stable")
    number = catalogue.specialization[order]
    place = np.arange(len(order)) - np.searchsorted(number, number)
    return pl.DataFrame(
        {
            "specialization_id": picked(catalogue.specializations, number),
            "course_id": picked(catalogue.ids, order),
            "current_dt": constant(_EXPORTED, len(order), _TEXT),
            "course_order": (place + 1).astype(np.int32),
            "is_course_capstone": constant(0, len(order), pl.Boolean()),
        }
    )


def _forums(catalogue: Catalogue) -> pl.DataFrame:
    course = np.repeat(np.arange(len(catalogue)), catalogue.module_counts)
    order = pl.Series((np.arange(len(course)) - catalogue.first_module[course]).astype(np.int32))
    week = (order + 1).cast(pl.String)
    return pl.DataFrame(
        {
            "discussion_forum_id": forum_ids(catalogue),
            "course_branch_id": picked(catalogue.branches, catalogue.first_branch[course]),
            "discussion_course_forum_title": "Week " + week,
            "discussion_course_forum_description": "Discuss the material of week " + week,
            "discussion_course_forum_order": order,
        }
    )


def _peer_items(catalogue: Catalogue) -> pl.DataFrame:
    course = np.flatnonzero(catalogue.peer_item >= 0)
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, course),
            "course_item_id": picked(catalogue.items.ids, catalogue.peer_item[course]),
            "peer_assignment_id": picked(catalogue.assignments, course),
        }
    )


def _assignments(
    catalogue: Catalogue, items: pl.DataFrame, grading: Grading, peers: Peers
) -> pl.DataFrame:
    course = np.flatnonzero(catalogue.peer_item >= 0)
    ids, reviews = pl.col("peer_assignment_id"), pl.lit(peers.reviews.value, _NUMBER)
    return items.select(
        ids,
        ids.str.head(-2).alias("peer_assignment_base_id"),
        pl.lit("graded").alias("peer_assignment_type"),
        reviews.alias("peer_assignment_required_review_count"),
        pl.lit(grading.pass_mark.value).alias("peer_assignment_passing_fraction"),
        reviews.alias("peer_assignment_required_reviewer_count_for_score"),
        pl.lit(WAIT_FOR_SCORE * 1_000, _NUMBER).alias("peer_assignment_required_wait_for_score_ms"),
        pl.lit(PEER_SCORE).alias("peer_assignment_maximum_score"),
        timestamps(catalogue.launches[course]).alias("peer_assignment_update_ts"),
        pl.lit(value=False).alias("peer_assignment_is_mentor_graded"),
        pl.lit(value=False).alias("peer_assignment_is_anonymous"),
    )
