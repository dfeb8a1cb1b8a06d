"""The heavy passes agree with row-by-row Python, whatever the rows."""

from datetime import datetime

import narwhals as nw
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
