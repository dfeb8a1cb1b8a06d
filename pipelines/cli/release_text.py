"""How `kohort release` tells of a release: in lines, as an object, as a notice to recipients."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from pipelines.governance.releases import ReleaseStatus

_COUNTS_NO_MORE: Final = "it counts against later releases no more"


def as_line(one: "ReleaseStatus") -> str:
    """A release in a list."""
    return (
        f"{one.id}  {one.state:<10}  {one.created_at:%Y-%m-%d}  {one.access:<10}  "
        f"{_kind(one):<9}  {one.researcher}  {one.title}"
    )


def as_lines(one: "ReleaseStatus") -> Iterator[str]:
    """All that is told of a release: never whom it shows, nor how many."""
    yield f"release {one.id}: {one.state}{'' if one.live else ', not live'}"
    yield f"title: {one.title}"
    yield f"for: {one.researcher}, {one.purpose}, from source {one.source}"
    yield f"promise: {_promise(one)}"
    yield f"jurisdictions: {', '.join(one.jurisdictions) or 'none'}"
    yield f"rights as of: {one.cut_off:%Y-%m-%d %H:%M} UTC"
    yield f"last day: {one.expires_on or 'none'}"
    yield f"request: {one.request}"
    yield f"data version: {one.data_version}"
    yield f"package: {one.package_sha256}"
    yield f"recipients: {', '.join(one.recipients)}"
    for event in one.events:
        said = [event.kind, f"by {event.actor}", event.recipient, event.reason]
        told = ", ".join(word for word in said if word is not None)
        yield f"{event.at:%Y-%m-%d %H:%M}  {told}"


def as_object(one: "ReleaseStatus") -> dict[str, Any]:
    """As `as_lines`, for a program."""
    events = [
        {
            "kind": event.kind,
            "at": event.at.isoformat(),
            "actor": event.actor,
            "recipient": event.recipient,
            "reason": event.reason,
        }
        for event in one.events
    ]
    return {
        "id": one.id,
        "type": _kind(one),
        "state": one.state,
        "live": one.live,
        "title": one.title,
        "researcher": one.researcher,
        "purpose": one.purpose,
        "source": one.source,
        "family": one.family,
        "access": one.access,
        "pseudonyms": None if one.shows_nobody else one.scope,
        "project": one.project,
        "k": one.k,
        "m": one.m,
        "item": one.item,
        "jurisdictions": one.jurisdictions,
        "request_sha256": one.request,
        "data_version": one.data_version,
        "package_sha256": one.package_sha256,
        "cut_off": one.cut_off.isoformat(),
        "created_at": one.created_at.isoformat(),
        "expires_on": None if one.expires_on is None else one.expires_on.isoformat(),
        "recipients": one.recipients,
        "outstanding": one.outstanding,
        "key_destroyed": one.key_destroyed,
        "events": events,
    }


def notice(one: "ReleaseStatus", what: str) -> str:
    """What a steward sends to the recipients of a release that ended.

    Args:
        one: the release.
        what: what became of it, such as `has expired`.
    """
    return (
        f'The extract "{one.title}" (release {one.id}, made on {one.created_at:%Y-%m-%d}) {what}. '
        "Destroy every copy of it, and every file that holds its rows; then tell the steward."
    )


def still_to_confirm(ended: "ReleaseStatus") -> Iterator[str]:
    """Who has not confirmed yet, each with the command that records that he did."""
    # What an aggregate told is charged for good: no confirmation gives it back.
    if not ended.outstanding:
        counts = "what it cost stays charged" if ended.shows_nobody else _COUNTS_NO_MORE
        yield f"everybody has confirmed: {counts}"
        return
    if ended.shows_nobody:
        yield "what it cost stays charged; these have not confirmed yet:"
    else:
        yield "it counts against later releases until these have confirmed:"
    for recipient in ended.outstanding:
        if recipient == "public":
            counts = "nobody can confirm" if ended.shows_nobody else "it counts for ever"
            yield f"  public: anybody may have it, so {counts}"
        else:
            option = shlex.join(["--recipient", recipient])
            yield f"  {recipient}: kohort release confirm {ended.id} {option}"


def _kind(one: "ReleaseStatus") -> str:
    return one.scope if one.shows_nobody else "microdata"


def _promise(one: "ReleaseStatus") -> str:
    """What it promised, in a few words; what an aggregate cost is the ledger's to tell."""
    if one.shows_nobody:
        return f"{one.scope}, {one.access}; its cost: kohort budget show --family {one.family}"
    project = "" if one.project is None else f" (project {one.project})"
    return f"k = {one.k}, m = {one.m}, {one.access}, pseudonyms {one.scope}{project}"
