"""What differential privacy was promised, and what was spent of it (facts: the ledger)."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pipelines.governance.tables.base import (
    DIGEST_LENGTH,
    RELEASE_ID_LENGTH,
    Base,
    Governed,
    Number,
    UtcDateTime,
)


class DataFamily(Governed, Base):
    """The data that one budget is about, in all its versions.

    Attributes:
        name: as in the declaration.
        unit: the unit of privacy: `learner`.
        adjacency: `add-remove`.
        id_column: the column that tells learners apart.
    """

    __tablename__ = "data_family"

    name: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str]
    adjacency: Mapped[str]
    id_column: Mapped[str]


class DatasetVersion(Governed, Base):
    """One version of a family's data; every version draws on the same accounts.

    Attributes:
        sha256: of source content, eligible set, policy and declarations.
        snapshot_at: the cut-off of rights.
    """

    __tablename__ = "dataset_version"

    sha256: Mapped[str] = mapped_column(String(DIGEST_LENGTH), primary_key=True)
    family: Mapped[str] = mapped_column(ForeignKey("data_family.name"), primary_key=True)
    snapshot_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Account(Governed, Base):
    """What may be spent at most: by everybody on a family, for a purpose of it, by a recipient.

    Every charge is spent from three of them, whether or not the policy bounds purposes and
    recipients: what is spent counts if it does later.

    Attributes:
        scope: `family`, `purpose` or `recipient`.
        subject: which purpose or recipient, lower case; the family's name under scope `family`.
        regime: `pure` (epsilons add up) or `zcdp` (rhos do); never changes.
    """

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("family", "scope", "subject"),)

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    family: Mapped[str] = mapped_column(ForeignKey("data_family.name"))
    scope: Mapped[str]
    subject: Mapped[str]
    regime: Mapped[str]


class AccountCeiling(Governed, Base):
    """What an account may spend, by the policy that a charge was granted under.

    One row where it differs from the one before. What may be spent now is what the policy says now.

    Attributes:
        micro: millionths of epsilon, or of rho, rounded down; the family's where the policy sets
            none for this account.
        atto_delta: 1e-18ths of what the draws' deltas may add up to, rounded down: under `zcdp`
            half of the policy's delta, for the other half turns rho into epsilon.
        policy_sha256: of the policy that says so.
    """

    __tablename__ = "account_ceiling"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    micro: Mapped[int] = mapped_column(BigInteger)
    atto_delta: Mapped[int] = mapped_column(BigInteger)
    policy_sha256: Mapped[str] = mapped_column(String(DIGEST_LENGTH))


class Charge(Governed, Base):
    """One release's claim on the budget, made before its noise is drawn.

    Attributes:
        id: of the release.
        version: of the data.
        request: the hash of what is asked: the specification.
        purpose: lower case, as `Account.subject` has it.
        recipient: the same.
        code_version: of kohort.
        libraries: name -> version of what draws the noise, as a JSON object.
    """

    __tablename__ = "charge"

    id: Mapped[str] = mapped_column(String(RELEASE_ID_LENGTH), primary_key=True)
    family: Mapped[str] = mapped_column(ForeignKey("data_family.name"), index=True)
    version: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    request: Mapped[str] = mapped_column(String(DIGEST_LENGTH), index=True)
    purpose: Mapped[str]
    recipient: Mapped[str]
    code_version: Mapped[str]
    libraries: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ChargeEvent(Governed, Base):
    """What became of a charge; the last event is its state.

    Attributes:
        kind: `reserved`, `reading` (rows are read from here on: never refunded), `committed`,
            `refunded` (no row was read) or `lost` (rows were read, or may have been, and nothing
            came of it).
        result_sha256: of what was drawn; `committed` only.
        reason: why; null where the kind says it all.
    """

    __tablename__ = "charge_event"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    charge: Mapped[str] = mapped_column(ForeignKey("charge.id"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str]
    result_sha256: Mapped[str | None] = mapped_column(String(DIGEST_LENGTH))
    reason: Mapped[str | None] = mapped_column(Text)


class Draw(Governed, Base):
    """One use of a mechanism within a charge.

    Attributes:
        mechanism: its name.
        scale: of the noise, as an exact fraction such as `7/2`.
        l0: the number of cells that one learner is in at most.
        linf: what he changes in one cell at most.
        norm: that of the sensitivity: `L1` or `L2`.
        micro_epsilon: millionths of epsilon, rounded up; null where it has no pure epsilon.
        micro_rho: millionths of rho, rounded up.
        atto_delta: 1e-18ths of delta, rounded up.
    """

    __tablename__ = "draw"

    id: Mapped[int] = mapped_column(Number, primary_key=True)
    charge: Mapped[str] = mapped_column(ForeignKey("charge.id"), index=True)
    mechanism: Mapped[str]
    scale: Mapped[str]
    l0: Mapped[int]
    linf: Mapped[int] = mapped_column(BigInteger)
    norm: Mapped[str]
    micro_epsilon: Mapped[int | None] = mapped_column(BigInteger)
    micro_rho: Mapped[int] = mapped_column(BigInteger)
    atto_delta: Mapped[int] = mapped_column(BigInteger)


class Spend(Governed, Base):
    """What a charge takes from one account, in the account's regime; nothing if it is refunded."""

    __tablename__ = "spend"

    charge: Mapped[str] = mapped_column(ForeignKey("charge.id"), primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey("account.id"), primary_key=True)
    micro: Mapped[int] = mapped_column(BigInteger)
    atto_delta: Mapped[int] = mapped_column(BigInteger)
