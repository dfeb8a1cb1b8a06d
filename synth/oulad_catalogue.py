"""What a university of OULAD's kind offers: modules, presentations, assessments, sites."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from synth.oulad_preset import Module, OuladPreset, Run

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FIRST_ASSESSMENT: Final = 1_752
_FIRST_SITE: Final = 526_721


@dataclass(frozen=True, slots=True)
class Presentations:
    """Presentations, in the order of modules and time; arrays and lists of one length.

    Attributes:
        codes: of the module and the presentation.
        module: number of the module.
        time: order in time among all presentations; those of one time have one number.
        days: lengths.
        weight: how popular; adds up to one.
        following: (presentation, presentation) -> the chance that who takes the first takes the
            second as a further one; zero on the diagonal.
    """

    codes: pl.DataFrame
    module: np.ndarray
    time: np.ndarray
    days: np.ndarray
    weight: np.ndarray
    following: np.ndarray


@dataclass(frozen=True, slots=True)
class OuladCatalogue:
    """The tables of the catalogue, and what learners' behaviour needs of them.

    Attributes:
        modules: profiles, by module.
        presentations: see there.
        courses: the table of that name.
        assessments: the table of that name.
        vle: the table of that name.
        due: presentation -> its assessments: columns presentation, assessment, kind, due.
        site_ids: all sites, presentation by presentation.
        site_weights: for each, the presentation's number plus the share of its clicks that go to
            this site and those before it: rising, so that one search finds a site.
    """

    modules: tuple[Module, ...]
    presentations: Presentations
    courses: pl.DataFrame
    assessments: pl.DataFrame
    vle: pl.DataFrame
    due: pl.DataFrame
    site_ids: np.ndarray
    site_weights: np.ndarray


def make_oulad_catalogue(
    preset: OuladPreset, *, courses: int, rng: np.random.Generator
) -> OuladCatalogue:
    """Make the modules with all that belongs to them.

    Args:
        preset: the parameters.
        courses: how many modules. More than the preset has: it starts again with the first.
        rng: where chance comes from.
    """
    profiles = preset.modules.value
    modules = tuple(profiles[number % len(profiles)] for number in range(courses))
    presentations = _presentations(modules, preset)
    assessments, due = _assessments(modules, presentations, preset.last_due.value)
    vle, weights = _vle(presentations, preset, rng)
    return OuladCatalogue(
        modules=modules,
        presentations=presentations,
        courses=presentations.codes.with_columns(
            pl.Series("module_presentation_length", presentations.days.astype(np.int32))
        ),
        assessments=assessments,
        vle=vle,
        due=due,
        site_ids=vle["id_site"].to_numpy(),
        site_weights=weights,
    )


def module_code(number: int) -> str:
    """AAA, BBB, ..., ZZZ, AAAA, ...: the name of a module."""
    return _LETTERS[number % len(_LETTERS)] * (3 + number // len(_LETTERS))


def _presentations(modules: tuple[Module, ...], preset: OuladPreset) -> Presentations:
    runs: list[tuple[int, str, Run]] = [
        (number, code, run)
        for number, module in enumerate(modules)
        for code, run in sorted(module.presentations.items())
    ]
    module = np.array([number for number, _, _ in runs])
    times = sorted({code for _, code, _ in runs})
    time = np.array([times.index(code) for _, code, _ in runs])
    weight = np.array([run.weight for _, _, run in runs])
    return Presentations(
        codes=pl.DataFrame(
            {
                "code_module": [module_code(number) for number in module],
                "code_presentation": [code for _, code, _ in runs],
            }
        ),
        module=module,
        time=time,
        days=np.array([run.days for _, _, run in runs]),
        weight=weight / weight.sum(),
        following=_following(module, time, weight, preset),
    )


def _following(
    module: np.ndarray, time: np.ndarray, weight: np.ndarray, preset: OuladPreset
) -> np.ndarray:
    """A share repeats the module, another takes one beside it; by weight within each."""
    same_module = module[:, None] == module
    beside = ~same_module & (time[:, None] == time)
    elsewhere = ~same_module & ~beside
    np.fill_diagonal(same_module, val=False)
    again, side = preset.again.value, preset.side_by_side.value
    chances = np.zeros((len(module), len(module)))
    for group, share in (
        (same_module, again),
        (beside, (1 - again) * side),
        (elsewhere, (1 - again) * (1 - side)),
    ):
        weights = group * weight
        total = weights.sum(axis=1, keepdims=True)
        chances += share * np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return chances


def _assessments(
    modules: tuple[Module, ...], presentations: Presentations, last_due: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table, and what is due where; an exam has no day, and is due at the end."""
    rows = []
    for number, (module, days) in enumerate(
        zip(presentations.module, presentations.days, strict=True)
    ):
        profile = modules[module]
        rows += [
            (number, "TMA", round(days * last_due * (n + 1) / profile.tma), 100 / profile.tma)
            for n in range(profile.tma)
        ]
        rows += [
            (number, "CMA", round(days * last_due * (n + 0.5) / profile.cma), 0.0)
            for n in range(profile.cma)
        ]
        rows += [(number, "Exam", days, 100.0)] * profile.exams
    table = pl.DataFrame(
        rows,
        schema={
            "presentation": pl.Int64,
            "assessment_type": pl.String,
            "due": pl.Int32,
            "weight": pl.Float64,
        },
        orient="row",
    ).with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("id_assessment"))
    table = table.with_columns(pl.col("id_assessment") + _FIRST_ASSESSMENT)
    recorded = np.array([modules[m].exams_recorded for m in presentations.module], dtype=np.bool_)
    exam = pl.col("assessment_type") == "Exam"
    written = pl.Series(recorded).gather(table["presentation"])
    return (
        presentations.codes[table["presentation"]]
        .hstack(table)
        .select(
            "code_module",
            "code_presentation",
            "id_assessment",
            "assessment_type",
            pl.when(~exam).then("due").alias("date"),
            pl.col("weight").round(2),
        ),
        table.filter(~exam | written).select(
            "presentation", "id_assessment", "assessment_type", "due"
        ),
    )


def _vle(
    presentations: Presentations, preset: OuladPreset, rng: np.random.Generator
) -> tuple[pl.DataFrame, np.ndarray]:
    """The table, and the rising weights of its sites; a site is loved by an exponential draw."""
    kinds, activities = zip(*preset.activities.value.items(), strict=True)
    counts = np.array([max(1, round(a.sites * preset.sites.value)) for a in activities])
    kind = np.tile(np.repeat(np.arange(len(kinds)), counts), len(presentations.days))
    number = np.repeat(np.arange(len(presentations.days)), counts.sum())
    clicks = np.array([a.clicks for a in activities])[kind] * rng.exponential(size=len(kind))
    clicks /= counts[kind]
    rising = np.cumsum(clicks.reshape(len(presentations.days), -1), axis=1)
    week = rng.integers(1, presentations.days[number] // 7)
    scheduled = pl.Series(rng.random(len(kind)) < preset.scheduled.value)
    table = presentations.codes[number].select(
        pl.Series("id_site", _FIRST_SITE + rng.permutation(len(kind)).astype(np.int32)),
        "code_module",
        "code_presentation",
        pl.Series("activity_type", list(kinds)).gather(kind),
        pl.Series("week_from", week.astype(np.int32)).set(~scheduled, None),
        pl.Series("week_to", week.astype(np.int32)).set(~scheduled, None),
    )
    shares = rising / rising[:, -1:]
    return table, (np.arange(len(shares))[:, None] + shares).ravel()
