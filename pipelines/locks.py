"""Locks that die with their process: nobody has to tell whether another process still lives.

A lock on a file is `flock`'s: the kernel lets go of it when the process ends, however it does. It
holds between the processes of one machine, containers that share the folder included, and between
machines on a network file system whose server keeps locks (NFS 4, or 3 with lockd; never with
`nolock` or `local_lock`). PostgreSQL's lock is that of a session: the server lets go of it when the
connection ends, but for a machine that vanished only when the server notices (see its setting
`tcp_keepalives_idle`), and a pooler that shares sessions out by transaction keeps none.

So no promise rests on them. They spare people a build in vain; that nothing changed while one was
made is found out where it is recorded (`governance.releases.reserve`), and one that was taken for
dead where it would be published.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from pipelines.governance.database import translated

BUILDING: Final = "building"
"""The folder of a workspace where builds work, and its lock lies."""

_ADVISORY: Final = 7_146_082_592
"""The advisory lock of the one build at a time of a PostgreSQL registry."""

_POLL_SECONDS: Final = 0.2


@contextmanager
def held(path: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file, once nobody else does.

    Args:
        path: the file; made where it is absent, and left there: one that is removed while others
            wait for it would be held twice.
        waiting: called once, if somebody else holds it.

    Raises:
        OSError: the file can't be made, or its file system keeps no locks.
    """
    # Python opens files so that no program started by this one has them; nothing here forks.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _taken(descriptor):
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock of a file, which need not be there."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        return _taken(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def building(registry: Engine, root: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """The one build at a time that reads the rights of a registry and publishes.

    On SQLite the registry is of one workspace, whose file is the lock; on PostgreSQL the server
    keeps a second one, for all workspaces of the team.

    Args:
        registry: the registry.
        root: the workspace.
        waiting: called, if another build is at it.

    Raises:
        RegistryError: the server can't be asked.
        OSError: the file can't be locked.
    """
    (root / BUILDING).mkdir(mode=0o700, exist_ok=True)
    with held(root / BUILDING / ".lock", waiting=waiting):
        if registry.dialect.name != "postgresql":
            yield
            return
        with translated(registry):
            session = registry.connect()
        try:
            with translated(registry):
                _wait(session, waiting)
            yield
        finally:
            # The connection may be lost by now, and the lock with it: no fault of the build.
            with suppress(SQLAlchemyError, registry.dialect.loaded_dbapi.Error):
                session.invalidate()
                session.close()


def _taken(descriptor: int) -> bool:
    """Whether the lock of this open file is now held by it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(session: Connection, waiting: Callable[[], None]) -> None:
    """Ask until the server gives the lock: an interrupt comes through between two questions."""
    session.execution_options(isolation_level="AUTOCOMMIT")  # no transaction stays open meanwhile
    asked = select(func.pg_try_advisory_lock(_ADVISORY))
    if session.scalar(asked):
        return
    waiting()
    while not session.scalar(asked):
        time.sleep(_POLL_SECONDS)
