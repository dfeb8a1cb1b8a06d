"""`kohort rights`: what learners permit, and what they ask."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipelines.cli.options import acting, as_option, json_option, workspace_option
from pipelines.cli.rights_erase import erase
from pipelines.cli.rights_set import object_, restrict, set_
from pipelines.cli.rights_show import show
from pipelines.people import Actor
from pipelines.settings import Workspace, find_workspace

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from pipelines.governance.rights import ImportResult

_EXAMPLES: Final = """\b
Examples:
  kohort rights import consent.csv
  kohort rights import --from-database postgresql+psycopg://crm.example/crm --table consent
  kohort rights import --all-in oulad --state granted \\
      --legal-basis published-dataset --note "OULAD is published under CC BY 4.0"
"""


@click.group()
def rights() -> None:
    """What learners permit, and what they ask. No record means no.

    The duties of the law are one command each: access is `show`, withdrawing and consenting anew
    `set`, restriction `restrict`, objection `object`, erasure `erase`. What was recorded is never
    changed: the strictest of all that holds decides.
    """


for command in (set_, show, restrict, object_, erase):
    rights.add_command(command)


@rights.command("import", epilog=_EXAMPLES)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from-database", "url", metavar="URL", help="Record a table of this database.")
@click.option("--table", metavar="NAME", help="With --from-database: which.")
@click.option("--all-in", "source", metavar="SOURCE", help="Record one basis for a whole source.")
@click.option(
    "--state",
    type=click.Choice(["granted"]),
    help="With --all-in: nothing else is recorded for a whole source.",
)
@click.option("--legal-basis", metavar="BASIS", help="With --all-in: such as published-dataset.")
@click.option("--note", metavar="TEXT", help="With --all-in: why that basis holds.")
@workspace_option
@as_option
@json_option
def import_(
    *,
    file: Path | None,
    url: str | None,
    table: str | None,
    source: str | None,
    state: str | None,
    legal_basis: str | None,
    note: str | None,
    workspace: Path,
    claimed: str | None,
    as_json: bool,
) -> None:
    """Record a rights FILE, a table of a database, or one basis for all learners of a source.

    FILE is CSV or Parquet. It, or the table, has the columns learner_id, purpose, scope, state,
    legal_basis, jurisdiction, notice_version, effective_from, effective_to, source; and, where a
    line ends a state of earlier ones, ends. One bad line refuses all. A basis for a whole source
    never overrides a learner's own stricter state.
    """
    basis, database = (source, state, legal_basis, note), (url, table)
    if file is not None and not any((*basis, *database)):
        place = find_workspace(workspace)
        result = _import_file(file, place, acting(place, claimed))
        _answer(str(file), result, as_json=as_json)
    elif file is None and url and table and not any(basis):
        place = find_workspace(workspace)
        result = _import_table(url, table, place, acting(place, claimed))
        _answer(f"table {table}", result, as_json=as_json)
    elif file is None and source and state and legal_basis and note and not any(database):
        place = find_workspace(workspace)
        actor = acting(place, claimed)
        _record_basis(source, legal_basis, note, workspace=place, actor=actor, as_json=as_json)
    else:
        raise click.UsageError(
            "give either FILE, or all of --from-database and --table, or all of --all-in, "
            "--state, --legal-basis and --note"
        )


def _import_file(file: Path, workspace: Workspace, actor: Actor) -> "ImportResult":
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.registry_keys import registry_key_of  # noqa: PLC0415
    from pipelines.governance.rights import import_rights  # noqa: PLC0415

    registry = open_registry(workspace.database)
    return import_rights(
        registry,
        file,
        registry_key=registry_key_of(registry, workspace.root),
        received_at=datetime.now(UTC),
        actor=actor,
    )


def _import_table(url: str, table: str, workspace: Workspace, actor: Actor) -> "ImportResult":
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.registry_keys import registry_key_of  # noqa: PLC0415
    from pipelines.governance.rights import import_rights_table  # noqa: PLC0415

    registry = open_registry(workspace.database)
    return import_rights_table(
        registry,
        url,
        table,
        base=Path(),
        registry_key=registry_key_of(registry, workspace.root),
        received_at=datetime.now(UTC),
        actor=actor,
    )


def _answer(subject: str, result: "ImportResult", *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"imported": dict(result.counts)}))
        return
    states = ", ".join(f"{count:,} {state}" for state, count in result.counts.items())
    click.echo(f"{subject}: recorded {states}")


def _record_basis(
    source: str,
    legal_basis: str,
    note: str,
    *,
    workspace: Workspace,
    actor: Actor,
    as_json: bool,
) -> None:
    # Heavy imports on use: `--help` answers at once.
    from anonymizer.eligibility import State  # noqa: PLC0415
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.rights import record_dataset_basis  # noqa: PLC0415

    state = State.GRANTED
    workspace.source(source)  # refuses a name that the workspace does not have
    now = datetime.now(UTC)
    record_dataset_basis(
        open_registry(workspace.database),
        source=source,
        state=state,
        legal_basis=legal_basis,
        note=note,
        received_at=now,
        effective_from=now,
        actor=actor,
    )
    if as_json:
        said = {"source": source, "state": state, "legal_basis": legal_basis, "note": note}
        click.echo(json.dumps({"dataset_basis": said}))
        return
    click.echo(f"recorded for ALL learners of source '{source}', for any purpose: {state}")
    click.echo(f"  legal basis: {legal_basis}")
    click.echo(f"  note: {note}")
    click.echo("  A learner's own stricter state still wins.")
