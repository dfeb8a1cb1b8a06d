"""The heavy passes agree with row-by-row Python, whatever the rows."""

from datetime import datetime
from fractions import Fraction

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import passes
from tests.reference import rows as slow

SCHEMA = {
    "u": pl.String,
    "c": pl.String,
    "n": pl.Int64,
    "t": pl.Datetime("us"),
    "_row": pl.Int64,
}
moments = st.datetimes(datetime(1969, 12, 1), datetime(1970, 2, 1))  # around the epoch's Thursday
cells = st.tuples(
    st.sampled_from(["ann", "bob", "cy"]),
    st.sampled_from(["x", "y", None]),
    st.none() | st.integers(-2, 3),
    st.none() | moments | st.just(datetime(2024, 1, 1)),
)
tables = st.lists(cells, max_size=12).map(
    lambda rows: pl.DataFrame(
        [(*row, i) for i, row in enumerate(rows)], schema=SCHEMA, orient="row"
    )
)


def lazy(frame):
    return nw.from_native(frame.lazy())


def positions(frame):
    return sorted(frame.collect().to_native()["_row"].to_list())


@given(frame=tables)
@settings(deadline=None, max_examples=60)
def test_deduplicate(frame):
    """Repeats and contradictions are told apart, and the first row in file order stays."""
    parts = passes.deduplicate(lazy(frame.drop("t")), key=["u", "c"])
    expected = slow.deduplicate(frame.drop("t").to_dicts(), ["u", "c"])
    assert [positions(part) for part in parts] == [sorted(part) for part in expected]


@pytest.mark.parametrize("order_by", [(), ("n",), ("c", "n")])
@given(frame=tables)
@settings(deadline=None, max_examples=40)
def test_one_row(order_by, frame):
    """The first in file order, or the last by the declared order with nulls first."""
    found = positions(passes.one_row(lazy(frame), by=["u"], order_by=order_by))
    assert found == sorted(slow.one_row(frame.to_dicts(), ["u"], order_by).values())


@pytest.mark.parametrize(
    ("column", "how"),
    [
        ("n", "first"),
        ("n", "last"),
        ("n", "sum"),
        ("n", "count"),
        ("n", "count_distinct"),
        ("t", "count_weeks"),
    ],
)
@given(frame=tables)
@settings(deadline=None, max_examples=40)
def test_aggregate(column, how, frame):
    """Every aggregate leaves nulls out; weeks run from Monday to Sunday."""
    result = passes.aggregate(lazy(frame), by=["u", "c"], column=column, how=how, name="value")
    found = {(r["u"], r["c"]): r["value"] for r in result.collect().to_native().to_dicts()}
    assert found == slow.aggregate(frame.to_dicts(), ["u", "c"], column, how)


@given(frame=tables)
@settings(deadline=None, max_examples=40)
def test_count_learners(frame):
    """The histogram counts distinct learners, and null groups with null."""
    result = passes.count_learners(lazy(frame), by=["c", "n"], learner="u", name="k")
    found = {(r["c"], r["n"]): r["k"] for r in result.collect().to_native().to_dicts()}
    assert found == slow.count_learners(frame.to_dicts(), ["c", "n"], "u")


def test_a_sum_keeps_its_fractions():
    """Fractions add up before they are binned, and are not cut to whole numbers."""
    frame = pl.DataFrame({"u": ["ann", "ann"], "x": [0.9, 0.3], "_row": [0, 1]})
    total = passes.aggregate(lazy(frame), by=["u"], column="x", how="sum", name="value")
    assert total.collect().to_native()["value"].to_list() == [pytest.approx(1.2)]


def summed(frame, engine="auto"):
    """What floats of each group add up to."""
    added = passes.aggregate(lazy(frame), by=["u"], column="x", how="sum", name="x")
    return dict(added.to_native().collect(engine=engine).rows())


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_sum_of_floats_hangs_on_no_other_row(engine):
    """2,000 groups of the same 40 floats: one sum in any order, of any parts, beside any others.

    Added up as they come, most were lost, and which depended on where the parts began.
    """
    floats = np.repeat([1e16, 1.0, -1e16, 1.0] * 10, 2_000)
    frame = pl.DataFrame({"u": np.arange(80_000) % 2_000, "x": floats})
    parts = pl.concat([*frame.iter_slices(777)], rechunk=False)
    for rows in (frame, frame.reverse(), parts, parts.filter(pl.col("u") > 9)):
        assert set(summed(rows, engine).values()) == {20.0}


floats = st.floats(allow_nan=False, allow_infinity=False, min_value=-(2.0**63), max_value=2.0**63)


@given(st.lists(floats, max_size=30), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_a_sum_of_floats(values, generator):
    """To the last bit the same in any order, and as near to the exact one as floats are."""
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Float64}).with_columns(u=1, _row=0)
    (found,) = summed(frame).values() or [0.0]
    generator.shuffle(values)
    again = frame.with_columns(x=pl.Series(values, dtype=pl.Float64))
    assert summed(again) == summed(frame)
    exact = sum(map(Fraction, values))
    lost = abs(exact) / 2**51 + Fraction(len(values), 2**64)
    assert abs(Fraction(found) - exact) <= lost


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([1.0, float("inf"), None], float("inf")),
        ([float("-inf"), 5.0], float("-inf")),
        ([float("inf"), float("-inf")], float("nan")),
        ([float("nan"), 1.0], float("nan")),
        ([1e300, -1e300, 0.5], 0.5),
    ],
)
def test_sums_of_what_is_no_number(values, total):
    """NaN and infinities stay so, and what is far beyond any measure is cut."""
    frame = pl.DataFrame({"u": 1, "x": values, "_row": 0})
    assert summed(frame)[1] == pytest.approx(total, nan_ok=True)


def test_orphans():
    """Rows without a learner row are told apart from the others."""
    frame = pl.DataFrame({"u": ["ann", "bob", "bob"], "_row": [0, 1, 2]})
    parts = passes.with_learner_row(lazy(frame), lazy(frame.head(1)), learner="u")
    assert [positions(part) for part in parts] == [[0], [1, 2]]


def test_admit():
    """Only admitted values count, and one excluded row takes its whole group out."""
    frame = pl.DataFrame(
        {
            "u": ["ann", "ann", "bob", "bob", "cy"],
            "role": ["LEARNER", "BROWSER", "LEARNER", "STAFF", "BROWSER"],
            "_row": range(5),
        }
    )
    admitted = passes.admit(
        lazy(frame), where={"role": ["LEARNER"]}, exclude={"role": ["STAFF"]}, by=["u"]
    )
    assert positions(admitted) == [0]


def test_recode():
    """A row gains what became of its tuple; of a suppressed one, nulls."""
    frame = pl.DataFrame({"q": ["a1", "a2", "b1"], "_row": [0, 1, 2]})
    tuples = pl.DataFrame({"q": ["a1", "a2"], "label": ["A", "A"]})
    recoded = passes.recode(lazy(frame), lazy(tuples), on=["q"])
    assert recoded.collect().to_native().sort("_row")["label"].to_list() == ["A", "A", None]
