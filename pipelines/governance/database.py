"""The workspace's database: SQLite in the workspace, or a team's PostgreSQL.

Its schema is laid and changed by the steps in `migrations` alone; the database remembers the last
one. A SQLite file belongs to one workspace and is brought up to date when it is opened. A team's
database is brought up to date by `kohort database upgrade`, when the team chooses.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, column, func, inspect, select, table
from sqlalchemy.exc import OperationalError, ProgrammingError

from pipelines.errors import RegistryError
from pipelines.governance.chain import begin_chain, changing
from pipelines.governance.engines import open_engine, place, translated
from pipelines.governance.tables import Base, ChainHead, RightsRecord
from pipelines.people import Actor

__all__ = [
    "REVISIONS",
    "Contents",
    "create_registry",
    "open_registry",
    "place",
    "registry_contents",
    "translated",
    "upgrade_registry",
]

REVISIONS: Final = ("0001", "0002", "0003", "0004")
"""The steps, as in `migrations/versions`; named here so that opening loads no Alembic."""

_VERSION: Final = table("alembic_version", column("version_num"))
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_UPGRADING: Final = 7_146_082_591
"""The advisory lock that one upgrade of a PostgreSQL database holds."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds.

    Attributes:
        revision: the last step that was taken.
        rows: the number of rows of each table of kohort's that is there.
    """

    revision: str
    rows: Mapping[str, int]

    @property
    def current(self) -> bool:
        """Whether it is as this version of kohort wants it."""
        return self.revision == REVISIONS[-1]


def create_registry(url: URL) -> Engine:
    """Lay the tables in a new SQLite file, for its owner's eyes only, or in an empty database.

    Raises:
        RegistryError: it exists, or can't be made.
    """
    if url.get_backend_name() == "sqlite":
        return _create_file(url)
    engine = open_engine(url)
    with translated(engine), engine.begin() as connection:
        _lock(connection)
        there = set(inspect(connection).get_table_names())
        if not there.isdisjoint({_VERSION.name, *Base.metadata.tables}):
            raise RegistryError(
                f"{place(url)}: holds a registry already; use it as it is (`kohort database "
                "show`), or name an empty database in kohort.toml"
            )
        _migrate(connection)
    return engine


def open_registry(url: URL) -> Engine:
    """The registry at this address.

    Every commit is on disk when it returns. A lost registry is not made anew: the restrictions in
    it would be lost with it. Whoever writes begins with `engine.begin()`: a transaction of SQLite
    that begins by reading can't wait for another writer.

    Raises:
        RegistryError: there is none, it can't be used, or it is not up to date.
    """
    engine = open_engine(url)
    revision = _known_revision(engine)
    if revision != REVISIONS[-1]:
        if engine.dialect.name != "sqlite":
            raise RegistryError(
                f"{place(url)}: the registry is at revision {revision}, and this kohort needs "
                f"{REVISIONS[-1]}; back it up, then run `kohort database upgrade`"
            )
        with translated(engine), engine.begin() as connection:
            _migrate(connection)
    return engine


def upgrade_registry(url: URL, *, actor: Actor, at: datetime) -> str:
    """Bring a registry up to date; what it holds stays.

    Args:
        url: where it is.
        actor: who does it.
        at: when.

    Returns:
        The revision that it was at.

    Raises:
        RegistryError: there is none, or it can't be used.
    """
    engine = open_engine(url)
    revision = _known_revision(engine)
    with translated(engine), engine.begin() as connection:
        _lock(connection)
        _migrate(connection)
    if revision != REVISIONS[-1]:
        with changing(engine) as change:
            change.record(
                actor, "database.upgrade", REVISIONS[-1], at=at, detail=f"from {revision}"
            )
    return revision


def registry_contents(url: URL) -> Contents:
    """What the registry at this address holds, up to date or not.

    Raises:
        RegistryError: there is none, or it can't be used.
    """
    engine = open_engine(url)
    revision = _known_revision(engine)
    with translated(engine), engine.connect() as connection:
        there = set(inspect(connection).get_table_names())
        rows = {
            name: connection.execute(select(func.count()).select_from(own)).scalar_one()
            for name, own in Base.metadata.tables.items()
            if name in there
        }
    return Contents(revision, rows)


def _create_file(url: URL) -> Engine:
    path = Path(url.database or "")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise RegistryError(f"{path}: can't be made ({error.strerror})") from None
    engine = open_engine(url)
    try:
        with translated(engine), engine.begin() as connection:
            _migrate(connection)
    except BaseException:
        path.unlink()
        raise
    return engine


def _known_revision(engine: Engine) -> str:
    """The revision of a registry; `REVISIONS` names it.

    Raises:
        RegistryError: there is no registry, or a later kohort has upgraded it.
    """
    with translated(engine), engine.connect() as connection:
        revision = _revision(connection)
    if revision is None:
        raise RegistryError(
            f"{place(engine.url)}: holds no registry; restore it from your backup, or lay a new "
            "one with `kohort init`"
        )
    if revision not in REVISIONS:
        raise RegistryError(
            f"{place(engine.url)}: the registry is at revision {revision}, which this kohort "
            "does not know; use the version of kohort that upgraded it, or a later one"
        )
    return revision


def _revision(connection: Connection) -> str | None:
    """The last step that was taken; None: there is no registry."""
    try:
        revision: str | None = connection.execute(
            select(_VERSION.c.version_num)
        ).scalar_one_or_none()
    except (OperationalError, ProgrammingError):
        connection.rollback()
        inspector = inspect(connection)
        if inspector.has_table(_VERSION.name):  # somebody has just upgraded it
            return connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()
        return REVISIONS[0] if inspector.has_table(RightsRecord.__tablename__) else None
    return revision


def _lock(connection: Connection) -> None:
    """Wait until nobody else lays tables; a SQLite transaction has waited already."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_UPGRADING)))


def _migrate(connection: Connection) -> None:
    """Take every step that was not taken yet, within the connection's transaction."""
    from alembic import command  # noqa: PLC0415 - slow, and needed once
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    inspector = inspect(connection)
    if inspector.has_table(RightsRecord.__tablename__) and not inspector.has_table(_VERSION.name):
        command.stamp(config, REVISIONS[0])  # as kohort laid it before it had migrations
    command.upgrade(config, "head")
    if connection.scalar(select(func.count()).select_from(ChainHead)) == 0:
        begin_chain(connection, datetime.now(UTC))  # no caller has a clock: any command may open
