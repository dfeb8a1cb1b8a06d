"""`kohort rights`: record what learners permit."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from pipelines.cli.options import json_option, workspace_option
from pipelines.keys import registry_key
from pipelines.settings import Workspace, find_workspace

_EXAMPLES: Final = """\b
Examples:
  kohort rights import consent.csv
  kohort rights import --all-in oulad --state granted \\
      --legal-basis published-dataset --note "OULAD is published under CC BY 4.0"
"""


@click.group()
def rights() -> None:
    """Record what learners permit. No record means no."""


@rights.command("import", epilog=_EXAMPLES)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--all-in", "source", metavar="SOURCE", help="Record one basis for a whole source.")
@click.option(
    "--state",
    type=click.Choice(["granted"]),
    help="With --all-in: nothing else is recorded for a whole source.",
)
@click.option("--legal-basis", metavar="BASIS", help="With --all-in: such as published-dataset.")
@click.option("--note", metavar="TEXT", help="With --all-in: why that basis holds.")
@workspace_option
@json_option
def import_(
    *,
    file: Path | None,
    source: str | None,
    state: str | None,
    legal_basis: str | None,
    note: str | None,
    workspace: Path,
    as_json: bool,
) -> None:
    """Record a rights FILE, or one legal basis for all learners of a source.

    FILE is a CSV with the columns learner_id, purpose, scope, state, legal_basis, jurisdiction,
    notice_version, effective_from, effective_to, source. One bad line refuses the whole file. A
    basis for a whole source never overrides a learner's own stricter state.
    """
    if file is not None and not any((source, state, legal_basis, note)):
        _import_file(file, find_workspace(workspace), as_json=as_json)
    elif file is None and source and state and legal_basis and note:
        found = find_workspace(workspace)
        _record_basis(source, legal_basis, note, workspace=found, as_json=as_json)
    else:
        raise click.UsageError(
            "give either FILE, or all of --all-in, --state, --legal-basis and --note"
        )


def _import_file(file: Path, workspace: Workspace, *, as_json: bool) -> None:
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.rights import import_rights  # noqa: PLC0415

    result = import_rights(
        open_registry(workspace.database),
        file,
        registry_key=registry_key(workspace.root),
        received_at=datetime.now(UTC),
    )
    if as_json:
        click.echo(json.dumps({"imported": dict(result.counts)}))
        return
    states = ", ".join(f"{count:,} {state}" for state, count in result.counts.items())
    click.echo(f"{file}: recorded {states}")


def _record_basis(
    source: str,
    legal_basis: str,
    note: str,
    *,
    workspace: Workspace,
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
    )
    if as_json:
        said = {"source": source, "state": state, "legal_basis": legal_basis, "note": note}
        click.echo(json.dumps({"dataset_basis": said}))
        return
    click.echo(f"recorded for ALL learners of source '{source}', for any purpose: {state}")
    click.echo(f"  legal basis: {legal_basis}")
    click.echo(f"  note: {note}")
    click.echo("  A learner's own stricter state still wins.")
