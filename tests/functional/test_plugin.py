"""The pytest plugin, as users' own tests see it."""

import signal
import subprocess
import sys
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path

import pytest

from pipelines import testing
from tests.docs.test_documents import blocks

pytest_plugins = ["pytester"]

OTHERS = {"numpy", "polars", "sqlalchemy", "click", "pydantic", "synth", "schemas", "anonymizer"}


EXAMPLES = {}
exec("\n".join(blocks("docs/testing.md", "python")), EXAMPLES)


def test_pytest_finds_it():
    """It is registered under the name of kohort."""
    (found,) = entry_points(group="pytest11", name="kohort")
    assert found.load() is testing


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
    """Loading it imports none of the heavy libraries, and no room of kohort but itself."""
    code = "import sys, pytest; before = set(sys.modules); import pipelines.testing\n"
    code += "print(*sorted(set(sys.modules) - before))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    new = set(ran.stdout.split())
    assert "pipelines.testing" in new
    assert {name for name in new if name.startswith("pipelines")} == {
        "pipelines",
        "pipelines.testing",
    }
    assert not {name.partition(".")[0] for name in new} & OTHERS


def test_fixtures_are_for_who_asks():
    """None is used without being asked for."""
    for fixture in (testing.synthetic_learners, testing.synthetic_workspace):
        assert not fixture._fixture_function_marker.autouse


def test_the_same_arguments_give_the_same_tables(synthetic_learners):
    """And another seed gives others."""
    first, again = (
        synthetic_learners(30, 2, seed=4),
        synthetic_learners(number=30, courses=2, seed=4),
    )
    assert first.keys() == again.keys()
    assert all(first[name].equals(again[name]) for name in first)
    assert not first["users"].equals(synthetic_learners(30, 2, seed=5)["users"])


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
