"""`kohort init`."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from pipelines.cli.options import login
from pipelines.errors import KohortError
from pipelines.people import EVERY_DUTY, Actor, Duty
from pipelines.settings import (
    SourceSettings,
    create_workspace,
    find_workspace,
    remove_workspace,
)

_SQLITE: Final = "sqlite:///"


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
@click.option(
    "--person",
    "people",
    multiple=True,
    metavar="ADDRESS=DUTY[,DUTY]",
    help="Who may act here: as researcher, steward, engineer. May be repeated.",
)
@click.option(
    "--database", metavar="URL", help="A team's postgresql+psycopg://... [default: SQLite]"
)
def init(
    directory: Path,
    *,
    local: bool,
    sources: tuple[str, ...],
    people: tuple[str, ...],
    database: str | None,
) -> None:
    """Write a workspace into DIRECTORY: kohort.toml, policy.toml, the registry, keys."""
    named = [_source(text) for text in sources]
    twice = [name for name, _ in named if sum(name == other for other, _ in named) > 1]
    if twice:
        raise click.BadParameter(f"two sources are named {twice[0]}", param_hint="--source")
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.database import create_registry, open_registry  # noqa: PLC0415
    from pipelines.governance.registry_keys import (  # noqa: PLC0415
        record_registry_key,
        registry_key_of,
    )
    from pipelines.sources import load_family, open_source  # noqa: PLC0415

    for _, source in named:  # what can't be opened now would only fail later
        load_family(source.family)
        open_source(source.location, base=directory)
    new_key = create_workspace(
        directory,
        local=local,
        sources=dict(named),
        people=dict(_person(text) for text in people),
        database=database,
    )
    try:
        address = find_workspace(directory).database
        if new_key:
            registry, who = create_registry(address), login()
            actor = Actor(who, who, EVERY_DUTY)
            record_registry_key(registry, directory, actor=actor, at=datetime.now(UTC))
        else:  # a second workspace of a team, or one from a backup: the key is of its registry
            registry_key_of(open_registry(address), directory)
    except KohortError:  # such as a server that is down: the next try starts anew
        remove_workspace(directory, new_key=new_key)
        raise
    click.echo(f"workspace: {directory}")
    click.echo("next: kohort source check, kohort rights import, kohort build")


def _person(text: str) -> tuple[str, list[Duty]]:
    address, equals, duties = text.partition("=")
    named = duties.split(",")
    if not (equals and re.fullmatch(r"[^@\s]+@[^@\s]+", address) and {*named} <= {*Duty}):
        raise click.BadParameter(
            f"write ADDRESS=DUTY, DUTY of {', '.join(Duty)}", param_hint="--person"
        )
    return address, [Duty(duty) for duty in named]


def _source(text: str) -> tuple[str, SourceSettings]:
    name, equals, rest = text.partition("=")
    family, colon, location = rest.partition(":")
    if not (equals and family and colon and location and re.fullmatch("[A-Za-z0-9_-]+", name)):
        raise click.BadParameter(
            "write NAME=FAMILY:LOCATION, NAME of letters, digits, _ and -", param_hint="--source"
        )
    # The workspace may lie elsewhere than here: keep where the data really is.
    if location.startswith(_SQLITE):
        location = _SQLITE + str(Path(location.removeprefix(_SQLITE)).resolve())
    elif "://" not in location:
        location = str(Path(location).resolve())
    if family.endswith(".toml"):
        family = str(Path(family).resolve())
    return name, SourceSettings(family=family, location=location)
