"""The audit chain on both databases: who tampers with anything is found, whatever it is."""

import json
import multiprocessing
import os
import threading
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Integer, func, insert, null, select, text, update
from sqlalchemy.exc import DataError, IntegrityError

from pipelines.errors import RegistryError
from pipelines.governance import audit as auditing
from pipelines.governance import chain, engines, salting
from pipelines.governance.audit import Anew, entries, verified, verify_chain
from pipelines.governance.chain import BEGINS, Change, begin_chain, changing, head, locked_head
from pipelines.governance.database import create_registry, open_registry, upgrade_registry
from pipelines.governance.registry_keys import record_registry_key, rotate_registry_key
from pipelines.governance.sealing import ORIGIN, entry_hash
from pipelines.governance.stored_rows import governed_tables
from pipelines.governance.tables import (
    Action,
    Base,
    ChainHead,
    Governed,
    KeyEvent,
    ReleaseMember,
    RightsRecord,
)
from pipelines.keys import create_keys
from pipelines.people import EVERY_DUTY, Actor
from tests.anyrow import any_row
from tests.reference.audit_chain import broken_links

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
AHN = Actor("s.ahn@platform.example", "sahn", EVERY_DUTY)
CLASSES = {
    mapper.local_table.name: mapper.class_
    for mapper in Base.registry.mappers
    if issubclass(mapper.class_, Governed)
}
TABLES = [table for table in Base.metadata.sorted_tables if table.name in CLASSES]
ADOPTED = ("rights_record", "release_member")
ACTION = Action.__table__
HEAD = ChainHead.__table__
SECRET = "secret of a learner"


def add_rows(change: Change, number: int) -> None:
    """A row to every table."""
    for table in TABLES:
        counts = change._number(table) is not None
        change._next.clear()  # that was a look
        given = ("entry", "salt", "id") if counts else ("entry", "salt")
        row = any_row(table, number, without=given)
        change.add(CLASSES[table.name], row)


def add_key_event(change: Change) -> None:
    """As a rotation does."""
    change.add(KeyEvent, any_row(KeyEvent.__table__, 1, without=("entry", "id")))


def write_life(engine) -> None:
    """Entries 1 to 5: two rows a table, one more, none, a rotation, one row."""
    with changing(engine) as change:
        add_rows(change, 1)
        add_rows(change, 2)
        change.record(AHN, "first.two", "s", at=NOW, detail="of all")
    with changing(engine) as change:
        add_rows(change, 3)
        change.record(AHN, "second.one", "s", at=NOW)
        change.record(AHN, "third.none", "other", at=NOW)
    with changing(engine) as change:
        for name in ADOPTED:
            change.adopt(Base.metadata.tables[name])
        add_key_event(change)
        change.record(AHN, "key.rotate", "s", at=NOW)
        record = any_row(RightsRecord.__table__, 4, without=("entry", "salt", "id"))
        change.add(RightsRecord, record)
        change.record(AHN, "fifth.one", "s", at=NOW)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def alive(request, tmp_path_factory):
    """A registry with rows in every table; every test leaves it as it is."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("audit") / "kohort.sqlite"
        engine = create_registry(URL.create("sqlite", database=str(file)))
        write_life(engine)
        yield engine
    else:
        with request.getfixturevalue("postgresql").database() as url:
            engine = create_registry(url)
            write_life(engine)
            yield engine


@pytest.fixture
def tampering(alive):
    """A connection that keeps no key to its promise, and whose work is undone."""
    with alive.connect() as connection:
        transaction = connection.begin()
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        else:
            connection.execute(text("SET session_replication_role = replica"))
        yield connection
        transaction.rollback()


def found_after(connection, *statements):
    """What is found once this was done; it is undone again."""
    with connection.begin_nested() as savepoint:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0
        audit = verified(connection)
        savepoint.rollback()
    return audit.broken


def row_of(connection, table, number):
    """A row by its place among the keys, and what finds it again."""
    query = select(table).order_by(table.c.entry, *table.primary_key)
    row = connection.execute(query).mappings().all()[number]
    key = [column == row[column.name] for column in table.primary_key]
    return dict(row), key


def another(column, cell):
    """Another valid cell."""
    if isinstance(cell, datetime):
        return cell + timedelta(microseconds=1)
    if isinstance(cell, date):
        return cell + timedelta(days=1)
    if isinstance(column.type, Integer) or isinstance(cell, int):
        return cell + 1000
    return "z" + cell[1:]


def test_a_whole_registry_holds(alive):
    """Every table has rows, and all of them answer."""
    audit = verify_chain(alive, heads=[head(alive).hash, ORIGIN])
    assert (audit.broken, audit.lost_heads) == (None, ())
    assert (audit.entries, audit.head) == (5, head(alive))
    rotation = Anew(4, "2026-03-01 12:30:15.250000", AHN.name)
    assert dict(audit.anew) == {name: [rotation] for name in ADOPTED}
    more = {"rights_record", "key_event"}
    assert dict(audit.rows) == {t.name: 3 + (t.name in more) for t in TABLES}
    assert set(audit.rows) == set(Base.metadata.tables) - {"action", "chain_head"}
    with alive.connect() as connection:
        assert broken_links(connection, CLASSES) == set()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_any_change_of_a_row_is_found(tampering, table):
    """Cell by cell, to another value and to null."""
    entry = 4 if table.name in ADOPTED else 1
    row, key = row_of(tampering, table, 0)
    for column in table.c:
        if column.name == "entry":
            continue
        values = [another(column, row[column.name])]
        values += [null()] if column.nullable else []
        for value in values:
            broken = found_after(tampering, update(table).where(*key).values({column: value}))
            assert (broken.entry, table.name in broken.what) == (entry, True), column
            assert "changed" in broken.what


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_that_go_come_or_move_are_found(tampering, table):
    """Of any table."""
    first = 4 if table.name in ADOPTED else 1
    row, key = row_of(tampering, table, 0)
    copy = {name: cell for name, cell in row.items() if name != "id" or isinstance(cell, str)}
    for column in table.primary_key:
        copy[column.name] = another(column, row[column.name])
    for constraint in table.constraints:
        for column in constraint.columns:
            copy[column.name] = another(column, row[column.name])

    removed = found_after(tampering, table.delete().where(*key))
    assert (removed.entry, f"{table.name} were removed" in removed.what) == (first, True)
    emptied = found_after(tampering, table.delete())
    assert (emptied.entry, f"{table.name} were removed" in emptied.what) == (first, True)
    for entry, said in ((first, "were added"), (3, "no entry"), (99, "no entry")):
        added = found_after(tampering, insert(table).values({**copy, "entry": entry}))
        assert added.entry == min(entry, 6)
        assert table.name in added.what
        assert said in added.what
    for entry in (2, 99, -5):
        moved = found_after(tampering, update(table).where(*key).values(entry=entry))
        lowest = max(0, min(first, entry))
        assert (moved.entry, table.name in moved.what) == (lowest, True)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_that_swap_are_found(tampering, table):
    """Their cells, or, where they count up, their order: though no value is new."""
    (one, one_key), (two, two_key) = (row_of(tampering, table, n) for n in (0, 1))
    assert one["entry"] == two["entry"]
    key = {column.name for column in table.primary_key}
    unique = {c.name for constraint in table.constraints for c in constraint.columns}
    free = [name for name in one if name not in key | unique | {"entry"}]
    if free:
        swap = [
            update(table).where(*one_key).values({name: two[name] for name in free}),
            update(table).where(*two_key).values({name: one[name] for name in free}),
        ]
        assert f"{table.name} were changed (" in found_after(tampering, *swap).what
    if isinstance(one.get("id"), int):
        order = [(one["id"], 999), (two["id"], one["id"]), (999, two["id"])]
        swap = [update(table).where(table.c.id == a).values(id=b) for a, b in order]
        assert f"{table.name} were changed (" in found_after(tampering, *swap).what


def test_any_change_of_an_entry_is_found(tampering):
    """Cell by cell; one that goes, comes again, or swaps places."""
    for number in range(5):
        row, key = row_of_action(tampering, number)
        for column in ACTION.c:
            values = [row["id"] + 10, -row["id"]] if column.name == "id" else []
            if column.name != "id":
                values = ["" if row[column.name] is None else another(column, row[column.name])]
            values += [null()] if column.nullable and row[column.name] is not None else []
            for value in values:
                statement = update(ACTION).where(*key).values({column: value})
                assert found_after(tampering, statement) is not None, (number, column)
        gone = found_after(tampering, ACTION.delete().where(*key))
        assert gone.entry <= row["id"] + 1  # that of the next link, where it had no rows
        copy = insert(ACTION).values({**row, "id": row["id"] + 100})
        # One that adopts takes the rows of the entry that it is a copy of.
        assert found_after(tampering, copy).entry in {row["id"], row["id"] + 100}
        if number > 0:
            order = [(row["id"], 999), (row["id"] - 1, row["id"]), (999, row["id"] - 1)]
            swap = [update(ACTION).where(ACTION.c.id == a).values(id=b) for a, b in order]
            assert found_after(tampering, *swap).entry == row["id"] - 1
    assert found_after(tampering, ACTION.delete()).entry <= 1


def row_of_action(connection, number):
    query = select(ACTION).order_by(ACTION.c.id)
    row = dict(connection.execute(query).mappings().all()[number])
    return row, [ACTION.c.id == row["id"]]


def test_an_entry_that_is_sealed_anew_breaks_the_next_link(tampering):
    """And the last one is held against the head."""
    for number in range(5):
        row, key = row_of_action(tampering, number)
        row["subject"] = "another"
        new = update(ACTION).where(*key).values(subject="another", hash=entry_hash(row))
        broken = found_after(tampering, new)
        assert broken.entry == min(row["id"] + 1, 5)
        assert ("link" in broken.what) == (number < 4)
        assert ("chain_head" in broken.what) == (number == 4)


def test_the_head_is_one_row_and_the_last_entry(tampering):
    """Each of its cells, its absence, and another beside it."""
    second = {"id": 2, "entry": 5, "hash": "ab" * 32}
    for statement in (
        *(update(HEAD).values({column: "f" * 64}) for column in ("hash",)),
        *(update(HEAD).values({column: 3}) for column in ("id", "entry")),
        HEAD.delete(),
        insert(HEAD).values(second),
    ):
        broken = found_after(tampering, statement)
        assert (broken.entry, "chain_head" in broken.what) == (5, True)


def seal_anew(connection) -> None:
    """Write every hash as if nothing had happened: what an owner of the database can do."""
    last = (0, ORIGIN)
    for row in connection.execute(select(ACTION).order_by(ACTION.c.id)).mappings().all():
        cells = {**row, "previous": last[1]}
        last = (row["id"], entry_hash(cells))
        new = update(ACTION).where(ACTION.c.id == row["id"])
        connection.execute(new.values(previous=cells["previous"], hash=last[1]))
    connection.execute(update(HEAD).values(entry=last[0], hash=last[1]))


def test_a_chain_that_was_rewritten_is_found_by_a_head_from_outside(tampering):
    """It holds in itself: only who has seen it before can tell."""
    before = verified(tampering).head
    tampering.execute(update(ACTION).where(ACTION.c.id == 3).values(actor="somebody else"))
    seal_anew(tampering)
    assert verified(tampering).broken is None
    audit = verified(tampering, [before.hash])
    assert audit.lost_heads == (before.hash,)
    assert (audit.broken.entry, "rewritten" in audit.broken.what) == (None, True)


def test_a_chain_that_was_cut_is_found_by_a_head_from_outside(tampering):
    """Its last entry went, with all its rows."""
    heads = tampering.scalars(select(ACTION.c.hash).order_by(ACTION.c.id)).all()
    tampering.execute(RightsRecord.__table__.delete().where(RightsRecord.entry == 5))
    tampering.execute(ACTION.delete().where(ACTION.c.id == 5))
    seal_anew(tampering)
    assert verified(tampering, heads[:4]).broken is None
    assert verified(tampering, heads).lost_heads == (heads[4],)


GARBAGE = [
    *("'" + SECRET + "'", "''", "x'00ff'", "CAST(x'ff' AS TEXT)", "1.5", "9e999", "-1"),
    *("9223372036854775807", "CAST(zeroblob(100000) AS TEXT)"),
]


@pytest.mark.parametrize("alive", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", sorted(Base.metadata.tables))
def test_garbage_in_a_cell_is_told_as_a_broken_link(tampering, name):
    """SQLite takes anything in any column."""
    for number, column in enumerate(Base.metadata.tables[name].c):
        for value in GARBAGE[number % 3 :: 3]:
            statement = f"UPDATE {name} SET {column.name} = {value} WHERE rowid = 1"
            try:
                broken = found_after(tampering, text(statement))
            except IntegrityError:  # a key that must be a number
                continue
            assert broken is not None, statement
            assert SECRET not in broken.what
            assert "9223372036854775807" not in f"{broken}" or (name, column.name) == (
                "action",
                "id",
            )


@pytest.mark.parametrize("alive", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "value", ["infinity", "-infinity", "0044-03-15 00:00:00 BC", "20000-01-01 00:00:00"]
)
def test_a_day_beyond_the_calendar_is_told_as_a_broken_link(tampering, value):
    """PostgreSQL has some that Python hasn't."""
    for table, column in (("rights_record", "effective_to"), ("release", "expires_on")):
        statement = text(f"UPDATE {table} SET {column} = '{value}'")
        assert f"{table} were changed" in found_after(tampering, statement).what
    assert found_after(tampering, text(f"UPDATE action SET at = '{value}'")).entry == 1


@pytest.mark.parametrize(
    "said",
    [
        *("", "{", "null", "[]", "5", "[" * 100_000, '{"spend": 1}', '{"spend": [1]}'),
        *('{"spend": [1, 2]}', '{"spend": ["1", "x"]}', '{"spend": [1e999, "x"]}'),
        *('{"spend": [1, "x", "some"]}', '{"spend": [-1, ""]}', '{"nothing": [1, "x"]}'),
        '{"spend": [' + "9" * 5000 + ', "x"]}',
    ],
)
def test_an_entry_that_says_no_such_thing_of_rows_is_a_broken_link(tampering, said):
    """Though its own hash is right."""
    tampering.execute(update(ACTION).where(ACTION.c.id == 3).values(rows=said))
    seal_anew(tampering)
    broken = verified(tampering).broken
    assert broken.entry == 3
    assert broken.what.startswith(("what it says", "it answers for", "rows of spend"))


@pytest.mark.parametrize(
    ("kind", "events", "name"),
    [
        *((kind, 1, "rights_record") for kind in ("some.thing", "key.create", BEGINS)),
        *(("key.rotate", events, "rights_record") for events in (0, 2)),
        ("key.rotate", 1, "release"),
    ],
)
def test_no_entry_launders_what_was_tampered_with(tampering, kind, events, name):
    """Only the chain's beginning and a rotation may answer for all rows of a table."""
    table = Base.metadata.tables[name]
    tampering.execute(update(table).values(purpose="z"))
    change = Change(tampering, locked_head(tampering))
    for _ in range(events):
        add_key_event(change)
    change.adopt(table)
    change.record(AHN, kind, "s", at=NOW)
    assert {entry for entry, _ in broken_links(tampering, CLASSES)} == {6}
    assert verified(tampering).broken.entry == 6


@pytest.mark.parametrize("what", ["removed", "added"])
def test_a_rotation_neither_adds_nor_removes_rows(tampering, what):
    """The number that it answers for is that of the entries before it."""
    table = RightsRecord.__table__
    if what == "removed":
        tampering.execute(table.delete().where(table.c.id == 1))
    else:
        row = {**row_of(tampering, table, 0)[0], "id": 99}
        tampering.execute(insert(table).values(row))
    change = Change(tampering, locked_head(tampering))
    add_key_event(change)
    change.adopt(table)
    change.record(AHN, "key.rotate", "registry", at=NOW)
    broken = verified(tampering).broken
    assert (broken.entry, "all rows of rights_record" in broken.what) == (6, True)
    assert broken_links(tampering, CLASSES) == {(6, "rights_record")}


def test_a_chain_begins_once(tampering):
    """A second beginning is no beginning, though it answers for nothing."""
    change = Change(tampering, locked_head(tampering))
    change.record(AHN, "release.reserve", "abcdefab", at=NOW)
    change.record(AHN, BEGINS, "what was there", at=NOW)
    audit = verified(tampering)
    assert (audit.broken.entry, audit.releases) == (7, {"abcdefab"})
    assert broken_links(tampering, CLASSES) == {(7, "action")}


def test_a_real_rotation_holds(registry, tmp_path):
    """Twice: each is told, with who did it."""
    create_keys(tmp_path)
    record_registry_key(registry, tmp_path, actor=AHN, at=NOW)
    with changing(registry) as change:
        record = any_row(RightsRecord.__table__, 1, without=("entry", "salt", "id"))
        change.add(RightsRecord, record | {"learner": "ab" * 32})
        change.record(AHN, "rights.set", "a learner", at=NOW)
    for _ in range(2):
        rotate_registry_key(
            registry, tmp_path, randomness=os.urandom, actor=AHN, at=NOW, reason="a drill"
        )
    audit = verify_chain(registry)
    told = [Anew(entry, "2026-03-01 12:30:15.250000", AHN.name) for entry in (3, 4)]
    assert (audit.broken, dict(audit.anew)) == (None, {"rights_record": told})
    with registry.connect() as connection:
        assert broken_links(connection, CLASSES) == set()


def unchained(connection) -> None:
    """As a registry was before it had a chain: two releases, one of which is shown."""
    connection.execute(HEAD.delete())
    release = Base.metadata.tables["release"]
    for table, numbers in ((release, (1,)), (ReleaseMember.__table__, (1, 2, 3))):
        for number in numbers:
            row = any_row(table, number, without=("entry", "salt"))
            row |= {"release": any_row(release, 1)["id"]} if table is not release else {}
            connection.execute(insert(table).values(row))
    row = any_row(RightsRecord.__table__, 1, without=("entry", "salt"))
    connection.execute(insert(RightsRecord.__table__).values(row))


def test_what_was_there_before_the_chain_gets_salts(registry, monkeypatch):
    """Each row its own, in batches: its hash tells nobody anything."""
    monkeypatch.setattr(salting, "_BATCH", 2)
    with registry.begin() as connection:
        unchained(connection)
        begin_chain(connection, NOW)
    with registry.connect() as connection:
        own = select(ReleaseMember.salt).union_all(select(RightsRecord.salt))
        salts = connection.scalars(own).all()
        assert broken_links(connection, CLASSES) == set()
    assert len(set(salts)) == 4
    assert {len(salt) for salt in salts} == {32}
    audit = verify_chain(registry)
    assert (audit.broken, dict(audit.anew)) == (None, {})


def test_a_chain_without_its_head_is_not_begun_anew(registry, registry_url):
    """An upgrade would seal whatever was done to it."""
    with changing(registry) as change:
        add_record(change)
    with registry.begin() as connection:
        connection.execute(HEAD.delete())
    with pytest.raises(RegistryError, match="kohort audit verify"):
        upgrade_registry(registry_url, actor=AHN, at=NOW)


def test_a_change_that_was_refused_rows_is_given_up(registry):
    """Who catches the database's error can't go on as if nothing had been."""
    table = Base.metadata.tables["request"]
    row = any_row(table, 1, without=("entry",))

    def go_on(*, record: bool) -> None:
        with changing(registry) as change:
            change.add(CLASSES["request"], row)
            change.record(AHN, "request.submit", "one", at=NOW)
            with suppress(Exception):
                change.add(CLASSES["request"], row)
            change._added.clear()
            if record:
                change.record(AHN, "request.submit", "two", at=NOW)

    for record in (True, False):
        with pytest.raises(ValueError, match="were refused"):
            go_on(record=record)
    assert verify_chain(registry).entries == 0


@pytest.mark.parametrize("alive", ["sqlite"], indirect=True)
@pytest.mark.parametrize("number", ["'x'", "x'00'", "5.5", "NULL"])
def test_an_entry_without_a_number_is_a_broken_link(tampering, monkeypatch, number):
    """Were the table one that takes it."""
    tampering.execute(text("CREATE TABLE copied AS SELECT * FROM action"))
    tampering.execute(text("DROP TABLE action"))
    tampering.execute(text("ALTER TABLE copied RENAME TO action"))
    tampering.execute(text(f"UPDATE action SET id = {number} WHERE id = 3"))
    assert verified(tampering).broken.entry is None
    monkeypatch.setattr(auditing, "database_fault", lambda _: None)
    broken = verified(tampering).broken
    assert broken.entry in {0, 2, 4, 5}
    assert "no number" in broken.what or "link" in broken.what


OPERATION = st.tuples(
    st.sampled_from(["cell", "entry", "delete", "copy", "action", "drop", "seal", "head"]),
    st.sampled_from(TABLES),
    st.integers(0, 5),
    st.integers(0, 20),
)


def write_some(connection, steps) -> None:
    """Entries of a kind with rows of some tables, or that adopt them."""
    change = Change(connection, locked_head(connection))
    for number, (kind, tables, adopts) in enumerate(steps, start=10):
        for table in tables:
            added = table.name == "rights_record" and kind != "key.rotate"
            if added or table.name.endswith("_event"):
                row = any_row(table, 1, without=("entry", "salt", "id"))
                change.add(CLASSES[table.name], row)
            if table.name in adopts:
                change.adopt(table)
        change.record(AHN, kind, f"{number}", at=NOW)


def tamper(connection, what, table, number, column_number) -> None:
    """One of the ways, where it can be done."""
    if what in {"action", "drop"}:
        table = ACTION
    rows = connection.execute(select(table).order_by(*table.primary_key)).mappings().all()
    columns = [c for c in table.c if c.name not in {"entry", "rows"}]
    column = columns[column_number % len(columns)]
    if what == "seal":
        seal_anew(connection)
    elif what == "head":
        connection.execute(update(HEAD).values(entry=number))
    elif rows:
        row = rows[number % len(rows)]
        key = [c == row[c.name] for c in table.primary_key]
        if what in {"delete", "drop"}:
            connection.execute(table.delete().where(*key))
        elif what == "entry":
            connection.execute(update(table).where(*key).values(entry=number))
        elif what == "copy":
            cells = {**row, columns[0].name: another(columns[0], row[columns[0].name])}
            connection.execute(insert(table).values(cells))
        elif row[column.name] is not None:
            cells = {column: another(column, row[column.name])}
            connection.execute(update(table).where(*key).values(cells))


ROTATION = st.lists(st.sampled_from(ADOPTED), unique=True).map(
    lambda names: [KeyEvent.__table__, *(Base.metadata.tables[name] for name in names)]
)
STEP = st.one_of(
    st.tuples(
        st.sampled_from(["some.thing", "key.rotate", BEGINS]),
        st.lists(st.sampled_from(TABLES), max_size=4),
        st.sampled_from([(), tuple(CLASSES), ADOPTED]),
    ),
    st.tuples(st.just("key.rotate"), ROTATION, st.just(ADOPTED)),
)


@given(st.lists(STEP, max_size=4), st.lists(OPERATION, max_size=4))
@settings(deadline=None, max_examples=40)
def test_the_same_is_found_by_a_slow_recount(alive, steps, operations):
    """Whatever is written, and whatever is then done to it."""
    with alive.connect() as connection, connection.begin() as transaction:
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        else:
            connection.execute(text("SET session_replication_role = replica"))
        write_some(connection, steps)
        for operation in operations:
            try:
                with connection.begin_nested():
                    tamper(connection, *operation)
            except (IntegrityError, DataError):
                continue
        links = broken_links(connection, CLASSES)
        audit = verified(connection)
        transaction.rollback()
    if not links:
        assert audit.broken is None
    else:
        lowest = min(entry for entry, _ in links)
        assert audit.broken.entry == lowest
        named = {table for entry, table in links if entry == lowest}
        own = {"action": ("its ",), "chain_head": ("chain_head",)}
        assert any(word in audit.broken.what for t in named for word in own.get(t, (t,)))


def test_entries_are_listed(alive):
    """All, by kind, by subject, later than one, or the last few."""
    kinds = ["first.two", "second.one", "third.none", "key.rotate", "fifth.one"]
    found = entries(alive)
    assert [entry.kind for entry in found] == kinds
    first = found[0]
    assert (first.id, first.at, first.actor, first.login) == (1, NOW, AHN.name, AHN.login)
    assert (first.subject, first.detail) == ("s", "of all")
    assert dict(first.rows) == {table.name: 2 for table in TABLES}
    assert found[-1].hash == head(alive).hash
    assert [entry.id for entry in entries(alive, kind="second.one")] == [2]
    assert [entry.id for entry in entries(alive, kind="third")] == [3]
    assert entries(alive, kind="thi") == entries(alive, kind="Third") == ()
    assert [entry.id for entry in entries(alive, subject="other")] == [3]
    assert [entry.id for entry in entries(alive, since=3)] == [4, 5]
    assert [entry.id for entry in entries(alive, limit=2)] == [4, 5]
    assert [entry.id for entry in entries(alive, since=1, limit=1, subject="s")] == [5]


def test_heads_are_hashes(alive):
    """A mistyped one is not told of as lost."""
    with pytest.raises(ValueError, match="64 hex digits"):
        verify_chain(alive, heads=["abc"])


def test_a_writer_makes_no_false_alarm(registry):
    """It is read in one state, though rows and entries are added meanwhile."""
    stop, audits = threading.Event(), []

    def write():
        while not stop.is_set():
            with changing(registry) as change:
                add_record(change)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while len(audits) < 8 or audits[-1].entries < 5:
            audits.append(verify_chain(registry))
    finally:
        stop.set()
        thread.join()
    assert [audit.broken for audit in audits] == [None] * len(audits)


def add_record(change) -> None:
    """A row, and its entry."""
    change.add(RightsRecord, any_row(RightsRecord.__table__, 1, without=("entry", "salt", "id")))
    change.record(AHN, "rights.set", "a learner", at=NOW)


def test_a_change_that_fails_leaves_nothing(registry):
    """Nor does one whose rows no entry answers for."""

    def fail() -> None:
        with changing(registry) as change:
            add_record(change)
            raise KeyError

    def forget() -> None:
        with changing(registry) as change:
            add_record(change)
            row = any_row(RightsRecord.__table__, 1, without=("entry", "salt", "id"))
            change.add(RightsRecord, row)

    with pytest.raises(KeyError):
        fail()
    with pytest.raises(ValueError, match="rights_record were added and never"):
        forget()
    audit = verify_chain(registry)
    assert (audit.broken, audit.entries, sum(audit.rows.values())) == (None, 0, 0)
    assert head(registry) == (0, ORIGIN)


def write_records(address: str, number: int) -> None:
    """What each of several processes does."""
    engine = open_registry(chain_url(address))
    for _ in range(number):
        with changing(engine) as change:
            add_record(change)


def chain_url(address: str) -> URL:
    """Of a registry, from what a process can be given."""
    return URL.create(**json.loads(address))


def test_writers_at_once_make_one_chain(registry, registry_url):
    """Eight processes: every record is there, once, and the ids have no gaps."""
    parts = {**registry_url._asdict(), "query": {}}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    address = json.dumps(parts)
    writers = [context.Process(target=write_records, args=(address, 50)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * 8
    audit = verify_chain(registry)
    assert (audit.broken, audit.head.entry, audit.entries) == (None, 400, 400)
    with registry.connect() as connection:
        last = connection.scalar(select(func.max(RightsRecord.id)))
    assert (last, audit.rows["rights_record"]) == (400, 400)


def test_a_writer_that_waits_too_long_is_refused(registry_url, monkeypatch):
    """In one line, which sends nobody to a backup."""
    monkeypatch.setattr(engines, "WAIT_SECONDS", 1)
    monkeypatch.setattr(chain, "WAIT_SECONDS", 1)
    engine = create_registry(registry_url)
    with (
        changing(engine),
        pytest.raises(RegistryError, match="another command has been") as caught,
        changing(engine),
    ):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("statement", ["DELETE FROM chain_head", "UPDATE chain_head SET id = 2"])
def test_who_finds_no_head_writes_nothing(registry, statement):
    """A chain that nobody could go on from is for the auditor."""
    with registry.begin() as connection:
        connection.execute(text(statement))
    for use in (head, lambda engine: changing(engine).__enter__()):
        with pytest.raises(RegistryError, match="kohort audit verify"):
            use(registry)


def test_every_table_with_rows_is_governed():
    """None was forgotten."""
    names = {table.name for table in governed_tables()}
    assert names == set(Base.metadata.tables) - {"action", "chain_head"}
