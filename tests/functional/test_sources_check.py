"""`kohort source check`: names and counts, never values."""

import json

import pytest
from click.testing import CliRunner

from pipelines.cli.source import source as command
from pipelines.errors import SourceError
from pipelines.settings import SourceSettings, create_workspace


@pytest.fixture
def export(tmp_path):
    """A small isolated export with a leak, a new column and a new table."""
    folder = tmp_path / "export"
    folder.mkdir()
    tables = {
        "users": "jhu_user_id,country_cd,shoe_size\nSECRET,US,7\n",
        "feedback_course_ratings": "course_id,jhu_feedback_user_id,feedback_ts\n",
        "staff_graded_assignment_submissions": "submitted_by,submitter_id\nSECRET,SECRET\n",
        "course_items": "course_id,colour\n",
        "jhu_course_user_ids": "jhu_user_id,some_course_user_id\n",
        "surprise": "SECRET\n",
    }
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def run(*arguments):
    return CliRunner().invoke(command, ["check", *map(str, arguments)])


def test_findings_are_named(export):
    """Undeclared columns and tables, missing ones, and plain ids: by name, exit code 0."""
    result = run(export, "--family", "coursera")
    assert result.exit_code == 0
    for line in (
        "partner: jhu",
        "users: 1 rows, ids: linked",
        "feedback_course_ratings: 0 rows, ids: jhu_feedback_user_id",
        "warning: table 'users': undeclared columns: shoe_size; declare them",
        "warning: table 'users': missing columns: user_join_ts",
        "warning: table 'course_items': undeclared columns: colour; never read",
        "warning: table 'course_memberships': missing; requests that need it will be refused",
        "plain ids in this export: submitted_by, submitter_id; never read",
        "warning: table 'surprise': not declared; nothing of it is read",
    ):
        assert line in result.output
    assert "SECRET" not in result.output


def test_json_is_one_object(export):
    """A program reads the same findings."""
    report = json.loads(run(export, "--family", "coursera", "--json").output)
    tables = {table["name"]: table for table in report["tables"]}
    assert report["partner"] == "jhu"
    assert tables["users"]["aliases"] == {"partner_user_id": "jhu_user_id"}
    assert tables["{partner}_course_user_ids"]["undeclared"] == []
    assert tables["course_items"]["status"] == "dropped"
    assert any("shoe_size" in warning for warning in report["warnings"])


def test_a_source_of_the_workspace(export, tmp_path):
    """Without --family the name is looked up; locations start from the workspace."""
    settings = SourceSettings(family="coursera", location="../export")
    create_workspace(tmp_path / "w", local=True, sources={"mooc": settings})
    result = run("mooc", "--workspace", tmp_path / "w")
    assert result.exit_code == 0
    assert "family coursera" in result.output


def test_unreadable_tables_are_all_reported(export):
    """A declared table that can't be read fails the check, after everything was told."""
    (export / "course_grades.csv").write_bytes(b"")
    (export / "course_modules.csv").write_bytes(b"")
    result = run(export, "--family", "coursera")
    assert isinstance(result.exception, SourceError)
    assert str(result.exception).endswith("can't be read: table course_grades")
    assert "table 'course_grades': " in result.output
    assert "course_modules.csv: empty file" in result.output


def test_help_has_an_example():
    """The shortest way to use it."""
    assert "Example: kohort source check export.zip --family coursera" in run("--help").output
