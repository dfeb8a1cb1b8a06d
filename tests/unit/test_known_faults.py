"""Faults seen in this field's tools, each a case that kohort gets right."""

from dataclasses import FrozenInstanceError

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from anonymizer.closeness import EqualDistance, TCloseness
from anonymizer.coarsen import apply_levels
from anonymizer.diversity import DistinctLDiversity, EntropyLDiversity, RecursiveLDiversity
from anonymizer.errors import HierarchyError, NoRecodingError
from anonymizer.hierarchy import MISSING, Hierarchy
from anonymizer.histogram import classes_of, histogram_from_counts
from anonymizer.metrics import Discernibility, Figures
from anonymizer.models import KAnonymity
from anonymizer.search import optimal_recoding
from pipelines.passes import count_learners

REGION = Hierarchy.flat("region", ["north", "south"], missing=True)


def classes(rows, *, quasi=REGION):
    """The classes of rows (region, result), each row a learner, at the leaves."""
    people = pl.DataFrame(rows, schema=[quasi.name, "value"], orient="row")
    counts = people.group_by(quasi.name).len("n").with_columns(pl.col("n").cast(pl.Int64))
    values = people.group_by(quasi.name, "value").len("n")
    histogram, tuples = histogram_from_counts(
        counts, [quasi], cell=None, learners="n", sensitive={"result": values}, orders={}
    )
    return classes_of(histogram, np.arange(len(tuples)), len(tuples)), tuples


def test_a_singleton_with_an_unknown_value_is_counted():
    """A lone record with a null quasi-identifier goes unseen by pycanon: k = 5 where it is 1."""
    found, tuples = classes([("north", "pass")] * 5 + [(MISSING, "pass")])
    assert tuples["region"].to_list() == ["north", MISSING]
    assert KAnonymity(5)(found).tolist() == [True, False]


def test_a_null_is_refused_rather_than_dropped():
    """The tool pycanon and pandas drop a null group; here whoever leaves one unnamed is told."""
    with pytest.raises(HierarchyError, match="holds a null"):
        classes([("north", "pass")] * 5 + [(None, "pass")])


def test_rows_may_come_in_any_order():
    """After a shuffle pycanon takes index labels for positions: l = 2 reported where it is 1."""
    rows = [("north", "pass"), ("north", "fail"), ("south", "fail"), ("south", "fail")]
    for order in ([0, 1, 2, 3], [3, 0, 2, 1], [1, 3, 0, 2]):
        found, _ = classes([rows[i] for i in order])
        assert DistinctLDiversity("result", 2)(found).tolist() == [True, False]
        assert TCloseness("result", 0.25, EqualDistance())(found).tolist() == [True, True]


def test_recursive_diversity_sorts_the_most_frequent_first():
    """The tool pycanon sorts ascending: nine of ten with one result pass as (2, 2)-diverse."""
    found, _ = classes([("north", "pass")] * 9 + [("north", "fail")])
    assert RecursiveLDiversity("result", 2, 2)(found).tolist() == [False]


def test_a_uniform_pair_is_two_diverse():
    """Tools that truncate exp(H) report entropy l = 1 for a pair that is exactly l = 2."""
    for each in (1, 3, 7, 49, 1_000):
        found, _ = classes([("north", "pass"), ("north", "fail")] * each)
        assert EntropyLDiversity("result", 2)(found).tolist() == [True]


def test_learners_are_counted_not_rows():
    """ARX counts rows: 3,489 of 6,200 "5-anonymous" classes of an event table held one learner."""
    events = pl.DataFrame({"region": ["north"] * 10, "learner": ["a"] * 5 + list("bcdea")})
    alone = events.head(5)
    for rows, learners in ((events, 5), (alone, 1)):
        counts = count_learners(
            nw.from_native(rows.lazy()), by=["region"], learner="learner", name="n"
        )
        histogram, _ = histogram_from_counts(
            counts.collect().to_native(),
            [REGION],
            cell=None,
            learners="n",
            sensitive={},
            orders={},
        )
        found = classes_of(histogram, np.zeros(1, np.int64), 1)
        assert found.size.tolist() == [learners]
        assert KAnonymity(5)(found).tolist() == [learners == 5]


def test_a_label_has_one_meaning():
    """A label that stands for a leaf and for a group above other leaves hides who shares it."""
    rows = [("12", "1*", "any"), ("1*", "2*", "any"), ("22", "2*", "any")]
    with pytest.raises(HierarchyError, match="'1\\*' stands for other leaves"):
        Hierarchy.from_rows("zip", rows, missing=False)


def test_equal_labels_are_one_class():
    """A leaf may keep its label upwards; what shares a label there is counted together."""
    rows = [("inland", "inland", "land"), ("coast", "shore", "sea"), ("island", "shore", "sea")]
    zone = Hierarchy.from_rows("zone", rows, missing=False)
    assert zone.label_of(1) == ("inland", "shore", "shore")
    counts = pl.DataFrame({"zone": ["inland", "coast", "island"], "n": [5, 3, 2]})
    histogram, _ = histogram_from_counts(
        counts, [zone], cell=None, learners="n", sensitive={}, orders={}
    )
    found = classes_of(histogram, zone.levels[1].astype(np.int64)[histogram.codes[:, 0]], 2)
    assert found.size.tolist() == [5, 5]


def test_the_callers_hierarchies_stay_as_they_are():
    """The tool anjana writes into the hierarchies that it is given."""
    rows = [["north", "land"], ["south", "land"]]
    built = Hierarchy.from_rows("region", rows, missing=True)
    classes([("north", "pass")], quasi=built)
    assert rows == [["north", "land"], ["south", "land"]]


def test_the_result_has_the_columns_of_the_input():
    """The output of anjana carries an `index` column with the original row numbers."""
    frame = pl.DataFrame({"learner": ["b", "a"], "region": ["south", "north"]})
    recoded = apply_levels(frame, [REGION], {"": (1,)}, item=None)
    assert recoded.columns == ["learner", "region"]
    _, tuples = classes([("south", "pass"), ("north", "pass")])
    assert tuples.columns == ["region", "n"]


def test_discernibility_does_not_overflow():
    """In ARX an int overflow makes a quality figure read 1.0 where it is 0.67."""
    size = 3_000_000_000
    figures = Figures(2 * size, size, 1, size**2, (size,), (2,), (1.0,))
    assert Discernibility().cost(figures) == 3 * size**2  # 2.7e19: above 2^63


def test_nothing_overwrites_k():
    """In HarvardX's de_id a loop variable overwrites k; here the model is a value."""
    model = KAnonymity(5)
    with pytest.raises(FrozenInstanceError):
        model.k = 2
    found, _ = classes([("north", "pass")] * 4)
    assert [model(found).tolist() for _ in range(2)] == [[False], [False]]


def test_failing_is_not_an_empty_table():
    """On failure anjana returns an empty frame; ARX once suppressed 99.98% without a word."""
    counts = pl.DataFrame({"region": ["north", "south"], "n": [2, 2]})
    histogram, _ = histogram_from_counts(
        counts, [REGION], cell=None, learners="n", sensitive={}, orders={}
    )
    with pytest.raises(NoRecodingError):
        optimal_recoding(histogram, [REGION], [KAnonymity(5)], suppression_limit=4, weights=[1])
