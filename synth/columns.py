"""Columns of synthetic tables, made without a loop over rows."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

DAY: Final = 86_400
"""In seconds, as all moments here are: since 1970, UTC."""

URL_SAFE: Final = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", dtype=np.uint8
)
_ALPHANUMERIC: Final = np.frombuffer(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype=np.uint8
)
_SHORT: Final = 5
_LONG: Final = 22
_HASH_BYTES: Final = 20


def timestamps(seconds: npt.NDArray[np.generic]) -> pl.Series:
    """Seconds since 1970 as naive UTC timestamps, as the export has them."""
    return pl.Series(seconds.astype(np.int64) * 1_000_000).cast(pl.Datetime("us"))


def texts(characters: npt.NDArray[np.uint8]) -> pl.Series:
    """Rows of ASCII codes as texts."""
    count, width = characters.shape
    ends = np.arange(0, width * (count + 1), width, dtype=np.int64)
    buffers = (pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(characters)))
    return pl.Series(pa.LargeStringArray.from_buffers(count, *buffers), dtype=pl.String)


def hashes(count: int, rng: np.random.Generator) -> pl.Series:
    """Ids of 40 hexadecimal digits, as people have."""
    digits = np.frombuffer(rng.bytes(_HASH_BYTES * count).hex().encode(), dtype=np.uint8)
    return texts(digits.reshape(count, 2 * _HASH_BYTES))


def long_ids(count: int, rng: np.random.Generator) -> pl.Series:
    """Ids of 22 letters, digits, `-` and `_`, as courses have."""
    return texts(URL_SAFE[rng.integers(0, len(URL_SAFE), (count, _LONG), dtype=np.uint8)])


def short_ids(count: int, rng: np.random.Generator) -> pl.Series:
    """Different ids of five letters and digits, as items have."""
    base = len(_ALPHANUMERIC)
    numbers = rng.choice(base**_SHORT, size=count, replace=False)
    return texts(_ALPHANUMERIC[numbers[:, None] // base ** np.arange(_SHORT) % base])


def picked(values: pl.Series, places: npt.NDArray[np.generic]) -> pl.Series:
    """The values at these places."""
    return values[pl.Series(places.astype(np.uint32))]


def chosen(
    rng: np.random.Generator, shares: Mapping[str, float], size: int
) -> npt.NDArray[np.uint32]:
    """Places in `shares`, drawn by their weights."""
    weights = np.cumsum(np.array(list(shares.values())))
    found = np.searchsorted(weights / weights[-1], rng.random(size), side="right")
    return np.minimum(found, len(weights) - 1).astype(np.uint32)


def kept(values: pl.Series, keep: Mask) -> pl.Series:
    """The values where `keep` holds, else null."""
    return values.zip_with(pl.Series(keep), pl.Series([None], dtype=values.dtype))


def offsets(counts: Ints) -> Ints:
    """Where each of some runs of these lengths starts."""
    return np.cumsum(counts) - counts


def constant(
    value: str | float | None, count: int, dtype: type[pl.DataType] | pl.DataType
) -> pl.Series:
    """One value, so many times."""
    return pl.Series([value]).cast(dtype).new_from_index(0, count)
