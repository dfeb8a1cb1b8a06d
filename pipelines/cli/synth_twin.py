"""`kohort synth twin`: the request for a twin of an extract, and the twin."""

import json
from pathlib import Path
from typing import Final

import click

from pipelines.cli.options import as_option, json_option, read_text, workspace_option
from pipelines.errors import KohortError, OutputError, RequestError
from pipelines.settings import find_workspace

_EXAMPLES: Final = """\b
Examples:
  kohort synth twin request.toml --epsilon 1 --out twin
  kohort synth twin request.toml --rho 0.02 --level region=1 --write twin.toml
"""


@click.command(epilog=_EXAMPLES, short_help="Write, and build, the twin of an extract.")
@click.argument("file", metavar="REQUEST", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--epsilon", type=float, help="What it costs, by Laplace noise.")
@click.option("--rho", type=float, help="Instead: by Gaussian noise.")
@click.option(
    "--level",
    "levels",
    multiple=True,
    metavar="COLUMN=LEVEL",
    help="Coarser values of a column: a level of its hierarchy. Repeatable. [default: 0]",
)
@click.option(
    "--most-rows",
    type=click.IntRange(1, 20),
    default=5,
    show_default=True,
    help="Up to how many rows of a learner are told apart.",
)
@click.option(
    "--write",
    "written",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the twin's request goes.  [default: REQUEST, with .twin.toml]",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Build it, too: the package to make. Without, the request is only written.",
)
@workspace_option
@as_option
@json_option
def twin(
    file: Path,
    *,
    epsilon: float | None,
    rho: float | None,
    levels: tuple[str, ...],
    most_rows: int,
    written: Path | None,
    out: Path | None,
    workspace: Path,
    claimed: str | None,
    as_json: bool,
) -> None:
    """Write, and with --out build, the synthetic twin of the extract that REQUEST asks for.

    A twin has the extract's tables and columns; its learners are invented, drawn from noisy
    figures that are charged to the budget. Its request is one of its own: where the policy asks for
    an approval, it needs one, and not the extract's.
    """
    # Heavy imports on use: `--help` answers at once.
    from pipelines.cli.build import build_and_say  # noqa: PLC0415
    from pipelines.twins.of_extract import twin_of_extract  # noqa: PLC0415

    chosen = _levels(levels)
    found = find_workspace(workspace)
    text = twin_of_extract(
        read_text(file),
        found,
        epsilon=epsilon,
        rho=rho,
        levels=chosen,
        most_rows=most_rows,
    )
    target = written or file.with_name(f"{file.stem}.twin.toml")
    _write(target, text)
    if out is None:
        click.echo(json.dumps({"request": str(target)}) if as_json else f"request: {target}")
        return
    try:
        build_and_say(text, out, found, claimed, as_json=as_json)
    except KohortError as error:  # such as that this request needs an approval
        error.args = (f"{error}; the twin's request is {target}",)
        raise


def _levels(arguments: tuple[str, ...]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for name, level in map(_level, arguments):
        if name in levels:
            raise RequestError(f"--level: {name} is given twice; leave one of them out")
        levels[name] = level
    return levels


def _level(argument: str) -> tuple[str, int]:
    name, _, level = argument.rpartition("=")
    if not name or not level.isascii() or not level.isdecimal():
        raise RequestError("--level: COLUMN=LEVEL was expected, such as region=1")
    return name, int(level)


def _write(target: Path, text: str) -> None:
    """Write the request, or leave the one that says the same: a twin is asked for once more."""
    try:
        if target.exists() and target.read_bytes() == text.encode():
            return
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OutputError(
            f"{target}: exists, and says something else; name another file with --write"
        ) from None
    except OSError as error:
        raise OutputError(f"{target}: can't be written ({error.strerror})") from None
