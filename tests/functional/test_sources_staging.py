"""Staging: typed Parquet, quarantine with reasons, and refusals that name a column."""

import datetime as dt
import sqlite3
import stat
import zipfile
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import SourceError
from pipelines.sources import Quarantine, Quarantined, Reason, load_family, open_source, stage
from schemas.declaration import parse_family
from schemas.raw import DTYPES

FAMILY = parse_family(
    """
    family = "mooc"
    title = "A small export"
    learner = "partner_user_id"
    item = "course"
    partner_pattern = '^([a-z]+)(?:_forum)?_user_id$'

    [tables.users]
    grain = "learner"
    key = ["partner_user_id"]
    learners = true
    dropped = ["email"]
    [tables.users.columns]
    partner_user_id = { role = "learner-key", aliases = ["{partner}_user_id"] }
    gender = { role = "quasi-identifier", values = ["F", "M"], relabel = { w = "F" } }
    level = { role = "quasi-identifier", type = "integer", values = ["1", "2"] }
    joined = { role = "time", type = "timestamp" }
    born = { role = "time", type = "date", optional = true }
    score = { role = "measure", type = "number", optional = true }
    paid = { role = "sensitive", type = "boolean", optional = true }

    [tables.posts]
    grain = "event"
    [tables.posts.columns.partner_user_id]
    role = "learner-key"
    aliases = ["{partner}_user_id", "{partner}_forum_user_id"]
    [tables.posts.columns.text]
    role = "free-text"

    [tables.degrees]
    grain = "learner"
    optional = true
    [tables.degrees.columns]
    partner_user_id = { role = "learner-key", aliases = ["{partner}_user_id"] }
    degree = { role = "quasi-identifier" }
    """,
    subject="mooc.toml",
)
HEADER = "jhu_user_id,gender,level,joined,email\n"
NEEDS = frozenset({"partner_user_id", "gender", "level", "joined"})


@pytest.fixture
def staged(tmp_path):
    """Stages tables given as text, and the needed columns of users."""

    def run(needs=None, **tables):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "out").mkdir(exist_ok=True)
        for name, text in tables.items():
            (tmp_path / "in" / f"{name}.csv").write_text(text)
        source = open_source("in", base=tmp_path)
        return stage(source, FAMILY, needs or {"users": NEEDS}, tmp_path / "out")

    return run


def test_needed_columns_become_typed(staged):
    """Blanks are stripped, labels corrected, empty cells null; names are canonical."""
    result = staged(
        users=HEADER + " a ,w, 1,2020-01-02 03:04:05.5,x@y\nb,,2.0,2020-01-02T03:04:05Z,\n"
    )
    table = result.tables["users"]
    frame = pl.read_parquet(table.path)
    assert frame.schema["joined"] == pl.Datetime("us")
    assert frame.rows() == [
        ("a", "F", 1, dt.datetime(2020, 1, 2, 3, 4, 5, 500_000), 0),
        ("b", None, 2, dt.datetime(2020, 1, 2, 3, 4, 5), 1),
    ]
    assert frame.columns == ["partner_user_id", "gender", "level", "joined", "_row"]
    assert (table.rows, table.id_domain) == (2, "linked")
    assert result.quarantine.entries() == ()


def test_every_type_is_parsed(staged):
    """Truth values as the platform, R and Python write them; a number is finite."""
    header = "jhu_user_id,gender,level,joined,born,score,paid\n"
    rows = [
        "a,,,,2020-02-29,1e2,t",
        "b,,,,,-0.5,False",
        "c,,,,,,1",
        "d,,,,2021-02-29,,",
        "e,,,,,inf,",
        "f,,,,,,yes",
    ]
    result = staged({"users": NEEDS | {"born", "score", "paid"}}, users=header + "\n".join(rows))
    frame = pl.read_parquet(result.tables["users"].path)
    assert frame.select("born", "score", "paid").rows() == [
        (dt.date(2020, 2, 29), 100.0, True),
        (None, -0.5, False),
        (None, None, True),
    ]
    assert {(q.column, q.reason, q.rows) for q in result.quarantine.entries()} == {
        ("born", Reason.WRONG_TYPE, 1),
        ("score", Reason.WRONG_TYPE, 1),
        ("paid", Reason.WRONG_TYPE, 1),
    }


def test_rows_that_break_the_declaration_are_put_aside(staged, tmp_path):
    """Each row has one reason; counts in one file, positions in another, both private."""
    result = staged(
        users=HEADER
        + "a,F,1,2020-01-02 03:04:05,\n"  # 0: sound
        + "b,X,1,,\n"  # 1: not in the domain
        + "c,F,9,,\n"  # 2: not in the domain
        + ",F,1,,\n"  # 3: null key
        + "d,F,one,,\n"  # 4: wrong type
        + "e,F\n"  # 5: ragged
        + ",X,one,,\n"  # 6: several faults: wrong type first
        + "f,F,1,,\n"  # 7: sound
    )
    assert pl.read_parquet(result.tables["users"].path)["_row"].to_list() == [0, 7]
    assert result.quarantine.entries() == (
        Quarantined("users", "gender", Reason.NOT_IN_DOMAIN, 1),
        Quarantined("users", "level", Reason.NOT_IN_DOMAIN, 1),
        Quarantined("users", "partner_user_id", Reason.NULL_KEY, 1),
        Quarantined("users", None, Reason.RAGGED_ROW, 1),
        Quarantined("users", "level", Reason.WRONG_TYPE, 2),
    )
    folder = tmp_path / "quarantine"
    folder.mkdir()
    result.quarantine.write(folder)
    assert (folder / "counts.csv").read_text().splitlines()[:2] == [
        "table,column,reason,rows",
        "users,gender,not_in_domain,1",
    ]
    positions = pl.read_parquet(folder / "users.parquet")
    assert positions.select("_row", "reason").rows() == [
        (1, "not_in_domain"),
        (2, "not_in_domain"),
        (3, "null_key"),
        (4, "wrong_type"),
        (5, "ragged_row"),
        (6, "wrong_type"),
    ]
    for file in [*folder.iterdir(), result.tables["users"].path]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_isolated_ids_are_of_another_domain(staged):
    """Ids under an isolated name must not be joined with the core tables'."""
    result = staged(
        {"users": NEEDS, "posts": frozenset({"partner_user_id"})},
        users=HEADER,
        posts="jhu_forum_user_id,text\nz,hello\n",
    )
    assert result.tables["users"].id_domain == "linked"
    assert result.tables["posts"].id_domain == "jhu_forum_user_id"


def test_linked_ids_are_of_the_core_domain(staged):
    """The same table in a linked export."""
    needs = {"posts": frozenset({"partner_user_id"})}
    result = staged(needs, users=HEADER, posts="jhu_user_id,text\nz,hello\n")
    assert result.tables["posts"].id_domain == "linked"


def test_what_may_be_absent_is_null_or_empty(staged):
    """An optional column is null in every row; an optional table has no rows."""
    needs = {"users": frozenset({"born"}), "degrees": frozenset({"degree"})}
    result = staged(needs, users=HEADER + "a,F,1,,\n")
    assert pl.read_parquet(result.tables["users"].path).rows() == [(None, 0)]
    degrees = pl.read_parquet(result.tables["degrees"].path)
    assert degrees.schema == {"degree": DTYPES["text"], "_row": pl.Int64()}
    assert degrees.height == 0


def test_a_header_alone_is_zero_rows(staged):
    """An empty table is not an error."""
    assert staged(users=HEADER).tables["users"].rows == 0


def test_the_digest_is_of_the_bytes(staged, tmp_path):
    """The same file gives the same digest."""
    first = staged(users=HEADER + "a,F,1,,\n").tables["users"]
    first.path.unlink()
    assert staged().tables["users"].sha256 == first.sha256


def as_zip(folder, frame):
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr("users.csv", frame.write_csv())
    return "x.zip"


def as_parquet(folder, frame):
    (folder / "parquet").mkdir()
    frame.write_parquet(folder / "parquet" / "users.parquet")
    return "parquet"


def as_sqlite(folder, frame):
    with sqlite3.connect(folder / "x.db") as connection:
        connection.execute(
            "CREATE TABLE users (jhu_user_id TEXT PRIMARY KEY, gender TEXT, level INT, joined TEXT)"
        )
        rows = frame.with_columns(pl.col("joined").cast(pl.String)).rows()
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return "sqlite:///x.db"


@pytest.mark.parametrize("write", [as_zip, as_parquet, as_sqlite])
def test_every_kind_of_source_is_staged_alike(tmp_path, write):
    """The same rows from a zip, Parquet or a database give the same typed table."""
    frame = pl.DataFrame(
        {
            "jhu_user_id": ["a", "b"],
            "gender": ["F", None],
            "level": [1, None],
            "joined": [dt.datetime(2020, 1, 1, 12), None],
        }
    )
    source = open_source(write(tmp_path, frame), base=tmp_path)
    (tmp_path / "out").mkdir()
    table = stage(source, FAMILY, {"users": NEEDS}, tmp_path / "out").tables["users"]
    expected = frame.rename({"jhu_user_id": "partner_user_id"}).with_columns(
        pl.Series("_row", [0, 1])
    )
    assert pl.read_parquet(table.path).equals(expected)
    assert len(table.sha256) == 64


def test_a_closed_list_of_times_is_refused(tmp_path):
    """A declaration that can't be checked stops the build, and says why."""
    (tmp_path / "t.csv").write_text("id,at\n")
    family = parse_family(
        'family = "f"\ntitle = "F"\nlearner = "id"\nitem = "at"\n'
        '[tables.t]\ngrain = "event"\n[tables.t.columns]\nid = { role = "learner-key" }\n'
        'at = { role = "time", type = "timestamp", values = ["2020"] }\n',
        subject="f.toml",
    )
    source = open_source(str(tmp_path), base=tmp_path)
    with pytest.raises(SourceError, match="type timestamp can't have `values`"):
        stage(source, family, {"t": frozenset({"at"})}, tmp_path)


@pytest.mark.parametrize(
    "needs, tables, message",
    [
        (None, {"posts": "jhu_user_id,text\n"}, "table 'users': missing"),
        (None, {"user": HEADER}, "table 'users': missing; did you mean 'user'?"),
        (None, {"users": "jhu_user_id,gender,level\n"}, "column 'joined' is missing"),
        (
            None,
            {"users": "jhu_user_id,gendr,level,joined\n"},
            "column 'gender' is missing; did you mean 'gendr'?",
        ),
        (
            None,
            {"users": HEADER.replace("email", "shoe_size") + "a,F,1,,SECRET\n"},
            "column 'shoe_size' is not declared; declare what it is, as dropped",
        ),
        (
            {"posts": frozenset({"text"})},
            {"users": HEADER, "posts": "jhu_user_id,jhu_forum_user_id,text\n"},
            "two names of column 'partner_user_id'",
        ),
        ({"user": NEEDS}, {"users": HEADER}, "not declared by family 'mooc'; did you mean 'users'"),
        ({"users": frozenset({"gendre"})}, {"users": HEADER}, "did you mean 'gender'?"),
    ],
)
def test_tables_that_do_not_fit_are_refused(staged, needs, tables, message):
    """The message names table, column and next step, and no cell."""
    with pytest.raises(SourceError) as refusal:
        staged(needs, **tables)
    assert message in str(refusal.value)
    assert "SECRET" not in str(refusal.value)


def test_two_partners_are_refused(staged):
    """Nothing tells whose learners are meant."""
    tables = {"posts": "jhu_user_id,text\n", "degrees": "mit_user_id,degree\n"}
    with pytest.raises(SourceError, match="learner columns of two partners, 'jhu' and 'mit'"):
        staged({"posts": frozenset({"text"})}, **tables)


def test_a_quarantine_has_no_empty_entries():
    """Nothing put aside is not an entry."""
    quarantine = Quarantine()
    quarantine.add("users", Reason.NULL_KEY, [])
    assert quarantine.entries() == ()
    with pytest.raises(ValueError, match="rows must be at least 1"):
        Quarantined("users", None, Reason.NULL_KEY, 0)


@pytest.mark.shared_data
def test_the_sample_export_is_staged_whole(shared_data, tmp_path):
    """What the core tables hold, and that the R dialect's nulls and padded integers are read."""
    path = shared_data / "coursera_export/fake_course_7051862327916.zip"
    family = load_family("coursera").family
    names = ("users", "course_memberships", "course_grades", "course_progress")
    needs = {name: frozenset(family.tables[name].columns) for name in names}
    result = stage(open_source(str(path), base=Path()), family, needs, tmp_path)
    assert {name: table.rows for name, table in result.tables.items()} == {
        "users": 464,
        "course_memberships": 585,
        "course_grades": 110,
        "course_progress": 23_808,
    }
    assert {table.id_domain for table in result.tables.values()} == {"linked"}
    assert result.quarantine.entries() == ()
    users = pl.read_parquet(result.tables["users"].path)
    assert users["reported_or_inferred_gender"].null_count() == 125
    grades = pl.read_parquet(result.tables["course_grades"].path)
    assert grades["course_grade_overall_passed_items"].null_count() == 0


@pytest.mark.shared_data
def test_oulad_is_staged(shared_data, tmp_path):
    """The label fault of imd_band is corrected; unknown bands stay null."""
    family = load_family("oulad").family
    needs = {"studentInfo": frozenset(family.tables["studentInfo"].columns)}
    result = stage(open_source(str(shared_data / "oulad"), base=Path()), family, needs, tmp_path)
    assert result.tables["studentInfo"].rows == 32_593
    bands = pl.read_parquet(result.tables["studentInfo"].path)["imd_band"]
    assert bands.null_count() == 1_111
    assert bands.n_unique() == 11
