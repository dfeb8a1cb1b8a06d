"""Exact marginals of one record a learner."""

import numpy as np
import pytest

from anonymizer.dp.marginals import MOST_CELLS, SENSITIVITY, cells_of, marginal
from anonymizer.errors import CoreError

CODES = {
    "sex": np.array([0, 1, 1, 0]),
    "region": np.array([2, 0, 0, 2]),
    "passed": np.array([0, 0, 1, 0]),
}
SIZES = {"sex": 2, "region": 3, "passed": 2}


@pytest.mark.parametrize(
    ("columns", "counts"),
    [
        (("sex",), [2, 2]),
        (("region",), [2, 0, 2]),
        (("sex", "region"), [0, 0, 2, 2, 0, 0]),
        (("region", "sex"), [0, 2, 0, 0, 2, 0]),
        (("passed", "sex", "region"), [0, 0, 2, 1, 0, 0, 0, 0, 0, 1, 0, 0]),
        ((), [4]),
    ],
)
def test_cells_in_the_order_of_the_last_column(columns, counts):
    """By hand: the last column varies fastest, cells of nobody count 0."""
    found = marginal(CODES, SIZES, columns)
    assert (found.tolist(), found.dtype) == (counts, np.int64)


def test_nobody_has_a_table_too():
    """No learner, as many cells."""
    assert marginal({"sex": np.zeros(0, np.int64)}, SIZES, ("sex",)).tolist() == [0, 0]


def test_one_cell_by_one():
    """What is charged for."""
    assert (SENSITIVITY.l0, SENSITIVITY.linf) == (1, 1)


@pytest.mark.parametrize(
    ("changed", "sizes", "columns", "named"),
    [
        ({"sex": np.array([0, 2, 1, 0])}, {}, ("sex",), "sex"),
        ({"sex": np.array([0, -1, 1, 0])}, {}, ("sex",), "sex"),
        ({"sex": np.array([0.0, 1, 1, 0])}, {}, ("sex",), "sex"),
        ({"sex": np.array([[0, 1, 1, 0]])}, {}, ("sex",), "sex"),
        ({"sex": np.array([0, 1])}, {}, ("sex", "region"), "same length"),
        ({}, {}, ("age",), "age"),
        ({}, {"age": 2}, ("age",), "age"),
        ({}, {"sex": 0}, ("sex",), "sex"),
        ({}, {}, ("sex", "sex"), "once"),
        ({}, {"sex": MOST_CELLS, "region": 3}, ("sex", "region"), "cells"),
    ],
)
def test_what_is_no_record_is_refused(changed, sizes, columns, named):
    """By the name of the column, never by a code."""
    with pytest.raises(CoreError, match=named):
        marginal(CODES | changed, SIZES | sizes, columns)


def test_no_columns_at_all():
    """How many learners there are can't be told then."""
    with pytest.raises(CoreError, match="at least one"):
        marginal({}, SIZES, ())


def test_cells_are_the_product_of_sizes():
    """Of no columns it is one."""
    assert [cells_of(SIZES, of) for of in ((), ("sex",), ("sex", "region"))] == [1, 2, 6]
