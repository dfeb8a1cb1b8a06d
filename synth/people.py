"""Synthetic learners: profiles, ids and what they say of themselves in a survey."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import polars as pl

from synth.catalogue import FIRST_LAUNCH
from synth.columns import DAY, Ints, chosen, constant, hashes, kept, picked, timestamps
from synth.coursera_preset import People
from synth.parts import Part
from synth.pools import DEFAULT_LANGUAGE, LANGUAGES

LEARNER: Final = "synth_user_id"
"""The learner-key column: the export names it after the partner, which is `synth`."""

LAST_JOIN: Final = 1_672_531_200  # 2023-01-01 UTC

DOMAINS: Final = ("demographics", "discussions", "peer_assignments")
"""Where an isolated export knows learners by another id."""

BIRTH_YEAR, GENDER, BIRTH_COUNTRY, EDUCATION, EMPLOYMENT = 18, 22, 19, 16, 24
"""`question_id` of the demographic survey."""

_MULTIPLE_CHOICE, _INTEGER = 0, 1  # question_type_id
_QUESTIONS: Final = {
    EDUCATION: "What is the highest level of school you have completed?",
    BIRTH_YEAR: "In what year were you born (please enter 4 digits)?",
    BIRTH_COUNTRY: "In what country were you born?",
    GENDER: "What is your gender?",
    EMPLOYMENT: "Which of the following best describes your current employment status?",
}


@dataclass(frozen=True, slots=True)
class Learners:
    """Learners of a block; everything is by learner.

    Attributes:
        users: the table of that name.
        joins: seconds since 1970.
        countries: where they are, whether or not the profile tells.
        domains: domain of ids -> ids, which are those of `users` in a linked export.
        answers: the table `demographics_answers`.
    """

    users: pl.DataFrame
    joins: Ints
    countries: pl.Series
    domains: Mapping[str, pl.Series]
    answers: pl.DataFrame

    def __len__(self) -> int:
        return len(self.joins)

    @property
    def ids(self) -> pl.Series:
        """The learner keys."""
        return self.users[LEARNER]


def make_learners(
    learners: int,
    people: People,
    *,
    isolated: bool,
    rng: np.random.Generator,
    naming: np.random.Generator,
) -> Learners:
    """Make learners.

    Args:
        learners: how many.
        people: what they are like.
        isolated: whether they have an id of their own in each domain.
        rng: where chance comes from.
        naming: where such ids come from: those of an isolated export are otherwise the same people.
    """
    joins = rng.integers(FIRST_LAUNCH, LAST_JOIN, learners)
    ids = hashes(learners, rng)
    answered = {
        "country_cd": chosen(rng, people.countries.value, learners),
        "reported_or_inferred_gender": chosen(rng, people.genders.value, learners),
        "employment_status": chosen(rng, people.employment.value, learners),
        "educational_attainment": chosen(rng, people.education.value, learners),
    }
    users = _users(ids, joins, answered, people, rng)
    domains = {name: hashes(learners, naming) if isolated else ids for name in DOMAINS}
    key = domains["demographics"].alias(learner_key("demographics", isolated=isolated))
    countries = picked(pl.Series(list(people.countries.value)), answered["country_cd"])
    return Learners(users, joins, countries, domains, _answers(key, joins, answered, people, rng))


def learner_key(domain: str, *, isolated: bool) -> str:
    """The learner-key column of the tables of a domain."""
    return f"synth_{domain}_user_id" if isolated else LEARNER


def survey(people: People) -> Part:
    """The tables that say what was asked, and what could be answered."""
    choices = [
        (question, number + 1, choice)
        for question, shares in _choices(people).items()
        for number, choice in enumerate(shares)
    ]
    kinds = [_INTEGER if q == BIRTH_YEAR else _MULTIPLE_CHOICE for q in _QUESTIONS]
    return {
        "demographics_question_types": pl.DataFrame(
            {
                "question_type_id": pl.Series([0, 1, 2], dtype=pl.Int32),
                "question_type_desc": ["multiple choice", "integer", "text"],
            }
        ),
        "demographics_questions": pl.DataFrame(
            {
                "question_id": pl.Series(list(_QUESTIONS), dtype=pl.Int32),
                "question_type_id": pl.Series(kinds, dtype=pl.Int32),
                "question_desc": list(_QUESTIONS.values()),
            }
        ),
        "demographics_choices": pl.DataFrame(
            choices,
            schema={"question_id": pl.Int32, "choice_id": pl.Int32, "choice_desc": pl.String},
            orient="row",
        ),
    }


def bridges(learners: Learners, users: Ints, rng: np.random.Generator) -> Part:
    """The tables that say which ids of an isolated export are one person's.

    Args:
        learners: of a block.
        users: the learner of each enrolment: outside tools of a course know him by another id.
        rng: where chance comes from.
    """
    keys = {learner_key(name, isolated=True): ids for name, ids in learners.domains.items()}
    return {
        "partner_user_ids": pl.DataFrame(
            {LEARNER: picked(learners.ids, users), "course_user_id": hashes(len(users), rng)}
        ),
        "synth_course_user_ids": pl.DataFrame({LEARNER: learners.ids, **keys}),
    }


def _choices(people: People) -> dict[int, Mapping[str, float]]:
    return {
        EDUCATION: people.education.value,
        BIRTH_COUNTRY: people.countries.value,
        GENDER: people.genders.value,
        EMPLOYMENT: people.employment.value,
    }


def _users(
    ids: pl.Series,
    joins: Ints,
    answered: Mapping[str, np.ndarray],
    people: People,
    rng: np.random.Generator,
) -> pl.DataFrame:
    size, missing = len(ids), people.missing.value

    def known(column: str, values: pl.Series) -> pl.Series:
        share = missing.get(column, 0.0)
        return kept(values, rng.random(size, dtype=np.float32) >= share) if share else values

    def profile(column: str, shares: Mapping[str, float]) -> pl.Series:
        return known(column, picked(pl.Series(list(shares)), answered[column]))

    country = profile("country_cd", people.countries.value)
    spoken = [LANGUAGES.get(code, DEFAULT_LANGUAGE) for code in people.countries.value]
    language = picked(pl.Series(spoken), answered["country_cd"])
    regions, student = people.regions.value, people.student.value
    region = picked(pl.Series(list(regions)), chosen(rng, regions, size))
    studies = picked(pl.Series(list(student)), chosen(rng, student, size))
    return pl.DataFrame(
        {
            LEARNER: ids,
            "user_join_ts": timestamps(joins),
            "country_cd": country,
            "region_cd": kept(known("region_cd", region), country.is_not_null().to_numpy()),
            "profile_language_cd": known("profile_language_cd", language),
            "browser_language_cd": known("browser_language_cd", language),
            "reported_or_inferred_gender": profile(
                "reported_or_inferred_gender", people.genders.value
            ),
            "employment_status": profile("employment_status", people.employment.value),
            "educational_attainment": profile("educational_attainment", people.education.value),
            "student_status": known("student_status", studies),
        }
    )


def _answers(
    key: pl.Series,
    joins: Ints,
    answered: Mapping[str, np.ndarray],
    people: People,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """What those say who answered the survey: what their profile says, or leaves out."""
    who = np.flatnonzero(rng.random(len(key)) < people.surveyed.value)
    when = joins[who] + rng.exponential(100 * DAY, len(who)).astype(np.int64)
    age = _ages(len(who), people, rng)
    year = timestamps(when).dt.year().cast(pl.Int32) - pl.Series(age.astype(np.int32))
    chose = {
        EDUCATION: "educational_attainment",
        BIRTH_COUNTRY: "country_cd",
        GENDER: "reported_or_inferred_gender",
        EMPLOYMENT: "employment_status",
    }
    keys = {key.name: picked(key, who), "submission_ts": timestamps(when)}
    count = len(who)
    parts = [
        _answer(BIRTH_YEAR, keys, constant(None, count, pl.Int32()), year),
        *(
            _answer(
                question,
                keys,
                pl.Series((answered[column][who] + 1).astype(np.int32)),
                constant(None, count, pl.Int32()),
            )
            for question, column in chose.items()
        ),
    ]
    return pl.concat(parts)


def _answer(
    question: int, keys: Mapping[str, pl.Series], choice: pl.Series, number: pl.Series
) -> pl.DataFrame:
    learner, moment = keys
    return pl.DataFrame(
        {
            "question_id": constant(question, len(choice), pl.Int32()),
            learner: keys[learner],
            moment: keys[moment],
            "choice_id": choice,
            "answer_int": number,
        }
    )


def _ages(count: int, people: People, rng: np.random.Generator) -> Ints:
    """Whole years: lognormal above the least age, by the median and the share of those aged 50."""
    least = people.youngest.value
    middle = math.log(people.median_age.value - least)
    upper = NormalDist().inv_cdf(1 - people.aged_50.value)
    spread = (math.log(50 - least) - middle) / upper
    # Nobody is older than 100.
    above = np.minimum(np.exp(middle + spread * rng.standard_normal(count)), 100 - least)
    return (least + above).astype(np.int64)
