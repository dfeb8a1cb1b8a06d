"""The tables of invented learners, in the form of the extract that they stand in for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from pipelines.package.describe import Described
from pipelines.twins.plan import TwinColumn, TwinPlan
from pipelines.views import LEARNER
from schemas.manifest import LEARNER_KEY, Field
from schemas.roles import Grain, Role
from synth.twin_sampling import Sampled

_KEY_BYTES: Final = 16
"""As long as a pseudonym."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as it will be, before anybody is invented.

    Attributes:
        name: `learners` or `enrolments`.
        grain: `learner` or `learner-course`.
        columns: behind the learner key, in the order of an extract: the item, quasi-identifiers,
            the others.
        fields: all columns as the manifest has them.
        primary_key: the columns that tell rows apart.
    """

    name: str
    grain: str
    columns: tuple[TwinColumn, ...]
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]


def layouts(plan: TwinPlan) -> tuple[Layout, ...]:
    """Under course scope one table of rows; else one of learners and, if asked for, of their rows.

    As in an extract no key joins what the scope keeps apart.
    """
    own, of_rows = plan.of_view("learners"), plan.of_view("enrolments")
    if plan.course_scope:
        return (_layout("enrolments", (*of_rows[:1], *_in_order(own), *of_rows[1:]), plan),)
    rows = (_layout("enrolments", of_rows, plan),) if of_rows else ()
    return (_layout("learners", _in_order(own), plan), *rows)


def _in_order(own: tuple[TwinColumn, ...]) -> tuple[TwinColumn, ...]:
    return tuple(sorted(own, key=lambda column: column.role is not Role.QUASI_IDENTIFIER))


def _layout(name: str, columns: tuple[TwinColumn, ...], plan: TwinPlan) -> Layout:
    grain = Grain.LEARNER if name == "learners" else Grain.LEARNER_COURSE
    item = (columns[0].name,) if grain is Grain.LEARNER_COURSE else ()
    reach = "in one course" if plan.course_scope else "in this release"
    key = Field(LEARNER, LEARNER_KEY, f"Key of an invented learner {reach}; it is nobody's.")
    others = (Field(c.name, c.role.value, c.description, c.labels) for c in columns)
    return Layout(name, grain.value, columns, (key, *others), (LEARNER, *item))


def twin_tables(
    sampled: Sampled, plan: TwinPlan, randomness: Callable[[int], bytes]
) -> tuple[Described, ...]:
    """Invented learners under invented keys, described as an extract is.

    Args:
        sampled: codes of learners and of their rows.
        plan: columns and labels.
        randomness: a source of n random bytes.

    Returns:
        The tables of `layouts`; rows stand in the order of the keys, which is no order at all.
    """
    number = len(sampled.owner) if plan.course_scope else sampled.size
    keys = _keys(number, randomness)
    found = []
    for layout in layouts(plan):
        of_rows = layout.grain == Grain.LEARNER_COURSE.value
        under = keys if plan.course_scope or not of_rows else keys.gather(sampled.owner)
        told = [_labels(column, sampled, of_rows=of_rows) for column in layout.columns]
        frame = pl.DataFrame([under.alias(LEARNER), *told]).sort(layout.primary_key)
        found.append(Described(layout.name, frame, layout.grain, layout.fields, layout.primary_key))
    return tuple(found)


def twin_views(sampled: Sampled, plan: TwinPlan) -> dict[str, pl.DataFrame]:
    """Invented learners in the form of views, whatever the scope: what fidelity is told of."""
    found = {}
    for view, owner in (("learners", None), ("enrolments", sampled.owner)):
        if columns := plan.of_view(view):
            numbers = pl.int_range(sampled.size, eager=True).cast(pl.String)
            own = numbers if owner is None else numbers.gather(owner)
            told = [_labels(column, sampled, of_rows=False) for column in columns]
            found[view] = pl.DataFrame([own.alias(LEARNER), *told])
    return found


def _labels(column: TwinColumn, sampled: Sampled, *, of_rows: bool) -> pl.Series:
    """The labels of a column, one a learner or one a row."""
    if column.view == "enrolments":
        codes = sampled.rows[column.name]
    else:
        codes = sampled.learners[column.name]
        if of_rows:
            codes = codes[sampled.owner]
    return pl.Series(column.name, column.labels, dtype=pl.String).gather(codes)


def _keys(number: int, randomness: Callable[[int], bytes]) -> pl.Series:
    """Different keys in the shape of pseudonyms, of nobody."""
    digits = randomness(_KEY_BYTES * number).hex()
    step = 2 * _KEY_BYTES
    return pl.Series([digits[i : i + step] for i in range(0, len(digits), step)], dtype=pl.String)
