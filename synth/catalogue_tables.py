"""The tables that say what synthetic courses are made of."""

from typing import Final

import numpy as np
import polars as pl

from synth.catalogue import Catalogue
from synth.codes import LECTURE, QUIZ
from synth.columns import Ints, constant, offsets, picked, timestamps
from synth.parts import Part
from synth.pools import LEVELS, draw, slugs, titles

_LECTURE_MS: Final = 420_000

_TEXT: Final = pl.String()
_NUMBER: Final = pl.Int32()
_TIME: Final = pl.Datetime("us")


def catalogue_tables(catalogue: Catalogue, rng: np.random.Generator) -> Part:
    """The tables, with the names and columns of the export's data dictionary.

    Args:
        catalogue: the courses.
        rng: where the chance comes from that names and describes.
    """
    items = _items(catalogue, rng)
    modules, lessons = _modules(catalogue, rng), _lessons(catalogue, rng)
    return {
        "courses": _courses(catalogue, rng),
        "course_branches": _branches(catalogue),
        "course_modules": modules,
        "course_lessons": lessons,
        "course_items": items,
        "course_branch_modules": _branch_modules(catalogue, modules),
        "course_branch_lessons": _branch_lessons(catalogue, lessons),
        "course_branch_items": _branch_items(catalogue, items),
    }


def _courses(catalogue: Catalogue, rng: np.random.Generator) -> pl.DataFrame:
    count = len(catalogue)
    names = titles(count, rng)
    launched = timestamps(catalogue.launches)
    updated = timestamps(catalogue.launches + rng.integers(0, 10_000_000, count))
    text, moment = constant(None, count, _TEXT), constant(None, count, _TIME)
    yes, no = constant(1, count, pl.Boolean()), constant(0, count, pl.Boolean())
    return pl.DataFrame(
        {
            "course_id": catalogue.ids,
            "course_slug": slugs(names),
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


def _modules(catalogue: Catalogue, rng: np.random.Generator) -> pl.DataFrame:
    course = np.repeat(np.arange(len(catalogue)), catalogue.module_counts)
    order = np.arange(len(course)) - catalogue.first_module[course]
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, course),
            "course_module_id": catalogue.modules,
            "course_module_order": order.astype(np.int32),
            "course_module_name": titles(len(course), rng),
            "course_module_desc": titles(len(course), rng) + ".",
        }
    )


def _lessons(catalogue: Catalogue, rng: np.random.Generator) -> pl.DataFrame:
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
            "course_lesson_name": titles(len(first), rng),
        }
    )


def _items(catalogue: Catalogue, rng: np.random.Generator) -> pl.DataFrame:
    items = catalogue.items
    return pl.DataFrame(
        {
            "course_id": picked(catalogue.ids, items.course),
            "course_item_id": items.ids,
            "course_lesson_id": picked(items.ids, items.lesson),
            "course_item_order": items.order.astype(np.int32),
            "course_item_type_id": items.kind.astype(np.int32),
            "course_item_name": titles(len(items.kind), rng),
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
