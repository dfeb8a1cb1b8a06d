"""A synthetic world in the shape of OULAD: its seven tables, block by block of learners."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from synth.oulad_behaviour import make_clicks, make_scores, make_stays
from synth.oulad_catalogue import OuladCatalogue, make_oulad_catalogue
from synth.oulad_learners import make_studies
from synth.oulad_preset import OuladPreset
from synth.parts import BLOCK, Part

_CATALOGUE, _LEARNERS, _IDS = range(10, 13)
"""Streams of chance of their own: what a block holds does not depend on the blocks before it."""
_MOST_IDS: Final = 2**31 - 1
"""A prime, and the largest id that fits the integers of every database."""


def oulad_parts(preset: OuladPreset, *, learners: int, courses: int, seed: int) -> Iterator[Part]:
    """Make a world of the Open University's kind; the same arguments give the same world.

    Referentially sound, days relative to the start of a presentation, as in the published files:
    registration <= first click <= last click <= day of leaving; the clicks of an enrolment add up
    to what its result makes likely. Who fails or leaves early has few. `imd_band` has the label
    fault of the published file, `10-20`; its null is empty, as are missing days and scores.

    Args:
        preset: the parameters.
        learners: how many, each in at least one presentation.
        courses: how many modules: AAA, BBB and so on; the published data has seven.
        seed: where chance comes from.

    Yields:
        First the catalogue (`courses`, `assessments`, `vle`), with the other tables empty; then
        `studentInfo`, `studentRegistration`, `studentAssessment` and `studentVle` of each block.

    Raises:
        ValueError: fewer than one learner or course, more learners than ids, or a negative seed.
    """
    for name, value, least in (
        ("learners", learners, 1),
        ("courses", courses, 1),
        ("seed", seed, 0),
    ):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    if learners >= _MOST_IDS:
        raise ValueError(f"learners: expected less than {_MOST_IDS}, got {learners}")
    catalogue = make_oulad_catalogue(
        preset, courses=courses, rng=np.random.default_rng([_CATALOGUE, seed])
    )
    first = _block(preset, catalogue, number=0, size=min(learners, BLOCK), seed=seed)
    yield {
        "courses": catalogue.courses,
        "assessments": catalogue.assessments,
        "vle": catalogue.vle,
        **{name: rows.clear() for name, rows in first.items()},
    }
    yield first
    for number, start in enumerate(range(BLOCK, learners, BLOCK), start=1):
        size = min(learners - start, BLOCK)
        yield _block(preset, catalogue, number=number, size=size, seed=seed)


def _block(
    preset: OuladPreset, catalogue: OuladCatalogue, *, number: int, size: int, seed: int
) -> Part:
    rng = np.random.default_rng([_LEARNERS, seed, number])
    ids = _ids(np.arange(size) + number * BLOCK, seed)
    studies = make_studies(preset, catalogue, ids=ids, rng=rng)
    stays = make_stays(preset, catalogue, studies, rng)
    return {
        "studentInfo": studies.info,
        "studentRegistration": stays.registration,
        "studentAssessment": make_scores(preset, catalogue, studies, stays, rng),
        "studentVle": make_clicks(preset, catalogue, studies, stays, rng),
    }


def _ids(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Ids from 1 that look like nothing and never repeat: multiples of one, modulo a prime."""
    factor, shift = np.random.default_rng([_IDS, seed]).integers(1, _MOST_IDS, 2)
    ids: np.ndarray = (numbers * factor + shift) % _MOST_IDS + 1
    return ids
