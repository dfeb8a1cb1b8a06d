"""Whether a charge would be granted now; nothing is recorded, and nothing promised."""

from dataclasses import dataclass

from sqlalchemy import Engine

from anonymizer.dp.accounting import Cost
from pipelines.governance.ledger.accounts import opened_accounts, standings
from pipelines.governance.ledger.ceilings import limits
from pipelines.governance.ledger.values import Regime, as_subject, asked_of
from pipelines.governance.ledger.words import account_lines, privacy, refusal
from pipelines.governance.stored_rows import snapshot
from schemas.policy import Budget


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the ledger would say of a charge.

    Attributes:
        cost: of the charge, in the accounts' regime.
        accounts: a line for each account that the policy bounds: requested and remaining.
        refused: why it would be refused; None: it fits.
    """

    cost: str
    accounts: tuple[str, ...]
    refused: str | None


def forecast(
    engine: Engine, budget: Budget, cost: Cost, *, family: str, purpose: str, recipient: str
) -> Forecast:
    """What the ledger would say of a charge now, of another than any on record.

    Args:
        engine: the registry.
        budget: the policy's.
        cost: of all draws; one that an account of this regime can pay.
        family: whose budget.
        purpose: of the request.
        recipient: of the request.

    Raises:
        RegistryError: the registry can't be read.
    """
    regime = Regime(budget.regime)
    within = limits(
        budget, family=family, purpose=as_subject(purpose), recipient=as_subject(recipient)
    )
    asked = asked_of(cost, regime)
    assert asked is not None, "authorized: Gaussian noise is refused by accounts of epsilons"
    with snapshot(engine) as connection:
        opened = opened_accounts(connection, family)
    kept = {one.regime for one in opened} - {regime}
    accounts = standings(opened, within)
    refused = None
    if kept:
        refused = (
            f"budget of {family}: its accounts are kept as {', '.join(kept)}, and the policy says "
            f'"{regime}"; have a steward bring that back'
        )
    elif not all(one.fits(asked) for one in accounts):
        refused = refusal(family, regime, asked, accounts)
    return Forecast(
        privacy(asked.micro, regime, within[0].ceiling),
        tuple(account_lines(regime, asked, accounts)),
        refused,
    )
