"""`kohort rights set`, `restrict` and `object`: one statement of a learner."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from pipelines.cli.options import (
    acting,
    as_option,
    json_option,
    learner_argument,
    read_learner_id,
    workspace_option,
)
from pipelines.errors import RightsError, SourceError
from pipelines.people import Duty
from pipelines.settings import Workspace, find_workspace

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from collections.abc import Callable

    from pipelines.governance.rights import Statement
    from pipelines.governance.rights_standing import Standing

    _Command = TypeVar("_Command", bound=Callable[..., Any])

_SET_EXAMPLES: Final = """\b
Examples:
  kohort rights set - --state withdrawn --purpose research < id.txt
  kohort rights set - --state opted_out_sale_share --jurisdiction US-CA < id.txt
  kohort rights set - --state granted --purpose research --legal-basis consent \\
      --notice-version v2 --ends withdrawn < id.txt
"""


def _options(command: "_Command") -> "_Command":
    for option in (
        json_option,
        as_option,
        workspace_option,
        click.option("--note", metavar="TEXT", help="Why; without the id."),
        click.option("--to", "to", metavar="WHEN", help="Until when, that not included. [open]"),
        click.option("--from", "from_", metavar="WHEN", help="A date or a time. [default: now]"),
        click.option("--notice-version", metavar="TEXT", help="Of the privacy notice it answers."),
        click.option("--jurisdiction", metavar="TEXT", help="Whose law it was said under."),
        click.option("--scope", default="*", show_default=True, help="* or course:ID."),
        learner_argument,
    ):
        command = option(command)
    return command


@click.command("set", epilog=_SET_EXAMPLES)
@_options
@click.option("--state", required=True, help="What is stated, such as withdrawn or granted.")
@click.option("--purpose", help="What for. [default: *, every purpose; required for a grant]")
@click.option("--legal-basis", metavar="BASIS", help="Required for a grant.")
@click.option(
    "--ends",
    metavar="STATE",
    help="The state that earlier records, of the same purpose and scope, are in no longer.",
)
def set_(
    learner_id: str,
    *,
    state: str,
    purpose: str | None,
    legal_basis: str | None,
    ends: str | None,
    **options: Any,
) -> None:
    """Record what is true of the learner LEARNER_ID from now on, under every id.

    `-` reads the id from standard input. Records add up, and the strictest decides: a grant lifts
    a withdrawal only where it says that it ends it. Withdrawing reaches every later build.
    """
    if state == "granted" and not (purpose and legal_basis):
        raise click.UsageError("--state granted: say with --purpose what for, and --legal-basis")
    if state == "erased":
        raise click.UsageError("--state erased: erase with `kohort rights erase`")
    said = {"state": state, "purpose": purpose or "*", "legal_basis": legal_basis or ""}
    _state(learner_id, {**said, "ends": ends or ""}, **options)


@click.command(epilog='Example: kohort rights restrict - --note "accuracy contested" < id.txt')
@_options
def restrict(learner_id: str, **options: Any) -> None:
    """Restrict the use of data of the learner LEARNER_ID (GDPR Art. 18), for every purpose.

    `-` reads the id from standard input. Lift it with `kohort rights set --ends restricted`.
    """
    _state(learner_id, {"state": "restricted", "purpose": "*"}, **options)


@click.command("object", epilog="Example: kohort rights object - --purpose research < id.txt")
@_options
@click.option("--purpose", default="*", show_default=True, help="To what; * is every purpose.")
def object_(learner_id: str, *, purpose: str, **options: Any) -> None:
    """Record that the learner LEARNER_ID objects to a purpose (GDPR Art. 21).

    `-` reads the id from standard input.
    """
    _state(learner_id, {"state": "objected", "purpose": purpose}, **options)


@dataclass(frozen=True, slots=True)
class _Person:
    """Who is meant: every id that is known, and what to tell the steward of how it was found."""

    ids: tuple[str, ...]
    doubt: str | None


def _state(
    learner_id: str,
    said: Mapping[str, str],
    *,
    scope: str,
    jurisdiction: str | None,
    notice_version: str | None,
    from_: str | None,
    to: str | None,
    note: str | None,
    workspace: Path,
    claimed: str | None,
    as_json: bool,
) -> None:
    # Heavy imports on use: `--help` answers at once.
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.registry_keys import registry_key_of  # noqa: PLC0415
    from pipelines.governance.rights import learner_digest, set_state  # noqa: PLC0415
    from pipelines.governance.rights_standing import standing  # noqa: PLC0415
    from pipelines.governance.rights_statement import (  # noqa: PLC0415
        names_learner,
        read_statement,
    )

    place, now = find_workspace(workspace), datetime.now(UTC)
    actor = acting(place, claimed)
    actor.must_be(Duty.STEWARD)
    cells = {
        "scope": scope,
        "legal_basis": "",
        "jurisdiction": jurisdiction or "",
        "notice_version": notice_version or "",
        "effective_from": from_ or now.isoformat(),
        "effective_to": to or "",
        "ends": "",
        "note": note or "",
        "source": "",
        **said,
    }
    statement = read_statement({name: cell.strip() for name, cell in cells.items()})
    person = _person(place, learner_id, restricts=statement.state != "granted")
    if names_learner(cells.values(), person.ids):
        raise RightsError("an option holds an id of the learner; write what it means without it")
    engine = open_registry(place.database)
    key = registry_key_of(engine, place.root)
    digests = [learner_digest(id_, key) for id_ in sorted(person.ids)]
    set_state(engine, digests, statement, registry_key=key, actor=actor, at=now)
    stands = standing(engine, digests, policy=place.policy, sources=place.sources, at=now)
    _warn(person, statement, place, stands)
    _answer(statement, len(digests), as_json=as_json)


def _warn(
    person: _Person, statement: "Statement", place: Workspace, found: "list[Standing]"
) -> None:
    doubts = [] if person.doubt is None else [person.doubt]
    if statement.purpose not in {"*", *map(str.casefold, place.policy.purposes)}:
        doubts.append(
            "the policy has no such purpose: what restricts it restricts every one, and a grant "
            "for it counts for none"
        )
    course = None if statement.scope == "*" else statement.scope.split(":", 1)[1]
    stricter = {
        one.state
        for one in found
        if one.course == course
        and statement.purpose in {"*", one.purpose.casefold()}
        and one.state not in {"granted", "no_record"}
    }
    if statement.state == "granted" and stricter:
        doubts.append(
            f"still {', '.join(sorted(stricter))}: a grant lifts only what it --ends, of the same "
            "--purpose and --scope; see `kohort rights show`"
        )
    for doubt in doubts:
        click.echo(f"Warning: {doubt}", err=True)


def _person(workspace: Workspace, argument: str, *, restricts: bool) -> _Person:
    """Every id of the person; a restriction doesn't wait for a source that can't be read."""
    from pipelines.governance.identities import all_ids  # noqa: PLC0415
    from pipelines.governance.rights_file import visible_id  # noqa: PLC0415

    learner_id = visible_id(read_learner_id(argument))
    try:
        found = all_ids(workspace, learner_id)
    except SourceError as error:
        if not restricts:
            raise
        doubt = f"{error}; recorded under the given id alone: run this again when it can be read"
        return _Person((learner_id,), doubt)
    known = any(place.rows for place in found.found)
    return _Person(tuple(found.ids), None if known else "no source knows this id; check it")


def _answer(statement: "Statement", ids: int, *, as_json: bool) -> None:
    begins = statement.effective_from.isoformat(timespec="seconds")
    if as_json:
        said = {
            "state": statement.state,
            "purpose": statement.purpose,
            "scope": statement.scope,
            "effective_from": begins,
            "ends": statement.ends,
            "ids": ids,
        }
        click.echo(json.dumps({"recorded": said}))
        return
    ends = f", ends {statement.ends}" if statement.ends is not None else ""
    click.echo(
        f"recorded under {ids} {'id' if ids == 1 else 'ids'} of one learner: {statement.state}, "
        f"purpose {statement.purpose}, scope {statement.scope}, from {begins}{ends}"
    )
