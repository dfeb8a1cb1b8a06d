"""The workspace's database: SQLite in the workspace, or a team's PostgreSQL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from pipelines.errors import RegistryError
from pipelines.governance.tables import Base


def create_registry(url: URL) -> Engine:
    """Lay the tables in a new database; a SQLite file is for its owner's eyes only.

    Raises:
        RegistryError: it exists, or can't be made.
    """
    path = Path(url.database or "")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise RegistryError(f"{path}: can't be made ({error.strerror})") from None
    return open_registry(url)


def open_registry(url: URL) -> Engine:
    """The registry at this address.

    Every commit is on disk when it returns (WAL, synchronous=FULL). A lost registry is not made
    anew: the restrictions in it would be lost with it.

    Raises:
        RegistryError: there is none.
    """
    path = Path(url.database or "")
    if not path.is_file():
        raise RegistryError(f"{path}: the registry is missing; restore it from your backup")
    # No pool: a connection is closed when it is given back, so nothing is left to dispose of.
    # Parameters are learners' data: they stay out of messages.
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", _set_pragmas)
    with translated(engine):
        Base.metadata.create_all(engine)
    return engine


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """SQLAlchemy's errors as ours; only the kind of the driver's, whose words may quote values."""
    try:
        yield
    except SQLAlchemyError as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise RegistryError(
            f"{engine.url.database}: the registry can't be used ({kind}); "
            "check the database, or restore it from your backup"
        ) from None


def _set_pragmas(connection: Any, _record: object) -> None:
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()
