"""`kohort request`."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipelines.cli.options import (
    SHORT,
    acting,
    as_option,
    file_argument,
    json_option,
    read_text,
    workspace_option,
)
from pipelines.cli.request_check import check
from pipelines.cli.request_words import event, summary, visible
from pipelines.errors import OutputError, RegistryError
from pipelines.settings import Workspace, find_workspace

if TYPE_CHECKING:
    from sqlalchemy import Engine


_ID: Final = re.compile(r"[0-9a-fA-F]{6,64}")
_STATES: Final = ("submitted", "approved", "rejected", "withdrawn")
id_argument = click.argument("id_or_file", metavar="ID|FILE")
reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; the researcher reads it."
)


@click.group()
def request() -> None:
    """Ask for an extract, and decide on what others ask for.

    A request is known by the hash of what it asks (ID: its first digits, at least 6); a changed one
    is another one. Nobody decides on a request of his own.
    """


request.add_command(check)


@request.command(
    epilog="Example: kohort request new request.toml --source oulad",
    short_help="Write a request to start from.",
)
@file_argument
@click.option("--source", required=True, metavar="NAME", help="A source of the workspace.")
@click.option(
    "--type",
    "release_type",
    type=click.Choice(["microdata", "aggregate"]),
    default="microdata",
    show_default=True,
    help="What is released.",
)
@workspace_option
def new(file: Path, *, source: str, release_type: str, workspace: Path) -> None:
    """Write a request to start from into FILE, with all that could be asked for in comments."""
    # Heavy imports on use: `--help` answers at once.
    from pipelines.aggregates.public import public_of  # noqa: PLC0415
    from pipelines.aggregates.template import aggregate_template  # noqa: PLC0415
    from pipelines.governance.templates import template  # noqa: PLC0415
    from pipelines.sources.families import load_family  # noqa: PLC0415

    found = find_workspace(workspace)
    if release_type == "aggregate":
        written = aggregate_template(source, public_of(found, source), found.policy)
    else:
        family = load_family(found.source(source).family, base=found.root).family
        written = template(source, family, found.policy)
    try:
        with file.open("x", encoding="utf-8") as text:
            text.write(written)
    except FileExistsError:
        raise OutputError(f"{file} exists already; choose another name, or remove it") from None
    except OSError as error:
        raise OutputError(f"{file}: can't be written ({error.strerror})") from None
    click.echo(f"request: {file}; write in it who will hold the package, and what is needed")
    click.echo(f"next: kohort request check {file}")


@request.command(
    epilog="Example: kohort request submit request.toml --as r.lee@uni.example",
    short_help="Put a request before the stewards.",
)
@file_argument
@workspace_option
@as_option
@json_option
def submit(file: Path, *, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """Put FILE before the stewards: a researcher's own request, which the policy allows.

    Lists every violation at once (exit code 3); a refused request is not kept.
    """
    from pipelines.governance.requests import submit as do  # noqa: PLC0415
    from pipelines.requested import plan_request  # noqa: PLC0415

    found = find_workspace(workspace)
    actor, text = acting(found, claimed), read_text(file)
    sha256 = do(
        _registry(found), text, found, judge=plan_request, actor=actor, at=datetime.now(UTC)
    )
    _say_state(sha256, "submitted", as_json=as_json)
    if not as_json:
        click.echo(f"next: a steward runs kohort request approve {sha256[:SHORT]} --reason TEXT")


@request.command(
    epilog='Example: kohort request approve 3fa9c1d2 --reason "ethics board, 12 May" '
    "--as s.ahn@platform.example",
    short_help="Let a submitted request be built.",
)
@id_argument
@reason_option
@click.option(
    "--waive",
    "waived",
    multiple=True,
    metavar="COLUMN",
    help="A sensitive column that needs no maximum share of one value. May be repeated.",
)
@workspace_option
@as_option
@json_option
def approve(
    id_or_file: str,
    *,
    reason: str,
    waived: tuple[str, ...],
    workspace: Path,
    claimed: str | None,
    as_json: bool,
) -> None:
    """Let a submitted request be built: a steward, who neither asks for it nor submitted it.

    The policy is applied anew.
    """
    from pipelines.governance.registry_keys import demand_nameless  # noqa: PLC0415
    from pipelines.governance.requests import approve as do  # noqa: PLC0415
    from pipelines.requested import plan_request  # noqa: PLC0415

    found = find_workspace(workspace)
    actor, registry = acting(found, claimed), _registry(found)
    sha256 = _sha256(registry, id_or_file)
    demand_nameless(registry, found.root, reason)
    do(
        registry,
        sha256,
        found,
        judge=plan_request,
        reason=reason,
        waived=waived,
        actor=actor,
        at=datetime.now(UTC),
    )
    _say_state(sha256, "approved", as_json=as_json)


@request.command(
    epilog='Example: kohort request reject 3fa9c1d2 --reason "ask for fewer columns" '
    "--as s.ahn@platform.example",
    short_help="Refuse a request, or revoke its approval.",
)
@id_argument
@reason_option
@workspace_option
@as_option
@json_option
def reject(
    id_or_file: str, *, reason: str, workspace: Path, claimed: str | None, as_json: bool
) -> None:
    """Refuse a request: a steward, who neither asks for it nor submitted it.

    An approved request is approved no longer.
    """
    from pipelines.governance.registry_keys import demand_nameless  # noqa: PLC0415
    from pipelines.governance.requests import reject as do  # noqa: PLC0415

    found = find_workspace(workspace)
    actor, registry = acting(found, claimed), _registry(found)
    sha256 = _sha256(registry, id_or_file)
    demand_nameless(registry, found.root, reason)
    do(registry, sha256, found, reason=reason, actor=actor, at=datetime.now(UTC))
    _say_state(sha256, "rejected", as_json=as_json)


@request.command(
    epilog="Example: kohort request withdraw 3fa9c1d2 --as r.lee@uni.example",
    short_help="Take a request back.",
)
@id_argument
@workspace_option
@as_option
@json_option
def withdraw(id_or_file: str, *, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """Take a request back, approved or not: who submitted it."""
    from pipelines.governance.requests import withdraw as do  # noqa: PLC0415

    found = find_workspace(workspace)
    actor, registry = acting(found, claimed), _registry(found)
    sha256 = _sha256(registry, id_or_file)
    do(registry, sha256, found, actor=actor, at=datetime.now(UTC))
    _say_state(sha256, "withdrawn", as_json=as_json)


@request.command(
    "list", epilog="Example: kohort request list --state submitted", short_help="List requests."
)
@click.option("--state", type=click.Choice(_STATES), help="Of this state only.")
@workspace_option
@json_option
def list_(*, state: str | None, workspace: Path, as_json: bool) -> None:
    """List requests, one a line: ID, state, since when, researcher, title."""
    from pipelines.governance.submissions import RequestState, requests  # noqa: PLC0415

    wanted = None if state is None else RequestState(state)
    found = requests(_registry(find_workspace(workspace)), state=wanted)
    if as_json:
        click.echo(json.dumps({"requests": [summary(submission) for submission in found]}))
        return
    for each in found:
        since = each.steps[-1].at.date()
        short = each.sha256[:SHORT]
        click.echo(f"{short}  {each.state:9}  {since}  {each.researcher}  {each.title}")


@request.command(
    epilog="Example: kohort request show 3fa9c1d2",
    short_help="Show a request and what became of it.",
)
@id_argument
@workspace_option
@json_option
def show(id_or_file: str, *, workspace: Path, as_json: bool) -> None:
    """Show a request: its state, who did what with it, when and why, and its text."""
    from pipelines.governance.submissions import show as look  # noqa: PLC0415

    registry = _registry(find_workspace(workspace))
    found = look(registry, _sha256(registry, id_or_file))
    if as_json:
        steps = [event(step) for step in found.steps]
        click.echo(json.dumps({**summary(found), "events": steps, "text": found.text}))
        return
    click.echo(f"request: {found.sha256}")
    click.echo(f"state: {found.state}")
    for step in found.steps:
        waives = f", waives {', '.join(sorted(step.waived))}" if step.waived else ""
        why = f": {step.reason}" if step.reason else ""
        when = step.at.isoformat(timespec="seconds")
        click.echo(f"  {when}  {step.kind} by {step.actor}{waives}{why}")
    click.echo("\n" + visible(found.text).rstrip())


def _registry(workspace: Workspace) -> "Engine":
    from pipelines.governance.database import open_registry  # noqa: PLC0415

    return open_registry(workspace.database)


def _sha256(registry: "Engine", id_or_file: str) -> str:
    """The hash that is meant; a file whose name looks like an ID is written ./NAME."""
    from pipelines.governance.submissions import find  # noqa: PLC0415
    from pipelines.requested import read_request  # noqa: PLC0415

    if _ID.fullmatch(id_or_file):
        return find(registry, id_or_file.lower())
    file = Path(id_or_file)
    if not file.exists():
        raise RegistryError(
            f"{id_or_file}: neither an ID (6 to 64 hex digits; see `kohort request list`) nor a "
            "file"
        )
    return read_request(read_text(file)).sha256()


def _say_state(sha256: str, state: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"request_sha256": sha256, "state": state}))
    else:
        click.echo(f"request {sha256[:SHORT]}: {state}")
