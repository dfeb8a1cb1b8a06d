"""The registry's database: the same on SQLite and PostgreSQL."""

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from sqlalchemy import URL, MetaData, Table, delete, func, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from pipelines.cli.database import database
from pipelines.errors import RegistryError
from pipelines.governance import database as module
from pipelines.governance import engines
from pipelines.governance.audit import entries, verified, verify_chain
from pipelines.governance.chain import begin_chain, changing, head
from pipelines.governance.database import (
    REVISIONS,
    create_registry,
    open_registry,
    registry_contents,
    translated,
    upgrade_registry,
)
from pipelines.governance.engines import open_engine
from pipelines.governance.sealing import ORIGIN
from pipelines.governance.tables import Action, Base, Release, ReleaseEvent, RightsRecord
from pipelines.people import EVERY_DUTY, Actor
from pipelines.settings import create_workspace
from tests.anyrow import any_row
from tests.conformance.test_audit_chain import add_rows

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
ENGINEER = Actor("e.diaz@platform.example", "ediaz", EVERY_DUTY)
RECORD = {
    "learner": "ab" * 32,
    "purpose": "research",
    "scope": "*",
    "state": "withdrawn",
    "effective_from": datetime(2026, 1, 1),
    "received_at": datetime(2026, 1, 2),
}
RECORD_NEW = {**RECORD, "effective_from": NOW, "received_at": NOW}
ACTION = {"at": NOW, "actor": "a", "login": "a", "kind": "k", "subject": "s"}

# What SQLAlchemy's create_all wrote at that time.
BEFORE_THE_STEPS = """
CREATE TABLE rights_record (
    id INTEGER NOT NULL,
    learner VARCHAR(64),
    source VARCHAR,
    purpose VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    legal_basis VARCHAR,
    jurisdiction VARCHAR,
    notice_version VARCHAR,
    effective_from DATETIME NOT NULL,
    effective_to DATETIME,
    origin VARCHAR,
    note VARCHAR,
    received_at DATETIME NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT bears_on_somebody CHECK (learner IS NOT NULL OR source IS NOT NULL)
);
INSERT INTO rights_record (learner, purpose, scope, state, effective_from, received_at) VALUES
    ('ab', 'research', '*', 'withdrawn', '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000')
"""


def differences(engine):
    """What Alembic finds; None: as it compares by itself."""

    def other_default(context, _inspected, _column, there, _wanted, rendered):
        # SQLite tells an empty text in parentheses.
        empty = (there, rendered) == ("('')", "")
        return False if empty and context.dialect.name == "sqlite" else None

    opts = {"compare_server_default": other_default}
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection, opts=opts), Base.metadata)


def sqlite_url(folder):
    return URL.create("sqlite", database=str(folder / "kohort.sqlite"))


def config_over(connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(module._MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def lay_first_revision(url):
    """A registry as of revision 0001, with one record."""
    if url.get_backend_name() == "sqlite":
        sqlite3.connect(url.database).close()
    engine = open_engine(url)
    with engine.begin() as connection:
        command.upgrade(config_over(connection), "0001")
        old = Table("rights_record", MetaData(), autoload_with=connection)
        connection.execute(insert(old), RECORD)
    return engine


def states(engine):
    with engine.connect() as connection:
        return connection.execute(
            select(RightsRecord.learner, RightsRecord.state, RightsRecord.ends)
        ).all()


def test_the_steps_lay_what_the_tables_say(registry):
    """Alembic finds nothing to add, remove or change."""
    assert differences(registry) == []


def test_what_alembic_does_not_compare(registry):
    """Primary keys, and the check that a record bears on somebody."""
    inspector = inspect(registry)
    for name, table in Base.metadata.tables.items():
        keys = [column.name for column in table.primary_key]
        assert inspector.get_pk_constraint(name)["constrained_columns"] == keys
    nobody = {**RECORD_NEW, "learner": None}
    with (
        pytest.raises(RegistryError, match=r"IntegrityError|CheckViolation"),
        translated(registry),
        registry.begin() as connection,
    ):
        connection.execute(insert(RightsRecord), nobody)


def test_the_names_of_the_steps_are_known():
    """Opening compares with a list: it is Alembic's."""
    script = ScriptDirectory(str(module._MIGRATIONS))
    walked = [step.revision for step in script.walk_revisions()]
    assert tuple(reversed(walked)) == REVISIONS


def test_rows_outlive_an_upgrade(registry_url):
    """What revision 0001 held is there afterwards, and ends nothing."""
    lay_first_revision(registry_url)
    assert upgrade_registry(registry_url, actor=ENGINEER, at=NOW) == "0001"
    engine = open_registry(registry_url)
    assert states(engine) == [(RECORD["learner"], "withdrawn", None)]
    with engine.connect() as connection:
        kept = connection.execute(select(RightsRecord.effective_from)).scalar_one()
        actions = connection.execute(select(Action.kind, Action.subject, Action.detail)).all()
    assert kept == datetime(2026, 1, 1, tzinfo=UTC)
    assert actions == [
        ("registry.begin_chain", "what was there", None),
        ("database.upgrade", REVISIONS[-1], "from 0001"),
    ]


def lay_second_revision(url):
    """A registry as of revision 0002, with two rows in every table; ids of actions have gaps."""
    if url.get_backend_name() == "sqlite":
        sqlite3.connect(url.database).close()
    engine = open_engine(url)
    with engine.begin() as connection:
        command.upgrade(config_over(connection), "0002")
        old = MetaData()
        old.reflect(connection, only=lambda name, _: name != "alembic_version")
        for table in old.sorted_tables:
            connection.execute(insert(table), [any_row(table, 1), any_row(table, 2)])
        actions = old.tables["action"]
        connection.execute(insert(actions), {**any_row(actions, 7), "detail": None})
    return engine, old


def test_what_governed_before_the_chain_is_sealed_by_it(registry_url):
    """Every row of revision 0002 stays as it is, and from now on any change of it is found."""
    engine, old = lay_second_revision(registry_url)

    def held():
        with engine.connect() as connection:
            return {
                table.name: connection.execute(select(table).order_by(*table.primary_key)).all()
                for table in old.sorted_tables
            }

    before = held()
    assert len(before) == 8
    assert upgrade_registry(registry_url, actor=ENGINEER, at=NOW) == "0002"
    after = held()
    kinds = ["registry.begin_chain", "database.upgrade"]
    assert [row.kind for row in after["action"][3:]] == kinds
    assert {**after, "action": after["action"][:3]} == before
    assert [entry.id for entry in entries(engine)] == [1, 2, 7, 8, 9]
    audit = verify_chain(engine)
    assert (audit.broken, audit.entries, audit.head.entry) == (None, 5, 9)
    assert set(audit.anew) == set()
    assert {name: n for name, n in audit.rows.items() if n} == dict.fromkeys(
        set(before) - {"action"}, 2
    )
    for change, entry in (
        ("UPDATE action SET subject = 'another' WHERE id = 2", 2),
        ("UPDATE release_member SET class_number = 5", 8),
    ):
        with engine.connect() as connection, connection.begin() as transaction:
            connection.execute(text(change))
            assert verified(connection).broken.entry == entry
            transaction.rollback()


def lay_third_revision(url):
    """A registry as of revision 0003: three rows a table, and a release with nulls."""
    if url.get_backend_name() == "sqlite":
        sqlite3.connect(url.database).close()
    engine = open_engine(url)
    with engine.begin() as connection:
        command.upgrade(config_over(connection), "0003")
        begin_chain(connection, NOW)
    with changing(engine) as change:
        for number in (1, 2, 3):
            add_rows(change, number)
        nulls = {"project": None, "item": None, "expires_on": None}
        change.add(Release, any_row(Release.__table__, 4, without=("entry",)) | nulls)
        change.record(ENGINEER, "first.three", "s", at=NOW)
    return engine


def null_k(engine):
    """Add a release without k, m and recode, and its event."""
    row = any_row(Release.__table__, 5, without=("entry", "k", "m", "recode"))
    with changing(engine) as change:
        change.add(Release, row)
        event = any_row(ReleaseEvent.__table__, 5, without=("entry", "id"))
        change.add(ReleaseEvent, event | {"release": row["id"]})
        change.record(ENGINEER, "an.aggregate", "s", at=NOW)


def orphan(connection):
    """An event of a release that there is not."""
    event = any_row(ReleaseEvent.__table__, 9) | {"release": "none"}
    connection.execute(insert(ReleaseEvent), event)


def parent(connection):
    """A release goes, and what refers to it stays."""
    connection.execute(delete(Release).where(Release.id == any_row(Release.__table__, 2)["id"]))


@pytest.mark.parametrize("upgrade", ["by the command", "by opening"])
def test_releases_outlive_the_third_upgrade(registry_url, upgrade):
    """Rows, their seals, foreign keys and indexes stay; only then may k be null."""
    engine = lay_third_revision(registry_url)
    with pytest.raises(RegistryError, match=r"IntegrityError|NotNullViolation"):
        null_k(engine)
    tables = [t for t in Base.metadata.sorted_tables if t.name not in {"action", "chain_head"}]

    def held():
        with engine.connect() as connection:
            return {
                t.name: [
                    tuple(row) for row in connection.execute(select(t).order_by(*t.primary_key))
                ]
                for t in tables
            }

    def indexes():
        found = inspect(engine)
        return {name: sorted(i["name"] for i in found.get_indexes(name)) for name in before}

    before = held()
    laid = indexes()
    assert laid["release"] == ["ix_release_request"]
    if upgrade == "by the command" or registry_url.get_backend_name() == "postgresql":
        assert upgrade_registry(registry_url, actor=ENGINEER, at=NOW) == "0003"
    engine = open_registry(registry_url)
    assert (held(), indexes(), differences(engine)) == (before, laid, [])
    for broken in (orphan, parent):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            broken(connection)
    null_k(engine)
    audit = verify_chain(engine)
    assert audit.broken is None
    assert (audit.rows["release"], audit.rows["release_event"]) == (5, 4)
    assert audit.rows["release_member"] == audit.rows["release_class"] == 3
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text("UPDATE release SET k = NULL WHERE k = 3"))
        assert verified(connection).broken.entry == 1
        transaction.rollback()
    assert "release_before" not in inspect(engine).get_table_names()


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(registry, registry_url):
    """It may be run at any time."""
    assert upgrade_registry(registry_url, actor=ENGINEER, at=NOW) == REVISIONS[-1]
    empty = {**dict.fromkeys(Base.metadata.tables, 0), "chain_head": 1}
    assert registry_contents(registry_url).rows == empty


def test_a_fresh_registry_has_a_chain_without_entries(registry):
    """Nobody did anything in it yet."""
    assert head(registry) == (0, ORIGIN)


def test_an_older_registry_is_upgraded_by_opening_or_refused(registry_url):
    """A SQLite file is its workspace's own; a team's database waits for the team."""
    lay_first_revision(registry_url)
    assert not registry_contents(registry_url).current
    if registry_url.get_backend_name() == "sqlite":
        assert len(states(open_registry(registry_url))) == 1
        assert registry_contents(registry_url).current
    else:
        with pytest.raises(RegistryError, match="kohort database upgrade"):
            open_registry(registry_url)
        assert registry_contents(registry_url).revision == "0001"


def test_a_registry_from_before_the_steps_is_recognized(tmp_path):
    """The first version of kohort laid its table without a revision."""
    url = sqlite_url(tmp_path)
    before = sqlite3.connect(url.database)
    before.executescript(BEFORE_THE_STEPS)
    before.close()
    assert registry_contents(url).revision == "0001"
    engine = open_registry(url)
    assert states(engine) == [("ab", "withdrawn", None)]
    assert registry_contents(url).current
    assert differences(engine) == []


@pytest.mark.parametrize("revision", ["0005", "9f1c2ab34d5e"])
def test_a_later_revision_is_refused(registry, registry_url, revision):
    """What a later kohort wrote is not touched."""
    with registry.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    for use in (open_registry, registry_contents):
        with pytest.raises(RegistryError, match=f"{revision}, which this kohort does not know"):
            use(registry_url)


def test_a_registry_is_not_made_twice(registry, registry_url):
    """Whatever is there already stays."""
    with pytest.raises(RegistryError, match=r"can't be made|holds a registry already"):
        create_registry(registry_url)
    assert registry_contents(registry_url).current


def test_a_lost_registry_is_not_made_anew(registry_url, tmp_path):
    """Neither the file nor the tables."""
    for use in (open_registry, registry_contents):
        with pytest.raises(RegistryError, match=r"missing|holds no registry.*backup"):
            use(registry_url)
    assert list(tmp_path.iterdir()) == []
    if registry_url.get_backend_name() == "postgresql":
        assert inspect(open_engine(registry_url)).get_table_names() == []


def test_a_file_that_goes_while_it_is_used_is_not_made_anew(tmp_path):
    """An empty one would hold no restriction."""
    engine = create_registry(sqlite_url(tmp_path))
    (tmp_path / "kohort.sqlite").unlink()
    with pytest.raises(RegistryError, match="can't be used"), translated(engine):
        states(engine)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused(tmp_path):
    """In one line, with what to do."""
    (tmp_path / "kohort.sqlite").write_text("no database, though long enough to look like one" * 40)
    with pytest.raises(RegistryError, match=r"can't be used \(DatabaseError\).*backup"):
        open_registry(sqlite_url(tmp_path))


def test_a_failed_step_leaves_nothing(registry_url, monkeypatch):
    """The tables are laid in one transaction, on SQLite too."""

    def fail(*_arguments, **_options):
        raise SQLAlchemyError("disk full")

    lay_first_revision(registry_url)
    monkeypatch.setattr(module, "begin_chain", fail)
    with pytest.raises(RegistryError):
        upgrade_registry(registry_url, actor=ENGINEER, at=NOW)
    assert set(inspect(open_engine(registry_url)).get_table_names()) == {
        "alembic_version",
        "rights_record",
    }


def test_a_file_that_could_not_be_laid_is_removed(tmp_path, monkeypatch):
    """So that the next attempt is not refused."""

    def fail(_connection):
        raise sqlite3.OperationalError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(module, "_migrate", fail)
        with pytest.raises(RegistryError):
            create_registry(sqlite_url(tmp_path))
    create_registry(sqlite_url(tmp_path))


def test_the_file_is_for_its_owners_eyes(tmp_path):
    """And so is what SQLite writes beside it."""
    engine = create_registry(sqlite_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(insert(RightsRecord), RECORD_NEW)
        modes = {oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    assert modes == {"0o600"}


def test_commits_are_on_disk_and_keys_are_held_to(tmp_path):
    """WAL, synchronous=FULL, foreign keys."""
    with create_registry(sqlite_url(tmp_path)).connect() as connection:
        found = [
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]


def count(connection) -> int:
    return connection.execute(select(func.count()).select_from(Action)).scalar_one()


def add(connection) -> None:
    connection.execute(insert(Action), ACTION)


def test_a_second_writer_waits_for_the_first(registry):
    """Though both read first: neither fails, and both rows are there."""
    inside, errors = threading.Event(), []

    def second():
        inside.wait(10)
        try:
            with registry.begin() as connection:
                count(connection)
                add(connection)
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    with registry.begin() as connection:
        count(connection)
        inside.set()
        thread.join(0.3)
        add(connection)
    thread.join(20)
    assert errors == []
    with registry.connect() as connection:
        assert count(connection) == 2


def test_readers_do_not_wait_for_a_writer(registry, registry_url):
    """They see what was committed; opening reads too."""
    with registry.begin() as writing:
        add(writing)
        with open_registry(registry_url).connect() as reading:
            assert count(reading) == 0


def test_who_waits_too_long_is_told_why(tmp_path, monkeypatch):
    """Nobody is sent to a backup because another command is at work."""
    monkeypatch.setattr(engines, "WAIT_SECONDS", 0)
    engine = create_registry(sqlite_url(tmp_path))
    with (
        engine.begin(),
        pytest.raises(RegistryError, match="another command has been writing"),
        translated(engine),
        engine.begin(),
    ):
        pass


def test_what_is_rolled_back_is_gone(registry):
    """A transaction is whole or nothing."""
    with pytest.raises(IntegrityError), registry.begin() as connection:
        connection.execute(insert(Action), [ACTION, {**ACTION, "kind": None}])
    with registry.connect() as connection:
        assert count(connection) == 0


def test_an_unreachable_server_is_one_line_without_its_password(postgresql):
    """Wherever in the address the password stands."""
    for url in (
        postgresql.admin.set(port=1, password="hush"),
        postgresql.admin.set(password="hush"),
        postgresql.admin.set(port=1, password=None, query={"password": "hush"}),
    ):
        for use in (open_registry, create_registry, registry_contents):
            with pytest.raises(RegistryError, match="can't be used") as caught:
                use(url)
            assert "hush" not in str(caught.value)
            assert "\n" not in str(caught.value)
            assert caught.value.__cause__ is None


def test_a_missing_driver_is_named(monkeypatch):
    """PostgreSQL is an extra of the package."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(RegistryError, match=r"pip install 'kohort\[postgresql\]'"):
        open_registry(URL.create("postgresql+psycopg", host="db.example", database="k"))


def test_opening_loads_no_alembic(tmp_path):
    """Every command opens the registry."""
    create_registry(sqlite_url(tmp_path))
    code = (
        "import sys; from sqlalchemy import URL; from pipelines.governance.database import *;"
        f"open_registry(URL.create('sqlite', database={str(tmp_path / 'kohort.sqlite')!r}));"
        "sys.exit('alembic' in sys.modules or 'psycopg' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def run(folder, *arguments):
    result = CliRunner().invoke(database, [*arguments, "--workspace", str(folder)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_the_commands_show_and_upgrade(registry_url, tmp_path):
    """An older registry is shown as it is; the upgrade says from where to where."""
    folder = tmp_path / "workspace"
    create_workspace(folder, local=True, sources={})
    if registry_url.get_backend_name() == "sqlite":
        registry_url = sqlite_url(folder)
    else:
        address = registry_url.render_as_string(hide_password=False)
        settings = (folder / "kohort.toml").read_text()
        (folder / "kohort.toml").write_text(f'database = "{address}"\n{settings}')
    lay_first_revision(registry_url)
    shown = run(folder, "show")
    assert "revision: 0001 (an older one" in shown
    assert "rights_record: 1 rows" in shown
    assert registry_url.password is None or registry_url.password not in shown
    assert run(folder, "upgrade") == f"revision: {REVISIONS[-1]}, was 0001\n"
    assert run(folder, "upgrade") == f"revision: {REVISIONS[-1]}, as it was\n"
    assert '"current": true' in run(folder, "show", "--json")
