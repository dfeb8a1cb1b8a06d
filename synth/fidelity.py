"""Fidelity: how near a synthetic twin is to the real tables that it was measured on.

Every figure is exact and about real learners: for the steward, never for a package. The same
functions compare a synthetic world with its own twin. None of these figures says anything about
privacy: a copy of the real tables would have perfect fidelity.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import polars as pl

from anonymizer.bias import ShareOf
from schemas.roles import Grain
from schemas.sensitive import Statistic
from synth.fidelity_prediction import Prediction, Target, predict
from synth.fidelity_tables import COUNT, Side, sides


@dataclass(frozen=True)
class WayError:
    """How far the distributions of one column, or of a pair of them, lie apart.

    Attributes:
        columns: one or two.
        grain: of the rows counted: that of the learners where they have all of these columns.
        tvd: total variation distance: half the sum of |p - q| over all combinations of labels, the
            share of rows that would have to change; 0 equal, 1 nothing in common.

    Raises:
        ValueError: no such number, or not one or two columns.
    """

    columns: tuple[str, ...]
    grain: Grain
    tvd: float

    def __post_init__(self) -> None:
        if len(self.columns) not in {1, 2}:
            raise ValueError("way error: one column or two")
        if not 0 <= self.tvd <= 1:
            raise ValueError("way error: a distance from 0 to 1")


@dataclass(frozen=True)
class Ways:
    """The errors of all columns, or of all pairs of columns.

    Attributes:
        errors: in the order of the columns.
    """

    errors: tuple[WayError, ...]

    @property
    def mean(self) -> float | None:
        """Over the columns or pairs; None without any."""
        return fmean(error.tvd for error in self.errors) if self.errors else None

    @property
    def largest(self) -> float | None:
        """Of the columns or pairs; None without any."""
        return max((error.tvd for error in self.errors), default=None)

    def worst(self, number: int) -> tuple[WayError, ...]:
        """So many of the largest, largest first."""
        return tuple(sorted(self.errors, key=lambda error: -error.tvd)[:number])


@dataclass(frozen=True)
class ShareError:
    """A declared share on both sides.

    Attributes:
        group: the label of the parting column; None for all rows.
        real_rows: of that group.
        twin_rows: of that group.
        real: share of the real rows; None without any.
        twin: share of the twin's rows; None without any.
    """

    group: str | None
    real_rows: int
    twin_rows: int
    real: float | None
    twin: float | None

    @property
    def difference(self) -> float | None:
        """Twin less real; None where one of them is."""
        return None if self.real is None or self.twin is None else self.twin - self.real


@dataclass(frozen=True)
class StatisticError:
    """A declared statistic on both sides.

    Attributes:
        statistic: the share.
        absent: those of its values that no row of either side has. They may be rare; or they are
            finer than the labels of these tables, and the shares are of something else.
        shares: all rows first, then each group that either side has, by its label.
    """

    statistic: ShareOf
    absent: tuple[str, ...]
    shares: tuple[ShareError, ...]


@dataclass(frozen=True)
class Fidelity:
    """All that is compared.

    Attributes:
        real_learners: how many.
        twin_learners: how many.
        real_rows: enrolments; None if there is no such table.
        twin_rows: enrolments; None if there is no such table.
        one_way: of every column.
        two_way: of every pair of columns.
        statistics: as declared.
        prediction: None if no target was given.
    """

    real_learners: int
    twin_learners: int
    real_rows: int | None
    twin_rows: int | None
    one_way: Ways
    two_way: Ways
    statistics: tuple[StatisticError, ...]
    prediction: Prediction | None


def fidelity_of(
    real: Mapping[str, pl.DataFrame],
    twin: Mapping[str, pl.DataFrame],
    *,
    key: str,
    item: str | None,
    statistics: Sequence[Statistic],
    target: Target | None,
    rng: np.random.Generator,
) -> Fidelity:
    """Compare a twin with the real tables.

    Args:
        real: the tables `learners`, `enrolments` or both, as the twin was measured on them: who is
            permitted, with the labels of the twin's levels. All columns but the key are text, and
            none has nulls. Learners without enrolments may be there.
        twin: the same tables with the same columns.
        key: the learner-key column of both tables; its values need not agree between the sides.
        item: the item column of the enrolments, which no learner has twice; None without one.
        statistics: shares to compare; their values are labels as these tables have them.
        target: what is to be predicted; None for no prediction.
        rng: chooses the real learners that predictions are tested on; nothing else is random.

    Returns:
        Every column of a learner table is counted once a learner, every other once a row; a pair
        once a learner if both are of the learner table. How many rows a learner has is compared
        like a column of the learners. An empty side has nothing in common with one that is not.

    Raises:
        ValueError: the tables are not as said above, or lack a column that a statistic or the
            target names.
    """
    ours, theirs = sides(real, twin, key=key, item=item)
    return Fidelity(
        real_learners=len(ours.learners),
        twin_learners=len(theirs.learners),
        real_rows=None if ours.rows is None else len(ours.rows),
        twin_rows=None if theirs.rows is None else len(theirs.rows),
        one_way=_ways(ours, theirs, 1),
        two_way=_ways(ours, theirs, 2),
        statistics=tuple(_statistic(ours, theirs, asked) for asked in statistics),
        prediction=None if target is None else predict(ours, theirs, target, rng),
    )


def total_variation(real: pl.DataFrame, twin: pl.DataFrame) -> float:
    """Total variation distance of the rows of two tables with the same columns, without nulls.

    Counted in whole numbers and divided once: equal distributions are at 0, not nearly so. Two
    tables without rows are equal; one without rows is at 1 from one with some.
    """
    n, m = len(real), len(twin)
    if not n or not m:
        return float(n != m)
    names = [f"column {number}" for number in range(len(real.columns))]
    both = [
        rows.rename(dict(zip(real.columns, names, strict=True))).with_columns(real=pl.lit(is_real))
        for rows, is_real in ((real, True), (twin.select(real.columns), False))
    ]
    counted = pl.concat(both).group_by(names)
    counts = counted.agg(pl.col("real").sum().cast(pl.Int64), pl.len().cast(pl.Int64))
    of_real, of_twin = counts["real"], counts["len"] - counts["real"]
    return int((of_real * m - of_twin * n).abs().sum()) / (2 * n * m)


def _ways(real: Side, twin: Side, order: int) -> Ways:
    errors = []
    for columns in itertools.combinations(real.columns, order):
        grain = real.grain_of(columns)
        ours, theirs = real.at(grain).select(columns), twin.at(grain).select(columns)
        errors.append(WayError(columns, grain, total_variation(ours, theirs)))
    return Ways(tuple(errors))


def _statistic(real: Side, twin: Side, asked: Statistic) -> StatisticError:
    statistic = ShareOf(asked.column, asked.values, asked.by)
    columns = [statistic.column, *([] if statistic.by is None else [statistic.by])]
    for column in columns:
        if column not in real.columns or column == COUNT:
            raise ValueError(f"statistics: the tables have no column {column}")
    grain = real.grain_of(columns)
    ours, theirs = real.at(grain), twin.at(grain)
    occurring = {*ours[statistic.column], *theirs[statistic.column]}
    shares = [_share(None, ours, theirs, statistic)]
    if statistic.by is not None:
        for group in sorted({*ours[statistic.by], *theirs[statistic.by]}):
            of_group = pl.col(statistic.by) == group
            parts = ours.filter(of_group), theirs.filter(of_group)
            shares.append(_share(group, *parts, statistic))
    absent = tuple(value for value in statistic.values if value not in occurring)
    return StatisticError(statistic, absent, tuple(shares))


def _share(
    group: str | None, real: pl.DataFrame, twin: pl.DataFrame, statistic: ShareOf
) -> ShareError:
    found = [
        int(rows[statistic.column].is_in(statistic.values).sum()) / len(rows) if len(rows) else None
        for rows in (real, twin)
    ]
    return ShareError(group, len(real), len(twin), found[0], found[1])
