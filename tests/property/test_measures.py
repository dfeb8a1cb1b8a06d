"""Measures: log bins, top-coding and microaggregation agree with the slow way."""

from collections import Counter, defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.coarsen import apply_levels, coarsen
from anonymizer.errors import CoreError
from anonymizer.hierarchy import Hierarchy, bin_expr
from anonymizer.measures import (
    TopCodedBins,
    log_edges,
    microaggregate_rows,
    top_code,
)
from anonymizer.microaggregation import group_means, microaggregate
from tests.reference import measures as slow

few = st.lists(st.integers(0, 9), min_size=1, max_size=11)


@pytest.mark.parametrize(
    ("rule", "ladder"),
    [
        ((2, 1, 16), ((1, 2, 4, 8, 16), (1, 4, 16), (1, 16), (1,))),
        ((10, 0.1, 99), ((0.1, 1, 10), (0.1, 10), (0.1,))),
        ((3, 0.1, 0.3), ((0.1, 0.3), (0.1,))),
        ((2, 5, 5), ((5,),)),
    ],
)
def test_log_edges(rule, ladder):
    """Powers of the base up to the highest; every second edge goes until the lowest is left."""
    assert log_edges(*rule) == ladder
    Hierarchy.from_bins("x", log_edges(*rule), missing=True)


@pytest.mark.parametrize(
    "rule", [(1, 1, 8), (2, 0, 8), (2, 9, 8), (2, 1, np.inf), (1.01, 1, 1e6), (np.nan, 1, 2)]
)
def test_log_edges_out_of_range_are_refused(rule):
    """A base that does not grow, an empty range, and thousands of bins have an error."""
    with pytest.raises(CoreError, match="log bins"):
        log_edges(*rule)


def test_tails_hold_the_floor():
    """Two learners at 8 or more are enough for a floor of 2, not of 3."""
    values, edges = np.array([0.0, 1, 2, 2, 5, 9, 9]), (1, 2, 4, 8)
    assert top_code(values, edges, 2) == (1, 2, 4, 8)
    assert top_code(values, edges, 3) == (1, 2, 4)
    assert top_code(values, edges, 7) == ()
    with pytest.raises(CoreError, match="NaN"):
        top_code(np.array([np.nan]), edges, 1)


@given(values=st.lists(st.integers(0, 20), min_size=1, max_size=30), floor=st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_top_coding_within_an_item(values, floor):
    """Each learner's bin is that of the edges left, and no level lets a rarer tail out."""
    edges = ((1, 2, 4, 8, 16), (1, 4, 16), (4,))
    ladder = TopCodedBins.from_bins("n", edges, missing=True)
    frame = pl.DataFrame({"learner": range(len(values)), "n": values})
    frame = frame.with_columns(bin_expr("n", edges[0]))
    levels = coarsen(frame, [ladder], item=None, learner="learner", k=floor, models={}, at_least={})
    level, dropped = levels[""]
    left = edges[0][: len(edges[0]) - dropped]
    assert left == (top_code(np.array(values, float), edges[0], floor) or edges[0][:1])
    released = apply_levels(frame, [ladder], levels, item=None)["n"].to_list()
    assert set(released) <= set(ladder.domain())
    options = [slow.top_bins(values, edges[0], floor)]
    for coarser in edges[1:]:
        kept = [edge for edge in coarser if edge <= left[-1]]
        options.append(slow.coarse_label(values, kept) if kept else options[-1])
    options.append(["*"] * len(values))
    held = [labels for labels in options if min(Counter(labels).values()) >= floor]
    assert released == (held[0] if held and len(values) >= floor else ["*"] * len(values))
    assert level >= 1


def test_top_coding_spares_the_bins_below():
    """One learner with 5,000 clicks costs the others nothing, where plain bins cost every level."""
    clicks = [0] * 3 + [20] * 3 + [200] * 3 + [5000]
    edges = ((1, 10, 100, 1000), (1, 100), (1,))
    frame = pl.DataFrame({"learner": range(10), "n": clicks}).with_columns(bin_expr("n", edges[0]))
    ask = {"item": None, "learner": "learner", "k": 3, "models": {}}
    top = TopCodedBins.from_bins("n", edges, missing=False)
    levels = coarsen(frame, [top], at_least={}, **ask)
    assert levels == {"": (1, 1)}
    released = apply_levels(frame, [top], levels, item=None)["n"].to_list()
    assert released == ["below 1"] * 3 + ["[10, 100)"] * 3 + ["100 or more"] * 4
    plain = Hierarchy.from_bins("n", edges, missing=False)
    assert coarsen(frame, [plain], at_least={}, **ask) == {"": (1,)}
    # What an earlier round dropped stays dropped.
    assert coarsen(frame, [top], at_least={"": (1, 2)}, **ask) == {"": (1, 2)}
    with pytest.raises(CoreError, match="at_least"):
        coarsen(frame, [top], at_least={"": (0, 0)}, **ask)


def test_the_labels_of_a_top_coded_column_are_in_order():
    """Within every item and level the labels ascend: ordered distances need it."""
    edges = ((1, 10, 30, 100), (1, 100), (1,))
    ladder = TopCodedBins.from_bins("n", edges, missing=True)
    place = {label: i for i, label in enumerate(ladder.domain())}
    for dropped in range(4):
        own = ladder.without(dropped)
        for labels in own.labels[1:]:
            assert [place[label] for label in labels] == sorted(place[label] for label in labels)


@given(values=few, k=st.integers(1, 4))
@settings(deadline=None, max_examples=100)
def test_one_column_is_grouped_with_the_least_error(values, k):
    """No partition that keeps equal values together has a smaller squared error."""
    if len(values) < k:
        return
    group = microaggregate(np.array(values, float)[:, None], k)
    assert min(Counter(group).values()) >= k
    of_value = defaultdict(set)
    for value, number in zip(values, group, strict=True):
        of_value[value].add(number)
    assert all(len(numbers) == 1 for numbers in of_value.values())
    assert set(group) == set(range(max(group) + 1))
    assert slow.squared_error(values, group) == slow.least_squared_error(values, k)


@given(values=st.lists(st.integers(0, 999), min_size=1, max_size=30, unique=True))
@settings(deadline=None, max_examples=60)
def test_different_values_make_groups_of_k_to_2k_less_1(values):
    """Hansen and Mukherjee's bound, and their optimum among all partitions."""
    k = min(3, len(values))
    group = microaggregate(np.array(values, float)[:, None], k)
    assert set(Counter(group).values()) <= set(range(k, 2 * k))
    least = slow.least_squared_error_with_splits(values, k)
    assert slow.squared_error(values, group) == least


@given(n=st.integers(3, 40), k=st.integers(1, 5), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=60)
def test_several_columns_are_grouped_as_mdav_groups_them(n, k, seed):
    """The slow twin forms the same groups, of k to 2k - 1 rows, whatever the columns' scales."""
    values = np.random.default_rng(seed).normal(size=(n, 3)) * [1, 1000, 0.01]
    if n < k:
        return
    group = microaggregate(values, k)
    found = {frozenset(np.flatnonzero(group == number).tolist()) for number in set(group)}
    assert found == slow.mdav(values.tolist(), k)
    assert {len(members) for members in found} <= set(range(k, 2 * k))


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30),
    k=st.integers(1, 5),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=80)
def test_groups_follow_the_values_not_the_rows(rows, k, seed):
    """Equal rows share a group of at least k, whatever their order; one column may be constant."""
    if len(rows) < k:
        return
    values = np.array(rows, float)
    order = np.random.default_rng(seed).permutation(len(rows))
    for columns in (values, values * [1, 0], values[:, :1]):
        group = microaggregate(columns, k)
        assert min(Counter(group).values()) >= k
        of_row = {tuple(row): number for row, number in zip(columns, group, strict=True)}
        assert [of_row[tuple(row)] for row in columns] == list(group)
        assert list(microaggregate(columns[order], k)) == list(group[order])
        means = group_means(columns, group)
        assert np.allclose(np.bincount(group) @ means, columns.sum(axis=0))
        assert np.array_equal(means, group_means(columns[order], group[order]))


@pytest.mark.parametrize(
    ("values", "k", "message"),
    [
        (np.zeros((2, 1)), 3, "k: "),
        (np.zeros((2, 1)), 0, "k: "),
        (np.zeros(2), 1, "shape"),
        (np.zeros((2, 0)), 1, "shape"),
        (np.array([[1.0], [np.nan]]), 1, "NaN"),
    ],
)
def test_what_can_not_be_grouped_is_refused(values, k, message):
    """Too few rows, no column and unknown numbers have an error each."""
    with pytest.raises(CoreError, match=message):
        microaggregate(values, k)


def release(rows, k=3, decimals=1, by=("item",)):
    """Microaggregate rows of item and number."""
    frame = pl.DataFrame(
        [(f"u{i}", item, number) for i, (item, number) in enumerate(rows)],
        schema={"learner": pl.String, "item": pl.String, "n": pl.Float64},
        orient="row",
    )
    out = microaggregate_rows(frame, column="n", by=by, learner="learner", k=k, decimals=decimals)
    return out.to_list()


def test_means_of_an_item_are_released():
    """The means of two groups of three; another item has its own."""
    rows = [("x", 1), ("x", 2), ("x", 4), ("x", 90), ("x", 91), ("x", 92)]
    others = [("y", -0.01)] * 3
    expected = ["2.3"] * 3 + ["91.0"] * 3 + ["0.0"] * 3
    assert release(rows + others) == expected
    assert release(rows[:3], by=()) == ["2.3"] * 3


def test_unknown_numbers_are_a_group_of_their_own():
    """With fewer than k on either side nobody tells known from unknown."""
    known, unknown = [("x", 5)] * 3, [("x", None), ("x", float("nan")), ("x", float("inf"))]
    assert release(known + unknown) == ["5.0"] * 3 + ["(missing)"] * 3
    assert release(known + unknown[:2]) == ["*"] * 5
    assert release(known[:2] + unknown) == ["*"] * 5
    assert release(unknown) == ["(missing)"] * 3
    assert release([]) == []


@given(
    rows=st.lists(
        st.tuples(st.sampled_from("xy"), st.none() | st.integers(0, 20)), min_size=1, max_size=25
    ),
    k=st.integers(1, 4),
)
@settings(deadline=None, max_examples=60)
def test_every_combination_with_a_mean_has_k_learners(rows, k):
    """Item and label are shared by k learners, or the whole item shows nothing."""
    labels = release(rows, k=k)
    counts = Counter((item, label) for (item, _), label in zip(rows, labels, strict=True))
    of_item = Counter(item for item, _ in rows)
    for (item, label), learners in counts.items():
        assert learners >= k or label == "*"
        assert label != "*" or learners == of_item[item]


def test_a_repeated_learner_is_refused():
    """A learner with two rows would count twice."""
    frame = pl.DataFrame({"learner": ["a", "a"], "item": ["x", "x"], "n": [1.0, 2.0]})
    ask = {"column": "n", "learner": "learner", "k": 2, "decimals": 0}
    with pytest.raises(CoreError, match="repeats within item"):
        microaggregate_rows(frame, by=["item"], **ask)
    with pytest.raises(CoreError, match="repeats within it"):
        microaggregate_rows(frame, by=[], **ask)
    with pytest.raises(CoreError, match="decimals"):
        microaggregate_rows(frame, by=["n"], **{**ask, "decimals": -1})
