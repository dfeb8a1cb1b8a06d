"""Pseudonyms: keyed, scoped, and unlinkable outside their scope (GDPR Art. 4(5)).

A pseudonym is the first 128 bits of HMAC-SHA256 (RFC 2104) under a key of its release or project,
as 32 lowercase hex digits. Destroying the key makes it unlinkable to the learner. Each scope writes
a message of its own that no other scope and no other pair can write.
"""

import hmac
from dataclasses import dataclass
from typing import ClassVar, Final

import polars as pl

from anonymizer.errors import CoreError

KEY_BYTES: Final = 32
"""The length of a key: HMAC-SHA256 gains nothing from a longer one."""

PSEUDONYM: Final = "pseudonym"
"""The column that `pseudonym_map` adds."""

_HEX_DIGITS: Final = 32
_LENGTH_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class CourseScope:
    """One pseudonym a learner and item: no key joins two courses."""

    tag: ClassVar[bytes] = b"kohort pseudonym: course\0"

    def message(self, learner: str, item: str) -> bytes:
        """What is authenticated: tag, length of the item key in bytes, item key, learner.

        The length keeps ("ab", "c") and ("a", "bc") apart.
        """
        key = item.encode()
        return self.tag + len(key).to_bytes(_LENGTH_BYTES) + key + learner.encode()


@dataclass(frozen=True, slots=True)
class ReleaseScope:
    """One pseudonym a learner: courses are linked within this release, and nowhere else."""

    tag: ClassVar[bytes] = b"kohort pseudonym: release\0"

    def message(self, learner: str) -> bytes:
        """What is authenticated: tag, learner."""
        return self.tag + learner.encode()


@dataclass(frozen=True, slots=True)
class LinkedScope:
    """One pseudonym a learner: the same in every release that is made under a project's key."""

    tag: ClassVar[bytes] = b"kohort pseudonym: linked\0"

    def message(self, learner: str) -> bytes:
        """What is authenticated: tag, learner."""
        return self.tag + learner.encode()


def pseudonym_map(
    pairs: pl.DataFrame,
    scope: CourseScope | ReleaseScope | LinkedScope,
    *,
    key: bytes,
    learner: str,
    item: str | None,
) -> pl.DataFrame:
    """The pseudonym of every learner, or of every learner and item.

    Args:
        pairs: text columns `learner` and, for course scope, `item`, without nulls; rows may repeat.
        scope: what one pseudonym stands for.
        key: the release key, or the project's under linked scope; 32 bytes.
        learner: the column of canonical learner ids.
        item: the column of item keys; None but under course scope, where alone it plays a part.

    Returns:
        The distinct rows of `learner` (and `item`) in order of first appearance, and `pseudonym`.

    Raises:
        CoreError: the key has another length, `item` does not fit the scope, or a column is not
            text or holds nulls.
    """
    if len(key) != KEY_BYTES:
        raise CoreError(f"key: expected {KEY_BYTES} bytes, got {len(key)}; make a new key")
    columns = [learner] if item is None else [learner, item]
    for name in columns:
        _check_text(pairs[name])
    distinct = pairs.select(columns).unique(maintain_order=True)
    if isinstance(scope, CourseScope) and item is not None:
        messages = [scope.message(*pair) for pair in distinct.iter_rows()]
    elif isinstance(scope, ReleaseScope | LinkedScope) and item is None:
        messages = [scope.message(one) for one in distinct[learner]]
    else:
        raise CoreError("item: course scope needs the item column, the other scopes take None")
    digests = [hmac.digest(key, message, "sha256").hex()[:_HEX_DIGITS] for message in messages]
    return distinct.with_columns(pl.Series(PSEUDONYM, digests, dtype=pl.String))


def _check_text(column: pl.Series) -> None:
    if column.dtype != pl.String:
        raise CoreError(f"{column.name}: expected text, got {column.dtype}; cast the ids to text")
    if column.null_count():
        raise CoreError(f"{column.name}: holds nulls; drop the rows that name no learner or item")
