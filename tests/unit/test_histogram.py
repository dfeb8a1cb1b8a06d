"""The histogram: what is packed and what is refused."""

import numpy as np
import polars as pl
import pytest

from anonymizer.errors import CoreError, HierarchyError
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, SensitiveCounts, histogram_from_counts

SEX = Hierarchy.flat("sex", ["m", "f"], missing=False)
COUNTS = pl.DataFrame({"sex": ["f", "m", "f"], "course": ["B", "A", "A"], "n": [7, 5, 6]})
PASSED = pl.DataFrame(
    {
        "sex": ["f", "f", "m", "m"],
        "course": ["A", "A", "A", "A"],
        "value": ["pass", "fail", "*", "pass"],
        "n": [2, 5, 4, 1],
    }
)


def pack(counts=COUNTS, result=PASSED, cell="course"):
    """The histogram of counts with one sensitive column."""
    return histogram_from_counts(
        counts, [SEX], cell=cell, learners="n", sensitive={"result": result}, orders={}
    )


def test_tuples_are_sorted_by_leaf_then_cell():
    """Codes, cells and learners line up with the returned frame."""
    histogram, tuples = pack()
    assert tuples.rows() == [("m", "A", 5), ("f", "A", 6), ("f", "B", 7)]
    assert histogram.codes.tolist() == [[0], [1], [1]]
    assert histogram.cell.tolist() == [0, 0, 1]
    assert histogram.learners.tolist() == [5, 6, 7]
    assert histogram.total == 18


def test_withheld_values_are_not_counted():
    """`*` says nothing about anyone: only pass and fail are values."""
    counts = pack()[0].sensitive["result"]
    assert counts.values == ("fail", "pass")
    triplets = zip(counts.tuple_index, counts.value, counts.learners, strict=True)
    assert [tuple(map(int, t)) for t in triplets] == [(0, 1, 1), (1, 0, 5), (1, 1, 2)]


def test_without_cell_and_columns_there_is_one_tuple():
    """A release without quasi-identifiers or items is one class."""
    histogram, _ = histogram_from_counts(
        pl.DataFrame({"n": [9]}),
        [],
        cell=None,
        learners="n",
        sensitive={"result": pl.DataFrame({"value": ["pass"], "n": [3]})},
        orders={},
    )
    assert (histogram.codes.shape, histogram.cell.tolist()) == ((1, 0), [0])
    assert histogram.sensitive["result"].tuple_index.tolist() == [0]
    with pytest.raises(CoreError, match="two rows"):
        histogram_from_counts(
            pl.DataFrame({"n": [9, 9]}), [], cell=None, learners="n", sensitive={}, orders={}
        )


def test_a_value_without_a_leaf_is_refused_without_naming_it():
    """The column is named, the learner's value is not."""
    with pytest.raises(HierarchyError, match="column sex") as refusal:
        pack(COUNTS.with_columns(sex=pl.lit("secret")))
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "counts, message",
    [
        (pl.concat([COUNTS, COUNTS]), "two rows"),
        (COUNTS.with_columns(course=pl.lit(None, pl.String)), "null in course"),
    ],
)
def test_counts_that_are_not_grouped_are_refused(counts, message):
    """Each tuple has one row and a cell."""
    with pytest.raises(CoreError, match=message):
        pack(counts)


@pytest.mark.parametrize(
    "result, message",
    [
        (PASSED.with_columns(course=pl.lit("C")), "names a tuple that the counts lack"),
        (PASSED.with_columns(value=pl.lit(None, pl.String)), "holds a null"),
        (PASSED.with_columns(n=pl.lit(99)), "learners that the tuples do not hold"),
        (pl.concat([PASSED, PASSED]), "a value twice"),
    ],
)
def test_sensitive_counts_must_match_the_tuples(result, message):
    """Counts of other tuples, nulls, repeats and more learners than there are: refused."""
    with pytest.raises(CoreError, match=message):
        pack(result=result)


def test_columns_that_share_a_name_are_refused():
    """A quasi-identifier called like the count would be mistaken for it."""
    with pytest.raises(CoreError, match="share a name"):
        pack(cell="n")


def test_parts_that_do_not_fit_are_refused():
    """Built by hand, arrays agree in length and counts are in range."""
    one, code = np.ones(1, np.int64), np.zeros((1, 1), np.int32)
    with pytest.raises(CoreError, match="differ in length"):
        Histogram(code, one, np.ones(2, np.int64), one, {})
    with pytest.raises(CoreError, match="no learner"):
        Histogram(code, one, 0 * one, 0 * one, {})
    with pytest.raises(CoreError, match="more learners"):
        Histogram(code, one, 2 * one, one, {})
    value = np.zeros(1, np.int32)
    with pytest.raises(CoreError, match="differ in length"):
        SensitiveCounts(one, value, np.ones(2, np.int64), ("pass",))
    with pytest.raises(CoreError, match="out of range"):
        SensitiveCounts(one, value + 1, one, ("pass",))
    with pytest.raises(CoreError, match="withheld"):
        SensitiveCounts(one, value, one, ("*",))
    with pytest.raises(CoreError, match="do not hold"):
        Histogram(code, one, one, one, {"result": SensitiveCounts(one, value, one, ("pass",))})
