"""Synthetic worlds in every format: read back by kohort's own readers, whole or not there."""

import datetime as dt
import errno
import os
import signal
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sqlalchemy import create_engine, inspect

from pipelines import synthetic
from pipelines.errors import OutputError
from pipelines.sources import load_family, open_source, stage
from pipelines.synthetic import Order, make_raw, write_rights, write_world
from pipelines.worlds import database, delimited, destinations, places
from pipelines.worlds.destinations import Database, Files
from synth.parts import gathered
from synth.world import make_world

FORMATS = ["parquet", "coursera-zip", "csv", "sqlite"]
TARGETS = [*FORMATS, "sqlite-url", "postgresql-url"]

NASTY = {
    "people": pl.DataFrame(
        {
            "synth_user_id": ["a", "b", "c", "d", "e", "f", "g"],
            "text": ['say "hi"', "C:\\dir\\", "", None, "one,\ntwo\r\n", "NA", ' ä \\" \t'],
            "grade": [0.1, 1e-9, 1e17, None, -0.0, 100.0, 1 / 3],
            "number": pl.Series([1, -(2**31), None, 0, 2**31 - 1, 5, 6], dtype=pl.Int32),
            "big": [2**53 + 1, None, -1, 0, 1, 2, 3],
            "kind": pl.Series([None, "x", "y", "x", "x", "y", "x"], dtype=pl.Enum(["x", "y"])),
            "true": [True, False, None, True, True, False, False],
            "day": [dt.date(2024, 2, 29), None, *[dt.date(1, 1, 1)] * 5],
            "at": [
                dt.datetime(2024, 2, 29, 23, 59, 59),
                dt.datetime(2024, 1, 1, 0, 0, 0, 1),
                None,
                *[dt.datetime(2024, 1, 1, 0, 0, 0, 120_000)] * 4,
            ],
        },
        schema_overrides={"at": pl.Datetime("us")},
    ),
    "codes": pl.DataFrame({"code": [0, 1], "meaning": ["no", "yes"]}),
    "empty": pl.DataFrame(schema={"key": pl.String, "value": pl.Float64}),
}
"""A world whose cells are hard to write."""


def in_parts(world, size):
    """A world as it is made: catalogue first, then blocks of rows; every table in the first."""
    yield {name: table.head(size) for name, table in world.items()}
    longest = max(table.height for table in world.values())
    for start in range(size, longest, size):
        yield {n: t.slice(start, size) for n, t in world.items() if t.height > start}


def target(kind, folder, request):
    """A destination of this kind, and the location that a source has there."""
    if kind == "sqlite-url":
        url = f"sqlite:///{folder / 'new.db'}"
        return Database(url), url
    if kind == "postgresql-url":
        # Nothing there is dropped before the test's end.
        fresh = request.getfixturevalue("postgresql").database()
        url = fresh.__enter__().render_as_string(hide_password=False)
        request.addfinalizer(lambda: fresh.__exit__(None, None, None))
        return Database(url), url
    to = Files(folder / ("world.zip" if kind == "coursera-zip" else "world"), kind)
    return to, to.location


def write(world, to, *, size=3):
    with to.opened() as sink:
        for part in in_parts(world, size):
            sink(part)


def texts(location, table):
    """All cells of a table as its source's reader gives them."""
    raw = open_source(location, base=Path()).tables[table]
    frames = [batch.drop("_row") for batch in raw.read(raw.columns()).batches]
    return (
        pl.concat(frames)
        if frames
        else pl.DataFrame(schema=dict.fromkeys(raw.columns(), pl.String))
    )


def meant(cells, like):
    """Text cells as the types of a frame."""
    truth = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
    casts = {
        pl.Boolean: lambda c: c.replace_strict(truth, return_dtype=pl.Boolean),
        pl.Datetime: lambda c: c.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us"),
        pl.Date: lambda c: c.str.to_date("%Y-%m-%d"),
    }
    return cells.select(
        casts.get(dtype.base_type(), lambda c, d=dtype: c.cast(d))(pl.col(name)).alias(name)
        for name, dtype in like.schema.items()
    )


@pytest.mark.parametrize("kind", [*TARGETS, "another driver"])
def test_every_cell_is_read_as_it_was_made(kind, tmp_path, request, monkeypatch):
    """Quotes, backslashes, line ends, nulls beside empty texts, numbers to the last digit."""
    if kind == "another driver":
        monkeypatch.setattr(database, "_copies", lambda _: False)
        kind = "postgresql-url"
    to, location = target(kind, tmp_path, request)
    write(NASTY, to)
    for name, table in NASTY.items():
        found = meant(texts(location, name), table).sort(pl.first())
        assert_frame_equal(found, table, check_exact=True)


TABLES = [
    "users",
    "courses",
    "course_memberships",
    "course_progress",
    "course_grades",
    "users_courses__certificate_payments",
    "discussion_questions",
    "peer_reviews",
]
"""Text of every kind, times, numbers, truth values, nulls."""


@pytest.fixture(scope="module")
def learners():
    world = make_world(60, courses=3, seed=7)
    return {name: world[name] for name in TABLES}


def staged(learners, kind, folder, request):
    """What the family's reader makes of a world in a format."""
    family = load_family("coursera").family
    needs = {
        name: frozenset(family.tables[name].columns) & {*table.columns, "user_id"}
        for name, table in learners.items()
    }
    to, location = target(kind, folder, request)
    write(learners, to, size=50)
    (folder / "staged").mkdir()
    result = stage(open_source(location, base=folder), family, needs, folder / "staged")
    assert not result.quarantine.entries()
    frames = {n: pl.read_parquet(t.path).drop("_row") for n, t in result.tables.items()}
    return {name: frame.sort(pl.all()) for name, frame in frames.items()}


@pytest.fixture(scope="module")
def from_parquet(learners, tmp_path_factory, request):
    return staged(learners, "parquet", tmp_path_factory.mktemp("parquet"), request)


@pytest.mark.parametrize("kind", TARGETS[1:])
def test_every_format_holds_the_same_world(kind, from_parquet, learners, tmp_path, request):
    """Staged as the family declares it, each table is that of the Parquet folder."""
    found = staged(learners, kind, tmp_path, request)
    assert found.keys() == from_parquet.keys() == {*TABLES}
    for name, frame in from_parquet.items():
        assert frame.height == learners[name].height
        assert_frame_equal(found[name], frame)
    assert sum(frame.height for frame in found.values()) > 1_000


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
hard = st.text(st.sampled_from("\"\\,\n\r tfNA;'"), max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.none() | words | hard, st.none() | hard), min_size=1, max_size=12))
def test_the_export_s_dialect_holds_any_text(tmp_path_factory, rows):
    """Whatever a cell says, the reader of the export gives it back."""
    folder = tmp_path_factory.mktemp("zip")
    # A third column: the reader passes over lines without a cell, as those of two nulls are not.
    table = pl.DataFrame(
        [(*row, "x") for row in rows], schema=dict.fromkeys("abc", pl.String), orient="row"
    )
    location = write_world({"t": table}, folder / "world.zip", fmt="coursera-zip")
    assert_frame_equal(texts(str(location), "t"), table)


def test_the_zip_is_in_the_true_format(tmp_path):
    """Byte by byte: header, escapes, null unquoted and empty, t and f, naive times; no folder."""
    table = NASTY["people"].select("synth_user_id", "text", "true", "at").head(4)
    file = write_world({"users": table}, tmp_path / "world.zip", fmt="coursera-zip")
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["users.csv"]
        assert archive.read("users.csv").decode() == (
            "synth_user_id,text,true,at\n"
            'a,"say \\"hi\\"",t,2024-02-29 23:59:59\n'
            'b,"C:\\\\dir\\\\",f,2024-01-01 00:00:00.000001\n'
            'c,"",,\n'
            "d,,t,2024-01-01 00:00:00.120\n"
        )


@pytest.mark.parametrize("fmt", ["parquet", "coursera-zip", "csv"])
def test_the_same_world_is_the_same_bytes(fmt, tmp_path):
    """Nothing of the moment or of the machine stands in a file."""
    written = [tmp_path / name for name in ("one", "two")]
    for place in written:
        write(NASTY, Files(place, fmt))
    files = [
        {p.name: p.read_bytes() for p in ([place] if place.is_file() else place.iterdir())}
        for place in written
    ]
    assert [*files[0].values()] == [*files[1].values()]


@pytest.mark.parametrize("kind", TARGETS)
def test_a_world_that_fails_is_not_there(kind, tmp_path, request):
    """Neither files nor tables, nor a hidden folder; afterwards it can be written."""
    to, location = target(kind, tmp_path, request)
    with pytest.raises(KeyboardInterrupt), to.opened() as sink:  # noqa: PT012 - in the midst of it
        sink(next(in_parts(NASTY, 3)))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] in ([], ["new.db"])
    if "url" in kind:
        engine = create_engine(location)
        assert inspect(engine).get_table_names() == []
        engine.dispose()
    write(NASTY, to)


KILLED = """
import os, signal, sys
from contextlib import ExitStack
from pathlib import Path
from pipelines.worlds.destinations import Database, Files
from tests.functional.test_worlds import NASTY, in_parts

with ExitStack() as opened:
    folder, *urls = Path(sys.argv[1]), *sys.argv[2:]
    to = [Files(folder / "world", "parquet"), Files(folder / "world.zip", "coursera-zip")]
    sinks = [opened.enter_context(one.opened()) for one in (*to, *map(Database, urls))]
    for part in in_parts(NASTY, 3):
        for write in sinks:
            write(part)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writing_leaves_no_world(tmp_path, postgresql):
    """All parts are written, none is finished: no name holds a world, no database a table."""
    root = Path(__file__).resolve().parents[2]
    with postgresql.database() as url:
        urls = [f"sqlite:///{tmp_path / 'new.db'}", url.render_as_string(hide_password=False)]
        command = [sys.executable, "-c", KILLED, str(tmp_path), *urls]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        ended = subprocess.run(command, cwd=root, env=environment, check=False)
        assert ended.returncode == -signal.SIGKILL
        assert {p.name for p in tmp_path.iterdir() if p.name[0] != "."} <= {
            "new.db",
            "new.db-journal",
        }
        for name in urls:
            engine = create_engine(name)
            assert inspect(engine).get_table_names() == []
            engine.dispose()


def test_what_is_there_stays(tmp_path):
    """A folder that holds something, a file, a dead link and a rights file are refused."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, words in {
        "full": "not empty",
        "full/mine": "exists already",
        "link": "exists",
    }.items():
        with pytest.raises(OutputError, match=words):
            write(NASTY, Files(tmp_path / name, "parquet"))
    with pytest.raises(OutputError, match="exists already"):
        write_rights(make_world(1, courses=1, seed=0), tmp_path / "full" / "mine", seed=0)
    (tmp_path / "empty").mkdir()
    write(NASTY, Files(tmp_path / "empty", "csv"))
    assert {path.name for path in tmp_path.iterdir()} == {"full", "link", "empty"}


def test_the_folder_we_are_in_is_not_replaced(tmp_path, monkeypatch):
    """Whoever stands in it would stand nowhere; and a path needs a name."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in (".", "..", "/", "../here"):
        with pytest.raises(OutputError, match="name a new file or folder"):
            write(NASTY, Files(Path(name), "parquet"))
    assert Path.cwd().exists()
    write(NASTY, Files(Path("world"), "parquet"))


def test_whoever_is_quicker_keeps_the_place(tmp_path):
    """What appeared meanwhile is not overwritten."""
    to = Files(tmp_path / "world", "parquet")
    with pytest.raises(OutputError, match="exists already"), to.opened() as sink:  # noqa: PT012
        sink(NASTY)
        to.path.write_text("mine")
    assert to.path.read_text() == "mine"


@pytest.mark.parametrize("moment", ["sync", "_appear"])
def test_whoever_is_quicker_by_a_moment_keeps_the_place(tmp_path, monkeypatch, moment):
    """A file that appears while the rest is brought to the disk, or just before ours does."""
    one, two = tmp_path / "one", tmp_path / "two"
    step = getattr(places, moment)

    def slow(*words):
        one.write_text("mine")
        return step(*words)

    monkeypatch.setattr(places, moment, slow)
    with pytest.raises(OutputError, match="one: exists already"), places.appearing(one, two) as at:  # noqa: PT012
        at[0].write_text("all")
        at[1].mkdir()
    assert {path.name for path in tmp_path.iterdir()} == {"one"}
    assert one.read_text() == "mine"


def test_files_appear_without_links_too(tmp_path, monkeypatch):
    """On a file system that knows none."""

    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(places.os, "link", refuse)
    with places.appearing(tmp_path / "one") as (place,):
        place.write_text("all")
    assert (tmp_path / "one").read_text() == "all"


@pytest.mark.parametrize("kind", ["sqlite-url", "postgresql-url"])
def test_tables_that_are_there_stay(kind, tmp_path, request):
    """A table of the same name is refused before a row is written, others are left alone."""
    to, location = target(kind, tmp_path, request)
    write({"codes": NASTY["codes"]}, to)
    with pytest.raises(OutputError, match="table 'codes' exists already"):
        write(NASTY, to)
    write({"people": NASTY["people"]}, to)
    engine = create_engine(location)
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE VIEW "empty" AS SELECT * FROM codes')
    engine.dispose()
    with pytest.raises(OutputError, match="table 'empty' exists already"):
        write({"empty": NASTY["empty"]}, to)
    assert {*open_source(location, base=Path()).tables} == {"codes", "people", "empty"}


@pytest.mark.parametrize(
    "url, words",
    [
        ("nonsense", "not a database URL"),
        ("postgresql://u:hunter2@h:notaport/x", "not a database URL"),
        ("sqlite://", "in memory"),
        ("sqlite:////no/such/folder/x.db", "can't be written"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file::memory:?uri=true", "takes no options"),
        ("sqlite:///file:x?mode=memory&cache=shared&uri=true", "takes no options"),
        ("sqlite:///new.db?foo=bar", "takes no options"),
        ("postgresql://u:secret@hunter2@127.0.0.1:1/db", "more than one @.* %40"),
        ("postgresql://u:secret@hunter2/secret@127.0.0.1:1/db", "more than one @.* %40"),
        ("postgresql://u:secret@hunter2?x@127.0.0.1:1/db", "more than one @.* %40"),
        ("postgresql://u:%40hunter2@127.0.0.1:1/db", "can't be written"),
        ("nosuch+driver://u:hunter2@h/x", "driver is not installed"),
        ("mysql+nosuch://u:hunter2@h/x", "driver is not installed"),
        ("postgresql://u:hunter2@127.0.0.1:1/x?application_name=hunter2", "can't be written"),
    ],
)
def test_addresses_that_lead_nowhere(url, words):
    """One line, and never the password."""
    with pytest.raises(OutputError, match=words) as refusal:
        write(NASTY, Database(url))
    assert "\n" not in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


@pytest.fixture
def order(monkeypatch):
    """An order for the world above, in three parts; a part's rights tell its number."""
    monkeypatch.setattr(synthetic, "world_parts", lambda *_, **__: in_parts(NASTY, 3))
    monkeypatch.setattr(
        synthetic,
        "rights_of",
        lambda _, part, *, seed, number: part["people"].select(pl.first(), said=number + seed),
    )
    return Order(None, learners=7, courses=1, seed=10)


def test_rights_are_written_part_by_part(tmp_path, order):
    """One header, then the records of each part in turn, by its number."""
    rights, told = tmp_path / "rights.csv", []
    made = make_raw(order, Files(tmp_path / "w", "csv"), rights_file=rights, progress=told.append)
    assert rights.read_text() == "synth_user_id,said\na,10\nb,10\nc,10\nd,11\ne,11\nf,11\ng,12\n"
    assert made.location == str(tmp_path / "w")
    assert made.rows == {"people": 7, "codes": 2, "empty": 0, "rights": 7}
    assert told == ["8 rows", "14 rows", "16 rows"]


def test_traps_need_rights(tmp_path, order):
    """What becomes of a trap depends on who permits what: without a file nothing is made."""
    with pytest.raises(ValueError, match="rights"):
        make_raw(
            replace(order, trapped=True), Files(tmp_path / "w", "csv"), rights_file=None,
            progress=print,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_without_the_world_there_are_no_rights(tmp_path, order, monkeypatch):
    """A world that fails half-way leaves no rights file, either."""

    def parts(*_, **__):
        yield NASTY
        raise KeyboardInterrupt

    monkeypatch.setattr(synthetic, "world_parts", parts)
    with pytest.raises(KeyboardInterrupt):
        make_raw(
            order, Files(tmp_path / "w", "csv"), rights_file=tmp_path / "r.csv", progress=print
        )
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_of_its_file(tmp_path, order, monkeypatch):
    """Whether the world or the rights file can't be written, the message names the right one."""

    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def full(place):
        place.mkdir()
        yield refuse

    monkeypatch.setitem(destinations.FORMATS, "csv", full)
    with pytest.raises(OutputError, match=r"world: can't be written \(No space left"):
        make_raw(
            order, Files(tmp_path / "world", "csv"), rights_file=tmp_path / "r.csv", progress=print
        )
    (tmp_path / "no").touch()
    rights = tmp_path / "no" / "rights.csv"
    with pytest.raises(OutputError, match=r"no/rights.csv: can't be written"):
        make_raw(order, Files(tmp_path / "world", "parquet"), rights_file=rights, progress=print)
    assert {path.name for path in tmp_path.iterdir()} == {"no"}


@pytest.fixture
def small_disk(monkeypatch):
    """SQLite finds no room after a few pages, as on a full disk."""

    def connected(connection, _):
        connection.isolation_level = None
        connection.execute("PRAGMA max_page_count = 3")

    monkeypatch.setattr(database, "_leave_begin_to_us", connected)


def test_a_full_disk_under_sqlite(tmp_path, order, small_disk):
    """The message has the name that was given, not a hidden one, and the cause."""
    rights = tmp_path / "r.csv"
    for to, name in (
        (Files(tmp_path / "world", "sqlite"), f"{tmp_path / 'world'}"),
        (Database(f"sqlite:///{tmp_path / 'new.db'}"), f"sqlite:///{tmp_path / 'new.db'}"),
    ):
        with pytest.raises(OutputError) as refusal:
            make_raw(order, to, rights_file=rights, progress=print)
        assert str(refusal.value) == f"{name}: can't be written (database or disk is full)"
    assert {path.name for path in tmp_path.iterdir()} <= {"new.db"}


def test_all_files_appear_at_the_end(tmp_path, order, monkeypatch):
    """While the zip is being made, there is no rights file yet; afterwards there are both."""
    seen = []

    class Watched(zipfile.ZipFile):
        def __init__(self, *words, **named):
            seen.append({path.name for path in tmp_path.iterdir() if path.name[0] != "."})
            super().__init__(*words, **named)

    monkeypatch.setattr(delimited, "ZipFile", Watched)
    to = Files(tmp_path / "world.zip", "coursera-zip")
    make_raw(order, to, rights_file=tmp_path / "r.csv", progress=print)
    assert seen == [set()]
    assert {path.name for path in tmp_path.iterdir()} == {"world.zip", "r.csv"}


def test_a_failed_commit_takes_the_rights_back(tmp_path, order, monkeypatch):
    """The files lie there when the database commits; when it can't, they go."""
    seen = []

    @contextmanager
    def uncommitted(_):
        yield list
        seen.append((tmp_path / "r.csv").exists())
        raise OutputError("no commit")

    monkeypatch.setattr(destinations, "database", uncommitted)
    with pytest.raises(OutputError, match="no commit"):
        make_raw(
            order, Database("postgresql://h/x"), rights_file=tmp_path / "r.csv", progress=print
        )
    assert seen == [True]
    assert list(tmp_path.iterdir()) == []


def test_what_has_appeared_goes_when_the_rest_can_t(tmp_path, monkeypatch):
    """All or nothing: a last rename that fails takes the first one back."""
    one, two = tmp_path / "one", tmp_path / "two"
    rename = Path.rename

    def refuse(self, to):
        if Path(to).name == "two":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, to)

    with pytest.raises(OutputError, match="two: can't"), places.appearing(one, two) as at:  # noqa: PT012
        at[0].write_text("all")
        at[1].mkdir()
        monkeypatch.setattr(Path, "rename", refuse)
    assert list(tmp_path.iterdir()) == []


def test_a_whole_world_in_memory(tmp_path, learners):
    """The parts of a world are its rows, one after the other."""
    parts = in_parts(learners, 50)
    written = write_world(gathered(parts), tmp_path / "world", fmt="parquet")
    for name, table in learners.items():
        assert_frame_equal(pl.read_parquet(written / f"{name}.parquet"), table)
