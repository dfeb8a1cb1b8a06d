"""What was built, and whom it shows."""

from datetime import date, datetime
from typing import Final

from sqlalchemy import Date, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pipelines.governance.tables.base import (
    DIGEST_LENGTH,
    RELEASE_ID_LENGTH,
    Base,
    Governed,
    Number,
    Salted,
    UtcDateTime,
)

NO_ITEM: Final = ""
"""The item of a member of a release that shows none of his."""

AGGREGATE: Final = "aggregate"
"""The scope of a release of aggregates: it shows nobody, and has no pseudonyms."""

SYNTHETIC: Final = "synthetic"
"""The scope of a release of invented learners: its pseudonyms are nobody's."""


class Release(Governed, Base):
    """A package that was built: what it shows, of whom, on which version of the data.

    One of aggregates shows nobody: it has no members, classes or key.

    Attributes:
        id: as in the package's name and in its key's.
        request: the hash of the request.
        scope: of the pseudonyms: `course`, `release` or `linked`; or what kind
            of release it is that shows nobody: `AGGREGATE`, `SYNTHETIC`.
        project: whose key pseudonyms are made under; null but in linked scope.
        k: how many learners look alike; null in aggregates.
        m: how many items an attacker knows, or `full`; null in aggregates.
        item: the item column; null where the package has none.
        jurisdictions: of the permissions that were admitted, as a JSON list.
        inputs_sha256: of source content, eligible set, policy and declarations.
        data_version: of these and the recode.
        package_sha256: of the package's `checksums.sha256`.
        recode: the frozen recode, as JSON; null in aggregates.
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
    k: Mapped[int | None]
    m: Mapped[str | None]
    item: Mapped[str | None]
    jurisdictions: Mapped[str] = mapped_column(Text)
    inputs_sha256: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    data_version: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    package_sha256: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    recode: Mapped[str | None] = mapped_column(Text)
    cut_off: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_on: Mapped[date | None] = mapped_column(Date)


class ReleaseEvent(Governed, Base):
    """What became of a release.

    Attributes:
        kind: `reserved` (recorded, not yet published), `published`, `failed` (nothing left the
            building folder), `shared` (with a recipient), `superseded`, `recalled`, `expired`,
            `destroyed` (by a recipient, as he confirms), `key_destroyed`.
        recipient: of `shared` and `destroyed`; null otherwise.
        reason: why; null where the kind says it all.
    """

    __tablename__ = "release_event"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    release: Mapped[str] = mapped_column(ForeignKey("release.id"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    recipient: Mapped[str | None]
    reason: Mapped[str | None] = mapped_column(Text)


class ReleaseClass(Governed, Base):
    """An equivalence class of a release.

    Attributes:
        number: from 0, in its release.
        labels: the released labels of the quasi-identifiers, as a JSON object.
    """

    __tablename__ = "release_class"

    release: Mapped[str] = mapped_column(ForeignKey("release.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    labels: Mapped[str] = mapped_column(Text)


class ReleaseMember(Salted, Base):
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
