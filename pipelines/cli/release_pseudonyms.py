"""`kohort release pseudonyms`: what a learner is called in a release, for a check of absence."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from pipelines.cli.options import acting, as_option, json_option, read_learner_id, workspace_option
from pipelines.errors import RegistryError, RightsError
from pipelines.people import Duty
from pipelines.settings import find_workspace

_EXAMPLES: Final = """\b
Example:
  kohort release pseudonyms 1f00a3c2 --learner-id - --out absent.json < id.txt
  kohort verify package/ --absent-key absent.json
"""


@click.command("pseudonyms", epilog=_EXAMPLES)
@click.argument("release_id", metavar="RELEASE")
@click.option("--learner-id", required=True, help="Any id of the learner; `-` reads it from stdin.")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A new file; it singles the learner out in the package: give it to nobody else.",
)
@click.option(
    "--package",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The release's package, where the workspace no longer keeps it.",
)
@workspace_option
@as_option
@json_option
def pseudonyms(
    release_id: str,
    *,
    learner_id: str,
    out: Path,
    package: Path | None,
    workspace: Path,
    claimed: str | None,
    as_json: bool,
) -> None:
    """Write down the pseudonyms that a learner has, or would have, in RELEASE.

    `kohort verify --absent-key` shows with them that the learner is not in the package. Compute
    them before the release's key is destroyed, and before the learner leaves the bridge tables.
    """
    # Heavy imports on use: `--help` answers at once.
    import polars as pl  # noqa: PLC0415

    from pipelines.governance.absence import (  # noqa: PLC0415
        demand_pseudonyms,
        pseudonyms_of,
        write_absent,
    )
    from pipelines.governance.chain import changing  # noqa: PLC0415
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.identities import all_ids  # noqa: PLC0415
    from pipelines.governance.registry_keys import registry_key_of  # noqa: PLC0415
    from pipelines.governance.releases import release, releases_of  # noqa: PLC0415
    from pipelines.governance.rights import erased, registry_digests  # noqa: PLC0415

    place = find_workspace(workspace)
    actor = acting(place, claimed)
    actor.must_be(Duty.STEWARD)
    registry = open_registry(place.database)
    found = release(registry, release_id)
    demand_pseudonyms(found)
    person = all_ids(place, read_learner_id(learner_id))
    key = registry_key_of(registry, place.root)
    digests = registry_digests(pl.Series(sorted(person.ids)), key).to_list()
    here = any(one.rows for one in person.found if one.source == found.source)
    told = found.id in {one.id for one in releases_of(registry, digests)}
    if not (here or told or erased(registry, digests)):
        raise RightsError(
            f"--learner-id: neither source '{found.source}' nor the release knows this learner, so "
            "his absence would prove nothing; check the id, or name one that the release was built "
            "from"
        )
    names = pseudonyms_of(place, found, person.ids, package=package)
    write_absent(out, found.id, names)
    if names is None:
        raise RegistryError(
            f"release {found.id}: its key was destroyed, so its pseudonyms can't be computed any "
            f"more; {out} says so"
        )
    with changing(registry) as change:
        change.record(actor, "release.pseudonyms", found.id, at=datetime.now(UTC))
    if as_json:
        said = {"release": found.id, "file": str(out), "pseudonyms": len(names)}
        click.echo(json.dumps(said))
        return
    click.echo(f"{out}: {len(names):,} pseudonyms of the learner in release {found.id}")
    click.echo(f"next: kohort verify PACKAGE --absent-key {out}")
