"""The tables of the workspace's database: what makes a release permitted.

Rows are only ever added, never changed or removed: a state is what the events say. Learners are
known by digest alone. The schema is laid by the migrations beside this module.
"""

from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DIGEST_LENGTH: Final = 64
"""Hex digits of an HMAC-SHA256 (how the registry knows a learner), and of a SHA-256."""

RELEASE_ID_LENGTH: Final = 8
NO_ITEM: Final = ""
"""The item of a member of a release that shows none of his."""

_Number = BigInteger().with_variant(Integer(), "sqlite")
"""A key that counts up by itself; SQLite does so for INTEGER alone."""


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


class Action(Base):
    """Who did what, and when: one row for every command that changes something.

    Attributes:
        at: when.
        actor: who, as claimed: the address given with `--as`, or the login.
        login: the account of the operating system that it was done from.
        kind: what, such as `request.approve`.
        subject: what about: a request's hash, a release's id, a source; never a learner.
        detail: why or how much, in words; null where the kind says it all.
    """

    __tablename__ = "action"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    login: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str | None] = mapped_column(Text)


class RightsRecord(Base):
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

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
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


class Request(Base):
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


class RequestEvent(Base):
    """What became of a request: the last event is its state.

    Attributes:
        kind: `submitted`, `approved`, `rejected` or `withdrawn`.
        actor: who did it.
        reason: why; null where nobody must say.
        waived: the sensitive columns that need no bound, as a JSON list; approvals only.
        policy_sha256: of the policy that it was judged by.
    """

    __tablename__ = "request_event"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    request: Mapped[str] = mapped_column(ForeignKey("request.sha256"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    reason: Mapped[str | None] = mapped_column(Text)
    waived: Mapped[str | None] = mapped_column(Text)
    policy_sha256: Mapped[str] = mapped_column(String(DIGEST_LENGTH))


class Release(Base):
    """A package that was built: what it shows, of whom, on which version of the data.

    Attributes:
        id: as in the package's name and in its key's.
        request: the hash of the request.
        project: whose key pseudonyms are made under; null but in linked scope.
        item: the item column; null where the package has none.
        jurisdictions: of the permissions that were admitted, as a JSON list.
        inputs_sha256: of source content, eligible set, policy and declarations.
        data_version: of these and the recode.
        package_sha256: of the package's `checksums.sha256`.
        recode: the frozen recode, as JSON.
        cut_off: as of when rights were read.
        expires_on: the last day on which the package may be kept; null: no end.
    """

    __tablename__ = "release"

    id: Mapped[str] = mapped_column(String(RELEASE_ID_LENGTH), primary_key=True)
    request: Mapped[str] = mapped_column(String(DIGEST_LENGTH), index=True)
    title: Mapped[str]
    researcher: Mapped[str]
    purpose: Mapped[str]
    source: Mapped[str]
    family: Mapped[str]
    access: Mapped[str]
    scope: Mapped[str]
    project: Mapped[str | None]
    k: Mapped[int]
    m: Mapped[str]
    item: Mapped[str | None]
    jurisdictions: Mapped[str] = mapped_column(Text)
    inputs_sha256: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    data_version: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    package_sha256: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    recode: Mapped[str] = mapped_column(Text)
    cut_off: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_on: Mapped[date | None] = mapped_column(Date)


class ReleaseEvent(Base):
    """What became of a release.

    Attributes:
        kind: `reserved` (recorded, not yet published), `published`, `failed` (nothing left the
            building folder), `shared` (with a recipient), `superseded`, `recalled`, `expired`,
            `destroyed` (by a recipient, as he confirms), `key_destroyed`.
        recipient: of `shared` and `destroyed`; null otherwise.
        reason: why; null where the kind says it all.
    """

    __tablename__ = "release_event"

    id: Mapped[int] = mapped_column(_Number, primary_key=True)
    release: Mapped[str] = mapped_column(ForeignKey("release.id"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    recipient: Mapped[str | None]
    reason: Mapped[str | None] = mapped_column(Text)


class ReleaseClass(Base):
    """An equivalence class of a release.

    Attributes:
        number: from 0, in its release.
        labels: the released labels of the quasi-identifiers, as a JSON object.
    """

    __tablename__ = "release_class"

    release: Mapped[str] = mapped_column(ForeignKey("release.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    labels: Mapped[str] = mapped_column(Text)


class ReleaseMember(Base):
    """One learner of a release and one of his released items: the item-set registry.

    Attributes:
        learner: as in `RightsRecord`.
        item: the released label; `NO_ITEM` where the release shows none of his.
        class_number: of his class.
    """

    __tablename__ = "release_member"
    __table_args__ = (Index("release_member_learner", "learner"),)

    release: Mapped[str] = mapped_column(ForeignKey("release.id"), primary_key=True)
    learner: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    item: Mapped[str] = mapped_column(primary_key=True)
    class_number: Mapped[int]
