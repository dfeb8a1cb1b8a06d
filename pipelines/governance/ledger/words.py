"""Amounts and refusals of the ledger in words."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from anonymizer.dp.accounting import ATTO, MICRO, epsilon_for
from pipelines.governance.ledger.accounts import Standing
from pipelines.governance.ledger.values import NOTHING, Amount, Regime, Scope


def plain(micro: int) -> str:
    """Millionths as a decimal: exact, without exponent or trailing zeros."""
    return f"{micro // MICRO}.{micro % MICRO:06d}".rstrip("0").rstrip(".")


def delta_text(atto: int) -> str:
    """1e-18ths of delta: exact, such as `1e-9`."""
    return f"{Decimal(atto).scaleb(-18).normalize():e}" if atto else "0"


def privacy(micro: int, regime: Regime, ceiling: Amount) -> str:
    """An amount of an account, such as `epsilon 0.5` or `rho 0.02 (epsilon 1.1 at delta 1e-9)`.

    Args:
        micro: of epsilon, or of rho.
        regime: of the account.
        ceiling: of the account: its delta is half of the one that rho is told at.
    """
    if regime is Regime.PURE:
        return f"epsilon {plain(micro)}"
    epsilon = plain(epsilon_for(micro, Fraction(ceiling.atto_delta, ATTO)))
    return f"rho {plain(micro)} (epsilon {epsilon} at delta {delta_text(2 * ceiling.atto_delta)})"


def overdraft(over: Amount, regime: Regime, ceiling: Amount) -> str:
    """By how much an account is overdrawn, such as `overdrawn by epsilon 0.5 and delta 1e-9`."""
    parts = [privacy(over.micro, regime, ceiling)] if over.micro else []
    parts += [f"delta {delta_text(over.atto_delta)}"] if over.atto_delta else []
    return f"overdrawn by {' and '.join(parts)}"


def account_name(scope: Scope, subject: str) -> str:
    """Such as `purpose research`."""
    return f"{scope} {subject}"


def refusal(family: str, regime: Regime, asked: Amount, accounts: Sequence[Standing]) -> str:
    """Why a charge is refused, account by account, and what would fit all of them.

    Args:
        family: whose budget it is.
        regime: of the accounts.
        asked: of each of them.
        accounts: all that it must fit; what has no ceiling of its own is left out.
    """
    own = [one for one in accounts if one.limit.own]
    told = "; ".join(account_lines(regime, asked, own))
    return f"budget of {family}: {told}; {_next_step(own, regime, asked)}"


def account_lines(regime: Regime, asked: Amount, accounts: Sequence[Standing]) -> Iterator[str]:
    """Each account with a ceiling of its own: what is asked of it, and what is left."""
    return (_of_account(one, regime, asked) for one in accounts if one.limit.own)


def _of_account(one: Standing, regime: Regime, asked: Amount) -> str:
    ceiling, left = one.limit.ceiling, one.left
    difference = asked.minus(left)
    said = [
        f"requested {privacy(asked.micro, regime, ceiling)}",
        f"remaining {privacy(left.micro, regime, ceiling)}",
    ]
    if difference.micro:
        said.append(f"difference {privacy(difference.micro, regime, ceiling)}")
    if difference.atto_delta:
        said += [
            f"requested delta {delta_text(asked.atto_delta)}",
            f"remaining delta {delta_text(left.atto_delta)}",
            f"difference delta {delta_text(difference.atto_delta)}",
        ]
    if one.is_overdrawn:
        said.append(overdraft(one.overdrawn, regime, ceiling))
    elif one.fits(asked):
        said.append("it fits")
    return f"{account_name(one.limit.scope, one.limit.subject)}: {', '.join(said)}"


def _next_step(own: Sequence[Standing], regime: Regime, asked: Amount) -> str:
    if any(one.is_overdrawn for one in own):
        return "only a steward can raise [budget] in policy.toml"
    tightest = min(own, key=lambda one: one.left.micro)
    left = Amount(tightest.left.micro, min(one.left.atto_delta for one in own))
    if left == NOTHING:
        return "nothing is left to ask for; only a steward can raise [budget] in policy.toml"
    fits = " and ".join(_fitting(left, regime, asked, tightest.limit.ceiling))
    return f"ask for {fits} at most, or have a steward raise [budget] in policy.toml"


def _fitting(left: Amount, regime: Regime, asked: Amount, ceiling: Amount) -> Iterator[str]:
    """What must be less; both parts where one of them is used up."""
    used_up = 0 in left
    if used_up or asked.micro > left.micro:
        yield privacy(left.micro, regime, ceiling)
    if used_up or asked.atto_delta > left.atto_delta:
        yield f"delta {delta_text(left.atto_delta)}"
