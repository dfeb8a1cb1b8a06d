"""Checks of sums: all tables of cells count the same learners, and no more of a kind are invented.

Of learners with a label a table of cells tells the sum of some cells, each with noise. Between two
tables it differs by noise alone, for a learner is in one cell of each.

A model has no negative numbers. Where it is fitted to nothing but noise, it is drawn upwards from a
sum, towards that without the cells below 0; and other learners are then fewer. So the invented
learners of a label may be as many as the largest such sum of any table, and more by chance. Who
are too few are not looked for: then there are too many of another label.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Final

import polars as pl

from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.overlapping import Figures, Labels, figures_of
from pipelines.verify.synthetic import SyntheticPackage
from schemas.manifest import (
    DISCRETE_GAUSSIAN,
    LEARNER_COURSE_GRAIN,
    LEARNER_GRAIN,
    LEARNER_KEY,
    LEARNERS,
    QUASI_IDENTIFIER,
    ROWS_KEY,
    Draw,
)

_RARE: Final = 1e-9
"""How often, at most, honest tables of cells are taken for those of different learners."""

_OFF: Final = {True: 12, False: 18}
"""Standard deviations of a sum, Gaussian or not, as of the number of learners in `size`."""

_CHANCE: Final = 4
"""Roots of the number of learners: sqrt(ln(1e9) / 2) is 3.2 (Hoeffding 1963)."""

_TRIED: Final = 60
_NEARLY: Final = 0.999


def same_learners(package: SyntheticPackage) -> Outcome:
    """Sums of the same cells differ by no more than noise, between any two tables.

    An honest package fails with a probability of 1e-9 at most, whatever was counted: by Chernoff's
    bound, with E exp(s x) <= exp(s^2 v / 2) of Gaussian noise, and 1 / (1 - s^2 v / 2) of Laplace
    noise. Of each pair of tables everybody is one sum, and so is each label that both have.
    """
    compared = [
        (one, other, keys)
        for one, other in combinations(_cells(package), 2)
        for keys in ((), *((key,) for key in one.keys if key in other.keys))
    ]
    number = sum(one.sums(keys).height for one, _, keys in compared)
    faults = [
        f"{one.name} and {other.name}: more than noise apart"
        for one, other, keys in compared
        if _apart(one, other, keys) > _reach((one, other), keys, _RARE / number)
    ]
    return outcome(dict.fromkeys(faults), f"{plural(number, 'sum')} as near as noise has them")


def _cells(package: SyntheticPackage) -> list[Figures]:
    return [figures_of(package.cells, table, LEARNERS) for table in package.cells.tables]


def _apart(one: Figures, other: Figures, keys: tuple[Labels, ...]) -> int:
    pairs = zip(one.told(keys), other.told(keys), strict=True)
    return max(abs(first - second) for first, second in pairs)


def _reach(tables: Iterable[Figures], keys: tuple[Labels, ...], chance: float) -> float:
    """Beyond it a sum of noise is with a probability of at most `chance`."""
    groups = math.prod(len(labels) for _, labels in keys)
    parts = [(table.draw, table.cells // groups, table.variance) for table in tables]
    rare = math.log(2 / chance)
    best = math.sqrt(2 * rare / math.fsum(number * variance for _, number, variance in parts))
    reaches = [math.inf]
    for part in range(1, _TRIED + 1):
        s = best * part / _TRIED
        if all(_is_finite(draw, s * s * v / 2) for draw, _, v in parts):
            logs = [n * _logarithm(draw, s * s * v / 2) for draw, n, v in parts]
            reaches.append((rare + math.fsum(logs)) / s)
    return min(reaches)


def _is_finite(draw: Draw, half: float) -> bool:
    return draw.mechanism == DISCRETE_GAUSSIAN or half < _NEARLY


def _logarithm(draw: Draw, half: float) -> float:
    """Of E exp(s x), at most; `half` is s^2 v / 2."""
    return half if draw.mechanism == DISCRETE_GAUSSIAN else -math.log1p(-half)


def margins(package: SyntheticPackage) -> Outcome:
    """There are no more learners of a label, nor with as many rows, than the noisy figures allow.

    That is the largest sum of any table, without the cells below 0; and 12 standard deviations of
    it where noise is Gaussian, else 18; and 4 roots of the number of learners. How near a model
    comes is measured, not proven: see docs/synthetic-data.md.

    Under release scope learners are counted, by each label of theirs and by their rows. Under
    course scope nobody sees whose a row is, so rows are: of a learner's own label no more than so
    many learners may have, and all together as many as the numbers of rows allow. What else stands
    in rows is not held against the figures: that no learner has an item twice moves it.
    """
    course = package.manifest.twin.pseudonym_scope == "course"
    faults = _faults_of_rows(package) if course else _faults_of_learners(package)
    return outcome(faults, "as many learners of each label as the noisy figures allow")


def _faults_of_learners(package: SyntheticPackage) -> Iterator[str]:
    people, tables = package.rows.one(LEARNER_GRAIN), _cells(package)
    by_chance = _CHANCE * math.sqrt(people.frame.height)
    columns = {
        column.name: people.select(column.name)[column.name]
        for column in people.resource.fields
        if column.role != LEARNER_KEY
    }
    most = package.manifest.twin.most_rows
    for table in package.rows.of_grain(LEARNER_COURSE_GRAIN):
        numbers = table.select()[table.learner].value_counts(name="rows")["rows"]
        columns[ROWS_KEY] = numbers.clip(upper_bound=most).cast(pl.String)
    for name, told in columns.items():
        found = Counter(told.to_list())
        if any(n > _most(tables, name, {label: 1}) + by_chance for label, n in found.items()):
            yield f"{name}: more learners of a label than the noisy figures allow"


def _faults_of_rows(package: SyntheticPackage) -> Iterator[str]:
    rows, tables = package.rows.one(LEARNER_COURSE_GRAIN), _cells(package)
    most = package.manifest.twin.most_rows
    by_chance = most * _CHANCE * math.sqrt(rows.frame.height)
    numbers = {str(number): number for number in range(1, most + 1)}
    if rows.frame.height > _most(tables, ROWS_KEY, numbers) + by_chance:
        yield f"{rows.resource.name}: more rows than the noisy figures of {ROWS_KEY} allow"
    for name in rows.resource.of_role(QUASI_IDENTIFIER):
        found = Counter(rows.select(name)[name].to_list())
        if any(
            n > most * _most(tables, name, {label: 1}) + by_chance for label, n in found.items()
        ):
            yield f"{name}: more rows of a label than the noisy figures allow"


def _most(tables: Iterable[Figures], name: str, counted: Mapping[str, int]) -> float:
    """How many there may be of learners with these labels, each counted so often.

    Of a key that stands in no table, any number: `measured` tells that.
    """
    found = []
    for table in tables:
        for key in table.keys:
            if key[0] == name:
                times = [counted.get(label, 0) for label in key[1]]
                told = zip(times, table.above_zero().told((key,)), strict=True)
                number = sum(time * learners for time, learners in told)
                cells = table.cells // len(times) * math.fsum(time**2 for time in times)
                off = _OFF[table.draw.mechanism == DISCRETE_GAUSSIAN]
                found.append(number + off * math.sqrt(cells * table.variance))
    return max(found, default=math.inf)
