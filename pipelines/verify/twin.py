"""Checks of invented learners: that nothing stands in their tables but what noisy figures tell.

That they were drawn from a model of these figures, and not from the source, no check can see: rows
of the source would be more like the figures than any that are drawn. So none is made of how alike
both are. What can be seen is what no such model has: other columns, labels, numbers of learners.
"""

import math
from collections.abc import Iterator
from typing import Final

import polars as pl

from pipelines.verify.aggregate import Cells
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.shape import scope_faults
from pipelines.verify.synthetic import SyntheticPackage
from pipelines.verify.tails import variance_of
from schemas.manifest import (
    DISCRETE_GAUSSIAN,
    KEY,
    LEARNER_COURSE_GRAIN,
    LEARNER_GRAIN,
    LEARNER_KEY,
    LEARNERS,
    ROWS_KEY,
)

_DESCRIPTION: Final = "Invented learners that stand in for a research extract; README.md says how."

_OFF: Final = {True: 12, False: 18}
"""In standard deviations: how far the number of learners may be from a total, Gaussian or not."""


def twin_scope(package: SyntheticPackage) -> Outcome:
    """The tables are those of the pseudonym scope, and each learner has as many rows as may be.

    Under release scope every learner of `enrolments` stands in the learner table, and every one of
    that has a row at least, and as many as were told apart at most.
    """
    rows, twin = package.rows, package.manifest.twin
    faults = list(scope_faults(rows))
    enrolments = rows.of_grain(LEARNER_COURSE_GRAIN)
    if not enrolments and twin.most_rows > 1:
        faults.append("a learner has several rows, and no table has them")
    if twin.pseudonym_scope != "course" and enrolments and not faults:
        faults += _joined_faults(package)
    return outcome(faults, f"{twin.pseudonym_scope}, at most {plural(twin.most_rows, 'row')} each")


def _joined_faults(package: SyntheticPackage) -> Iterator[str]:
    people = package.rows.one(LEARNER_GRAIN)
    table = package.rows.one(LEARNER_COURSE_GRAIN)
    keys = people.select()[people.learner].unique().alias("key")
    counts = table.select()[table.learner].alias("key").value_counts(name="rows")
    absent = counts.join(keys.to_frame(), on="key", how="anti").height
    idle = keys.to_frame().join(counts, on="key", how="anti").height
    busy = counts.filter(pl.col("rows") > package.manifest.twin.most_rows).height
    for number, fault in (
        (absent, f"not in {people.resource.name}"),
        (idle, f"without a row in {table.resource.name}"),
        (busy, f"with more rows in {table.resource.name} than were told apart"),
    ):
        if number:
            yield f"{plural(number, 'learner')} {fault}"


def measured(package: SyntheticPackage) -> Outcome:
    """Every column but the key is in a table of cells, and so is how many rows a learner has.

    What no noisy figure stands for could only be of the source.
    """
    keys = {key for table in package.cells.tables for key in table.keys}
    faults = [
        f"{table.name}.{column.name}: in no table of cells"
        for table in package.manifest.tables
        for column in table.fields
        if column.role != LEARNER_KEY and column.name not in keys
    ]
    if package.manifest.twin.most_rows > 1 and ROWS_KEY not in keys:
        faults.append(f"{ROWS_KEY}, the number of rows of a learner: in no table of cells")
    return outcome(
        faults, f"every column stands in one of {plural(len(package.cells.tables), 'table')}"
    )


def same_labels(package: SyntheticPackage) -> Outcome:
    """A column has the same labels, in the same order, wherever it stands.

    The labels of `_rows` are the numbers from 1 to the most rows that were told apart.
    """
    most, faults = package.manifest.twin.most_rows, []
    labels = {ROWS_KEY: tuple(str(number) for number in range(1, most + 1))}
    columns = [
        (table.name, column.name, column.enum)
        for table in package.manifest.tables
        for column in table.fields
        if column.role != LEARNER_KEY
    ]
    columns += [
        (table.name, column.name, column.enum)
        for table in package.manifest.cells.resources
        for column in table.fields
        if column.role == KEY
    ]
    for table, name, enum in columns:
        if labels.setdefault(name, enum) != enum:
            faults.append(f"{table}.{name}: not the labels that it has elsewhere")
    return outcome(faults, f"{plural(len(labels), 'column')} alike in all tables")


def size(package: SyntheticPackage) -> Outcome:
    """There are as many learners as the noisy figures allow, of which each is in one cell a table.

    So the total of every table of cells is the number of learners, and noise of a variance v. The
    mean of all such totals by the inverse of v is off from any of them with a variance below v: by
    at most 12 sqrt(v) where noise is Gaussian, by 18 sqrt(v) where it is not, and 1 for rounding.
    Under course scope a learner has 1 to the most rows, each with a key of its own.

    An honest table fails with a probability of at most 2 exp(-12^2 / 2) < 1e-30 under Gaussian
    noise, which is subgaussian with its scale (Canonne, Kamath and Steinke 2020, corollary 17). Of
    Laplace noise E exp(s x) <= 1 / (1 - s^2 v / 2): it is at most 2 exp(-18 s) / (1 - s^2 / 2),
    with s = 1.36 in units of 1 / sqrt(v), which is below 1e-9.
    """
    course = package.manifest.twin.pseudonym_scope == "course"
    table = package.rows.one(LEARNER_COURSE_GRAIN if course else LEARNER_GRAIN)
    most = package.manifest.twin.most_rows if course else 1
    number = table.frame.height
    faults = []
    for cells in package.cells.tables:
        total, off = int(cells.select(LEARNERS)[LEARNERS].sum()), _reach(package, cells)
        if number < total - off:
            faults.append(f"fewer {table.resource.name} than {cells.name} allows")
        if number > most * (total + off):
            faults.append(f"more {table.resource.name} than {cells.name} allows")
    return outcome(faults, f"{plural(number, 'row')} as every table of cells allows")


def description(package: SyntheticPackage) -> Outcome:
    """The package is described as all of its kind are: no other words are asked of anybody."""
    told = package.manifest.cells.description
    return outcome(["other words"] if told != _DESCRIPTION else [], "as of any twin")


def _reach(package: SyntheticPackage, cells: Cells) -> float:
    """How far the number of learners may be from the total of these cells."""
    draw = package.cells.draw_of(cells.name, LEARNERS)
    off = _OFF[draw.mechanism == DISCRETE_GAUSSIAN]
    return off * math.sqrt(cells.frame.height * variance_of(draw)) + 1
