"""`kohort build`."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from pipelines.cli.options import acting, as_option, json_option, read_text, workspace_option
from pipelines.settings import find_workspace


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
    microdata is held against every release that is out; a new aggregate is charged to the budget
    before a row is counted. What a build that was cut off left is cleaned up first.
    """
    # Heavy imports on use: `--help` answers at once.
    from pipelines.build import build as build_extract  # noqa: PLC0415
    from pipelines.verify import AggregateVerification  # noqa: PLC0415
    from pipelines.verify.report import verification_json  # noqa: PLC0415

    found = find_workspace(workspace)
    built = build_extract(
        read_text(file),
        found,
        out,
        actor=acting(found, claimed),
        now=datetime.now(UTC),
        randomness=os.urandom,
        progress=show_progress,
    )
    verification = built.verification
    if as_json:
        answer = {
            "ok": verification.ok,
            "release": built.release,
            "again": built.again,
            "package": str(built.package),
            "steward": str(built.steward),
            "k_promised": verification.k_promised,
            "k_found": verification.k_found,
            "audit_head": built.head,
        }
        told = verification_json(verification)
        click.echo(json.dumps(answer | {key: told[key] for key in ("privacy",) if key in told}))
        return
    click.echo(f"package: {built.package}")
    said = "built before on the same data, given out once more" if built.again else "recorded"
    click.echo(f"release: {built.release} ({said})")
    if isinstance(verification, AggregateVerification):
        from pipelines.aggregates.text import cost_line  # noqa: PLC0415

        click.echo(f"verified: {cost_line(verification.promise.privacy)}")
    else:
        found_k = verification.k_found
        click.echo(f"verified: k = {verification.k_promised} promised, {found_k} found")
    click.echo(f"audit: {built.head}")
    click.echo(f"for the steward only: {built.steward}")


def show_progress(step: str) -> None:
    """The name of a step, to stderr, on a terminal only."""
    if sys.stderr.isatty():
        click.echo(f"... {step}", err=True)
