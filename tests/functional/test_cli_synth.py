"""`kohort synth raw`: what it makes of its options."""

import json
from datetime import UTC, datetime
from importlib.resources import files

import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal
from sqlalchemy import URL, create_engine, inspect

from pipelines.cli.main import main
from pipelines.errors import OutputError
from pipelines.governance.database import create_registry
from pipelines.governance.rights import import_rights
from pipelines.people import EVERY_DUTY, Actor
from pipelines.settings import SourceSettings, create_workspace
from pipelines.sources import load_family, open_source, stage
from pipelines.synthetic import write_rights, write_world
from synth.presets import named_preset, world_parts
from synth.world import make_world

SMALL = ["--learners", "40", "--courses", "3", "--seed", "5"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `kohort synth raw` for a small world, within a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words, code=0, out="world"):
        place = [] if out is None else ["--out", out]
        result = CliRunner().invoke(main, ["synth", "raw", *place, *SMALL, *words])
        assert result.exit_code == code, result.output
        if code:
            assert len(result.stderr.splitlines()) == 1
        return result.stderr if code else result.stdout

    return run


def test_parquet(run, tmp_path):
    """A folder of Parquet files holds the tables as they were made."""
    output = run()
    assert "40 users" in output
    assert len(output.splitlines()) == 1
    for name, table in make_world(40, courses=3, seed=5).items():
        assert_frame_equal(pl.read_parquet(tmp_path / "world" / f"{name}.parquet"), table)


def test_sqlite(run):
    """A SQLite database holds the same rows under declared types, timestamps as the export's."""
    location = json.loads(run("--format", "sqlite", "--json"))["location"]
    assert location == "sqlite:///world/world.sqlite"
    engine = create_engine(location)
    world = make_world(40, courses=3, seed=5)
    with engine.connect() as connection:
        types = {
            c["name"]: str(c["type"]) for c in inspect(connection).get_columns("course_grades")
        }
        for name, table in world.items():
            query = f"SELECT * FROM {name}"
            stored = connection.exec_driver_sql(query).all()
            timestamps = pl.selectors.datetime().dt.strftime("%Y-%m-%d %H:%M:%S")
            assert stored == table.with_columns(timestamps).rows()
    engine.dispose()
    assert types["course_grade_ts"] == "DATETIME"
    assert types["course_grade_overall"] == "DOUBLE"
    assert types["course_passing_state_id"] == "INTEGER"


@pytest.mark.parametrize(
    "words, out, location",
    [
        (["--format", "coursera-zip"], "world.zip", "world.zip"),
        (["--format", "csv"], "world", "world"),
        (["--format", "sqlite"], "world", "sqlite:///world/world.sqlite"),
        (["--url", "sqlite:///made.db"], None, "sqlite:///made.db"),
    ],
)
def test_other_formats(run, tmp_path, words, out, location):
    """Each is told as the location that `kohort init` takes, and holds all tables."""
    answer = json.loads(run(*words, "--json", out=out))
    assert answer["location"] == location
    source = open_source(location, base=tmp_path)
    assert {*source.tables} == answer["rows"].keys()
    users = source.tables["users"]
    assert sum(batch.height for batch in users.read(users.columns()).batches) == 40


def test_a_preset_of_one_s_own(run, tmp_path):
    """A TOML file is a preset like those that have a name; its faults are told by key."""
    text = (files("synth") / "preset_files" / "mooc.toml").read_text()
    (tmp_path / "mine.toml").write_text(text)
    run("--preset", "mine.toml")
    run("--preset", "mooc", out="named")
    for file in (tmp_path / "named").iterdir():
        assert (tmp_path / "world" / file.name).read_bytes() == file.read_bytes()
    (tmp_path / "mine.toml").write_text(text + "\nshoe_size = 43\n[more]\na = 1\n")
    refused = run("--preset", "mine.toml", code=2, out="other")
    assert "mine.toml" in refused
    assert "shoe_size" in refused
    assert "more" in refused
    (tmp_path / "mine.toml").write_bytes(b"\xff")
    assert "not UTF-8" in run("--preset", "mine.toml", code=2, out="other")
    assert "No such file" in run("--preset", "no.toml", code=2, out="other")
    assert "did you mean 'mooc'" in run("--preset", "moc", code=2, out="other")


def test_a_world_in_the_shape_of_oulad(run, tmp_path):
    """Its folder of CSV files is a source of that family."""
    answer = json.loads(run("--preset", "oulad", "--format", "csv", "--json"))
    family = load_family("oulad").family
    (tmp_path / "staged").mkdir()
    needs = {"studentInfo": frozenset({"id_student", "code_module", "final_result"})}
    staged = stage(open_source("world", base=tmp_path), family, needs, tmp_path / "staged")
    assert staged.tables["studentInfo"].rows == answer["rows"]["studentInfo"] >= 40
    assert not staged.quarantine.entries()


def test_rights_file_can_be_imported(run, tmp_path):
    """The rights file is what `rights import` takes."""
    rows = json.loads(run("--rights-csv", "rights.csv", "--json"))["rows"]
    imported = import_rights(
        create_registry(URL.create("sqlite", database=str(tmp_path / "registry.sqlite"))),
        tmp_path / "rights.csv",
        registry_key=bytes(32),
        received_at=datetime(2024, 1, 1, tzinfo=UTC),
        actor=Actor("sam", "sam", EVERY_DUTY),
    )
    assert sum(imported.counts.values()) == rows["rights"]
    assert imported.counts["granted"] > 30
    write_rights(make_world(40, courses=3, seed=5), tmp_path / "again.csv", seed=5)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "rights.csv").read_bytes()


def test_traps_are_planted(run, tmp_path):
    """The world's own rows stay; planted ones, rights and what must come of them are added."""
    plain = json.loads(run("--rights-csv", "plain.csv", "--json", out="plain"))
    trapped = json.loads(run("--rights-csv", "rights.csv", "--traps", "--json"))
    assert {key: trapped[key] for key in ("late", "expected")} == {
        "late": "rights.late.csv",
        "expected": "world.expected.json",
    }
    assert json.loads((tmp_path / "world.expected.json").read_text())["traps"]
    for name, rows in plain["rows"].items():
        assert trapped["rows"][name] >= rows
    own, all_rights = (pl.read_csv(f, infer_schema=False) for f in ("plain.csv", "rights.csv"))
    assert_frame_equal(all_rights.head(own.height), own)
    late = pl.read_csv("rights.late.csv", infer_schema=False)
    assert all_rights.columns == own.columns == late.columns
    assert late.height > 0
    users = pl.read_parquet("world/users.parquet")["synth_user_id"]
    assert not set(late["learner_id"]) & set(own["learner_id"])
    planted = set(all_rights["learner_id"][own.height :])
    assert planted & set(users)
    told = run("--url", "sqlite:///t.db", "--rights-csv", "in.csv", "--traps", out=None)
    assert told.splitlines()[1:] == ["late: in.late.csv", "expected: in.expected.json"]
    assert (tmp_path / "in.expected.json").read_bytes() == (
        tmp_path / "world.expected.json"
    ).read_bytes()


def test_what_does_not_fit_together_is_refused(run, tmp_path):
    """One line each, before anything is made."""
    text = (files("synth") / "preset_files" / "small.toml").read_text()
    isolated = text.replace('ids = { value = "linked"', 'ids = { value = "isolated"')
    assert isolated != text
    (tmp_path / "isolated.toml").write_text(isolated)
    rights = ["--rights-csv", "r.csv"]
    for words, out in (
        ([], None),
        (["--url", "sqlite:///x.db"], "world"),
        (["--url", "sqlite:///x.db", "--format", "csv"], None),
        (["--format", "coursera-zip"], "world"),
        (["--traps"], "world"),
        (["--traps", "--rights-csv", "r.csv", "--preset", "oulad"], "world"),
        (["--traps", "--rights-csv", "r.csv", "--preset", "isolated.toml"], "world"),
        (["--traps", *rights, "--ids", "isolated"], "world"),
        (["--ids", "isolated", "--preset", "oulad"], "world"),
        (["--learners", "0"], "world"),
        (["--courses", "0"], "world"),
        (["--courses", "1000000000"], "world"),
        (["--courses", "1001", "--preset", "oulad"], "world"),
        ([], "world.zip"),
        (["--format", "sqlite"], "world.ZIP"),
    ):
        assert run(*words, code=2, out=out)
    for words, out in (
        (rights, "r.csv/"),
        (rights, "r.csv/world"),
        (["--rights-csv", "world/r.csv"], "world"),
        ([*rights, "--traps"], "r.late.csv"),
        (["--rights-csv", "world.expected.json", "--traps"], "world"),
        ([*rights, "--url", "sqlite:///r.csv"], None),
    ):
        refused = run(*words, code=8, out=out)
        assert "would lie there" in refused or ": within " in refused
    assert [path.name for path in tmp_path.iterdir()] == ["isolated.toml"]


def test_ids_of_one_s_choice(run, tmp_path):
    """The option goes before the preset's; traps are planted where ids are linked again."""
    text = (files("synth") / "preset_files" / "small.toml").read_text()
    isolated = text.replace('ids = { value = "linked"', 'ids = { value = "isolated"')
    (tmp_path / "isolated.toml").write_text(isolated)
    run("--ids", "isolated", out="chosen")
    run("--preset", "isolated.toml", out="preset")
    names = {path.name for path in (tmp_path / "chosen").iterdir()}
    assert {"partner_user_ids.parquet", "synth_course_user_ids.parquet"} <= names
    for name in names:
        ours, theirs = (tmp_path / folder / name for folder in ("chosen", "preset"))
        assert ours.read_bytes() == theirs.read_bytes()
    linked = ["--preset", "isolated.toml", "--ids", "linked"]
    run(*linked, "--traps", "--rights-csv", "r.csv", out="trapped")
    run(*linked, out="linked")
    assert not (tmp_path / "linked" / "partner_user_ids.parquet").exists()


def test_a_source_of_mooc_is_told_of_its_clicks(run, tmp_path):
    """Nobody declares them: one warning, and nothing else is amiss."""
    run("--preset", "mooc")
    source = SourceSettings(family="coursera", location=str(tmp_path / "world"))
    create_workspace(tmp_path / "ws", local=True, sources={"world": source})
    words = ["source", "check", "world", "--workspace", str(tmp_path / "ws")]
    checked = CliRunner().invoke(main, words)
    assert checked.exit_code == 0
    warnings = [line for line in checked.output.splitlines() if line.startswith("warning")]
    assert len(warnings) == 1
    assert "clickstream_events" in warnings[0]


def test_nothing_is_overwritten(run, tmp_path):
    """A folder that holds something, a file in its place, an old file beside it: all stay."""
    (tmp_path / "rights.csv").touch()
    (tmp_path / "trapped.expected.json").touch()
    assert "rights.csv: exists already" in run("--rights-csv", "rights.csv", code=8)
    trapped = ["--rights-csv", "new.csv", "--traps"]
    assert "trapped.expected.json: exists" in run(*trapped, code=8, out="trapped")
    assert "can't be written" in run("--rights-csv", "rights.csv/r.csv", code=8)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "rights.csv",
        "trapped.expected.json",
    ]
    run()
    assert "not empty" in run(code=8)


@pytest.mark.parametrize("fmt", ["parquet", "sqlite"])
def test_folder_that_cannot_be_made(run, tmp_path, fmt):
    """A file where a folder must be is one line."""
    (tmp_path / "file").touch()
    assert "can't be written" in run("--format", fmt, code=8, out="file/world")


def test_database_errors_are_one_line(tmp_path):
    """What SQLite refuses, such as a reserved table name, is one line."""
    with pytest.raises(OutputError, match="can't be written") as refusal:
        write_world({"sqlite_table": pl.DataFrame({"a": ["x"]})}, tmp_path / "w", fmt="sqlite")
    assert "\n" not in str(refusal.value)


def test_help_has_an_example(run):
    """--help shows a command to copy."""
    assert "kohort synth raw --out world" in run("--help")


def test_the_same_seed_is_the_same_world(run, tmp_path):
    """Whatever it is written as: parts are those of the preset."""
    run("--format", "csv", "--preset", "mooc")
    first = next(world_parts(named_preset("mooc"), learners=40, courses=3, seed=5))
    text = (tmp_path / "world" / "courses.csv").read_text()
    assert text == first["courses"].write_csv(datetime_format="%Y-%m-%d %H:%M:%S%.f")
