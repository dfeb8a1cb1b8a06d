"""`kohort source`."""

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.group()
def source() -> None:
    """Look at a source without releasing anything."""


@source.command(
    epilog="Example: kohort source check export.zip --family coursera",
    short_help="Compare a source with its declaration.",
)
@click.argument("name_or_location")
@click.option(
    "--family",
    help="coursera, oulad or a declaration's path: the argument is then a location (a zip, a "
    "folder or an SQLAlchemy URL), not a source of the workspace.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where to look for kohort.toml, upward.",
)
def check(name_or_location: str, *, family: str | None, as_json: bool, workspace: Path) -> None:
    """Compare a source with its declaration: tables, columns, rows, id domains, plain ids.

    Prints names and counts, never values. Warnings leave the exit code at 0; it is 4 where a
    declared table can't be read at all.
    """
    from pipelines.errors import SourceError  # noqa: PLC0415 - `--help` answers at once
    from pipelines.settings import find_workspace  # noqa: PLC0415
    from pipelines.sources.check import check_source  # noqa: PLC0415
    from pipelines.sources.families import load_family  # noqa: PLC0415
    from pipelines.sources.open import open_source  # noqa: PLC0415

    base, location = Path(), name_or_location
    if family is None:
        found = find_workspace(workspace)
        settings = found.source(name_or_location)
        base, location, family = found.root, settings.location, settings.family
    report = check_source(open_source(location, base=base), load_family(family, base=base).family)
    if as_json:
        click.echo(json.dumps({**asdict(report), "warnings": report.warnings()}, indent=2))
    else:
        click.echo(f"{report.location}: family {report.family}")
        if report.partner is not None:
            click.echo(f"partner: {report.partner}")
        for table in report.tables:
            if table.status == "declared":
                domain = f", ids: {table.id_domain}" if table.id_domain else ""
                name = table.name.replace("{partner}", report.partner or "{partner}")
                click.echo(f"  {name}: {table.rows} rows{domain}")
        by_status = {s: sum(t.status == s for t in report.tables) for s in ("dropped", "absent")}
        click.echo(
            f"known and never read: {by_status['dropped']} tables; "
            f"declared but absent: {by_status['absent']}"
        )
        for line in report.warnings():
            click.echo(f"warning: {line}")
    if unreadable := [table.name for table in report.tables if table.status == "unreadable"]:
        raise SourceError(f"{report.location}: can't be read: table {', table '.join(unreadable)}")
