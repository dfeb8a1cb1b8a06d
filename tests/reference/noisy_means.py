"""Means of noisy numbers and how often their error bars are too short, one cell at a time."""

import math

from tests.reference.noise_widths import tail_of_weighted_sum


def mean_of(total, count, *, low, high, decimals):
    """Middle of the bounds + sum / count, in whole values."""
    return ((low + high) // 2 + total / count) / 10**decimals


def miss_at(width, total, count, *, low, high, kind, sum_scale, count_scale):
    """P(|x - r y| > width * count - 1/2) for the farthest r that the width allows; in units."""
    middle = (low + high) // 2
    reach = max(high - middle, middle - low)
    r = min(abs(total / count) + width, reach)
    distance = max(width * count - 0.5, 0.0)
    if kind == "gaussian":
        return math.erfc(distance / math.hypot(sum_scale, r * count_scale) / math.sqrt(2))
    return tail_of_weighted_sum(distance, [sum_scale, r * count_scale])
