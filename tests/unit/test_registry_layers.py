"""Digests under a registry key of several layers."""

import hmac

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.governance.layers import folded
from pipelines.governance.rights import learner_digest, other_names, registry_digests
from tests.reference.registry_key import layered

LAYERS = st.integers(1, 4).flatmap(lambda n: st.binary(min_size=32 * n, max_size=32 * n))
KEY = bytes(range(64))


@settings(deadline=None, max_examples=100)
@given(LAYERS, st.binary(max_size=200))
def test_as_one_layer_after_the_other(key, message):
    """A digest is what the layers make of it one by one."""
    assert folded(key)(message).hex() == layered(key, message)


@settings(deadline=None, max_examples=50)
@given(LAYERS, LAYERS, st.binary(max_size=64))
def test_more_layers_need_the_digest_alone(old, new, message):
    """What a rotation makes of old digests is what the whole key makes of the ids."""
    assert folded(new)(folded(old)(message)) == folded(old + new)(message)


@settings(deadline=None, max_examples=50)
@given(LAYERS, st.lists(st.none() | st.text(max_size=20), max_size=5))
def test_learners_by_their_canonical_ids(key, ids):
    """One by one or as a column, a learner's digest is the same; nobody has none."""
    found = registry_digests(pl.Series("id", ids, dtype=pl.String), key)
    assert found.to_list() == [None if i is None else learner_digest(i, key) for i in ids]
    spaced = [None if i is None else f" {i} " for i in ids]
    again = registry_digests(pl.Series("id", spaced, dtype=pl.String), key)
    assert again.to_list() == found.to_list()


def test_one_layer_is_what_it_always_was():
    """A registry that was never rotated knows its learners as before."""
    key = KEY[:32]
    assert learner_digest(" 7.0", key) == hmac.digest(key, b"7", "sha256").hex()


def test_two_layers_never_change():
    """What a registry holds must be found again by every later version."""
    pinned = "a96648e1025be0adaa37c33570884859024892667b528f26960d160cf79d517f"
    assert learner_digest("ann", KEY) == pinned


def test_other_names_are_under_all_layers():
    """An id that is no name is known as its digest, and so is whose it is."""
    aliases = pl.DataFrame({"id": ["f-ann", "ann"], "person": ["ann", "ann"]})
    assert other_names(aliases, KEY).rows() == [(layered(KEY, b"f-ann"), layered(KEY, b"ann"))]


@pytest.mark.parametrize("length", [0, 1, 31, 33, 63, 65])
def test_no_layers(length):
    """A key that is no row of layers is refused, and not padded."""
    with pytest.raises(ValueError, match="layers of 32 bytes"):
        folded(bytes(length))
