"""What learners, and those who speak for them, have said."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from pipelines.governance.tables.base import DIGEST_LENGTH, Base, Number, Salted, UtcDateTime


class RightsRecord(Salted, Base):
    """One statement about the data of one learner, or of all learners of a source.

    A record stops by its own `effective_to`, or where a later record `ends` its state.

    Attributes:
        learner: HMAC-SHA256 of the canonical learner id under the registry key, in hex; null in a
            dataset-level record.
        source: the source whose learners a dataset-level record bears on; null where the record
            bears on its learner in every source.
        effective_from: when it starts to hold.
        effective_to: when it no longer holds (half-open); null: open.
        ends: the state of earlier records of the same learner, purpose and scope that hold no
            longer once this record does, if they began by then; null: it ends none. What is erased
            stays erased.
        origin: where it came from, in the words of the file: the column `source` of an import.
        note: why, in the words of the steward.
        received_at: when the registry learnt of it.
    """

    __tablename__ = "rights_record"
    __table_args__ = (
        CheckConstraint("learner IS NOT NULL OR source IS NOT NULL", name="bears_on_somebody"),
        Index("rights_record_learner", "learner"),
    )

    id: Mapped[int] = mapped_column(Number, primary_key=True)
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
    ends: Mapped[str | None]
    origin: Mapped[str | None]
    note: Mapped[str | None]
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
