"""What stands in for a table is found before any row is read, on both databases."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from pipelines.governance.audit import verify_chain
from pipelines.governance.chain import changing
from pipelines.governance.database import create_registry, open_registry
from pipelines.governance.tables import Request, RequestEvent, RightsRecord
from pipelines.people import EVERY_DUTY, Actor
from tests.anyrow import any_row

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
AHN = Actor("s.ahn@platform.example", "sahn", EVERY_DUTY)
SQLITE = pytest.mark.parametrize("registry_url", ["sqlite"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("registry_url", ["postgresql"], indirect=True)


def add_record(engine, state="granted") -> None:
    """A right, and its entry."""
    row = any_row(RightsRecord.__table__, 1, without=("entry", "salt", "id"))
    with changing(engine) as change:
        change.add(RightsRecord, row | {"state": state})
        change.record(AHN, "rights.set", "a learner", at=NOW)


def tamper(engine, *statements) -> None:
    """Behind kohort's back."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def found(url):
    """What is told, first in words; nothing else is read then."""
    audit = verify_chain(open_registry(url))
    if audit.broken is None:
        return None
    assert (audit.broken.entry, audit.entries, dict(audit.rows)) == (None, 0, {})
    assert audit.broken.what.startswith("the database: ")
    return audit.broken.what.removeprefix("the database: ")


@pytest.mark.parametrize("name", ["action", "chain_head", "release_member", "spend"])
def test_a_view_of_a_table_is_found(registry, registry_url, name):
    """Whatever it shows."""
    add_record(registry)
    assert found(registry_url) is None
    tamper(
        registry,
        f"ALTER TABLE {name} RENAME TO kept",
        f"CREATE VIEW {name} AS SELECT * FROM kept",
    )
    assert found(registry_url) == f"{name} is a view"


def test_what_an_owner_may_add_is_no_fault(registry, registry_url):
    """A table of his own, and the database's figures for its planner."""
    tamper(registry, "CREATE TABLE notes (words TEXT)", "ANALYZE")
    assert found(registry_url) is None


def test_a_table_that_is_gone_is_found(registry, registry_url):
    """As one in another case would be."""
    tamper(registry, "DROP TABLE spend")
    assert found(registry_url) == "spend is missing, or no table"


def test_a_column_of_another_type_or_more_is_found(registry, registry_url):
    """And one that the database makes up."""
    tamper(registry, "ALTER TABLE draw ADD COLUMN more INTEGER")
    assert found(registry_url) == "the columns of draw are not those that kohort lays"


@POSTGRESQL
def test_a_view_that_knows_who_asks_is_found(registry, registry_url):
    """The auditor's query shows the row as it was, a build's as somebody wants it."""
    add_record(registry)
    columns = ", ".join(
        "CASE WHEN current_query() LIKE '%%to_char%%' THEN state ELSE 'erased' END AS state"
        if column.name == "state"
        else column.name
        for column in RightsRecord.__table__.c
    )
    tamper(
        registry,
        "ALTER TABLE rights_record RENAME TO kept",
        f"CREATE VIEW rights_record AS SELECT {columns} FROM kept",
    )
    assert found(registry_url) == "rights_record is a view"


FUNCTION = "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
RULED = "has a rule, a trigger or row security, and kohort lays none"
INDEXED = "has an index that is not valid, or leaves rows out"
OTHERWISE = "the columns of rights_record are not those that kohort lays"
ELSEWHERE = "is found in another schema than alembic_version, or is not permanent"


@POSTGRESQL
@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            ["CREATE RULE r AS ON INSERT TO rights_record DO INSTEAD NOTHING"],
            f"rights_record {RULED}",
        ),
        (
            [
                FUNCTION,
                "CREATE TRIGGER t BEFORE INSERT ON request_event EXECUTE FUNCTION swallow()",
            ],
            f"request_event {RULED}",
        ),
        (["ALTER TABLE release ENABLE ROW LEVEL SECURITY"], f"release {RULED}"),
        (
            ["CREATE TABLE child () INHERITS (rights_record)"],
            "rights_record inherits from a table, or another from it",
        ),
        (["ALTER TABLE rights_record ALTER COLUMN state TYPE text"], OTHERWISE),
        (['ALTER TABLE rights_record ALTER COLUMN state TYPE varchar COLLATE "C"'], OTHERWISE),
        (["CREATE INDEX p ON request (title) WHERE title = ''"], f"request {INDEXED}"),
        (["CREATE INDEX p ON request (lower(title))"], f"request {INDEXED}"),
        (["ALTER TABLE rights_record SET UNLOGGED"], f"rights_record {ELSEWHERE}"),
        (
            [
                "CREATE FUNCTION to_char(date, varchar) RETURNS text LANGUAGE sql AS 'SELECT $2'",
            ],
            "it has functions or operators that stand in for the database's own",
        ),
    ],
)
def test_what_makes_a_table_of_postgresql_more_or_less_than_one(
    registry, registry_url, statements, said
):
    """Rows that are dropped, hidden, added or changed on their way."""
    add_record(registry)
    tamper(registry, *statements)
    assert found(registry_url) == said


@POSTGRESQL
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("shadow, public", f"rights_record {ELSEWHERE}"),
        ("shadow, pg_catalog, public", "its search_path has another schema before"),
    ],
)
def test_a_schema_that_shadows_another_is_found(registry, registry_url, path, said):
    """All commands of a database then go to another table than its owner thinks."""
    add_record(registry)
    tamper(
        registry,
        "CREATE SCHEMA shadow",
        "CREATE TABLE shadow.rights_record (LIKE rights_record INCLUDING ALL)",
        f"ALTER DATABASE {registry_url.database} SET search_path = {path}",
    )
    assert found(registry_url).startswith(said)


@SQLITE
@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            [
                "CREATE TRIGGER t BEFORE INSERT ON request BEGIN SELECT RAISE(IGNORE); END",
            ],
            "it has a trigger, and kohort lays none",
        ),
        (["CREATE VIEW v AS SELECT 1"], "it has a view, and kohort lays none"),
        (
            ["CREATE INDEX i ON rights_record (state) WHERE state = 'granted'"],
            "rights_record has an index that kohort does not lay",
        ),
        (
            [
                "DROP INDEX rights_record_learner",
                "CREATE INDEX rights_record_learner ON rights_record (learner COLLATE NOCASE)",
            ],
            "rights_record has an index that kohort does not lay",
        ),
        (
            [
                "CREATE TABLE kept AS SELECT * FROM rights_record",
                "DROP TABLE rights_record",
                "ALTER TABLE kept RENAME TO rights_record",
            ],
            OTHERWISE,
        ),
    ],
)
def test_what_makes_a_table_of_sqlite_more_or_less_than_one(
    registry, registry_url, statements, said
):
    """The same, with its own means."""
    add_record(registry)
    tamper(registry, *statements)
    assert found(registry_url) == said


def rewrite_schema(engine, *statements) -> None:
    """Change what SQLite reads its tables from."""
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()


@SQLITE
@pytest.mark.parametrize("name", ["rights_record_learner", "ix_request_event_request"])
def test_an_index_that_was_laid_without_some_rows_is_found(registry, registry_url, name):
    """Its statement is then put back: a build that looks a learner up finds nothing."""
    add_record(registry)
    with changing(registry) as change:
        change.add(Request, any_row(Request.__table__, 1, without=("entry",)))
        change.add(RequestEvent, any_row(RequestEvent.__table__, 1, without=("entry", "id")))
        change.record(AHN, "request.submit", "one", at=NOW)
    assert found(registry_url) is None
    with registry.connect() as connection:
        query = text("SELECT sql FROM sqlite_master WHERE name = :name")
        whole = connection.scalar(query, {"name": name})
    partial = f"{whole} WHERE entry < 0"
    tamper(registry, f"DROP INDEX {name}", partial)
    rewrite_schema(registry, f"UPDATE sqlite_master SET sql = '{whole}' WHERE name = '{name}'")
    assert found(registry_url) == "its own integrity check fails"


@SQLITE
def test_a_column_that_takes_one_text_for_another_is_found(registry, registry_url):
    """`WITHDRAWN` would be `withdrawn`."""
    rewrite_schema(
        registry,
        "UPDATE sqlite_master SET sql = replace(sql, 'state VARCHAR', 'state VARCHAR COLLATE "
        "NOCASE') WHERE name = 'rights_record'",
    )
    assert found(registry_url) == OTHERWISE


def test_nobody_else_waits_for_the_look(registry_url):
    """It takes no lock that a writer needs, and sees one state with the rows."""
    engine = create_registry(registry_url)
    with changing(engine) as change:
        assert found(registry_url) is None
        row = any_row(RightsRecord.__table__, 1, without=("entry", "salt", "id"))
        change.add(RightsRecord, row)
        change.record(AHN, "rights.set", "a learner", at=NOW)
    assert found(registry_url) is None
