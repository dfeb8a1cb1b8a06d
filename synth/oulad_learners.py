"""Who studies in a world of OULAD's kind: demographics, presentations, and how they ended."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synth.oulad_catalogue import OuladCatalogue
from synth.oulad_preset import BANDS, MISSING, RESULTS, OuladPreset


@dataclass(frozen=True, slots=True)
class Studies:
    """Who took which presentation; by presentation and then learner, as the published file.

    Attributes:
        info: the table `studentInfo`.
        presentation: numbers of the catalogue's presentations, by row of `info`.
        result: numbers of `RESULTS`, by row of `info`.
    """

    info: pl.DataFrame
    presentation: np.ndarray
    result: np.ndarray


def make_studies(
    preset: OuladPreset, catalogue: OuladCatalogue, *, ids: np.ndarray, rng: np.random.Generator
) -> Studies:
    """Make learners, enrol them, and let results depend on who they are.

    Gender goes with the learner's first module, education with age, deprivation with the region.

    Args:
        preset: the parameters.
        catalogue: what there is to take.
        ids: of the learners.
        rng: where chance comes from.
    """
    first, learner, presentation = _enrolments(preset, catalogue, len(ids), rng)
    age, learners = _learners(preset, catalogue, first, rng)
    module, time = catalogue.presentations.module, catalogue.presentations.time
    attempts = _attempts(preset, learner, module[presentation], time[presentation], rng)
    changes = rng.random(len(ids)) < preset.age_band_changes.value
    earliest = np.full(len(ids), time.max())
    np.minimum.at(earliest, learner, time[presentation])
    older = changes[learner] & (time[presentation] > earliest[learner])
    bands = list(preset.age_band.value)
    info = (
        catalogue.presentations.codes[presentation]
        .hstack(learners[learner])
        .with_columns(
            pl.Series("id_student", ids[learner].astype(np.int32)),
            _named("age_band", bands, np.minimum(age[learner] + older, len(bands) - 1)),
            pl.Series("num_of_prev_attempts", attempts.astype(np.int32)),
            _credits(preset, len(learner), rng),
        )
    )
    result = _results(preset, catalogue, info, module[presentation], rng)
    info = info.with_columns(_named("final_result", RESULTS, result))
    return Studies(
        info=info.select(
            "code_module", "code_presentation", "id_student", "gender", "region",
            "highest_education", "imd_band", "age_band", "num_of_prev_attempts",
            "studied_credits", "disability", "final_result",
        ),
        presentation=presentation,
        result=result,
    )  # fmt: skip


def pick(shares: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a column for each of these rows.

    Args:
        shares: of the columns, row by row; scaled to add up to one.
        rows: numbers of rows of `shares`, as often as wanted.
        rng: where chance comes from.
    """
    rising = np.cumsum(shares, axis=1)
    rising /= rising[:, -1:]
    drawn: np.ndarray = (rng.random(len(rows))[:, None] >= rising[rows, :-1]).sum(axis=1)
    return drawn


def _enrolments(
    preset: OuladPreset, catalogue: OuladCatalogue, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each learner's first presentation; then (learner, presentation), every pair once."""
    shares = np.array(preset.enrolments.value)
    number = 1 + rng.choice(len(shares), size=size, p=shares / shares.sum())
    popularity = catalogue.presentations.weight
    first = rng.choice(len(popularity), size=size, p=popularity)
    several = np.flatnonzero(number > 1)
    # The largest of log weight + Gumbel noise are a weighted draw without replacement.
    with np.errstate(divide="ignore"):
        weights = np.log(catalogue.presentations.following)[first[several]]
    keys = weights + rng.gumbel(size=weights.shape)
    ranked = np.argsort(-keys, axis=1, kind="stable")[:, : len(shares) - 1]
    possible = np.isfinite(np.take_along_axis(keys, ranked, axis=1))
    taken = possible & (np.arange(ranked.shape[1]) < (number[several] - 1)[:, None])
    row, _ = np.nonzero(taken)
    learner = np.concatenate([np.arange(size), several[row]])
    presentation = np.concatenate([first, ranked[taken]])
    order = np.lexsort((learner, presentation))
    return first, learner[order], presentation[order]


def _learners(
    preset: OuladPreset, catalogue: OuladCatalogue, first: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, pl.DataFrame]:
    """Numbers of age bands, and the columns that stay as they are."""
    size, everybody = len(first), np.zeros(len(first), dtype=np.int64)
    female = np.array([module.female for module in catalogue.modules])
    woman = rng.random(size) < female[catalogue.presentations.module[first]]
    regions, ages = list(preset.region.value), list(preset.age_band.value)
    region = pick(np.array([list(preset.region.value.values())]), everybody, rng)
    age = pick(np.array([list(preset.age_band.value.values())]), everybody, rng)
    bands = pick(np.array([preset.imd_band.value[name] for name in regions]), region, rng)
    missing = np.array([preset.imd_missing.value[name] for name in regions])[region]
    degrees = list(dict.fromkeys(d for name in ages for d in preset.highest_education.value[name]))
    education = [
        [preset.highest_education.value[name].get(d, 0.0) for d in degrees] for name in ages
    ]
    columns = [
        _named("gender", ["M", "F"], woman.astype(np.int64)),
        _named("region", regions, region),
        _named("highest_education", degrees, pick(np.array(education), age, rng)),
        _named("imd_band", BANDS, bands).set(pl.Series(rng.random(size) < missing), None),
        _named("disability", ["N", "Y"], (rng.random(size) < preset.disability.value).astype(int)),
    ]
    return age, pl.DataFrame(columns)


def _attempts(
    preset: OuladPreset,
    learner: np.ndarray,
    module: np.ndarray,
    time: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Those before the world began, and the presentations of the module taken in it before."""
    pairs, pair = np.unique(learner * (module.max() + 1) + module, return_inverse=True)
    before = pick(np.array([preset.attempts.value]), np.zeros(len(pairs), dtype=np.int64), rng)
    order = np.lexsort((time, pair))
    starts = np.searchsorted(pair[order], np.arange(len(pairs)))
    here = np.empty(len(pair), dtype=np.int64)
    here[order] = np.arange(len(pair)) - starts[pair[order]]
    return before[pair] + here


def _credits(preset: OuladPreset, size: int, rng: np.random.Generator) -> pl.Series:
    shares = np.array([list(preset.studied_credits.value.values())])
    values = np.array(list(preset.studied_credits.value), dtype=np.int32)
    return pl.Series("studied_credits", values[pick(shares, np.zeros(size, dtype=np.int64), rng)])


def _results(
    preset: OuladPreset,
    catalogue: OuladCatalogue,
    info: pl.DataFrame,
    module: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """A module's shares, times what those of each value are to the overall ones."""
    by_module = np.array([profile.results for profile in catalogue.modules])
    overall = catalogue.presentations.weight @ by_module[catalogue.presentations.module]
    shares = by_module[module]
    for column, by_value in preset.results_by.value.items():
        # A value that isn't listed changes nothing: the row of ones at the end.
        lifts = np.vstack([np.array(list(by_value.values())) / overall, np.ones(len(RESULTS))])
        rows = info[column].cast(pl.String).fill_null(MISSING)
        numbers = {value: row for row, value in enumerate(by_value)}
        found = rows.replace_strict(numbers, default=len(numbers), return_dtype=pl.Int64)
        shares = shares * lifts[found.to_numpy()]
    return pick(shares, np.arange(len(shares)), rng)


def _named(name: str, values: Sequence[str], codes: np.ndarray) -> pl.Series:
    return pl.Series(name, list(values), dtype=pl.String).gather(codes)
