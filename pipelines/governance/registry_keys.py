"""The registry's own key: which one is in force, and its rotation.

The registry remembers the id of the key that its learners are known under: under another one no
withdrawal and no tombstone would be recognized, and nobody would notice. The key's file is changed
by the one writer who holds the chain's lock, so record and file are never moved by two at once.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import punctuation
from typing import Final

from sqlalchemy import Connection, Engine, select

from pipelines.errors import RegistryError, SettingsError
from pipelines.governance.audit import verified
from pipelines.governance.chain import Change, changing
from pipelines.governance.engines import translated
from pipelines.governance.key_records import KeyHappening, key_created, last_event
from pipelines.governance.layers import folded
from pipelines.governance.rewriting import rewrite_digests
from pipelines.governance.rights_statement import canonical_id
from pipelines.governance.tables import KeyEvent, ReleaseMember, RightsRecord
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
_KOHORT: Final = Actor("kohort", "kohort", frozenset())
"""Who records a key that was there: nobody but the program itself."""

_SHORTEST_ID: Final = 5
_INNER: Final = re.compile(r"[()\[\]{}<>,;:=/|\"'\u2018-\u201f]+")
_PART: Final = re.compile(r"[^\W_]+")
_ASKED_AT_ONCE: Final = 500
"""Digests in one query; SQLite takes no more than some thousand."""


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

    A registry of an earlier version remembers none: there the file is believed, once, and recorded
    as found; from then on no other is. Nobody can tell whether that first one was the right one:
    digests don't say what they were made under. So the first command after an upgrade must be one
    with the right keys. A rotation that was cut off after its commit is finished.

    Raises:
        SettingsError: the key is missing, or another than the one on record; or it was destroyed.
        RegistryError: the registry can't be used.
        OutputError: a rotation that was cut off can't be finished.
    """
    with translated(engine), engine.connect() as connection:
        recorded = _recorded(connection)
    key = registry_key(root)
    if recorded == key_id(key):
        return key
    with changing(engine) as change:
        return _in_force(change, root)


def finish_rotation(engine: Engine, root: Path) -> bool:
    """Clear up after a rotation that was cut off, before its commit or after it.

    Returns:
        Whether it had left a file.

    Raises:
        SettingsError: as `registry_key_of`; the file stays.
        RegistryError: the registry can't be used.
        OutputError: a file can't be written or removed.
    """
    if read_secret(root, NEXT_REGISTRY) is None:
        return False
    with changing(engine) as change:  # nobody rotates meanwhile
        _in_force(change, root)
        remove_secret(root, NEXT_REGISTRY)
    return True


def demand_own_key(engine: Engine, root: Path) -> None:
    """Refuse the registry key of another backup; one that was destroyed needs none.

    Raises:
        SettingsError: the key is missing, or another than the one on record.
        RegistryError: the registry can't be used.
    """
    if not _is_destroyed(engine):
        registry_key_of(engine, root)


def _is_destroyed(engine: Engine) -> bool:
    with translated(engine), engine.connect() as connection:
        last = last_event(connection, _KIND, "")
    return last is not None and last.destroyed


def names_somebody(engine: Engine, root: Path, text: str) -> bool:
    """Whether a word of a text is an id that the registry knows: what is recorded stays for good.

    Ids of fewer than five characters are not looked for, as numbers and words may be such by
    chance; nor is one with a blank in it. Where the registry key is destroyed or lost, nobody can
    tell, and no text names anybody.

    Raises:
        SettingsError: the key is another than the one on record, or can't be read.
        RegistryError: the registry can't be used.
    """
    if _is_destroyed(engine) or read_secret(root, REGISTRY) is None:
        return False
    digest = folded(registry_key_of(engine, root))
    words = {canonical_id(word) for word in _words(text)}
    known = [digest(word.encode()).hex() for word in sorted(words) if len(word) >= _SHORTEST_ID]
    with translated(engine), engine.connect() as connection:
        for start in range(0, len(known), _ASKED_AT_ONCE):
            asked = known[start : start + _ASKED_AT_ONCE]
            for column in (RightsRecord.learner, ReleaseMember.learner):
                if connection.scalar(select(column).where(column.in_(asked)).limit(1)) is not None:
                    return True
    return False


def demand_nameless(engine: Engine, root: Path, text: str, option: str = "--reason") -> None:
    """Refuse a text that names a learner, without repeating it; called outside a transaction.

    Raises:
        RegistryError: a word of it is a learner's id; or the registry can't be used.
        SettingsError: as `names_somebody`.
    """
    if names_somebody(engine, root, text):
        raise RegistryError(
            f"{option}: holds the id of a learner, and would stay on record for good; say it in "
            "words that name nobody"
        )


def _words(text: str) -> Iterator[str]:
    """What may be an id in a text: between blanks, without what is around it, and its parts."""
    for word in text.split():
        yield word
        yield word.strip(punctuation)
        yield from _INNER.split(word)
        yield from _PART.findall(word)


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
        RegistryError: no reason is given, or one that names a learner; the audit chain is broken,
            or the registry can't be used.
        SettingsError: the key is not the registry's, or can't be read.
        OutputError: the key can't be written.
    """
    actor.must_be(Duty.STEWARD)
    said = " ".join(reason.split())
    if not said or not said.isprintable():
        raise RegistryError("--reason: say why, in a few printable words that name no learner")
    demand_nameless(engine, root, said)
    with changing(engine) as change:
        layer = randomness(KEY_BYTES)
        key = _in_force(change, root) + layer
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


def _in_force(change: Change, root: Path) -> bytes:
    """As `registry_key_of`, by the one writer: nobody else changes the file meanwhile."""
    recorded = _recorded(change.connection)
    key = registry_key(root)
    if recorded is None:
        now = datetime.now(UTC)  # no caller has a clock: any command may be the first
        key_created(change, _KIND, "", key, actor=_KOHORT, at=now)
        change.record(_KOHORT, "key.create", _KIND, at=now, detail=f"{key_id(key)}, as found")
        return key
    if recorded == key_id(key):
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
