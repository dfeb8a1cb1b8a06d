"""What a policy lets each account spend."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from anonymizer.dp.accounting import ATTO, ceiling_atto, ceiling_micro, exact, rho_for
from pipelines.governance.ledger.values import Amount, Regime, Scope
from schemas.policy import Budget


@dataclass(frozen=True, slots=True)
class Limit:
    """An account under a policy.

    Attributes:
        scope: whose it is.
        subject: which family, purpose or recipient.
        ceiling: what it may spend in all.
        own: whether the policy sets it; where it does not, it is the family's.
    """

    scope: Scope
    subject: str
    ceiling: Amount
    own: bool


def ceilings(budget: Budget) -> Mapping[Scope, Amount | None]:
    """What each account of a scope may spend; None where the policy does not set it."""
    epsilons = {
        Scope.FAMILY: budget.epsilon_per_family,
        Scope.PURPOSE: budget.epsilon_per_purpose,
        Scope.RECIPIENT: budget.epsilon_per_recipient,
    }
    return {s: None if e is None else _ceiling(budget, e) for s, e in epsilons.items()}


def limits(budget: Budget, *, family: str, purpose: str, recipient: str) -> tuple[Limit, ...]:
    """The accounts that a charge must fit, the family's first.

    Purpose and recipient have theirs even where the policy sets no ceiling for them: what is spent
    now counts if one is set later.
    """
    found = ceilings(budget)
    whole = found[Scope.FAMILY]
    assert whole is not None
    subjects = {Scope.FAMILY: family, Scope.PURPOSE: purpose, Scope.RECIPIENT: recipient}
    return tuple(
        Limit(scope, subject, found[scope] or whole, own=found[scope] is not None)
        for scope, subject in subjects.items()
    )


def _ceiling(budget: Budget, epsilon: float) -> Amount:
    """What an account that may spend this epsilon at the policy's delta may spend in its regime.

    Draws of delta-approximate rho-zCDP are (epsilon, delta + delta')-DP where rho-zCDP is
    (epsilon, delta')-DP (Bun and Steinke 2016, Section 8): each has one half of the policy's delta.
    """
    delta = exact(budget.delta, "delta")
    if Regime(budget.regime) is Regime.PURE:
        return Amount(ceiling_micro(epsilon), ceiling_atto(delta))
    half = ceiling_atto(delta / 2)
    return Amount(rho_for(epsilon, Fraction(half, ATTO)), half)
