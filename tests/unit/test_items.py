"""Exact item sets."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.errors import CoreError
from anonymizer.items import exact_item_sets


def number(rows):
    """The item sets of (learner, item) rows."""
    frame = pl.DataFrame(rows, {"who": pl.String, "course": pl.String}, orient="row")
    return exact_item_sets(frame, learner="who", item="course")


def test_order_and_repeats_of_rows_do_not_matter():
    """Ann and Bob took the same two courses, Cid one of them."""
    rows = [("bob", "B"), ("ann", "A"), ("bob", "A"), ("ann", "B"), ("ann", "A"), ("cid", "A")]
    found = number(rows)
    assert found.rows() == [("ann", 1), ("bob", 1), ("cid", 0)]
    assert found.schema == {"who": pl.String, "item_set": pl.Int64}


@pytest.mark.parametrize("row", [(None, "A"), ("ann", None)])
def test_nulls_are_refused(row):
    """A row without a learner or an item is the caller's to drop."""
    with pytest.raises(CoreError, match="null in who or course"):
        number([("ann", "A"), row])


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["A", "B", "AB", "A,B"]))))
def test_numbers_are_the_ranks_of_the_sorted_sets(rows):
    """The same numbers as collecting each learner's set and sorting the distinct ones."""
    sets = {who: tuple(sorted({c for w, c in rows if w == who})) for who, _ in rows}
    ranks = {chosen: i for i, chosen in enumerate(sorted(set(sets.values())))}
    assert number(rows).rows() == [(who, ranks[sets[who]]) for who in sorted(sets)]
