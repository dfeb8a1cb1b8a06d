"""What became of keys, on record: made, replaced, destroyed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, cast

from sqlalchemy import Connection, Engine, select

from pipelines.governance.chain import Change
from pipelines.governance.engines import translated
from pipelines.governance.tables import KeyEvent
from pipelines.keys import REGISTRY, key_id, project_secret, release_secret
from pipelines.people import Actor

KeyKind = Literal["registry", "project", "release"]


class KeyHappening(StrEnum):
    """What may happen to a key, in the words of `KeyEvent`."""

    CREATED = "created"
    ROTATED = "rotated"
    DESTROYED = "destroyed"


class LastEvent(NamedTuple):
    """The last event of a key's name.

    Attributes:
        key_id: of the key; empty where it was never on record.
    """

    key_id: str
    event: KeyHappening

    @property
    def destroyed(self) -> bool:
        """Whether there is no key of this name by now."""
        return self.event is KeyHappening.DESTROYED


@dataclass(frozen=True, slots=True)
class KeyLife:
    """One key, from its making to its destruction.

    Attributes:
        kind: `registry`, `project` or `release`.
        name: the project, or the release's id; empty for the registry's.
        key_id: of the key as it is now; empty where it was never on record.
        made_at: or first found, where it was made before keys were recorded; null where no event
            says either.
        destroyed_at: null where it was not.
    """

    kind: KeyKind
    name: str
    key_id: str
    made_at: datetime | None
    destroyed_at: datetime | None = None

    @property
    def secret(self) -> str:
        """The name of its file."""
        return secret_of(self.kind, self.name)


def secret_of(kind: KeyKind, name: str) -> str:
    """The name of a key's file."""
    match kind:
        case "registry":
            return REGISTRY
        case "project":
            return project_secret(name)
        case "release":
            return release_secret(name)


def key_created(
    change: Change, kind: KeyKind, name: str, key: bytes, *, actor: Actor, at: datetime
) -> None:
    """Add that a key was made; the caller records the action."""
    _add(change, kind, name, LastEvent(key_id(key), KeyHappening.CREATED), actor=actor, at=at)


def key_destroyed(
    change: Change,
    kind: KeyKind,
    name: str,
    *,
    actor: Actor,
    at: datetime,
    reason: str,
    key: bytes | None = None,
) -> str:
    """Add that a key is destroyed; the caller records the action, commits, and removes the file.

    Args:
        change: the transaction.
        kind: of the key.
        name: the project, or the release's id; empty for the registry's.
        actor: who.
        at: when.
        reason: why.
        key: tells which key, where the last event of the name does not.

    Returns:
        The id of the destroyed key; empty where nothing tells it.
    """
    last = last_event(change.connection, kind, name)
    if last is not None and not last.destroyed:
        meant = last.key_id
    else:
        meant = "" if key is None else key_id(key)
    event = LastEvent(meant, KeyHappening.DESTROYED)
    _add(change, kind, name, event, actor=actor, at=at, reason=reason)
    return meant


def last_event(connection: Connection, kind: KeyKind, name: str) -> LastEvent | None:
    """The last event of a key's name; None where there is none on record."""
    row = connection.execute(
        select(KeyEvent.key_id, KeyEvent.event)
        .where(KeyEvent.kind == kind, KeyEvent.name == name)
        .order_by(KeyEvent.id.desc())
        .limit(1)
    ).first()
    return None if row is None else LastEvent(row.key_id, KeyHappening(row.event))


def key_history(engine: Engine) -> list[KeyLife]:
    """Every key on record, in the order in which they were made or first told of."""
    query = select(KeyEvent.kind, KeyEvent.name, KeyEvent.key_id, KeyEvent.event, KeyEvent.at)
    with translated(engine), engine.connect() as connection:
        return _lives(connection.execute(query.order_by(KeyEvent.id)))


def _lives(events: Iterable[tuple[str, str, str, str, datetime]]) -> list[KeyLife]:
    lives: list[KeyLife] = []
    current: dict[tuple[str, str], int] = {}
    for kind, name, ident, event, at in events:
        if (kind, name) not in current:
            made = at if event == KeyHappening.CREATED else None
            current[kind, name] = len(lives)
            lives.append(KeyLife(cast("KeyKind", kind), name, ident, made))
        number = current[kind, name]
        over = at if event == KeyHappening.DESTROYED else None
        lives[number] = replace(lives[number], key_id=ident, destroyed_at=over)
        if over is not None:
            del current[kind, name]
    return lives


def _add(
    change: Change,
    kind: KeyKind,
    name: str,
    what: LastEvent,
    *,
    actor: Actor,
    at: datetime,
    reason: str | None = None,
) -> None:
    row = {"kind": kind, "name": name, "key_id": what.key_id, "event": what.event.value, "at": at}
    change.add(KeyEvent, {**row, "actor": actor.name, "reason": reason})
