"""Exact aggregates on a public grid, and their sensitivities."""

import numpy as np
import pytest

from anonymizer.bounding import LARGEST_BOUND
from anonymizer.dp import queries
from anonymizer.dp.queries import Sensitivity, centre
from anonymizer.errors import CoreError

CELLS = np.array([0, 2, 2, 2])
UNITS = np.array([-9, 1, 2, 30])


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (queries.learners(CELLS, size=4), [1, 0, 3, 0]),
        (queries.events(CELLS, np.array([1, 1, 5, 9]), most=5, size=4), [1, 0, 11, 0]),
        (queries.events(CELLS, UNITS, most=5, size=3), [0, 0, 8]),
        (queries.sums(CELLS, UNITS, low=-3, high=10, size=4), [-3, 0, 13, 0]),
        (queries.centred_sums(CELLS, UNITS, low=-3, high=10, size=4), [-6, 0, 4, 0]),
        (
            queries.histogram(CELLS, np.array([1, 0, 1, 1]), size=3, bins_n=2),
            [[0, 1], [0, 0], [1, 2]],
        ),
        (queries.learners(np.zeros(0, np.int64), size=2), [0, 0]),
        (queries.sums(CELLS.astype(np.uint32), UNITS, low=0, high=1, size=3), [0, 0, 3]),
    ],
)
def test_aggregates(found, wanted):
    """Each contribution is clamped before it is added; cells of nobody are 0."""
    assert found.dtype == np.int64
    assert found.tolist() == wanted


def test_sums_are_exact_where_floats_are_not():
    """2^53 + 1 is no float; a sum of clamped units is exact all the same."""
    rows = 2**53 // LARGEST_BOUND + 2
    units = np.full(rows, LARGEST_BOUND)
    units[0] = 1
    cells = np.zeros(rows, np.int64)
    (found,) = queries.sums(cells, units, low=0, high=LARGEST_BOUND, size=1).tolist()
    assert found == (rows - 1) * LARGEST_BOUND + 1
    assert found > 2**53
    assert float(found) != found


@pytest.mark.parametrize(
    ("sensitivity", "l0", "linf", "l1", "squared_l2"),
    [
        (Sensitivity.of_learners(3), 3, 1, 3, 3),
        (Sensitivity.of_events(3, most=5), 3, 5, 15, 75),
        (Sensitivity.of_sums(2, low=-4, high=3), 2, 4, 8, 32),
        (Sensitivity.of_sums(2, low=5, high=10), 2, 10, 20, 200),
        (Sensitivity.of_sums(2, low=-10, high=-5), 2, 10, 20, 200),
        (Sensitivity.of_centred_sums(2, low=5, high=10), 2, 3, 6, 18),
        (Sensitivity.of_centred_sums(1, low=0, high=100), 1, 50, 50, 2500),
        (Sensitivity.of_centred_sums(1, low=-3, high=-2), 1, 1, 1, 1),
    ],
)
def test_sensitivities(sensitivity, l0, linf, l1, squared_l2):
    """Of one learner more or less, not of one who changes: a sum has its farther bound."""
    assert (sensitivity.l0, sensitivity.linf) == (l0, linf)
    assert (sensitivity.l1, sensitivity.squared_l2) == (l1, squared_l2)


@pytest.mark.parametrize(("low", "high"), [(5, 10), (-7, 2), (-3, -2), (0, 9)])
def test_sensitivities_are_reached(low, high):
    """One learner at the worse bound moves a cell by exactly as much: no noise is wasted."""
    reached = {"sums": 0, "centred": 0}
    for value in (low, high):
        cells, units = np.zeros(1, np.int64), np.array([value])
        for name, query in (("sums", queries.sums), ("centred", queries.centred_sums)):
            (moved,) = query(cells, units, low=low, high=high, size=1).tolist()
            reached[name] = max(reached[name], abs(moved))
    assert reached == {
        "sums": Sensitivity.of_sums(1, low=low, high=high).linf,
        "centred": Sensitivity.of_centred_sums(1, low=low, high=high).linf,
    }


@pytest.mark.parametrize(("low", "high", "middle"), [(0, 10, 5), (0, 9, 4), (-9, 0, -5), (3, 4, 3)])
def test_centre(low, high, middle):
    """The middle of the bounds, or the lower of two."""
    assert centre(low, high) == middle


NOBODY = np.zeros(0, np.int64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Sensitivity(0, 1), "sensitivity"),
        (lambda: Sensitivity(1, 0), "sensitivity"),
        (lambda: Sensitivity(1, LARGEST_BOUND + 1), "sensitivity"),
        (lambda: Sensitivity.of_sums(1, low=0, high=0), "sensitivity"),
        (lambda: Sensitivity.of_sums(1, low=1, high=0), "bounds"),
        (lambda: centre(4, 4), "low < high"),
        (lambda: queries.learners(np.array([2]), size=2), "grid"),
        (lambda: queries.learners(np.array([-1]), size=2), "grid"),
        (lambda: queries.learners(np.array([0.0]), size=2), "whole number"),
        (lambda: queries.learners(np.array([[0]]), size=2), "whole number"),
        (lambda: queries.learners(NOBODY, size=0), "grid"),
        (lambda: queries.learners(NOBODY, size=10**9 + 1), "grid"),
        (lambda: queries.events(NOBODY, NOBODY, most=0, size=1), "most"),
        (lambda: queries.sums(CELLS, UNITS[:3], low=0, high=1, size=3), "one for each"),
        (lambda: queries.sums(CELLS, UNITS.astype(float), low=0, high=1, size=3), "int64"),
        (lambda: queries.sums(CELLS, UNITS, low=0, high=10**10, size=3), "bounds"),
        (lambda: queries.centred_sums(CELLS, UNITS, low=1, high=1, size=3), "low < high"),
        (lambda: queries.histogram(CELLS, UNITS, size=3, bins_n=2), "bins"),
        (lambda: queries.histogram(CELLS, CELLS[:1], size=3, bins_n=3), "one for each"),
        (lambda: queries.histogram(CELLS, CELLS, size=10**6, bins_n=10**4), "cells times bins"),
    ],
)
def test_what_could_wrap_or_miss_the_grid_is_refused(call, message):
    """Places outside the grid, floats, bounds and grids that are too large."""
    with pytest.raises(CoreError, match=message):
        call()


def test_more_contributions_than_can_be_added_are_refused():
    """Nothing is allocated for the test: one row, seen four thousand million times."""
    many = (2**63 - 1) // (2 * LARGEST_BOUND) + 1
    cells = np.broadcast_to(np.zeros(1, np.int8), (many,))
    with pytest.raises(CoreError, match="wrap"):
        queries._refuse_wrapping(cells)
