import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.errors import CoreError
from anonymizer.pseudonyms import CourseScope, LinkedScope, ReleaseScope, pseudonym_map
from tests.reference.pseudonym import course_pseudonym, linked_pseudonym, release_pseudonym

KEY = bytes(range(32))
PAIRS = pl.DataFrame(
    {"id": ["a", "b", "a", "a", "b"], "course": ["x", "x", "y", "x", "y"], "n": [1, 2, 3, 4, 5]}
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(TEXT, TEXT), max_size=8), st.binary(min_size=32, max_size=32))
def test_twin(rows, key):
    """Every scope writes what RFC 2104 written out by hand writes, for any text."""
    pairs = pl.DataFrame(rows, schema={"id": pl.String, "course": pl.String}, orient="row")
    by_course = pseudonym_map(pairs, CourseScope(), key=key, learner="id", item="course")
    by_release = pseudonym_map(pairs, ReleaseScope(), key=key, learner="id", item=None)
    distinct = list(dict.fromkeys(rows))
    assert by_course.rows() == [(a, c, course_pseudonym(key, c, a)) for a, c in distinct]
    learners = dict.fromkeys(a for a, _ in rows)
    assert by_release.rows() == [(a, release_pseudonym(key, a)) for a in learners]
    linked = pseudonym_map(pairs, LinkedScope(), key=key, learner="id", item=None)
    assert linked.rows() == [(a, linked_pseudonym(key, a)) for a in learners]


def test_shape():
    """A map has one row for every pair, in order, and 32 lowercase hex digits."""
    found = pseudonym_map(PAIRS, CourseScope(), key=KEY, learner="id", item="course")
    assert found.columns == ["id", "course", "pseudonym"]
    assert found.select("id", "course").rows() == [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")]
    assert all(re.fullmatch("[0-9a-f]{32}", p) for p in found["pseudonym"])


def test_no_pseudonym_in_two_items():
    """Under course scope no pseudonym of one item stands in another: nothing joins courses."""
    found = pseudonym_map(PAIRS, CourseScope(), key=KEY, learner="id", item="course")
    x, y = (set(found.filter(course=c)["pseudonym"]) for c in "xy")
    assert len(x) == len(y) == 2
    assert not x & y


def test_release_scope_links_courses():
    """Under release scope a learner has one pseudonym, unlike any of his course pseudonyms."""
    released = pseudonym_map(PAIRS, ReleaseScope(), key=KEY, learner="id", item=None)
    by_course = pseudonym_map(PAIRS, CourseScope(), key=KEY, learner="id", item="course")
    assert released["id"].to_list() == ["a", "b"]
    assert not set(released["pseudonym"]) & set(by_course["pseudonym"])


def test_linked_scope_is_no_other():
    """Under one key, were it used for both, no linked pseudonym is one of a release."""
    linked, released = (
        pseudonym_map(PAIRS, scope, key=KEY, learner="id", item=None)["pseudonym"]
        for scope in (LinkedScope(), ReleaseScope())
    )
    assert not set(linked) & set(released)


def test_length_prefix():
    """Item and learner cannot trade letters: ("ab", "c") and ("a", "bc") differ."""
    pairs = pl.DataFrame({"course": ["ab", "a"], "id": ["c", "bc"]})
    found = pseudonym_map(pairs, CourseScope(), key=KEY, learner="id", item="course")
    assert found["pseudonym"].n_unique() == 2


def test_key_decides():
    """Another key gives other pseudonyms; the same key gives the same."""
    one, again, other = (
        pseudonym_map(PAIRS, ReleaseScope(), key=k, learner="id", item=None)["pseudonym"]
        for k in (KEY, KEY, bytes(32))
    )
    assert one.to_list() == again.to_list()
    assert not set(one) & set(other)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"key": b"short"}, "expected 32 bytes, got 5"),
        ({"item": None}, "course scope needs the item column"),
        ({"scope": ReleaseScope()}, "the other scopes take None"),
        ({"scope": LinkedScope()}, "the other scopes take None"),
        ({"pairs": PAIRS.with_columns(id=pl.lit(None, pl.String))}, "id: holds nulls"),
        ({"pairs": PAIRS.with_columns(id=pl.lit(7))}, "id: expected text"),
    ],
)
def test_refusals(change, words):
    """A wrong key, a scope without its columns, nulls and numbers are refused by name."""
    given_ = {"pairs": PAIRS, "scope": CourseScope(), "key": KEY, "learner": "id", "item": "course"}
    given_ |= change
    pairs, scope = given_.pop("pairs"), given_.pop("scope")
    with pytest.raises(CoreError, match=words):
        pseudonym_map(pairs, scope, **given_)
