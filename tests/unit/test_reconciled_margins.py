"""A margin and its detailed table, made to agree."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.dp.margins import reconcile
from anonymizer.dp.widths import variance
from anonymizer.errors import CoreError
from tests.reference.margins import least_squares

SCALES = st.floats(0.3, 50)


def agreed(margins, cells, margin_of, **noise):
    given_ = {"kind": "laplace", "margin_scale": 1.0, "cell_scale": 1.0}
    return reconcile(
        np.array(margins, np.int64),
        np.array(cells, np.int64),
        np.array(margin_of, np.int64),
        **(given_ | noise),
    )


@pytest.mark.parametrize(
    ("margin", "cells", "noise", "told", "cells_told"),
    [
        (10, [5, 5], {}, 10, [5, 5]),
        (16, [5, 5], {}, 14, [7, 7]),
        (4, [5, 5], {}, 6, [3, 3]),
        (13, [5, 5], {}, 12, [6, 6]),
        (14, [5, 5], {}, 13, [7, 6]),
        (11, [7], {}, 9, [9]),
        (12, [5, 5], {"margin_scale": 1e-9}, 12, [6, 6]),
        (12, [5, 5], {"cell_scale": 1e-9}, 10, [5, 5]),
        (-7, [0, 0, 0], {"margin_scale": 1e-9}, -7, [-2, -2, -3]),
    ],
)
def test_one_margin(margin, cells, noise, told, cells_told):
    """The more exact table moves less; the first cells have what can't be shared evenly."""
    found = agreed([margin], cells, [0] * len(cells), **noise)
    assert (found.margins.tolist(), found.cells.tolist()) == ([told], cells_told)


@st.composite
def tables(draw):
    """Up to four margins with up to five cells each, in any order."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    margin_of = draw(st.permutations([m for m, size in enumerate(sizes) for _ in range(size)]))
    noisy = st.integers(-60, 300)
    cells = draw(st.lists(noisy, min_size=len(margin_of), max_size=len(margin_of)))
    return draw(st.lists(noisy, min_size=len(sizes), max_size=len(sizes))), cells, margin_of


@settings(deadline=None, max_examples=300)
@given(
    table=tables(), scales=st.tuples(SCALES, SCALES), kind=st.sampled_from(["laplace", "gaussian"])
)
def test_agreed_tables_are_the_least_squares_fit_in_whole_numbers(table, scales, kind):
    """Sums agree exactly; rounding moves nothing by 1; variances are those of the fit."""
    margins, cells, margin_of = table
    noise = {"kind": kind, "margin_scale": scales[0], "cell_scale": scales[1]}
    found = agreed(margins, cells, margin_of, **noise)
    for place, margin in enumerate(found.margins.tolist()):
        assert margin == sum(found.cells[np.array(margin_of) == place].tolist())
    before = {
        "margin_variance": variance(kind, scales[0]),
        "cell_variance": variance(kind, scales[1]),
    }
    fitted = least_squares(margins, cells, margin_of, **before)
    assert np.abs(found.margins - fitted[0]).max() <= 0.5 + 1e-6
    assert np.abs(found.cells - fitted[1]).max() < 1
    assert found.margin_variances == pytest.approx(fitted[2])
    assert found.cell_variances == pytest.approx(fitted[3])
    assert found.margin_variances.max() <= before["margin_variance"]
    assert found.cell_variances.max() <= before["cell_variance"]


@settings(deadline=None, max_examples=100)
@given(table=tables(), scales=st.tuples(SCALES, SCALES))
def test_tables_that_agree_stay_as_they_are(table, scales):
    """Without noise nothing moves: so the fit has no bias, before rounding."""
    _, cells, margin_of = table
    sums = [0] * (max(margin_of) + 1)
    for cell, of in zip(cells, margin_of, strict=True):
        sums[of] += cell
    found = agreed(sums, cells, margin_of, margin_scale=scales[0], cell_scale=scales[1])
    assert (found.margins.tolist(), found.cells.tolist()) == (sums, cells)


@pytest.mark.parametrize(("kind", "deviations"), [("laplace", 2.1184), ("gaussian", 1.959964)])
def test_half_widths_are_of_the_widest_value(kind, deviations):
    """The factor times the largest deviation, less 1/2; a lone cell is halved in variance."""
    found = agreed([9, 9], [1, 2, 3, 4], [0, 1, 1, 1], kind=kind, margin_scale=8.0, cell_scale=8.0)
    whole = variance(kind, 8.0)
    assert found.margin_half_width == math.ceil(deviations * math.sqrt(whole * 3 / 4) - 0.5)
    assert found.cell_half_width == math.ceil(deviations * math.sqrt(whole * 3 / 4) - 0.5)
    assert found.cell_variances == pytest.approx([whole / 2, *[whole * 3 / 4] * 3])


@pytest.mark.parametrize("scales", [(1.0, 1.0), (2.0, 9.0), (30.0, 10.0)])
def test_half_widths_hold(scales):
    """At least 95% of 20,000 margins and of 100,000 cells are within theirs.

    94.2% must be: were the coverage 95% exactly, margins would fail with a probability below 3e-7,
    and cells, which depend on one another in fives at most, below 3e-7, too. The seed is fixed all
    the same.
    """
    generator = np.random.default_rng(6)

    def drawn(scale, size):
        share = -math.expm1(-1 / scale)
        return generator.geometric(share, size) - generator.geometric(share, size)

    margin_of = np.repeat(np.arange(20_000), 5)
    found = agreed(
        100 + drawn(scales[0], 20_000),
        20 + drawn(scales[1], 100_000),
        margin_of,
        margin_scale=scales[0],
        cell_scale=scales[1],
    )
    assert (np.abs(found.margins - 100) <= found.margin_half_width).mean() > 0.942
    assert (np.abs(found.cells - 20) <= found.cell_half_width).mean() > 0.942


@pytest.mark.parametrize(
    ("margins", "cells", "margin_of", "message"),
    [
        ([], [], [], "at least one"),
        ([1], [], [], "at least one"),
        ([1, 2], [1], [0], "every margin"),
        ([1], [1, 2], [0], "margin_of"),
        ([1], [1, 2], [0, 1], "places"),
        ([1], [1, 2], [0, -1], "places"),
        ([2**62], [1], [0], "wrap"),
        ([1], [2**62, -(2**62)], [0, 0], "wrap"),
        ([[1]], [1], [0], "margin_of"),
    ],
)
def test_tables_that_do_not_fit(margins, cells, margin_of, message):
    """Each cell has one margin, each margin a cell, and sums fit."""
    with pytest.raises(CoreError, match=message):
        agreed(margins, cells, margin_of)


def test_only_whole_numbers():
    """Noisy values are integers, and so are places."""
    whole, places = np.array([1]), np.array([0])
    noise = {"kind": "laplace", "margin_scale": 1.0, "cell_scale": 1.0}
    with pytest.raises(CoreError, match="int64"):
        reconcile(whole, whole.astype(float), places, **noise)
    with pytest.raises(CoreError, match="whole"):
        reconcile(whole, whole, places.astype(float), **noise)
    with pytest.raises(CoreError, match="scale"):
        reconcile(whole, whole, places, **(noise | {"cell_scale": 0.0}))
