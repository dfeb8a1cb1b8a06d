"""`kohort key rotate`: a new layer on the registry key."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from pipelines.cli.options import acting, as_option, json_option, workspace_option
from pipelines.people import Duty
from pipelines.settings import find_workspace

_EXAMPLES: Final = """\b
Example:
  kohort key rotate --reason "a laptop with a backup of keys/ was lost"
"""


@click.command(epilog=_EXAMPLES)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it names no learner.")
@workspace_option
@as_option
@json_option
def rotate(*, reason: str, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """Add a layer to the registry key, and rewrite every digest of a learner under it.

    Withdrawals and erasures hold on. Digests are made through all layers, so the old ones stay in
    the key. It is a rotation all the same: whoever has only these, and the registry's tables as
    they are afterwards, lacks the new one, and computes no digest in them. Copies from before stay
    what they were: destroy those that you can. So do pages that the database has freed, until it is
    vacuumed.

    Nobody else writes meanwhile; a million records take a minute or two. A request that was built
    before is built anew when it is asked for again. In a team, copy keys/ to every other workspace
    on this registry: until then they refuse to work.
    """
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.registry_keys import rotate_registry_key  # noqa: PLC0415

    found = find_workspace(workspace)
    actor = acting(found, claimed)
    actor.must_be(Duty.STEWARD)
    done = rotate_registry_key(
        open_registry(found.database),
        found.root,
        randomness=os.urandom,
        actor=actor,
        at=datetime.now(UTC),
        reason=reason,
    )
    if as_json:
        said = {"key_id": done.key_id, "records": done.records, "members": done.members}
        click.echo(json.dumps(said))
        return
    click.echo(f"the registry key is {done.key_id} now")
    click.echo(
        f"rewritten: the digests of {done.records:,} rights records and of {done.members:,} rows "
        "of releases"
    )
    click.echo("next: back up keys/ and the registry together; a backup of one from before and of")
    click.echo("the other from now on is of no use")
