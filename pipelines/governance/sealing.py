"""How rows and entries of the audit chain become hashes: format 1, which never changes.

A row is the JSON object of its cells by column name, sorted, without the cells that are null and
without `entry`; no spaces, ASCII. An instant is `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, a day
`YYYY-MM-DD`. A column that a later version adds is null in older rows, whose hashes stay.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

ORIGIN: Final = "0" * 64
"""What the first entry has for the hash of the one before."""


def row_hash(names: Sequence[str], values: Sequence[object]) -> bytes:
    """The SHA-256 of a row.

    Args:
        names: of its columns, sorted.
        values: their cells: text, whole numbers, instants, days, or None.
    """
    cells = {n: v for n, v in zip(names, values, strict=True) if v is not None}
    text = json.dumps(cells, separators=(",", ":"), default=as_text)
    return hashlib.sha256(text.encode()).digest()


def rows_digest(hashes: Iterable[bytes]) -> str:
    """The SHA-256 of the hashes of some rows, sorted: the order of rows means nothing."""
    return hashlib.sha256(b"".join(sorted(hashes))).hexdigest()


def entry_hash(cells: Mapping[str, object]) -> str:
    """The hash of an entry: of its row, but for the column `hash`."""
    names = sorted(set(cells) - {"hash"})
    return row_hash(names, [cells[name] for name in names]).hex()


def as_text(value: object) -> str:
    """An instant or a day, as it is hashed.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, datetime):
        utc = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} is no cell of a governed row")
