"""Quantiles of noisy histograms, the slow and obvious way: one cell, in fractions."""

from fractions import Fraction


def rising(counts):
    """Twice the cumulative counts, made to rise: largest so far + least still to come."""
    reached = [sum(counts[: i + 1]) for i in range(len(counts))]
    return [max(reached[: i + 1]) + min(reached[i:]) for i in range(len(reached))]


def quantile(counts, points, q):
    """The first candidate up to which the share is at least q."""
    if sum(counts) <= 0:
        return points[(len(points) - 1) // 2]
    wanted = 2 * Fraction(repr(q)) * sum(counts)
    return next(
        point for point, twice in zip(points, rising(counts), strict=True) if twice >= wanted
    )


def rank_error(counts, points, q, told):
    """How far the asked rank is from the ranks that the told candidate stands for."""
    below = sum(n for n, point in zip(counts, points, strict=True) if point < told)
    upto = sum(n for n, point in zip(counts, points, strict=True) if point <= told)
    rank = Fraction(repr(q)) * sum(counts)
    return max(0, below - rank, rank - upto)


def largest_variance(bins, q, variance):
    """Of (1 - q) * the bins' noises up to an edge - q * those beyond, at the worst edge."""
    return max(
        sum(((1 - q) ** 2 if i < edge else q**2) * variance for i in range(bins))
        for edge in range(bins + 1)
    )
