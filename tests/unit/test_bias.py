"""Declared shares before and after anonymization."""

import json
from collections import Counter
from dataclasses import asdict
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.bias import ShareBias, ShareOf, bias
from anonymizer.errors import CoreError, HierarchyError
from anonymizer.hierarchy import Hierarchy
from anonymizer.measures import TopCodedBins
from tests.reference.trees import trees

RESULT = Hierarchy.from_rows(
    "result",
    [["Distinction", "Pass"], ["Merit", "Pass"], ["Fail", "Not"], ["Withdrawn", "Not"]],
    missing=True,
)
AREA = Hierarchy.from_rows("area", [["a1", "A"], ["a2", "A"], ["b1", "B"]], missing=False)
PASSED = ShareOf("result", ("Distinction", "Merit"), by=None)


def table(rows, *columns):
    """A table of text."""
    return pl.DataFrame(rows, dict.fromkeys(columns or ("result",), pl.String), orient="row")


BEFORE = table([("Distinction",), ("Merit",), ("Fail",), ("(missing)",)])


@pytest.mark.parametrize(
    "labels, low, high",
    [
        (["Distinction", "Merit", "Fail", "(missing)"], 1 / 2, 1 / 2),
        (["Pass", "Pass", "Not", "(missing)"], 1 / 2, 1 / 2),  # wholly inside, wholly outside
        (["Pass", "*", "Not", "*"], 1 / 4, 3 / 4),
        (["Pass", "Pass"], 1, 1),  # those who did not pass were suppressed
        (["*"], 0, 1),
    ],
)
def test_bounds_by_hand(labels, low, high):
    """Half of the learners passed."""
    (found,) = bias(BEFORE, table([(v,) for v in labels]), PASSED, RESULT, groups=None)
    assert found == ShareBias(
        group=None,
        rows_before=4,
        rows_after=len(labels),
        before=1 / 2,
        low=low,
        high=high,
        change_low=(low - 1 / 2) * 2,
        change_high=(high - 1 / 2) * 2,
    )


def test_a_label_that_covers_counted_and_other_leaves_is_undetermined():
    """Only distinctions count: a `Pass` may be one."""
    best = ShareOf("result", ("Distinction",), by=None)
    after = table([("Pass",), ("Pass",), ("Not",), ("Distinction",)])
    (found,) = bias(BEFORE, after, best, RESULT, groups=None)
    assert (found.before, found.low, found.high) == (1 / 4, 1 / 4, 3 / 4)
    assert (found.change_low, found.change_high) == (0, 2)


def test_divisions_by_zero_are_none():
    """No rows before, none after, and a share of zero before."""
    fails, nobody = table([("Fail",)]), table([])
    (found,) = bias(nobody, fails, PASSED, RESULT, groups=None)
    assert (found.before, found.low, found.change_low, found.change_high) == (None, 0, None, None)
    (found,) = bias(fails, nobody, PASSED, RESULT, groups=None)
    assert (found.before, found.low, found.high, found.change_low) == (0, None, None, None)
    (found,) = bias(fails, fails, PASSED, RESULT, groups=None)
    assert (found.before, found.low, found.change_low) == (0, 0, None)
    (found,) = bias(BEFORE, nobody, PASSED, RESULT, groups=None)
    assert (found.before, found.low, found.change_high) == (1 / 2, None, None)


def test_groups_stand_at_every_label_that_occurs():
    """Local recoding: one row of a1 keeps its leaf, the others are released as A; b1 leaves."""
    before = table(
        [("Merit", "a1"), ("Fail", "a1"), ("Merit", "a2"), ("Fail", "b1")], "result", "area"
    )
    after = table([("Merit", "a1"), ("Fail", "A"), ("Pass", "A")], "result", "area")
    found = bias(before, after, ShareOf("result", ("Merit",), by="area"), RESULT, groups=AREA)
    shown = [(f.group, f.rows_before, f.rows_after, f.before, f.low, f.high) for f in found]
    assert shown == [
        (None, 4, 3, 1 / 2, 1 / 3, 2 / 3),
        ("a1", 2, 1, 1 / 2, 1, 1),
        ("a2", 1, 0, 1, None, None),
        ("b1", 1, 0, 0, None, None),
        ("A", 3, 2, 2 / 3, 0, 1 / 2),
    ]
    assert json.loads(json.dumps([asdict(f) for f in found]))[1]["change_low"] == 1


@settings(deadline=None, max_examples=100)
@given(data=st.data(), ladder=trees("a"), groups=trees("g"))
def test_bounds_hold_what_the_released_rows_truly_are(data, ladder, groups):
    """Rows kept at random under random labels: their true share lies within the bounds.

    Both bounds are reached by a choice of the leaves below the labels, row by row.
    """
    leaf = st.tuples(st.sampled_from(ladder.leaves), st.sampled_from(groups.leaves))
    rows = data.draw(st.lists(leaf, max_size=12))
    values = tuple(data.draw(st.sets(st.sampled_from(ladder.leaves), min_size=1)))
    kept, after = [], []
    for value, group in rows:
        if data.draw(st.booleans()):
            level = data.draw(st.integers(0, ladder.height))
            kept.append((value, group))
            after.append((ladder.label_of(level)[ladder.leaves.index(value)], group))
    columns = ("a", "g")
    statistic = ShareOf("a", values, by="g")
    found = bias(table(rows, *columns), table(after, *columns), statistic, ladder, groups=groups)
    assert [f.group for f in found[1:]] == [v for v in groups.leaves if v in {g for _, g in rows}]
    for result in found:
        mine = [i for i, (_, group) in enumerate(kept) if result.group in (None, group)]
        of_rows = Counter(v in values for v, group in rows if result.group in (None, group))
        assert (result.rows_before, result.rows_after) == (of_rows.total(), len(mine))
        if of_rows.total():
            assert result.before == float(Fraction(of_rows[True], of_rows.total()))
        if not mine:
            assert result.low is None
            continue
        below = [
            {
                leaf
                for level in range(ladder.height + 1)
                for leaf, label in zip(ladder.leaves, ladder.label_of(level), strict=True)
                if label == after[i][0]
            }
            for i in mine
        ]
        assert result.low <= sum(kept[i][0] in values for i in mine) / len(mine) <= result.high
        assert result.low == sum(leaves <= set(values) for leaves in below) / len(mine)
        assert result.high == sum(bool(leaves & set(values)) for leaves in below) / len(mine)


@pytest.mark.parametrize(
    "make", [lambda: ShareOf("a", (), by=None), lambda: ShareOf("a", ("x",), by="a")]
)
def test_statistics_without_a_meaning_are_refused(make):
    """A share of no values, a column parted by itself."""
    with pytest.raises(CoreError, match="share of a"):
        make()


def test_bad_arguments_are_refused():
    """Hierarchies of other columns, values that they lack; no value is named."""
    by_area = ShareOf("result", ("Merit",), by="area")
    for statistic, ladder, groups in [
        (PASSED, AREA, None),
        (PASSED, RESULT, AREA),
        (by_area, RESULT, None),
    ]:
        with pytest.raises(CoreError, match="own columns"):
            bias(BEFORE, BEFORE, statistic, ladder, groups=groups)
    with pytest.raises(CoreError, match="no leaf of its hierarchy"):
        bias(BEFORE, BEFORE, ShareOf("result", ("Pass",), by=None), RESULT, groups=None)
    for rows in ([("Pass",)], [(None,)], [("secret",)]):
        with pytest.raises(HierarchyError, match="column result: a value is no leaf") as error:
            bias(table(rows), BEFORE, PASSED, RESULT, groups=None)
        assert "secret" not in str(error.value)
    with pytest.raises(HierarchyError, match="no label after"):
        bias(BEFORE, table([("secret",)]), PASSED, RESULT, groups=None)


def test_a_merged_tail_is_under_the_edges_that_it_merged():
    """`8 or more` of an item that dropped an edge is neither below 8 nor undetermined."""
    posts = TopCodedBins.from_bins("posts", [[8, 16], [8]], missing=False)
    before = table([("below 8",), ("[8, 16)",), ("16 or more",), ("below 8",)], "posts")
    after = table([("below 8",), ("8 or more",), ("8 or more",), ("below 8",)], "posts")
    for values, low, high in [(("below 8",), 0.5, 0.5), (("16 or more",), 0.0, 0.5)]:
        found = bias(before, after, ShareOf("posts", values, by=None), posts, groups=None)[0]
        assert (found.low, found.high) == (low, high)
