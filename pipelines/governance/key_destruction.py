"""Destroying the keys that more than one release rests on: a project's, and the registry's."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from pipelines.errors import RegistryError
from pipelines.governance.chain import changing
from pipelines.governance.key_records import key_destroyed, last_event
from pipelines.governance.registry_keys import demand_nameless
from pipelines.governance.releases.actions import stated_reason
from pipelines.governance.releases.registry import happened, statuses
from pipelines.governance.releases.state import ENDED, Kind, ReleaseState
from pipelines.governance.tables import Release
from pipelines.keys import (
    NEXT_REGISTRY,
    REGISTRY,
    project_key,
    project_secret,
    read_secret,
    remove_secret,
)
from pipelines.people import Actor, Duty


def destroy_project_key(
    engine: Engine, root: Path, project: str, *, reason: str, actor: Actor, at: datetime
) -> list[str]:
    """Destroy the key of a project: nobody computes its pseudonyms from learners' ids any more.

    Releases that are built for it later are linked under a new key, and with none of these. A key
    that was lost is given up: should its file come back from a backup, nobody uses it.

    Args:
        engine: the registry.
        root: the workspace.
        project: which.
        reason: why.
        actor: a steward.
        at: when.

    Returns:
        The ids of the releases that lost their key now.

    Raises:
        RoleError: the actor is no steward.
        RegistryError: there is no such project, one of its releases has not ended, its key is
            destroyed already, or no reason is given, or one that names a learner.
        SettingsError: the key can't be read, or the registry's.
        OutputError: the file can't be removed; recovery will.
    """
    actor.must_be(Duty.STEWARD)
    said = stated_reason(reason)
    demand_nameless(engine, root, said)
    with changing(engine) as change:
        last = last_event(change.connection, "project", project)
        linked = statuses(change.connection, Release.project == project)
        out = [one for one in linked if one.state is not ReleaseState.FAILED]
        if last is None and not linked:  # what was typed stays unsaid
            raise RegistryError("PROJECT: no project of this name has a key; see `kohort key list`")
        if going := [one.id for one in out if one.state not in ENDED]:
            raise RegistryError(
                f"project {project}: release {', '.join(going)} has not ended, and the key serves "
                "rights requests until then; recall it first"
            )
        keyed = [one.id for one in out if not one.key_destroyed]
        if not keyed and last is not None and last.destroyed:
            raise RegistryError(f"project {project}: its key is destroyed already")
        for each in keyed:
            happened(change, each, Kind.KEY_DESTROYED, actor=actor, at=at, reason=said)
        key = project_key(root, project)
        gone = key_destroyed(change, "project", project, actor=actor, at=at, reason=said, key=key)
        change.record(actor, "key.destroy", f"project {project}", at=at, detail=said)
    # Another build may make the project's next key from here on: that one stays.
    remove_secret(root, project_secret(project), only=gone)
    return keyed


def destroy_registry_key(
    engine: Engine, root: Path, *, reason: str, actor: Actor, at: datetime
) -> None:
    """Destroy the key under which the registry knows learners: the end of a workspace.

    Every digest in it is of nobody from then on: no right, no tombstone, no member of a release is
    found again. So nothing can be built any more, and nobody can be told whether he was released.

    Args:
        engine: the registry.
        root: the workspace.
        reason: why.
        actor: a steward.
        at: when.

    Raises:
        RoleError: the actor is no steward.
        RegistryError: a release that shows learners is live, the key is destroyed already, or no
            reason is given, or one that names a learner.
        SettingsError: the key can't be read.
        OutputError: the file can't be removed; recovery will.
    """
    actor.must_be(Duty.STEWARD)
    said = stated_reason(reason)
    demand_nameless(engine, root, said)
    with changing(engine) as change:
        last = last_event(change.connection, "registry", "")
        if last is not None and last.destroyed:
            raise RegistryError("the registry key is destroyed already")
        live = [one.id for one in statuses(change.connection) if one.live and not one.shows_nobody]
        if live:
            raise RegistryError(
                f"release {', '.join(live)} is live, and the registry key tells whom it shows; "
                "recall it, and have its destruction confirmed"
            )
        key = read_secret(root, REGISTRY)
        key_destroyed(change, "registry", "", actor=actor, at=at, reason=said, key=key)
        change.record(actor, "key.destroy", REGISTRY, at=at, detail=said)
    for name in (REGISTRY, NEXT_REGISTRY):
        remove_secret(root, name)
