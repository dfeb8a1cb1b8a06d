"""Hierarchies: what is a tree, what is refused, and how numbers are cut into bins."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.errors import HierarchyError
from anonymizer.hierarchy import MISSING, ROOT, Hierarchy, bin_expr, bin_labels
from tests.reference.trees import trees

REGIONS = [("London", "South", "*"), ("Kent", "South", "*"), ("Wales", "Wales", "*")]


def test_rows_become_levels_and_labels():
    """A table like ARX's: codes by level, labels by code, the root on top."""
    region = Hierarchy.from_rows("region", REGIONS, missing=False)
    assert region.height == 2
    assert [level.tolist() for level in region.levels] == [[0, 1, 2], [0, 0, 1], [0, 0, 0]]
    assert region.labels == (("London", "Kent", "Wales"), ("South", "Wales"), ("*",))
    assert region.label_of(1) == ("South", "South", "Wales")
    assert region.share(1).tolist() == [2 / 3, 2 / 3, 1 / 3]
    assert region.domain() == ("London", "Kent", "Wales", "South", "*")
    assert region.index() == {"London": 0, "Kent": 1, "Wales": 2}


def test_the_root_is_appended_where_the_table_lacks_it():
    """Rows that end below the root get it."""
    rows = [row[:2] for row in REGIONS]
    assert Hierarchy.from_rows("region", rows, missing=False).labels[-1] == (ROOT,)


def test_an_unknown_value_meets_others_only_at_the_root():
    """The leaf `(missing)` stays itself at every level below the root."""
    region = Hierarchy.from_rows("region", REGIONS, missing=True)
    assert [region.label_of(level)[3] for level in range(3)] == [MISSING, MISSING, ROOT]
    assert region.label_of(1)[:3] == ("South", "South", "Wales")


def test_values_without_a_hierarchy_generalize_to_the_root():
    """A flat hierarchy has its values and the root."""
    sex = Hierarchy.flat("sex", ["f", "m"], missing=True)
    assert sex.labels == (("f", "m", MISSING), (ROOT,))


def test_arrays_are_read_only():
    """Nobody changes a hierarchy after it was validated."""
    with pytest.raises(ValueError, match="read-only"):
        Hierarchy.flat("sex", ["f", "m"], missing=False).levels[0][0] = 1


@pytest.mark.parametrize(
    "rows, message",
    [
        ([], "no rows"),
        ([()], "ragged"),
        ([("a", "x"), ("b",)], "ragged"),
        ([("a", "x"), ("a", "x")], "level 0: label 'a' has two rows"),
        ([("a", "x", "p"), ("b", "x", "q")], "level 1: label 'x' has two parents"),
        ([("a", "*", "x"), ("b", "*", "x")], "level 1: label '\\*' stands below the top"),
        ([("*",), ("b",)], "level 0: label '\\*' stands below the top"),
        ([("a", "x"), ("b", " ")], "level 1: label ' ' is empty"),
        ([("a", "x"), (MISSING, MISSING)], "level 0: label '\\(missing\\)'"),
        ([("a", MISSING), ("b", "x")], "level 1: label '\\(missing\\)' mixes"),
        ([("a", "b"), ("b", "c")], "level 1: label 'b' stands for other leaves"),
    ],
)
def test_what_is_not_a_tree_is_refused(rows, message):
    """The error names the hierarchy, the level and the label."""
    with pytest.raises(HierarchyError, match=f"hierarchy region: {message}"):
        Hierarchy.from_rows("region", rows, missing=False)


def test_a_label_may_recur_for_the_same_leaves():
    """A node without siblings repeats up the levels, even with another label between."""
    rows = [("a", "only a", "a"), ("b", "rest", "rest"), ("c", "rest", "rest")]
    assert Hierarchy.from_rows("x", rows, missing=False).domain() == (
        ("a", "b", "c", "only a", "rest", "*")
    )


def test_parts_that_do_not_fit_are_refused():
    """Built by hand, the parts must agree in shape, be unique and end at the root alone."""
    good = Hierarchy.flat("x", ["a", "b"], missing=False)
    with pytest.raises(HierarchyError, match="differ in shape"):
        Hierarchy("x", good.leaves, good.levels[:1], good.labels)
    with pytest.raises(HierarchyError, match="'a' stands at the top"):
        Hierarchy("x", good.leaves, good.levels[:1] * 2, (good.leaves, good.leaves))
    with pytest.raises(HierarchyError, match="'a' occurs twice"):
        Hierarchy("x", ("a", "a"), good.levels, (("a", "a"), good.labels[1]))


@settings(deadline=None, max_examples=100)
@given(trees("t"))
def test_every_label_is_an_ancestor_of_its_leaves(tree):
    """Labels cover nested sets of leaves, of the share that the hierarchy says."""
    before = [{leaf} for leaf in tree.leaves]
    for level in range(tree.height + 1):
        labels = tree.label_of(level)
        for i, label in enumerate(labels):
            under = {
                leaf for leaf, other in zip(tree.leaves, labels, strict=True) if other == label
            }
            assert before[i] <= under
            assert tree.share(level)[i] == len(under) / len(tree.leaves)
            before[i] = under
    assert set(tree.label_of(tree.height)) == {ROOT}


def test_bins_are_labelled_by_their_ends():
    """Whole numbers are printed as such, negative edges are allowed."""
    assert bin_labels([-5, -0.5, 1e6]) == (
        "below -5",
        "[-5, -0.5)",
        "[-0.5, 1000000)",
        "1000000 or more",
    )


def test_coarser_edges_become_levels():
    """Each fine bin lies in one coarse bin; an unknown number is a leaf of its own."""
    clicks = Hierarchy.from_bins("clicks", [[1, 10, 100], [10]], missing=True)
    assert clicks.leaves == ("below 1", "[1, 10)", "[10, 100)", "100 or more", MISSING)
    assert clicks.label_of(1) == ("below 10", "below 10", "10 or more", "10 or more", MISSING)


@pytest.mark.parametrize(
    "edges, message",
    [
        ([], "no edges"),
        ([[]], "level 0: edges must be finite"),
        ([[2, 1]], "level 0: edges must be finite"),
        ([[1, 1]], "level 0: edges must be finite"),
        ([[float("inf")]], "level 0: edges must be finite"),
        ([[1, 2], [3]], "level 1: edges must be a subset"),
    ],
)
def test_edges_that_do_not_nest_are_refused(edges, message):
    """The error names the hierarchy and the level."""
    with pytest.raises(HierarchyError, match=f"hierarchy clicks: {message}"):
        Hierarchy.from_bins("clicks", edges, missing=False)


def slow_bin(value, edges):
    """The bin's label, found by walking the edges upward."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return MISSING
    place = 0
    while place < len(edges) and value >= edges[place]:
        place += 1
    return bin_labels(edges)[place]


@settings(deadline=None, max_examples=100)
@given(
    edges=st.lists(st.sampled_from([-7, -1.5, 0, 0.1, 1, 2, 1e3]), min_size=1, unique=True).map(
        sorted
    ),
    values=st.lists(
        st.sampled_from([-7, -1.5, 0, 0.1, 1, 2, 1e3, None]) | st.floats(), max_size=20
    ),
)
def test_numbers_fall_into_the_leaves_of_the_hierarchy(edges, values):
    """The expression agrees with the slow walk, on the edges too, and with the leaves."""
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Float64})
    found = frame.select(bin_expr("x", edges))["x"]
    assert found.to_list() == [slow_bin(value, edges) for value in values]
    assert set(found) <= set(Hierarchy.from_bins("x", [edges], missing=True).leaves)


def test_whole_numbers_are_binned_too():
    """An integer column has no NaN and needs no cast by the caller."""
    frame = pl.DataFrame({"x": [0, 10, None]}, schema={"x": pl.Int64})
    assert frame.select(bin_expr("x", [10]))["x"].to_list() == ["below 10", "10 or more", MISSING]
