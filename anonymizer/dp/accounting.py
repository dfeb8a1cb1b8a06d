"""What differentially private draws cost together, in whole numbers that only err to the safe side.

Epsilon and rho are counted in millionths, delta in units of 1e-18: what is charged is rounded up,
what may be spent is rounded down. A number is what its shortest decimal says, so that 0.1 and 0.2
fit into 0.3.

Costs add up: epsilons and deltas by basic composition (Dwork, Kenthapadi, McSherry, Mironov and
Naor 2006), rhos of zero-concentrated differential privacy by Lemma 1.7 of Bun and Steinke 2016,
"Concentrated Differential Privacy". Both hold for draws that are chosen as results come in, and for
stopping when a ceiling is reached.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final, Self

from anonymizer.errors import CoreError

MICRO: Final = 10**6
"""Units of 1 epsilon, and of 1 rho."""

ATTO: Final = 10**18
"""Units of delta 1."""

LARGEST: Final = 2**63 - 1
"""The largest number of units: what a column of a database holds."""

Number = int | float | str | Decimal | Fraction
"""A number as written: a float stands for its shortest decimal, a text for itself."""

_LONGEST: Final = 100
"""Characters of a number as written."""

_FARTHEST: Final = 400
"""The largest exponent of a number as written, either way: more than a float has."""

_EXPONENT: Final = re.compile(r"[eE][-+]?(\d[\d_]*)")
_DIGITS: Final = Context(prec=60)
_MARGIN: Final = Decimal("1e-20")
"""How far below ln(delta) a bound must lie. Epsilon is below 1e14 and rho at least 1e-6, so no term
of `_holds` exceeds 1e34; a dozen operations of 60 digits, of which the logarithm too is correctly
rounded, are off by less than 1e-24 together."""

_STEPS: Final = 64
_LEAST_LOG: Final = -690.0
"""Of alpha - 1: its inverse is still a float."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a draw, or several together, cost at most.

    Attributes:
        micro_epsilon: millionths of epsilon; None: no pure epsilon, as for Gaussian noise.
        micro_rho: millionths of rho.
        atto_delta: 1e-18ths of delta: of the approximate differential privacy in terms of epsilon,
            and of the delta-approximate zCDP (Bun and Steinke 2016, Definition 8.1) in terms of
            rho.

    Raises:
        CoreError: a number is negative or too large, or a rho of 0 goes with another epsilon.
    """

    micro_epsilon: int | None
    micro_rho: int
    atto_delta: int

    def __post_init__(self) -> None:
        parts = (self.micro_epsilon or 0, self.micro_rho, self.atto_delta)
        if not all(isinstance(part, int) and 0 <= part <= LARGEST for part in parts):
            raise CoreError("cost: whole numbers from 0 to 2^63 - 1 were expected")
        if self.micro_rho == 0 and self.micro_epsilon != 0:
            raise CoreError("micro_rho: 0 only where epsilon is 0, too")

    def __add__(self, other: "Cost") -> "Cost":
        """Both, by basic composition."""
        known = self.micro_epsilon is not None and other.micro_epsilon is not None
        return Cost(
            (self.micro_epsilon or 0) + (other.micro_epsilon or 0) if known else None,
            self.micro_rho + other.micro_rho,
            self.atto_delta + other.atto_delta,
        )

    @classmethod
    def pure(cls, epsilon: Number, delta: Number = 0) -> Self:
        """Of (epsilon, delta)-differential privacy.

        It is delta-approximate zCDP of rho = epsilon^2 / 2 (Bun and Steinke 2016, Proposition 1.4
        and Section 8).
        """
        exactly = exact(epsilon, "epsilon")
        return cls(charged_micro(exactly), charged_micro(exactly**2 / 2), charged_atto(delta))

    @classmethod
    def zcdp(cls, rho: Number, delta: Number = 0) -> Self:
        """Of delta-approximate rho-zCDP, with no pure epsilon."""
        return cls(None, charged_micro(rho), charged_atto(delta))


FREE: Final = Cost(0, 0, 0)
"""Of what tells nothing."""


def composed(costs: Iterable[Cost]) -> Cost:
    """What several draws cost together."""
    return sum(costs, start=FREE)


def charged_micro(value: Number) -> int:
    """Millionths, rounded up."""
    return math.ceil(exact(value, "epsilon or rho") * MICRO)


def ceiling_micro(value: Number) -> int:
    """Millionths, rounded down."""
    return math.floor(exact(value, "epsilon or rho") * MICRO)


def charged_atto(value: Number) -> int:
    """1e-18ths, rounded up."""
    return math.ceil(exact(value, "delta") * ATTO)


def ceiling_atto(value: Number) -> int:
    """1e-18ths, rounded down."""
    return math.floor(exact(value, "delta") * ATTO)


def exact(value: Number, name: str) -> Fraction:
    """A number as it is written.

    Raises:
        CoreError: it is none, not finite, negative, or written with more than 100 characters or an
            exponent beyond 400: what would take long to work out is no amount of privacy.
    """
    written = float.__repr__(value) if isinstance(value, float) else value
    if isinstance(written, Decimal):
        written = str(written)
    if isinstance(written, str) and not _is_short(written):
        raise CoreError(
            f"{name}: {_LONGEST} characters and exponents up to {_FARTHEST} were expected at most"
        )
    try:
        found = Fraction(written)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise CoreError(f"{name}: a finite number was expected") from None
    if found < 0:
        raise CoreError(f"{name}: 0 or more was expected")
    return found


def rho_for(epsilon: Number, delta: Number) -> int:
    """The largest rho, in millionths, whose zCDP implies (epsilon, delta)-differential privacy.

    By Canonne, Kamath and Steinke 2020, "The Discrete Gaussian for Differential Privacy",
    Proposition 12, with Renyi divergence alpha rho: the least delta is the infimum over alpha > 1
    of exp((alpha - 1)(alpha rho - epsilon)) / (alpha - 1) * (1 - 1/alpha)^alpha.

    Sound, for every alpha gives a delta that holds: a float only suggests one, and what follows
    from it is computed with 60 digits and a margin that exceeds their errors.

    Raises:
        CoreError: epsilon is negative or above 1e13, or delta is not between 0 and 1.
    """
    target, bound = _epsilon(epsilon), _log(delta)
    above = 1
    while _holds(above, target, bound):
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (below + above) // 2
        if _holds(middle, target, bound):
            below = middle
        else:
            above = middle
    return below


def epsilon_for(micro_rho: int, delta: Number) -> int:
    """The least epsilon, in millionths, at which rho-zCDP is (epsilon, delta)-DP; as `rho_for`.

    Args:
        micro_rho: millionths of rho.
        delta: at which.

    Raises:
        CoreError: rho is negative or above `LARGEST`, or delta is not between 0 and 1.
    """
    if not 0 <= micro_rho <= LARGEST:
        raise CoreError("micro_rho: 0 to 2^63 - 1 was expected")
    bound = _log(delta)
    if _holds(micro_rho, Fraction(0), bound):
        return 0
    above = 1
    while not _holds(micro_rho, Fraction(above, MICRO), bound):
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (below + above) // 2
        if _holds(micro_rho, Fraction(middle, MICRO), bound):
            above = middle
        else:
            below = middle
    return above


def _is_short(text: str) -> bool:
    """Whether a text is worked out at once, if it is a number."""
    if len(text) > _LONGEST:
        return False
    exponent = _EXPONENT.search(text)
    return exponent is None or int(exponent[1].replace("_", "")) <= _FARTHEST


def _epsilon(value: Number) -> Fraction:
    found = exact(value, "epsilon")
    if found > 10**13:
        raise CoreError("epsilon: at most 1e13 was expected")
    return found


def _log(delta: Number) -> Decimal:
    """The natural logarithm of delta."""
    found = exact(delta, "delta")
    if not 0 < found < 1:
        raise CoreError("delta: between 0 and 1 was expected")
    return _decimal(found).ln(_DIGITS)


def _decimal(value: Fraction) -> Decimal:
    return _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))


def _holds(micro_rho: int, epsilon: Fraction, log_delta: Decimal) -> bool:
    """Whether some alpha proves that rho-zCDP is (epsilon, delta)-DP.

    With t = alpha - 1 the logarithm of the bound is
    t ((1 + t) rho - epsilon) + t ln t - (1 + t) ln(1 + t).
    """
    if micro_rho == 0:
        return True
    step = _DIGITS
    t = Decimal(_order(micro_rho / MICRO, float(epsilon)))
    alpha = step.add(1, t)
    loss = step.multiply(alpha, _decimal(Fraction(micro_rho, MICRO)))
    terms = (
        step.multiply(t, step.subtract(loss, _decimal(epsilon))),
        step.multiply(t, t.ln(step)),
        -step.multiply(alpha, alpha.ln(step)),
    )
    bound = step.add(step.add(terms[0], terms[1]), terms[2])
    return bound <= step.subtract(log_delta, _MARGIN)


def _order(rho: float, epsilon: float) -> float:
    """Alpha - 1 where the bound is least; its logarithm is convex in alpha.

    The slope is (2t + 1) rho - epsilon + ln(t / (1 + t)): positive from the upper end on.
    """
    low, high = _LEAST_LOG, math.log((epsilon + 1) / (2 * rho) + 1)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        t = math.exp(middle)
        if (2 * t + 1) * rho - epsilon - math.log1p(1 / t) < 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
