"""What several draws cost together: three accounts side by side."""

import math
from fractions import Fraction

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution as library

from anonymizer.dp.calibration import gaussian_for, laplace_for, noisy_max_for_epsilon
from anonymizer.dp.mechanisms import DiscreteGaussian, DiscreteLaplace, Geometric
from anonymizer.dp.report import _of_one, together
from anonymizer.errors import CoreError
from tests.reference import mechanisms as slow

DELTA = 1e-6


@pytest.mark.parametrize(
    ("mechanisms", "basic", "zcdp", "pld"),
    [
        ([laplace_for("0.1", 1, 1)] * 200, 20, 7.77, 7.19),
        ([DiscreteLaplace(1, 1, Fraction(10))] * 200, 20, 7.77, 7.19),
        ([DiscreteGaussian(1, 1, Fraction(41.3))] * 100, None, 1.106, 1.030),
        # As many cells of one draw are as many draws of one cell, but for how rho adds up.
        ([DiscreteLaplace(200, 1, Fraction(10))], 20, None, 7.19),
        ([DiscreteGaussian(100, 1, Fraction(41.3))], None, 1.106, 1.030),
        ([DiscreteGaussian(1, 1000, Fraction(41_300))] * 100, None, 1.106, 1.025),
        ([laplace_for(1, 1, 1), gaussian_for(1, 1, 1)], None, 9.85, None),
        ([], 0, 0, 0),
    ],
)
def test_accounts(mechanisms, basic, zcdp, pld):
    """As measured before this was written (facts-dp.md): 20, 7.8, 7.1; and 1.10, 1.02."""
    found = together(mechanisms, DELTA)
    assert found.basic == basic
    if zcdp is not None:
        assert float(found.zcdp) == pytest.approx(zcdp, rel=0.02, abs=1e-9)
    if pld is not None:
        assert found.pld == pytest.approx(pld, rel=0.01, abs=1e-9)


def test_what_an_account_has_not():
    """No basic sum of a Gaussian; none at a delta below that of floating point; none out of reach.

    A very wide Gaussian is only approximated, and says so.
    """
    float_delta = Geometric(1, 1, Fraction(1)).delta
    below = together([Geometric(1, 1, Fraction(1))], float_delta / 2)
    assert (below.basic, below.zcdp, below.pld) == (None, None, None)
    above = together([Geometric(1, 1, Fraction(1))], float_delta * 3)
    assert (above.basic, above.pld) == (1, None)
    assert together([DiscreteLaplace(1, 60, Fraction(1))], DELTA).pld is None
    assert together([DiscreteLaplace(100, 40, Fraction(1))], DELTA).pld is None
    assert together([DiscreteLaplace(1, 1, Fraction(1))], DELTA).pld_is_bound
    assert not together([DiscreteGaussian(1, 1, Fraction(10_001))], DELTA).pld_is_bound


def test_a_grid_makes_no_account_worse_than_the_sums():
    """Of 10^5 cells it says 5.08 where basic composition says 1, and 11.2 where zCDP says less."""
    many = together([laplace_for(1, 10**5, 1)], 1e-9)
    assert (many.basic, many.pld) == (1, 1)
    rhos = together([gaussian_for("0.5", 10**5, 1)], 1e-9)
    assert rhos.pld == float(rhos.zcdp) < 11


@pytest.mark.parametrize("delta", [0, 1, "2"])
def test_delta(delta):
    """Between 0 and 1."""
    with pytest.raises(CoreError, match="delta"):
        together([], delta)


def hockey_stick(left, right, epsilon):
    """The least delta at epsilon, of two written-out distributions."""
    return math.fsum(max(0, p - math.exp(epsilon) * right.get(x, 0)) for x, p in left.items())


@pytest.mark.parametrize(
    ("mechanism", "write"),
    [
        (DiscreteLaplace(1, 3, Fraction(2)), slow.laplace),
        (DiscreteLaplace(1, 25_000, Fraction(20_000)), None),
        (DiscreteGaussian(1, 3, Fraction(2)), slow.gaussian),
    ],
)
def test_one_draw_is_dominated(mechanism, write):
    """No smaller delta than the exact one, at any change up to linf; and hardly a larger one."""
    pld = _of_one(library, mechanism, 1)
    for epsilon in (0.0, 0.1, 0.5, 1.0, 1.2):
        claimed = pld.get_delta_for_epsilon(epsilon)
        if write is None:
            assert exact_laplace(mechanism, epsilon) <= claimed + 1e-12
            assert claimed <= exact_laplace(mechanism, epsilon) + 1e-3
            continue
        noise = write(float(mechanism.scale), 120)
        deltas = [
            hockey_stick(noise, {x + change: p for x, p in noise.items()}, epsilon)
            for change in range(1, mechanism.linf + 1)
        ]
        assert max(deltas) <= claimed + 1e-9
        assert claimed <= max(deltas) + 1e-3


def exact_laplace(mechanism, epsilon):
    """As `hockey_stick`, of wide noise."""
    reach = 40 * int(mechanism.scale)
    x = np.arange(-reach, reach + 1)
    ratio = math.exp(-1 / mechanism.scale)
    p = (1 - ratio) / (1 + ratio) * np.exp(-np.abs(x) / float(mechanism.scale))
    q = (1 - ratio) / (1 + ratio) * np.exp(-np.abs(x - mechanism.linf) / float(mechanism.scale))
    return float(np.sum(np.maximum(0, p - math.exp(epsilon) * q)))


def test_the_continuous_laplace_would_be_no_bound():
    """Why dp-accounting's event of the continuous noise is not taken: it claims too little."""
    noise = slow.laplace(1.0, 60)
    found = hockey_stick(noise, {x + 1: p for x, p in noise.items()}, 0.5)
    assert library.from_laplace_mechanism(1.0).get_delta_for_epsilon(0.5) < found - 0.05


def test_a_selection_counts_as_any_mechanism_of_its_epsilon():
    """Randomized response of epsilon, once for each cell."""
    mechanism = noisy_max_for_epsilon(3, 3, Fraction(1, 2))
    found = _of_one(library, mechanism, 1)
    right = math.e / (1 + math.e)
    left = {k: math.comb(3, k) * right**k * (1 - right) ** (3 - k) for k in range(4)}
    other = {k: left[3 - k] for k in range(4)}
    for epsilon in (0.5, 1.0, 2.0):
        claimed = found.get_delta_for_epsilon(epsilon)
        assert claimed == pytest.approx(hockey_stick(left, other, epsilon), abs=1e-3)
        assert claimed >= hockey_stick(left, other, epsilon) - 1e-9
