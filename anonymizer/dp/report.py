"""What several draws cost together, three ways side by side: for reports, never to enforce.

The mechanisms say what was done; dp-accounting's privacy loss distributions (Doroshenko, Ghazi,
Kamath, Kumar and Manurangsi 2022, "Connect the Dots: Tighter Discrete Approximations of Privacy
Loss Distributions") say what it costs. They hold for mechanisms that were fixed in advance. Basic
sums and zCDP hold for those chosen as results come in, too, so the ledger enforces these.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from anonymizer.dp.accounting import MICRO, Number, composed, epsilon_for, exact
from anonymizer.dp.mechanisms import (
    DiscreteGaussian,
    DiscreteLaplace,
    Geometric,
    Mechanism,
    NoisyMax,
)
from anonymizer.errors import CoreError

_FINEST: Final = 10**4
"""The largest change, and scale of a Gaussian, whose distribution is written out."""

_MOST_LOSS: Final = 100
"""The largest epsilon, or change in scales, of a cell: a distribution has 10^4 points for each."""

_MOST_EXPONENT: Final = 700
"""Of e, as a float; an epsilon that large says nothing."""


@dataclass(frozen=True, slots=True)
class Together:
    """The epsilon of several draws at one delta; None: that account has none.

    Attributes:
        delta: of all of them.
        basic: the sum of their epsilons; None where one has no pure epsilon.
        zcdp: what the sum of their rhos implies.
        pld: of the composed privacy loss distributions, or the least of all three: written out on a
            grid, a distribution may come to more than they do, and each holds; None where one draw
            is out of reach.
        pld_is_bound: whether `pld` is proven; it is a close approximation otherwise: a discrete
            Gaussian of a scale above 10^4 is taken for the continuous one, which does not dominate
            it, but differs from it by some scale^-2.
    """

    delta: Fraction
    basic: Fraction | None
    zcdp: Fraction | None
    pld: float | None
    pld_is_bound: bool


def together(mechanisms: Iterable[Mechanism], delta: Number) -> Together:
    """What draws of these mechanisms cost at that delta.

    Args:
        mechanisms: one for each query, as often as it is drawn.
        delta: above 0 and below 1, that of diffprivlib's floating point included.

    Raises:
        CoreError: delta is not between 0 and 1.
    """
    drawn = Counter(mechanisms)
    wanted = exact(delta, "delta")
    if not 0 < wanted < 1:
        raise CoreError("delta: between 0 and 1 was expected")
    cost = composed(one.cost for one in drawn.elements())
    left = wanted - Fraction(cost.atto_delta, 10**18)
    known = cost.micro_epsilon is not None and left >= 0
    basic = Fraction(cost.micro_epsilon or 0, MICRO) if known else None
    zcdp = Fraction(epsilon_for(cost.micro_rho, left), MICRO) if left > 0 else None
    pld = _pld_epsilon(drawn, wanted)
    others = [float(bound) for bound in (basic, zcdp) if bound is not None]
    return Together(
        delta=wanted,
        basic=basic,
        zcdp=zcdp,
        pld=None if pld is None else min([pld, *others]),
        pld_is_bound=not any(_is_continuous(one) for one in drawn),
    )


def _pld_epsilon(drawn: Counter[Mechanism], delta: Fraction) -> float | None:
    """At delta, less what floating point takes.

    Noise within t of the exact one in total variation adds (1 + exp(epsilon)) t to its delta: with
    the epsilon that half of delta gives that is enough for any smaller one.
    """
    if not all(_is_within_reach(one) for one in drawn):
        return None
    from dp_accounting.pld import privacy_loss_distribution as library  # noqa: PLC0415 - slow

    whole = library.identity()
    for one, times in drawn.items():
        whole = whole.compose(_of_one(library, one, times))
    most = float(whole.get_epsilon_for_delta(float(delta / 2)))
    if not most < _MOST_EXPONENT:
        return None
    apart = sum(float(one.delta * n) for one, n in drawn.items() if isinstance(one, Geometric))
    taken = (1 + math.exp(most)) * apart
    if taken > delta / 2:
        return None
    return float(whole.get_epsilon_for_delta(float(delta) - taken))


def _of_one(library: Any, mechanism: Mechanism, times: int) -> Any:
    """Of the draws of one mechanism: cells of a learner are drawn apart, so they compose.

    A smaller change than linf loses no more, for the noise is log-concave.
    """
    match mechanism:
        case Geometric() | DiscreteLaplace():
            # The continuous Laplace noise is no bound: the discrete one has more at 0. But k times
            # noise of scale / k, and some that does not depend on the data, is noise of that scale:
            # whoever sees the former knows no less.
            k = math.ceil(mechanism.linf / _FINEST)
            found = library.from_discrete_laplace_mechanism(
                float(k / mechanism.scale), -(-mechanism.linf // k)
            )
        case DiscreteGaussian() if _is_continuous(mechanism):
            found = library.from_gaussian_mechanism(float(mechanism.scale / mechanism.linf))
        case DiscreteGaussian():
            found = library.from_discrete_gaussian_mechanism(float(mechanism.scale), mechanism.linf)
        case NoisyMax():
            # As any mechanism of that epsilon: randomized response is the worst of them.
            found = library.from_discrete_laplace_mechanism(
                float(mechanism.epsilon / mechanism.l0), 1
            )
    return found.self_compose(mechanism.l0 * times)


def _is_continuous(mechanism: Mechanism) -> bool:
    return isinstance(mechanism, DiscreteGaussian) and mechanism.scale > _FINEST


def _is_within_reach(mechanism: Mechanism) -> bool:
    """Whether the distribution of a cell is neither too long nor too fine to be written out."""
    return 2 * mechanism.linf / mechanism.scale <= _MOST_LOSS
