"""Contribution bounds: which cells stay, and values as whole units."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.bounding import FARTHEST, LARGEST_BOUND, clamp, keep_cells, to_units
from anonymizer.errors import CoreError
from tests.reference.bounded_queries import kept_pairs

IDS = st.sampled_from([0, 1, 2, 77, 2**32 - 1])
PRIORITIES = st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**32 + 1, 2**64 - 2, 2**64 - 1])
"""Many tie, some in their upper half alone."""


def kept(learners, priorities, most):
    return keep_cells(
        np.array(learners, np.uint32), np.array(priorities, np.uint64), most=most
    ).tolist()


@pytest.mark.parametrize(
    ("learners", "priorities", "most", "stay"),
    [
        ([], [], 1, []),
        ([7, 7, 7], [3, 1, 2], 1, [0, 1, 0]),
        ([7, 7, 7], [3, 1, 2], 2, [0, 1, 1]),
        ([7, 7, 7], [3, 1, 2], 3, [1, 1, 1]),
        ([7, 8, 7, 8], [1, 9, 2, 8], 1, [1, 0, 0, 1]),
        ([7, 7, 7], [5, 5, 5], 2, [1, 1, 0]),
        ([7, 7, 7], [2**32 + 2, 2**32 + 1, 2**32 + 3], 1, [0, 1, 0]),
        ([0, 2**32 - 1, 2**32 - 1], [9, 2**64 - 1, 2**64 - 2], 1, [1, 0, 1]),
    ],
)
def test_least_priorities_stay(learners, priorities, most, stay):
    """Of each learner the pairs with the least priorities; of equal ones the earlier."""
    assert kept(learners, priorities, most) == [bool(x) for x in stay]


@settings(deadline=None, max_examples=300)
@given(
    pairs=st.lists(st.tuples(IDS, PRIORITIES | st.integers(0, 2**64 - 1)), max_size=30),
    most=st.integers(1, 4),
)
def test_what_stays_is_what_the_slow_twin_keeps(pairs, most):
    """With any ties, and with numbers too far apart for a table of all."""
    learners, priorities = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert kept(learners, priorities, most) == kept_pairs(learners, priorities, most)


@pytest.mark.parametrize(
    ("learners", "priorities", "most", "message"),
    [
        (np.zeros(2, np.uint32), np.zeros(3, np.uint64), 1, "one for each"),
        (np.zeros((2, 1), np.uint32), np.zeros((2, 1), np.uint64), 1, "one for each"),
        (np.zeros(2, np.int64), np.zeros(2, np.uint64), 1, "uint32"),
        (np.zeros(2, np.uint32), np.zeros(2, np.float64), 1, "uint64"),
        (np.zeros(2, np.uint32), np.zeros(2, np.uint64), 0, "most"),
    ],
)
def test_pairs_of_another_shape_are_refused(learners, priorities, most, message):
    """Shapes, types and a bound of nothing."""
    with pytest.raises(CoreError, match=message):
        keep_cells(learners, priorities, most=most)


@pytest.mark.parametrize(
    ("value", "decimals", "units"),
    [
        (0.5, 0, 0),
        (1.5, 0, 2),
        (2.5, 0, 2),
        (-0.5, 0, 0),
        (-1.5, 0, -2),
        (-0.0, 0, 0),
        (0.1 + 0.2, 1, 3),
        (0.1 + 0.2, 2, 30),
        (0.1 + 0.15, 1, 2),
        (0.285, 2, 28),
        (1.005, 2, 100),
        (1.015, 2, 102),
        (2.675, 2, 268),
        (0.2849999, 2, 28),
        (0.2850001, 2, 29),
        (5e-324, 9, 0),
        (1e300, 9, FARTHEST),
        (-1e300, 0, -FARTHEST),
        (FARTHEST + 1.0, 0, FARTHEST),
        (9_999_999_998.5, 0, 9_999_999_998),
    ],
)
def test_values_as_units(value, decimals, units):
    """Halves to even, whatever error of arithmetic they carry; what is too far comes nearer."""
    assert to_units(np.array([value]), decimals).tolist() == [units]


@settings(deadline=None, max_examples=500)
@given(whole=st.integers(-(10**9), 10**9), digits=st.integers(0, 6), decimals=st.integers(0, 6))
def test_written_decimals_round_as_decimals_do(whole, digits, decimals):
    """A float stands for the decimal it was written as."""
    written = Decimal(whole).scaleb(-digits)
    wanted = written.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN).scaleb(decimals)
    wanted = min(max(int(wanted), -FARTHEST), FARTHEST)
    assert to_units(np.array([float(written)]), decimals).tolist() == [wanted]


@settings(deadline=None, max_examples=300)
@given(values=st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=20), decimals=st.integers(0, 9))
def test_units_are_nearest_and_never_fall(values, decimals):
    """Of any floats: no further than a half from their exact value, but for the tolerance."""
    values = np.sort(np.array(values))
    units = to_units(values, decimals)
    assert (np.diff(units) >= 0).all()
    for value, unit in zip(values.tolist(), units.tolist(), strict=True):
        exact = min(max(Fraction(value) * 10**decimals, -FARTHEST), FARTHEST)
        assert abs(unit - exact) <= Fraction(1, 2) + (abs(exact) + 1) / 2**49


@pytest.mark.parametrize(
    ("values", "decimals", "message"),
    [
        (np.array([1.0, np.nan]), 0, "NaN"),
        (np.array([np.inf]), 0, "infinite"),
        (np.array([1.0]), 10, "decimals"),
        (np.array([1.0]), -1, "decimals"),
        (np.array([1]), 0, "float64"),
    ],
)
def test_values_that_say_nothing_are_refused(values, decimals, message):
    """What stands for a null is declared, not guessed; the message holds no value."""
    with pytest.raises(CoreError, match=message):
        to_units(values, decimals)


def test_clamp_moves_values_into_the_bounds():
    """Below low is low, above high is high."""
    assert clamp(np.array([-9, -2, 0, 3, 9]), -2, 3).tolist() == [-2, -2, 0, 3, 3]


@pytest.mark.parametrize(
    ("units", "low", "high", "message"),
    [
        (np.array([1]), 2, 1, "bounds"),
        (np.array([1]), 0, LARGEST_BOUND + 1, "bounds"),
        (np.array([1]), -LARGEST_BOUND - 1, 0, "bounds"),
        (np.array([1.0]), 0, 1, "int64"),
    ],
)
def test_bounds_that_could_wrap_are_refused(units, low, high, message):
    """Bounds are ordered and near enough to 0 that no sum overflows."""
    with pytest.raises(CoreError, match=message):
        clamp(units, low, high)
