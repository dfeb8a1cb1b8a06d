"""The statement of a family's budget: what may be spent, what is left, who spent it on what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, select, union

from pipelines.errors import RegistryError
from pipelines.governance.database import translated
from pipelines.governance.ledger.accounts import Opened, opened_accounts, standings
from pipelines.governance.ledger.ceilings import Limit, ceilings
from pipelines.governance.ledger.steps import charge_states
from pipelines.governance.ledger.values import (
    ANY_OTHER,
    NOTHING,
    Amount,
    ChargeState,
    Regime,
    Scope,
    as_subject,
)
from pipelines.governance.releases import ReleaseStatus
from pipelines.governance.releases.registry import statuses
from pipelines.governance.stored_rows import snapshot
from pipelines.governance.tables import Account, Charge, DataFamily, Release, Spend
from schemas.policy import Budget, Policy


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """An account under the policy as it stands.

    Attributes:
        regime: what adds up in it.
        scope: whose it is.
        subject: which family, purpose or recipient; `ANY_OTHER` for recipients not on record.
        ceiling: where nothing is granted (see `FamilyStatement.stopped`), the last on record.
        spent: by all charges that were not refunded.
        left: what may still be charged to it, if all other accounts have as much; nothing of
            either part while either is overdrawn.
        overdrawn: by how much more than the policy allows now was spent.
    """

    regime: Regime
    scope: Scope
    subject: str
    ceiling: Amount
    spent: Amount
    left: Amount
    overdrawn: Amount


@dataclass(frozen=True, slots=True)
class ChargeStatement:
    """Who spent what on what.

    Attributes:
        id: of the charge, and of its release.
        request: the hash of what was asked.
        version: of the data.
        by: who built it.
        state: a refunded one spent nothing.
        at: when it was reserved.
        charged: to each account.
    """

    id: str
    request: str
    version: str
    purpose: str
    recipient: str
    by: str
    state: ChargeState
    at: datetime
    charged: Amount

    @property
    def spent(self) -> Amount:
        """Of each account; these add up to what the accounts have spent."""
        return NOTHING if self.state is ChargeState.REFUNDED else self.charged


@dataclass(frozen=True, slots=True)
class FamilyStatement:
    """The budget of a family, and what has none.

    Attributes:
        regime: of its accounts; before the first charge that of the policy; None: neither is there.
        stopped: why nothing is granted, whatever is left; None: the policy grants.
        accounts: the family's, and those that the policy sets a ceiling for; none before the first
            charge where nothing is granted.
        charges: oldest first.
        unbounded: the live releases without a charge: microdata, which no budget bounds. Of
            aggregates each has one.
    """

    family: str
    regime: Regime | None
    stopped: str | None
    accounts: tuple[AccountStatement, ...]
    charges: tuple[ChargeStatement, ...]
    unbounded: tuple[ReleaseStatus, ...]


def families_on_record(engine: Engine) -> list[str]:
    """The families that anything was charged to or released of, by name."""
    both = union(select(DataFamily.name), select(Release.family))
    with translated(engine), engine.connect() as connection:
        return sorted(connection.execute(both).scalars())


def statement(engine: Engine, policy: Policy, family: str) -> FamilyStatement:
    """The statement of a family under the policy as it stands, recorded with a charge or not yet.

    It tells of one moment, whatever is charged meanwhile.

    Raises:
        RegistryError: the registry can't be read, or holds charges without accounts.
    """
    with snapshot(engine) as connection:
        opened = opened_accounts(connection, family)
        regime = opened[0].regime if opened else None
        stopped = _stopped(policy, regime)
        budget = None if stopped else policy.budget
        charges = tuple(_charges(connection, family))
        paid = {charge.id for charge in charges}
        if charges and not opened:
            raise RegistryError(
                f"budget of {family}: there are charges, and no account; see `kohort audit verify`"
            )
        live = [one for one in statuses(connection, Release.family == family) if one.live]
    if regime is None and policy.budget is not None:
        regime = Regime(policy.budget.regime)
    accounts = tuple(_granting(budget, policy, family, opened) if budget else _ended(opened))
    return FamilyStatement(
        family=family,
        regime=regime,
        stopped=stopped,
        accounts=accounts,
        charges=charges,
        unbounded=tuple(one for one in live if one.id not in paid),
    )


def _stopped(policy: Policy, kept: Regime | None) -> str | None:
    """Why a policy grants nothing."""
    if policy.budget is None:
        return "the policy has no [budget]"
    if kept is not None and kept != policy.budget.regime:
        return f'its accounts are kept as {kept}, and the policy says "{policy.budget.regime}"'
    return None


def _granting(
    budget: Budget, policy: Policy, family: str, opened: Sequence[Opened]
) -> Iterator[AccountStatement]:
    """The accounts that the policy sets, opened or not."""
    known = {scope: {o.subject for o in opened if o.scope is scope} for scope in Scope}
    subjects = {
        Scope.FAMILY: [family],
        Scope.PURPOSE: sorted(
            known[Scope.PURPOSE] | {as_subject(each) for each in policy.purposes}
        ),
        Scope.RECIPIENT: [*sorted(known[Scope.RECIPIENT]), ANY_OTHER],
    }
    set_by_policy = [
        Limit(scope, subject, ceiling, own=True)
        for scope, ceiling in ceilings(budget).items()
        if ceiling is not None
        for subject in subjects[scope]
    ]
    for one in standings(opened, set_by_policy):
        limit = one.limit
        yield AccountStatement(
            regime=Regime(budget.regime),
            scope=limit.scope,
            subject=limit.subject,
            ceiling=limit.ceiling,
            spent=one.spent,
            left=one.left,
            overdrawn=one.overdrawn,
        )


def _ended(opened: Sequence[Opened]) -> Iterator[AccountStatement]:
    """The family's account where nothing is granted."""
    for one in opened:
        if one.scope is Scope.FAMILY:
            yield AccountStatement(
                regime=one.regime,
                scope=one.scope,
                subject=one.subject,
                ceiling=one.ceiling,
                spent=one.spent,
                left=NOTHING,
                overdrawn=NOTHING,
            )


def _charges(connection: Connection, family: str) -> Iterator[ChargeStatement]:
    rows = connection.execute(
        select(
            Charge.id,
            Charge.request,
            Charge.version,
            Charge.purpose,
            Charge.recipient,
            Charge.created_at,
            Spend.micro,
            Spend.atto_delta,
        )
        .join(Spend, Spend.charge == Charge.id)
        .join(Account, Account.id == Spend.account)
        .where(Charge.family == family, Account.scope == Scope.FAMILY.value)
        .order_by(Charge.created_at, Charge.id)
    ).all()
    states = {one.id: one for one in charge_states(connection, Charge.family == family)}
    for charge_id, request, version, purpose, recipient, at, micro, atto in rows:
        now = states[charge_id]
        yield ChargeStatement(
            id=charge_id,
            request=request,
            version=version,
            purpose=purpose,
            recipient=recipient,
            by=now.by,
            state=now.state,
            at=at,
            charged=Amount(micro, atto),
        )
