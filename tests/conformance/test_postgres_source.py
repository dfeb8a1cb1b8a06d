"""PostgreSQL as a source: read-only, as text, whatever the server's settings are."""

import random
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from pipelines.errors import SourceError
from pipelines.sources import open_source, stage
from schemas.declaration import parse_family
from tests.conformance.test_raw_tables import (  # noqa: F401 - collected here, too
    NAMES,
    ROWS,
    read,
    test_a_table_without_rows_is_a_table,
    test_cells_come_as_text_with_their_positions,
    test_columns_come_in_order,
    test_only_what_is_asked_for_is_read,
    test_the_digest_is_of_the_content,
)


class Database:
    """An empty database of the server."""

    def __init__(self, url):
        self.url = url

    def run(self, *statements, rows=()):
        """Statements; the last one once a row."""
        engine = create_engine(
            self.url, poolclass=NullPool, connect_args={"client_encoding": "utf8"}
        )
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), list(rows) or None)

    def location(self, **query):
        url = self.url.update_query_dict(query)
        return url.render_as_string(hide_password=False)

    def open(self, **query):
        return open_source(self.location(**query), base=Path())

    def rows(self, name, *columns, **query):
        table = self.open(**query).tables[name]
        return [
            row for batch in table.read(columns or table.columns()).batches for row in batch.rows()
        ]

    def refused(self, name, *columns):
        with pytest.raises(SourceError) as refusal:
            self.rows(name, *columns)
        assert "\n" not in str(refusal.value)
        assert "SECRET" not in str(refusal.value)
        assert str(self.url.password) not in str(refusal.value)
        return str(refusal.value)


@pytest.fixture
def database(postgresql):
    """A fresh database."""
    with postgresql.database() as url:
        yield Database(url)


@pytest.fixture
def make(database):
    """Writes rows into a new table, and opens it: for the tests of every raw table."""

    def make(rows=ROWS):
        insert = "INSERT INTO t VALUES (:id, :n, :text)"
        database.run(
            "DROP TABLE IF EXISTS t", "CREATE TABLE t (id TEXT PRIMARY KEY, n TEXT, text TEXT)"
        )
        if rows:
            database.run(insert, rows=[dict(zip(NAMES, row, strict=True)) for row in rows])
        return database.open().tables["t"]

    return make


CELLS = [
    ("text", "'a, \"b\"'", 'a, "b"'),
    ("varchar(9)", "'NA'", "NA"),
    ("char(5)", "'ab'", "ab"),
    ("integer", "-3", "-3"),
    ("bigint", "9007199254740993", "9007199254740993"),
    ("numeric", "1.50", "1.50"),
    ("numeric(20,10)", "0.1234567891", "0.1234567891"),
    ("numeric", "'NaN'", "NaN"),
    ("real", "0.1", "0.1"),
    ("double precision", "0.1::float8 + 0.2::float8", "0.30000000000000004"),
    ("boolean", "true", "true"),
    ("timestamp", "'2020-02-01 10:20:30.5'", "2020-02-01 10:20:30.5"),
    ("timestamptz", "'2020-02-01 10:20:30+02'", "2020-02-01 08:20:30"),
    ("timestamptz", "'infinity'", "infinity"),
    ("date", "'2020-02-01'", "2020-02-01"),
    ("time", "'10:20'", "10:20:00"),
    ("uuid", "'0A0a0a0a-0000-0000-0000-00000000000a'", "0a0a0a0a-0000-0000-0000-00000000000a"),
    ("json", "'{\"a\":  1}'", '{"a":  1}'),
    ("jsonb", "'{\"a\":  1}'", '{"a": 1}'),
    ("inet", "'10.0.0.1'", "10.0.0.1/32"),
    ("mood", "'happy'", "happy"),
    ("grade", "2", "2"),
]


def test_every_type_becomes_text(database):
    """Whatever the server's time zone and date style; nulls stay null."""
    columns = ", ".join(f"c{i} {kind}" for i, (kind, _, _) in enumerate(CELLS))
    values = ", ".join(f"({value})::{kind}" for kind, value, _ in CELLS)
    nulls = ", ".join("null" for _ in CELLS)
    database.run(
        "CREATE TYPE mood AS ENUM ('happy')",
        "CREATE DOMAIN grade AS numeric CHECK (value < 7)",
        f"CREATE TABLE t (k integer PRIMARY KEY, {columns})".replace(":", r"\:"),
        f"INSERT INTO t VALUES (1, {values})".replace(":", r"\:"),
        f"INSERT INTO t VALUES (2, {nulls})",
    )
    first, second = database.rows("t")
    found = dict(zip([f"{kind} {value}" for kind, value, _ in CELLS], first[1:], strict=False))
    assert found == {f"{kind} {value}": expected for kind, value, expected in CELLS}
    assert set(second[1:-1]) == {None}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("bytea", "bytea"),
        ("text[]", "array"),
        ("interval", "interval"),
        ("money", "money"),
        ("int4range", "int4range"),
        ("tsvector", "tsvector"),
        ("point", "unknown"),
    ],
)
def test_other_types_are_refused_where_they_are_read(database, kind, said):
    """In one line that holds no cell; a column beside it can be read."""
    database.run(f"CREATE TABLE t (a text, b {kind})", "INSERT INTO t VALUES ('x', null)")
    assert f"table 't': column 'b' is of type {said};" in database.refused("t")
    assert database.rows("t", "a") == [("x", 0)]


def test_staged_as_declared(database, tmp_path):
    """What PostgreSQL casts is what the declared types parse; a cell that is not goes aside."""
    family = parse_family(
        """
        family = "mine"
        title = "Mine"
        learner = "id"
        item = "course"
        [tables.t]
        grain = "learner-course"
        [tables.t.columns]
        id = { role = "learner-key" }
        course = { role = "item" }
        grade = { role = "sensitive", type = "number" }
        passed = { role = "sensitive", type = "boolean" }
        seen = { role = "time", type = "timestamp" }
        born = { role = "time", type = "date" }
        """,
        subject="mine",
    )
    database.run(
        "CREATE TABLE t (id numeric, course text, grade numeric, passed boolean,"
        " seen timestamptz, born date)",
        "INSERT INTO t SELECT i, 'maths', null, null, null, null FROM generate_series(10, 250) i",
        r"INSERT INTO t VALUES (1.0, 'x', 0.50, true, '2020-02-01 10\:00\:00+02', '2020-02-01'),"
        r" (2, 'x', 'NaN', false, 'infinity', null)",
    )
    staged = stage(database.open(), family, {"t": frozenset(family.tables["t"].columns)}, tmp_path)
    frame = pl.read_parquet(staged.tables["t"].path).filter(pl.col("course") == "x").drop("_row")
    assert [str(cell) for cell in frame.row(0)] == [
        "1", "x", "0.5", "True", "2020-02-01 08:00:00", "2020-02-01"
    ]  # fmt: skip
    assert staged.tables["t"].rows == 242
    assert [(c.reason, c.rows) for c in staged.quarantine.entries()] == [("wrong_type", 1)]


def test_rows_come_in_a_stated_order(database):
    """By the key, or else by what is read, by code point and not as the server's people sort."""
    database.run(
        "CREATE TABLE keyed (a text, k integer PRIMARY KEY)",
        "INSERT INTO keyed VALUES ('x', 10), ('y', 9), (null, 1)",
        "CREATE TABLE plain (a text, n integer)",
        "INSERT INTO plain VALUES ('b', 1), ('B', 1), ('a', 2), ('a', 10), (null, 1), ('ä', 1)",
    )
    assert database.rows("keyed") == [(None, "1", 0), ("y", "9", 1), ("x", "10", 2)]
    plain = [row[:2] for row in database.rows("plain")]
    assert plain == [
        ("B", "1"), ("a", "10"), ("a", "2"), ("b", "1"), ("ä", "1"), (None, "1")
    ]  # fmt: skip


def test_the_digest_does_not_depend_on_how_rows_lie(database):
    """The same rows, stored in another order: the same digest."""
    database.run("CREATE TABLE t (a text)", "INSERT INTO t VALUES ('x'), (''), (null)")
    table = database.open().tables["t"]
    first = read(table, ("a",))[1]
    database.run("TRUNCATE t", "INSERT INTO t VALUES (null), ('x'), ('')")
    assert read(table, ("a",))[1] == first
    database.run("UPDATE t SET a = null WHERE a = ''")
    assert read(table, ("a",))[1] != first


def test_views_and_schemas(database):
    """Views count as tables; an option of the URL chooses another schema."""
    database.run(
        "CREATE TABLE users (id text)",
        "CREATE VIEW v AS SELECT id FROM users",
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM users",
        "CREATE SCHEMA raw",
        "CREATE TABLE raw.users (id text, other text)",
        "INSERT INTO raw.users VALUES ('a', 'b')",
    )
    assert sorted(database.open().tables) == ["m", "users", "v"]
    assert database.rows("users") == database.rows("m") == []
    there = database.open(options="-csearch_path=raw")
    assert sorted(there.tables) == ["users"]
    assert database.rows("users", options="-csearch_path=raw") == [("a", "b", 0)]
    with pytest.raises(SourceError, match="no tables in it; check the path or the schema"):
        database.open(options="-csearch_path=absent")


def test_names_that_need_quoting(database):
    """Columns and tables of any name."""
    database.run(
        'CREATE TABLE "my %s Table" ("A ""b""" text, "100%%" text, "c\\:d" text)',
        """INSERT INTO "my %s Table" VALUES ('1', '2', '3')""",
    )
    assert database.rows("my %s Table", "100%%", 'A "b"', "c:d") == [("2", "1", "3", 0)]


def test_a_source_is_never_written(database):
    """The transaction is read-only: a view that would write can't be read."""
    database.run(
        "CREATE TABLE log (id text)",
        "CREATE FUNCTION note() RETURNS text LANGUAGE sql AS"
        " $$ INSERT INTO log VALUES ('x') RETURNING id $$",
        "CREATE VIEW v AS SELECT note() AS id",
    )
    assert "can't be read (ReadOnlySqlTransaction)" in database.refused("v", "id")
    assert database.rows("log") == []


def test_no_message_holds_a_password(database):
    """Neither from its place in the URL nor from its options."""
    url = database.url.set(password="SECRET")
    for location in (url, url.set(password=None, query={"password": "SECRET"})):
        with pytest.raises(SourceError, match="can't be read") as refusal:
            open_source(location.render_as_string(hide_password=False), base=Path())
        assert "SECRET" not in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_cells_are_in_no_message(database):
    """PostgreSQL's own words quote the cell that it fails at."""
    database.run("CREATE VIEW v AS SELECT ('SECRET' || now())::integer AS n")
    assert "can't be read" in database.refused("v")


@pytest.mark.parametrize(
    ("encoding", "cell", "expected"),
    [("LATIN1", "'ä'", "ä"), ("SQL_ASCII", "'ä'", "ä"), ("SQL_ASCII", r"E'\xe4SECRET'", None)],
)
def test_text_that_is_not_utf8_is_refused(postgresql, database, encoding, cell, expected):
    """A database of another encoding is converted; one without gives bytes as they are."""
    name = f"{database.url.database}_other"
    postgresql.execute(
        f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C'"
        " TEMPLATE template0"
    )
    other = Database(database.url.set(database=name))
    try:
        other.run(f"CREATE TABLE t AS SELECT {cell} AS a")
        if expected is None:
            assert "can't be read (CharacterNotInRepertoire)" in other.refused("t")
        else:
            assert other.rows("t") == [(expected, 0)]
    finally:
        postgresql.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_any_text_comes_through(database):
    """Quotes, line ends, backslashes, empty texts and nulls are told apart."""
    draw = random.Random(7)
    signs = [*"ab,\"'\\\r\n\t #;%:é\u2028\U0001f600", "\\.", "NULL", '""', "\r\n"]

    def cell():
        return None if draw.random() < 0.2 else "".join(draw.choices(signs, k=draw.randrange(6)))

    rows = [(cell(), cell(), cell()) for _ in range(3000)]
    database.run("CREATE TABLE t (k integer PRIMARY KEY, a text, b text, c text)")
    values = [dict(zip("kabc", (i, *row), strict=True)) for i, row in enumerate(rows)]
    database.run("INSERT INTO t VALUES (:k, :a, :b, :c)", rows=values)
    assert [row[:3] for row in database.rows("t", "a", "b", "c")] == rows
    assert [row[0] for row in database.rows("t", "a")] == [a for a, *_ in rows]
