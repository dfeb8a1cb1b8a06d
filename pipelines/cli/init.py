"""`kohort init`."""

from pathlib import Path

import click

from pipelines.settings import SourceSettings, create_workspace, find_workspace


@click.command(epilog="Example: kohort init study --local --source oulad=oulad:data/oulad")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--local", is_flag=True, help="Builds need no approval: one person, own data.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME=FAMILY:LOCATION",
    help="A source to start with; FAMILY is coursera, oulad or a declaration's path, LOCATION a "
    "zip, a folder or an SQLAlchemy URL. May be repeated.",
)
def init(directory: Path, *, local: bool, sources: tuple[str, ...]) -> None:
    """Write a workspace into DIRECTORY: kohort.toml, policy.toml, the rights registry, keys."""
    create_workspace(directory, local=local, sources=dict(_source(text) for text in sources))
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.rights import open_registry  # noqa: PLC0415

    open_registry(find_workspace(directory).database)
    click.echo(f"workspace: {directory}")
    click.echo("next: kohort source check, kohort rights import, kohort build")


def _source(text: str) -> tuple[str, SourceSettings]:
    name, equals, rest = text.partition("=")
    family, colon, location = rest.partition(":")
    if not (name and equals and family and colon and location):
        raise click.BadParameter("write NAME=FAMILY:LOCATION", param_hint="--source")
    if "://" not in location:
        # The workspace may lie elsewhere than here: keep where the data really is.
        location = str(Path(location).resolve())
    if family.endswith(".toml"):
        family = str(Path(family).resolve())
    return name, SourceSettings(family=family, location=location)
