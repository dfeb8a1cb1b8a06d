"""A synthetic world: learners, courses and what they did, in the shape of the Coursera export."""

import polars as pl

from synth.coursera import LEARNER, coursera_parts
from synth.coursera_preset import CourseraPreset
from synth.parts import gathered
from synth.presets import small_preset

__all__ = ["LEARNER", "coursera_parts", "make_world"]


def make_world(
    learners: int, *, courses: int, seed: int, preset: CourseraPreset | None = None
) -> dict[str, pl.DataFrame]:
    """Make a world; the same arguments give the same world.

    Args:
        learners: how many accounts, each enrolled in at least one course.
        courses: how many courses.
        seed: where chance comes from.
        preset: what it is like; None: `small`, which is kinder than reality.

    Returns:
        Table name -> table, with the names and columns of the export's data dictionary.

    Raises:
        ValueError: fewer than one learner or course, or a negative seed.
    """
    parts = coursera_parts(preset or small_preset(), learners=learners, courses=courses, seed=seed)
    return gathered(parts)
