"""The accounts of a family: what is on record of them, and opening them under a policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from pipelines.governance.chain import Change
from pipelines.governance.ledger.ceilings import Limit
from pipelines.governance.ledger.values import (
    NOTHING,
    Amount,
    ChargeState,
    NewCharge,
    Regime,
    Scope,
)
from pipelines.governance.tables import Account, AccountCeiling, ChargeEvent, DataFamily, Spend


@dataclass(frozen=True, slots=True)
class Opened:
    """An account on record.

    Attributes:
        id_column: the column that tells the family's learners apart.
        regime: in which it was opened.
        ceiling: the last one on record: the policy's at the last charge that was granted.
        spent: by every charge that was not refunded.
    """

    id: int
    id_column: str
    scope: Scope
    subject: str
    regime: Regime
    ceiling: Amount
    spent: Amount


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as a policy limits it now, and what was spent of it.

    Attributes:
        limit: by the policy.
        opened: on record; None: nothing was ever charged to it.
    """

    limit: Limit
    opened: Opened | None

    @property
    def spent(self) -> Amount:
        """By every charge that was not refunded."""
        return NOTHING if self.opened is None else self.opened.spent

    @property
    def left(self) -> Amount:
        """What may still be charged: nothing of either part while either is overdrawn."""
        return NOTHING if self.is_overdrawn else self.limit.ceiling.minus(self.spent)

    @property
    def overdrawn(self) -> Amount:
        """By how much more than the policy allows now was spent."""
        return self.spent.minus(self.limit.ceiling)

    @property
    def is_overdrawn(self) -> bool:
        """Whether the policy was lowered below what was spent already, in either part."""
        return self.overdrawn != NOTHING

    @property
    def is_new(self) -> bool:
        """Whether this ceiling is not the last one on record."""
        return self.opened is None or self.opened.ceiling != self.limit.ceiling

    def fits(self, asked: Amount) -> bool:
        """Whether as much may be charged; not even nothing, while it is overdrawn."""
        return not self.is_overdrawn and asked.minus(self.left) == NOTHING


def opened_accounts(connection: Connection, family: str) -> list[Opened]:
    """The accounts of a family on record; in the order in which they were opened."""
    spent = _spent(connection, family)
    rows = connection.execute(
        select(
            Account.id,
            DataFamily.id_column,
            Account.scope,
            Account.subject,
            Account.regime,
            AccountCeiling.micro,
            AccountCeiling.atto_delta,
        )
        .join(DataFamily, DataFamily.name == Account.family)
        .join(AccountCeiling, AccountCeiling.account == Account.id)
        .where(Account.family == family)
        .order_by(Account.id, AccountCeiling.id)
    )
    found = {}
    for number, id_column, scope, subject, regime, *ceiling in rows:
        found[number] = Opened(  # the last ceiling holds
            number,
            id_column,
            Scope(scope),
            subject,
            Regime(regime),
            Amount(*ceiling),
            spent.get(number, NOTHING),
        )
    return list(found.values())


def standings(opened: Sequence[Opened], limits: Sequence[Limit]) -> list[Standing]:
    """Each limit with what is on record of its account."""
    known = {(one.scope, one.subject): one for one in opened}
    return [Standing(limit, known.get((limit.scope, limit.subject))) for limit in limits]


def open_accounts(
    change: Change,
    charge: NewCharge,
    regime: Regime,
    accounts: Sequence[Standing],
    *,
    policy: str,
    at: datetime,
) -> list[int]:
    """Bring what is on record in line with the policy, as far as a charge touches it.

    Args:
        change: the transaction that grants the charge; the caller records what is pending.
        charge: the charge.
        regime: of the policy.
        accounts: that it is granted by.
        policy: the hash of the policy.
        at: when.

    Returns:
        Their ids.
    """
    if all(one.opened is None for one in accounts):
        own = {"name": charge.family, "id_column": charge.id_column}
        change.add(DataFamily, own | {"unit": "learner", "adjacency": "add-remove"})
    numbers = []
    for one in accounts:
        number = one.opened.id if one.opened else _open(change, charge.family, regime, one.limit)
        if one.is_new:
            row = {"account": number, "at": at, "policy_sha256": policy}
            change.add(AccountCeiling, row | one.limit.ceiling._asdict())
        numbers.append(number)
    return numbers


def _open(change: Change, family: str, regime: Regime, limit: Limit) -> int:
    name = {"scope": limit.scope.value, "subject": limit.subject}
    number = change.add(Account, {"family": family, "regime": regime.value, **name})
    assert number is not None
    return number


def _spent(connection: Connection, family: str) -> dict[int, Amount]:
    """What each account has spent: of charges in any state but refunded."""
    refunded = select(ChargeEvent.charge).where(ChargeEvent.kind == ChargeState.REFUNDED.value)
    rows = connection.execute(
        select(Spend.account, func.sum(Spend.micro), func.sum(Spend.atto_delta))
        .join(Account, Account.id == Spend.account)
        .where(Account.family == family, Spend.charge.not_in(refunded))
        .group_by(Spend.account)
    )
    # PostgreSQL's sum of whole numbers is a Decimal.
    return {number: Amount(int(micro), int(atto)) for number, micro, atto in rows}
