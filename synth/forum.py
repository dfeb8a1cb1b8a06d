"""What synthetic learners write in the forums of their courses."""

import math

import numpy as np
import polars as pl

from synth.behaviour import Log
from synth.catalogue import Catalogue
from synth.catalogue_tables import forum_ids
from synth.columns import DAY, Floats, Ints, Mask, constant, kept, long_ids, picked, timestamps
from synth.coursera_preset import Forum
from synth.enrolling import Enrolments
from synth.parts import Part
from synth.people import Learners
from synth.pools import phrases, sentences


def forum(
    log: Log,
    enrolments: Enrolments,
    learners: Learners,
    catalogue: Catalogue,
    *,
    preset: Forum,
    key: str,
    rng: np.random.Generator,
) -> Part:
    """Questions, and answers to earlier questions of the same course.

    Args:
        log: who was active when.
        enrolments: who is where.
        learners: of the block: they answer each other.
        catalogue: the courses.
        preset: who posts how much.
        key: the learner-key column of the tables.
        rng: where chance comes from.
    """
    posters = np.flatnonzero(rng.random(len(log.active)) < preset.posting.value)
    poster = np.repeat(posters, _counts(len(posters), preset, rng))
    span = log.ends - log.begins + DAY
    second = log.begins[poster] + (rng.random(len(poster)) * span[poster]).astype(np.int64)
    entry = log.active[poster]
    order = np.lexsort((second, enrolments.courses[entry]))
    entry, second = entry[order], second[order]
    course = enrolments.courses[entry]
    asks = rng.random(len(entry)) < preset.questions.value
    if len(course):
        asks[np.flatnonzero(np.diff(course, prepend=-1))] = True
    users = picked(learners.domains["discussions"], enrolments.users[entry]).alias(key)
    ids = long_ids(int(asks.sum()), rng)
    updated = second + (rng.exponential(30 * DAY, len(second)) * (rng.random(len(second)) < 0.1))
    when, changed = timestamps(second), timestamps(updated)
    questions = _questions(ids, course[asks], catalogue, rng)
    answers = np.flatnonzero(~asks)
    branch = catalogue.branches_of(course[answers], enrolments.sessions[entry[answers]])
    session = catalogue.first_session[course] + enrolments.sessions[entry]
    text = constant(None, len(answers), pl.String())
    return {
        "discussion_questions": questions.select(
            "discussion_question_id",
            users.filter(pl.Series(asks)),
            *questions.columns[1:],
            when.filter(pl.Series(asks)).alias("discussion_question_created_ts"),
            changed.filter(pl.Series(asks)).alias("discussion_question_updated_ts"),
        ),
        "discussion_answers": pl.DataFrame(
            {
                "discussion_answer_id": long_ids(len(answers), rng),
                key: picked(users, answers),
                "course_id": picked(catalogue.ids, course[answers]),
                "discussion_answer_content": _written(sentences(), len(answers), rng),
                "discussion_question_id": picked(ids, _answered(course, asks, rng)[answers]),
                "discussion_answer_parent_discussion_answer_id": text,
                "discussion_answer_created_ts": picked(when, answers),
                "discussion_answer_updated_ts": picked(changed, answers),
                "on_demand_session_id": picked(catalogue.sessions, session[answers]),
                "course_branch_id": picked(catalogue.branches, branch),
            }
        ),
    }


def _counts(posters: int, preset: Forum, rng: np.random.Generator) -> Ints:
    """Posts of each: lognormal, by median and mean."""
    median = preset.median_posts.value
    spread = math.sqrt(2 * math.log(preset.mean_posts.value / median))
    drawn: Floats = np.rint(median * np.exp(spread * rng.standard_normal(posters)))
    return np.clip(drawn, 1, preset.most_posts.value).astype(np.int64)


def _questions(
    ids: pl.Series, course: Ints, catalogue: Catalogue, rng: np.random.Generator
) -> pl.DataFrame:
    count = len(course)
    module = catalogue.first_module[course] + rng.integers(0, catalogue.module_counts[course])
    of_module = rng.random(count) < 0.7
    nothing = constant(None, count, pl.String())
    context = picked(pl.Series(["course", "module"]), of_module)
    return pl.DataFrame(
        {
            "discussion_question_id": ids,
            "discussion_question_title": _written(phrases(), count, rng),
            "discussion_question_details": _written(sentences(), count, rng),
            "discussion_question_context_type": context,
            "course_id": picked(catalogue.ids, course),
            "course_module_id": kept(picked(catalogue.modules, module), of_module),
            "course_item_id": nothing,
            "discussion_forum_id": picked(forum_ids(catalogue), module),
            "country_cd": nothing,
            "group_id": nothing,
        }
    )


def _answered(course: Ints, asks: Mask, rng: np.random.Generator) -> Ints:
    """The question that each post is about, counted among all: mostly a recent one of its course.

    Args:
        course: of the posts, course by course and by time; the first of each asks.
        asks: whether a post is a question.
        rng: where chance comes from.
    """
    number = np.cumsum(asks)
    before = number - asks
    earlier = before[np.searchsorted(course, course)]
    back = (rng.random(len(course)) ** 3 * (number - earlier)).astype(np.int64)
    return number - 1 - back


def _written(pool: tuple[str, ...], count: int, rng: np.random.Generator) -> pl.Series:
    return picked(pl.Series(pool), rng.integers(0, len(pool), count))
