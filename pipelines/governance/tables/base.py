"""What every table of the workspace's database shares."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DIGEST_LENGTH: Final = 64
"""Hex digits of an HMAC-SHA256 (how the registry knows a learner), and of a SHA-256."""

RELEASE_ID_LENGTH: Final = 8
SALT_LENGTH: Final = 32
"""Hex digits of 128 random bits."""

Number = BigInteger().with_variant(Integer(), "sqlite")
"""A key that counts up."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant with its time zone; stored naive, in UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """To the database: a value without a time zone is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone, such as UTC")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """From the database."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Every table of the workspace's database."""


class Governed:
    """A row that the audit chain answers for.

    Attributes:
        entry: the id of the `Action` that added it; 0 in a row that none did.
    """

    entry: Mapped[int] = mapped_column(BigInteger, server_default="0", sort_order=1)


class Salted(Governed):
    """A row with a learner's digest: its hash tells nobody anything.

    Entries keep the hashes of rows for good. Without a salt, whoever once had the registry's key
    could hold his guesses against them, rotation or not: the other cells stand there to be read. A
    rotation draws salts anew.

    Attributes:
        salt: random, in hex; null in none but a row that nothing sealed.
    """

    salt: Mapped[str | None] = mapped_column(String(SALT_LENGTH), sort_order=2)
