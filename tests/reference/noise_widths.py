"""How far sums of Laplace draws go, the slow and obvious way."""

import math


def tail_by_integration(distance, first, second, *, steps=20_000):
    """P(|X - Y| > h) of two Laplace draws, by the midpoint rule over X of P(Y beyond) dX."""
    reach = 40 * first
    width = 2 * reach / steps
    total = 0.0
    for i in range(steps):
        x = -reach + (i + 0.5) * width
        density = math.exp(-abs(x) / first) / (2 * first)
        total += density * width * (above(x + distance, second) + above(distance - x, second))
    return total


def above(y, scale):
    """P(Y > y)."""
    if scale == 0:
        return float(y < 0)
    return math.exp(-y / scale) / 2 if y >= 0 else 1 - math.exp(y / scale) / 2


def tail_of_weighted_sum(distance, scales):
    """P(|sum| > h) of draws with these distinct scales, by partial fractions of 1/(1 + b^2 t^2)."""
    total = 0.0
    for b in scales:
        share = math.prod(b * b / (b * b - c * c) for c in scales if c != b)
        total += share * math.exp(-distance / b)
    return total


def half_width_by_scan(tail, *, step):
    """The least multiple of `step` whose tail is at most 5%."""
    distance = 0.0
    while tail(distance) > 0.05:
        distance += step
    return distance
