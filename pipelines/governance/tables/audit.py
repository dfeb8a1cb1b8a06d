"""The audit chain."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pipelines.governance.tables.base import DIGEST_LENGTH, Base, Number, UtcDateTime


class Action(Base):
    """Who did what, and when: one entry of the audit chain for every change.

    Attributes:
        at: when.
        actor: who, as claimed: the address given with `--as`, or the login.
        login: the account of the operating system that it was done from.
        kind: what, such as `request.approve`.
        subject: what about: a request's hash, a release's id, a source; never a learner.
        detail: why or how much, in words; null where the kind says it all.
        rows: what it added, as a JSON object: table -> number and digest of the rows (see
            `sealing.rows_digest`); and `all` where it answers for every row that the table then
            had, in place of earlier entries.
        previous: the hash of the entry before; zeros in the first.
        hash: of all of the above, in hex (see `sealing.entry_hash`).
    """

    __tablename__ = "action"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    login: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str | None] = mapped_column(Text)
    rows: Mapped[str] = mapped_column(Text, server_default="")
    previous: Mapped[str] = mapped_column(String(DIGEST_LENGTH), server_default="")
    hash: Mapped[str] = mapped_column(String(DIGEST_LENGTH), server_default="")


class ChainHead(Base):
    """The last entry of the audit chain: the one row that changes, and that writers wait for.

    Attributes:
        id: 1.
        entry: the id of the last `Action`.
        hash: of that.
    """

    __tablename__ = "chain_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    entry: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
