"""`kohort catalog`."""

import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import click

from pipelines.cli.options import acting, as_option, json_option, workspace_option
from pipelines.people import Duty
from pipelines.settings import find_workspace

_SHOWN: Final = 12

source_argument = click.argument("source")


@click.group()
def catalog() -> None:
    """Say what is public of a source: the courses and periods that aggregates are counted by.

    A grid of cells that came from the data would tell who is in it. So it is made of a catalogue
    that a steward writes and dates, and of the declaration; a request names the hash of both.
    """


@catalog.command(
    epilog="Example: kohort catalog new oulad --items AAA,BBB --periods week=-4..38 "
    "--learners 28785",
    short_help="Write a catalogue to be looked over.",
)
@source_argument
@click.option(
    "--items",
    metavar="A,B,C",
    help="The courses on offer. [default: what the source's own table of courses lists]",
)
@click.option(
    "--periods",
    multiple=True,
    metavar="COLUMN=FIRST..LAST",
    help="First and last day, or number of a relative week, of a column of time. Repeatable.",
)
@click.option(
    "--learners",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many learners the source has, if that is public.",
)
@workspace_option
@as_option
def new(
    source: str,
    *,
    items: str | None,
    periods: tuple[str, ...],
    learners: int | None,
    workspace: Path,
    claimed: str | None,
) -> None:
    """Write the catalogue of SOURCE into the workspace, dated today: a steward.

    No table about learners is read for it. Look it over: what it lists is told to everybody.
    """
    # Heavy imports on use: `--help` answers at once.
    from pipelines.aggregates.public import (  # noqa: PLC0415
        catalogue_text,
        item_columns,
        listed_items,
        public_of,
        write_catalogue,
    )

    found = find_workspace(workspace)
    acting(found, claimed).must_be(Duty.STEWARD)
    found.source(source)
    ranges = [_range(text) for text in periods]
    if items is not None:
        named = tuple(value.strip() for value in items.split(","))
        values = dict.fromkeys(item_columns(found, source), named)
    else:
        with tempfile.TemporaryDirectory(prefix="kohort-") as folder:
            values = listed_items(found, source, Path(folder))
    today = datetime.now(UTC).date()
    text = catalogue_text(today, learners=learners, items=values, periods=ranges)
    path = write_catalogue(found, source, text)
    click.echo(f"catalogue: {path}; look it over: what it lists is public from here on")
    click.echo(f"sha256: {public_of(found, source).sha256()}")


@catalog.command(
    epilog="Example: kohort catalog show oulad",
    short_help="What is public of a source, and its hash.",
)
@source_argument
@workspace_option
@json_option
def show(source: str, *, workspace: Path, as_json: bool) -> None:
    """Show what cells of aggregates of SOURCE may be told apart by, and the hash of all of it."""
    from pipelines.aggregates.public import public_of  # noqa: PLC0415

    public = public_of(find_workspace(workspace), source)
    catalogue, declared = public.catalogue, public.declared()
    if as_json:
        document = {
            "sha256": public.sha256(),
            **catalogue.model_dump(mode="json"),
            "declared": declared,
        }
        click.echo(json.dumps(document))
        return
    click.echo(f"sha256: {public.sha256()}")
    click.echo(f"dated: {catalogue.dated}")
    click.echo(f"learners: {catalogue.learners or 'not public'}")
    for name, values in catalogue.values.items():
        click.echo(f"{name}: {_some(values)}, (other)")
    for name, periods in catalogue.periods.items():
        click.echo(f"{name}: {periods.first} to {periods.last}, (other)")
    for name, levels in declared.items():
        for level, labels in enumerate(levels):
            click.echo(f"{name}, level {level}: {_some(labels)}")


def _some(labels: Sequence[str]) -> str:
    """The first of them, and how many there are; `--json` tells all."""
    shown = ", ".join(labels[:_SHOWN])
    return shown if len(labels) <= _SHOWN else f"{shown}, ... ({len(labels)} in all)"


def _range(text: str) -> tuple[str, str, str]:
    column, equals, both_ends = text.partition("=")
    first, dots, last = both_ends.partition("..")
    both = [_day(text) for text in (first, last)]
    if not (equals and dots and column.isidentifier()) or None in both:
        raise click.BadParameter(
            "write COLUMN=FIRST..LAST, of dates or of whole numbers", param_hint="--periods"
        )
    return column, str(both[0]), str(both[1])


def _day(text: str) -> str | None:
    """A day or a number, as TOML writes it."""
    if text.removeprefix("-").isdecimal():
        return str(int(text))
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None
