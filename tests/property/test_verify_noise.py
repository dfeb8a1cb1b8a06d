"""The checker's own formulas, against sums by definition and against what the writer computes."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.dp.means import noisy_means
from anonymizer.dp.mechanisms import DiscreteGaussian, DiscreteLaplace, NoisyMax
from anonymizer.dp.threshold import threshold_for
from pipelines.verify.noise import cost_of
from pipelines.verify.promise import millionths, scientific
from pipelines.verify.tails import tail
from pipelines.verify.widths import _MeanNoise, difference_miss, is_half_width
from schemas.manifest import Draw, Privacy

FREE = Privacy(None, 0, 0)
scales = st.integers(1, 2**20).map(lambda n: Fraction(n, 2**8))
cells, changes = st.integers(1, 50), st.integers(1, 1000)


def drawn(mechanism):
    """A mechanism as a manifest has it."""
    one = mechanism
    return Draw(one.name, str(one.scale), one.l0, one.linf, one.norm, FREE)


@pytest.mark.parametrize("kind", ["discrete-laplace", "discrete-gaussian"])
@pytest.mark.parametrize("scale", ["1/4", "1", "7/2", "20"])
@pytest.mark.parametrize("least", [1, 2, 7, 30])
def test_tails_by_definition(kind, scale, least):
    """P(noise >= least), where all probabilities are summed up."""
    width, power = float(Fraction(scale)), {"discrete-laplace": 1, "discrete-gaussian": 2}[kind]
    far = range(-2000, 2001)
    weights = [math.exp(-((abs(x) / width) ** power) / power) for x in far]
    expected = math.fsum(w for x, w in zip(far, weights, strict=True) if x >= least)
    found = tail(Draw(kind, scale, 1, 1, "L1", FREE), least)
    assert found == pytest.approx(expected / math.fsum(weights), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("least", [2000, 4000, 9000])
def test_wide_gaussian_tails(least):
    """Beyond a scale of 1024 they are below the sum, by less than a millionth."""
    weights = np.exp(-np.square(np.arange(-60_000, 60_001) / 1500) / 2)
    expected = math.fsum(weights[60_000 + least :]) / math.fsum(weights)
    found = tail(Draw("discrete-gaussian", "1500", 1, 1, "L2", FREE), least)
    assert found <= expected * (1 + 1e-12)
    assert found == pytest.approx(expected, rel=1e-6)


def test_extreme_scales_end():
    """Whatever a forger writes, a tail is found at once."""
    for kind in ("discrete-laplace", "discrete-gaussian"):
        for scale in ("1/" + "9" * 98, "9" * 100):
            for least in (1, 10**15):
                assert 0 <= tail(Draw(kind, scale, 1, 1, "L1", FREE), least) <= 0.5


@pytest.mark.parametrize("first, second", [(8, 2), (2, 8), (5, 5), (5, 5.000001), (3, 0)])
def test_difference_of_two_draws(first, second):
    """P(|x - y| > h), where the densities are folded into one another in small steps."""
    step = 0.01
    grid = np.arange(-200, 200 + step / 2, step)
    density = np.exp(-np.abs(grid) / first)
    if second:
        density = np.convolve(density, np.exp(-np.abs(grid) / second), "same")
    for h in (1, 5, 20):
        expected = density[np.abs(grid) > h].sum() / density.sum()
        assert difference_miss(h, first, second) == pytest.approx(expected, rel=5e-3)


@given(scales, st.sampled_from([DiscreteLaplace, DiscreteGaussian]))
@settings(max_examples=60, deadline=None)
def test_half_widths_of_the_writer_are_accepted(scale, kind):
    """And one less never is; one more only where the Gaussian is taken as continuous."""
    one = kind(1, 1, scale)
    width = one.half_width()
    assert is_half_width(drawn(one), width)
    lax = kind is DiscreteGaussian and scale > 1024
    assert lax or not is_half_width(drawn(one), width - 1)
    assert lax or not is_half_width(drawn(one), width + 1)
    assert not is_half_width(drawn(one), width + 2)
    assert not is_half_width(drawn(one), width - 2)


@given(scales, cells, changes, st.sampled_from([DiscreteLaplace, DiscreteGaussian]))
def test_costs_of_the_writer_are_accepted(scale, l0, linf, kind):
    """Two ways to work out what noise costs."""
    one = kind(l0, linf, scale)
    assert cost_of(drawn(one)) == (one.cost.micro_epsilon, one.cost.micro_rho)


@given(
    scales.map(lambda one: one * 1024),
    cells,
    st.integers(1, 9999).map(lambda n: Fraction(n, 10_000)),
)
def test_costs_of_selections(scale, l0, alpha):
    """The same of a selected quantile."""
    one = NoisyMax(l0, alpha, scale, "pure")
    assert cost_of(drawn(one)) == (one.cost.micro_epsilon, one.cost.micro_rho)


@given(
    st.integers(1, 2**12).map(lambda n: Fraction(n, 2**4)),
    cells,
    st.integers(10, 10**9),
    st.sampled_from([("laplace", DiscreteLaplace), ("gaussian", DiscreteGaussian)]),
)
@settings(max_examples=60, deadline=None)
def test_thresholds_of_the_writer_are_high_enough(scale, l0, atto, kind):
    """Of Laplace noise the least that is: one lower never is."""
    name, mechanism = kind
    found = threshold_for(name, scale, l0, Fraction(atto, 10**18))
    draw = drawn(mechanism(l0, 1, scale))
    assert l0 * tail(draw, found) * 10**18 <= atto * (1 + 1e-9)
    if name == "laplace" and found > 1:
        assert l0 * tail(draw, found - 1) * 10**18 > atto * (1 - 1e-9)


@given(
    st.lists(st.tuples(st.integers(-3000, 3000), st.integers(10, 500)), min_size=1, max_size=5),
    scales,
    scales,
    st.sampled_from(["laplace", "gaussian"]),
)
@settings(max_examples=60, deadline=None)
def test_half_widths_of_means(rows, first, second, kind):
    """What the writer tells is the least half-width, up to a hundred-thousandth."""
    sums, counts = np.array(rows, np.int64).T
    found = noisy_means(
        sums,
        counts,
        low=0,
        high=10,
        decimals=0,
        least=10,
        kind=kind,
        sum_scale=float(first),
        count_scale=float(second),
    )
    noise = _MeanNoise(float(first), float(second), kind == "gaussian", 5)
    for mean, width, count in zip(found.values, found.half_widths, counts, strict=True):
        offset = abs(mean - 5)
        assert noise.is_beyond(width * (1 - 1e-5), offset=offset, count=int(count))
        assert not noise.is_beyond(width * (1 + 1e-5), offset=offset, count=int(count))


@pytest.mark.parametrize(
    "micro, said",
    [(0, "0"), (1, "0.000001"), (20_000, "0.02"), (1_000_000, "1"), (12_500_000, "12.5")],
)
def test_millionths(micro, said):
    """Decimals without trailing zeros."""
    assert millionths(micro) == said


@pytest.mark.parametrize(
    "atto, said",
    [(0, "0"), (1, "1e-18"), (120_000, "1.2e-13"), (10**9, "1e-9"), (1_234_567, "1.234567e-12")],
)
def test_scientific(atto, said):
    """The shortest scientific notation."""
    assert scientific(atto) == said
