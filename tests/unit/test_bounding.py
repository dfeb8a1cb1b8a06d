"""Contribution bounds: which cells stay, and values as whole units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.bounding import LARGEST_BOUND, clamp, keep_cells
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
