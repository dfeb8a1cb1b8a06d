"""The registry's own key: which one is in force, and its rotation.

The registry remembers the id of the key that its learners are known under: under another one no
withdrawal and no tombstone would be recognized, and nobody would notice. The key's file is changed
by the one writer who holds the chain's lock, so record and file are never moved by two at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, select

from pipelines.errors import RegistryError, SettingsError
from pipelines.governance.audit import verified
from pipelines.governance.chain import Change, changing
from pipelines.governance.engines import translated
from pipelines.governance.key_events import KeyHappening, key_created
from pipelines.governance.rewriting import rewrite_digests
from pipelines.governance.tables import KeyEvent
from pipelines.keys import (
    KEY_BYTES,
    NEXT_REGISTRY,
    REGISTRY,
    key_id,
    read_secret,
    registry_key,
    remove_secret,
    write_secret,
)
from pipelines.people import Actor, Duty

_KIND: Final = "registry"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did.

    Attributes:
        records: rights records whose digest was rewritten.
        members: rows of the item-set registry whose digest was.
        key_id: of the key in force from then on.
    """

    records: int
    members: int
    key_id: str


def record_registry_key(engine: Engine, root: Path, *, actor: Actor, at: datetime) -> None:
    """Have a new registry remember its key.

    Raises:
        SettingsError: the key can't be read.
        RegistryError: the registry can't be written.
    """
    key = registry_key(root)
    with changing(engine) as change:
        key_created(change, _KIND, "", key, actor=actor, at=at)
        change.record(actor, "key.create", _KIND, at=at, detail=key_id(key))


def registry_key_of(engine: Engine, root: Path) -> bytes:
    """The key that this registry's learners are known under: n layers of 32 bytes.

    A registry of an earlier version remembers none before its first rotation: there the file is
    believed. A rotation that was cut off after its commit is finished.

    Raises:
        SettingsError: the key is missing, or another than the one on record; or it was destroyed.
        RegistryError: the registry can't be used.
        OutputError: a rotation that was cut off can't be finished.
    """
    with translated(engine), engine.connect() as connection:
        recorded = _recorded(connection)
    key = registry_key(root)
    if recorded in {None, key_id(key)}:
        return key
    with changing(engine) as change:
        return _in_force(change.connection, root)


def demand_key(change: Change, key: bytes) -> None:
    """Refuse to go on with digests under a key that was rotated since it was read.

    Whoever writes digests, or decides on them, calls it inside the transaction: from there on
    nobody rotates.

    Raises:
        RegistryError: another key is in force by now.
        SettingsError: the key was destroyed.
    """
    if _recorded(change.connection) not in {None, key_id(key)}:
        raise RegistryError(
            "the registry key was rotated in the meantime, and nothing was recorded; run the "
            "command again"
        )


def rotate_registry_key(
    engine: Engine,
    root: Path,
    *,
    randomness: Callable[[int], bytes],
    actor: Actor,
    at: datetime,
    reason: str,
) -> Rotated:
    """Add a layer to the registry key, and rewrite every digest under it.

    The one exception from append-only: rights records keep their ids, and one entry of the chain
    answers for all rows anew. The new key lies beside the old one, as `NEXT_REGISTRY`, from before
    the commit until it has taken its place. Cut off before the commit, nothing happened; after it,
    the next command finishes the rest.

    Args:
        engine: the registry; no other command writes to it meanwhile.
        root: the workspace.
        randomness: a source of n secret random bytes.
        actor: a steward.
        at: when.
        reason: why; it names nobody.

    Raises:
        RoleError: the actor is no steward.
        RegistryError: no reason is given, the audit chain is broken, or the registry can't be used.
        SettingsError: the key is not the registry's, or can't be read.
        OutputError: the key can't be written.
    """
    actor.must_be(Duty.STEWARD)
    said = " ".join(reason.split())
    if not said or not said.isprintable():
        raise RegistryError("--reason: say why, in a few printable words that name no learner")
    with changing(engine) as change:
        layer = randomness(KEY_BYTES)
        key = _in_force(change.connection, root) + layer
        _refuse_broken(change)
        remove_secret(root, NEXT_REGISTRY)  # of a rotation that did not happen
        write_secret(root, NEXT_REGISTRY, key, replace=False)
        records, members = rewrite_digests(change, layer)
        event = {"kind": _KIND, "name": "", "key_id": key_id(key), "actor": actor.name}
        event |= {"event": KeyHappening.ROTATED.value}
        change.add(KeyEvent, {**event, "at": at, "reason": said})
        detail = f"to {key_id(key)}: {records} records, {members} rows of releases; {said}"
        change.record(actor, "key.rotate", _KIND, at=at, detail=detail)
    registry_key_of(engine, root)
    return Rotated(records, members, key_id(key))


def _refuse_broken(change: Change) -> None:
    """What was tampered with is not rewritten: the new entry would answer for it."""
    broken = verified(change.connection).broken
    if broken is not None:
        raise RegistryError(
            f"the audit chain is broken ({broken.what}); see `kohort audit verify`, and restore "
            "keys/ and the registry from your backup before you rotate"
        )


def _recorded(connection: Connection) -> str | None:
    """The id of the key on record; None where there is none.

    Raises:
        SettingsError: it was destroyed.
    """
    query = select(KeyEvent.key_id, KeyEvent.event, KeyEvent.at).where(KeyEvent.kind == _KIND)
    last = connection.execute(query.order_by(KeyEvent.id.desc()).limit(1)).one_or_none()
    if last is None:
        return None
    if last.event == KeyHappening.DESTROYED:
        raise SettingsError(
            f"the registry key was destroyed on {last.at:%Y-%m-%d at %H:%M} UTC: nobody can tell "
            "any more whom the registry speaks of; start a new workspace with `kohort init`"
        )
    return str(last.key_id)


def _in_force(connection: Connection, root: Path) -> bytes:
    """As `registry_key_of`, by the one writer: nobody else changes the file meanwhile."""
    recorded = _recorded(connection)
    key = registry_key(root)
    if recorded in {None, key_id(key)}:
        return key
    pending = read_secret(root, NEXT_REGISTRY)
    if pending is None or key_id(pending) != recorded:
        raise SettingsError(
            "the registry key is not the one that this registry was made under; restore keys/ and "
            "the registry from the same backup, or copy keys/ from the workspace that rotated it"
        )
    write_secret(root, REGISTRY, pending, replace=True)
    remove_secret(root, NEXT_REGISTRY)
    return pending
