"""`kohort release`: what was given out, to whom, and taking it back."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipelines.cli.options import acting, as_option, json_option, workspace_option
from pipelines.cli.release_pseudonyms import pseudonyms
from pipelines.cli.release_text import as_line, as_lines, as_object, notice, still_to_confirm
from pipelines.people import Actor, Duty
from pipelines.settings import Workspace, find_workspace

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from sqlalchemy import Engine

STATES: Final = ("reserved", "failed", "served", "superseded", "recalled", "expired")

_release_argument = click.argument("release_id", metavar="RELEASE")
_reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; it names no learner."
)


@click.group()
def release() -> None:
    """See, share, recall and expire releases.

    RELEASE is a release's id, or how it starts.
    """


release.add_command(pseudonyms)


@release.command("list", epilog="Example: kohort release list --state served")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@workspace_option
@as_option
@json_option
def list_(*, state: str | None, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """List every release, oldest first."""
    # Heavy imports on use, here and below: `--help` answers at once.
    from pipelines.governance.releases import releases  # noqa: PLC0415

    _, _, registry = _open(workspace, claimed, *Duty)
    found = [one for one in releases(registry) if state in {None, one.state}]
    if as_json:
        click.echo(json.dumps({"releases": [as_object(one) for one in found]}))
        return
    for one in found:
        click.echo(as_line(one))
    if not found:
        click.echo("no release" if state is None else f"no release is {state}")


@release.command(epilog="Example: kohort release show 1f00a3c2")
@_release_argument
@workspace_option
@as_option
@json_option
def show(release_id: str, *, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """Show what a release promised, who has it, and what became of it."""
    from pipelines.governance import releases  # noqa: PLC0415

    _, _, registry = _open(workspace, claimed, *Duty)
    found = releases.release(registry, release_id)
    if as_json:
        click.echo(json.dumps(as_object(found)))
        return
    _tell(as_lines(found))


@release.command(epilog='Example: kohort release recall 1f00a3c2 --reason "a learner was erased"')
@_release_argument
@_reason_option
@workspace_option
@as_option
@json_option
def recall(
    release_id: str, *, reason: str, workspace: Path, claimed: str | None, as_json: bool
) -> None:
    """Take a release back, and print the notice to its recipients; the reason stands in it.

    It is never given out again. It counts against later releases until every recipient has
    confirmed that he destroyed it.
    """
    from pipelines.governance import releases  # noqa: PLC0415
    from pipelines.governance.registry_keys import demand_nameless  # noqa: PLC0415
    from pipelines.store import discard_ended  # noqa: PLC0415

    found, actor, registry = _open(workspace, claimed, Duty.STEWARD)
    now = datetime.now(UTC)
    demand_nameless(registry, found.root, reason)
    recalled = releases.recall(registry, release_id, reason=reason, actor=actor, at=now)
    discard_ended(found.root, recalled)
    said = notice(recalled, f"is recalled: {reason.strip().rstrip('.')}")
    if as_json:
        click.echo(json.dumps(as_object(recalled) | {"notice": said}))
        return
    click.echo(f"release {recalled.id} is recalled; nobody is given it again")
    click.echo(f"notice to its recipients:\n  {said}")
    _tell(still_to_confirm(recalled))


@release.command(epilog="Example: kohort release confirm 1f00a3c2 --recipient r.lee@uni.example")
@_release_argument
@click.option("--recipient", required=True, metavar="ADDRESS", help="Who destroyed his copies.")
@workspace_option
@as_option
@json_option
def confirm(
    release_id: str, *, recipient: str, workspace: Path, claimed: str | None, as_json: bool
) -> None:
    """Record that a recipient says that he destroyed every copy.

    The release must have ended: recalled, expired or superseded.
    """
    from pipelines.governance import releases  # noqa: PLC0415
    from pipelines.store import discard_ended  # noqa: PLC0415

    found, actor, registry = _open(workspace, claimed, Duty.STEWARD)
    now = datetime.now(UTC)
    changed = releases.confirm(registry, release_id, recipient=recipient, actor=actor, at=now)
    discard_ended(found.root, changed)
    if as_json:
        click.echo(json.dumps(as_object(changed)))
        return
    click.echo(f"release {changed.id}: recorded that {recipient} destroyed it")
    _tell(still_to_confirm(changed))


@release.command(epilog="Example: kohort release expire --dry-run")
@click.option("--dry-run", is_flag=True, help="Only list what is past its last day.")
@workspace_option
@as_option
@json_option
def expire(*, dry_run: bool, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """End every release that may be kept no longer; its record stays as a tombstone."""
    from pipelines.governance import releases  # noqa: PLC0415
    from pipelines.store import discard_ended  # noqa: PLC0415

    found, actor, registry = _open(workspace, claimed, *(Duty if dry_run else (Duty.STEWARD,)))
    now = datetime.now(UTC)
    if dry_run:
        ended = releases.due(registry, now.date())
    else:
        ended = releases.expire(registry, today=now.date(), actor=actor, at=now)
        for one in ended:
            discard_ended(found.root, one)
    if as_json:
        shown = [as_object(one) | {"notice": notice(one, "has expired")} for one in ended]
        click.echo(json.dumps({"dry_run": dry_run, "releases": shown}))
        return
    for one in ended:
        click.echo(f"release {one.id}  {one.title}: last day {one.expires_on}")
        if not dry_run:
            click.echo(f"notice to its recipients:\n  {notice(one, 'has expired')}")
            _tell(still_to_confirm(one))
    if not ended:
        click.echo("no release is past its last day")
    elif dry_run:
        click.echo("next: kohort release expire")


@release.command(epilog="Example: kohort release share 1f00a3c2 m.cruz@uni.example")
@_release_argument
@click.argument("address", metavar="ADDRESS")
@workspace_option
@as_option
@json_option
def share(
    release_id: str, *, address: str, workspace: Path, claimed: str | None, as_json: bool
) -> None:
    """Record that ADDRESS gets a release too, if the policy's sharing rules allow it.

    The release is microdata, is served, and its access is controlled. ADDRESS must confirm its
    destruction one day. An aggregate is charged to its researcher: others ask for it themselves.
    """
    from pipelines.governance import releases  # noqa: PLC0415
    from pipelines.governance.identities import aliases  # noqa: PLC0415
    from pipelines.governance.registry_keys import registry_key_of  # noqa: PLC0415
    from pipelines.governance.rights import other_names  # noqa: PLC0415
    from pipelines.sources import load_family  # noqa: PLC0415
    from pipelines.store import stored  # noqa: PLC0415

    found, actor, registry = _open(workspace, claimed, Duty.STEWARD)
    status = releases.release(registry, release_id)
    family, _ = load_family(found.source(status.source).family, base=found.root)
    people, key = aliases(found), registry_key_of(registry, found.root)
    changed = releases.share(
        registry,
        release_id,
        recipient=address,
        policy=found.policy,
        names=None if people is None else other_names(people, key),
        registry_key=key,
        by_course=status.item == family.item,
        actor=actor,
        at=datetime.now(UTC),
    )
    if as_json:
        click.echo(json.dumps(as_object(changed)))
        return
    click.echo(f"release {changed.id} is shared with {changed.recipients[-1]}")
    if (kept := stored(found.root, changed.id)) is not None:
        click.echo(f"give him a copy of {kept.package}")


@release.command(
    "destroy-key",
    epilog='Example: kohort release destroy-key 1f00a3c2 --reason "the study is over"',
)
@_release_argument
@_reason_option
@workspace_option
@as_option
@json_option
def destroy_key(
    release_id: str, *, reason: str, workspace: Path, claimed: str | None, as_json: bool
) -> None:
    """Destroy the key that a release's pseudonyms were made under.

    From then on nobody can tell which learner a pseudonym is, or check that a learner is absent.
    The release must have ended: recalled, expired or superseded.
    """
    from pipelines.governance import releases  # noqa: PLC0415
    from pipelines.governance.registry_keys import demand_nameless  # noqa: PLC0415
    from pipelines.keys import destroy_release_key  # noqa: PLC0415

    found, actor, registry = _open(workspace, claimed, Duty.STEWARD)
    demand_nameless(registry, found.root, reason)
    changed = releases.destroy_key(
        registry,
        release_id,
        reason=reason,
        actor=actor,
        at=datetime.now(UTC),
        destroy=lambda full_id: destroy_release_key(found.root, full_id),
    )
    if as_json:
        click.echo(json.dumps(as_object(changed)))
        return
    click.echo(f"release {changed.id}: its key is destroyed")
    click.echo("copies of it in your backups are yours to destroy")


def _open(workspace: Path, claimed: str | None, *duties: Duty) -> "tuple[Workspace, Actor, Engine]":
    """The workspace, who acts in it, and its registry; for these duties alone."""
    from pipelines.governance.database import open_registry  # noqa: PLC0415

    found = find_workspace(workspace)
    actor = acting(found, claimed)
    actor.must_be(*duties)
    return found, actor, open_registry(found.database)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
