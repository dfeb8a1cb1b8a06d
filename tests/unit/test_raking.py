"""Raking weights on tables small enough to check by hand."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.errors import CoreError
from anonymizer.raking import rake


def table(**columns):
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def test_one_margin_is_post_stratification():
    """Weight = share wanted / share found: 1 of 4 rows should be half, 3 of 4 the other half."""
    found = rake(table(result=["pass", "fail", "fail", "fail"]), {"result": {"pass": 1, "fail": 1}})
    assert found.weights == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])
    assert found.converged
    assert found.iterations == 1


def test_counts_and_shares_are_alike():
    """Only the proportions of a margin matter."""
    rows = table(result=["pass", "fail", "fail"], sex=["f", "f", "m"])
    counts = rake(rows, {"result": {"pass": 300, "fail": 700}, "sex": {"f": 60, "m": 40}})
    shares = rake(rows, {"result": {"pass": 0.3, "fail": 0.7}, "sex": {"f": 0.6, "m": 0.4}})
    assert counts.weights == pytest.approx(shares.weights)


def test_two_margins_keep_the_odds_ratio():
    """A 2 x 2 table meets both margins and keeps the association that it had (a d / b c)."""
    cells = {("f", "pass"): 4, ("f", "fail"): 2, ("m", "pass"): 1, ("m", "fail"): 3}
    rows = [cell for cell, n in cells.items() for _ in range(n)]
    found = rake(
        table(sex=[sex for sex, _ in rows], result=[result for _, result in rows]),
        {"sex": {"f": 0.4, "m": 0.6}, "result": {"pass": 0.7, "fail": 0.3}},
        tolerance=1e-12,
    )
    sums = dict.fromkeys(cells, 0.0)
    for cell, weight in zip(rows, found.weights, strict=True):
        sums[cell] += weight / len(rows)
    assert found.converged
    assert sums["f", "pass"] + sums["f", "fail"] == pytest.approx(0.4)
    assert sums["f", "pass"] + sums["m", "pass"] == pytest.approx(0.7)
    odds = (sums["f", "pass"] * sums["m", "fail"]) / (sums["f", "fail"] * sums["m", "pass"])
    assert odds == pytest.approx(4 * 3 / (2 * 1))


def slowly(rows, margins, passes):
    """The same passes over dicts."""
    weights = [1.0] * len(rows)
    for _ in range(passes):
        for j, margin in enumerate(margins):
            total, share = sum(weights), dict.fromkeys(margin, 0.0)
            for row, weight in zip(rows, weights, strict=True):
                share[row[j]] += weight / total
            wanted = {value: n / sum(margin.values()) for value, n in margin.items()}
            weights = [
                w * wanted[row[j]] / share[row[j]] if share[row[j]] else 0.0
                for row, w in zip(rows, weights, strict=True)
            ]
    return [w * len(rows) / sum(weights) for w in weights]


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_weights_are_those_of_plain_fitting(data):
    """The same weights as loops over dicts, and what is reported of them is true."""
    more = data.draw(st.lists(st.tuples(*[st.sampled_from("abc")] * 2), max_size=12))
    rows = [*zip("abcabc", "abcbca", strict=True), *more]
    counts = st.integers(1, 50)
    margins = [data.draw(st.fixed_dictionaries(dict.fromkeys("abc", counts))) for _ in range(2)]
    frame = table(x=[x for x, _ in rows], y=[y for _, y in rows])
    found = rake(frame, {"x": margins[0], "y": margins[1]}, max_iterations=50)
    assert found.weights == pytest.approx(slowly(rows, margins, found.iterations))
    worst = max(
        abs(
            sum(w for row, w in zip(rows, found.weights, strict=True) if row[j] == value)
            / len(rows)
            - n / sum(margin.values())
        )
        for j, margin in enumerate(margins)
        for value, n in margin.items()
    )
    assert found.deviation == pytest.approx(worst, abs=1e-12)
    assert found.converged == (found.deviation <= 1e-6)


def test_margins_that_contradict_the_rows_do_not_converge():
    """All women passed and no man: neither margin can be met with the other."""
    rows = table(sex=["f", "m"], result=["pass", "fail"])
    margins = {"sex": {"f": 1, "m": 1}, "result": {"pass": 3, "fail": 1}}
    found = rake(rows, margins, max_iterations=20)
    assert not found.converged
    assert found.iterations == 20
    assert found.deviation == pytest.approx(0.25)


def test_a_margin_of_zero_takes_all_weight():
    """Rows of a value that nobody has in truth weigh nothing."""
    found = rake(table(sex=["f", "m", "x"]), {"sex": {"f": 1, "m": 1, "x": 0}})
    assert np.allclose(found.weights, [1.5, 1.5, 0])


@pytest.mark.parametrize(
    "columns, margins, message",
    [
        ({"sex": ["f"]}, {"sex": {"f": 1, "m": 2}}, "no row that may have weight"),
        ({"sex": ["f", "m"]}, {"sex": {"f": 1}}, "has no margin"),
        ({"sex": ["f", None]}, {"sex": {"f": 1}}, "has no margin"),
        ({"sex": ["f"]}, {"sex": {"f": -1}}, "negative"),
        ({"sex": ["f"]}, {"sex": {"f": float("nan")}}, "negative"),
        ({"sex": ["f"]}, {"sex": {"f": 0}}, "all are 0"),
        ({"sex": ["f"]}, {"age": {"old": 1}}, "no such column"),
        ({"sex": []}, {"sex": {"f": 1}}, "at least one row"),
        ({"sex": ["f"]}, {}, "at least one row"),
        (
            {"sex": ["f", "m"], "result": ["pass", "fail"]},
            {"sex": {"f": 1, "m": 0}, "result": {"pass": 0, "fail": 1}},
            "no row that may have weight",
        ),
    ],
)
def test_margins_that_rows_cannot_meet_are_refused(columns, margins, message):
    """A value without rows, without a margin, or left without weight by another margin."""
    with pytest.raises(CoreError, match=message):
        rake(table(**columns), margins)


@pytest.mark.parametrize("option", [{"tolerance": 0}, {"max_iterations": 0}])
def test_options_out_of_range_are_refused(option):
    """A tolerance of 0 is never met, and no pass gives no weights."""
    with pytest.raises(CoreError, match="tolerance"):
        rake(table(sex=["f"]), {"sex": {"f": 1}}, **option)
