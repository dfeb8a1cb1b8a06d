"""How far noise reaches: half-widths that hold with a stated confidence, without drawing."""

import math
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from statistics import NormalDist
from typing import Final

import numpy as np

from anonymizer.dp.accounting import Number, exact
from anonymizer.errors import CoreError

CONFIDENCE: Final = Fraction(95, 100)
"""Of the half-widths that are released."""

RANK_UNITS: Final = 10_000
"""Units of score that one learner's rank has: OpenDP resolves quantiles to ten-thousandths."""

_MOST: Final = Fraction(999_999, 10**6)
_DIGITS: Final = Context(prec=60)
_SUMMED: Final = 1024
"""The largest scale of a discrete Gaussian whose probabilities are summed up."""
_REACH: Final = 12
"""In scales: what lies beyond is below exp(-72), far less than the margin."""
_MARGIN: Final = 1e-12
"""Relative: above the errors of some 10^4 floats and of the normal quantile."""


def laplace_half_width(scale: Fraction, confidence: Number = CONFIDENCE) -> int:
    """The least whole h with P(|x| <= h) >= confidence where P(x) ~ exp(-|x| / scale).

    P(|x| > h) = 2 exp(-(h + 1) / scale) / (1 + exp(-1 / scale)), solved for h with 60 digits.

    Raises:
        CoreError: confidence is not above 0 and at most 0.999999.
    """
    step, width = _DIGITS, _decimal(scale)
    ratio = step.exp(step.divide(Decimal(-1), width))
    most = step.multiply(_decimal(_miss(confidence)), step.add(Decimal(1), ratio))
    reach = step.multiply(width, step.ln(step.divide(Decimal(2), most)))
    return max(0, int(step.subtract(reach, Decimal(1)).to_integral_value(ROUND_CEILING)))


def gaussian_half_width(scale: Fraction, confidence: Number = CONFIDENCE) -> int:
    """A whole h with P(|x| <= h) >= confidence where P(x) ~ exp(-x^2 / (2 scale^2)) on integers.

    Up to a scale of 1024 the least one: the probabilities are summed up. Beyond, the closed bound
    ceil(z scale) of the continuous distribution, at most 1 more than the least: for m >= 1, P(x >=
    m) is at most the continuous P(x >= m - 1), for the sum from m on is below the integral from
    m - 1 on, and the sum over all integers is not below that over the line (Canonne, Kamath and
    Steinke 2020, "The Discrete Gaussian for Differential Privacy").

    Raises:
        CoreError: confidence is not above 0 and at most 0.999999.
    """
    miss = float(_miss(confidence))
    if scale > _SUMMED:
        quantile = -NormalDist().inv_cdf(miss / 2) * (1 + _MARGIN)
        return math.ceil(Fraction(quantile) * scale)
    far = np.arange(math.ceil(_REACH * scale) + 2, dtype=np.float64)
    weights = np.exp(-np.square(far / float(scale)) / 2)
    beyond = np.cumsum(weights[::-1])[::-1]  # the smallest first
    both = 2 * beyond[1:] / (2 * beyond[0] - 1)
    return int(np.argmax(both <= miss * (1 - _MARGIN)))


def rank_half_width(scale: Fraction, candidates: int, confidence: Number = CONFIDENCE) -> float:
    """How far, in learners, the rank of a selected quantile is from the best candidate's at most.

    The exponential mechanism picks one whose score is t or more above the least with a probability
    of at most (candidates - 1) exp(-t / scale) (McSherry and Talwar 2007, "Mechanism Design via
    Differential Privacy"); one learner's rank is 10,000 of score. That no candidate may have the
    asked rank is not in it.

    Args:
        scale: of the noise, in units of score.
        candidates: how many there are.
        confidence: with which it holds.

    Raises:
        CoreError: there is no candidate, or confidence is not above 0 and at most 0.999999.
    """
    if candidates < 1:
        raise CoreError("candidates: at least one was expected")
    miss = float(_miss(confidence))
    reach = math.log((candidates - 1) / miss) if candidates > 1 else 0.0
    return float(scale / RANK_UNITS) * reach


def _miss(confidence: Number) -> Fraction:
    found = exact(confidence, "confidence")
    if not 0 < found <= _MOST:
        raise CoreError("confidence: above 0 and at most 0.999999 was expected")
    return 1 - found


def _decimal(value: Fraction) -> Decimal:
    return _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))
