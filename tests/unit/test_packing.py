"""Bit-packed keys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.errors import CoreError
from anonymizer.packing import pack


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_codes_come_back_and_unequal_tuples_have_unequal_keys(data):
    """Any cardinalities, in as many words as they fill."""
    columns = data.draw(st.integers(0, 6))
    cardinalities = data.draw(
        st.lists(st.sampled_from([1, 2, 3, 4, 300, 2**31 - 1]), min_size=columns, max_size=columns)
    )
    rows = data.draw(
        st.lists(st.tuples(*(st.integers(0, c - 1) for c in cardinalities)), max_size=8)
    )
    codes = np.array(rows, np.int32).reshape(len(rows), columns)
    packed = pack(codes, cardinalities)
    assert packed.keys.shape[1] >= 1
    for j in range(columns):
        found = packed.keys[:, packed.word[j]] >> packed.shift[j] & packed.mask[j]
        assert found.tolist() == codes[:, j].tolist()
    assert len({tuple(key) for key in packed.keys.tolist()}) == len(set(rows))


@pytest.mark.parametrize(
    "cardinalities, words",
    [([], 1), ([4] * 32, 1), ([4] * 33, 2), ([2**31, 2**31, 4], 1), ([2**31, 2**31, 8], 2)],
)
def test_a_word_is_filled_to_its_last_bit(cardinalities, words):
    """32 columns of four leaves fill 64 bits; one more opens a second word, and none straddles."""
    codes = np.zeros((1, len(cardinalities)), np.int32)
    assert pack(codes, cardinalities).keys.shape == (1, words)


@pytest.mark.parametrize("codes, cardinalities", [([[2]], [2]), ([[-1]], [2]), ([[0]], [])])
def test_codes_that_would_spill_into_their_neighbours_are_refused(codes, cardinalities):
    """A code out of range, or without a cardinality."""
    with pytest.raises(CoreError):
        pack(np.array(codes, np.int32), cardinalities)
