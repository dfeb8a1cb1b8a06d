"""`kohort budget`: what may be spent of each family, what is left, and who spent it on what."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipelines.cli.options import acting, as_option, json_option, workspace_option
from pipelines.errors import RegistryError
from pipelines.people import Duty
from pipelines.settings import Workspace, find_workspace

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from pipelines.governance.ledger import AccountStatement, Amount, FamilyStatement

NO_JOINT_EPSILON: Final = (
    "No joint epsilon is claimed across these: the budget bounds what is charged to it, and no "
    "epsilon bounds what k-anonymous microdata tells."
)
_SHORT: Final = 12


@click.group()
def budget() -> None:
    """See what differentially private releases may spend, and have spent."""


@budget.command(
    epilog="Example: kohort budget show --family oulad",
    short_help="What is left, who spent it, on what.",
)
@click.option("--family", metavar="NAME", help="Only this one.")
@workspace_option
@as_option
@json_option
def show(*, family: str | None, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """Show the budget of each family under the policy as it stands.

    What an account may spend in all, what is spent and left, who spent it on what; then the
    releases that have no such bound.
    """
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.ledger import families_on_record, statement  # noqa: PLC0415

    found = find_workspace(workspace)
    acting(found, claimed).must_be(*Duty)
    registry = open_registry(found.database)
    names = _families(found, families_on_record(registry), family)
    statements = [statement(registry, found.policy, name) for name in names]
    if as_json:
        said = {"families": [_as_object(one) for one in statements], "note": NO_JOINT_EPSILON}
        click.echo(json.dumps(said))
        return
    for one in statements:
        for line in _as_lines(one):
            click.echo(line)
    if not statements:
        click.echo("no family: the workspace has no source, and nothing is on record")


def _families(workspace: Workspace, on_record: list[str], wanted: str | None) -> list[str]:
    """The families to tell of: on record, or of a source of the workspace."""
    from pipelines.sources.families import load_family  # noqa: PLC0415

    if wanted in on_record:
        return [wanted]
    named = {source.family for source in workspace.sources.values()}
    known = {load_family(each, base=workspace.root).family.family for each in named}
    if wanted is None:
        return sorted({*known, *on_record})
    if wanted not in known:
        raise RegistryError(
            "--family: no source of the workspace is of this family, and nothing of it is on "
            "record; see `kohort budget show`"
        )
    return [wanted]


def _as_lines(one: "FamilyStatement") -> Iterator[str]:
    from pipelines.governance.ledger.words import delta_text, privacy  # noqa: PLC0415

    yield f"family {one.family}: {'no budget' if one.regime is None else one.regime}"
    if one.stopped is not None:
        yield f"  nothing is granted: {one.stopped}; a steward writes policy.toml"
    for account in one.accounts:
        yield f"  {_account(account)}"
        if account.ceiling.atto_delta and account.spent.atto_delta:
            spent, of = account.spent.atto_delta, account.ceiling.atto_delta
            yield f"    delta of the draws: {delta_text(spent)} spent of {delta_text(of)}"
    for charge in one.charges:
        whole = one.accounts[0]
        what = privacy(charge.spent.micro, whole.regime, whole.ceiling)
        if charge.spent != charge.charged:
            what += f" (charged {privacy(charge.charged.micro, whole.regime, whole.ceiling)})"
        said = f"  {charge.id}  {charge.state:<9}  {charge.at:%Y-%m-%d}  {what}"
        yield f"{said}  {charge.recipient}  {charge.purpose}  request {charge.request[:_SHORT]}"
    for release in one.unbounded:
        day = f"{release.created_at:%Y-%m-%d}"
        yield f"  {release.id}  no DP bound  {day}  {release.researcher}  {release.title}"
    if one.unbounded:
        yield NO_JOINT_EPSILON


def _account(account: "AccountStatement") -> str:
    from pipelines.governance.ledger import ANY_OTHER  # noqa: PLC0415
    from pipelines.governance.ledger.words import (  # noqa: PLC0415
        account_name,
        overdraft,
        privacy,
    )

    ceiling, regime, over = account.ceiling, account.regime, account.overdrawn
    subject = "(any other)" if account.subject == ANY_OTHER else account.subject
    left = f"left {privacy(account.left.micro, regime, ceiling)}"
    if any(over):
        left = f"{overdraft(over, regime, ceiling)}: nothing more is granted"
    return (
        f"{account_name(account.scope, subject)}: {privacy(ceiling.micro, regime, ceiling)}, "
        f"spent {privacy(account.spent.micro, regime, ceiling)}, {left}"
    )


def _as_object(one: "FamilyStatement") -> dict[str, Any]:
    """As `_as_lines`, for a program; amounts in whole units, and as texts for people."""
    accounts = [
        {
            "scope": account.scope,
            "subject": account.subject,
            "ceiling": _amount(account.ceiling, account),
            "spent": _amount(account.spent, account),
            "left": _amount(account.left, account),
            "overdrawn": _amount(account.overdrawn, account),
        }
        for account in one.accounts
    ]
    charges = [
        {
            "id": charge.id,
            "state": charge.state,
            "at": charge.at.isoformat(),
            "by": charge.by,
            "purpose": charge.purpose,
            "recipient": charge.recipient,
            "request_sha256": charge.request,
            "version": charge.version,
            "charged": _amount(charge.charged, one.accounts[0]),
            "spent": _amount(charge.spent, one.accounts[0]),
        }
        for charge in one.charges
    ]
    unbounded = [
        {
            "id": release.id,
            "state": release.state,
            "at": release.created_at.isoformat(),
            "researcher": release.researcher,
            "title": release.title,
        }
        for release in one.unbounded
    ]
    return {
        "family": one.family,
        "regime": one.regime,
        "stopped": one.stopped,
        "accounts": accounts,
        "charges": charges,
        "no_dp_bound": unbounded,
    }


def _amount(amount: "Amount", of: "AccountStatement") -> dict[str, Any]:
    from pipelines.governance.ledger.words import privacy  # noqa: PLC0415

    text = privacy(amount.micro, of.regime, of.ceiling)
    return {"micro": amount.micro, "atto_delta": amount.atto_delta, "text": text}
