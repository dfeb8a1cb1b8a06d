"""Workspaces: what `init` writes, and what happens where a part is missing or wrong."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli.main import main
from pipelines.errors import FAULT
from pipelines.settings import find_workspace


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A local workspace with one source."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "studentInfo.csv").write_text("id_student\n1\n")
    run("init", str(tmp_path / "ws"), "--local", "--source", f"a=oulad:{tmp_path / 'data'}")
    return tmp_path / "ws"


def test_init_writes_what_a_build_needs(workspace: Path):
    """Settings, policy, registry and keys; keys and registry are for their owner only."""
    files = {path.name for path in workspace.rglob("*") if path.is_file()}
    assert files == {"kohort.toml", "policy.toml", "kohort.sqlite", "registry.key"}
    for private in ("kohort.sqlite", "keys/registry.key"):
        assert stat.S_IMODE((workspace / private).stat().st_mode) == 0o600
    assert find_workspace(workspace / "keys").root == workspace.resolve()


def test_outside_local_workspaces_approval_is_required(tmp_path: Path):
    """Without --local the policy asks for an approval."""
    run("init", str(tmp_path / "ws"))
    assert find_workspace(tmp_path / "ws").policy.require_approval


def test_init_overwrites_nothing(tmp_path: Path):
    """A steward's policy without a kohort.toml, or a registry alone, is left as it is."""
    for name in ("policy.toml", "kohort.sqlite"):
        (tmp_path / name).write_text("mine")
        assert name in run("init", str(tmp_path), code=6)
        assert {path.name for path in tmp_path.iterdir()} == {name}
        (tmp_path / name).unlink()


@pytest.mark.parametrize("group", ["synth", "rights", "source", "request"])
def test_a_group_alone_shows_its_help(group: str):
    """The help keeps its lines."""
    result = CliRunner().invoke(main, [group])
    assert "Error" not in result.output
    assert len(result.output.splitlines()) > 5


def test_a_wrong_option_of_the_program_itself_is_one_line():
    """Also before any command is known."""
    assert len(run("--nope", code=2).strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("rights", "show", "rawa", "rawb"), "rights show: too many arguments"),
        (("rights", "show", "rawa", "rawb", "rawc"), "rights show: too many arguments"),
        (("rights", "rawa"), "rights: no such command; see"),
        (("rawa",), "no such command; see"),
        (("rights", "show", "--rawlearner0003"), "rights show: no such option; see"),
        (("rights", "show", "--wrkspace", "rawa"), "did you mean --workspace?"),
        (("rights", "shwo", "rawa"), "did you mean show?"),
        (("release", "show", "rawa", "rawb"), "too many arguments"),
    ],
)
def test_a_word_that_has_no_place_is_not_repeated(words, says: str):
    """It may be a learner's id; what is close to it among our own words is told."""
    output = run(*words, code=2)
    assert says in output
    assert "raw" not in output
    assert len(output.strip().splitlines()) == 1


def test_what_no_request_starts_with_is_not_repeated(workspace: Path):
    """A learner's id may be forty digits, too."""
    output = run("request", "show", "ab12" * 10, "--workspace", str(workspace), code=7)
    assert "no request starts so" in output
    assert "ab12" not in output


def test_a_closed_pipe_is_no_fault(workspace: Path):
    """A reader that stops early ends the command, which does not blame itself."""
    code = "import sys; from pipelines.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "source", "check", "a", "--workspace", str(workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"fault" not in process.stderr.read()


def test_the_policy_of_the_house_is_read(workspace: Path):
    """A steward's policy with a budget for later releases is a valid policy."""
    policy = workspace / "policy.toml"
    policy.write_text(policy.read_text() + "[budget]\nepsilon_per_family = 4.0\ndelta = 1e-9\n")
    assert find_workspace(workspace).policy.budget is not None


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["init", "{ws}"], 6, "workspace already"),
        (["init", "{ws}/new", "--source", "nonsense"], 2, "NAME=FAMILY:LOCATION"),
        (["init", "{ws}/new", "--source", "a b=oulad:{ws}"], 2, "NAME=FAMILY:LOCATION"),
        (["init", "{ws}/new", "--source", "a=oulat:{ws}"], 4, "did you mean 'oulad'"),
        (["init", "{ws}/new", "--source", "a=oulad:{ws}/none"], 4, "check the location"),
        (["init", "{ws}/new", "--source", "a=oulad:x", "--source", "a=oulad:y"], 2, "two sources"),
        (["verify"], 2, "give either PACKAGE"),
        (["build", "x.toml"], 2, "--out"),
        (["init", "{ws}/kohort.toml/x"], 6, "can't write"),
        (["request", "check", "{ws}/none.toml", "--workspace", "{ws}"], 3, "can't be read"),
        (["request", "check", "{ws}/kohort.sqlite", "--workspace", "{ws}"], 3, "not UTF-8"),
    ],
)
def test_a_refusal_is_one_line(workspace: Path, arguments, code: int, says: str):
    """The line says what is wrong."""
    (workspace / "kohort.sqlite").write_bytes(b"\xff\xfe")
    output = run(*(argument.format(ws=workspace) for argument in arguments), code=code)
    assert says in output
    assert len(output.strip().splitlines()) == 1
    assert not (workspace / "new").exists()


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("policy.toml", None, "can't be read"),
        ("policy.toml", "purposes = [", "not valid TOML"),
        ("policy.toml", "purpose = ['x']", "purposes: required"),
        ("kohort.toml", "[sources.a]\nfamily = 'oulad'", "sources.a.location: required"),
        ("kohort.toml", "sources = 3", "sources"),
    ],
)
def test_a_broken_workspace_names_the_file(workspace: Path, file: str, text, says: str):
    """Each fault is one line with the file and the key."""
    (workspace / file).unlink() if text is None else (workspace / file).write_text(text)
    (workspace / "request.toml").write_text(
        'title="t"\nresearcher="r"\npurpose="research"\nsource="a"\n[release]\n'
        'type="microdata"\nenrolments=["code_module"]\n'
    )
    output = run("request", "check", str(workspace / "request.toml"), "--workspace",
                 str(workspace), code=6)  # fmt: skip
    assert file in output
    assert says in output
    assert len(output.strip().splitlines()) == 1


def test_no_workspace_says_how_to_make_one(tmp_path: Path):
    """Without a workspace the line names `kohort init`."""
    assert "kohort init" in run("source", "check", "a", "--workspace", str(tmp_path), code=6)


def test_a_lost_or_broken_key_is_named(workspace: Path):
    """The registry key can be neither missing nor of another length."""
    key = workspace / "keys" / "registry.key"
    key.write_bytes(b"short")
    rights = workspace / "rights.csv"
    rights.write_text(
        "learner_id,purpose,scope,state,legal_basis,jurisdiction,notice_version,effective_from,"
        "effective_to,source\nu1,*,*,granted,consent,GB,1,2020-01-01,,x\n"
    )
    command = ("rights", "import", str(rights), "--workspace", str(workspace))
    assert "32 bytes" in run(*command, code=6)
    key.unlink()
    assert "is missing" in run(*command, code=6)


def test_an_unforeseen_error_keeps_its_text_to_itself(workspace: Path, monkeypatch):
    """An error that nobody foresaw is one line with its type and place, never its text."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("learner 4711 of Ghent")

    monkeypatch.setattr("pipelines.settings.parse_toml", fail)
    output = run("source", "check", "a", "--workspace", str(workspace), code=FAULT)
    assert "RuntimeError" in output
    assert "4711" not in output
    assert len(output.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["", "rights import", "synth raw", "verify", "build"])
def test_help_imports_nothing_heavy(command: str):
    """`--help` answers without polars, pandera or SQLAlchemy."""
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from pipelines.cli.main import main\n"
        "assert CliRunner().invoke(main, [*sys.argv[1:], '--help']).exit_code == 0\n"
        "heavy = {'polars', 'pandera', 'sqlalchemy', 'numpy', 'narwhals', 'faker'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, *command.split()], check=True)
