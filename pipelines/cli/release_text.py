"""How `kohort release` tells of a release: in lines, as an object, as a notice to recipients."""

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from pipelines.governance.releases import ReleaseStatus


def as_line(one: "ReleaseStatus") -> str:
    """A release in a list."""
    return (
        f"{one.id}  {one.state:<10}  {one.created_at:%Y-%m-%d}  {one.access:<10}  "
        f"{one.researcher}  {one.title}"
    )


def as_lines(one: "ReleaseStatus") -> Iterator[str]:
    """All that is told of a release: never whom it shows, nor how many."""
    project = "" if one.project is None else f" (project {one.project})"
    yield f"release {one.id}: {one.state}{'' if one.live else ', not live'}"
    yield f"title: {one.title}"
    yield f"for: {one.researcher}, {one.purpose}, from source {one.source}"
    yield f"promise: k = {one.k}, m = {one.m}, {one.access}, pseudonyms {one.scope}{project}"
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
        "state": one.state,
        "live": one.live,
        "title": one.title,
        "researcher": one.researcher,
        "purpose": one.purpose,
        "source": one.source,
        "access": one.access,
        "pseudonyms": one.scope,
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
    if not ended.outstanding:
        yield "everybody has confirmed: it counts against later releases no more"
        return
    yield "it counts against later releases until these have confirmed:"
    for recipient in ended.outstanding:
        if recipient == "public":
            yield "  public: anybody may have it, so it counts for ever"
        else:
            option = shlex.join(["--recipient", recipient])
            yield f"  {recipient}: kohort release confirm {ended.id} {option}"
