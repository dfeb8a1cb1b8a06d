"""`kohort audit`: what was done here, and whether its record still holds."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipelines.cli.options import acting, as_option, json_option, workspace_option
from pipelines.people import Duty
from pipelines.settings import Workspace, find_workspace

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from sqlalchemy import Engine

    from pipelines.governance.audit import Anew, Audit, Entry

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NO_HEAD: Final = ""
"""What a package from before the chain prints."""

_MOST: Final = 2**63 - 1
"""The largest number that both databases take."""


class _Head(click.ParamType[str]):
    """The hash of an entry."""

    name = "hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """In lower case, as the chain has it."""
        text = str(value).strip().lower()
        if _HASH.fullmatch(text) is None:
            self.fail("expected 64 hex digits, as a package's README prints them", param, ctx)
        return text


@click.group()
def audit() -> None:
    """Read the record of every change, and check that nobody tampered with it."""


@audit.command(epilog="Example: kohort audit log --kind rights --limit 20")
@click.option(
    "--kind", metavar="KIND", help="Only this, such as `rights.import`; `rights`: all of them."
)
@click.option(
    "--subject", metavar="SUBJECT", help="Only about this: a request's hash, a release's id, ..."
)
@click.option(
    "--since", type=click.IntRange(0, _MOST), metavar="ENTRY", help="Only later entries than this."
)
@click.option(
    "--limit", type=click.IntRange(1, _MOST), metavar="N", help="Only the last N of them."
)
@workspace_option
@as_option
@json_option
def log(
    *,
    kind: str | None,
    subject: str | None,
    since: int | None,
    limit: int | None,
    workspace: Path,
    claimed: str | None,
    as_json: bool,
) -> None:
    """List what was done, oldest first: who, what, what about, and how many rows it added."""
    from pipelines.governance.audit import entries  # noqa: PLC0415 - heavy

    _, registry = _open(workspace, claimed)
    found = entries(registry, kind=kind, subject=subject, since=since, limit=limit)
    if as_json:
        click.echo(json.dumps({"entries": [_as_object(entry) for entry in found]}))
        return
    for entry in found:
        click.echo(_as_line(entry))
    if not found:
        click.echo("no entry")


@audit.command(
    epilog=(
        "\b\nExample: kohort audit verify --json\n\n\b\nExit codes:\n"
        "  0  every link holds\n  1  one is broken, or what a package prints of it is lost"
    )
)
@click.option(
    "--head",
    "heads",
    type=_Head(),
    multiple=True,
    metavar="HASH",
    help="The chain once ended here, as a package's README says. Repeatable.",
)
@workspace_option
@as_option
@json_option
@click.pass_context
def verify(
    context: click.Context,
    *,
    heads: tuple[str, ...],
    workspace: Path,
    claimed: str | None,
    as_json: bool,
) -> None:
    """Recompute the audit chain from every row of the registry, and name the first broken link.

    A chain that was cut or rewritten as a whole holds in itself: it is found by the heads that the
    packages in the workspace print, and by those given with --head.
    """
    from pipelines.governance.audit import verify_chain  # noqa: PLC0415 - heavy

    place, registry = _open(workspace, claimed)
    # Before the chain is read: a head that was printed meanwhile would look lost.
    printed = dict(_printed_heads(place.root))
    found = verify_chain(registry, heads=[*heads, *filter(None, printed.values())])
    # One that was built since there is a chain prints its head: it was taken out.
    unread = sorted(
        release
        for release, head in printed.items()
        if head is None or (head == _NO_HEAD and release in found.releases)
    )
    lost = {
        head: sorted(r for r, own in printed.items() if own == head) for head in found.lost_heads
    }
    if as_json:
        click.echo(json.dumps(_audit_object(found, lost, unread)))
    else:
        click.echo(_verdict(found, lost, unread))
        for table, entries in found.anew.items():
            for one in entries:
                click.echo(_printable(f"{table}: {_rewriting(one)}"))
    if found.broken is not None or unread:
        context.exit(1)


def _open(workspace: Path, claimed: str | None) -> "tuple[Workspace, Engine]":
    from pipelines.governance.database import open_registry  # noqa: PLC0415 - heavy

    place = find_workspace(workspace)
    acting(place, claimed).must_be(Duty.STEWARD, Duty.ENGINEER)
    return place, open_registry(place.database)


def _printed_heads(root: Path) -> Iterator[tuple[str, str | None]]:
    """The releases that the workspace keeps, with the head that each prints; None: not readable."""
    for file in sorted(root.glob("releases/[!.]*/package/datapackage.json")):
        release = file.parent.parent.name
        try:
            own = json.loads(file.read_bytes())["kohort"]
            whole = "audit_head" not in own or _HASH.fullmatch(own["audit_head"]) is not None
            head = own.get("audit_head", _NO_HEAD)
        except FileNotFoundError:  # discarded just now
            continue
        except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
            yield release, None
            continue
        yield release, head if whole else None


def _verdict(found: "Audit", lost: dict[str, list[str]], unread: list[str]) -> str:
    if found.broken is not None and found.broken.entry is not None:
        return f"audit chain: broken at entry {found.broken.entry}: {found.broken.what}"
    if lost:
        head, releases = next(iter(lost.items()))
        whose = f"release {releases[0]} prints" if releases else "--head names"
        return f"audit chain: cut or rewritten: {whose} the head {head}, which is not in it"
    if found.broken is not None:
        return f"audit chain: broken: {found.broken.what}"
    if unread:
        return f"audit chain: the package of release {unread[0]} in the workspace can't be read"
    return (
        f"audit chain: {found.entries} entries, head {found.head.hash}; "
        f"{sum(found.rows.values())} rows answer to it"
    )


def _rewriting(one: "Anew") -> str:
    when = one.at.partition(".")[0]
    return f"its rows were rewritten, and entry {one.entry} ({when}, {one.actor}) answers for them"


def _audit_object(found: "Audit", lost: dict[str, list[str]], unread: list[str]) -> dict[str, Any]:
    broken = found.broken
    return {
        "ok": broken is None and not unread,
        "entries": found.entries,
        "head": {"entry": found.head.entry, "hash": found.head.hash},
        "rows": dict(found.rows),
        "rewritten": {
            table: [{"entry": one.entry, "at": one.at, "actor": one.actor} for one in entries]
            for table, entries in found.anew.items()
        },
        "broken": None if broken is None else {"entry": broken.entry, "what": broken.what},
        "lost_heads": [{"hash": head, "releases": lost[head]} for head in lost],
        "unreadable_releases": unread,
    }


def _as_line(entry: "Entry") -> str:
    rows = ", ".join(f"{number} {table}" for table, number in entry.rows.items())
    told = [
        f"{entry.id:>5}",
        f"{entry.at:%Y-%m-%d %H:%M:%S}",
        entry.actor if entry.login == entry.actor else f"{entry.actor} ({entry.login})",
        entry.kind,
        entry.subject,
        *([entry.detail] if entry.detail else []),
        *([f"[{rows}]"] if rows else []),
    ]
    return _printable("  ".join(told))


def _printable(line: str) -> str:
    """Without what a terminal would take for a command, or for another line."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line)


def _as_object(entry: "Entry") -> dict[str, Any]:
    return {
        "entry": entry.id,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "login": entry.login,
        "kind": entry.kind,
        "subject": entry.subject,
        "detail": entry.detail,
        "rows": dict(entry.rows),
        "hash": entry.hash,
    }
