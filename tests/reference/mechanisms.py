"""Noise mechanisms, the slow and obvious way: probabilities written out and summed up."""

import math
from fractions import Fraction


def laplace(scale, reach):
    """P(x) ~ exp(-|x| / scale), for x from -reach to reach."""
    ratio = math.exp(-1 / scale)
    top = (1 - ratio) / (1 + ratio)
    return {x: top * math.exp(-abs(x) / scale) for x in range(-reach, reach + 1)}


def gaussian(scale, reach):
    """P(x) ~ exp(-x^2 / (2 scale^2)), for x from -reach to reach."""
    weights = {x: math.exp(-(x**2) / (2 * scale**2)) for x in range(-reach, reach + 1)}
    whole = math.fsum(weights.values())
    return {x: weight / whole for x, weight in weights.items()}


def half_width(probabilities, confidence):
    """The least h, by adding up from the middle."""
    inside, h = probabilities[0], 0
    while inside < confidence:
        h += 1
        inside += probabilities[h] + probabilities[-h]
    return h


def scores(values, candidates, alpha):
    """Of each candidate: how far it is from the quantile, in ten-thousandths of a rank."""
    found = []
    for candidate in candidates:
        below = sum(1 for value in values if value < candidate)
        others = sum(1 for value in values if value != candidate)
        found.append(int(abs(10_000 * below - 10_000 * Fraction(alpha) * others)))
    return found


def selection(scored, scale):
    """The exponential mechanism: of each candidate the probability that it is picked."""
    best = min(scored)
    weights = [math.exp(-(score - best) / scale) for score in scored]
    return [weight / math.fsum(weights) for weight in weights]


def renyi(left, right, alpha):
    """The Renyi divergence of order alpha."""
    terms = [p * math.exp((alpha - 1) * math.log(p / q)) for p, q in zip(left, right, strict=True)]
    return math.log(math.fsum(terms)) / (alpha - 1)


def micro(value):
    """Millionths, rounded up, of a written fraction."""
    return -(-value.numerator * 10**6 // value.denominator)
