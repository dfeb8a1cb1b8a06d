"""What the registry knows of a release, and the state that its events make of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal

from pipelines.governance.tables import (
    AGGREGATE,
    DIGEST_LENGTH,
    RELEASE_ID_LENGTH,
    SYNTHETIC,
)
from schemas.manifest import ItemKnowledge

PUBLIC: Final = "public"
"""The access of a package that anybody may have, and its recipient, who confirms nothing."""

SHOWING_NOBODY: Final = (AGGREGATE, SYNTHETIC)
"""The scopes of releases whose learners are none, or invented."""

_ID: Final = re.compile(rf"[0-9a-f]{{{RELEASE_ID_LENGTH}}}")
_DIGEST: Final = re.compile(rf"[0-9a-f]{{{DIGEST_LENGTH}}}")


class Kind(StrEnum):
    """What may happen to a release, in the words of `ReleaseEvent`."""

    RESERVED = "reserved"
    PUBLISHED = "published"
    FAILED = "failed"
    SHARED = "shared"
    SUPERSEDED = "superseded"
    RECALLED = "recalled"
    EXPIRED = "expired"
    DESTROYED = "destroyed"
    KEY_DESTROYED = "key_destroyed"


class ReleaseState(StrEnum):
    """What a release is now."""

    RESERVED = "reserved"
    FAILED = "failed"
    SERVED = "served"
    SUPERSEDED = "superseded"
    RECALLED = "recalled"
    EXPIRED = "expired"


ENDED: Final = frozenset({ReleaseState.SUPERSEDED, ReleaseState.RECALLED, ReleaseState.EXPIRED})
"""The states of a release that was given out and never will be again."""

_STRICTEST: Final = (
    (Kind.RECALLED, ReleaseState.RECALLED),
    (Kind.EXPIRED, ReleaseState.EXPIRED),
    (Kind.SUPERSEDED, ReleaseState.SUPERSEDED),
    (Kind.PUBLISHED, ReleaseState.SERVED),
    (Kind.FAILED, ReleaseState.FAILED),
)
"""The first event of these that occurred tells the state, in whatever order they were recorded."""


@dataclass(frozen=True, slots=True)
class ReleaseHappening:
    """One event of a release; the columns of `ReleaseEvent`."""

    kind: Kind
    at: datetime
    actor: str
    recipient: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class NewRelease:
    """What a build of microdata records before its package is published; the columns of `Release`.

    Attributes:
        frozen_text: the frozen recode, as JSON: the column `recode`.
    """

    id: str
    request: str
    title: str
    researcher: str
    purpose: str
    source: str
    family: str
    access: Literal["public", "controlled"]
    scope: Literal["course", "release", "linked"]
    project: str | None
    k: int
    m: ItemKnowledge
    item: str | None
    jurisdictions: tuple[str, ...]
    inputs_sha256: str
    data_version: str
    package_sha256: str
    frozen_text: str
    cut_off: datetime
    created_at: datetime
    expires_on: date | None

    def __post_init__(self) -> None:
        _demand_well_formed(self)
        if (self.project is not None) != (self.scope == "linked"):
            raise ValueError("project: goes with linked scope, and only with it")


@dataclass(frozen=True, slots=True)
class NewNoisyRelease:
    """What a build of noisy figures, or of a twin, records before its package is published.

    It shows nobody: the columns of `Release` that say whom a release shows, and how, are null.
    """

    scope: Literal["aggregate", "synthetic"]

    id: str
    request: str
    title: str
    researcher: str
    purpose: str
    source: str
    family: str
    access: Literal["public", "controlled"]
    jurisdictions: tuple[str, ...]
    inputs_sha256: str
    data_version: str
    package_sha256: str
    cut_off: datetime
    created_at: datetime
    expires_on: date | None

    def __post_init__(self) -> None:
        _demand_well_formed(self)


@dataclass(frozen=True, slots=True)
class ReleaseStatus:
    """A release and all that became of it.

    Attributes:
        k: None where it shows nobody.
        m: None where it shows nobody.
        events: oldest first.

    The other attributes are the columns of `Release`, but for the recode.
    """

    id: str
    request: str
    title: str
    researcher: str
    purpose: str
    source: str
    family: str
    access: str
    scope: str
    project: str | None
    k: int | None
    m: ItemKnowledge | None
    item: str | None
    jurisdictions: tuple[str, ...]
    inputs_sha256: str
    data_version: str
    package_sha256: str
    cut_off: datetime
    created_at: datetime
    expires_on: date | None
    events: tuple[ReleaseHappening, ...]

    @property
    def shows_nobody(self) -> bool:
        """Whether it shows nobody: no gate counts it, and nobody's pseudonym is in it."""
        return self.scope in SHOWING_NOBODY

    @property
    def noun(self) -> str:
        """What it is, in a sentence."""
        return {AGGREGATE: "an aggregate", SYNTHETIC: "a synthetic twin"}.get(
            self.scope, "an extract of microdata"
        )

    @property
    def state(self) -> ReleaseState:
        """What it is now; the strictest of what happened, whatever came last."""
        happened = {event.kind for event in self.events}
        found = (state for kind, state in _STRICTEST if kind in happened)
        return next(found, ReleaseState.RESERVED)

    @property
    def served(self) -> bool:
        """Whether the package may be given out (again)."""
        return self.state is ReleaseState.SERVED

    @property
    def live(self) -> bool:
        """Whether an attacker may hold it: what the gate must count, if it shows anybody.

        One that is reserved may be about to appear. One that was given out is live until
        everybody who has it confirmed that he destroyed it.
        """
        if self.state in ENDED:
            return bool(self.outstanding)
        return self.state is not ReleaseState.FAILED

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who has it: the researcher, and everybody it was shared with; lower case."""
        everybody = (PUBLIC,) if self.access == PUBLIC else ()
        shared = _recipients(self.events, Kind.SHARED)
        return tuple(dict.fromkeys((self.researcher.casefold(), *shared, *everybody)))

    @property
    def outstanding(self) -> tuple[str, ...]:
        """Which of the recipients have not confirmed that they destroyed it."""
        confirmed = {*_recipients(self.events, Kind.DESTROYED)} - {PUBLIC}
        return tuple(one for one in self.recipients if one not in confirmed)

    @property
    def key_destroyed(self) -> bool:
        """Whether its pseudonyms can't be computed from learners' ids any more."""
        return any(event.kind is Kind.KEY_DESTROYED for event in self.events)

    def is_past(self, today: date) -> bool:
        """Whether the last day on which the package may be kept is over."""
        return self.expires_on is not None and self.expires_on < today


def _demand_well_formed(new: NewRelease | NewNoisyRelease) -> None:
    if not _ID.fullmatch(new.id):
        raise ValueError(f"id: {RELEASE_ID_LENGTH} hex digits were expected")
    digests = (new.request, new.inputs_sha256, new.data_version, new.package_sha256)
    if not all(_DIGEST.fullmatch(digest) for digest in digests):
        raise ValueError(f"a SHA-256 of {DIGEST_LENGTH} hex digits was expected")


def _recipients(events: Iterable[ReleaseHappening], kind: Kind) -> Iterable[str]:
    return (
        event.recipient.casefold()
        for event in events
        if event.kind is kind and event.recipient is not None
    )
