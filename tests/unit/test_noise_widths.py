"""Half-widths of combined draws against integration and partial fractions."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from anonymizer.dp.widths import MISS, exceeded, factor, laplace_tail, variance
from anonymizer.errors import CoreError
from tests.reference.noise_widths import tail_by_integration, tail_of_weighted_sum


@pytest.mark.parametrize("second", [0.0, 1e-9, 0.01, 0.5, 0.999, 1.0, 1.0001, 3.0])
@pytest.mark.parametrize("distance", [0.0, 0.7, 3.0, 9.0])
def test_the_tail_of_two_draws_is_the_integral(distance, second):
    """The closed forms are those of the convolution, whichever scale is larger."""
    (found,) = laplace_tail(np.array([distance]), 1.0, np.array([second]))
    assert found == pytest.approx(tail_by_integration(distance, 1.0, second), abs=2e-6)


def test_the_tail_has_no_jump_where_scales_meet():
    """Scales that are taken as equal differ by too little to be seen, and err upwards."""
    seconds = np.array([1 - 2e-5, 1 - 1.01e-5, 1 - 0.99e-5, 1.0])
    found = laplace_tail(np.full(4, 4.0), 1.0, seconds)
    assert (np.diff(found) >= 0).all()
    assert found[-1] - found[0] < 1e-5


@pytest.mark.parametrize(("kind", "deviations"), [("laplace", 2.1183), ("gaussian", 1.959964)])
def test_the_factor_is_that_of_one_draw(kind, deviations):
    """ln(20) / sqrt(2) and the normal quantile; rounded up, or to the last digit."""
    assert factor(kind) == pytest.approx(deviations, abs=2e-4)
    distance = np.array([factor(kind) * math.sqrt(variance(kind, 3.0))])
    zero = np.zeros(1)
    assert not exceeded(kind, distance, 3.0, zero)[0]
    assert exceeded(kind, distance * 0.9998, 3.0, zero)[0]


@settings(deadline=None, max_examples=500)
@given(scales=st.lists(st.integers(1, 10_000), min_size=1, max_size=6, unique=True))
def test_the_factor_holds_for_weighted_sums(scales):
    """No sum of weighted Laplace draws is beyond it more often than one draw."""
    close = [abs(b - c) / max(b, c) for b in scales for c in scales if b != c]
    assume(min(close, default=1) > 0.01)  # partial fractions of near scales lose their digits
    deviation = math.sqrt(sum(variance("laplace", b) for b in scales))
    assert tail_of_weighted_sum(factor("laplace") * deviation, scales) <= MISS


def test_gaussian_draws_combine_to_one():
    """The half-width of a difference is that of a draw with both variances."""
    second = np.array([4.0, 4.0])
    found = exceeded("gaussian", np.array([9.7999, 9.7997]), 3.0, second)
    assert found.tolist() == [False, True]


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_no_scale(scale):
    """A scale is finite and above 0."""
    with pytest.raises(CoreError, match="scale"):
        variance("laplace", scale)
