"""`kohort rights erase`: a learner is erased, in every id domain."""

import json
import os
from collections.abc import Iterator
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
from pipelines.errors import OutputError
from pipelines.people import Duty
from pipelines.settings import find_workspace

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from pipelines.governance.erasure import Erasure
    from pipelines.governance.identities import Place
    from pipelines.governance.releases import ReleaseStatus

_EXAMPLES: Final = """\b
Example:
  kohort rights erase - --reason "letter of 3 May" --notice recall.txt < id.txt
"""

_NOTICE: Final = """\
RECALL NOTICE: release {id}, "{title}"
To: {recipients}

A person whose data is in this package has had it erased (GDPR Art. 17, 19). No row tells whose it
is, so no row is named here: the whole package is recalled. Destroy every copy of it, and whatever
you made of it that holds its rows, and confirm that you did to whoever sent you this notice, with
the id of the release.
"""


@click.command("erase", epilog=_EXAMPLES)
@learner_argument
@click.option("--reason", required=True, metavar="TEXT", help="Why; it names nobody.")
@click.option(
    "--notice",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the recall notices into this new file; send each release's apart.",
)
@workspace_option
@as_option
@json_option
def erase(
    learner_id: str,
    *,
    reason: str,
    notice: Path | None,
    workspace: Path,
    claimed: str | None,
    as_json: bool,
) -> None:
    """Erase the learner LEARNER_ID, under every id; there is no way back.

    `-` reads the id from standard input. No build and no import takes the learner again. What the
    sources and the packages that are out still hold is listed: there, others must erase.
    """
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.erasure import erase as erase_learner  # noqa: PLC0415
    from pipelines.governance.registry_keys import registry_key_of  # noqa: PLC0415

    place = find_workspace(workspace)
    actor = acting(place, claimed)
    actor.must_be(Duty.STEWARD)
    if notice is not None and os.path.lexists(notice):
        raise OutputError(f"{notice} exists already; choose another --notice, or remove it")
    registry = open_registry(place.database)
    done = erase_learner(
        registry,
        place,
        read_learner_id(learner_id),
        actor=actor,
        at=datetime.now(UTC),
        registry_key=registry_key_of(registry, place.root),
        reason=reason,
    )
    if notice is not None and done.releases:
        _write_new(notice, _notice(done.releases))
    if as_json:
        click.echo(json.dumps(_as_object(done)))
        return
    for line in _as_lines(done, notice):
        click.echo(line)


def _write_new(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise OutputError(
            f"{file}: the notice can't be written ({error.strerror}); the erasure is recorded: run "
            "this again with another --notice"
        ) from None


def _as_lines(done: "Erasure", notice: Path | None) -> Iterator[str]:
    count = len(done.identities.ids)
    if done.recorded:
        yield f"erased: one learner, {done.recorded:,} of {count:,} ids recorded now"
    else:
        yield f"erased before: one learner, {count:,} ids; nothing was recorded"
    yield from _places(done)
    if not done.releases:
        yield "no release shows the learner"
        return
    yield "releases that show the learner:"
    yield from (f"  {one.id}  {one.state}  {one.title}" for one in done.releases)
    if notice is not None:
        yield f"recall notices, to be sent apart: {notice}"
    else:
        yield f"\n{_notice(done.releases)}"
    yield "before the platform erases, while his ids can still be told, for a proof of absence:"
    for one in done.releases:
        if not one.key_destroyed:
            yield f"  kohort release pseudonyms {one.id} --learner-id - --out absent-{one.id}.json"
    for one in done.releases:
        if one.state in {"served", "superseded"}:
            yield f'next: kohort release recall {one.id} --reason "a learner was erased"'


def _places(done: "Erasure") -> Iterator[str]:
    found = [place for place in done.identities.found if place.rows]
    if found:
        yield "to be erased in the sources, by the platform:"
    else:
        yield "no row of the learner in any source; check the id if you expected some"
    for place in found:
        text = "; may hold text that people wrote" if place.holds_text else ""
        how = "" if place.id_domain is not None else ", by the key of a row of the learner"
        where = f"{place.source}: {place.table}.{place.column}"
        yield f"  {where}: {place.rows:,} {'row' if place.rows == 1 else 'rows'}{how}{text}"
    reached = done.identities.unreached()
    if reached:
        yield "no row of the learner under these ids; where another id stands, erase that one too:"
        yield from (f"  {source}: {domain}" for source, domain in reached)
    unsearched = done.identities.unsearched()
    if unsearched:
        yield "not searched; look there yourself:"
        yield from (f"  {source}: {what}" for source, what in unsearched)


def _notice(releases: "tuple[ReleaseStatus, ...]") -> str:
    """One notice a release, to be sent apart: together they would say that it is one person."""
    return "\n".join(
        _NOTICE.format(
            id=one.id,
            title=one.title,
            recipients=", ".join(one.outstanding) or "nobody: all have confirmed",
        )
        for one in releases
    )


def _as_object(done: "Erasure") -> dict[str, Any]:
    return {
        "ids": len(done.identities.ids),
        "recorded": done.recorded,
        "found": [_as_entry(place) for place in done.identities.found if place.rows],
        "unreached": [
            {"source": source, "id_domain": domain}
            for source, domain in done.identities.unreached()
        ],
        "unsearched": [
            {"source": source, "what": what} for source, what in done.identities.unsearched()
        ],
        "releases": [
            {
                "id": one.id,
                "state": one.state,
                "title": one.title,
                "recipients": list(one.recipients),
                "outstanding": list(one.outstanding),
            }
            for one in done.releases
        ],
        "notice": _notice(done.releases) if done.releases else None,
    }


def _as_entry(place: "Place") -> dict[str, Any]:
    return {
        "source": place.source,
        "table": place.table,
        "column": place.column,
        "rows": place.rows,
        "holds_text": place.holds_text,
        "id_domain": place.id_domain,
    }
