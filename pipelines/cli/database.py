"""`kohort database`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from pipelines.cli.options import acting, as_option, json_option, workspace_option
from pipelines.people import Duty


@click.group()
def database() -> None:
    """See, back up or upgrade the registry: SQLite here, or a team's PostgreSQL."""


@database.command(
    epilog="Example: kohort database show --workspace oulad",
    short_help="Where it is, its revision, its number of rows.",
)
@workspace_option
@json_option
def show(*, workspace: Path, as_json: bool) -> None:
    """Say which database the workspace uses, at which revision, and how many rows it holds."""
    from pipelines.governance.database import place, registry_contents  # noqa: PLC0415
    from pipelines.settings import find_workspace  # noqa: PLC0415

    url = find_workspace(workspace).database
    contents = registry_contents(url)
    if as_json:
        shown = {"kind": url.get_backend_name(), "place": place(url), "current": contents.current}
        shown |= {"revision": contents.revision, "rows": dict(contents.rows)}
        click.echo(json.dumps(shown, indent=2))
        return
    click.echo(f"{url.get_backend_name()}: {place(url)}")
    behind = "" if contents.current else " (an older one: run `kohort database upgrade`)"
    click.echo(f"revision: {contents.revision}{behind}")
    for name, number in contents.rows.items():
        click.echo(f"  {name}: {number} rows")


@database.command(
    epilog="Example: kohort database upgrade --as e.diaz@platform.example",
    short_help="Bring it up to date.",
)
@workspace_option
@as_option
def upgrade(*, workspace: Path, claimed: str | None) -> None:
    """Bring the database to the revision that this version of kohort needs; its rows stay.

    A team's PostgreSQL waits for this command, as others may still use the older version: back it
    up first. A SQLite registry is upgraded by whichever command opens it.
    """
    from pipelines.governance.database import REVISIONS, upgrade_registry  # noqa: PLC0415
    from pipelines.settings import find_workspace  # noqa: PLC0415

    found = find_workspace(workspace)
    actor = acting(found, claimed)
    actor.must_be(Duty.ENGINEER)
    revision = upgrade_registry(found.database, actor=actor, at=datetime.now(UTC))
    if revision == REVISIONS[-1]:
        click.echo(f"revision: {revision}, as it was")
    else:
        click.echo(f"revision: {REVISIONS[-1]}, was {revision}")


@database.command(
    epilog="Example: kohort database backup --out backup/kohort.sqlite",
    short_help="Copy a SQLite registry while others use it.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A new file; keep it with a copy of keys/, apart from the packages.",
)
@workspace_option
@as_option
def backup(*, out: Path, workspace: Path, claimed: str | None) -> None:
    """Copy the SQLite registry of the workspace into a new file.

    docs/operations.md says what else belongs into a backup, and how to restore it. A PostgreSQL
    database is backed up with pg_dump.
    """
    from pipelines.governance.backup import back_up  # noqa: PLC0415
    from pipelines.settings import find_workspace  # noqa: PLC0415

    found = find_workspace(workspace)
    actor = acting(found, claimed)
    head = back_up(found.database, out, actor=actor, at=datetime.now(UTC))
    click.echo(f"{out}: a copy of the registry, {head.entry} entries")
    click.echo(f"audit: {head.hash}")
