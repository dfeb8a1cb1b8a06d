"""Connections to the workspace's database, and what is told of their failures."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from pipelines.errors import RegistryError

WAIT_SECONDS: Final = 30
"""How long a writer waits for another one."""

_LOCK_NOT_AVAILABLE: Final = "55P03"
_DISK: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


def open_engine(url: URL) -> Engine:
    """The engine of a database, which is connected to when it is used.

    Whatever it was given is on disk when a commit returns. A SQLite file is never made by it.

    Raises:
        RegistryError: the SQLite file, or the driver for PostgreSQL, is missing.
    """
    return _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)


def place(url: URL) -> str:
    """Where a database is, in words: the file, or server and name; never an account or password."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """The database's errors as ours; only their kind, as their words may quote values."""
    driver = engine.dialect.loaded_dbapi.Error
    try:
        yield
    except (SQLAlchemyError, driver) as error:
        cause = getattr(error, "orig", None) or error
        busy = getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        if busy or getattr(cause, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise RegistryError(
                f"{place(engine.url)}: another command has been writing to the registry for "
                f"{WAIT_SECONDS} seconds; try again when it is done"
            ) from None
        if getattr(cause, "sqlite_errorcode", 0) & 0xFF in _DISK:
            raise RegistryError(
                f"{place(engine.url)}: the registry's disk is full, or fails; make room there, and "
                "try again"
            ) from None
        raise RegistryError(
            f"{place(engine.url)}: the registry can't be used ({type(cause).__name__}); check "
            "that the database is there and lets you in, or restore it from your backup"
        ) from None


def _postgresql(url: URL) -> Engine:
    try:
        # No pool: a connection is closed when it is given back, so nothing is left to dispose of.
        # Parameters are learners' data: they stay out of messages.
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            hide_parameters=True,
            # Whatever the server has for default: who waited for the chain's lock must see what the
            # one before wrote.
            isolation_level="READ COMMITTED",
            connect_args={"client_encoding": "utf8"},
        )
    except ImportError:  # also where the driver is there, and the library it needs is not
        raise RegistryError(
            f"{place(url)}: no driver for PostgreSQL; install it with "
            "`pip install 'kohort[postgresql]'`"
        ) from None


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    if not path.is_file():
        raise RegistryError(f"{path}: the registry is missing; restore it from your backup")

    def connect() -> sqlite3.Connection:
        # `rw`: a file that has gone since is not made anew. No isolation level: Python leaves
        # BEGIN to us.
        name = f"file:{quote(str(path))}?mode=rw"
        opened = sqlite3.connect(name, uri=True, timeout=WAIT_SECONDS, isolation_level=None)
        # 64 MiB of cache: digests are added to their index in no order.
        cache = "cache_size=-65536"
        for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL", cache):
            opened.execute(f"PRAGMA {pragma}").close()
        return opened

    engine = create_engine(url, creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "before_execute", _note_reader)
    event.listen(engine, "begin", _begin)
    return engine


def _note_reader(connection: Connection, statement: Any, *_others: object) -> None:
    if not connection.in_transaction():
        connection.info["reads"] = statement.is_select


def _begin(connection: Connection) -> None:
    """Begin as a writer, who waits for others, unless the first statement is a select."""
    reads = connection.info.pop("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
