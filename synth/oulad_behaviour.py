"""What learners do in a world of OULAD's kind: register, click, hand in, and perhaps leave."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from synth.oulad_catalogue import OuladCatalogue
from synth.oulad_learners import Studies
from synth.oulad_preset import RESULTS, AssessmentType, OuladPreset, Quantiles

_WITHDRAWN: Final = RESULTS.index("Withdrawn")
_FAIL: Final = RESULTS.index("Fail")
_KINDS: Final[tuple[AssessmentType, ...]] = ("TMA", "CMA", "Exam")
_LOGISTIC_SPREAD: Final = math.pi / math.sqrt(3)


@dataclass(frozen=True, slots=True)
class Stays:
    """From when to when learners are there; arrays by row of `studentInfo`.

    Attributes:
        registered: day of registration.
        last: last day on which something may happen: the withdrawn leave on it.
        length: how long they stay, as a rank from 0 to 1 among those with the same result.
        registration: the table `studentRegistration`.
    """

    registered: np.ndarray
    last: np.ndarray
    length: np.ndarray
    registration: pl.DataFrame


def make_stays(
    preset: OuladPreset, catalogue: OuladCatalogue, studies: Studies, rng: np.random.Generator
) -> Stays:
    """Let learners register, and let the withdrawn leave.

    Args:
        preset: the parameters.
        catalogue: the presentations.
        studies: who is where, and how it ends.
        rng: where chance comes from.
    """
    size = studies.info.height
    days = catalogue.presentations.days[studies.presentation]
    length = rng.random(size)
    registered = _day(preset.registration.value, rng.random(size))
    left = studies.result == _WITHDRAWN
    last = _day(preset.unregistration.value, length)
    for result, quantiles in preset.last_active.value.items():
        there = studies.result == RESULTS.index(result)
        share = _share_among_clickers(preset, studies.result, length)
        last = np.where(there, np.rint(days * _value(quantiles, share)).astype(np.int64), last)
    last = np.maximum(np.minimum(last, days), registered)
    lost = left & (rng.random(size) < preset.registration_missing.value)
    untold = left & (rng.random(size) < preset.unregistration_missing.value)
    table = studies.info.select(
        "code_module",
        "code_presentation",
        "id_student",
        pl.Series("date_registration", registered.astype(np.int32)).set(pl.Series(lost), None),
        pl.Series("date_unregistration", last.astype(np.int32)).set(
            pl.Series(~left | untold), None
        ),
    )
    return Stays(registered=registered, last=last, length=length, registration=table)


def make_clicks(
    preset: OuladPreset,
    catalogue: OuladCatalogue,
    studies: Studies,
    stays: Stays,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """The table `studentVle`: one row a learner, active day and some site, adding up exactly.

    Args:
        preset: the parameters.
        catalogue: the sites.
        studies: who is where.
        stays: from when to when.
        rng: where chance comes from.
    """
    clicks = _clicks(preset, studies.result, stays.length, rng)
    who = np.flatnonzero(clicks)
    clicks, last = clicks[who], stays.last[who]
    first = _day(preset.first_active.value, rng.random(len(who)))
    first = np.clip(first, stays.registered[who], last)
    span = last - first + 1
    model = preset.active_days.value
    wanted = model.intercept + model.slope * np.log(clicks)
    wanted = np.exp(wanted + model.spread * rng.standard_normal(len(who)))
    active = np.clip(np.rint(wanted), 1, np.minimum(clicks, span)).astype(np.int64)
    rows = np.minimum(np.rint(active * preset.sites_a_day.value).astype(np.int64), clicks)
    day_of, day_place = _places(active)
    # The span is cut in as many pieces as there are active days: one day of each.
    start = day_place * span[day_of] // active[day_of]
    width = (day_place + 1) * span[day_of] // active[day_of] - start
    days = first[day_of] + start + (rng.random(len(start)) * width).astype(np.int64)
    row_of, row_place = _places(rows)
    day = (np.cumsum(active) - active)[row_of] + row_place * active[row_of] // rows[row_of]
    entry = who[row_of]
    at = studies.presentation[entry] + rng.random(len(entry))
    site = np.searchsorted(catalogue.site_weights, at, side="right")
    keys = studies.info.select("code_module", "code_presentation", "id_student")
    rows_of: pl.DataFrame = keys[entry]
    return rows_of.with_columns(
        pl.Series("id_site", catalogue.site_ids[site]),
        pl.Series("date", days[day].astype(np.int32)),
        pl.Series("sum_click", _split(clicks, rows, row_of, rng).astype(np.int32)),
    )


def make_scores(
    preset: OuladPreset,
    catalogue: OuladCatalogue,
    studies: Studies,
    stays: Stays,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """The table `studentAssessment`: what was handed in, and its score.

    Args:
        preset: the parameters.
        catalogue: what is due.
        studies: who is where.
        stays: until when; those who pass see every assessment, and who fails may sit the exam.
        rng: where chance comes from.
    """
    due = catalogue.due
    counts = np.bincount(due["presentation"], minlength=len(catalogue.presentations.days))
    entry, place = _places(counts[studies.presentation])
    task = (np.cumsum(counts) - counts)[studies.presentation[entry]] + place
    kind = due["assessment_type"].replace_strict(
        {name: number for number, name in enumerate(_KINDS)}, return_dtype=pl.Int64
    )
    kinds, dues, result = kind.to_numpy()[task], due["due"].to_numpy()[task], studies.result[entry]
    there = (dues <= stays.last[entry]) | (kinds == _KINDS.index("Exam")) | (result < _FAIL)
    chance = np.array([[preset.submitted.value[k][r] for r in RESULTS] for k in _KINDS])
    handed = there & (rng.random(len(entry)) < chance[kinds, result])
    entry, task, kinds, dues, result = (a[handed] for a in (entry, task, kinds, dues, result))
    size = len(entry)
    late = np.array([preset.lateness.value[k] for k in _KINDS])[kinds]
    day = np.rint(dues + late[:, 0] + late[:, 1] * rng.standard_normal(size)).astype(np.int64)
    day = np.where(result == _WITHDRAWN, np.minimum(day, stays.last[entry]), day)
    before = studies.info["num_of_prev_attempts"].to_numpy()[entry] > 0
    banked = before & (rng.random(size) < preset.banked.value)
    person = rng.standard_normal(studies.info.height)[entry]
    score = pl.Series("score", _scores(preset, kinds=kinds, result=result, person=person, rng=rng))
    return pl.DataFrame(
        {
            "id_assessment": due["id_assessment"].gather(task),
            "id_student": studies.info["id_student"].gather(entry),
            "date_submitted": np.where(banked, -1, np.maximum(day, 0)).astype(np.int32),
            "is_banked": banked.astype(np.int32),
            "score": score.set(pl.Series(rng.random(size) < preset.score_missing.value), None),
        }
    )


def _value(quantiles: Quantiles, shares: np.ndarray) -> np.ndarray:
    known, values = zip(*quantiles, strict=True)
    found: np.ndarray = np.interp(shares, known, values)
    return found


def _day(quantiles: Quantiles, shares: np.ndarray) -> np.ndarray:
    days: np.ndarray = np.rint(_value(quantiles, shares)).astype(np.int64)
    return days


def _by_result(values: Mapping[str, float], result: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.array([values[name] for name in RESULTS])[result]
    return found


def _share_among_clickers(
    preset: OuladPreset, result: np.ndarray, length: np.ndarray
) -> np.ndarray:
    """The rank of a stay among those who click; negative for the shortest stays, without any."""
    none = _by_result({name: c.none for name, c in preset.clicks.value.items()}, result)
    rank: np.ndarray = (length - none) / (1 - none)
    return rank


def _clicks(
    preset: OuladPreset, result: np.ndarray, length: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Clicks in the presentation: the shortest stays have none, the next hardly any."""
    by_result = preset.clicks.value
    rank = _share_among_clickers(preset, result, length)
    hardly = _by_result({name: c.near_zero for name, c in by_result.items()}, result)
    median = _by_result({name: c.median for name, c in by_result.items()}, result)
    spread = _by_result({name: c.spread for name, c in by_result.items()}, result)
    # A logistic score of the rank stands in for a normal one: its median is zero too.
    inner = np.clip((rank - hardly) / (1 - hardly), 1e-9, 1 - 1e-9)
    score = np.log(inner / (1 - inner)) / _LOGISTIC_SPREAD
    shared = preset.staying.value
    score = shared * score + math.sqrt(1 - shared**2) * rng.standard_normal(len(rank))
    many = np.maximum(np.rint(median * np.exp(spread * score)), 1)
    # What would be more than the most is spread over the upper half below it.
    most = preset.most_clicks.value
    many = np.where(many > most, np.ceil(most * 2.0 ** -rng.random(len(rank))), many)
    few = rng.integers(1, preset.near_zero.value, len(rank), endpoint=True)
    clicks = np.where(rank < hardly, few, many).astype(np.int64)
    clicks[rank < 0] = 0
    return clicks


def _places(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For counts (2, 0, 3): whose 0, 0, 2, 2, 2 and which of his 0, 1, 0, 1, 2."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _split(
    totals: np.ndarray, rows: np.ndarray, row_of: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Whole numbers from 1, as many as rows, that add up to the totals."""
    weights = rng.standard_exponential(len(row_of))
    rising = np.cumsum(weights)
    end = np.cumsum(rows) - 1
    before = (rising[end - rows + 1] - weights[end - rows + 1])[row_of]
    share = (rising - before) / (rising[end][row_of] - before)
    until = np.floor(share * (totals - rows)[row_of]).astype(np.int64)
    until[end] = totals - rows
    parts: np.ndarray = 1 + np.diff(until, prepend=0)
    parts[end - rows + 1] = 1 + until[end - rows + 1]
    return parts


def _scores(
    preset: OuladPreset,
    *,
    kinds: np.ndarray,
    result: np.ndarray,
    person: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Whole numbers from 0 to 100, around the mean of the type and result."""
    moments = np.array([[preset.scores.value[k][r] for r in RESULTS] for k in _KINDS])
    mean, spread = moments[kinds, result].T
    steady = preset.steadiness.value
    score = math.sqrt(steady) * person + math.sqrt(1 - steady) * rng.standard_normal(len(person))
    rounded: np.ndarray = np.clip(np.rint(mean + spread * score), 0, 100).astype(np.int32)
    return rounded
