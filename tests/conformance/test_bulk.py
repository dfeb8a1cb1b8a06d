"""Many rows in and out: nothing of a cell is lost or changed, on SQLite and PostgreSQL."""

import itertools
from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, func, select

from pipelines.errors import RegistryError, RightsError
from pipelines.governance import bulk
from pipelines.governance.bulk import insert_rows, read_frames
from pipelines.governance.database import create_registry, translated
from pipelines.governance.tables import Release, ReleaseMember, RightsRecord

RIGHTS = RightsRecord.__table__
COLUMNS = ("learner", "purpose", "scope", "note", "effective_from", "effective_to")
FIXED = ("state", "received_at")
SCHEMA = pl.Schema(
    {name: pl.String() for name in COLUMNS[:4]}
    | dict.fromkeys(COLUMNS[4:], pl.Datetime("us", "UTC"))
)
NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
INDIA = timezone(timedelta(hours=5, minutes=30))
TEXTS = (
    "plain",
    "",
    " ",
    "'",
    '"',
    '""',
    '"quoted"',
    "a,b",
    "a;b\tc",
    "two\nlines",
    "two\r\nlines",
    "\r",
    "\n",
    "\\",
    "\\N",
    "\\.",
    "\\n",
    "NULL",
    "null",
    "NaN",
    "1",
    "1.0",
    "true",
    "%",
    "%s %(x)s %%",
    ":name",
    "$1",
    "2026-01-01",
    "ünïcödé",
    "漢字 😀",
    "e\u0301",
    "\u200b",
    "\ufeffbom",
    "\x01\x7f",
)
INSTANTS = (
    NOW,
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=INDIA),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC),
)


def written(engine, rows) -> int:
    with engine.begin() as connection:
        full = ((*row, "granted", NOW) for row in rows)
        return insert_rows(connection, RIGHTS, (*COLUMNS, *FIXED), full)


def read(engine, *where) -> list[tuple]:
    query = select(*(RIGHTS.c[name] for name in COLUMNS)).where(*where).order_by(RIGHTS.c.id)
    with engine.connect() as connection:
        frames = list(read_frames(connection, query, SCHEMA))
    assert all(frame.schema == SCHEMA for frame in frames)
    return [row for frame in frames for row in frame.rows()]


def test_awkward_texts_come_back(registry):
    """Quotes, commas, newlines, backslashes, empty texts, nulls and their look-alikes."""
    rows = [("ab", text, "*", text, NOW, None) for text in TEXTS]
    rows += [("ab", "", "*", None, NOW, None), ("ab", "x", "", "", NOW, NOW)]
    assert written(registry, rows) == len(rows)
    assert read(registry) == rows


def test_instants_come_back_in_utc(registry):
    """To the microsecond, whatever zone they came in and the server is in."""
    rows = [("ab", "p", "*", None, instant, instant) for instant in INSTANTS]
    written(registry, rows)
    assert read(registry) == rows
    with registry.connect() as connection:  # as SQLAlchemy reads them
        found = connection.execute(select(RIGHTS.c.effective_from).order_by(RIGHTS.c.id)).scalars()
        assert list(found) == list(INSTANTS)


def test_values_in_a_query_are_no_part_of_its_language(registry):
    """Every awkward text finds its own row, alone and in a list; so does an instant."""
    written(registry, [("ab", text, "*", "x", NOW, None) for text in TEXTS])
    for text in TEXTS:
        assert [row[1] for row in read(registry, RIGHTS.c.purpose == text)] == [text]
    assert len(read(registry, RIGHTS.c.purpose.in_(TEXTS[:5]))) == 5
    assert read(registry, RIGHTS.c.purpose.in_([])) == []
    assert len(read(registry, RIGHTS.c.effective_from.in_([NOW.astimezone(INDIA)]))) == len(TEXTS)
    assert read(registry, RIGHTS.c.effective_from < NOW) == []
    assert len(read(registry, RIGHTS.c.id % 2 == 0)) == len(TEXTS) // 2
    assert len(read(registry, RIGHTS.c.purpose.like("%s %"))) == 1


def test_a_query_may_join_group_and_name(registry):
    """What is selected is named by the schema."""
    written(registry, [("ab", "p", "*", None, NOW, None), ("cd", "p", "*", None, INSTANTS[1], NOW)])
    other = RIGHTS.alias()
    query = (
        select(RIGHTS.c.purpose, func.count(), func.max(other.c.effective_from).label("last"))
        .join(other, other.c.learner == RIGHTS.c.learner)
        .group_by(RIGHTS.c.purpose)
    )
    schema = pl.Schema({"p": pl.String(), "number": pl.Int64(), "last": pl.Datetime("us", "UTC")})
    with registry.connect() as connection:
        (frame,) = read_frames(connection, query, schema)
    assert frame.schema == schema
    assert frame.rows() == [("p", 2, NOW)]


def test_a_single_column_of_nulls_and_empty_texts_comes_back(registry):
    """An empty line of CSV is a row too."""
    notes = [None, "", None, "x", "", None]
    written(registry, [("ab", "p", "*", note, NOW, None) for note in notes])
    with registry.connect() as connection:
        query = select(RIGHTS.c.note).order_by(RIGHTS.c.id)
        frames = list(read_frames(connection, query, pl.Schema({"note": pl.String()})))
    assert pl.concat(frames)["note"].to_list() == notes


def test_rows_come_back_in_order_over_several_frames(registry, monkeypatch):
    """The number of rows of a frame shows nowhere."""
    monkeypatch.setattr(bulk, "_BATCH", 7)
    monkeypatch.setattr(bulk, "_BLOCK", 300)
    rows = [(f"{i:064d}", "p\n,", "*", None if i % 3 else "", NOW, None) for i in range(50)]
    assert written(registry, rows) == 50
    assert read(registry) == rows
    query = select(RIGHTS.c.learner).order_by(RIGHTS.c.id)
    with registry.connect() as connection:
        first = next(iter(read_frames(connection, query, pl.Schema({"learner": pl.String()}))))
    assert 0 < len(first) < 50  # and who reads no further leaves nothing behind
    assert read(registry) == rows


def test_no_rows(registry):
    """Neither in nor out."""
    assert written(registry, []) == 0
    assert read(registry) == []


def test_keys_count_on_after_many_rows(registry):
    """Where the database gives ids, rows added later follow."""
    written(registry, [("ab", "p", "*", None, NOW, None)] * 3)
    written(registry, [("cd", "p", "*", None, NOW, None)])
    with registry.connect() as connection:
        assert list(connection.execute(select(RIGHTS.c.id).order_by(RIGHTS.c.id)).scalars()) == [
            1,
            2,
            3,
            4,
        ]


def test_a_fault_among_the_rows_leaves_none(registry):
    """The caller's own error comes through, and the transaction is undone."""

    def rows():
        yield ("ab", "p", "*", None, NOW, None)
        raise RightsError("line 2: no such state")

    with pytest.raises(RightsError, match="line 2"), translated(registry):
        written(registry, rows())
    assert read(registry) == []


@pytest.mark.parametrize(
    "row", [(None, "p", "*", "secret", NOW, None), ("ab", None, "*", "secret", NOW, None)]
)
def test_what_the_tables_refuse_is_told_without_values(registry, row):
    """Constraints hold for many rows too."""
    with pytest.raises(RegistryError, match="can't be used") as caught, translated(registry):
        written(registry, [row])
    assert "secret" not in str(caught.value)
    assert read(registry) == []


def test_an_instant_without_a_zone_is_a_fault(registry):
    """As with any other way into these tables."""
    naive = datetime(2026, 1, 1)
    with pytest.raises(Exception, match="needs a time zone"):
        written(registry, [("ab", "p", "*", None, naive, None)])
    assert read(registry) == []


def test_rows_need_a_transaction(registry):
    """Without one PostgreSQL would drop them in silence."""
    with registry.connect() as connection, pytest.raises(ValueError, match=r"engine\.begin"):
        insert_rows(connection, RIGHTS, COLUMNS, [])


def test_numbers_come_back(registry):
    """A member's class."""
    members = ReleaseMember.__table__
    columns = ("learner", "item", "class_number")
    schema = pl.Schema({"learner": pl.String(), "item": pl.String(), "class_number": pl.Int64()})
    release = dict.fromkeys(Release.__table__.c.keys(), "x")
    release |= {"k": 5, "cut_off": NOW, "created_at": NOW, "expires_on": None, "entry": 0}
    rows = [("ab", "", 0), ("cd", "a,b", 2_000_000_000)]
    with registry.begin() as connection:
        connection.execute(Release.__table__.insert(), release)
        given_rows = (("x", *row) for row in rows)
        insert_rows(connection, members, ("release", *columns), given_rows)
    query = select(*(members.c[name] for name in columns)).order_by(members.c.class_number)
    with registry.connect() as connection:
        (frame,) = read_frames(connection, query, schema)
    assert frame.schema == schema
    assert frame.rows() == rows


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
INSTANT = st.datetimes(
    datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.sampled_from([UTC, INDIA])
)
ROW = st.tuples(TEXT, TEXT, st.none() | TEXT, INSTANT, st.none() | INSTANT)


@pytest.fixture(scope="module")
def file_registry(tmp_path_factory):
    """A registry on SQLite that several examples add to."""
    file = tmp_path_factory.mktemp("bulk") / "kohort.sqlite"
    return create_registry(URL.create("sqlite", database=str(file)))


EXAMPLES = itertools.count()


@given(st.lists(ROW, max_size=20))
@settings(deadline=None, max_examples=60)
def test_whatever_goes_in_comes_back(file_registry, rows):
    """On SQLite; the table-driven tests say so of both."""
    example = str(next(EXAMPLES))
    rows = [(example, *row) for row in rows]
    written(file_registry, rows)
    assert read(file_registry, RIGHTS.c.learner == example) == rows
