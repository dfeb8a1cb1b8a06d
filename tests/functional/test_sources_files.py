"""Zips, folders, Parquet and databases: what is a table, and what is refused."""

import datetime as dt
import decimal
import sqlite3
import zipfile
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import SourceError
from pipelines.sources.families import load_family
from pipelines.sources.open import open_source


def rows(source, name, *columns):
    raw = source.tables[name]
    frames = list(raw.read(columns or raw.columns()).batches)
    return pl.concat(frames).rows() if frames else []


def refused(location, base):
    with pytest.raises(SourceError) as refusal:
        open_source(location, base=base)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return str(path)


def test_a_zip_as_macos_packs_it(tmp_path):
    """One folder inside is stepped into; resource forks and hidden files are passed over."""
    members = {
        "export/users.csv": "id\n1\n",
        "export/.DS_Store": "junk",
        "export/._users.csv": "junk",
        "export/readme.txt": "hello",
        "__MACOSX/export/._users.csv": "junk",
    }
    source = open_source(write_zip(tmp_path / "x.zip", members), base=tmp_path)
    assert list(source.tables) == ["users"]
    assert rows(source, "users") == [("1", 0)]


def test_a_zip_of_parquet(tmp_path):
    """Parquet in a zip is read as text, too."""
    pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "users.parquet")
    content = (tmp_path / "users.parquet").read_bytes()
    source = open_source(write_zip(tmp_path / "x.zip", {"users.parquet": content}), base=tmp_path)
    assert rows(source, "users") == [("1", 0)]


def test_a_truncated_zip_is_refused(tmp_path):
    """A cut-off download has no directory."""
    path = Path(write_zip(tmp_path / "x.zip", {"users.csv": "id\n" + "SECRET\n" * 999}))
    path.write_bytes(path.read_bytes()[:-30])
    assert "x.zip: not a readable zip (a truncated download?)" in refused(str(path), tmp_path)


def test_a_damaged_member_is_refused(tmp_path):
    """A flipped byte breaks the member's checksum."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("users.csv", "id\nSECRET\n")
    path.write_bytes(path.read_bytes().replace(b"SECRET", b"SECRIT", 1))
    source = open_source(str(path), base=tmp_path)
    with pytest.raises(SourceError, match=r"users\.csv: damaged in the zip") as refusal:
        rows(source, "users")
    assert "SECR" not in str(refusal.value)


def test_an_encrypted_member_is_refused(tmp_path):
    """An export is given without a password."""
    path = Path(write_zip(tmp_path / "x.zip", {"users.csv": "id\n1\n"}))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "users.csv: encrypted; give a zip without a password" in refused(str(path), tmp_path)


def test_a_folder_ignores_deeper_ones(tmp_path):
    """The nearest folder with tables is the export."""
    (tmp_path / "export" / "old").mkdir(parents=True)
    (tmp_path / "export" / "users.CSV").write_text("id\n1\n")
    (tmp_path / "export" / "old" / "grades.csv").write_text("id\n1\n")
    source = open_source("export", base=tmp_path)
    assert list(source.tables) == ["users"]
    assert rows(open_source(str(tmp_path), base=Path()), "users") == [("1", 0)]


@pytest.mark.parametrize(
    "files, message",
    [
        ([], "no CSV or Parquet files in it"),
        (["a/users.csv", "b/users.csv"], "no CSV or Parquet files in it; name the folder"),
        (["users.csv", "users.parquet"], "a second file for table 'users'"),
    ],
)
def test_unclear_folders_are_refused(tmp_path, files, message):
    """Which file is meant must be plain."""
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("id\n1\n")
    assert message in refused(str(tmp_path), Path())


@pytest.mark.parametrize(
    "location, message",
    [
        ("absent", "No such file or directory; check the location"),
        ("one.csv", "one file; name the folder"),
        ("one.db", "named by its URL, sqlite:///one.db"),
        ("one.txt", "not a readable zip"),
        ("sqlite:///absent.db", "no such file"),
        ("sqlite:///one.db", "can't be read (DatabaseError)"),
        ("sqlite:///empty.db", "no tables in it"),
        ("nosuch://user:SECRET@host/x", "nosuch: not a database URL whose driver is installed"),
    ],
)
def test_unusable_locations_are_refused(tmp_path, location, message):
    """Each says what to write instead; none shows a password or makes a file."""
    for name in ("one.csv", "one.db", "one.txt"):
        (tmp_path / name).write_text("not what it should be " * 99)
    sqlite3.connect(tmp_path / "empty.db").close()
    text = refused(location, tmp_path)
    assert message in text
    assert "SECRET" not in text
    assert not (tmp_path / "absent.db").exists()


def test_parquet_cells_become_text(tmp_path):
    """Times with a zone become naive UTC; whole floats stay what they are."""
    zone = dt.timezone(dt.timedelta(hours=2))
    frame = pl.DataFrame(
        {
            "n": [1, None],
            "x": [1.0, 2.5],
            "b": [True, None],
            "t": [dt.datetime(2020, 1, 1, 2, tzinfo=zone), None],
            "d": [dt.date(2020, 1, 1), None],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    found = rows(open_source(str(tmp_path), base=Path()), "t")
    assert found[0][:3] == ("1", "1.0", "true")
    assert found[0][3].startswith("2020-01-01 00:00:00")
    assert found[0][4:] == ("2020-01-01", 0)
    assert found[1] == (None, "2.5", None, None, None, 1)


def test_parquet_that_is_not_is_refused(tmp_path):
    """Truncated, or another format altogether."""
    (tmp_path / "t.parquet").write_bytes(b"PAR1 SECRET")
    with pytest.raises(SourceError, match=r"t\.parquet: not a readable Parquet file") as refusal:
        rows(open_source(str(tmp_path), base=Path()), "t")
    assert "SECRET" not in str(refusal.value)


def test_nested_parquet_cells_are_refused(tmp_path):
    """A list is no cell."""
    pl.DataFrame({"l": [["SECRET"]]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="column 'l' holds List cells"):
        rows(open_source(str(tmp_path), base=Path()), "t")


@pytest.fixture
def database(tmp_path):
    """A SQLite file with a keyed table, an unkeyed one, and a view."""
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.executescript(
        """
        CREATE TABLE users (id INTEGER PRIMARY KEY, joined DATETIME, score NUMERIC, ok BOOLEAN);
        INSERT INTO users VALUES (2, 'not a time', 1.5, 1), (1, NULL, NULL, 0);
        CREATE TABLE log (who TEXT, what BLOB);
        INSERT INTO log VALUES ('b', NULL), ('a', NULL);
        CREATE VIEW names AS SELECT who FROM log;
        """
    )
    connection.close()
    return tmp_path / "x.db"


def test_a_database_is_read_in_a_stated_order(database):
    """By primary key, else by the columns read; cells that break their type stay text."""
    source = open_source("sqlite:///x.db", base=database.parent)
    assert sorted(source.tables) == ["log", "names", "users"]
    assert rows(source, "users") == [("1", None, None, "0", 0), ("2", "not a time", "1.5", "1", 1)]
    assert rows(source, "log", "who") == [("a", 0), ("b", 1)]
    assert rows(source, "names") == [("a", 0), ("b", 1)]


def test_a_database_is_never_written(database):
    """The connection is read-only, whatever the file's rights."""
    before = database.read_bytes()
    source = open_source(f"sqlite:///{database}", base=Path())
    rows(source, "users")
    assert database.read_bytes() == before


def test_the_digest_of_a_database_is_of_its_rows(database):
    """The same rows give the same digest; other rows another one."""

    def digest(source):
        reading = source.tables["log"].read(["who"])
        list(reading.batches)
        return reading.digest()

    source = open_source("sqlite:///x.db", base=database.parent)
    first = digest(source)
    assert digest(source) == first
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE log SET who = 'c' WHERE who = 'a'")
    connection.close()
    assert digest(source) != first


def test_binary_cells_are_refused(database):
    """Bytes are no text; the message holds none of them."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE log SET what = x'534543524554'")
    connection.close()
    source = open_source("sqlite:///x.db", base=database.parent)
    with pytest.raises(SourceError, match="column 'what' holds bytes cells") as refusal:
        rows(source, "log")
    assert "SECRET" not in str(refusal.value)


def test_driver_values_become_text(database):
    """What other drivers hand over: times with a zone, exact numbers, truth values."""
    log = open_source("sqlite:///x.db", base=database.parent).tables["log"]
    assert log._as_text(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "c") == "2020-01-01 00:00:00"
    assert log._as_text(decimal.Decimal("1.50"), "c") == "1.50"
    assert log._as_text(True, "c") == "True"


def test_families_are_found_by_name_or_path(tmp_path):
    """A user's hierarchies lie beside the declaration, or are shipped ones."""
    (tmp_path / "mine.toml").write_text(
        'family = "mine"\ntitle = "Mine"\nlearner = "id"\nitem = "course"\n'
        '[tables.t]\ngrain = "learner"\n'
        '[tables.t.columns]\nid = { role = "learner-key" }\ng = { role = "quasi-identifier" }\n'
        '[views.learners]\ngrain = "learner"\ntable = "t"\n'
        "[views.learners.columns]\n"
        'g = { role = "quasi-identifier", hierarchy = "g.csv", description = "G." }\n'
    )
    (tmp_path / "g.csv").write_text("a;*\nb;*\n")
    family, hierarchies = load_family("mine.toml", base=tmp_path)
    assert family.family == "mine"
    assert hierarchies == {"g.csv": [["a", "*"], ["b", "*"]]}
    assert load_family("oulad").family.family == "oulad"
    (tmp_path / "g.csv").unlink()
    declared = (tmp_path / "mine.toml").read_text().replace("g.csv", "age.csv")
    (tmp_path / "mine.toml").write_text(declared)
    shipped = load_family("mine.toml", base=tmp_path).hierarchies["age.csv"]
    assert ["17", "15-19", "10-19", "0-19", "*"] in shipped


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("curs era", None, "is not one of coursera, oulad"),
        ("coursra", None, "did you mean 'coursera'?"),
        ("absent.toml", None, "absent.toml: can't be read"),
        ("bad.toml", b"family =", "bad.toml: not valid TOML"),
        ("bad.toml", b"famly = 1", "famly: unknown key"),
        ("bad.toml", b"\xff", "not UTF-8 at byte 0"),
    ],
)
def test_bad_families_are_refused(tmp_path, name, content, message):
    """A declaration is checked whole before anything is opened."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as refusal:
        load_family(name, base=tmp_path)
    assert message in str(refusal.value)
