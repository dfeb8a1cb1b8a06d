"""Noise calibrated to a budget, and the budget that a wished-for half-width needs.

Scales are rounded up to some 30 significant bits: a float holds them exactly, and what is charged
is never more than what was asked for.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from anonymizer.dp.accounting import LARGEST, MICRO, Number, exact
from anonymizer.dp.geometric_delta import MOST_DELTA, charged_delta
from anonymizer.dp.half_widths import CONFIDENCE, gaussian_half_width, laplace_half_width
from anonymizer.dp.mechanisms import (
    MOST_SCALE,
    DiscreteGaussian,
    DiscreteLaplace,
    Geometric,
    NoisyMax,
    demand_bounds,
    score_sensitivity,
)
from anonymizer.errors import CoreError

_BITS: Final = 30
"""Of a scale, below its first."""


def laplace_for(epsilon: Number, l0: int, linf: int) -> Geometric | DiscreteLaplace:
    """Integer noise of that pure epsilon: diffprivlib's while its delta is at most 1e-12.

    Beyond (a scale above some 70 for one cell, 7 for ten) it is OpenDP's: the same distribution,
    without delta.

    Raises:
        CoreError: no budget, or `l0`, `linf` or the scale that follows is out of its range.
    """
    demand_bounds(l0, linf)
    scale = _laplace_scale(_budget(epsilon, "epsilon"), l0, linf)
    if charged_delta(l0, linf, scale) > MOST_DELTA:
        return DiscreteLaplace(l0, linf, scale)
    return Geometric(l0, linf, scale)


def gaussian_for(rho: Number, l0: int, linf: int) -> DiscreteGaussian:
    """Integer noise of that rho.

    Raises:
        CoreError: no budget, or `l0`, `linf` or the scale that follows is out of its range.
    """
    demand_bounds(l0, linf)
    return DiscreteGaussian(l0, linf, _gaussian_scale(_budget(rho, "rho"), l0, linf))


def noisy_max_for_epsilon(epsilon: Number, l0: int, alpha: Fraction) -> NoisyMax:
    """The selection of a quantile of that pure epsilon.

    Raises:
        CoreError: no budget, or `l0`, `alpha` or the scale that follows is out of its range.
    """
    demand_bounds(l0, linf := score_sensitivity(alpha))
    scale = _laplace_scale(_budget(epsilon, "epsilon"), l0, 2 * linf)
    return NoisyMax(l0, alpha, scale, "pure")


def noisy_max_for_rho(rho: Number, l0: int, alpha: Fraction) -> NoisyMax:
    """The selection of a quantile of that rho.

    Raises:
        CoreError: no budget, or `l0`, `alpha` or the scale that follows is out of its range.
    """
    demand_bounds(l0, linf := score_sensitivity(alpha))
    scale = _gaussian_scale(_budget(rho, "rho"), l0, linf)
    return NoisyMax(l0, alpha, scale, "zcdp")


def epsilon_for_half_width(
    half_width: int, l0: int, linf: int, confidence: Number = CONFIDENCE
) -> Fraction:
    """The least epsilon, in whole millionths, whose `laplace_for` has at most that half-width.

    Raises:
        CoreError: `half_width` is negative, `l0` or `linf` out of its range, or no budget that can
            be charged is enough.
    """

    def holds(epsilon: Fraction) -> bool:
        scale = _laplace_scale(epsilon, l0, linf)
        return scale <= MOST_SCALE and laplace_half_width(scale, confidence) <= half_width

    return _least(half_width, l0, linf, holds)


def rho_for_half_width(
    half_width: int, l0: int, linf: int, confidence: Number = CONFIDENCE
) -> Fraction:
    """The least rho, in whole millionths, whose `gaussian_for` has at most that half-width.

    Raises:
        CoreError: as `epsilon_for_half_width`.
    """

    def holds(rho: Fraction) -> bool:
        scale = _gaussian_scale(rho, l0, linf)
        return scale <= MOST_SCALE and gaussian_half_width(scale, confidence) <= half_width

    return _least(half_width, l0, linf, holds)


def _least(half_width: int, l0: int, linf: int, holds: Callable[[Fraction], bool]) -> Fraction:
    """By bisection: more budget is never more noise."""
    if half_width < 0:
        raise CoreError("half_width: 0 or more was expected")
    demand_bounds(l0, linf)
    above = 1
    while not holds(Fraction(above, MICRO)):
        above *= 2
        if above > LARGEST:
            raise CoreError("half_width: no budget is enough, allow more or bound more tightly")
    below = above // 2
    while above - below > 1:
        middle = (below + above) // 2
        if holds(Fraction(middle, MICRO)):
            above = middle
        else:
            below = middle
    return Fraction(above, MICRO)


def _budget(value: Number, name: str) -> Fraction:
    found = exact(value, name)
    if found == 0:
        raise CoreError(f"{name}: more than 0 was expected")
    return found


def _laplace_scale(epsilon: Fraction, l0: int, linf: int) -> Fraction:
    wanted = Fraction(l0 * linf) / epsilon
    unit = Fraction(2) ** (_order(wanted) - _BITS)
    return math.ceil(wanted / unit) * unit


def _gaussian_scale(rho: Fraction, l0: int, linf: int) -> Fraction:
    squared = l0 * linf**2 / (2 * rho)
    unit = Fraction(2) ** (_order(squared) // 2 - _BITS)
    # The least whole number whose square is not below `squared / unit^2`.
    return (math.isqrt(math.ceil(squared / unit**2) - 1) + 1) * unit


def _order(value: Fraction) -> int:
    """The power of two next to a positive value, or the one above."""
    return value.numerator.bit_length() - value.denominator.bit_length()
