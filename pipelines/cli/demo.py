"""`kohort demo`."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from pipelines.cli.build import show_progress
from pipelines.cli.options import login


@click.command(epilog="Example: kohort demo --out demo")
@click.option(
    "--out",
    default=Path("demo"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A new folder for the workspace, the package and the steward's files.",
)
@click.option("--learners", default=20_000, show_default=True, type=click.IntRange(1_000))
def demo(out: Path, *, learners: int) -> None:
    """Walk the whole way on synthetic learners.

    Rights are imported; a request is refused by the policy, mended, approved by another person,
    built, verified and recorded; a learner is erased, the release recalled and rebuilt without him.
    """
    # Heavy imports on use: `--help` answers at once.
    from pipelines.demo import run_demo  # noqa: PLC0415

    walked = run_demo(
        out,
        learners=learners,
        now=datetime.now(UTC),
        login=login(),
        randomness=os.urandom,
        progress=show_progress,
        say=click.echo,
    )
    built = walked.rebuilt
    verification = built.verification
    click.echo(f"package: {built.package.resolve()}")
    click.echo(
        f"promise: every learner in it hides among at least {verification.k_promised} distinct "
        f"learners in every course; the checker found {verification.k_found} at the least"
    )
    click.echo(f"read on: {built.package / 'README.md'}")
    click.echo(f"check it yourself: kohort verify {built.package}")
