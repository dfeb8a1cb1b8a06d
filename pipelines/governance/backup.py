"""A copy of the registry while others use it: SQLite's own online backup."""

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL

from pipelines.errors import OutputError, RegistryError
from pipelines.governance.chain import Head, changing
from pipelines.governance.database import open_registry
from pipelines.people import Actor, Duty


def back_up(url: URL, to: Path, *, actor: Actor, at: datetime) -> Head:
    """Copy the registry into a new file, for its owner's eyes only.

    That a copy was made is on record, in the copy too.

    Args:
        url: of the registry.
        to: a new file.
        actor: a steward or an engineer.
        at: when.

    Returns:
        The head of the chain that the copy holds at least.

    Raises:
        RoleError: the actor is neither.
        RegistryError: it is no SQLite file: PostgreSQL has a tool of its own; or can't be used.
        OutputError: the file exists, or can't be written.
    """
    actor.must_be(Duty.STEWARD, Duty.ENGINEER)
    if url.get_backend_name() != "sqlite":
        raise RegistryError(
            "the registry is a PostgreSQL database; back it up with `pg_dump --format=custom "
            "--file FILE DATABASE`"
        )
    registry = open_registry(url)
    try:
        os.close(os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise OutputError(f"{to}: can't be made ({error.strerror}); name a new file") from None
    try:
        with changing(registry) as change:
            head = change.record(actor, "database.backup", "a file", at=at)
        _copy(Path(url.database or ""), to)
    except sqlite3.Error as error:
        to.unlink()
        raise OutputError(
            f"{to}: can't hold the copy ({type(error).__name__}); free some space, or name "
            "another folder"
        ) from None
    except BaseException:
        to.unlink()
        raise
    return head


def _copy(source: Path, to: Path) -> None:
    name = f"file:{quote(str(source))}?mode=ro"
    with closing(sqlite3.connect(name, uri=True)) as here, closing(sqlite3.connect(to)) as there:
        here.backup(there)
        # One file, whatever the original has beside it.
        there.execute("PRAGMA journal_mode=DELETE").close()
    with to.open("rb") as file:
        os.fsync(file.fileno())
