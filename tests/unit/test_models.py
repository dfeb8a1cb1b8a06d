"""Privacy models on classes small enough to check by hand."""

import numpy as np
import pytest

from anonymizer.errors import CoreError
from anonymizer.models import (
    EquivalenceClasses,
    KAnonymity,
    MaximumShare,
    SensitiveValues,
    within_share,
)


def classes(size, result=None):
    """Classes of these sizes; `result` holds a row of counts for each."""
    sizes = np.array(size, np.int64)
    return EquivalenceClasses(sizes, sizes, {} if result is None else {"result": held(result)})


def held(counts):
    """Counts of values `v0`, `v1`, ..., compared with their sums over all classes."""
    table = np.array(counts, np.int64)
    values = tuple(f"v{i}" for i in range(table.shape[1]))
    return SensitiveValues(table, table.sum(axis=0)[None], np.zeros(len(table), np.int64), values)


def test_k_anonymity_counts_learners():
    """Four learners are too few for k = 5, five are enough."""
    assert KAnonymity(5)(classes([4, 5, 6])).tolist() == [False, True, True]


def test_maximum_share_admits_the_share_itself():
    """Of five learners four may have passed at 0.8, five may not."""
    found = MaximumShare("result", 0.8)(classes([5, 5, 5], [[4, 1], [5, 0], [0, 0]]))
    assert found.tolist() == [True, False, True]


def test_a_column_withheld_throughout_holds():
    """Without any value to count, no value is above the share."""
    counts = np.empty((2, 0), np.int64)
    found = MaximumShare("result", 0.5)(classes([5, 6], counts))
    assert found.tolist() == [True, True]


@pytest.mark.parametrize(
    "count, size, share, holds",
    [
        (29, 100, 0.29, True),  # 0.29 * 100 is 28.999999999999996
        (30, 100, 0.29, False),
        (57, 100, 0.57, True),  # 0.57 * 100 is 56.99999999999999
        (1, 3, 0.3333, False),  # a share is the decimal it is written as
        (1, 3, 0.3334, True),
        (10**9, 10**9, 0.3333333333333333, False),  # nor do its digits overflow
        (8, 10, 0.8, True),
        (7, 7, 1.0, True),
    ],
)
def test_shares_are_compared_in_whole_numbers(count, size, share, holds):
    """Floating point neither refuses what is exactly the share nor admits what is above it."""
    found = within_share(np.array([count]), np.array([size]), share)
    assert found.tolist() == [holds]


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    """A share is above 0 and at most 1."""
    with pytest.raises(CoreError, match="maximum share of result"):
        MaximumShare("result", share)


def test_k_below_one_is_refused():
    """No class of nobody is released."""
    with pytest.raises(CoreError, match="k: "):
        KAnonymity(0)


def test_counts_must_fit_the_classes():
    """A sensitive column that was not counted, or counted for other classes, is an error."""
    with pytest.raises(CoreError, match="were not counted"):
        MaximumShare("result", 0.8)(classes([5]))
    with pytest.raises(CoreError, match="sensitive result"):
        classes([5, 5], [[4, 1]])
