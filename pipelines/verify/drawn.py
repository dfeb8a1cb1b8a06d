"""Checks of the figures: that they can have come of the draws that are told.

Whether noise was drawn at all is not to be seen in one figure. But some figures nobody could have
made of noisy ones, and some hardly ever come of noise, whatever the data were.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Final

from pipelines.verify.aggregate import CellPackage, Cells
from pipelines.verify.agreeing import differing
from pipelines.verify.cells import quantile_column
from pipelines.verify.noise import units
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.overlapping import drawn_columns, near_faults
from schemas.manifest import (
    DISCOVERED,
    DISCRETE_GAUSSIAN,
    LEARNERS,
    MEAN,
    NOISY_MAX,
    QUANTILES,
    SUM,
    Draw,
)

_RARE: Final = 1e-9
"""How often, at most, each rule takes an honest table, or pair of tables, for a forged one."""

_SEVERAL: Final = 3
"""Two tables are a matter of `_copy_faults`."""

_STEPS: Final = (2, 3, 5)
"""Figures that someone has rounded to larger steps are a whole number of one of these apart."""

_EXACT: Final = 2.0**48
"""Sums below it are told apart by a mean of doubles."""


def figures(package: CellPackage) -> Outcome:
    """No figure is told that its draws can't have given, and none that they hardly ever give."""
    faults: list[str] = []
    for table in package.tables:
        if table.query.metric == QUANTILES:
            faults += _quantile_faults(package, table)
        faults += _alike_faults(package, table)
        if table.query.metric == MEAN:
            faults += _quotient_faults(table)
    for one, other in combinations(package.tables, 2):
        faults += _copy_faults(package, one, other)
    faults += _all_alike_faults(package)
    faults += near_faults(package)
    return outcome(faults, "as draws may give them")


def _quantile_faults(package: CellPackage, table: Cells) -> Iterator[str]:
    """A quantile is one of the candidates; those that are read off one histogram never cross."""
    columns = [quantile_column(share) for share in sorted(table.query.quantiles)]
    among = (*units(table.query), table.query.candidates or 0)
    for name in columns:
        told = table.select(name)[name]
        wrong = {
            value for value in told.unique() if not is_candidate(_in_units(table, value), *among)
        }
        if wrong:
            rows = int(told.is_in(list(wrong)).sum())
            yield f"{table.name}.{name}: {plural(rows, 'cell')} no candidate"
    for lower, upper in pairwise(columns):
        draws = [package.draw_of(table.name, name) for name in (lower, upper)]
        frame = table.select(lower, upper)
        crossed = int((frame[lower] > frame[upper]).sum())
        if crossed and NOISY_MAX not in {draw.mechanism for draw in draws}:
            yield f"{table.name}: {lower} above {upper} in {plural(crossed, 'cell')}"


def _in_units(table: Cells, value: float) -> Fraction:
    return Fraction(repr(value)) * int(10**table.query.decimals)


def is_candidate(value: Fraction, low: int, high: int, number: int) -> bool:
    """Whether it is low + (high - low) i / (number - 1), rounded down, of a whole i.

    Args:
        value: in units.
        low: the least candidate, in units.
        high: the largest one.
        number: of all candidates, at least 2.
    """
    steps = number - 1
    i = math.ceil((value - low) * steps / (high - low))
    return 0 <= i <= steps and value == low + (high - low) * i // steps


def _quotient_faults(table: Cells) -> Iterator[str]:
    """A mean is the middle of the bounds + S / N, of a whole S and the noisy count beside it."""
    low, high = units(table.query)
    middle, unit = (low + high) // 2, 10**table.query.decimals
    rows = table.select(MEAN, LEARNERS).drop_nulls().iter_rows()
    wrong = sum(not _is_quotient(mean, count, middle, unit) for mean, count in rows)
    if wrong:
        yield f"{table.name}.{MEAN}: {plural(wrong, 'cell')} no whole sum over the count"


def _is_quotient(mean: float, count: int, middle: int, unit: int) -> bool:
    largest = max(abs(mean * unit), abs(middle)) * abs(count)
    if not largest < _EXACT:
        return True  # not to be told apart, or no number, as `no-nulls` tells
    total = round((mean * unit - middle) * count)
    return count != 0 and (middle + total / count) / unit == mean


def _alike_faults(package: CellPackage, table: Cells) -> Iterator[str]:
    """Cells are not all equal, nor all a whole number of larger steps apart.

    That the distances of n figures are all whole steps has, whatever was counted, a probability of
    at most p^(n - 1), with p that of the likeliest rest of noise.
    """
    if table.query.keys == DISCOVERED or table.query.consistent_with:
        return
    for name in drawn_columns(table):
        draw, told = package.draw_of(table.name, name), _whole(table, name)
        common = math.gcd(*(figure - told[0] for figure in told))
        for step in (None, *_STEPS):
            alike = common == 0 if step is None else common % step == 0
            if alike and likeliest(draw, step) ** (len(told) - 1) < _RARE:
                how = "equal" if step is None else f"{step} or more apart"
                yield f"{table.name}.{name}: all cells are {how}, as noise does not have them"
                break


def _copy_faults(package: CellPackage, one: Cells, other: Cells) -> Iterator[str]:
    """Tables that do not say that they agree do not agree by chance.

    Where each has noise of its own, that m sums over the keys that only one has are equal has,
    whatever was counted, a probability of at most p^m, with p that of the likeliest noise.
    """
    asked = (one.query, other.query)
    if any(query.keys == DISCOVERED or query.consistent_with for query in asked):
        return
    if asked[0].decimals != asked[1].decimals:
        return
    shared = tuple(key for key in one.keys if key in other.keys)
    enums = {column.name: column.enum for column in one.resource.fields}
    sums = math.prod(len(enums[key]) for key in shared)
    for name in sorted(set(drawn_columns(one)) & set(drawn_columns(other))):
        p = min(likeliest(package.draw_of(table.name, name)) for table in (one, other))
        if p**sums < _RARE and not differing(one, other, name, shared):
            yield f"{one.name} and {other.name}: {name} agrees, as noise of their own does not"


def _all_alike_faults(package: CellPackage) -> Iterator[str]:
    """Three and more counts of learners do not all come to the same sums.

    Whatever was counted, K tables with noise of their own agree in m sums with a probability of at
    most (p_2 ... p_K)^m: given the first, each of the others must have just the one noise.
    """
    counts = [
        table
        for table in package.tables
        if table.query.metric == LEARNERS
        and table.query.keys != DISCOVERED
        and not table.query.consistent_with
    ]
    columns = dict.fromkeys(key for table in counts for key in table.keys)
    for keys in ((), *((key,) for key in columns)):
        group = [table for table in counts if set(keys) <= set(table.keys)]
        enums = {column.enum for t in group for column in t.resource.fields if column.name in keys}
        if len(group) < _SEVERAL or len(enums) > 1:
            continue
        sums = math.prod(map(len, enums))
        chances = sorted(likeliest(package.draw_of(table.name, LEARNERS)) for table in group)[:-1]
        first, *others = group
        if math.prod(chances) ** sums < _RARE and not any(
            differing(first, other, LEARNERS, keys) for other in others
        ):
            named = " and ".join(keys) or "everybody"
            yield f"{len(group)} tables agree on {named}, as noise of their own does not"


def _whole(table: Cells, column: str) -> list[int]:
    """Figures in units; what is none is told by `no-nulls`."""
    unit = 10**table.query.decimals if column == SUM else 1
    told = table.select(column)[column].drop_nulls()
    return [round(figure * unit) for figure in told if math.isfinite(figure)]


def likeliest(draw: Draw, step: int | None = None) -> float:
    """The probability of the likeliest noise of a cell, 0; or of all that is whole steps from it.

    At most. Laplace: (1 - a) / (1 + a) with a = exp(-1 / scale), over the same with exp(-step /
    scale). Gaussian: of exp(-x^2 / (2 scale^2)) the sum over all whole numbers is more than its
    integral, scale sqrt(2 pi); the sum over steps is at most 1 + that / step.
    """
    scale = float(Fraction(draw.scale))
    if draw.mechanism == DISCRETE_GAUSSIAN:
        alone = 1 / (scale * math.sqrt(2 * math.pi))
        return min(1.0, alone if step is None else alone + 1 / step)
    alone = math.tanh(1 / (2 * scale))
    return alone if step is None else alone / math.tanh(step / (2 * scale))
