"""What synthetic learners write in the forums of their courses."""

import math
from typing import Final

import numpy as np
import polars as pl

from synth.behaviour import Log
from synth.columns import DAY, Floats, Ints, Mask, constant, kept, long_ids, picked, timestamps
from synth.coursera_preset import Forum
from synth.enrolling import Block
from synth.offering_tables import forum_ids
from synth.parts import Part
from synth.pools import texts, titles

_EDITED: Final = 0.1
_ABOUT_A_MODULE: Final = 0.7


def forum(log: Log, block: Block, *, preset: Forum, key: str, rng: np.random.Generator) -> Part:
    """Questions, and answers to earlier questions of the same course.

    Args:
        log: who was active when.
        block: who is where: they answer each other.
        preset: who posts how much.
        key: the learner-key column of the tables.
        rng: where chance comes from.
    """
    posters = np.flatnonzero(rng.random(len(log.active)) < preset.posting.value)
    poster = np.repeat(posters, _counts(len(posters), preset, rng))
    span = log.ends - log.begins + DAY
    second = log.begins[poster] + (rng.random(len(poster)) * span[poster]).astype(np.int64)
    entry = log.active[poster]
    order = np.lexsort((second, block.enrolments.courses[entry]))
    entry, second = entry[order], second[order]
    course = block.enrolments.courses[entry]
    # Whoever comes first has nothing to answer.
    asks = rng.random(len(entry)) < preset.questions.value
    asks |= np.diff(course, prepend=-1) > 0
    edited = rng.exponential(30 * DAY, len(entry)) * (rng.random(len(entry)) < _EDITED)
    moments = pl.DataFrame(
        {"created": timestamps(second), "updated": timestamps(second + edited.astype(np.int64))}
    )
    ids = long_ids(int(asks.sum()), rng)
    about = picked(ids, _answered(course, asks, rng)[~asks])
    return {
        "discussion_questions": _questions(
            ids, entry[asks], moments.filter(pl.Series(asks)), block, key=key, rng=rng
        ),
        "discussion_answers": _answers(
            about, entry[~asks], moments.filter(pl.Series(~asks)), block, key=key, rng=rng
        ),
    }


def _counts(posters: int, preset: Forum, rng: np.random.Generator) -> Ints:
    """Posts of each: lognormal, by median and mean."""
    median = preset.median_posts.value
    spread = math.sqrt(2 * math.log(preset.mean_posts.value / median))
    drawn: Floats = np.rint(median * np.exp(spread * rng.standard_normal(posters)))
    return np.clip(drawn, 1, preset.most_posts.value).astype(np.int64)


def _questions(
    ids: pl.Series,
    entry: Ints,
    moments: pl.DataFrame,
    block: Block,
    *,
    key: str,
    rng: np.random.Generator,
) -> pl.DataFrame:
    count, catalogue = len(entry), block.catalogue
    course = block.enrolments.courses[entry]
    module = catalogue.first_module[course] + rng.integers(0, catalogue.module_counts[course])
    of_module = rng.random(count) < _ABOUT_A_MODULE
    nothing = constant(None, count, pl.String())
    return pl.DataFrame(
        {
            "discussion_question_id": ids,
            key: block.users_in("discussions", entry),
            "discussion_question_title": titles(count, rng),
            "discussion_question_details": texts(count, rng),
            "discussion_question_context_type": picked(pl.Series(["course", "module"]), of_module),
            "course_id": block.courses(entry),
            "course_module_id": kept(picked(catalogue.modules, module), of_module),
            "course_item_id": nothing,
            "discussion_forum_id": picked(forum_ids(catalogue), module),
            "country_cd": nothing,
            "group_id": nothing,
            "discussion_question_created_ts": moments["created"],
            "discussion_question_updated_ts": moments["updated"],
        }
    )


def _answers(
    questions: pl.Series,
    entry: Ints,
    moments: pl.DataFrame,
    block: Block,
    *,
    key: str,
    rng: np.random.Generator,
) -> pl.DataFrame:
    count, catalogue, enrolments = len(entry), block.catalogue, block.enrolments
    session = catalogue.first_session[enrolments.courses[entry]] + enrolments.sessions[entry]
    return pl.DataFrame(
        {
            "discussion_answer_id": long_ids(count, rng),
            key: block.users_in("discussions", entry),
            "course_id": block.courses(entry),
            "discussion_answer_content": texts(count, rng),
            "discussion_question_id": questions,
            "discussion_answer_parent_discussion_answer_id": constant(None, count, pl.String()),
            "discussion_answer_created_ts": moments["created"],
            "discussion_answer_updated_ts": moments["updated"],
            "on_demand_session_id": picked(catalogue.sessions, session),
            "course_branch_id": block.branches(entry),
        }
    )


def _answered(course: Ints, asks: Mask, rng: np.random.Generator) -> Ints:
    """The question that each post is about, counted among all: mostly a recent one of its course.

    Args:
        course: of the posts, course by course and by time; the first of each asks.
        asks: whether a post is a question.
        rng: where chance comes from.
    """
    number: Ints = np.cumsum(asks)
    earlier: Ints = (number - asks)[np.searchsorted(course, course)]
    back = (rng.random(len(course)) ** 3 * (number - earlier)).astype(np.int64)
    return number - 1 - back
