"""`kohort synth`: make synthetic learners."""

import json
from pathlib import Path
from typing import Final

import click

from pipelines.cli.options import json_option

_EXAMPLES: Final = """\b
Examples:
  kohort synth raw --out world --learners 5000 --courses 12 --rights-csv rights.csv
  kohort init study --local --source world=coursera:world
"""


@click.group()
def synth() -> None:
    """Make synthetic learners: invented, so there is nobody to protect."""


@synth.command(epilog=_EXAMPLES)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="A new or empty folder.",
)
@click.option(
    "--learners", type=click.IntRange(min=1), default=5_000, show_default=True, help="How many."
)
@click.option(
    "--courses", type=click.IntRange(min=1), default=12, show_default=True, help="How many."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed gives the same world.",
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["parquet", "sqlite"]),
    default="parquet",
    show_default=True,
    help="One Parquet file a table, or one SQLite database.",
)
@click.option(
    "--rights-csv",
    "rights_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write what these learners permitted, for `kohort rights import`; outside DIR.",
)
@json_option
def raw(
    *,
    out: Path,
    learners: int,
    courses: int,
    seed: int,
    fmt: str,
    rights_file: Path | None,
    as_json: bool,
) -> None:
    """Write raw tables in the shape of a Coursera research data export."""
    # Heavy imports on use: `--help` answers at once.
    from pipelines.synthetic import write_rights, write_world  # noqa: PLC0415
    from synth.world import make_world  # noqa: PLC0415

    world = make_world(learners, courses=courses, seed=seed)
    location = write_world(world, out, fmt=fmt)
    counts = {name: table.height for name, table in world.items()}
    if rights_file is not None:
        counts["rights"] = write_rights(world, rights_file, seed=seed)
    if as_json:
        click.echo(json.dumps({"location": str(location), "rows": counts}))
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    click.echo(f"{location}: {rows}")
