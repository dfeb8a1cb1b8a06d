"""Checks of the noise: every draw follows from what is told, and costs what it must.

For one learner, who is in at most l0 cells and changes one by at most linf:

- Laplace noise (`geometric`, `discrete-laplace`): epsilon = l0 linf / scale, rho = epsilon^2 / 2;
- Gaussian noise (`discrete-gaussian`): rho = l0 linf^2 / (2 scale^2), and no epsilon;
- selection (`noisy-max`), where linf is of its score: epsilon = 2 l0 linf / scale, and
  rho = l0 (linf / scale)^2 / 2. The score of a candidate counts the learners below and above it, in
  ten-thousandths: of the quantile k / 10,000 one learner moves it by at most max(k, 10,000 - k).
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from pipelines.verify.aggregate import CellPackage, Cells
from pipelines.verify.cells import quantile_column
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.tails import tail
from schemas.manifest import (
    DISCOVERED,
    DISCRETE_GAUSSIAN,
    EVENTS,
    GEOMETRIC,
    LEARNERS,
    MEAN,
    NOISY_MAX,
    QUANTILES,
    SUM,
    VALUE,
    Draw,
    Measurement,
    Privacy,
    Query,
)

_MICRO: Final = 10**6
_ATTO: Final = 10**18
RANK_UNITS: Final = 10**4
"""Of score: what one learner's rank has."""

_MOST_LOSS: Final = 40
"""From this epsilon of a cell on, the delta of floating point is 1."""

_SLACK: Final = 1e-9
"""Relative: of sums of floats."""


def noise_parameters(package: CellPackage) -> Outcome:
    """Each value column has one draw, whose bounds and sensitivity are those of its query."""
    tables = {table.name: table for table in package.tables}
    faults: list[str] = []
    for one in package.promise.measurements:
        table = tables.get(one.table)
        if table is None:
            faults.append("a measurement of no table of the package")
        else:
            faults += _measurement_faults(one, table)
    wanted = [(table.name, c) for table in package.tables for c in table.resource.of_role(VALUE)]
    found = [(one.table, column) for one in package.promise.measurements for column in one.columns]
    for name, column in wanted:
        named = found.count((name, column))
        if named != 1:
            faults.append(f"{name}.{column}: named by {plural(named, 'measurement')}")
    if sorted(found) == sorted(wanted) and found != wanted:
        faults.append("measurements stand in another order than tables and columns")
    return outcome(faults, f"{plural(len(package.promise.measurements), 'measurement')} follow")


def _measurement_faults(one: Measurement, table: Cells) -> Iterator[str]:
    name, query, draw = f"{table.name}: {', '.join(one.columns)}", table.query, one.draw
    if not set(one.columns) <= set(table.resource.of_role(VALUE)):
        yield f"{name}: not all are value columns"
        return
    selects = draw.mechanism == NOISY_MAX
    if selects and query.metric != QUANTILES:
        yield f"{name}: {NOISY_MAX} is for quantiles"
    if len(one.columns) > 1 and (selects or query.metric != QUANTILES):
        yield f"{name}: one measurement of several columns"
    if draw.norm != ("L2" if draw.mechanism == DISCRETE_GAUSSIAN else "L1"):
        yield f"{name}: norm {draw.norm} does not go with {draw.mechanism}"
    if draw.l0 != query.cells:
        yield f"{name}: l0 {draw.l0}, and a learner counts in at most {query.cells} cells"
    if selects:
        yield from _score_faults(name, one, query)
    elif draw.linf != (wanted := _linf(one.columns[0], query)):
        yield f"{name}: linf {draw.linf}, and a learner changes a cell by at most {wanted}"


def _linf(column: str, query: Query) -> int:
    """By how much a learner changes a cell at most, in units of the last decimal."""
    if column == EVENTS and query.most is not None:
        return query.most
    if column in {SUM, MEAN} and query.bounds is not None:
        low, high = units(query)
        middle = (low + high) // 2
        return max(abs(low), abs(high)) if column == SUM else max(high - middle, middle - low)
    return 1


def units(query: Query) -> tuple[int, int]:
    """The bounds of a learner's value, in units of the last decimal."""
    low, high = query.bounds or (0, 0)
    unit = 10**query.decimals
    return int(Fraction(repr(low)) * unit), int(Fraction(repr(high)) * unit)


def _score_faults(name: str, one: Measurement, query: Query) -> Iterator[str]:
    share = quantile_shares(query).get(one.columns[0])
    if share is None or one.draw.linf != RANK_UNITS * max(share, 1 - share):
        yield f"{name}: linf {one.draw.linf} is not the sensitivity of a score of this quantile"


def quantile_shares(query: Query) -> dict[str, Fraction]:
    """Column -> the share that it tells the quantile of."""
    return {quantile_column(share): Fraction(repr(share)) for share in query.quantiles}


def costs(package: CellPackage) -> Outcome:
    """What each draw is said to cost is what its scale, l0 and linf come to, rounded up."""
    faults: list[str] = []
    found_out = {table.name for table in package.tables if table.query.keys == DISCOVERED}
    for one in package.promise.measurements:
        name, said = f"{one.table}: {', '.join(one.columns)}", one.draw.privacy
        epsilon, rho = cost_of(one.draw)
        told = said.micro_epsilon
        # Where rho is spent, a selection has an epsilon that nobody adds up.
        if told != epsilon and not (one.draw.mechanism == NOISY_MAX and told is None):
            faults.append(f"{name}: micro_epsilon {told}, expected {epsilon}")
        if said.micro_rho != rho:
            faults.append(f"{name}: micro_rho {said.micro_rho}, expected {rho}")
        exact = one.draw.mechanism != GEOMETRIC
        if exact and one.table not in found_out and said.atto_delta:
            faults.append(f"{name}: atto_delta {said.atto_delta}, expected 0")
        if said.atto_delta < floating_point(one.draw) * (1 - _SLACK):
            faults.append(f"{name}: atto_delta {said.atto_delta}, too little for floating point")
    return outcome(faults, f"{plural(len(package.promise.measurements), 'draw')} as recomputed")


def floating_point(draw: Draw) -> float:
    """1e-18ths of delta that noise costs whose floating point is not exact: of `geometric`.

    In a cell, (1 + exp(linf / scale)) times the distance in total variation to the exact noise,
    which is at most (56 scale + 10) 2^-53: of doubles with logarithms right to 4 units in the last
    place.
    """
    if draw.mechanism != GEOMETRIC:
        return 0.0
    scale = Fraction(draw.scale)
    loss = min(float(draw.linf / scale), _MOST_LOSS)
    distance = float((56 * scale + 10) / 2**53)
    return min(1.0, draw.l0 * (1 + math.exp(loss)) * distance) * _ATTO


def cost_of(draw: Draw) -> tuple[int | None, int]:
    """Millionths of epsilon and of rho, rounded up."""
    ratio = draw.linf / Fraction(draw.scale)
    if draw.mechanism == DISCRETE_GAUSSIAN:
        return None, _micro(draw.l0 * ratio**2 / 2)
    if draw.mechanism == NOISY_MAX:
        return _micro(2 * draw.l0 * ratio), _micro(draw.l0 * ratio**2 / 2)
    epsilon = draw.l0 * ratio
    return _micro(epsilon), _micro(epsilon**2 / 2)


def _micro(amount: Fraction) -> int:
    return -(-amount.numerator * _MICRO // amount.denominator)


def totals(package: CellPackage) -> Outcome:
    """What is promised of all is the sum of what was measured; unknown as soon as one part is."""
    total = summed([one.draw.privacy for one in package.promise.measurements])
    faults = [
        f"{part}: {getattr(package.promise.privacy, part)}, expected {getattr(total, part)}"
        for part in ("micro_epsilon", "micro_rho", "atto_delta")
        if getattr(package.promise.privacy, part) != getattr(total, part)
    ]
    return outcome(faults, "the sum of all measurements")


def summed(parts: list[Privacy]) -> Privacy:
    """By basic composition."""
    epsilons = [one.micro_epsilon for one in parts if one.micro_epsilon is not None]
    return Privacy(
        micro_epsilon=sum(epsilons) if len(epsilons) == len(parts) else None,
        micro_rho=sum(one.micro_rho for one in parts),
        atto_delta=sum(one.atto_delta for one in parts),
    )


def thresholds(package: CellPackage) -> Outcome:
    """What was discovered exceeds its threshold, which is as high as its delta demands.

    A learner alone in a cell makes its count 1: that it is told has at most the probability that
    noise is the threshold or more. In any of l0 cells: at most l0 times that.
    """
    faults: list[str] = []
    found_out = [table for table in package.tables if table.query.threshold is not None]
    for table in found_out:
        faults += _threshold_faults(package, table, table.query.threshold or 0)
    return outcome(faults, f"{plural(len(found_out), 'table')} above what delta demands")


def _threshold_faults(package: CellPackage, table: Cells, threshold: int) -> Iterator[str]:
    told = table.select(LEARNERS)[LEARNERS]
    below = told.len() - int((told > threshold).sum())
    if below:
        yield f"{table.name}: {plural(below, 'row')} not above the threshold"
    draw = package.draw_of(table.name, LEARNERS)
    wanted = draw.l0 * tail(draw, max(1, threshold)) * _ATTO + floating_point(draw)
    if draw.privacy.atto_delta < max(1.0, wanted * (1 - _SLACK)):
        yield f"{table.name}: the threshold {threshold} is too low for its delta"
