"""`kohort recover`."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.options import acting, as_option, json_option, workspace_option
from pipelines.settings import find_workspace

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from pipelines.recovery import Recovered


@click.command(epilog="Example: kohort recover")
@click.option(
    "--charge",
    metavar="ID",
    help="Also end this charge on the budget, whose build nobody knows any more: it is lost.",
)
@workspace_option
@as_option
@json_option
def recover(*, charge: str | None, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """Clean up after builds that were cut off, as every build does first.

    What had been published stays, and the next build of its request gives it out; of anything else
    nothing stays. Builds that are under way are left alone. A charge whose build has no journal
    here is lost; on PostgreSQL it may be another workspace's, and is named with --charge.
    """
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.registry_keys import demand_own_key  # noqa: PLC0415
    from pipelines.recovery import recover as clean_up  # noqa: PLC0415

    found = find_workspace(workspace)
    actor = acting(found, claimed)
    registry, now = open_registry(found.database), datetime.now(UTC)
    done = clean_up(found.root, registry, actor=actor, at=now, charge=charge)
    for line in [json.dumps(asdict(done))] if as_json else _as_lines(done):
        click.echo(line)
    demand_own_key(registry, found.root)  # what was done is told by then


def _as_lines(done: "Recovered") -> Iterator[str]:
    if not done.anything:
        yield "nothing was left behind"
        return
    for release in done.settled:
        failed = release in done.failed
        yield f"build {release}: {'failed; nothing of it is out' if failed else 'cleaned up'}"
    yield from done.left
    for charge in done.charges:
        yield f"charge {charge}: lost; what it asked for is spent"
    counts = {"folder": done.folders, "copy": done.copies, "key": done.keys}
    plurals = {"copy": "copies"}
    removed = [
        f"{count} {word if count == 1 else plurals.get(word, f'{word}s')}"
        for word, count in counts.items()
        if count
    ]
    if removed:
        yield f"removed: {', '.join(removed)}"
