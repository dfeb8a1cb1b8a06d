"""Presets: synthetic platforms by name, and their parts."""

import importlib.resources
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Final, TypeAlias

import polars as pl
from pydantic import ValidationError

from schemas.declaration import toml_document
from schemas.violations import SchemaError, Violation, violations_of
from synth.catalogue import FIRST_LAUNCH, LAST_SESSION
from synth.columns import DAY
from synth.coursera import LEARNER, coursera_parts
from synth.coursera_preset import CourseraPreset, Ids
from synth.open_university import oulad_parts
from synth.oulad_preset import OuladPreset
from synth.parts import Part
from synth.permission import said_by
from synth.sourced import Sourced

Preset: TypeAlias = CourseraPreset | OuladPreset

PRESETS: Final = ("small", "mooc", "oulad")
"""The presets that come with kohort."""

_SHAPES: Final[dict[str, type[Preset]]] = {"coursera": CourseraPreset, "oulad": OuladPreset}
_COURSES: Final = 20_000
"""Courses of a platform."""
_PRESENTATIONS: Final = 4_000
"""Presentations of a university."""
_LINES: Final = 4_000_000
"""Items and sessions of a platform's courses, or sites of a university's presentations."""
_SESSION_DAYS: Final = (LAST_SESSION - FIRST_LAUNCH) // DAY
"""For so long sessions of a course start at the most."""
_ASKED: Final = datetime(2012, 1, 1)  # noqa: DTZ001 - naive UTC, as all of a world
"""Before anybody of a world without a calendar registers."""


def parse_preset(text: str, *, subject: str) -> Preset:
    """Read a preset.

    Args:
        text: the TOML text.
        subject: what to call it in errors, such as the file's name.

    Raises:
        SchemaError: the text is not TOML, or breaks a rule; carries every violation.
    """
    document = toml_document(text, subject=subject)
    shape = document.get("shape")
    if not isinstance(shape, str) or shape not in _SHAPES:
        raise SchemaError(
            subject, [Violation("shape", f"one of {', '.join(_SHAPES)} was expected")]
        )
    try:
        # As JSON: strictly, and yet a list is what both call so. No parameter is a date.
        return _SHAPES[shape].model_validate_json(
            json.dumps(document, default=lambda _: None), strict=True
        )
    except ValidationError as error:
        raise SchemaError(subject, violations_of(error)) from None


@cache
def named_preset(name: str) -> Preset:
    """A preset that comes with kohort.

    Args:
        name: one of `PRESETS`.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, or a TOML text")
    file = importlib.resources.files("synth") / "preset_files" / f"{name}.toml"
    return parse_preset(file.read_text(encoding="utf-8"), subject=f"{name}.toml")


def small_preset() -> CourseraPreset:
    """The preset of tests and demos: kinder than reality, see its text."""
    preset = named_preset("small")
    assert isinstance(preset, CourseraPreset)
    return preset


def with_ids(preset: CourseraPreset, ids: Ids) -> CourseraPreset:
    """The same platform with learner ids of this kind; its learners stay who they are.

    Args:
        preset: the platform.
        ids: see `CourseraPreset`.
    """
    chosen = Sourced(value=ids, source="chosen for this world")
    return preset.model_copy(update={"ids": chosen})


def most_courses(preset: Preset) -> int:
    """How many courses a world of this preset may have: its catalogue lies in memory as a whole.

    Args:
        preset: what its courses are like.
    """
    if isinstance(preset, OuladPreset):
        # Every pair of presentations has a chance.
        runs = max(len(module.presentations) for module in preset.modules.value)
        sites = runs * preset.sites.value
        return max(1, min(_PRESENTATIONS // runs, _LINES // sites))
    courses = preset.courses
    sessions = _SESSION_DAYS // courses.session_days.value
    return max(1, min(_COURSES, _LINES // (courses.most_items.value + sessions)))


def world_parts(preset: Preset, *, learners: int, courses: int, seed: int) -> Iterator[Part]:
    """Make a world, part by part; the same arguments give the same parts.

    Args:
        preset: what it is like.
        learners: how many.
        courses: how many.
        seed: where chance comes from.

    Raises:
        ValueError: fewer than one learner or course, more than `most_courses`, or a negative seed.
    """
    if courses > (most := most_courses(preset)):
        raise ValueError(f"courses: expected at most {most} with this preset, got {courses}")
    if isinstance(preset, OuladPreset):
        return oulad_parts(preset, learners=learners, courses=courses, seed=seed)
    return coursera_parts(preset, learners=learners, courses=courses, seed=seed)


def rights_of(preset: Preset, part: Part, *, seed: int, number: int) -> pl.DataFrame:
    """What the learners of a part permitted.

    Args:
        preset: that the part was made of.
        part: one of `world_parts`.
        seed: the seed of that world.
        number: of the part, from 0.

    Returns:
        Text columns in the order of a rights file; one or two rows a learner, or none.
    """
    if isinstance(preset, OuladPreset):
        learners = part["studentInfo"]["id_student"].unique(maintain_order=True)
        return said_by(learners, _ASKED, preset.rights, seed=seed, number=number)
    users = part["users"]
    return said_by(users[LEARNER], users["user_join_ts"], preset.rights, seed=seed, number=number)
