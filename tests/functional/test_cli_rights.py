import json

import pytest
from click.testing import CliRunner

from pipelines.cli.rights import rights
from pipelines.errors import RightsError, SettingsError
from pipelines.governance.rights import create_registry, open_registry, rights_records
from pipelines.governance.rights_file import COLUMNS
from pipelines.settings import SourceSettings, create_workspace

LINES = [
    ",".join(COLUMNS),
    "ann,research,*,granted,consent,EU,v1,2024-01-01,,portal",
    "ann,research,*,withdrawn,consent,EU,v1,2024-02-01,,portal",
]
BASIS = ["--all-in", "oulad", "--state", "granted", "--legal-basis", "published-dataset"]


@pytest.fixture
def run(tmp_path):
    """Run `kohort rights import` in a workspace with one source and a rights file."""
    root = tmp_path / "workspace"
    source = SourceSettings(family="oulad", location="data")
    create_workspace(root, local=True, sources={"oulad": source})
    create_registry(root / "kohort.sqlite")
    (tmp_path / "rights.csv").write_text("\n".join(LINES), encoding="utf-8")

    def run(*arguments):
        words = ["import", *arguments, "--workspace", str(root)]
        result = CliRunner().invoke(rights, [w.replace("TMP", str(tmp_path)) for w in words])
        return result, open_registry(root / "kohort.sqlite")

    return run


def test_import_file(run):
    """A file is recorded and the summary says how many of each state."""
    result, registry = run("TMP/rights.csv")
    assert result.exit_code == 0
    assert "recorded 1 granted, 1 withdrawn" in result.output
    assert rights_records(registry, source="oulad").height == 2


def test_import_file_json(run):
    """--json prints one object."""
    result, _ = run("TMP/rights.csv", "--json")
    assert json.loads(result.output) == {"imported": {"granted": 1, "withdrawn": 1}}


def test_dataset_basis_is_visible(run):
    """A basis for a whole source says out loud what was recorded."""
    result, registry = run(*BASIS, "--note", "CC BY 4.0")
    assert result.exit_code == 0
    for words in ("ALL learners of source 'oulad'", "published-dataset", "CC BY 4.0"):
        assert words in result.output
    assert rights_records(registry, source="oulad")["learner"].to_list() == [None]
    assert rights_records(registry, source="other").is_empty()


def test_dataset_basis_json(run):
    """--json prints the recorded basis."""
    result, _ = run(*BASIS, "--note", "CC BY 4.0", "--json")
    assert json.loads(result.output)["dataset_basis"]["source"] == "oulad"


@pytest.mark.parametrize(
    "arguments", [[], BASIS, ["TMP/rights.csv", "--note", "x"], ["TMP/rights.csv", *BASIS]]
)
def test_wrong_usage(run, arguments):
    """A file and a basis at once, or half a basis, is wrong usage."""
    result, registry = run(*arguments)
    assert result.exit_code == 2
    assert "give either FILE, or all of" in result.output
    assert rights_records(registry, source="oulad").is_empty()


@pytest.mark.parametrize(
    "arguments, error",
    [
        (["TMP/absent.csv"], RightsError),
        (["--all-in", "elsewhere", *BASIS[2:], "--note", "x"], SettingsError),
    ],
)
def test_refusals(run, arguments, error):
    """An absent file and an unknown source are refused."""
    result, registry = run(*arguments)
    assert isinstance(result.exception, error)
    assert rights_records(registry, source="oulad").is_empty()


def test_only_a_grant_is_recorded_for_a_whole_source(run):
    """Any other state for a source is wrong usage."""
    result, registry = run(*BASIS[:3], "denied", *BASIS[4:], "--note", "x")
    assert result.exit_code == 2
    assert rights_records(registry, source="oulad").is_empty()


def test_help_has_an_example():
    """--help shows a command to copy."""
    result = CliRunner().invoke(rights, ["import", "--help"])
    assert "kohort rights import consent.csv" in result.output
