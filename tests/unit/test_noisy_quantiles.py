"""Quantiles from noisy histograms over public candidates."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.bounding import LARGEST_BOUND
from anonymizer.dp.quantiles import (
    candidates,
    method_for,
    nearest,
    noisy_quantiles,
    rank_half_widths,
)
from anonymizer.dp.queries import histogram
from anonymizer.errors import CoreError
from tests.reference.noisy_quantiles import largest_variance, quantile, rank_error

SHARES = st.sampled_from([0.025, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.975])


def test_candidates_of_a_narrow_range_are_all_values():
    """A mark from 0 to 4 can be told exactly."""
    assert candidates(0, 4).tolist() == [0, 1, 2, 3, 4]


@settings(deadline=None, max_examples=200)
@given(
    low=st.integers(-LARGEST_BOUND, LARGEST_BOUND - 1),
    width=st.integers(1, 2 * LARGEST_BOUND),
    most=st.integers(2, 500),
)
def test_candidates_are_even_and_hold_both_bounds(low, width, most):
    """At most so many, ascending, with steps that differ by one unit at most."""
    high = min(low + width, LARGEST_BOUND)
    found = candidates(low, high, most=most)
    steps = np.diff(found)
    assert (found[0], found[-1]) == (low, high)
    assert len(found) == min(most, high - low + 1)
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1


@settings(deadline=None, max_examples=200)
@given(
    points=st.sets(st.integers(-50, 50), min_size=2),
    values=st.lists(st.integers(-60, 60), min_size=1),
)
def test_values_are_binned_with_the_nearest_candidate(points, values):
    """The lower of two that are as near."""
    points = sorted(points)
    found = nearest(np.array(values), np.array(points))
    assert found.tolist() == [
        points.index(min(points, key=lambda point: (abs(point - x), point))) for x in values
    ]


def told(counts, points, quantiles):
    return noisy_quantiles(np.array(counts, np.int64), np.array(points), quantiles).tolist()


@pytest.mark.parametrize(
    ("counts", "median"),
    [
        ([0, 5, 0, 0], 20),
        ([1, 1, 1, 1], 20),
        ([1, 1, 1, 3], 30),
        ([5, -3, 0, 6], 40),
        ([0, 0, 0, 0], 20),
        ([-9, 2, 3, 3], 20),
        ([2, 2, -2, 2], 10),
        ([1, 3, -2, 2], 20),
    ],
)
def test_medians_of_four_candidates(counts, median):
    """Reached by the cumulative count; where nobody is left by the noise, the one in the middle."""
    assert told([counts], [10, 20, 30, 40], [0.5]) == [[median]]


@settings(deadline=None, max_examples=300)
@given(
    counts=st.lists(st.integers(-20, 40), min_size=2, max_size=12),
    quantiles=st.lists(SHARES, min_size=1, max_size=4),
)
def test_quantiles_are_those_of_the_slow_twin_and_never_cross(counts, quantiles):
    """With counts that fall below 0, as noise makes them."""
    points = list(range(0, 3 * len(counts), 3))
    (found,) = told([counts], points, sorted(quantiles))
    assert found == [quantile(counts, points, q) for q in sorted(quantiles)]
    assert found == sorted(found)


@settings(deadline=None, max_examples=200)
@given(values=st.lists(st.integers(0, 50), min_size=1, max_size=60), q=SHARES)
def test_without_noise_a_quantile_has_the_rank_that_was_asked(values, q):
    """Binning and choosing lose nothing where every value is a candidate."""
    points = candidates(0, 50)
    bins = nearest(np.array(values), points)
    counts = histogram(np.zeros(len(bins), np.int64), bins, size=1, bins_n=len(points))
    ((found,),) = noisy_quantiles(counts, points, [q]).tolist()
    assert found == sorted(values)[max(0, math.ceil(Fraction(repr(q)) * len(values)) - 1)]
    assert rank_error(counts[0].tolist(), points.tolist(), q, found) == 0


def test_huge_noise_does_not_wrap():
    """Bins at the ends of int64 give some candidate, not an overflow."""
    ends = [2**63 - 1, -(2**63), 2**63 - 1, 2**63 - 1]
    assert told([ends], [1, 2, 3, 4], [0.5]) == [[3]]


@pytest.mark.parametrize("bins", [2, 7, 50])
@pytest.mark.parametrize("q", [0.025, 0.25, 0.5, 0.9])
def test_rank_half_widths_are_those_of_the_worst_edge(bins, q):
    """By trying every edge."""
    (laplace,) = rank_half_widths([q], bins=bins, kind="laplace", scale=3.0)
    (gaussian,) = rank_half_widths([q], bins=bins, kind="gaussian", scale=3.0)
    assert laplace == pytest.approx(2.3264 * largest_variance(bins, q, 18.0) ** 0.5)
    assert gaussian == pytest.approx(2.3264 * largest_variance(bins, q, 9.0) ** 0.5)


def held(noise, half_width, most):
    """How often the rank of a told median is within that, of learners of three values at most.

    The outer values have `most` learners each, what lies between as few as takes a rank beyond.
    """
    bins = noise.shape[1]
    counts = np.zeros(bins, np.int64)
    counts[[0, 2 * bins // 5, -1]] = most, 2 * (math.floor(half_width) + 1), most
    places = noisy_quantiles(counts + noise, np.arange(bins), [0.5])[:, 0]
    upto, asked = np.cumsum(counts), counts.sum() / 2
    error = np.maximum(upto[places] - counts[places] - asked, asked - upto[places])
    return (error <= half_width).mean()


@pytest.mark.parametrize("most", [0, 500])
@pytest.mark.parametrize("kind", ["laplace", "gaussian"])
def test_told_ranks_are_within_their_half_width_at_worst(kind, most):
    """Where all learners have the same few values: 95% of 10,000 medians at least.

    94% must be: at 95% exactly, one run in 400,000 would fail. The seed is fixed all the same. Of
    1.96 standard deviations 90 to 92% hold: what is told comes of the largest and least of many.
    """
    generator, scale, size = np.random.default_rng(11), 6.0, (10_000, 101)
    draws = laplace if kind == "laplace" else lambda g, s, n: np.rint(g.normal(0, s, n))
    noise = draws(generator, scale, size).astype(np.int64)
    (bound,) = rank_half_widths([0.5], bins=101, kind=kind, scale=scale)
    assert held(noise, bound, most) >= 0.94
    assert held(noise, bound * 1.96 / 2.3264, most) < 0.93


SHAPES = {
    "even": lambda generator, n, top: generator.integers(0, top + 1, n),
    "one value": lambda generator, n, top: generator.integers(top // 3, top // 3 + 1, n),
    "two values": lambda generator, n, top: np.where(generator.random(n) < 0.5, 3, top - 5),
    "falling": lambda generator, n, top: generator.exponential(top / 10, n),
    "at the top": lambda generator, n, top: top - generator.exponential(top / 80, n),
}


def laplace(generator, scale, size):
    """Discrete Laplace draws: the difference of two geometric ones."""
    share = -math.expm1(-1 / scale)
    return generator.geometric(share, size) - generator.geometric(share, size)


def test_told_ranks_are_within_their_half_width():
    """At least 95% of 2,000 draws, for values of several shapes, and many or few learners.

    92.5% of draws must be. Were the coverage 95% exactly, a run would fail with a probability below
    1e-6, one of the 60 below 6e-5. The seed is fixed all the same. And the bound is not idle:
    somewhere 95% of ranks need half of it.
    """
    generator = np.random.default_rng(6)
    points, quantiles, scale = candidates(0, 200), (0.025, 0.25, 0.5, 0.9), 2.0
    bounds = rank_half_widths(quantiles, bins=len(points), kind="laplace", scale=scale)
    needed = []
    for shape in SHAPES.values():
        for n in (50, 500, 20_000):
            values = np.clip(shape(generator, n, 200), 0, 200).astype(np.int64)
            counts = np.bincount(values, minlength=len(points))
            noisy = counts + laplace(generator, scale, (2000, len(points)))
            upto = np.cumsum(counts)
            found = np.searchsorted(points, noisy_quantiles(noisy, points, quantiles))
            for q, bound, places in zip(quantiles, bounds, found.T, strict=True):
                over, under = upto[places] - counts[places] - q * n, q * n - upto[places]
                error = np.maximum(0, np.maximum(over, under))
                assert (error <= bound).mean() > 0.925
                needed.append(np.quantile(error, 0.95) / bound)
    assert 0.5 < max(needed) <= 1


@pytest.mark.parametrize(
    ("expected", "quantiles", "method"),
    [
        (None, 1, "noisy-max"),
        (50, 1, "noisy-max"),
        (999.9, 3, "noisy-max"),
        (1000, 1, "histogram"),
        (50_000, 1, "histogram"),
        (50, 4, "histogram"),
        (None, 4, "histogram"),
    ],
)
def test_the_method_follows_public_sizes(expected, quantiles, method):
    """Few learners and few quantiles: noisy-max."""
    assert method_for(expected, quantiles) == method


POINTS = np.arange(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: candidates(3, 3), "low < high"),
        (lambda: candidates(3, 2), "bounds"),
        (lambda: candidates(0, 10**10), "bounds"),
        (lambda: candidates(0, 9, most=1), "candidates"),
        (lambda: candidates(0, 9, most=2**11 + 1), "candidates"),
        (lambda: noisy_quantiles(np.zeros(3, np.int64), POINTS, [0.5]), "counts"),
        (lambda: noisy_quantiles(np.zeros((1, 2), np.int64), POINTS, [0.5]), "counts"),
        (lambda: noisy_quantiles(np.zeros((1, 3)), POINTS, [0.5]), "int64"),
        (lambda: noisy_quantiles(np.zeros((1, 1), np.int64), POINTS[:1], [0.5]), "candidates"),
        (lambda: noisy_quantiles(np.zeros((1, 3), np.int64), POINTS, [1.0]), "quantiles"),
        (lambda: rank_half_widths([0.0], bins=9, kind="laplace", scale=1.0), "quantiles"),
        (lambda: rank_half_widths([0.5], bins=1, kind="laplace", scale=1.0), "candidates"),
        (lambda: rank_half_widths([0.5], bins=9, kind="laplace", scale=0.0), "scale"),
        (lambda: method_for(10, 0), "quantiles"),
        (lambda: method_for(-1, 1), "expected"),
        (lambda: method_for(math.nan, 1), "expected"),
    ],
)
def test_parameters_out_of_range(call, message):
    """Each by its name."""
    with pytest.raises(CoreError, match=message):
        call()
