"""Tuples of codes as bit-packed keys, so that comparing two tuples is comparing a word or two."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError

_BITS: Final = 64


@dataclass(frozen=True, eq=False)
class PackedCodes:
    """n tuples of q codes in W words of 64 bits; no code straddles two words.

    Code j of a tuple is `keys[:, word[j]] >> shift[j] & mask[j]`. Equal tuples have equal keys and
    the others do not: nothing is hashed.

    Attributes:
        keys: shape (n, W), W at least 1.
        word: the word that holds each column; shape (q,).
        shift: the lowest bit of each column in its word, below 64; shape (q,).
        mask: the bits of each column, shifted to 0; 0 for a column of a single code; shape (q,).
    """

    keys: NDArray[np.uint64]
    word: NDArray[np.int64]
    shift: NDArray[np.uint64]
    mask: NDArray[np.uint64]


def pack(codes: NDArray[np.int32], cardinalities: Sequence[int]) -> PackedCodes:
    """Pack tuples of codes into as few words as their order allows.

    Args:
        codes: shape (n, q).
        cardinalities: for each column a number that its codes stay below.

    Raises:
        CoreError: a code is negative or reaches its cardinality, or a cardinality is missing.
    """
    if codes.ndim != 2 or len(cardinalities) != codes.shape[1]:
        raise CoreError("cardinalities: give one for each column of codes")
    word, shift, mask = [], [], []
    words, used = 1, 0
    for cardinality in cardinalities:
        bits = max(cardinality - 1, 0).bit_length()
        if used + bits > _BITS:
            words, used = words + 1, 0
        word.append(words - 1)
        shift.append(used if bits else 0)
        mask.append((1 << bits) - 1)
        used += bits
    keys = np.zeros((len(codes), words), np.uint64)
    for j, cardinality in enumerate(cardinalities):
        column = codes[:, j]
        if ((column < 0) | (column >= cardinality)).any():
            raise CoreError("codes: a code is negative or reaches its cardinality")
        keys[:, word[j]] |= column.astype(np.uint64) << np.uint64(shift[j])
    return PackedCodes(
        keys=keys,
        word=np.array(word, np.int64),
        shift=np.array(shift, np.uint64),
        mask=np.array(mask, np.uint64),
    )
