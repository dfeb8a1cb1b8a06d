"""Thresholds for keys that no catalogue lists."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.dp.threshold import threshold_for
from anonymizer.errors import CoreError
from tests.reference.threshold import tails

SCALES = st.fractions(Fraction(1, 20), 30, max_denominator=64)
DELTAS = st.sampled_from(
    [Fraction(1, 2), Fraction(1, 100), Fraction(1, 10**9), Fraction(1, 10**15)]
)


@pytest.mark.parametrize(
    ("kind", "scale", "l0", "delta", "threshold"),
    [
        # 2 (9 ln 10 - ln(1 + exp(-1/2))) = 40.5
        ("laplace", Fraction(2), 1, Fraction(1, 10**9), 41),
        # and 2 ln 3 = 2.2 more for three cells
        ("laplace", Fraction(2), 3, Fraction(1, 10**9), 43),
        ("laplace", Fraction(1, 10), 1, Fraction(1, 10**9), 3),
        ("laplace", Fraction(1), 1, Fraction(99, 100), 1),
        ("gaussian", Fraction(1, 10**6), 1, Fraction(1, 10**9), 1),
        ("gaussian", Fraction(100), 1, Fraction(1, 10**9), 601),
    ],
)
def test_thresholds(kind, scale, l0, delta, threshold):
    """By hand; the Gaussian's near 6 standard deviations at 1e-9."""
    assert threshold_for(kind, scale, l0, delta) == threshold


@settings(deadline=None, max_examples=100)
@given(scale=SCALES, l0=st.integers(1, 20), delta=DELTAS)
def test_laplace_thresholds_are_the_least_safe_ones(scale, l0, delta):
    """One less would show a lone learner's key too often, unless it is 0."""
    found = threshold_for("laplace", scale, l0, delta)
    beyond = tails("laplace", scale, found)
    assert Fraction(beyond[found]) <= delta / l0
    assert found == 1 or Fraction(beyond[found - 1]) > delta / l0


@settings(deadline=None, max_examples=100)
@given(scale=SCALES, l0=st.integers(1, 20), delta=DELTAS)
def test_gaussian_thresholds_are_safe_and_hardly_too_large(scale, l0, delta):
    """A tenth of the scale and one more than the least at most, for a delta that one may ask."""
    found = threshold_for("gaussian", scale, l0, delta)
    beyond = tails("gaussian", scale, found)
    assert Fraction(beyond[found]) <= delta / l0
    spared = math.ceil(scale / 10) + 1
    if delta <= Fraction(1, 100) and found > spared:
        assert Fraction(beyond[found - spared]) > delta / l0


@pytest.mark.parametrize("kind", ["laplace", "gaussian"])
def test_thresholds_rise_with_noise_and_cells_and_caution(kind):
    """More noise, more cells of a learner or a smaller delta: fewer keys."""
    given_ = (Fraction(5), 2, Fraction(1, 10**6))
    least = threshold_for(kind, *given_)
    assert threshold_for(kind, Fraction(6), *given_[1:]) > least
    assert threshold_for(kind, given_[0], 20, given_[2]) > least
    assert threshold_for(kind, *given_[:2], Fraction(1, 10**7)) > least


@pytest.mark.parametrize("kind", ["laplace", "gaussian"])
@pytest.mark.parametrize("scale", [Fraction(1, 10**15), Fraction(10**15)])
def test_extreme_scales_have_thresholds(kind, scale):
    """No overflow, and as many scales away as any other."""
    found = threshold_for(kind, scale, 1, Fraction(1, 10**100))
    assert 1 <= found <= max(1, 300 * scale)


@pytest.mark.parametrize(
    ("scale", "l0", "delta", "message"),
    [
        (Fraction(0), 1, Fraction(1, 10), "scale"),
        (Fraction(-1), 1, Fraction(1, 10), "scale"),
        (Fraction(10**15 + 1), 1, Fraction(1, 10), "scale"),
        (Fraction(1), 0, Fraction(1, 10), "l0"),
        (Fraction(1), 1, Fraction(0), "delta"),
        (Fraction(1), 1, Fraction(1), "delta"),
        (Fraction(1), 1, Fraction(1, 10**101), "delta"),
    ],
)
def test_parameters_out_of_range(scale, l0, delta, message):
    """Each by its name."""
    with pytest.raises(CoreError, match=message):
        threshold_for("laplace", scale, l0, delta)
