"""What became of keys; never a key."""

from datetime import datetime
from typing import Final

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pipelines.governance.tables.base import Base, Governed, Number, UtcDateTime

KEY_ID_LENGTH: Final = 16


class KeyEvent(Governed, Base):
    """A key was made, replaced or destroyed.

    Attributes:
        kind: `registry`, `project` or `release`.
        name: the project, or the release's id; empty for the registry's.
        key_id: tells keys apart without telling them: part of a digest (see `keys.key_id`); empty
            in a `destroyed` of a key that was made before keys were recorded, and is gone.
        event: `created`, `rotated` (to this one) or `destroyed`; what a name's last event says
            holds, and a project whose key is destroyed may get a new one.
        reason: why; null where the event says it all.
    """

    __tablename__ = "key_event"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    key_id: Mapped[str] = mapped_column(String(KEY_ID_LENGTH))
    event: Mapped[str]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    reason: Mapped[str | None] = mapped_column(Text)
