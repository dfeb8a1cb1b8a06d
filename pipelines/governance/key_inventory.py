"""The keys of a workspace: those on record, held against the files that are here."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import Engine

from pipelines.errors import SettingsError
from pipelines.governance.key_records import KeyLife, key_history
from pipelines.keys import StoredSecret, key_id, read_secret, stored_secrets

_ORDER: Final = ("registry", "project", "release", "other")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key.

    Attributes:
        kind: `registry`, `project`, `release`; `other` of a file that kohort did not name.
        name: the project, or the release's id; empty for the registry's.
        key_id: null where neither the record nor the file tells: it is sealed, and the master key
            is not at hand.
        state: how its file lies here, `plain` or `sealed`; without one, `destroyed` where the
            record says so, else `missing`.
        sealed_by: the id of the master key; null unless sealed.
        made_at: or first found, where it was made before keys were recorded; null where it is not
            on record.
        destroyed_at: null where it was not; with a file, its removal was cut off.
    """

    kind: str
    name: str
    key_id: str | None
    state: Literal["plain", "sealed", "destroyed", "missing"]
    sealed_by: str | None
    made_at: datetime | None
    destroyed_at: datetime | None


def key_inventory(engine: Engine, root: Path) -> list[KeyEntry]:
    """Every key on record, and every key that lies here; by kind and name, oldest first.

    Raises:
        SettingsError: a file can't be read, or is no key.
        RegistryError: the registry can't be read.
    """
    here = {one.name: one for one in stored_secrets(root)}
    ids = {name: _id(root, name) for name in here}
    lives = key_history(engine)
    owners: dict[str, KeyLife] = {}
    for life in lives:  # the newest that the file may be of
        if life.secret in here and (not life.key_id or ids[life.secret] in {None, life.key_id}):
            owners[life.secret] = life
    entries = [
        _entry(life, here[life.secret] if owners.get(life.secret) is life else None)
        for life in lives
    ]
    others = [one for name, one in here.items() if name not in owners]
    entries += [_unrecorded(one, ids[one.name]) for one in others]
    return sorted(entries, key=lambda one: (_ORDER.index(one.kind), one.name))


def _entry(life: KeyLife, file: StoredSecret | None) -> KeyEntry:
    gone: Literal["destroyed", "missing"] = "missing" if life.destroyed_at is None else "destroyed"
    return KeyEntry(
        kind=life.kind,
        name=life.name,
        key_id=life.key_id or None,
        state=gone if file is None else _lies(file),
        sealed_by=None if file is None else file.sealed_by,
        made_at=life.made_at,
        destroyed_at=life.destroyed_at,
    )


def _unrecorded(file: StoredSecret, ident: str | None) -> KeyEntry:
    kind, _, name = file.name.partition("-")
    if kind not in _ORDER:
        kind, name = "other", file.name
    return KeyEntry(kind, name, ident, _lies(file), file.sealed_by, None, None)


def _lies(file: StoredSecret) -> Literal["plain", "sealed"]:
    return "plain" if file.sealed_by is None else "sealed"


def _id(root: Path, name: str) -> str | None:
    try:
        key = read_secret(root, name)
    except SettingsError:  # the master key is not at hand
        return None
    return None if key is None else key_id(key)
