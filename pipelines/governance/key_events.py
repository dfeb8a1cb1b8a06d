"""What became of keys, on record: made, replaced, destroyed; and files brought in line with it.

A project's key is on disk before it is on record: whoever is killed in between leaves a key that
the next build records. A key's file is removed after its destruction is on record: whoever is
killed in between leaves a file that nobody uses, and that `finish_destructions` removes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast

from sqlalchemy import Connection, Engine, select

from pipelines.errors import RegistryError, SettingsError
from pipelines.governance.chain import Change, changing
from pipelines.governance.engines import translated
from pipelines.governance.tables import KeyEvent, Release, ReleaseEvent
from pipelines.keys import (
    NEXT_REGISTRY,
    REGISTRY,
    key_id,
    make_project_key,
    project_key,
    project_secret,
    release_secret,
    remove_secret,
    sweep_secrets,
)
from pipelines.people import Actor

KeyKind = Literal["registry", "project", "release"]

_KEYLESS: Final = ("failed", "key_destroyed")
"""Events of releases whose pseudonyms need a key no more (`releases.state` stands above this)."""


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
        made_at: null where it was made before keys were recorded.
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


def project_key_for(
    engine: Engine,
    root: Path,
    project: str,
    randomness: Callable[[int], bytes],
    *,
    actor: Actor,
    at: datetime,
) -> bytes:
    """The key under which the extracts of a project are linked; made and recorded where new.

    Of two processes at once one makes it, and both get the same. A key that was destroyed is
    followed by a new one.

    Args:
        engine: the registry.
        root: the workspace.
        project: which.
        randomness: a source of n secret random bytes.
        actor: who needs it.
        at: when.

    Raises:
        SettingsError: the key is lost, or another than the one on record, or can't be read.
        RegistryError: the registry can't be used, or the key was just destroyed.
        OutputError: it can't be written.
    """
    with translated(engine), engine.connect() as connection:
        last = last_event(connection, "project", project)
        in_use, over = _in_use(connection, project), _destroyed(connection, project)
    known = project_key(root, project)
    if known is not None and key_id(known) in over:  # it outlived that, or a backup brought it back
        remove_secret(root, project_secret(project), only=key_id(known))
        known = None
    if known is None and (in_use if last is None else not last.destroyed):
        raise SettingsError(
            f"project {project}: its key is not in this workspace; bring "
            f"keys/{project_secret(project)}.key from your backup or from the workspace that made "
            f"it, or give it up with `kohort key destroy-project {project}`"
        )
    key = known or make_project_key(root, project, randomness)
    if last != LastEvent(key_id(key), KeyHappening.CREATED):
        try:
            _put_on_record(engine, project, key, actor=actor, at=at)
        except SettingsError:
            if known is None:  # nothing was ever made under it
                remove_secret(root, project_secret(project), only=key_id(key))
            raise
    return key


def finish_destructions(engine: Engine, root: Path) -> int:
    """Remove the files of keys whose destruction is on record, and what killed writes left.

    Returns:
        How many keys that are destroyed were still there.

    Raises:
        SettingsError: a project's key can't be read: it may be the new one.
        OutputError: a file can't be removed.
    """
    sweep_secrets(root)
    over = [life for life in key_history(engine) if life.destroyed_at is not None]
    # A project may have a new key already, on record or not yet; others never get one.
    return sum(
        remove_secret(root, name, only=one.key_id if one.kind == "project" else None)
        for one in over
        for name in (one.secret, *((NEXT_REGISTRY,) if one.kind == "registry" else ()))
    )


def _put_on_record(engine: Engine, project: str, key: bytes, *, actor: Actor, at: datetime) -> None:
    with changing(engine) as change:
        if key_id(key) in _destroyed(change.connection, project):
            raise RegistryError(
                f"project {project}: its key was just destroyed; run the command again"
            )
        last = last_event(change.connection, "project", project)
        if last is not None and not last.destroyed:
            if last.key_id == key_id(key):  # another process was faster
                return
            raise SettingsError(
                f"keys/{project_secret(project)}.key: key {key_id(key)}, and on record is "
                f"{last.key_id}; bring that one from your backup or from the workspace that made "
                "it"
            )
        key_created(change, "project", project, key, actor=actor, at=at)
        change.record(actor, "key.create", f"project {project}", at=at, detail=key_id(key))


def _in_use(connection: Connection, project: str) -> bool:
    """Whether the project has releases whose pseudonyms are made under a key that should be."""
    over = select(ReleaseEvent.release).where(ReleaseEvent.kind.in_(_KEYLESS))
    linked = select(Release.id).where(Release.project == project, Release.id.not_in(over))
    return connection.scalar(linked.limit(1)) is not None


def _destroyed(connection: Connection, project: str) -> set[str]:
    """The ids of the keys that a project had, and must not have again."""
    query = select(KeyEvent.key_id).where(
        KeyEvent.kind == "project",
        KeyEvent.name == project,
        KeyEvent.event == KeyHappening.DESTROYED.value,
    )
    return set(connection.scalars(query))


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
