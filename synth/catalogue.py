"""Synthetic courses and their items, in the shape of the Coursera export."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from synth.pools import LEVELS, draw, phrases

FIRST_LAUNCH: Final = 1_451_606_400  # 2016-01-01 UTC
LAST_LAUNCH: Final = 1_577_836_800  # 2020-01-01 UTC

_COURSE_ID_BYTES: Final = 16  # 22 characters of URL-safe base64
_ITEM_ID_LENGTH: Final = 5
_ALPHABET: Final = np.frombuffer(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype=np.uint8
)
_FEWEST_ITEMS: Final = 12
_MOST_ITEMS: Final = 60
_ITEMS_A_LESSON: Final = 4
_GRADED_EVERY: Final = 8
_LECTURE, _SUPPLEMENT, _EXAM = 1, 3, 7  # course_item_type_id
_POOL: Final = 2_000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Courses and items; arrays are by course, in the order of `courses`.

    Attributes:
        courses: the table `courses`.
        items: the table `course_items`, course by course and in the order they are taken.
        launches: seconds since 1970.
        first_item: where the course's items start in `items`.
        item_counts: how many items it has.
        graded_counts: how many of them are graded.
    """

    courses: pl.DataFrame
    items: pl.DataFrame
    launches: np.ndarray
    first_item: np.ndarray
    item_counts: np.ndarray
    graded_counts: np.ndarray


def make_catalogue(courses: int, *, rng: np.random.Generator, seed: int) -> Catalogue:
    """Make courses and their items.

    Args:
        courses: how many.
        rng: where chance comes from.
        seed: of the pools of text.
    """
    ids = [_course_id(rng) for _ in range(courses)]
    launches = rng.integers(FIRST_LAUNCH, LAST_LAUNCH, courses)
    counts = rng.integers(_FEWEST_ITEMS, _MOST_ITEMS + 1, courses)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = np.arange(counts.sum()) - np.repeat(first, counts)
    graded = place % _GRADED_EVERY == _GRADED_EVERY - 1
    pool = phrases(_POOL, seed=seed)
    course_ids = pl.Series(ids).gather(np.repeat(np.arange(courses), counts))
    return Catalogue(
        courses=_courses(ids, launches, pool, rng),
        items=_items(course_ids, place, graded, pool, rng),
        launches=launches,
        first_item=first,
        item_counts=counts,
        graded_counts=counts // _GRADED_EVERY,
    )


def timestamps(seconds: np.ndarray) -> pl.Series:
    """Seconds since 1970 as naive UTC timestamps, as the export has them."""
    return pl.from_epoch(pl.Series(seconds.astype(np.int64)), time_unit="s").cast(pl.Datetime("us"))


def texts(characters: np.ndarray) -> pl.Series:
    """Rows of ASCII codes as texts."""
    width = characters.shape[1]
    return pl.Series(np.ascontiguousarray(characters).view(f"S{width}").ravel().astype(str))


def _course_id(rng: np.random.Generator) -> str:
    return base64.urlsafe_b64encode(rng.bytes(_COURSE_ID_BYTES)).decode().rstrip("=")


def _courses(
    ids: list[str], launches: np.ndarray, pool: Sequence[str], rng: np.random.Generator
) -> pl.DataFrame:
    names = [pool[code] for code in rng.integers(0, len(pool), len(ids))]
    slugs = [f"{re.sub('[^a-z]+', '-', name.lower())}-{n}" for n, name in enumerate(names)]
    launched = timestamps(launches)
    text, timestamp = pl.String(), pl.Datetime("us")
    return pl.DataFrame(
        {
            "course_id": ids,
            "course_slug": slugs,
            "course_name": names,
            "course_launch_ts": launched,
            "course_update_ts": timestamps(launches + rng.integers(0, 10_000_000, len(ids))),
            "course_desc": [f"A course on {name.lower()}." for name in names],
            "course_level": draw(rng, LEVELS, len(ids)),
        }
    ).select(
        "course_id", "course_slug", "course_name", "course_launch_ts", "course_update_ts",
        pl.lit(value=False).alias("course_deleted"),
        pl.lit(value=True).alias("course_graded"),
        "course_desc",
        pl.lit(value=False).alias("course_restricted"),
        pl.col("course_launch_ts").alias("course_verification_enabled_at_ts"),
        pl.lit(None, text).alias("primary_translation_equivalent_course"),
        pl.lit(None, timestamp).alias("course_preenrollment_ts"),
        pl.lit(None, text).alias("estimated_work_load"),
        pl.lit(None, timestamp).alias("sessions_enabled_at"),
        pl.lit(None, text).alias("course_promo_photo_s3_bucket"),
        pl.lit(None, text).alias("course_promo_photo_s3_key"),
        "course_level",
        pl.lit(None, text).alias("course_planned_launch_date"),
        pl.lit(None, text).alias("course_header_image_bucket"),
        pl.lit(None, text).alias("course_header_image_key"),
        pl.lit("standardCourse").alias("course_type"),
        pl.lit(value=False).alias("course_is_limited_to_enterprise"),
    )  # fmt: skip


def _items(
    courses: pl.Series,
    place: np.ndarray,
    graded: np.ndarray,
    pool: Sequence[str],
    rng: np.random.Generator,
) -> pl.DataFrame:
    lecture = rng.random(len(place)) < 0.8
    kinds = np.where(graded, _EXAM, np.where(lecture, _LECTURE, _SUPPLEMENT))
    names = pl.Series(pool).gather(rng.integers(0, len(pool), len(place)))
    order = place % _ITEMS_A_LESSON
    # A lesson is named by the id of its first item: unique within a course, as in the export.
    ids = _short_ids(len(place), rng)
    return pl.DataFrame(
        {
            "course_id": courses,
            "course_item_id": ids,
            "course_lesson_id": ids.gather(np.arange(len(place)) - order),
            "course_item_order": order.astype(np.int32),
            "course_item_type_id": kinds.astype(np.int32),
            "course_item_name": names,
            "course_item_optional": ~graded,
        }
    )


def _short_ids(count: int, rng: np.random.Generator) -> pl.Series:
    """Different ids of five letters and digits."""
    base = len(_ALPHABET)
    numbers = rng.choice(base**_ITEM_ID_LENGTH, size=count, replace=False)
    digits = numbers[:, None] // base ** np.arange(_ITEM_ID_LENGTH) % base
    return texts(_ALPHABET[digits])
