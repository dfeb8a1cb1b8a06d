"""Checks of the 95% half-widths beside the values: recomputed from the noise that is told.

Of one draw it is the least whole h with P(|noise| <= h) >= 0.95; beyond a scale of 1024, Gaussian
noise is taken as continuous, which is at most 1 more.

A mean is the middle of the bounds + S / N, of a noisy centred sum S and a noisy count N. With r the
told mean less the middle, and h(r) the half-width of (noise of S) - r (noise of N), which are taken
as continuous, its half-width is the w of w = (h(|r| + w) + 1/2) / N. There |r| + w is at most what
a value can be from the middle.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Final, NamedTuple

import polars as pl

from pipelines.verify.aggregate import CellPackage, Cells
from pipelines.verify.cells import adjusted, value_columns
from pipelines.verify.noise import quantile_shares, units
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.tails import miss
from schemas.manifest import DISCRETE_GAUSSIAN, LEARNERS, MEAN, NOISY_MAX, QUANTILES, SUM, Draw

_MISS: Final = 0.05
_Z: Final = 1.959963984540054
"""How many standard deviations a Gaussian is out with a probability of 0.05."""

_CONTINUOUS: Final = 1024
"""The scale beyond which a Gaussian is taken as continuous."""

_SLACK: Final = 1e-9
"""Relative: of sums of floats."""

_TOLERANCE: Final = 1e-5
"""Relative: of the half-width of a mean."""

_LATTICE: Final = 0.5
"""In units: how much farther whole numbers can be than the continuous ones they stand for."""

_ALIKE: Final = 1e-6
"""Relative: scales that differ by less are taken as equal."""


def half_widths(package: CellPackage) -> Outcome:
    """Every half-width is what the noise of its value comes to."""
    agreeing = adjusted(package)
    faults: list[str] = []
    for table in package.tables:
        for value, width in value_columns(table.query):
            told = table.select(width.name)[width.name]
            if value.name == MEAN:
                faults += _mean_faults(package, table)
            elif table.query.metric == QUANTILES:
                faults += _rank_faults(package, table, value.name, told)
            elif table.name in agreeing:
                faults += _constant_faults(table, told)
            else:
                # Counts are whole: only what is added up has decimals.
                decimals = table.query.decimals if value.name == SUM else 0
                draw = package.draw_of(table.name, value.name)
                faults += _draw_faults(table, draw, told, decimals)
    return outcome(faults, "as the noise that is told comes to")


def _constant_faults(table: Cells, told: pl.Series) -> Iterator[str]:
    if told.n_unique() > 1:
        yield f"{table.name}.{told.name}: not one for all cells"
    if not (told > 0).all():
        yield f"{table.name}.{told.name}: not above 0"


def _draw_faults(table: Cells, draw: Draw, told: pl.Series, decimals: int) -> Iterator[str]:
    if not told.len():
        return
    if told.n_unique() > 1:
        yield f"{table.name}.{told.name}: not one for all cells"
        return
    width = round(Fraction(repr(told[0])) * 10**decimals)
    if not is_half_width(draw, width):
        yield f"{table.name}.{told.name}: not the half-width of this noise"


def is_half_width(draw: Draw, width: int) -> bool:
    """Whether noise stays within this with 95%, and no whole number below would do."""
    if width < 0:
        return False
    scale = Fraction(draw.scale)
    if draw.mechanism == DISCRETE_GAUSSIAN and scale > _CONTINUOUS:
        reach = _Z * float(scale)
        return reach * (1 - _SLACK) <= width <= reach * (1 + _SLACK) + 1
    enough = miss(draw, width) <= _MISS * (1 + _SLACK)
    return enough and (width == 0 or miss(draw, width - 1) > _MISS * (1 - _SLACK))


def _rank_faults(package: CellPackage, table: Cells, column: str, told: pl.Series) -> Iterator[str]:
    """What is selected has a rank within scale ln((candidates - 1) / 0.05) of the score's steps.

    How many candidates there were is not told: at least two, at most one for each unit.
    """
    name = f"{table.name}.{told.name}"
    if not (told > 0).all():
        yield f"{name}: not above 0"
    draw, share = package.draw_of(table.name, column), quantile_shares(table.query)[column]
    if draw.mechanism != NOISY_MAX or not told.len():
        return
    if told.n_unique() > 1:
        yield f"{name}: not one for all cells"
        return
    low, high = units(table.query)
    steps = draw.linf / max(share, 1 - share)
    scale = float(Fraction(draw.scale) / steps)
    least, most = scale * math.log(1 / _MISS), scale * math.log((high - low) / _MISS)
    if not least * (1 - _SLACK) <= told[0] <= most * (1 + _SLACK):
        yield f"{name}: not the half-width of this selection"


class _MeanNoise(NamedTuple):
    """What moves a mean.

    Attributes:
        sums: scale of the noise of the centred sum, in units.
        counts: scale of the noise of the count.
        gaussian: whether both are Gaussian; else both are Laplace.
        reach: how far a value can be from the middle of the bounds, in units.
    """

    sums: float
    counts: float
    gaussian: bool
    reach: int

    def is_beyond(self, width: float, *, offset: float, count: int) -> bool:
        """Whether a mean is off by more than this, in units, more often than in 5 of 100 cases."""
        second = self.counts * min(offset + width, self.reach)
        distance = max(0.0, width * count - _LATTICE)
        if self.gaussian:
            return distance < _Z * math.hypot(self.sums, second)
        return difference_miss(distance, self.sums, second) > _MISS


def _mean_faults(package: CellPackage, table: Cells) -> Iterator[str]:
    draws = [package.draw_of(table.name, column) for column in (MEAN, LEARNERS)]
    gaussian = [draw.mechanism == DISCRETE_GAUSSIAN for draw in draws]
    if len(set(gaussian)) > 1:
        yield f"{table.name}: sums and counts have noise of two kinds"
        return
    low, high = units(table.query)
    middle, unit = (low + high) // 2, 10**table.query.decimals
    sums, counts = (float(Fraction(draw.scale)) for draw in draws)
    noise = _MeanNoise(sums, counts, gaussian[0], max(high - middle, middle - low))
    name = f"{MEAN}_half_width"
    wrong = 0
    for mean, width, count in table.select(MEAN, name, LEARNERS).drop_nulls().iter_rows():
        about = partial(noise.is_beyond, offset=abs(mean * unit - middle), count=count)
        least, most = (width * unit * factor for factor in (1 - _TOLERANCE, 1 + _TOLERANCE))
        wrong += not (width > 0 and count > 0 and about(least) and not about(most))
    if wrong:
        yield f"{table.name}.{name}: {plural(wrong, 'cell')} not as mean and count have it"


def difference_miss(distance: float, first: float, second: float) -> float:
    """P(|x - y| > distance) of two Laplace draws of these scales, the second of 0 or more.

    (b^2 exp(-h/b) - c^2 exp(-h/c)) / (b^2 - c^2), or its limit (1 + h/(2b)) exp(-h/b) for b = c.
    """
    if second == 0:
        return math.exp(-distance / first)
    if abs(first - second) < _ALIKE * first:
        both = (first + second) / 2
        return (1 + distance / (2 * both)) * math.exp(-distance / both)
    parts = [scale**2 * math.exp(-distance / scale) for scale in (first, second)]
    return (parts[0] - parts[1]) / (first**2 - second**2)
