"""Files of keys, brought in line with what is on record of them.

A project's key is on disk before it is on record: whoever is killed in between leaves a key that
the next build records. A key's file is removed after its destruction is on record: whoever is
killed in between leaves a file that nobody uses, and that `finish_destructions` removes.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, select

from pipelines.errors import SettingsError
from pipelines.governance.chain import changing
from pipelines.governance.engines import translated
from pipelines.governance.key_records import (
    KeyHappening,
    KeyKind,
    KeyLife,
    LastEvent,
    key_created,
    key_destroyed,
    key_history,
    last_event,
    secret_of,
)
from pipelines.governance.registry_keys import finish_rotation
from pipelines.governance.tables import KeyEvent, Release, ReleaseEvent
from pipelines.keys import (
    NEXT_REGISTRY,
    key_id,
    make_project_key,
    project_key,
    project_secret,
    remove_secret,
    sweep_secrets,
)
from pipelines.people import Actor

__all__ = [
    "KeyHappening",
    "KeyKind",
    "KeyLife",
    "LastEvent",
    "finish_destructions",
    "key_created",
    "key_destroyed",
    "key_history",
    "last_event",
    "project_key_for",
    "secret_of",
]

_KEYLESS: Final = ("failed", "key_destroyed")
"""Events of releases whose pseudonyms need a key no more (`releases.state` stands above this)."""


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
        RegistryError: the registry can't be used.
        OutputError: it can't be written.
    """
    known = project_key(root, project)
    with translated(engine), engine.connect() as connection:
        last = last_event(connection, "project", project)
    if known is not None and last == LastEvent(key_id(known), KeyHappening.CREATED):
        return known
    # File and record are moved by the one writer: nobody takes a key that another just makes for
    # one that a backup brought back.
    with changing(engine) as change:
        known = project_key(root, project)
        last = last_event(change.connection, "project", project)
        if last is not None and not last.destroyed:
            return _only(known, last, project)
        if known is not None and _is_over(change.connection, project, known):
            remove_secret(root, project_secret(project), only=key_id(known))
            known = None
        if known is None and last is None and _in_use(change.connection, project):
            raise _lost(project)
        key = known or make_project_key(root, project, randomness)
        key_created(change, "project", project, key, actor=actor, at=at)
        change.record(actor, "key.create", f"project {project}", at=at, detail=key_id(key))
    return key


def finish_destructions(engine: Engine, root: Path) -> int:
    """Remove the files of keys whose destruction is on record, and what killed writes left.

    So does a rotation of the registry key that was cut off end here, whichever way it went.

    Returns:
        How many keys that are not in force were still there.

    Raises:
        SettingsError: a key can't be read: it may be one in force.
        RegistryError: the registry can't be used.
        OutputError: a file can't be removed.
    """
    sweep_secrets(root)
    over = [life for life in key_history(engine) if life.destroyed_at is not None]
    # A project may have a new key already, on record or not yet; others never get one.
    removed = sum(
        remove_secret(root, name, only=one.key_id if one.kind == "project" else None)
        for one in over
        for name in (one.secret, *((NEXT_REGISTRY,) if one.kind == "registry" else ()))
    )
    projects = {one.name for one in over if one.kind == "project"}
    removed += sum(_remove_brought_back(engine, root, project) for project in sorted(projects))
    return removed + finish_rotation(engine, root)


def _remove_brought_back(engine: Engine, root: Path, project: str) -> bool:
    """Remove a project's key that may be one that was destroyed while nothing told its id."""
    if project_key(root, project) is None:
        return False
    with changing(engine) as change:  # nobody is making the next one meanwhile
        key = project_key(root, project)
        if key is None or not _is_over(change.connection, project, key):
            return False
        return remove_secret(root, project_secret(project), only=key_id(key))


def _only(known: bytes | None, recorded: LastEvent, project: str) -> bytes:
    """The key here, if it is the one on record."""
    if known is None:
        raise _lost(project)
    if key_id(known) != recorded.key_id:
        raise SettingsError(
            f"keys/{project_secret(project)}.key: key {key_id(known)}, and on record is "
            f"{recorded.key_id}; bring that one from your backup or from the workspace that made it"
        )
    return known


def _lost(project: str) -> SettingsError:
    return SettingsError(
        f"project {project}: its key is not in this workspace; bring "
        f"keys/{project_secret(project)}.key from your backup or from the workspace that made it, "
        f"or give it up with `kohort key destroy-project {project}`"
    )


def _in_use(connection: Connection, project: str) -> bool:
    """Whether the project has releases whose pseudonyms are made under a key that should be."""
    over = select(ReleaseEvent.release).where(ReleaseEvent.kind.in_(_KEYLESS))
    linked = select(Release.id).where(Release.project == project, Release.id.not_in(over))
    return connection.scalar(linked.limit(1)) is not None


def _is_over(connection: Connection, project: str, key: bytes) -> bool:
    """Whether the project must not have this key again: it was destroyed, or may have been.

    Of a key that was destroyed before it was ever on record, nobody knows for sure which it was:
    its file may have been missing, or another workspace's. So after that any key that is not on
    record is taken for it. None is lost by this: nothing is made under a key before it is recorded.
    """
    query = select(KeyEvent.event, KeyEvent.key_id)
    query = query.where(KeyEvent.kind == "project", KeyEvent.name == project)
    made, over = set[str](), set[str]()
    for event, ident in connection.execute(query):
        (over if event == KeyHappening.DESTROYED else made).add(ident)
    return key_id(key) in over or (key_id(key) not in made and not over <= made)
