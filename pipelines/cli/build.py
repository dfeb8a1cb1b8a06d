"""`kohort build`."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.options import acting, as_option, json_option, read_text, workspace_option
from pipelines.settings import Workspace, find_workspace

if TYPE_CHECKING:
    from pipelines.build import Built


@click.command(epilog="Example: kohort build request.toml --out extract")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The package to make; steward-side files go to OUT.steward beside it.",
)
@workspace_option
@as_option
@json_option
def build(file: Path, *, out: Path, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """Build a verified extract from the request in FILE, or nothing.

    The same request on the same data gives the recorded release once more, at no cost. New
    microdata is held against every release that is out; a new aggregate, or a synthetic twin, is
    charged to the budget before a row is counted. What a build that was cut off left is cleaned up
    first.
    """
    found = find_workspace(workspace)
    build_and_say(read_text(file), out, found, claimed, as_json=as_json)


def build_and_say(
    text: str, out: Path, found: Workspace, claimed: str | None, *, as_json: bool
) -> None:
    """Build what a request asks for, and say what came of it."""
    # Heavy imports on use: `--help` answers at once.
    from pipelines.build import build as build_extract  # noqa: PLC0415

    built = build_extract(
        text,
        found,
        out,
        actor=acting(found, claimed),
        now=datetime.now(UTC),
        randomness=os.urandom,
        progress=show_progress,
    )
    if as_json:
        click.echo(json.dumps(_built_object(built)))
        return
    click.echo(f"package: {built.package}")
    said = "built before on the same data, given out once more" if built.again else "recorded"
    click.echo(f"release: {built.release} ({said})")
    click.echo(f"verified: {_verified_text(built)}")
    click.echo(f"audit: {built.head}")
    click.echo(f"for the steward only: {built.steward}")


def _built_object(built: "Built") -> dict[str, object]:
    from pipelines.verify.report import verification_json  # noqa: PLC0415

    verification = built.verification
    told = verification_json(verification)
    return {
        "ok": verification.ok,
        "release": built.release,
        "again": built.again,
        "package": str(built.package),
        "steward": str(built.steward),
        "k_promised": verification.k_promised,
        "k_found": verification.k_found,
        "audit_head": built.head,
        **{key: told[key] for key in ("privacy",) if key in told},
    }


def _verified_text(built: "Built") -> str:
    from pipelines.aggregates.text import cost_line  # noqa: PLC0415
    from pipelines.verify import Verification  # noqa: PLC0415

    found = built.verification
    if isinstance(found, Verification):
        return f"k = {found.k_promised} promised, {found.k_found} found"
    return cost_line(found.promise.privacy)


def show_progress(step: str) -> None:
    """The name of a step, to stderr, on a terminal only."""
    if sys.stderr.isatty():
        click.echo(f"... {step}", err=True)
