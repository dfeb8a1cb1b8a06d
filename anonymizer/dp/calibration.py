"""Noise calibrated to a budget.

Scales are rounded up to some 30 significant bits: a float holds them exactly, and what is charged
is never more than what was asked for.
"""

import math
from fractions import Fraction
from typing import Final

from anonymizer.dp.accounting import Number, exact
from anonymizer.dp.geometric_delta import MOST_DELTA, charged_delta
from anonymizer.dp.mechanisms import (
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
