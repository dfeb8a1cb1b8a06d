"""The pytest plugin, as users' own tests see it."""

import os
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path

import pytest

import kohort_pytest
import synth
from tests.docs.test_documents import blocks

pytest_plugins = ["pytester"]

HEAVY = {"numpy", "polars", "sqlalchemy", "click", "pydantic"}
OTHERS = {*HEAVY, *kohort_pytest._PACKAGES}


EXAMPLES = {}
exec("\n".join(blocks("docs/testing.md", "python")), EXAMPLES)
workspace = EXAMPLES["workspace"]
"""A fixture of the docs, of a module's scope."""


def test_pytest_finds_it():
    """It is registered under the name of kohort."""
    (found,) = entry_points(group="pytest11", name="kohort")
    assert found.load() is kohort_pytest


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("test_")])
def test_the_examples_of_the_docs_pass(name, request):
    """Every test that docs/testing.md shows can be copied."""
    example = EXAMPLES[name]
    example(*(request.getfixturevalue(fixture) for fixture in signature(example).parameters))


def test_it_can_be_left_out(pytester):
    """Without it a fixture of it is not there, and nothing else changes."""
    text = "def test_plain():\n    pass\n\n\ndef test_ours(synthetic_learners):\n    pass\n"
    pytester.makepyfile(text)
    # Within this process, as it imports nothing: what it did import, it would forget.
    ran = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:kohort", "-W", "error")
    ran.assert_outcomes(passed=1, errors=1)


def test_whoever_only_has_it_installed_pays_nothing():
    """Loading it imports nothing: none of the heavy libraries, and no room of kohort."""
    code = "import sys, pytest; before = set(sys.modules); import kohort_pytest\n"
    code += "print(*sorted(set(sys.modules) - before))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    new = set(ran.stdout.split())
    assert "kohort_pytest" in new
    assert not {name.partition(".")[0] for name in new} & OTHERS


CLASH = """
from pipelines import mine


def test_mine():
    assert mine.VALUE == 1


def test_learners(synthetic_learners):
    pass


def test_workspace(synthetic_workspace):
    pass
"""


@pytest.mark.parametrize(
    "starter", [[sys.executable, "-m", "pytest"], [Path(sys.executable).with_name("pytest")]]
)
def test_a_project_with_a_package_of_the_same_name(tmp_path, starter):
    """Its own tests run; whoever asks for a fixture reads in one line what clashes."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "__init__.py").touch()
    (tmp_path / "pipelines" / "mine.py").write_text("VALUE = 1\n")
    (tmp_path / "test_mine.py").write_text(CLASH)
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:cov", "-p", "no:xdist"]
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [*starter, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert "1 passed, 2 errors" in ran.stdout, ran.stdout + ran.stderr
    told = f"its own package 'pipelines', but Python finds {tmp_path / 'pipelines'} under that name"
    lines = [line for line in ran.stdout.splitlines() if told in line]
    # pytest's summary tells it again, cut off at the terminal's width unless CI is set.
    causes = [line for line in lines if not line.startswith("ERROR ")]
    assert len(causes) == 2
    assert all("rename that one" in line for line in causes)


def test_what_is_told_to_be_kohort_s_own():
    """Its packages lie beside the plugin; a name that nobody has is no clash."""
    home = Path(kohort_pytest.__file__).resolve().parent
    for name in kohort_pytest._PACKAGES:
        assert kohort_pytest._place(name) == home / name
    assert kohort_pytest._place("no_such_package_at_all") is None
    assert kohort_pytest._place("this") == Path(
        kohort_pytest.importlib.util.find_spec("this").origin
    )


def test_fixtures_are_for_who_asks():
    """None is used without being asked for."""
    for fixture in (kohort_pytest.synthetic_learners, kohort_pytest.synthetic_workspace):
        assert not fixture._fixture_function_marker.autouse


def test_the_same_arguments_give_the_same_tables(synthetic_learners):
    """And another seed gives others; a preset's name or the path of its file is no matter."""
    first, again = (
        synthetic_learners(30, 2, seed=4),
        synthetic_learners(number=30, courses=2, seed=4),
    )
    assert first.keys() == again.keys()
    assert all(first[name].equals(again[name]) for name in first)
    assert not first["users"].equals(synthetic_learners(30, 2, seed=5)["users"])
    file = Path(synth.__file__).with_name("preset_files") / "small.toml"
    assert synthetic_learners(30, 2, seed=4, preset=file)["users"].equals(first["users"])


def test_workspaces_of_one_test_are_apart(synthetic_workspace, monkeypatch):
    """Each has its own folder, source and registry; where a test acts as somebody is no matter."""
    monkeypatch.setenv("KOHORT_AS", "somebody@else.example")
    one, other = synthetic_workspace(20), synthetic_workspace(25, preset="oulad")
    assert one.root != other.root
    checked = [each.run("source", "check", each.source) for each in (one, other)]
    assert [result.exit_code for result in checked] == [0, 0]
    assert "20 rows" in checked[0].output
    assert "studentInfo" in checked[1].output
    assert one.run("rights", "import", "--all-in", one.source).exit_code == 2


def test_running_a_command_leaves_the_process_as_it_was(synthetic_workspace):
    """The working directory and what signals do are the test's own."""
    workspace = synthetic_workspace(20)
    before = Path.cwd(), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    assert workspace.run("source", "check", workspace.source).exit_code == 0
    after = Path.cwd(), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    assert after == before
