"""The tables that say what synthetic courses are made of."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from synth.catalogue import LECTURE, PEER_REVIEW, QUIZ, READING, Catalogue
from synth.columns import DAY, Ints, constant, long_ids, offsets, picked, timestamps
from synth.coursera_preset import Grading, Peers
from synth.parts import Part
from synth.pools import CATEGORIES, LEVELS, draw, phrases

NOT_PASSED, PASSED, VERIFIED_PASSED, NOT_PASSABLE = range(4)
STARTED, COMPLETED = 1, 2
PEER_SCORE: Final = 10.0
"""Points of a peer assignment."""
WAIT_FOR_SCORE: Final = DAY
"""For how long work handed in waits for its score."""

_LECTURE_MS: Final = 420_000
_EXPORTED: Final = "2025-01-01"

_TEXT: Final = pl.String()
_NUMBER: Final = pl.Int32()
_TIME: Final = pl.Datetime("us")

_PASSING_STATES: Final = pl.DataFrame(
    {
        "course_passing_state_id": [NOT_PASSED, PASSED, VERIFIED_PASSED, NOT_PASSABLE],
        "course_passing_state_desc": ["not passed", "passed", "verified passed", "not passable"],
    },
    schema_overrides={"course_passing_state_id": _NUMBER},
)
_ITEM_PASSING_STATES: Final = pl.DataFrame(
    {
        "course_item_passing_state_id": [NOT_PASSED, PASSED, VERIFIED_PASSED],
        "course_item_passing_state_desc": ["not passed", "passed", "verified passed"],
    },
    schema_overrides={"course_item_passing_state_id": _NUMBER},
)
_PROGRESS_STATES: Final = pl.DataFrame(
    {
        "course_progress_state_type_id": [STARTED, COMPLETED],
        "course_progress_state_type_desc": ["started", "completed"],
    },
    schema_overrides={"course_progress_state_type_id": _NUMBER},
)
_ITEM_TYPES: Final = pl.DataFrame(
    {
        "course_item_type_id": [LECTURE, READING, QUIZ, PEER_REVIEW],
        "course_item_type_desc": ["lecture", "supplement", "exam", "graded peer"],
        "course_item_type_category": ["lecture", "supplement", "quiz", "peer"],
        "course_item_type_graded": [False, False, True, True],
        "global_item_content_type_id": [None, None, None, None],
        "deprecated": [False, False, False, False],
    },
    schema_overrides={
        "course_item_type_id": _NUMBER,
        "global_item_content_type_id": _NUMBER,
    },
)


def catalogue_tables(
    catalogue: Catalogue, *, grading: Grading, peers: Peers, rng: np.random.Generator
) -> Part:
    """The tables, with the names and columns of the export's data dictionary.

    Args:
        catalogue: the courses.
        grading: when an item is passed.
        peers: how many reviews are asked for.
        rng: where the chance comes from that names and describes.
    """
    pool = phrases()
    items = _items(catalogue, pool, rng)
    modules, lessons = _modules(catalogue, pool, rng), _lessons(catalogue, pool, rng)
    assignments = _peer_items(catalogue)
    return {
        "courses": _courses(catalogue, pool, rng),
        "course_branches": _branches(catalogue),
        "course_modules": modules,
        "course_lessons": lessons,
        "course_items": items,
        "course_branch_modules": _branch_modules(catalogue, modules),
        "course_branch_lessons": _branch_lessons(catalogue, lessons),
        "course_branch_items": _branch_items(catalogue, items),
        "course_item_types": _ITEM_TYPES,
        "on_demand_sessions": _sessions(catalogue),
        "specializations": _specializations(catalogue, pool, rng),
        "specializations_courses": _specialization_courses(catalogue),
        "discussion_course_forums": _forums(catalogue, modules),
        "peer_assignments": _assignments(catalogue, assignments, grading, peers),
        "course_item_peer_assignments": assignments,
        "course_passing_states": _PASSING_STATES,
        "course_item_passing_states": _ITEM_PASSING_STATES,
        "course_progress_state_types": _PROGRESS_STATES,
    }


def forum_ids(catalogue: Catalogue) -> pl.Series:
    """A forum a module of the first branch: module ids repeat in no other course."""
    return catalogue.modules + "-forum"


def _named(pool: Sequence[str], count: int, rng: np.random.Generator) -> pl.Series:
    return picked(pl.Series(pool), rng.integers(0, len(pool), count))


def _courses(catalogue: Catalogue, pool: Sequence[str], rng: np.random.Generator) -> pl.DataFrame:
    count = len(catalogue)
    names = _named(pool, count, rng)
    slugs = [f"{re.sub('[^a-z]+', '-', name.lower())}-{n}" for n, name in enumerate(names)]
    launched = timestamps(catalogue.launches)
    updated = timestamps(catalogue.launches + rng.integers(0, 10_000_000, count))
    text, moment = constant(None, count, _TEXT), constant(None, count, _TIME)
    yes, no = constant(1, count, pl.Boolean()), constant(0, count, pl.Boolean())
    return pl.DataFrame(
        {
            "course_id": catalogue.ids,
            "course_slug": slugs,
            "course_name": names,
            "course_launch_ts": launched,
            "course_update_ts": updated,
            "course_deleted": no,
            "course_graded": yes,
            "course_desc": [f"A course on {name.lower()}." for name in names],
            "course_restricted": no,
            "course_verification_enabled_at_ts": launched,
            "primary_translation_equivalent_course": text,
            "course_preenrollment_ts": moment,
            "estimated_work_load": text,
            "sessions_enabled_at": launched,
            "course_promo_photo_s3_bucket": text,
            "course_promo_photo_s3_key": text,
            "course_level": draw(rng, LEVELS, count),
            "course_planned_launch_date": text,
            "course_header_image_bucket": text,
            "course_header_image_key": text,
            "course_type": constant("standardCourse", count, _TEXT),
            "course_is_limited_to_enterprise": no,
        }
    )


def _branches(catalogue: Catalogue) -> pl.DataFrame:
    count = len(catalogue.branches)
    course = np.repeat(np.arange(len(catalogue)), catalogue.branch_counts)
    second = np.arange(count) > catalogue.first_branch[course]
    launched = timestamps(
        np.where(second, catalogue.second_launches[course], catalogue.launches[course])
    )
    changes = pl.Series([None, "Some videos are new."], dtype=_TEXT)
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, course),
            "course_branch_id": catalogue.branches,
            "course_branch_changes_description": picked(changes, second),
            "authoring_course_branch_name": picked(pl.Series(["Original", "Version 2"]), second),
            "authoring_course_branch_created_ts": launched,
            "authoring_course_branch_launched_ts": launched,
        }
    )


def _modules(catalogue: Catalogue, pool: Sequence[str], rng: np.random.Generator) -> pl.DataFrame:
    course = np.repeat(np.arange(len(catalogue)), catalogue.module_counts)
    order = np.arange(len(course)) - catalogue.first_module[course]
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, course),
            "course_module_id": catalogue.modules,
            "course_module_order": order.astype(np.int32),
            "course_module_name": _named(pool, len(course), rng),
            "course_module_desc": _named(pool, len(course), rng) + ".",
        }
    )


def _lessons(catalogue: Catalogue, pool: Sequence[str], rng: np.random.Generator) -> pl.DataFrame:
    items = catalogue.items
    first = np.flatnonzero(items.order == 0)
    course, module = items.course[first], items.module[first]
    modules = catalogue.first_module[course] + module
    order = np.arange(len(first)) - np.searchsorted(modules, modules)
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, course),
            "course_lesson_id": picked(items.ids, first),
            "course_module_id": picked(catalogue.modules, modules),
            "course_lesson_order": order.astype(np.int32),
            "course_lesson_name": _named(pool, len(first), rng),
        }
    )


def _items(catalogue: Catalogue, pool: Sequence[str], rng: np.random.Generator) -> pl.DataFrame:
    items = catalogue.items
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, items.course),
            "course_item_id": items.ids,
            "course_lesson_id": picked(items.ids, items.lesson),
            "course_item_order": items.order.astype(np.int32),
            "course_item_type_id": items.kind.astype(np.int32),
            "course_item_name": _named(pool, len(items.kind), rng),
            "course_item_optional": ~items.graded,
        }
    )


def _branched(
    catalogue: Catalogue, rows: pl.DataFrame, first: Ints, counts: Ints
) -> tuple[pl.Series, pl.DataFrame]:
    """Rows of courses, repeated for each branch of the course; and the branch of each."""
    course = np.repeat(np.arange(len(catalogue)), catalogue.branch_counts)
    size = counts[course]
    branch = np.repeat(np.arange(len(course)), size)
    place = np.arange(len(branch)) - offsets(size)[branch]
    return (
        picked(catalogue.branches, branch).alias("course_branch_id"),
        rows[(first[course][branch] + place).astype(np.uint32)],
    )


def _branch_modules(catalogue: Catalogue, modules: pl.DataFrame) -> pl.DataFrame:
    branch, rows = _branched(catalogue, modules, catalogue.first_module, catalogue.module_counts)
    return rows.select(
        branch,
        "course_module_id",
        pl.col("course_module_order").alias("course_branch_module_order"),
        pl.col("course_module_name").alias("course_branch_module_name"),
        pl.col("course_module_desc").alias("course_branch_module_desc"),
    )


def _branch_lessons(catalogue: Catalogue, lessons: pl.DataFrame) -> pl.DataFrame:
    items = catalogue.items
    counts = np.bincount(items.course[items.order == 0], minlength=len(catalogue))
    branch, rows = _branched(catalogue, lessons, offsets(counts), counts)
    return rows.select(
        branch,
        "course_lesson_id",
        "course_module_id",
        pl.col("course_lesson_order").alias("course_branch_lesson_order"),
        pl.col("course_lesson_name").alias("course_branch_lesson_name"),
    )


def _branch_items(catalogue: Catalogue, items: pl.DataFrame) -> pl.DataFrame:
    branch, rows = _branched(catalogue, items, catalogue.first_item, catalogue.item_counts)
    kind = pl.col("course_item_type_id")
    text, number = pl.lit(None, _TEXT), pl.lit(None, _NUMBER)
    real, boolean = pl.lit(None, pl.Float64()), pl.lit(None, pl.Boolean())
    return rows.select(
        branch,
        "course_item_id",
        pl.lit(value=False).alias("course_branch_atom_is_frozen"),
        pl.col("course_item_name").alias("course_branch_item_name"),
        (kind >= QUIZ).alias("is_graded"),
        "course_item_type_id",
        text.alias("interaction_id"),
        pl.col("course_item_optional").alias("course_branch_item_optional"),
        "course_lesson_id",
        pl.col("course_item_order").alias("course_branch_item_order"),
        pl.lit(value=False).alias("is_in_honor_lesson"),
        pl.when(kind == LECTURE)
        .then(pl.lit(_LECTURE_MS, _NUMBER))
        .alias("course_branch_item_lecture_duration_ms"),
        text.alias("quiz_assessment_id"),
        (kind == QUIZ).alias("quiz_is_graded"),
        text.alias("global_item_id"),
        number.alias("global_item_version"),
        boolean.alias("is_global_item_version_frozen"),
        real.alias("global_item_time_commitment"),
        real.alias("item_weight_in_course_branch_percentage"),
    )


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


def _specializations(
    catalogue: Catalogue, pool: Sequence[str], rng: np.random.Generator
) -> pl.DataFrame:
    ids = catalogue.specializations
    count = len(ids)
    _, first = np.unique(catalogue.specialization, return_index=True)
    subjects = [_subject(number) for number in catalogue.categories[first]]
    names = _named(pool, count, rng)
    slugs = [f"{re.sub('[^a-z]+', '-', name.lower())}-{n}" for n, name in enumerate(names)]
    text, number = constant(None, count, _TEXT), constant(None, count, _NUMBER)
    return pl.DataFrame(
        {
            "specialization_id": ids,
            "specialization_slug": slugs,
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


def _forums(catalogue: Catalogue, modules: pl.DataFrame) -> pl.DataFrame:
    course = np.repeat(np.arange(len(catalogue)), catalogue.module_counts)
    return modules.select(
        forum_ids(catalogue).alias("discussion_forum_id"),
        picked(catalogue.branches, catalogue.first_branch[course]).alias("course_branch_id"),
        pl.format("Week {}", pl.col("course_module_order") + 1).alias(
            "discussion_course_forum_title"
        ),
        pl.format("Discuss {}", "course_module_name").alias("discussion_course_forum_description"),
        pl.col("course_module_order").alias("discussion_course_forum_order"),
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
