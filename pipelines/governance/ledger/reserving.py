"""Reserve: what a build will draw is charged before it reads a row, to every account at once."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from pipelines.errors import RegistryError, RequestError
from pipelines.governance.chain import Change, changing
from pipelines.governance.ledger.accounts import (
    Standing,
    open_accounts,
    opened_accounts,
    standings,
)
from pipelines.governance.ledger.ceilings import limits
from pipelines.governance.ledger.stored import answered
from pipelines.governance.ledger.values import (
    Amount,
    ChargeState,
    NewCharge,
    Regime,
    Reserved,
    Stored,
    as_subject,
    asked_of,
)
from pipelines.governance.ledger.words import account_name, privacy, refusal
from pipelines.governance.tables import (
    Charge,
    ChargeEvent,
    DataFamily,
    DatasetVersion,
    Draw,
    Spend,
)
from pipelines.people import Actor
from schemas.policy import Policy, policy_sha256


def reserve(
    engine: Engine, charge: NewCharge, policy: Policy, *, actor: Actor, at: datetime
) -> Reserved | Stored:
    """Charge a build, or say where the same was drawn before.

    What is refused leaves no trace in the ledger, not even of a ceiling that the policy changed:
    that is recorded with the next charge that it allows, so that the ledger holds the ceilings that
    something was granted under.

    Args:
        engine: the registry.
        charge: what will be drawn.
        policy: as it stands.
        actor: who builds.
        at: when.

    Returns:
        `Stored` where the same request was committed on the same version of the data, and its
        release is served.

    Raises:
        RequestError: the policy has no budget.
        RegistryError: an account has too little left, or is kept in another regime, or can't pay
            for a draw without pure epsilon; the same request is under way, or on record for
            another purpose or recipient; the family is on record in another spelling; or the
            registry can't be used.
    """
    if policy.budget is None:
        raise RequestError(
            "release.type: the policy has no budget for differential privacy; have a steward "
            "write [budget] with epsilon_per_family and delta into policy.toml"
        )
    regime = Regime(policy.budget.regime)
    # Before anybody waits for us: turning epsilon into rho, and back, takes its time.
    within = limits(
        policy.budget, family=charge.family, purpose=charge.purpose, recipient=charge.recipient
    )
    said = [privacy(limit.ceiling.micro, regime, limit.ceiling) for limit in within]
    price = asked_of(charge.cost, regime)
    priced = "" if price is None else privacy(price.micro, regime, within[0].ceiling)
    with changing(engine) as change:
        _demand_same_spelling(change.connection, charge.family)
        if (stored := answered(change.connection, charge, at=at)) is not None:
            return stored
        accounts = standings(opened_accounts(change.connection, charge.family), within)
        _demand_same_terms(charge, regime, accounts)
        asked = _demand_priced(charge, price)
        granted = all(one.fits(asked) for one in accounts)
        if granted:
            _demand_new(change.connection, charge.id)
            opened = open_accounts(
                change, charge, regime, accounts, policy=policy_sha256(policy), at=at
            )
            if change.pending:
                detail = _ceilings_text(accounts, said)
                change.record(actor, "budget.ceiling", charge.family, at=at, detail=detail)
            _charge(change, charge, asked, opened, actor=actor, at=at)
            detail = f"{priced} of {charge.family}"
            change.record(actor, "budget.reserve", charge.id, at=at, detail=detail)
    if granted:
        return Reserved(charge.id)
    raise RegistryError(refusal(charge.family, regime, asked, accounts))


def _demand_same_spelling(connection: Connection, family: str) -> None:
    """No other family on record is this one, written in another way: it has one budget."""
    for other in connection.scalars(select(DataFamily.name).order_by(DataFamily.name)):
        if other != family and as_subject(other) == as_subject(family):
            raise RegistryError(
                f"family: the budget on record is of {other}; write the family as that in its "
                "declaration: it has one budget however it is spelt"
            )


def _demand_same_terms(charge: NewCharge, regime: Regime, accounts: Sequence[Standing]) -> None:
    """The unit of privacy and what adds up are those that the accounts were opened with."""
    for opened in (one.opened for one in accounts if one.opened is not None):
        if opened.id_column != charge.id_column:
            raise RegistryError(
                f"budget of {charge.family}: it protects learners as {opened.id_column} tells "
                f"them apart, and the declaration now says {charge.id_column}; bring back the "
                "declaration that it was opened under"
            )
        if opened.regime is not regime:
            raise RegistryError(
                f"budget of {charge.family}: its accounts are kept as {opened.regime}, and the "
                f'policy says "{regime}"; have a steward set regime = "{opened.regime}" in '
                "[budget] of policy.toml again: what was spent in one can't be counted in the other"
            )


def _demand_priced(charge: NewCharge, price: Amount | None) -> Amount:
    """What is asked of each account; there is a price in its regime."""
    if price is None:
        gaussian = sorted({d.mechanism for d in charge.draws if d.cost.micro_epsilon is None})
        raise RegistryError(
            f"budget of {charge.family}: {', '.join(gaussian)} has no pure epsilon, and the "
            "accounts add up epsilons; ask for geometric noise"
        )
    return price


def _demand_new(connection: Connection, charge_id: str) -> None:
    if connection.scalar(select(Charge.id).where(Charge.id == charge_id)) is not None:
        raise RegistryError(f"charge {charge_id}: there is one of that id; build anew")


def _ceilings_text(accounts: Sequence[Standing], said: Sequence[str]) -> str:
    """The ceilings that go on record."""
    return "; ".join(
        f"{account_name(one.limit.scope, one.limit.subject)}: {ceiling}"
        for one, ceiling in zip(accounts, said, strict=True)
        if one.is_new
    )


def _charge(
    change: Change,
    charge: NewCharge,
    asked: Amount,
    accounts: Sequence[int],
    *,
    actor: Actor,
    at: datetime,
) -> None:
    version = select(DatasetVersion.sha256).where(
        DatasetVersion.sha256 == charge.version, DatasetVersion.family == charge.family
    )
    if change.connection.scalar(version) is None:
        own = {"sha256": charge.version, "family": charge.family}
        change.add(DatasetVersion, own | {"snapshot_at": charge.snapshot_at})
    names = ("id", "family", "version", "request", "purpose", "recipient", "code_version")
    row = {name: getattr(charge, name) for name in names}
    libraries = json.dumps(dict(charge.libraries), sort_keys=True)
    change.add(Charge, row | {"libraries": libraries, "created_at": at})
    cells = ("mechanism", "scale", "l0", "linf", "norm")
    costs = ("micro_epsilon", "micro_rho", "atto_delta")
    change.add_rows(
        Draw,
        ("charge", *cells, *costs),
        (
            (charge.id, *(getattr(d, c) for c in cells), *(getattr(d.cost, c) for c in costs))
            for d in charge.draws
        ),
    )
    taken = ((charge.id, number, *asked) for number in accounts)
    change.add_rows(Spend, ("charge", "account", *Amount._fields), taken)
    event = {"charge": charge.id, "kind": ChargeState.RESERVED.value, "at": at}
    change.add(ChargeEvent, event | {"actor": actor.name})
