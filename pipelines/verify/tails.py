"""How likely noise is to be far out, from its scale alone; slow and by definition."""

import math
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

from schemas.manifest import DISCRETE_GAUSSIAN, Draw

_DIGITS: Final = Context(prec=60)
_SUMMED: Final = 1024
"""The largest scale of a Gaussian whose probabilities are summed up."""

_FAR: Final = 40
"""In scales: a Gaussian is beyond with less than exp(-800)."""


def tail(draw: Draw, least: int) -> float:
    """P(noise >= least) of one cell, for a whole number of at least 1.

    Of a discrete Gaussian with a scale above 1024 it is a little less than that: by the trapezoid
    rule, which for a convex density is above its integral, and below the sum by less than 1e-6 of
    it.
    """
    scale = Fraction(draw.scale)
    return (
        _gaussian(scale, least) if draw.mechanism == DISCRETE_GAUSSIAN else _laplace(scale, least)
    )


def miss(draw: Draw, width: int) -> float:
    """P(|noise| > width) of one cell."""
    return 2 * tail(draw, width + 1)


def variance_of(draw: Draw) -> Fraction:
    """Of the noise of one cell, at most: that of the continuous noise of this scale."""
    scale = Fraction(draw.scale)
    return scale**2 if draw.mechanism == DISCRETE_GAUSSIAN else 2 * scale**2


def _laplace(scale: Fraction, least: int) -> float:
    """Of P(x) ~ exp(-|x| / scale): exp(-least / scale) / (1 + exp(-1 / scale))."""
    reach = _power(-least / scale)
    return float(_DIGITS.divide(reach, _DIGITS.add(Decimal(1), _power(-1 / scale))))


def _power(exponent: Fraction) -> Decimal:
    return _DIGITS.exp(_DIGITS.divide(Decimal(exponent.numerator), Decimal(exponent.denominator)))


def _gaussian(scale: Fraction, least: int) -> float:
    """Of P(x) ~ exp(-x^2 / (2 scale^2))."""
    if least > _FAR * scale:
        return 0.0
    wide = float(scale)
    if scale > _SUMMED:
        here = math.exp(-((least / wide) ** 2) / 2)
        beyond = wide * math.sqrt(math.pi / 2) * math.erfc(least / wide / math.sqrt(2))
        return (beyond + here / 2) / (wide * math.sqrt(2 * math.pi))
    last = math.ceil(_FAR * scale)
    density = [math.exp(-((x / wide) ** 2) / 2) for x in range(last + 1)]
    return math.fsum(density[least:]) / (2 * math.fsum(density) - 1)
