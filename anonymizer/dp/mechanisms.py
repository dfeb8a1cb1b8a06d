"""What will be drawn and what it costs; nothing is drawn here.

A query has many cells. One learner is in at most `l0` of them and changes each by at most `linf`;
every cell gets noise of its own. Adjacency: with and without one learner. All numbers are whole, so
that a cost is exact: `epsilon` and `rho` are fractions, `cost` is what is charged for them.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final, Literal

from anonymizer.dp.accounting import Cost, Number, charged_atto, charged_micro
from anonymizer.dp.geometric_delta import MOST_DELTA, charged_delta
from anonymizer.dp.half_widths import (
    CONFIDENCE,
    RANK_UNITS,
    gaussian_half_width,
    laplace_half_width,
    rank_half_width,
)
from anonymizer.errors import CoreError

MOST_CELLS: Final = 2**31 - 1
MOST_CHANGE: Final = 10**9
MOST_SCALE: Final = Fraction(10**15)
"""Noise of such a scale exceeds 2^61 with a probability below exp(-2000)."""
LEAST_SCALE: Final = 1 / MOST_SCALE

Norm = Literal["L1", "L2"]


@dataclass(frozen=True, slots=True)
class DiscreteLaplace:
    """OpenDP's noise on integers with P(x) ~ exp(-|x| / scale), sampled exactly.

    Ghosh, Roughgarden and Sundararajan 2009, "Universally Utility-Maximizing Privacy Mechanisms";
    the sampler: Canonne, Kamath and Steinke 2020, "The Discrete Gaussian for Differential Privacy".

    Attributes:
        l0: the most cells that a learner is in; 1 to 2^31 - 1.
        linf: the most that a learner changes a cell by; 1 to 10^9.
        scale: of the noise, a fraction that a float holds exactly; 10^-15 to 10^15.

    Raises:
        CoreError: one of them is out of its range.
    """

    l0: int
    linf: int
    scale: Fraction

    name: ClassVar[str] = "discrete-laplace"
    library: ClassVar[str] = "opendp"
    norm: ClassVar[Norm] = "L1"

    def __post_init__(self) -> None:
        _demand(self.l0, self.linf, self.scale)

    @property
    def epsilon(self) -> Fraction:
        """Of all cells of a learner."""
        return self.l0 * self.linf / self.scale

    @property
    def cost(self) -> Cost:
        """Epsilon, and rho = epsilon^2 / 2 by Bun and Steinke 2016, Proposition 1.4."""
        return Cost(charged_micro(self.epsilon), charged_micro(self.epsilon**2 / 2), 0)

    def half_width(self, confidence: Number = CONFIDENCE) -> int:
        """The least whole h that the noise of a cell exceeds with 1 - confidence at most."""
        return laplace_half_width(self.scale, confidence)


@dataclass(frozen=True, slots=True)
class Geometric:
    """diffprivlib's noise on integers with P(x) ~ exp(-|x| / scale), up to its floating point.

    What that costs is charged as delta: see `anonymizer.dp.geometric_delta`. Its half-width is that
    of the exact distribution, from which it differs by less than that delta.

    Attributes:
        l0: the most cells that a learner is in; 1 to 2^31 - 1.
        linf: the most that a learner changes a cell by; 1 to 10^9.
        scale: of the noise, a fraction that a float holds exactly; 10^-15 to 10^15.

    Raises:
        CoreError: one of them is out of its range, or delta exceeds 1e-12: `DiscreteLaplace` has
            the same distribution and none.
    """

    l0: int
    linf: int
    scale: Fraction

    name: ClassVar[str] = "geometric"
    library: ClassVar[str] = "diffprivlib"
    norm: ClassVar[Norm] = "L1"

    def __post_init__(self) -> None:
        _demand(self.l0, self.linf, self.scale)
        if self.delta > MOST_DELTA:
            raise CoreError("scale: its floating point costs too much, take DiscreteLaplace")

    @property
    def epsilon(self) -> Fraction:
        """Of all cells of a learner."""
        return self.l0 * self.linf / self.scale

    @property
    def delta(self) -> Fraction:
        """Of all cells of a learner; also above the total variation to the exact noise."""
        return charged_delta(self.l0, self.linf, self.scale)

    @property
    def cost(self) -> Cost:
        """As `DiscreteLaplace.cost`, and delta.

        Of rho, too: (epsilon, delta)-DP is delta-approximate (epsilon^2 / 2)-zCDP (Bun and Steinke
        2016, Section 8).
        """
        return Cost(
            charged_micro(self.epsilon),
            charged_micro(self.epsilon**2 / 2),
            charged_atto(self.delta),
        )

    @property
    def rate(self) -> float:
        """Epsilon for a change of 1: the largest float not above 1 / scale, so no less noise."""
        nearest = float(1 / self.scale)
        return nearest if Fraction(nearest) * self.scale <= 1 else math.nextafter(nearest, 0)

    def half_width(self, confidence: Number = CONFIDENCE) -> int:
        """The least whole h that the noise of a cell exceeds with 1 - confidence at most."""
        return laplace_half_width(self.scale, confidence)


@dataclass(frozen=True, slots=True)
class DiscreteGaussian:
    """OpenDP's noise on integers with P(x) ~ exp(-x^2 / (2 scale^2)), sampled exactly.

    Canonne, Kamath and Steinke 2020, "The Discrete Gaussian for Differential Privacy": rho is that
    of the continuous distribution (Theorem 14 for many cells). It has no pure epsilon.

    Attributes:
        l0: the most cells that a learner is in; 1 to 2^31 - 1.
        linf: the most that a learner changes a cell by; 1 to 10^9.
        scale: of the noise, a fraction that a float holds exactly; 10^-15 to 10^15.

    Raises:
        CoreError: one of them is out of its range.
    """

    l0: int
    linf: int
    scale: Fraction

    name: ClassVar[str] = "discrete-gaussian"
    library: ClassVar[str] = "opendp"
    norm: ClassVar[Norm] = "L2"

    def __post_init__(self) -> None:
        _demand(self.l0, self.linf, self.scale)

    @property
    def rho(self) -> Fraction:
        """Of all cells of a learner."""
        return self.l0 * (self.linf / self.scale) ** 2 / 2

    @property
    def cost(self) -> Cost:
        """Rho alone."""
        return Cost(None, charged_micro(self.rho), 0)

    def half_width(self, confidence: Number = CONFIDENCE) -> int:
        """A whole h that the noise of a cell exceeds with 1 - confidence at most.

        The least one up to a scale of 1024; beyond, at most 1 more.
        """
        return gaussian_half_width(self.scale, confidence)


@dataclass(frozen=True, slots=True)
class NoisyMax:
    """OpenDP's private quantile: of public candidates one whose rank is near the asked one.

    A candidate c scores |10000 #(values < c) - 10000 alpha #(values other than c)|; Gumbel noise of
    `scale` is added to the negated scores and the greatest wins. That is the exponential mechanism
    (McSherry and Talwar 2007) on scores that one learner moves by at most `linf`: epsilon is
    2 linf / scale a cell. Its losses span no more than that, so that rho is only epsilon^2 / 8
    (Dong, Durfee and Rogers 2020, "Optimal Differential Privacy Composition for Exponential
    Mechanisms"; Cesar and Rogers 2021, "Bounding, Concentrating, and Truncating").

    Gumbel noise in either regime: of the exponential noise that OpenDP takes for a pure epsilon,
    rho is four times as much.

    Attributes:
        l0: the most cells that a learner is in, with one value each; 1 to 2^31 - 1.
        alpha: which quantile; above 0, below 1, in whole ten-thousandths.
        scale: of the noise in units of score, a fraction that a float holds exactly; 10^-15 to
            10^15.
        regime: pure: epsilon and rho are charged; zcdp: rho alone.

    Raises:
        CoreError: one of them is out of its range.
    """

    l0: int
    alpha: Fraction
    scale: Fraction
    regime: Literal["pure", "zcdp"]

    name: ClassVar[str] = "noisy-max"
    library: ClassVar[str] = "opendp"
    norm: ClassVar[Norm] = "L1"

    def __post_init__(self) -> None:
        score_sensitivity(self.alpha)
        _demand(self.l0, self.linf, self.scale)
        if self.regime not in {"pure", "zcdp"}:
            raise CoreError("regime: pure or zcdp was expected")

    @property
    def linf(self) -> int:
        """The sensitivity of a score, in ten-thousandths of a rank."""
        return score_sensitivity(self.alpha)

    @property
    def epsilon(self) -> Fraction:
        """Of all cells of a learner; true in either regime."""
        return self.l0 * 2 * self.linf / self.scale

    @property
    def rho(self) -> Fraction:
        """Of all cells of a learner."""
        return self.l0 * (self.linf / self.scale) ** 2 / 2

    @property
    def cost(self) -> Cost:
        """By regime."""
        pure = charged_micro(self.epsilon) if self.regime == "pure" else None
        return Cost(pure, charged_micro(self.rho), 0)

    def rank_half_width(self, candidates: int, confidence: Number = CONFIDENCE) -> float:
        """In learners: how far the rank is from the best candidate's, with that confidence."""
        return rank_half_width(self.scale, candidates, confidence)


IntegerMechanism = Geometric | DiscreteLaplace | DiscreteGaussian
"""What is added to integers, one draw a cell."""

Mechanism = IntegerMechanism | NoisyMax
"""Everything that is drawn."""


def score_sensitivity(alpha: Fraction) -> int:
    """By how much one learner moves the score of a candidate; adding and removing alike.

    A value below a candidate moves it by 10000 (1 - alpha), one above by 10000 alpha, one that
    equals it by nothing.

    Raises:
        CoreError: alpha is not above 0 and below 1, or not in whole ten-thousandths.
    """
    units = alpha * RANK_UNITS
    if not (0 < alpha < 1 and units.denominator == 1):
        raise CoreError("alpha: above 0 and below 1, in steps of 0.0001, was expected")
    return max(int(units), RANK_UNITS - int(units))


def demand_bounds(l0: int, linf: int) -> None:
    """Refuse bounds of a learner's contribution that no mechanism has.

    Raises:
        CoreError: `l0` is not from 1 to 2^31 - 1, or `linf` not from 1 to 10^9.
    """
    if not _is_whole(l0, MOST_CELLS):
        raise CoreError("l0: a whole number from 1 to 2^31 - 1 was expected")
    if not _is_whole(linf, MOST_CHANGE):
        raise CoreError("linf: a whole number from 1 to 10^9 was expected")


def _demand(l0: int, linf: int, scale: Fraction) -> None:
    demand_bounds(l0, linf)
    if not (isinstance(scale, Fraction) and LEAST_SCALE <= scale <= MOST_SCALE):
        raise CoreError("scale: a fraction from 10^-15 to 10^15 was expected")
    if Fraction(float(scale)) != scale:
        raise CoreError("scale: a fraction that a float holds exactly was expected")


def _is_whole(number: int, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most
