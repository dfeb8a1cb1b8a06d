"""The checker's own formulas, against sums by definition and against what the writer computes."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from anonymizer.dp.geometric_delta import charged_delta
from anonymizer.dp.margins import reconcile
from anonymizer.dp.means import noisy_means
from anonymizer.dp.mechanisms import DiscreteGaussian, DiscreteLaplace, NoisyMax
from anonymizer.dp.quantiles import candidates, noisy_quantiles, rank_half_widths
from anonymizer.dp.threshold import threshold_for
from pipelines.verify.drawn import _is_quotient, is_candidate, likeliest
from pipelines.verify.noise import cost_of, floating_point
from pipelines.verify.promise import millionths, scientific
from pipelines.verify.tails import tail
from pipelines.verify.widths import (
    _MeanNoise,
    agreed_variance,
    difference_miss,
    is_agreed_width,
    is_half_width,
    rank_width,
)
from schemas.manifest import Draw, Privacy

FREE = Privacy(None, 0, 0)
scales = st.integers(1, 2**20).map(lambda n: Fraction(n, 2**8))
cells, changes = st.integers(1, 50), st.integers(1, 1000)
kinds = st.sampled_from([("laplace", DiscreteLaplace), ("gaussian", DiscreteGaussian)])


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
        density = fftconvolve(density, np.exp(-np.abs(grid) / second), "same")
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


# Of a scale above 1/16, or a cost would be more than the ledger can put on record.
@given(
    scales.map(lambda one: one * 16),
    cells,
    changes,
    st.sampled_from([DiscreteLaplace, DiscreteGaussian]),
)
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


@given(
    st.lists(st.tuples(st.integers(-3000, 3000), st.integers(1, 10**6)), min_size=1, max_size=5),
    st.tuples(st.integers(-(10**6), 10**6), st.integers(1, 10**6)),
    st.integers(0, 6),
)
def test_means_of_the_writer_are_quotients(rows, bounds, decimals):
    """Of a whole sum and the count; and the doubles next to them are none."""
    sums, counts = np.array(rows, np.int64).T
    low, high = bounds[0], bounds[0] + bounds[1]
    found = noisy_means(
        sums,
        counts,
        low=low,
        high=high,
        decimals=decimals,
        least=1,
        kind="laplace",
        sum_scale=1.0,
        count_scale=1.0,
    )
    middle, unit = (low + high) // 2, 10**decimals
    for mean, count in zip(found.values, counts, strict=True):
        assert _is_quotient(mean, int(count), middle, unit)
        for far in (-math.inf, math.inf):
            assert not _is_quotient(math.nextafter(mean, far), int(count), middle, unit)


@given(st.integers(-(10**8), 10**8), st.integers(1, 10**8), st.integers(2, 401))
@settings(max_examples=60, deadline=None)
def test_candidates_of_the_writer_are_accepted(low, width, most):
    """Each of them, and none of their neighbours but those that are candidates as well."""
    points = candidates(low, low + width, most=most)
    known = set(points.tolist())
    for point in points[:: max(1, len(points) // 20)].tolist():
        for near in range(point - 2, point + 3):
            accepted = is_candidate(Fraction(near), low, low + width, len(points))
            assert accepted == (near in known)


@given(
    st.lists(st.lists(st.integers(-50, 100), min_size=5, max_size=5), min_size=1, max_size=4),
    st.lists(st.floats(0.001, 0.999), min_size=2, max_size=4, unique=True),
)
def test_quantiles_of_the_writer_never_cross(counts, shares):
    """What the checker takes for granted of quantiles that are read off one histogram."""
    found = noisy_quantiles(np.array(counts, np.int64), candidates(0, 4), sorted(shares))
    assert (np.diff(found, axis=1) >= 0).all()


@given(scales, st.integers(1, 9999), st.integers(2, 2048))
def test_rank_half_widths_of_selections(scale, k, number):
    """What the writer tells of a selected quantile."""
    share = Fraction(k, 10_000)
    one = NoisyMax(1, share, scale, "pure")
    assert rank_width(drawn(one), share, number) == pytest.approx(
        one.rank_half_width(number), rel=1e-12
    )


@given(scales, st.integers(1, 9999), st.integers(2, 2048), kinds)
def test_rank_half_widths_of_histograms(scale, k, number, kind):
    """What the writer tells of a quantile that is read off a histogram."""
    name, mechanism = kind
    (told,) = rank_half_widths([k / 10_000], bins=number, kind=name, scale=float(scale))
    found = rank_width(drawn(mechanism(1, 1, scale)), Fraction(k, 10_000), number)
    assert found == pytest.approx(told, rel=1e-12)


@given(scales, scales, st.integers(1, 3), st.integers(1, 40), kinds)
def test_half_widths_of_tables_that_agree(first, second, margins, number, kind):
    """What the writer tells of a margin and of its cells; and neither one less nor one more."""
    name, mechanism = kind
    found = reconcile(
        np.zeros(margins, np.int64),
        np.zeros(margins * number, np.int64),
        np.repeat(np.arange(margins), number),
        kind=name,
        margin_scale=float(first),
        cell_scale=float(second),
    )
    margin, cell = (drawn(mechanism(1, 1, scale)) for scale in (first, second))
    of_margin = agreed_variance(margin, cell, cells=number, is_margin=True)
    of_cell = agreed_variance(cell, margin, cells=number, is_margin=False)
    gaussian = name == "gaussian"
    for variance, width in (
        (of_margin, found.margin_half_width),
        (of_cell, found.cell_half_width),
    ):
        assert is_agreed_width(variance, gaussian, width)
        assert not is_agreed_width(variance, gaussian, width - 1)
        assert not is_agreed_width(variance, gaussian, width + 1)


def test_where_floats_decide_about_a_ceil():
    """A whole number but for the rounding of floats: it and the next one hold, and no third."""
    variance = (Fraction("9.5") / Fraction("1.959964")) ** 2
    assert [w for w in range(20) if is_agreed_width(variance, True, w)] == [9, 10]
    assert [w for w in range(20) if is_agreed_width(variance * 2, True, w)] == [13]


@given(st.integers(1, 2**12).map(lambda n: Fraction(n, 2**4)), cells, st.integers(1, 5))
def test_floating_point_of_the_writer_is_paid_for(scale, l0, linf):
    """What the writer charges is enough."""
    draw = Draw("geometric", str(scale), l0, linf, "L1", FREE)
    assert 0 < floating_point(draw) <= charged_delta(l0, linf, scale) * 10**18


@pytest.mark.parametrize("scale", ["1/4", "1", "7/2", "20"])
@pytest.mark.parametrize("kind", ["discrete-laplace", "discrete-gaussian"])
def test_the_likeliest_noise(kind, scale):
    """It is that of 0, by the sum of all probabilities; of small Gaussians a bound of it.

    Nor is any rest of larger steps likelier than said.
    """
    width, power = float(Fraction(scale)), {"discrete-laplace": 1, "discrete-gaussian": 2}[kind]
    whole = math.fsum(math.exp(-((abs(x) / width) ** power) / power) for x in range(-2000, 2001))
    draw = Draw(kind, scale, 1, 1, "L1", FREE)
    found = likeliest(draw)
    assert 1 / whole <= found * (1 + 1e-12)
    assert width < 1 or found == pytest.approx(1 / whole, rel=1e-8)
    for step in (2, 3, 5):
        rests = [0.0] * step
        for x in range(-2000, 2001):
            rests[x % step] += math.exp(-((abs(x) / width) ** power) / power) / whole
        assert max(rests) <= min(1, likeliest(draw, step) * (1 + 1e-12))


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
