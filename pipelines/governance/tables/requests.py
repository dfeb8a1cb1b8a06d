"""What was asked, and who allowed it."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pipelines.governance.tables.base import DIGEST_LENGTH, Base, Governed, Number, UtcDateTime


class Request(Governed, Base):
    """A request as it was submitted, known by the hash of what it asks.

    Attributes:
        sha256: of what is asked, whatever the layout of the file.
        text: the file.
    """

    __tablename__ = "request"

    sha256: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    title: Mapped[str]
    researcher: Mapped[str]
    purpose: Mapped[str]
    source: Mapped[str]
    text: Mapped[str] = mapped_column(Text)


class RequestEvent(Governed, Base):
    """What became of a request: the last event is its state.

    Attributes:
        kind: `submitted`, `approved`, `rejected` or `withdrawn`.
        actor: who did it.
        reason: why; null where nobody must say.
        waived: the sensitive columns that need no bound, as a JSON list; approvals only.
        policy_sha256: of the policy that it was judged by.
    """

    __tablename__ = "request_event"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    request: Mapped[str] = mapped_column(ForeignKey("request.sha256"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    reason: Mapped[str | None] = mapped_column(Text)
    waived: Mapped[str | None] = mapped_column(Text)
    policy_sha256: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
