"""What diffprivlib's Geometric really distributes and costs, asked of the library bit by bit."""

from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise

from diffprivlib.mechanisms.geometric import Geometric

GRID = 2.0**-53
MOST = 2**52 - 1
"""The largest multiple of 2^-53 that u takes above 0; below 0 it takes one more, at -1/2."""

DIGITS = Context(prec=50)


class Told:
    """A generator that gives what it is told."""

    uniform = 0.0

    def random(self):
        return self.uniform


def drawn_at(rate):
    """For a multiple of 2^-53: what the library draws where u - 1/2 is that."""
    library, told = Geometric(epsilon=rate), Told()
    library._rng = told

    def drawn(multiple):
        told.uniform = 0.5 + multiple * GRID
        return library.randomise(0)

    return drawn


def counts(rate):
    """For every k >= 1 with any: of how many positive multiples k or more is drawn; by bisection.

    What is drawn does not grow with the multiple.
    """
    drawn = drawn_at(rate)
    found = []
    while not found or found[-1]:
        low, high = 0, min(MOST, found[-1] if found else MOST) + 1
        while high - low > 1:
            middle = (low + high) // 2
            if drawn(middle) >= len(found) + 1:
                low = middle
            else:
                high = middle
        found.append(low)
    return found


def distribution(rate):
    """Of x: the number of the 2^53 - 1 values of u - 1/2, other than 0, that give x."""
    found = counts(rate)
    far = {k: at - beyond for k, (at, beyond) in enumerate(pairwise(found), start=1)}
    return {0: 2**53 - 1 - 2 * found[0]} | far | {-k: n for k, n in far.items()}


def delta(weights, epsilon, change):
    """The least delta at epsilon, where a learner changes the one cell by `change`.

    Exact but for exp(epsilon), taken 1e-40 of it too low, so that delta is too high.
    """
    written = DIGITS.divide(Decimal(epsilon.numerator), Decimal(epsilon.denominator))
    growth = Fraction(DIGITS.exp(written)) * (1 - Fraction(1, 10**40))
    top, bottom = growth.numerator, growth.denominator
    over = 0
    for x, weight in weights.items():
        over += max(0, bottom * weight - top * weights.get(x - change, 0))
    return Fraction(over, bottom * (2**53 - 1))
