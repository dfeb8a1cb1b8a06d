"""How rows and entries of the audit chain become hashes: format 1, which never changes.

A row is the JSON object of its cells by column name, sorted, without the cells that are null and
without `entry`; no spaces, ASCII. An instant is `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, a day
`YYYY-MM-DD`. A column that a later version adds is null in older rows, whose hashes stay.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

import numpy as np

ORIGIN: Final = "0" * 64
"""What the first entry has for the hash of the one before."""

HASH_BYTES: Final = 32


def row_hasher(names: Sequence[str]) -> Callable[[Sequence[object]], bytes]:
    """What takes a row's cells to its SHA-256, for many rows of the same columns.

    Args:
        names: of the columns, sorted: the order that it takes cells in. A cell is a text, a whole
            number, an instant, a day, or None; any other is a TypeError.
    """
    keys = [f"{quoted(name)}:" for name in names]
    sha256 = hashlib.sha256

    def row_hash(values: Sequence[object]) -> bytes:
        cells = [
            # `json.dumps` says the same, and takes three times as long.
            key + (quoted(value) if type(value) is str else _literal(value))
            for key, value in zip(keys, values, strict=True)
            if value is not None
        ]
        return sha256(f"{{{','.join(cells)}}}".encode()).digest()

    return row_hash


def rows_digest(hashes: bytearray) -> str:
    """The SHA-256 of the hashes of some rows, sorted: the order of rows means nothing.

    Args:
        hashes: one after the other; sorted here where they lie.
    """
    np.frombuffer(hashes, dtype=f"S{HASH_BYTES}").sort()
    return hashlib.sha256(hashes).hexdigest()


def entry_hash(cells: Mapping[str, object]) -> str:
    """The hash of an entry, in hex: of its row, but for the column `hash`."""
    names = sorted(set(cells) - {"hash"})
    return row_hasher(names)([cells[name] for name in names]).hex()


def is_hash(text: object) -> bool:
    """Whether it could be the hash of an entry."""
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _literal(value: object) -> str:
    """A cell that is no plain text, as JSON.

    Raises:
        TypeError: the databases would not give it back as it is.
    """
    if type(value) is int:
        return str(value)
    if isinstance(value, str):  # of an enumeration
        return quoted(value)
    if isinstance(value, datetime):
        return _instant(value.astimezone(UTC) if value.tzinfo not in {None, UTC} else value)
    if isinstance(value, date):
        return f'"{value.isoformat()}"'
    raise TypeError(f"a {type(value).__name__} is no cell of a governed row")


@lru_cache(maxsize=4096)  # rows that come together share theirs
def _instant(utc: datetime) -> str:
    return f'"{utc.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")}"'
