"""`kohort key`: what keys there are, sealing them under a master key, destroying them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.key_rotate import rotate
from pipelines.cli.options import acting, as_option, json_option, workspace_option
from pipelines.people import Actor, Duty
from pipelines.settings import Workspace, find_workspace

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from sqlalchemy import Engine

    from pipelines.governance.key_inventory import KeyEntry
    from pipelines.keys import Rewrapped

_reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; it names no learner."
)


@click.group()
def key() -> None:
    """List, seal, rotate and destroy keys. No command ever shows one.

    Keys lie in the workspace's folder keys/, for their owner only. Where KOHORT_MASTER_KEY is set
    (the base64 of 32 bytes), every key that is made is sealed under it.
    """


key.add_command(rotate)


@key.command("list", epilog="Example: kohort key list --json")
@workspace_option
@as_option
@json_option
def list_(*, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """List every key: what it is for, its id, how it lies here, when it was made and destroyed.

    An id tells keys apart; nobody computes a key from it. One that was made before keys were
    recorded was made when it was first found.
    """
    # Heavy imports on use, here and below: `--help` answers at once.
    from pipelines.governance.key_inventory import key_inventory  # noqa: PLC0415

    found, _, registry = _open(workspace, claimed, Duty.ENGINEER, Duty.STEWARD)
    entries = key_inventory(registry, found.root)
    if as_json:
        click.echo(json.dumps({"keys": [_as_object(one) for one in entries]}))
        return
    for one in entries:
        click.echo(_as_line(one))


@key.command(epilog="Example: KOHORT_MASTER_KEY=$(cat /run/secrets/master) kohort key seal")
@workspace_option
@as_option
@json_option
def seal(*, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """Seal every key under KOHORT_MASTER_KEY, the base64 of 32 bytes.

    To change the master key, set KOHORT_OLD_MASTER_KEY to the old one: every key is sealed anew. A
    run that was cut off is repeated; until then keys are read with both variables set. Without the
    master key nobody opens a sealed key: keep it apart from backups of the workspace.
    """
    from pipelines.governance.key_sealing import seal_keys  # noqa: PLC0415

    found, actor, registry = _open(workspace, claimed, Duty.ENGINEER, Duty.STEWARD)
    done = seal_keys(registry, found.root, actor=actor, at=datetime.now(UTC))
    _tell_rewrapped(done, f"sealed under master key {done.master}", as_json=as_json)


@key.command(epilog="Example: kohort key unseal")
@workspace_option
@as_option
@json_option
def unseal(*, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """Have every key lie plain again, for its owner only; then unset KOHORT_MASTER_KEY."""
    from pipelines.governance.key_sealing import unseal_keys  # noqa: PLC0415

    found, actor, registry = _open(workspace, claimed, Duty.ENGINEER, Duty.STEWARD)
    done = unseal_keys(registry, found.root, actor=actor, at=datetime.now(UTC))
    _tell_rewrapped(done, "plain", as_json=as_json)


@key.command(
    "destroy-project",
    epilog='Example: kohort key destroy-project dropout --reason "the study is over"',
)
@click.argument("project", metavar="PROJECT")
@_reason_option
@workspace_option
@as_option
@json_option
def destroy_project(
    project: str, *, reason: str, workspace: Path, claimed: str | None, as_json: bool
) -> None:
    """Destroy the key under which the releases of a project are linked.

    From then on nobody can tell which learner a pseudonym of theirs is, or check that a learner is
    absent. All of them must have ended: recalled, expired or superseded. The next linked release of
    the project gets a new key, and is linked with none of these.
    """
    from pipelines.governance.key_destruction import destroy_project_key  # noqa: PLC0415

    found, actor, registry = _open(workspace, claimed, Duty.STEWARD)
    now = datetime.now(UTC)
    keyless = destroy_project_key(registry, found.root, project, reason=reason, actor=actor, at=now)
    if as_json:
        click.echo(json.dumps({"project": project, "releases": keyless}))
        return
    click.echo(f"project {project}: its key is destroyed")
    for one in keyless:
        click.echo(f"release {one}: nobody can tell its pseudonyms any more")
    click.echo("copies of it in your backups are yours to destroy")


@key.command(
    "destroy-registry",
    epilog='Example: kohort key destroy-registry --reason "the platform closes" --yes',
)
@_reason_option
@click.option("--yes", is_flag=True, help="It is meant: this can't be taken back.")
@workspace_option
@as_option
@json_option
def destroy_registry(
    *, reason: str, yes: bool, workspace: Path, claimed: str | None, as_json: bool
) -> None:
    """Destroy the key under which the registry knows learners: the end of the workspace.

    From then on no right can be read or recorded, no erased learner is recognized, and nothing can
    be built. No release may be live: all must have ended, and their destruction be confirmed.
    """
    from pipelines.governance.key_destruction import destroy_registry_key  # noqa: PLC0415

    found, actor, registry = _open(workspace, claimed, Duty.STEWARD)
    if not yes:
        raise click.UsageError(
            "--yes: no rights can be read after this, and nothing can be built; say --yes if that "
            "is meant"
        )
    destroy_registry_key(registry, found.root, reason=reason, actor=actor, at=datetime.now(UTC))
    if as_json:
        click.echo(json.dumps({"destroyed": "registry"}))
        return
    click.echo("the registry key is destroyed: the registry knows nobody any more")
    click.echo("copies of it in your backups are yours to destroy")


def _open(workspace: Path, claimed: str | None, *duties: Duty) -> "tuple[Workspace, Actor, Engine]":
    """The workspace, who acts in it, and its registry; for these duties alone."""
    from pipelines.governance.database import open_registry  # noqa: PLC0415

    found = find_workspace(workspace)
    actor = acting(found, claimed)
    actor.must_be(*duties)
    return found, actor, open_registry(found.database)


def _tell_rewrapped(done: "Rewrapped", how: str, *, as_json: bool) -> None:
    if as_json:
        said = {"keys": done.secrets, "changed": done.changed, "master": done.master}
        click.echo(json.dumps(said))
        return
    click.echo(f"{done.secrets} keys are {how}; {done.changed} of them were not before")


def _as_line(one: "KeyEntry") -> str:
    under = "" if one.sealed_by is None else f" by {one.sealed_by}"
    made = "not on record" if one.made_at is None else f"made {one.made_at:%Y-%m-%d}"
    gone = "" if one.destroyed_at is None else f", destroyed {one.destroyed_at:%Y-%m-%d}"
    cut_off = "" if not gone or one.state == "destroyed" else "; its file is here: kohort recover"
    what = f"{one.kind} {one.name}".strip()
    return f"{what:<26}  {one.key_id or '-':<16}  {one.state}{under}, {made}{gone}{cut_off}"


def _as_object(one: "KeyEntry") -> dict[str, Any]:
    return {
        "kind": one.kind,
        "name": one.name,
        "key_id": one.key_id,
        "state": one.state,
        "sealed_by": one.sealed_by,
        "made_at": None if one.made_at is None else one.made_at.isoformat(),
        "destroyed_at": None if one.destroyed_at is None else one.destroyed_at.isoformat(),
    }
