"""How near tables tell sums of the same cells: as near as the noise that is told lets them be.

Tables that share columns tell the same sums several times, each with noise of its own. What these
differ by is noise, whatever was counted. Differences that are all too small are of less noise than
was told and paid for.

Let v be the variance of a cell's noise as it is told, and N the cells of a table. Its sums over all
columns but those of a set A, less what smaller sets say of them, are d(A) numbers: the product of
one less than the labels of each column of A. Numbers of different sets do not go together. Of all
tables that have A, each has the share w(A) of their weights 1 / (v N). Q is the sum, over sets,
tables and cells, of the squared differences of these numbers and their weighted mean, in units of
v: the squared length of a projection P of all noise. It has (1 - w(A)) d(A) dimensions in a table,
summed over sets; each of its cells has the same share c of them.

With y the noise and g standard Gaussian, exp(-l Q) is the mean over g of exp(i sqrt(2 l) <P g, y>).
What was counted turns the phase of that alone, and the characteristic functions of discrete Laplace
and Gaussian noise are not negative. So the mean of exp(-l Q) is at most the mean over g of their
product over all cells. By the geometric Brascamp-Lieb inequality (Ball 1989, "Volumes of sections
of cubes and related problems") that is at most the product of E[phi(g sqrt(2 l c / v))^(1 / c)]^c:
of Gaussian noise (1 + 2 l)^(-df / 2), as if Q had a chi-squared distribution of df dimensions. And
P(Q <= q) is at most exp(l q) times it, for any l above 0.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from typing import Final, TypeAlias

import polars as pl

from pipelines.verify.aggregate import CellPackage, Cells
from pipelines.verify.cells import value_columns
from pipelines.verify.tails import variance_of
from schemas.manifest import DISCOVERED, DISCRETE_GAUSSIAN, KEY, MEAN, QUANTILES, SUM, Draw

_RARE: Final = 1e-9
"""How often, at most, an honest package is taken for one of less noise: by all that is here."""

_MOST_KEYS: Final = 2
"""Of a set A; a table of many columns has too many sets."""

_STEEPEST: Final = 500.0
"""Of l. More would tell copies that are exact, which are found as such."""

_REACH: Final = 9
"""Standard deviations of g that are integrated over; beyond are less than 1e-18."""

_STEPS: Final = 10
"""Of the integral, to the width of what is integrated: it is off by less than 1e-20."""

_NEVER: Final = 300
"""Of 1 / (2 scale), from which on Laplace noise is 0 but with less than 1e-260."""

_LAST: Final = 14
"""Beyond are less than 1e-42 of Gaussian noise with a scale below 1."""

Labels: TypeAlias = tuple[str, tuple[str, ...]]
"""A key and its labels, sorted: under other labels it is another key."""

_TOLD: Final = "#told"


@dataclass(frozen=True, slots=True)
class Figures:
    """Whole numbers, or units, one for each cell of a grid, with noise of their own.

    Attributes:
        name: of the table.
        keys: of the grid, sorted; none of a single label.
        frame: the keys, and the numbers.
        draw: what was drawn for each number.
    """

    name: str
    keys: tuple[Labels, ...]
    frame: pl.DataFrame
    draw: Draw
    _known: dict[tuple[Labels, ...], pl.DataFrame] = field(default_factory=dict)

    @property
    def cells(self) -> int:
        """How many numbers there are."""
        return math.prod(len(labels) for _, labels in self.keys)

    @property
    def variance(self) -> float:
        """Of the noise of a number."""
        return float(variance_of(self.draw))

    def sums(self, keys: tuple[Labels, ...]) -> pl.DataFrame:
        """All combinations of labels in their order, and what their numbers add up to."""
        if keys not in self._known:
            self._known[keys] = _sums(self.frame, keys)
        return self._known[keys]

    def told(self, keys: tuple[Labels, ...]) -> list[int]:
        """The sums alone."""
        return self.sums(keys)[_TOLD].to_list()

    def above_zero(self) -> "Figures":
        """The same with 0 for what is below it."""
        clipped = self.frame.with_columns(pl.col(_TOLD).clip(lower_bound=0))
        return Figures(self.name, self.keys, clipped, self.draw)


def figures_of(package: CellPackage, table: Cells, column: str) -> Figures:
    """What a table tells in a column; whatever is no number counts as 0."""
    unit = 10**table.query.decimals if column == SUM else 1
    enums = {one.name: one.enum for one in table.resource.fields if one.role == KEY}
    keys = tuple(sorted((key, tuple(sorted(enums[key]))) for key in table.keys))
    number = pl.col(column).fill_null(0).cast(pl.Float64 if unit > 1 else pl.Int64, strict=False)
    told = (number * unit).round().cast(pl.Int64, strict=False).alias(_TOLD)
    frame = table.select(*table.keys, column)
    frame = frame.select(*(pl.col(key).cast(pl.String) for key in table.keys), told)
    several = tuple(key for key in keys if len(key[1]) > 1)
    return Figures(table.name, several, frame, package.draw_of(table.name, column))


def drawn_columns(table: Cells) -> list[str]:
    """The columns of figures that are whole numbers, or units, with noise of their own."""
    if table.query.metric == QUANTILES:
        return []
    return [value.name for value, _ in value_columns(table.query) if value.name != MEAN]


def near_faults(package: CellPackage) -> Iterator[str]:
    """Sums of the same cells differ as noise of their own does: of all tables, and of any two.

    An honest package fails with a probability of at most 1e-9. All tables together have one half of
    that, and all pairs of tables share the other.
    """
    groups = [group for group in _groups(package) if len(group) > 1]
    pairs = sum(math.comb(len(group), 2) for group in groups)
    for group in groups:
        if is_near(group, _RARE / 2 / len(groups)):
            named = f"{group[0].name} to {group[-1].name}"
            yield f"{named}: sums of the same cells are nearer than noise of their own is"
            continue  # so are some of its pairs
        for one, other in combinations(group, 2):
            if is_near((one, other), _RARE / 2 / pairs):
                yield f"{one.name} and {other.name}: sums of the same cells are nearer than noise"


def _groups(package: CellPackage) -> Iterable[list[Figures]]:
    """Tables that may tell the same sums: of one column, in one unit."""
    found: dict[tuple[str, int], list[Figures]] = {}
    for table in package.tables:
        if table.query.keys == DISCOVERED or table.query.consistent_with:
            continue
        for column in drawn_columns(table):
            group = found.setdefault((column, table.query.decimals), [])
            group.append(figures_of(package, table, column))
    return found.values()


def is_near(tables: Sequence[Figures], chance: float) -> bool:
    """Whether noise as it is told has such small differences with less than that probability."""
    distance, shares = distances(tables)
    return rarity(distance, shares, tables, chance) < chance


def distances(tables: Sequence[Figures]) -> tuple[float, list[float]]:
    """Q, and the share of its dimensions that each cell of a table has."""
    shares = [0.0] * len(tables)
    distance = 0.0
    for keys in _shared(tables):
        among = [at for at, table in enumerate(tables) if set(keys) <= set(table.keys)]
        weights = [1 / (tables[at].variance * tables[at].cells) for at in among]
        whole = math.fsum(weights)
        free = math.prod(len(labels) - 1 for _, labels in keys)
        grid = math.prod(len(labels) for _, labels in keys)
        sums = [tables[at].sums(keys) for at in among]
        # In whole numbers: what was counted may be too large for differences of floats.
        apart = [(one[_TOLD] - sums[0][_TOLD]).cast(pl.Float64) for one in sums]
        mean = sum((one * w for one, w in zip(apart, weights, strict=True)), 0 * apart[0]) / whole
        for at, one, weight in zip(among, apart, weights, strict=True):
            shares[at] += (1 - weight / whole) * free / tables[at].cells
            beyond = _beyond(sums[0].with_columns((one - mean).alias(_TOLD)), keys)
            distance += float((beyond**2).sum()) * grid * weight
    return distance, shares


def _shared(tables: Sequence[Figures]) -> list[tuple[Labels, ...]]:
    """Sets of keys that two tables have, none of them among these."""
    both = [sorted(set(one.keys) & set(other.keys)) for one, other in combinations(tables, 2)]
    sets = {s for keys in both for size in range(_MOST_KEYS + 1) for s in combinations(keys, size)}
    return sorted(sets)


def _sums(frame: pl.DataFrame, keys: tuple[Labels, ...]) -> pl.DataFrame:
    names = [name for name, _ in keys]
    if not names:
        return frame.select(pl.col(_TOLD).sum())
    grid = pl.DataFrame({names[0]: keys[0][1]})
    for name, labels in keys[1:]:
        grid = grid.join(pl.DataFrame({name: labels}), how="cross")
    found = frame.group_by(names).agg(pl.col(_TOLD).sum())
    return grid.join(found, on=names, how="left", maintain_order="left").with_columns(
        pl.col(_TOLD).fill_null(0)
    )


def _beyond(sums: pl.DataFrame, keys: tuple[Labels, ...]) -> pl.Series:
    """Sums less what fewer keys say of them: without the mean over each key."""
    names = [name for name, _ in keys]
    for name in names:
        others = [other for other in names if other != name]
        mean = pl.col(_TOLD).mean()
        sums = sums.with_columns(pl.col(_TOLD) - (mean.over(others) if others else mean))
    return sums[_TOLD]


def rarity(
    distance: float, shares: Sequence[float], tables: Sequence[Figures], chance: float = 0.0
) -> float:
    """P(Q <= distance) at most, of noise as it is told.

    Args:
        distance: Q.
        shares: of the dimensions of Q, that each cell of a table has.
        tables: whose they are.
        chance: what is no rarer needs no number: then 1.
    """
    free = math.fsum(share * one.cells for share, one in zip(shares, tables, strict=True))
    if not 0 <= distance < free:
        return 1.0
    slope = min(_STEEPEST, free / (2 * distance) - 0.5) if distance else _STEEPEST
    # No noise of these kinds is rarer near 0 than the Gaussian of its variance.
    if slope * distance - free / 2 * math.log1p(2 * slope) > math.log(chance or 1):
        return 1.0
    logs = [
        share * one.cells * math.log(_transform(one.draw, slope / one.variance, share))
        for share, one in zip(shares, tables, strict=True)
        if share > 0
    ]
    return min(1.0, math.exp(slope * distance + math.fsum(logs)))


def _transform(draw: Draw, slope: float, share: float) -> float:
    """E[phi(g sqrt(2 slope share))^(1 / share)] of standard Gaussian g, by the trapezoid rule."""
    scale = math.sqrt(2 * slope * share)
    step = 1 / (_STEPS * math.sqrt(1 + 2 * slope * float(variance_of(draw))))
    places = range(1, math.ceil(_REACH / step))
    rest = math.fsum(
        math.exp(-((step * i) ** 2) / 2) * _spectrum(draw, scale * step * i) ** (1 / share)
        for i in places
    )
    return step * (1 + 2 * rest) / math.sqrt(2 * math.pi)


def _spectrum(draw: Draw, at: float) -> float:
    """The characteristic function of the noise: the mean of cos(at x).

    Laplace: 1 / (1 + (sin(at / 2) / sinh(1 / (2 scale)))^2). Gaussian: of a scale of 1 and more by
    Poisson's summation, Gaussians around all multiples of 2 pi; else by its definition.
    """
    scale = float(Fraction(draw.scale))
    if draw.mechanism != DISCRETE_GAUSSIAN:
        wide = 1 / (2 * scale)
        return 1.0 if wide > _NEVER else 1 / (1 + (math.sin(at / 2) / math.sinh(wide)) ** 2)
    if scale < 1:
        odds = [(2 - (not x)) * math.exp(-((x / scale) ** 2) / 2) for x in range(_LAST)]
        found = math.fsum(o * math.cos(x * at) for x, o in enumerate(odds)) / math.fsum(odds)
        return max(0.0, found)
    near = math.remainder(at, 2 * math.pi)
    around = [2 * math.pi * turn for turn in (-1, 0, 1)]
    return _bell(scale, [near + one for one in around]) / _bell(scale, around)


def _bell(scale: float, places: Iterable[float]) -> float:
    return math.fsum(math.exp(-((scale * place) ** 2) / 2) for place in places)
