"""The tables of the workspace's database."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import CheckConstraint, DateTime, Dialect, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DIGEST_LENGTH: Final = 64
"""Hex digits of an HMAC-SHA256: how the registry knows a learner."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant with its time zone; SQLite stores it naive, in UTC."""

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


class RightsRecord(Base):
    """One statement about the data of one learner, or of all learners of a source.

    Append-only: a record is never changed or removed, and stops by its own `effective_to`.

    Attributes:
        learner: HMAC-SHA256 of the canonical learner id under the registry key, in hex; null in a
            dataset-level record.
        source: the source whose learners a dataset-level record bears on; null where the record
            bears on its learner in every source.
        effective_from: when it starts to hold.
        effective_to: when it no longer holds (half-open); null: open.
        origin: where it came from, in the words of the file: the column `source` of an import.
        note: why, in the words of the steward; dataset-level only.
        received_at: when the registry learnt of it.
    """

    __tablename__ = "rights_record"
    __table_args__ = (
        CheckConstraint("learner IS NOT NULL OR source IS NOT NULL", name="bears_on_somebody"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    learner: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH))
    source: Mapped[str | None]
    purpose: Mapped[str]
    scope: Mapped[str]
    state: Mapped[str]
    legal_basis: Mapped[str | None]
    jurisdiction: Mapped[str | None]
    notice_version: Mapped[str | None]
    effective_from: Mapped[datetime] = mapped_column(UtcDateTime)
    effective_to: Mapped[datetime | None] = mapped_column(UtcDateTime)
    origin: Mapped[str | None]
    note: Mapped[str | None]
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
