"""`kohort synth raw`: a synthetic platform."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pipelines.cli.build import show_progress
from pipelines.cli.options import json_option

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from pipelines.synthetic import Made
    from pipelines.worlds.destinations import Destination
    from synth.coursera_preset import Ids
    from synth.presets import Preset

_ZIP: Final = "coursera-zip"
_MOST: Final = 1_000_000_000

_EXAMPLES: Final = """\b
Examples:
  kohort synth raw --out world --learners 5000 --courses 12 --rights-csv rights.csv
  kohort init study --local --source world=coursera:world
  kohort synth raw --preset mooc --learners 100000 --format coursera-zip --out export.zip
  kohort synth raw --preset oulad --courses 7 --format csv --out ou
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--preset",
    "preset_name",
    metavar="NAME|FILE",
    default="small",
    show_default=True,
    help="What the platform is like: small (kind, for tests), mooc, oulad, or a TOML file.",
)
@click.option(
    "--learners",
    type=click.IntRange(1, _MOST),
    metavar="N",
    default=5_000,
    show_default=True,
    help="How many.",
)
@click.option(
    "--courses",
    type=click.IntRange(min=1),
    metavar="N",
    default=12,
    show_default=True,
    help="How many: some thousands, for their catalogue lies in memory as a whole.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    show_default=True,
    help="The same seed gives the same world.",
)
@click.option(
    "--ids",
    type=click.Choice(["linked", "isolated"]),
    help="A learner has one id everywhere, or one in each domain, with bridge tables; in the shape "
    "of Coursera's export. [default: the preset's]",
)
@click.option(
    "--out",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A new or empty folder; a new file, NAME.zip, for coursera-zip.",
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["parquet", _ZIP, "csv", "sqlite"]),
    help="One Parquet file a table; a zip in the dialect of Coursera's export; one CSV file a "
    "table; one SQLite database. [default: parquet]",
)
@click.option(
    "--url",
    metavar="URL",
    help="Instead of --out: write new tables of this database, such as "
    "postgresql+psycopg://me@db.example/raw.",
)
@click.option(
    "--rights-csv",
    "rights_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write what these learners permitted, for `kohort rights import`.",
)
@click.option(
    "--traps",
    "trapped",
    is_flag=True,
    help="Plant known difficulties; what must come of each goes to PATH.expected.json, records "
    "that reach a registry during a build to FILE.late.csv.",
)
@json_option
def raw(
    *,
    preset_name: str,
    learners: int,
    courses: int,
    seed: int,
    ids: "Ids | None",
    out: Path | None,
    fmt: str | None,
    url: str | None,
    rights_file: Path | None,
    trapped: bool,
    as_json: bool,
) -> None:
    """Write the raw tables of a platform: Coursera's export, or OULAD, by the preset's shape.

    They are made and written part by part, so that memory does not limit how many learners there
    are, and appear whole or not at all.
    """
    # Heavy imports on use: `--help` answers at once.
    from pipelines.synthetic import Order, make_raw  # noqa: PLC0415
    from synth.presets import most_courses  # noqa: PLC0415

    to = _destination(out, fmt, url)
    preset = _preset(preset_name, ids)
    most = most_courses(preset)
    if courses > most:
        wrong = f"at most {most:,} with this preset, as the catalogue lies in memory"
        raise click.BadParameter(wrong, param_hint="--courses")
    if trapped and rights_file is None:
        raise click.UsageError("--traps: what comes of them depends on rights; add --rights-csv")
    if trapped and (preset.shape != "coursera" or preset.ids.value != "linked"):
        raise click.UsageError(
            "--traps: planted in the shape of Coursera's export with linked ids alone; choose "
            "another --preset, or --ids linked"
        )
    order = Order(preset, learners, courses, seed, trapped)
    made = make_raw(order, to, rights_file=rights_file, progress=show_progress)
    _tell(made, as_json=as_json)


def _destination(out: Path | None, fmt: str | None, url: str | None) -> "Destination":
    from pipelines.worlds.destinations import Database, Files  # noqa: PLC0415

    if (out is None) == (url is None) or (url is not None and fmt is not None):
        raise click.UsageError("give either --out, with a --format or without, or --url")
    if url is not None:
        return Database(url)
    assert out is not None
    if fmt == _ZIP and out.suffix.lower() != ".zip":
        raise click.BadParameter("a zip: name a file that ends in .zip", param_hint="--out")
    if fmt != _ZIP and out.suffix.lower() == ".zip":
        wrong = f"a folder: leave out .zip, or add --format {_ZIP}"
        raise click.BadParameter(wrong, param_hint="--out")
    return Files(out, fmt or "parquet")


def _preset(name: str, ids: "Ids | None") -> "Preset":
    preset = _read(name)
    if ids is None:
        return preset
    from synth.coursera_preset import CourseraPreset  # noqa: PLC0415
    from synth.presets import with_ids  # noqa: PLC0415

    if not isinstance(preset, CourseraPreset):
        raise click.UsageError("--ids: in the shape of Coursera's export alone; leave it out")
    return with_ids(preset, ids)


def _read(name: str) -> "Preset":
    from pipelines.synthetic import read_preset  # noqa: PLC0415

    try:
        return read_preset(name)
    except OSError as error:
        wrong = f"{name}: can't be read ({error.strerror})"
    except UnicodeDecodeError:
        wrong = f"{name}: not UTF-8; save it as UTF-8"
    except ValueError as error:
        wrong = str(error)
    raise click.BadParameter(wrong, param_hint="--preset")


def _tell(made: "Made", *, as_json: bool) -> None:
    files = {"late": made.late, "expected": made.expected}
    if as_json:
        answer = {"location": made.location, "rows": dict(made.rows)}
        click.echo(json.dumps(answer | {n: str(f) for n, f in files.items() if f is not None}))
        return
    rows = ", ".join(f"{count:,} {name}" for name, count in made.rows.items())
    click.echo(f"{made.location}: {rows}")
    for name, file in files.items():
        if file is not None:
            click.echo(f"{name}: {file}")
