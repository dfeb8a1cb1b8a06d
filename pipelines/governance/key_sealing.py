"""Sealing every key under the master key of the environment, and unsealing; on record."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from pipelines.governance.chain import changing
from pipelines.keys import Rewrapped, seal_secrets, unseal_secrets
from pipelines.people import Actor, Duty


def seal_keys(engine: Engine, root: Path, *, actor: Actor, at: datetime) -> Rewrapped:
    """Seal every key under `KOHORT_MASTER_KEY`, from plain or from `KOHORT_OLD_MASTER_KEY`.

    A run that was cut off is repeated, and then recorded: what it did stands in the files.

    Raises:
        RoleError: the actor is neither engineer nor steward.
        SettingsError: there is no master key, or a key can't be read; nothing is changed then.
        RegistryError: it can't be recorded.
        OutputError: a file can't be written.
    """
    return _rewrap(engine, root, seal_secrets, "key.seal", actor=actor, at=at)


def unseal_keys(engine: Engine, root: Path, *, actor: Actor, at: datetime) -> Rewrapped:
    """Have every key lie plain, for its owner's eyes: the way out of master keys.

    Raises:
        RoleError: the actor is neither engineer nor steward.
        SettingsError: a key can't be read; nothing is changed then.
        RegistryError: it can't be recorded.
        OutputError: a file can't be written.
    """
    return _rewrap(engine, root, unseal_secrets, "key.unseal", actor=actor, at=at)


def _rewrap(
    engine: Engine,
    root: Path,
    rewrap: Callable[[Path], Rewrapped],
    kind: str,
    *,
    actor: Actor,
    at: datetime,
) -> Rewrapped:
    actor.must_be(Duty.ENGINEER, Duty.STEWARD)
    done = rewrap(root)
    now = "plain" if done.master is None else f"under master key {done.master}"
    with changing(engine) as change:
        detail = f"{done.secrets} files {now}, {done.changed} of them since this"
        change.record(actor, kind, "keys", at=at, detail=detail)
    return done
