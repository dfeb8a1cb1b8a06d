"""The delta that the floating point of diffprivlib's Geometric costs.

What is drawn (diffprivlib 0.6.6): u, uniform on the multiples of g = 2^-53 in [-1/2, 1/2), u = 0
drawn anew; v = |u| (1 + exp(-r)); floor(-log(v) / r), with the sign of u; r is the largest float
not above 1/scale. In real numbers and with a continuous u that were the distribution
q(x) ~ exp(-r |x|), of which shifting by d costs epsilon r d <= d / scale and nothing else.

Argued, of the distribution p that is really drawn. Let n(k) be the number of multiples of g, of one
sign, for which k or more is drawn, and t(k) = exp(-r k) / (g (1 + exp(-r))) what it should be.

1. If exp and log are right to 4 units in the last place and the rest is rounded as IEEE 754 has it,
   v is off by a factor of at most 1 + 6 g, and the quotient is as if v were off by another
   1 + 9 r k g. So n(k) = floor(t(k) (1 + z)) with |z| <= (6 + 9 r k) g.
2. So p(x) and q(x) differ by at most g (1 + e(x) + e(x + 1)) with e(k) = g t(k) (6 + 9 r k). The
   sum of all e(k), k >= 1, is at most (6/2 + 9 * 0.7) / r, and no e(k) is above 4.1.
3. Nothing is drawn beyond k = 53 log(2) / r < 36.75 / r, and q has at most some 2 g there. Summed
   up, and with a unit for u = 0, p and q lie within (56 scale + 10) g in total variation.
4. For every set S, p(S) - exp(epsilon) p(S - d) is at most the same of q, which is none, and
   1 + exp(epsilon) times that distance. A learner's cells are drawn apart: deltas add up.

`charged_delta` takes 60 scale for 56 scale, and for exp(x) a fraction that is no smaller.

Measured: tests/reference/geometric.py asks the library itself for every n(k), by bisection, and
sums up delta in whole numbers. At scales 1/4 to 64 and epsilons of a cell to 4 it comes to 4 to 7
times scale (1 + exp(epsilon)) g, below a tenth of what is charged from scale 1 on. That holds for
the machine that the tests ran on; the argument holds for every one whose exp and log are as good as
step 1 says.
"""

import math
from fractions import Fraction
from typing import Final

MOST_DELTA: Final = Fraction(1, 10**12)
"""Above this the exact sampler is used: a thousand such draws still fit into a delta of 1e-9."""

_GRID: Final = Fraction(1, 2**53)
_MOST_LOSS: Final = 40
"""From this epsilon of a cell on the bound exceeds 1."""


def charged_delta(l0: int, linf: int, scale: Fraction) -> Fraction:
    """What is charged for a draw of diffprivlib's Geometric, of all cells of a learner together.

    Args:
        l0: the number of cells that a learner is in.
        linf: by how much a learner changes a cell.
        scale: of the noise.

    Returns:
        An upper bound of delta at epsilon l0 linf / scale; at most 1.
    """
    loss = linf / scale
    if loss >= _MOST_LOSS:
        return Fraction(1)
    whole = math.floor(loss)
    # exp(x) <= 1 + 2 x from 0 to 1, for it is convex, and exp(1) < 3.
    growth = Fraction(3) ** whole * (1 + 2 * (loss - whole))
    return min(Fraction(1), l0 * (1 + growth) * (60 * scale + 10) * _GRID)
