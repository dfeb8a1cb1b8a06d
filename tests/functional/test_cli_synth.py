import json
from datetime import UTC, datetime

import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal
from sqlalchemy import URL, create_engine, inspect

from pipelines.cli.synth import synth
from pipelines.errors import OutputError
from pipelines.governance.database import create_registry
from pipelines.governance.rights import import_rights
from pipelines.people import EVERY_DUTY, Actor
from pipelines.synthetic import write_rights, write_world
from synth.world import make_world

SMALL = ["--learners", "40", "--courses", "3", "--seed", "5"]


@pytest.fixture
def run(tmp_path):
    """Run `kohort synth raw` for a small world."""

    def run(*arguments):
        words = ["raw", "--out", "TMP/world", *SMALL, *arguments]
        return CliRunner().invoke(synth, [w.replace("TMP", str(tmp_path)) for w in words])

    return run


def test_parquet(run, tmp_path):
    """A folder of Parquet files holds the tables as they were made."""
    result = run()
    assert result.exit_code == 0
    assert "40 users" in result.output
    assert len(result.output.splitlines()) == 1
    for name, table in make_world(40, courses=3, seed=5).items():
        assert_frame_equal(pl.read_parquet(tmp_path / "world" / f"{name}.parquet"), table)


def test_sqlite(run, tmp_path):
    """A SQLite database holds the same rows under declared types, timestamps as the export's."""
    result = run("--format", "sqlite", "--json")
    location = json.loads(result.output)["location"]
    assert location == str(tmp_path / "world" / "world.sqlite")
    engine = create_engine(f"sqlite:///{location}")
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
    assert types["course_grade_overall"] == "FLOAT"
    assert types["course_passing_state_id"] == "INTEGER"


def test_rights_file_can_be_imported(run, tmp_path):
    """The rights file is what `rights import` takes."""
    result = run("--rights-csv", "TMP/rights.csv", "--json")
    rows = json.loads(result.output)["rows"]
    imported = import_rights(
        create_registry(URL.create("sqlite", database=str(tmp_path / "registry.sqlite"))),
        tmp_path / "rights.csv",
        registry_key=bytes(32),
        received_at=datetime(2024, 1, 1, tzinfo=UTC),
        actor=Actor("sam", "sam", EVERY_DUTY),
    )
    assert sum(imported.counts.values()) == rows["rights"]
    assert imported.counts["granted"] > 30


def test_nothing_is_overwritten(run, tmp_path):
    """A folder that holds something, a file in its place and an old rights file are refused."""
    (tmp_path / "rights.csv").touch()
    refused = run("--rights-csv", "TMP/rights.csv")
    assert isinstance(refused.exception, OutputError)
    assert "exists already" in str(refused.exception)
    with pytest.raises(OutputError, match="can't be written"):
        write_rights(make_world(1, courses=1, seed=0), tmp_path / "no" / "rights.csv", seed=0)
    again = run()
    assert isinstance(again.exception, OutputError)
    assert "not empty" in str(again.exception)


@pytest.mark.parametrize("fmt", ["parquet", "sqlite"])
def test_folder_that_cannot_be_made(tmp_path, fmt):
    """A file where a folder must be is one line."""
    (tmp_path / "file").touch()
    words = ["raw", "--out", str(tmp_path / "file" / "world"), *SMALL, "--format", fmt]
    result = CliRunner().invoke(synth, words)
    assert isinstance(result.exception, OutputError)
    assert "\n" not in str(result.exception)


def test_database_errors_are_one_line(tmp_path):
    """What SQLite refuses, such as a reserved table name, is one line."""
    with pytest.raises(OutputError, match="can't be written") as refusal:
        write_world({"sqlite_table": pl.DataFrame({"a": ["x"]})}, tmp_path, fmt="sqlite")
    assert "\n" not in str(refusal.value)


def test_help_has_an_example():
    """--help shows a command to copy."""
    assert "kohort synth raw --out world" in CliRunner().invoke(synth, ["raw", "--help"]).output
