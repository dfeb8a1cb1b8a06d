"""Checks of the 95% half-widths beside the values: recomputed from the noise that is told.

Of one draw it is the least whole h with P(|noise| <= h) >= 0.95; beyond a scale of 1024, Gaussian
noise is taken as continuous, which is at most 1 more.

Of a sum of weighted draws it is a factor times the standard deviation: for Gaussian noise the exact
one, for Laplace noise that of one draw, which a sum does not exceed. Such a sum is a figure of a
margin and its detailed table, made to agree by least squares. With n cells of variance c to a
margin of variance v, and w = n c / (n c + v), a margin has the variance v w, a cell c (1 - w / n);
whole numbers are up to 1 farther.

The rank of a quantile q that is read off a noisy histogram hangs on the largest cumulative count up
to a candidate and the least one from there on. It is off by more than h where noise takes the one
too far up, or the other too far down, or the total to 0 or less. These have at most two, two and
one times the chance that the noise of all bins is beyond h / max(q, 1 - q), one way; which is 0.01
with Gaussian noise, and with Laplace noise taken to be.

The rank of a quantile that is selected among m candidates is off by more than
scale ln((m - 1) / 0.05) of its score, of which 10,000 are one learner, in 5 of 100 cases at most.

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
from pipelines.verify.agreeing import partner_of
from pipelines.verify.cells import value_columns
from pipelines.verify.noise import RANK_UNITS, quantile_shares, units
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.tails import miss, variance_of
from schemas.manifest import (
    DISCRETE_GAUSSIAN,
    KEY,
    LEARNERS,
    MEAN,
    NOISY_MAX,
    QUANTILES,
    SUM,
    Draw,
)

_MISS: Final = 0.05
_Z: Final = 1.959963984540054
"""How many standard deviations a Gaussian is out with a probability of 0.05."""

_SUMMED: Final = {True: 1.959964, False: 2.1184}
"""Standard deviations in the half-width of a sum of draws, Gaussian ones or not: z, and
ln(20) / sqrt(2), rounded up."""

_FIFTH: Final = 2.3264
"""Standard deviations beyond which a Gaussian is, one way, with a probability of 0.05 / 5."""

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
    faults: list[str] = []
    for table in package.tables:
        for value, width in value_columns(table.query):
            told = table.select(width.name)[width.name]
            # Counts are whole: only what is added up has decimals.
            decimals = table.query.decimals if value.name == SUM else 0
            if value.name == MEAN:
                faults += _mean_faults(package, table)
            elif table.query.metric == QUANTILES:
                faults += _rank_faults(package, table, value.name, told)
            elif table.query.consistent_with:
                faults += _agreed_faults(package, table, value.name, told, decimals)
            else:
                draw = package.draw_of(table.name, value.name)
                faults += _draw_faults(table, draw, told, decimals)
    return outcome(faults, "as the noise that is told comes to")


def _draw_faults(table: Cells, draw: Draw, told: pl.Series, decimals: int) -> Iterator[str]:
    width, faults = _one_width(table, told, decimals)
    yield from faults
    if width is not None and not is_half_width(draw, width):
        yield f"{table.name}.{told.name}: not the half-width of this noise"


def _one_width(table: Cells, told: pl.Series, decimals: int) -> tuple[int | None, list[str]]:
    """The half-width of all cells, in units; None where there is no cell, or no one half-width."""
    if told.n_unique() > 1:
        return None, [f"{table.name}.{told.name}: not one for all cells"]
    return round(Fraction(repr(told[0])) * 10**decimals) if told.len() else None, []


def _agreed_faults(
    package: CellPackage, table: Cells, column: str, told: pl.Series, decimals: int
) -> Iterator[str]:
    name = f"{table.name}.{told.name}"
    other = partner_of(package, table)
    if other is None:
        yield f"{name}: no one table agrees with it, so that its noise can't be told"
        return
    draws = [package.draw_of(one.name, column) for one in (table, other)]
    if len({_is_gaussian(draw) for draw in draws}) > 1:
        yield f"{name}: tables that agree have noise of two kinds"
        return
    width, faults = _one_width(table, told, decimals)
    yield from faults
    dropped = set(table.keys) ^ set(other.keys)
    fields = (*table.resource.fields, *other.resource.fields)
    cells = math.prod(len(f.enum) for f in fields if f.role == KEY and f.name in dropped)
    variance = agreed_variance(*draws, cells=cells, is_margin=len(table.keys) < len(other.keys))
    if width is not None and not is_agreed_width(variance, _is_gaussian(draws[0]), width):
        yield f"{name}: not the half-width of tables that agree"


def agreed_variance(draw: Draw, other: Draw, *, cells: int, is_margin: bool) -> Fraction:
    """Of one figure of a table that was made to agree with another, before rounding.

    Args:
        draw: its own.
        other: of the other table.
        cells: of the detailed table, to each of the margin.
        is_margin: whether it is the margin.
    """
    own, others = variance_of(draw), variance_of(other)
    margin, cell = (own, others) if is_margin else (others, own)
    weight = cells * cell / (cells * cell + margin)
    return margin * weight if is_margin else cell * (1 - weight / cells)


def is_agreed_width(variance: Fraction, gaussian: bool, width: int) -> bool:  # noqa: FBT001 - a kind
    """Whether it is the least whole number that is at most 1/2 below what the variance comes to.

    Where that is whole but for the rounding of floats, whoever works it out may land on either side
    of it: there alone two numbers hold.
    """
    reach = _SUMMED[gaussian] * math.sqrt(variance)
    low, high = (math.ceil(reach * (1 + off) - _LATTICE) for off in (-_SLACK, _SLACK))
    return max(0, low) <= width <= max(0, high)


def _is_gaussian(draw: Draw) -> bool:
    return draw.mechanism == DISCRETE_GAUSSIAN


def is_half_width(draw: Draw, width: int) -> bool:
    """Whether noise stays within this with 95%, and no whole number below would do."""
    if width < 0:
        return False
    scale = Fraction(draw.scale)
    if _is_gaussian(draw) and scale > _CONTINUOUS:
        reach = _Z * float(scale)
        return reach * (1 - _SLACK) <= width <= reach * (1 + _SLACK) + 1
    enough = miss(draw, width) <= _MISS * (1 + _SLACK)
    return enough and (width == 0 or miss(draw, width - 1) > _MISS * (1 - _SLACK))


def _rank_faults(package: CellPackage, table: Cells, column: str, told: pl.Series) -> Iterator[str]:
    name = f"{table.name}.{told.name}"
    draw, share = package.draw_of(table.name, column), quantile_shares(table.query)[column]
    reach = rank_width(draw, share, table.query.candidates or 0)
    if told.n_unique() > 1:
        yield f"{name}: not one for all cells"
    elif told.len() and not reach * (1 - _SLACK) <= told[0] <= reach * (1 + _SLACK):
        yield f"{name}: not the half-width of this rank"


def rank_width(draw: Draw, share: Fraction, candidates: int) -> float:
    """How far, in learners, the rank of a told quantile is from the asked one in 95 of 100 cases.

    Args:
        draw: a selection, or of the bins of a histogram.
        share: the quantile.
        candidates: at least 2.
    """
    if draw.mechanism == NOISY_MAX:
        return float(Fraction(draw.scale) / RANK_UNITS) * math.log((candidates - 1) / _MISS)
    deviation = math.sqrt(candidates * variance_of(draw))
    return _FIFTH * deviation * float(max(share, 1 - share))


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
    gaussian = [_is_gaussian(draw) for draw in draws]
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
