"""`kohort rights show`: what is held about a learner."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipelines.cli.options import (
    acting,
    as_option,
    json_option,
    learner_argument,
    read_learner_id,
    workspace_option,
)
from pipelines.people import Duty
from pipelines.settings import Workspace, find_workspace

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from pipelines.governance.identities import Identities
    from pipelines.governance.releases import ReleaseStatus
    from pipelines.governance.rights_standing import Standing
    from pipelines.governance.tables import RightsRecord

_DETAILS: Final = (
    "purpose",
    "scope",
    "legal_basis",
    "jurisdiction",
    "notice_version",
    "effective_from",
    "effective_to",
    "ends",
    "origin",
    "note",
    "received_at",
)


@dataclass(frozen=True, slots=True)
class _Held:
    """What is held about one person.

    Attributes:
        identities: the ids, and where they stand.
        records: on rights.
        standing: what the records come to.
        releases: those that show the person.
        doubt: why other ids of the person were not followed; None where all were.
    """

    identities: "Identities"
    records: "list[RightsRecord]"
    standing: "list[Standing]"
    releases: "list[ReleaseStatus]"
    doubt: str | None


@click.command(epilog="Example: kohort rights show - < id.txt")
@learner_argument
@workspace_option
@as_option
@json_option
def show(learner_id: str, *, workspace: Path, claimed: str | None, as_json: bool) -> None:
    """What is held about the learner LEARNER_ID, under every id (GDPR Art. 15).

    `-` reads the id from standard input; it is not printed. Told are the records on rights, the
    state that they make for each purpose of the policy, the columns of the sources that name the
    learner, and the releases that show the learner, with who has them. Where bridge tables make one
    person of several, this id alone is told of, with a warning.
    """
    place = find_workspace(workspace)
    acting(place, claimed).must_be(Duty.STEWARD)
    held = _held(place, read_learner_id(learner_id))
    if held.doubt is not None:
        click.echo(f"Warning: {held.doubt}", err=True)
    if as_json:
        click.echo(json.dumps(_as_object(held)))
        return
    for line in _as_lines(held):
        click.echo(line)


def _held(workspace: Workspace, learner_id: str) -> _Held:
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.identities import (  # noqa: PLC0415
        AmbiguousPersonError,
        all_ids,
        one_id,
    )
    from pipelines.governance.registry_keys import registry_key_of  # noqa: PLC0415
    from pipelines.governance.releases import releases_of  # noqa: PLC0415
    from pipelines.governance.rights import history, learner_digest  # noqa: PLC0415
    from pipelines.governance.rights_standing import standing  # noqa: PLC0415

    doubt = None
    try:
        identities = all_ids(workspace, learner_id)
    except AmbiguousPersonError as error:
        # An answer must neither wait for the platform nor tell of a stranger.
        identities = one_id(workspace, learner_id)
        doubt = f"{error}; until then no build uses them, and this is what is held under one id"
    engine = open_registry(workspace.database)
    key = registry_key_of(engine, workspace.root)
    digests = [learner_digest(one, key) for one in sorted(identities.ids)]
    here = {found.source for found in identities.found if found.rows}
    return _Held(
        identities,
        history(engine, digests),
        standing(
            engine,
            digests,
            policy=workspace.policy,
            sources=sorted(here or workspace.sources),
            at=datetime.now(UTC),
        ),
        releases_of(engine, digests),
        doubt,
    )


def _as_object(held: _Held) -> dict[str, Any]:
    return {
        "ids": len(held.identities.ids),
        "warning": held.doubt,
        "records": [
            {"state": one.state, **{name: _said(getattr(one, name)) for name in _DETAILS}}
            for one in held.records
        ],
        "standing": [
            {"source": s.source, "purpose": s.purpose, "course": s.course, "state": s.state}
            for s in held.standing
        ],
        "found": [
            {"source": p.source, "table": p.table, "column": p.column, "rows": p.rows}
            for p in held.identities.found
            if p.rows
        ],
        "releases": [
            {
                "id": one.id,
                "title": one.title,
                "state": one.state,
                "purpose": one.purpose,
                "recipients": list(one.recipients),
            }
            for one in held.releases
        ],
    }


def _as_lines(held: _Held) -> Iterator[str]:
    ids = len(held.identities.ids)
    yield f"one learner, {ids:,} {'id' if ids == 1 else 'ids'}"
    yield f"records: {len(held.records) or 'none, which means no'}"
    for one in held.records:
        told = [(name, getattr(one, name)) for name in _DETAILS]
        said = "; ".join(f"{n.replace('_', ' ')} {_said(v)}" for n, v in told if v is not None)
        yield f"  {one.state}: {said}"
    yield "state now, the strictest of what bears on the learner:"
    for s in held.standing:
        course = "" if s.course is None else f", course {s.course} alone"
        yield f"  {s.source}, {s.purpose}{course}: {s.state}"
    places = [place for place in held.identities.found if place.rows]
    yield (
        "rows in sources:" if places else "no row in any source; check the id if you expected some"
    )
    for p in places:
        yield f"  {p.source}: {p.table}.{p.column}: {p.rows:,}"
    yield "releases that show the learner:" if held.releases else "no release shows the learner"
    for r in held.releases:
        held_by = ", ".join(r.outstanding) or "nobody any more"
        yield f"  {r.id}  {r.state}  {r.title}, for {r.purpose}; held by {held_by}"


def _said(cell: object) -> object:
    return cell.isoformat(timespec="seconds") if isinstance(cell, datetime) else cell
