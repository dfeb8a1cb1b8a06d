"""Coarsening of measures against brute force."""

from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.coarsen import apply_levels, coarsen
from anonymizer.errors import CoreError, HierarchyError
from anonymizer.hierarchy import Hierarchy
from anonymizer.models import MaximumShare
from tests.reference.coarsening import best_levels, labels_at
from tests.reference.trees import trees


@st.composite
def tables(draw):
    """Up to three ladders and up to 30 rows in up to two items, in any order."""
    ladders = [draw(trees(name)) for name in "abc"[: draw(st.integers(1, 3))]]
    row = st.tuples(st.sampled_from("xy"), *(st.sampled_from(h.leaves) for h in ladders))
    rows = draw(st.lists(row, min_size=1, max_size=30))
    schema = dict.fromkeys(("learner", "item", *(h.name for h in ladders)), pl.String)
    frame = pl.DataFrame([(str(i), *row) for i, row in enumerate(rows)], schema, orient="row")
    lowest = tuple(draw(st.integers(0, h.height)) for h in ladders)
    return ladders, frame, draw(st.sampled_from([{}, {"x": lowest}]))


def within(shares):
    """The models that a column's maximum share stands for."""
    return {name: [MaximumShare(name, share)] for name, share in shares.items()}


def rows_of(frame, ladders):
    """The rows of the ladders' columns as tuples."""
    return frame.select(h.name for h in ladders).rows()


@settings(deadline=None, max_examples=100)
@given(table=tables(), k=st.integers(1, 5), share=st.sampled_from([None, 0.5, 0.6, 0.8]))
def test_levels_are_those_of_brute_force_and_keep_the_promise(table, k, share):
    """Each item gets the best levels; every combination released below `*` has k learners."""
    ladders, frame, at_least = table
    maximum_share = {} if share is None else {"a": share}
    levels = coarsen(
        frame,
        ladders,
        item="item",
        learner="learner",
        k=k,
        models=within(maximum_share),
        at_least=at_least,
    )
    released = apply_levels(frame, ladders, levels, item="item")
    assert released.select("learner", "item").equals(frame.select("learner", "item"))
    assert sorted(levels) == sorted(frame["item"].unique())
    for item, node in levels.items():
        raw = rows_of(frame.filter(item=item), ladders)
        assert node == best_levels(
            raw,
            ladders,
            k=k,
            maximum_share=maximum_share,
            at_least=at_least.get(item, (0,) * len(ladders)),
        )
        out = rows_of(released.filter(item=item), ladders)
        assert out == [labels_at(row, ladders, node) for row in raw]
        whole = {("*",) * len(ladders)}
        assert set(out) == whole or min(Counter(out).values()) >= k


@settings(deadline=None, max_examples=30)
@given(table=tables(), seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(table, seed):
    """Shuffled rows get the same levels."""
    ladders, frame, at_least = table
    found = [
        coarsen(
            rows,
            ladders,
            item="item",
            learner="learner",
            k=3,
            models=within({"a": 0.8}),
            at_least=at_least,
        )
        for rows in (frame, frame.sample(fraction=1, shuffle=True, seed=seed))
    ]
    assert found[0] == found[1]


CLICKS = Hierarchy.from_bins("clicks", [[1, 10, 100], [10]], missing=True)
RESULT = Hierarchy.flat("result", ["pass", "fail"], missing=False)


def fit(clicks, result, **change):
    """Coarsen a learner table of these columns with k = 2."""
    frame = pl.DataFrame(
        {"learner": [str(i) for i in range(len(clicks))], "clicks": clicks, "result": result},
        schema_overrides={"clicks": pl.String, "result": pl.String},
    )
    given_ = {"item": None, "learner": "learner", "k": 2, "models": {}, "at_least": {}}
    return frame, coarsen(frame, [CLICKS, RESULT], **{**given_, **change})


def test_a_learner_table_is_one_item_without_a_name():
    """Without an item column the levels stand under the empty name."""
    frame, levels = fit(["below 1", "[1, 10)", "[1, 10)", "below 1"], ["pass"] * 4)
    assert levels == {"": (0, 0)}
    assert apply_levels(frame, [CLICKS, RESULT], levels, item=None).equals(frame)


def test_a_rare_value_takes_the_coarser_bin_that_hides_it():
    """One learner below 1 joins those in [1, 10); the other column keeps its detail."""
    frame, levels = fit(["below 1", "[1, 10)", "100 or more", "100 or more"], ["pass"] * 4)
    assert levels == {"": (1, 0)}
    out = apply_levels(frame, [CLICKS, RESULT], levels, item=None)
    assert out["clicks"].to_list() == ["below 10", "below 10", "10 or more", "10 or more"]


def test_columns_are_weighed_by_their_own_leaves():
    """Merging two of five bins loses a quarter, merging pass and fail loses everything."""
    _, levels = fit(["below 1", "[1, 10)"] * 2, ["pass", "pass", "fail", "fail"])
    assert levels == {"": (1, 0)}


def test_fewer_than_k_learners_show_nothing():
    """One learner with k = 2 gets the roots, and so does a table of nobody."""
    assert fit(["below 1"], ["pass"])[1] == {"": (2, 1)}
    assert fit([], [])[1] == {"": (2, 1)}


def test_a_value_above_the_maximum_share_withholds_the_column():
    """All four passed: with a maximum share the result is withheld, 3 of 4 is within 0.75."""
    alpha = {"models": within({"result": 0.75, "elsewhere": 0.5})}
    assert fit(["below 1"] * 4, ["pass"] * 4, **alpha)[1] == {"": (0, 1)}
    assert fit(["below 1"] * 4, ["pass", "pass", "pass", "fail"], k=1, **alpha)[1] == {"": (0, 0)}


def test_unknown_values_meet_others_only_at_the_root():
    """A single unknown count cannot hide in any bin."""
    _, levels = fit(["(missing)", "below 1", "below 1", "below 1"], ["pass"] * 4)
    assert levels == {"": (2, 0)}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"k": 0}, "k: "),
        ({"at_least": {"": (0,)}}, "at_least"),
        ({"at_least": {"": (0, 2)}}, "at_least"),
        ({"learner": "clicks"}, "repeat"),
    ],
)
def test_parameters_out_of_range_are_named(change, message):
    """What would be counted wrongly is refused."""
    with pytest.raises(CoreError, match=message):
        fit(["below 1", "below 1"], ["pass", "pass"], **change)


def test_nulls_and_unknown_labels_are_refused_without_naming_them():
    """A null learner, a null value and a value without a leaf each have an error."""
    frame, _ = fit(["below 1", "below 1"], ["pass", "pass"])
    ask = {"item": None, "learner": "learner", "k": 2, "models": {}, "at_least": {}}
    nobody = frame.with_columns(learner=pl.lit(None, pl.String))
    with pytest.raises(CoreError, match="null in learner"):
        coarsen(nobody, [CLICKS, RESULT], **ask)
    with pytest.raises(HierarchyError, match="result: holds a null"):
        coarsen(frame.with_columns(result=pl.lit(None, pl.String)), [CLICKS, RESULT], **ask)
    with pytest.raises(HierarchyError) as refusal:
        coarsen(frame.with_columns(result=pl.lit("secret")), [CLICKS, RESULT], **ask)
    assert "secret" not in str(refusal.value)


def test_levels_of_every_item_are_needed():
    """An item without levels is refused rather than released as it is."""
    frame, levels = fit(["below 1", "below 1"], ["pass", "pass"])
    with pytest.raises(CoreError, match="lacks an item"):
        apply_levels(frame.with_columns(item=pl.lit("x")), [CLICKS, RESULT], levels, item="item")
