"""Keys that no catalogue lists: which noisy counts may show that a key exists.

A key that one learner alone has must not appear, but with probability delta over all its cells
(Korolova, Kenthapadi, Mishra and Ntoulas 2009, "Releasing Search Queries and Clicks Privately").
One draw a key and a threshold known beforehand do that for a learner in l0 cells (Wilson et al.
2020, "Differentially Private SQL with Bounded User Contribution"; Desfontaines, Voss, Gipson and
Mandayam 2022, "Differentially Private Partition Selection", have the rule that shows the most).
"""

from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from typing import Final

from anonymizer.dp.widths import Kind
from anonymizer.errors import CoreError

_LARGEST_SCALE: Final = 10**15
_LEAST_SCALE: Final = Fraction(1, 10**15)
_LEAST_DELTA: Final = Fraction(1, 10**100)

_DIGITS: Final = Context(prec=80)
_MARGIN: Final = Decimal("1e-30")
"""By how much a logarithm of a probability must lie below. Terms stay below 1e31 and no difference
loses more than 15 of 80 digits, so that a dozen operations are off by less than 1e-45."""

_ROOT_OF_TWO_PI: Final = Decimal("2.5066282746310005024157652848110452530069867406099")
"""Cut off, not rounded."""


def threshold_for(kind: Kind, scale: Fraction, l0: int, delta: Fraction) -> int:
    """What a key's noisy count of learners must exceed, strictly, for the key to be shown.

    A key that one learner has is then shown with probability P(1 + noise > threshold) =
    P(noise >= threshold) <= delta / l0, so that any of a learner's own keys is with delta at most.
    Whoever shows keys charges that delta beside the noise's own cost.

    Laplace: the least such number, from P(noise >= t) = a^t / (1 + a) with a = exp(-1 / scale).
    Gaussian: from a bound of the tail that is a few percent above it. All terms of the sum beyond t
    are at most exp(-t^2 / (2 scale^2)) times powers of exp(-t / scale^2), and what they are divided
    by is at least 1 (its term at 0) and at least scale * sqrt(2 pi) (Poisson's summation formula).

    Args:
        kind: of the noise, on whole numbers.
        scale: of the noise, from 10^-15 to 10^15.
        l0: cells that a learner is in at most.
        delta: for all keys of a learner together, from 10^-100 to below 1.

    Returns:
        At least 1.

    Raises:
        CoreError: a parameter is out of range.
    """
    if not _LEAST_SCALE <= scale <= _LARGEST_SCALE:
        raise CoreError("scale: 10^-15 to 10^15 was expected")
    if l0 < 1:
        raise CoreError("l0: at least 1 was expected")
    if not _LEAST_DELTA <= delta < 1:
        raise CoreError("delta: 10^-100 to below 1 was expected")
    allowed = _DIGITS.subtract(_decimal(delta / l0).ln(_DIGITS), _MARGIN)
    if kind == "laplace":
        return _laplace(_decimal(scale), allowed)
    return _gaussian(_decimal(scale), allowed)


def _laplace(scale: Decimal, allowed: Decimal) -> int:
    """The least t of at least 1 with -t / scale - ln(1 + a) <= allowed."""
    step = _DIGITS
    ratio = step.exp(step.divide(Decimal(-1), scale))
    least = step.multiply(scale, -step.add(allowed, step.ln(step.add(1, ratio))))
    return max(1, int(least.to_integral_value(ROUND_CEILING)))


def _gaussian(scale: Decimal, allowed: Decimal) -> int:
    """The least t of at least 1 whose bound is allowed."""
    above = 1
    while _log_tail(above, scale) > allowed:
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (below + above) // 2
        if _log_tail(middle, scale) > allowed:
            below = middle
        else:
            above = middle
    return above


def _log_tail(least: int, scale: Decimal) -> Decimal:
    """The logarithm of what bounds P(noise >= least), for discrete Gaussian noise."""
    step = _DIGITS
    far = step.divide(Decimal(least), scale)
    first = step.divide(step.multiply(far, far), Decimal(-2))
    falling = step.exp(-step.divide(far, scale))
    whole = max(Decimal(1), step.multiply(scale, _ROOT_OF_TWO_PI))
    terms = step.ln(step.subtract(1, falling))
    return step.subtract(step.subtract(first, terms), step.ln(whole))


def _decimal(value: Fraction) -> Decimal:
    return _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))
