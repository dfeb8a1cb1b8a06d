"""Mechanisms that draw nothing: what they cost, how far they reach, and which one fits a budget."""

import math
from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anonymizer.dp.accounting import ATTO, charged_micro
from anonymizer.dp.calibration import (
    gaussian_for,
    laplace_for,
    noisy_max_for_epsilon,
    noisy_max_for_rho,
)
from anonymizer.dp.geometric_delta import MOST_DELTA, charged_delta
from anonymizer.dp.half_widths import gaussian_half_width, laplace_half_width, rank_half_width
from anonymizer.dp.mechanisms import (
    DiscreteGaussian,
    DiscreteLaplace,
    Geometric,
    NoisyMax,
    score_sensitivity,
)
from anonymizer.errors import CoreError
from tests.reference import geometric as exactly
from tests.reference import mechanisms as slow

HALF = Fraction(1, 2)
BUDGETS = st.fractions(Fraction(1, 1000), 20, max_denominator=10**6)
BOUNDS = st.tuples(st.integers(1, 500), st.integers(1, 10**6))
"""l0 and linf."""


@pytest.mark.parametrize(
    ("mechanism", "row", "cost"),
    [
        (
            Geometric(1, 1, Fraction(1)),
            ("geometric", "diffprivlib", "L1", 1),
            # (1 + 3) * 70 / 2^53
            (1_000_000, 500_000, math.ceil(280 * 10**18 / 2**53)),
        ),
        (
            DiscreteLaplace(2, 3, Fraction(7, 2)),
            ("discrete-laplace", "opendp", "L1", 3),
            (1_714_286, 1_469_388, 0),  # 12/7, 72/49
        ),
        (
            DiscreteGaussian(2, 3, Fraction(7, 2)),
            ("discrete-gaussian", "opendp", "L2", 3),
            (None, 734_694, 0),  # 2 * 9 / (2 * 49/4)
        ),
        (
            NoisyMax(2, Fraction(1, 4), Fraction(10_000), "pure"),
            ("noisy-max", "opendp", "L1", 7_500),
            (3_000_000, 562_500, 0),  # 2 * 2 * 3/4; 2 * (3/4)^2 / 2
        ),
        (
            NoisyMax(2, Fraction(1, 4), Fraction(10_000), "zcdp"),
            ("noisy-max", "opendp", "L1", 7_500),
            (None, 562_500, 0),
        ),
    ],
)
def test_mechanisms(mechanism, row, cost):
    """What stands in the ledger of each, by hand."""
    assert (mechanism.name, mechanism.library, mechanism.norm, mechanism.linf) == row
    found = mechanism.cost
    assert (found.micro_epsilon, found.micro_rho, found.atto_delta) == cost
    with pytest.raises(FrozenInstanceError):
        mechanism.scale = Fraction(1)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: laplace_for(0, 1, 1), "epsilon"),
        (lambda: laplace_for(-1, 1, 1), "epsilon"),
        (lambda: laplace_for(float("nan"), 1, 1), "epsilon"),
        (lambda: laplace_for(1, 0, 1), "l0"),
        (lambda: laplace_for(1, 2**31, 1), "l0"),
        (lambda: laplace_for(1, 1, 0), "linf"),
        (lambda: laplace_for(1, 1, 10**9 + 1), "linf"),
        (lambda: laplace_for("1e-7", 1000, 10**9), "scale"),
        (lambda: gaussian_for(0, 1, 1), "rho"),
        (lambda: gaussian_for(1, -1, 1), "l0"),
        (lambda: gaussian_for(1, True, 1), "l0"),
        (lambda: gaussian_for(1, 1, 1.5), "linf"),
        (lambda: gaussian_for("1e-14", 1, 10**9), "scale"),
        (lambda: noisy_max_for_epsilon(0, 1, HALF), "epsilon"),
        (lambda: noisy_max_for_rho(0, 1, HALF), "rho"),
        (lambda: noisy_max_for_rho(1, 0, HALF), "l0"),
        (lambda: noisy_max_for_rho(1, 1, Fraction(1)), "alpha"),
        (lambda: noisy_max_for_rho(1, 1, Fraction(0)), "alpha"),
        (lambda: noisy_max_for_rho(1, 1, Fraction(1, 3)), "alpha"),
        (lambda: NoisyMax(1, HALF, Fraction(1), "both"), "regime"),
        (lambda: DiscreteLaplace(1, 1, Fraction(1, 3)), "a float holds exactly"),
        (lambda: DiscreteLaplace(1, 1, Fraction(0)), "scale"),
        (lambda: DiscreteLaplace(1, 1, 1.0), "scale"),
        (lambda: Geometric(1, 1, Fraction(100)), "DiscreteLaplace"),
        (lambda: laplace_half_width(Fraction(1), 1), "confidence"),
        (lambda: gaussian_half_width(Fraction(1), 0), "confidence"),
        (lambda: rank_half_width(Fraction(1), 0), "candidates"),
    ],
)
def test_refusals(make, named):
    """What is out of range is refused by name."""
    with pytest.raises(CoreError, match=named):
        make()


@settings(deadline=None, max_examples=200)
@given(BUDGETS, BOUNDS)
def test_never_more_than_asked(budget, bounds):
    """Scales are rounded up, so charges are at most the budget's, and hardly below it."""
    asked = charged_micro(budget)
    for cost in (laplace_for(budget, *bounds).cost, noisy_max_for_epsilon(budget, 3, HALF).cost):
        assert asked - 1 - asked * 2**-28 <= cost.micro_epsilon <= asked
    for cost in (gaussian_for(budget, *bounds).cost, noisy_max_for_rho(budget, 3, HALF).cost):
        assert asked - 1 - asked * 2**-27 <= cost.micro_rho <= asked


@settings(deadline=None, max_examples=200)
@given(BUDGETS, BOUNDS)
def test_costs_as_the_slow_twin_has_them(budget, bounds):
    """By the contract's formulas, from l0, linf and scale alone; and scales are floats."""
    l0, linf = bounds
    laplace, gaussian = laplace_for(budget, l0, linf), gaussian_for(budget, l0, linf)
    loss = l0 * linf / laplace.scale
    assert laplace.cost.micro_epsilon == slow.micro(loss)
    assert laplace.cost.micro_rho == slow.micro(loss * loss / 2)
    assert gaussian.cost.micro_rho == slow.micro(l0 * linf * linf / (2 * gaussian.scale**2))
    picked = noisy_max_for_epsilon(budget, l0, Fraction(1, 10))
    assert picked.linf == 9_000
    assert picked.cost.micro_epsilon == slow.micro(l0 * 18_000 / picked.scale)
    assert picked.cost.micro_rho == slow.micro(l0 * (9_000 / picked.scale) ** 2 / 2)
    for scale in (laplace.scale, gaussian.scale, picked.scale):
        assert Fraction(float(scale)) == scale
        assert scale.denominator & (scale.denominator - 1) == 0


@pytest.mark.parametrize(
    ("epsilon", "l0", "linf", "name"),
    [
        (1, 1, 1, "geometric"),
        (1, 5, 1, "geometric"),
        ("0.02", 1, 1, "geometric"),
        ("0.01", 1, 1, "discrete-laplace"),
        (1, 20, 1, "discrete-laplace"),
        (1, 1, 1000, "discrete-laplace"),
        (10**6, 1, 10**9, "discrete-laplace"),
    ],
)
def test_which_library(epsilon, l0, linf, name):
    """The float sampler while its delta is below 1e-12; the exact sampler of the same beyond."""
    mechanism = laplace_for(epsilon, l0, linf)
    assert mechanism.name == name
    assert Fraction(mechanism.cost.atto_delta, ATTO) <= MOST_DELTA
    assert mechanism.half_width() == DiscreteLaplace(l0, linf, mechanism.scale).half_width()


@settings(deadline=None, max_examples=200)
@given(st.fractions(Fraction(1, 4), 34, max_denominator=1000))
def test_the_library_gets_no_larger_rate(scale):
    """1 / scale, rounded down: the noise is never smaller than stated."""
    rounded = Fraction(float(scale))
    rate = Geometric(1, 1, rounded).rate
    assert Fraction(rate) * rounded <= 1 < Fraction(math.nextafter(rate, 99)) * rounded


SCALES = ["1/4", "3/8", "1/2", "1", "5/4", "2", "5", "8.3125", "20", "33.0625"]


@pytest.mark.parametrize("written", SCALES)
def test_the_charged_delta_covers_the_exact_one(written):
    """Of the library's own 2^53 draws, counted: at every change, epsilon to 4 a cell.

    And not by more than a hundred times, so that the bound is one of this, not of anything.
    """
    scale = Fraction(written)
    weights = exactly.distribution(Geometric(1, 1, scale).rate)
    assert sum(weights.values()) == 2**53 - 1
    changes = {1, 2, *(round(scale * part) for part in (HALF, 1, 2, 3, 4))}
    for change in changes:
        epsilon = change / scale
        if 0 < epsilon <= 4:
            found = exactly.delta(weights, epsilon, change)
            charged = charged_delta(1, change, scale)
            assert 0 < found <= charged <= 100 * found
            assert charged_delta(7, change, scale) == 7 * charged


@pytest.mark.parametrize("written", ["1/2", "5", "33.0625"])
def test_the_exact_noise_is_near(written):
    """Within the charged delta in total variation; nothing is drawn beyond 37 scales."""
    scale = Fraction(written)
    weights = exactly.distribution(Geometric(1, 1, scale).rate)
    reach = max(weights)
    assert reach <= 37 * scale
    ideal = slow.laplace(float(scale), reach)
    apart = math.fsum(abs(weights[x] / (2**53 - 1) - ideal[x]) for x in weights) / 2
    # The twin's own floats are off by some 2^-53 of each probability.
    assert apart <= charged_delta(1, 1, scale) + Fraction(1, 2**50)


@pytest.mark.parametrize("rate", [2.0, 0.2, 0.03])
def test_bisection_counts_right(rate):
    """Next to its thresholds the library draws what the twin says, and the same below 0."""
    drawn = exactly.drawn_at(rate)
    for k, count in enumerate(exactly.counts(rate), start=1):
        for multiple in range(max(1, count - 3), min(exactly.MOST, count + 3) + 1):
            assert (drawn(multiple) >= k) == (multiple <= count)
            assert drawn(-multiple) == -drawn(multiple)
    assert drawn(-exactly.MOST - 1) == 0


def test_no_delta_of_use():
    """Where a learner changes a cell by forty scales and more, nothing is claimed."""
    assert charged_delta(1, 40, Fraction(1)) == 1
    assert charged_delta(1, 39, Fraction(1)) == 1
    assert charged_delta(2**31 - 1, 1, Fraction(10**6)) == 1
    assert charged_delta(1, 20, Fraction(1)) < 1


@settings(deadline=None, max_examples=100)
@given(st.floats(0.05, 300), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_half_widths_as_the_slow_twin_has_them(scale, confidence):
    """The least whole h; the twin's sum is off by some 1e-13, and says so where that matters."""
    exact_scale, reach = Fraction(scale), math.ceil(30 * scale) + 2
    for found, noise in (
        (laplace_half_width(exact_scale, confidence), slow.laplace(scale, reach)),
        (gaussian_half_width(exact_scale, confidence), slow.gaussian(scale, reach)),
    ):
        expected = slow.half_width(noise, confidence)
        assume(slow.half_width(noise, confidence - 1e-11) == expected)
        assume(slow.half_width(noise, confidence + 1e-11) == expected)
        assert found == expected


@pytest.mark.parametrize(
    ("scale", "laplace", "gaussian"),
    [
        ("1/10", 0, 0),
        ("1", 3, 2),
        ("10", 30, 20),
        ("1000", 2996, 1960),
        ("1e15", 2995732273553991, None),  # ln(20) and 1.959963984540054 of it
    ],
)
def test_half_widths(scale, laplace, gaussian):
    """By hand: the Gaussian of scale 10 has 1.96 * 10 - 1/2, rounded up."""
    assert laplace_half_width(Fraction(scale)) == laplace
    if gaussian is not None:
        assert gaussian_half_width(Fraction(scale)) == gaussian


@pytest.mark.parametrize("scale", [1025, 1500.5, 3000])
def test_the_closed_bound_of_the_gaussian(scale):
    """Beyond a scale of 1024: the least whole h, or 1 more."""
    expected = slow.half_width(slow.gaussian(scale, math.ceil(9 * scale)), 0.95)
    assert expected <= gaussian_half_width(Fraction(scale)) <= expected + 1
    assert gaussian_half_width(Fraction(10**15)) == pytest.approx(1.959963984540054e15, rel=1e-11)


@pytest.mark.parametrize(
    ("scale", "candidates", "width"),
    [
        (10_000, 1, 0),  # nothing to pick
        (10_000, 2, math.log(20)),
        (5_000, 601, math.log(600 * 20) / 2),
    ],
)
def test_rank_half_widths(scale, candidates, width):
    """In learners: ten thousand of score are one."""
    mechanism = NoisyMax(1, HALF, Fraction(scale), "pure")
    assert mechanism.rank_half_width(candidates) == pytest.approx(width)


LEARNERS = st.lists(st.integers(-2, 9), max_size=12)
ALPHAS = st.integers(1, 9_999).map(lambda k: Fraction(k, 10_000))


@settings(deadline=None, max_examples=200)
@given(LEARNERS, st.integers(-2, 9), ALPHAS, st.floats(2000, 50_000))
def test_one_learner_moves_a_selection_by_the_claimed_cost(values, one, alpha, scale):
    """Deletion test of the exponential mechanism: scores, losses, and rho at several orders."""
    candidates = [0, 2, 3, 7]
    with_one = slow.scores([*values, one], candidates, alpha)
    without = slow.scores(values, candidates, alpha)
    most = score_sensitivity(alpha)
    assert max(abs(a - b) for a, b in zip(with_one, without, strict=True)) <= most
    mechanism = NoisyMax(1, alpha, Fraction(scale), "pure")
    left, right = slow.selection(with_one, scale), slow.selection(without, scale)
    losses = [math.log(p / q) for p, q in zip(left, right, strict=True)]
    assert max(map(abs, losses)) <= max(losses) - min(losses) + 1e-9
    assert max(losses) - min(losses) <= float(mechanism.epsilon) + 1e-9
    for order in (1.5, 2, 8, 50):
        spent = max(slow.renyi(left, right, order), slow.renyi(right, left, order))
        assert spent <= order * float(mechanism.rho) + 1e-9


def test_exponential_noise_would_cost_four_times_the_rho():
    """Two equal candidates, one moved up and the other down: why the noise is Gumbel's.

    With exponential noise the lower one wins with exp(-gap / scale) / 2, so its losses go both
    ways; near order 1 the divergence is twice that of the claimed rho and more.
    """
    scale, moved = 10.0, 2.0
    lower = math.exp(-moved / scale) / 2
    gumbel = 1 / (1 + math.exp(moved / scale))
    rho = (moved / 2 / scale) ** 2 / 2
    assert slow.renyi([0.5, 0.5], [lower, 1 - lower], 1.01) > 1.01 * rho * 2
    assert slow.renyi([0.5, 0.5], [gumbel, 1 - gumbel], 1.01) <= 1.01 * rho
