"""The figures that were published of open online courses, of a world in the Coursera shape."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from synth.agreement import correlation, mean, quantile, ratio
from synth.mooc_published import WEEKLY

_STARTED: Final = 1  # course_progress_state_type_id
_PASSING: Final = (1, 2)  # course_passing_state_id
_BIRTH_YEAR: Final = 18  # question_id
_POPULAR: Final = 200
"""Registrations from which a course's share of passes means something."""
_MEDIAN_PASSES: Final = 0.126
"""The published median of courses' shares of passes."""
_HALF_A_DAY: Final = 12
_LONGEST_GAP: Final = 20
_LEVELS: Final = (
    "LESS_THAN_HIGH_SCHOOL_DIPLOMA", "HIGH_SCHOOL_DIPLOMA", "COLLEGE_NO_DEGREE",
    "ASSOCIATE_DEGREE", "BACHELOR_DEGREE", "MASTERS_DEGREE", "PROFESSIONAL_DEGREE",
    "DOCTORATE_DEGREE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Enrolments:
    """Registrations, and what became of each.

    Attributes:
        rows: columns learner, course, items (of the course), started (of these), days (with
            progress), completed (an item), passed.
        started: progress rows of the first state: learner, course, item, ts.
    """

    rows: pl.DataFrame
    started: pl.DataFrame


def mooc_figures(tables: Mapping[str, pl.DataFrame]) -> dict[str, float]:
    """The figures of `MOOC_FIGURES`, of the tables of a world in the Coursera shape."""
    enrolments = _enrolments(tables)
    return dict(
        [
            *_funnel(enrolments.rows),
            *_by_course(enrolments.rows),
            *_people(tables),
            *_courses_of_learners(enrolments.rows, tables),
            *_days(enrolments),
            *_posts(enrolments.rows, tables),
            *_weeks(enrolments, tables),
            *_grades(tables["course_grades"]["course_grade_overall"].drop_nulls()),
        ]
    )


def _enrolments(tables: Mapping[str, pl.DataFrame]) -> _Enrolments:
    key = ["learner", "course"]
    registered = (
        _named(tables["course_memberships"])
        .filter(course_membership_role="LEARNER")
        .select(key)
        .unique(maintain_order=True)
    )
    progress = _named(tables["course_progress"]).rename(
        {"course_item_id": "item", "course_progress_ts": "ts"}
    )
    first = pl.col("course_progress_state_type_id") == _STARTED
    done = progress.group_by(key).agg(
        pl.col("item").filter(first).n_unique().alias("started"),
        pl.col("ts").dt.date().n_unique().alias("days"),
        (~first).any().alias("completed"),
    )
    passed = (
        _named(tables["course_grades"])
        .filter(pl.col("course_passing_state_id").is_in(_PASSING))
        .select(*key, pl.lit(value=True).alias("passed"))
    )
    items = tables["course_items"].group_by("course_id").len("items")
    rows = (
        registered.join(items, left_on="course", right_on="course_id", how="left")
        .join(done, on=key, how="left")
        .join(passed, on=key, how="left")
        .with_columns(
            pl.col("started", "days").fill_null(0),
            pl.col("completed", "passed").fill_null(value=False),
        )
    )
    return _Enrolments(rows, progress.filter(first).select(*key, "item", "ts"))


def _named(table: pl.DataFrame) -> pl.DataFrame:
    """The keys under one name each, whatever domain of ids the table belongs to."""
    (learner,) = [column for column in table.columns if column.endswith("_user_id")]
    return table.rename({learner: "learner", "course_id": "course"})


def _funnel(rows: pl.DataFrame) -> Iterator[tuple[str, float]]:
    passed, entered = rows["passed"], rows["started"] > 0
    half = rows["started"] * 2 >= rows["items"]
    registrations = ratio(rows.height, rows["learner"].n_unique())
    yield "registrations a learner", registrations
    yield "registrations a learner of the whole platform", registrations
    yield "never enter", mean(~entered & ~passed)
    yield "view less than half", mean(entered & ~half & ~passed)
    yield "explore", mean(half & ~passed)
    yield "certify", mean(passed)
    yield "no-shows: complete nothing", mean(~rows["completed"])


def _by_course(rows: pl.DataFrame) -> Iterator[tuple[str, float]]:
    courses = (
        rows.group_by("course")
        .agg(pl.len(), pl.col("items").first(), pl.col("passed").mean())
        .filter(pl.col("len") >= _POPULAR)
    )
    for name, level in (("least", 0.0), ("median", 0.5), ("most", 1.0)):
        yield f"courses' shares of passes, {name}", quantile(courses["passed"], level)
    yield "courses of which more than 12.6% pass", mean(courses["passed"] > _MEDIAN_PASSES)
    yield "correlation of passes with length", correlation(courses["items"], courses["passed"])


def _people(tables: Mapping[str, pl.DataFrame]) -> Iterator[tuple[str, float]]:
    users = tables["users"]
    gender = users["reported_or_inferred_gender"]
    yield "women, of those whose gender is known", mean(gender.drop_nulls() == "female")
    yield "gender missing", mean(gender.is_null())
    yield "employment missing", mean(users["employment_status"].is_null())
    level = (
        users["educational_attainment"]
        .drop_nulls()
        .replace_strict({name: n for n, name in enumerate(_LEVELS, 1)}, return_dtype=pl.Int64)
    )
    yield "up to high school, of the known", mean(level <= 2)
    yield "median education: 5 is a bachelor's degree", quantile(level, 0.5)
    country = users["country_cd"].drop_nulls()
    yield "learners in the US", mean(country == "US")
    yield "learners in India", mean(country == "IN")
    born = tables["demographics_answers"].filter(question_id=_BIRTH_YEAR)
    age = born["submission_ts"].dt.year() - born["answer_int"]
    yield "median age", quantile(age, 0.5)
    yield "aged 50 and older", mean(age >= 50)


def _courses_of_learners(
    rows: pl.DataFrame, tables: Mapping[str, pl.DataFrame]
) -> Iterator[tuple[str, float]]:
    counts = rows.group_by("learner").len()["len"]
    yield "learners in one course", mean(counts == 1)
    yield "learners in two courses", mean(counts == 2)
    yield "learners in three and more courses", mean(counts >= 3)
    yield "most courses of a learner", quantile(counts, 1.0)
    sizes = rows.group_by("course").len()["len"].sort(descending=True)
    sizes = sizes.filter(sizes >= _POPULAR)
    yield "Zipf exponent of course popularity", -_slope(sizes)
    subject = (
        tables["specializations_courses"]
        .join(tables["specializations"], on="specialization_id")
        .select(pl.col("course_id").alias("course"), pl.col("specialization_primary_domain"))
        .unique("course", keep="first", maintain_order=True)
    )
    taken = rows.select("learner", "course").join(subject, on="course")
    pairs = taken.join(taken, on="learner").filter(pl.col("course") < pl.col("course_right"))
    domain = "specialization_primary_domain"
    together = mean(pairs[domain] == pairs[f"{domain}_right"])
    shares = taken[domain].value_counts(normalize=True)["proportion"].to_numpy()
    yield "pairs of courses in one subject, to chance", ratio(together, float((shares**2).sum()))


def _slope(sizes: pl.Series) -> float:
    """Of log size on log rank; NaN for fewer than two sizes."""
    if len(sizes) < 2:
        return math.nan
    ranks = np.arange(1, len(sizes) + 1)
    return float(np.polyfit(np.log(ranks), np.log(sizes.to_numpy()), 1)[0])


def _days(enrolments: _Enrolments) -> Iterator[tuple[str, float]]:
    rows = enrolments.rows
    viewed = rows.filter(~pl.col("passed"), pl.col("started") > 0)
    viewed = viewed.filter(pl.col("started") * 2 < pl.col("items"))
    yield "active days of who views less than half, mean", mean(viewed["days"])
    yield "active days of the certified, mean", mean(rows.filter("passed")["days"])
    moments = enrolments.started.sort("learner", "course", "ts")
    gap = moments.select(pl.col("ts").diff().over("learner", "course").dt.total_seconds() / 3600)
    hours = gap.to_series().drop_nulls()
    long = hours.filter(hours >= _HALF_A_DAY)
    rest = long % 24
    yield "gaps within 3 hours of whole days", mean((rest <= 3) | (rest >= 21))
    days = (long / 24).round().cast(pl.Int64)
    counts = days.filter(days.is_between(1, _LONGEST_GAP)).value_counts(name="count")
    yield (
        "gaps in days: correlation of log number with log gap",
        correlation(counts["ts"].log(), counts["count"].log()),
    )


def _posts(rows: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> Iterator[tuple[str, float]]:
    posts = pl.concat(
        _named(tables[name]).select("learner", "course")
        for name in ("discussion_questions", "discussion_answers")
    )
    counts = posts.group_by("learner", "course").len()["len"]
    yield "post, of who enters", ratio(len(counts), int((rows["started"] > 0).sum()))
    yield "posts of a poster, mean", mean(counts)
    yield "posts of a poster, median", quantile(counts, 0.5)
    yield "posts of a poster, most", quantile(counts, 1.0)


def _weeks(
    enrolments: _Enrolments, tables: Mapping[str, pl.DataFrame]
) -> Iterator[tuple[str, float]]:
    """A module is a week; shares are of the registrations in courses that have that week."""
    kinds = tables["course_item_types"].filter(course_item_type_desc="lecture")
    on = ["course_id", "course_lesson_id"]
    videos = (
        tables["course_items"]
        .join(kinds, on="course_item_type_id", how="semi")
        .join(tables["course_lessons"], on=on)
        .join(tables["course_modules"], on=["course_id", "course_module_id"])
        .select(
            pl.col("course_id").alias("course"),
            pl.col("course_item_id").alias("item"),
            (pl.col("course_module_order") + 1).alias("week"),
        )
    )
    seen = (
        enrolments.started.join(videos, on=["course", "item"])
        .select("learner", "course", "week")
        .unique()
    )
    for week in range(1, len(WEEKLY) + 1):
        having = videos.filter(week=week).select("course").unique()
        of = enrolments.rows.join(having, on="course", how="semi").height
        yield f"start a video of week {week}", ratio(seen.filter(week=week).height, of)


def _grades(grades: pl.Series) -> Iterator[tuple[str, float]]:
    yield "grades of 0", mean(grades == 0)
    above = grades.filter(grades > 0.5).to_numpy()
    counts, edges = np.histogram(above, bins=np.linspace(0.5, 1, 6))
    middle = edges[:-1] + np.diff(edges) / 2
    yield "commonest tenth of grades above one half, its middle", float(middle[counts.argmax()])
