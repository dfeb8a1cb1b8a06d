"""What a recoding costs: Loss, discernibility and average class size, in ARX's definitions.

Every class weighs by its learners, never by rows. A metric is computed from whole numbers and
compared in whole numbers, so that equal recodings compare as equal; only its value is a float.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal, TypeAlias

_UNIT: Final = 10**10
"""ARX floors the loss of a column to ten decimals."""


@dataclass(frozen=True)
class Figures:
    """What a recoding keeps and loses, in whole numbers.

    Attributes:
        learners: n, the suppressed ones included.
        suppressed: S, learners suppressed.
        classes: equivalence classes kept.
        squares: the sum over the classes kept of their size squared.
        spread: for each quasi-identifier, the sum over the learners kept of the leaves under their
            label, and of all D leaves for each suppressed one.
        leaves: D of each quasi-identifier.
        weights: how much each quasi-identifier matters, above 0.
    """

    learners: int
    suppressed: int
    classes: int
    squares: int
    spread: tuple[int, ...]
    leaves: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Loss:
    """The mean share of the domain that a released label leaves open (Iyengar 2002), as in ARX.

    For quasi-identifier j with D leaves, agg = spread / D and
    L_j = (agg - n/D) / (n - n/D) = (spread - n) / (n (D - 1)), floored to ten decimals: 0 where
    nobody is generalized, 1 where everyone is `*` or suppressed. A hierarchy of a single leaf has
    nothing to lose. With w_j = weight / greatest weight:

    - geometric: (prod_j (w_j L_j + 1))^(1/q) - 1, ARX's default;
    - arithmetic: (sum_j w_j L_j) / q. Unequal weights are not normalized to sum to q, so that it is
      1 at most, and that only for equal weights.
    """

    mean: Literal["geometric", "arithmetic"] = "geometric"

    def cost(self, figures: Figures) -> int:
        """A whole number that orders recodings of the same learners as their Loss does."""
        weights, one = _whole(figures.weights)
        lost = [weights[j] * _lost(figures, j) for j in range(len(weights))]
        if self.mean == "geometric":
            return math.prod(one + loss for loss in lost)
        return sum(lost)

    def value(self, figures: Figures) -> float:
        """The Loss, from 0 to 1."""
        cost, columns = self.cost(figures), len(figures.weights)
        one = _whole(figures.weights)[1]
        if columns == 0:
            return 0.0
        if self.mean == "geometric":
            return float((cost / one**columns) ** (1 / columns) - 1)
        return cost / (one * columns)


@dataclass(frozen=True)
class Discernibility:
    """The learners that each learner cannot be told from, summed (Bayardo and Agrawal 2005).

    The sum over the classes kept of their size squared, and n for each suppressed learner.
    """

    def cost(self, figures: Figures) -> int:
        """The metric, a whole number."""
        return figures.squares + figures.learners * figures.suppressed

    def value(self, figures: Figures) -> float:
        """The metric as a float."""
        return float(self.cost(figures))


@dataclass(frozen=True)
class AverageClassSize:
    """Average equivalence class size (AECS; LeFevre et al. 2006), not divided by k, as in ARX.

    n / (classes kept + 1 where anyone is suppressed): the suppressed count as one class.
    """

    def cost(self, figures: Figures) -> int:
        """The number of classes, negated: a whole number that falls as the average falls."""
        return -(figures.classes + (figures.suppressed > 0))

    def value(self, figures: Figures) -> float:
        """The average; 0 where there is no class."""
        return figures.learners / max(-self.cost(figures), 1)


Metric: TypeAlias = Loss | Discernibility | AverageClassSize
"""What an optimal recoding minimizes."""


def _lost(figures: Figures, j: int) -> int:
    """L_j in units of 10^-10, floored."""
    n, leaves = figures.learners, figures.leaves[j]
    return (figures.spread[j] - n) * _UNIT // (n * (leaves - 1)) if n and leaves > 1 else 0


@lru_cache(maxsize=16)
def _whole(weights: tuple[float, ...]) -> tuple[tuple[int, ...], int]:
    """The weights in a common unit, and the greatest of them times 10^10.

    A floating-point number is a fraction: nothing is rounded.
    """
    exact = [Fraction(weight) for weight in weights]
    unit = math.lcm(*(weight.denominator for weight in exact))
    whole = tuple(int(weight * unit) for weight in exact)
    return whole, _UNIT * max(whole, default=1)
