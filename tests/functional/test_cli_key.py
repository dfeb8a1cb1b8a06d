"""`kohort key`: who may see, seal and destroy keys, and what is said; never a key."""

import json
from dataclasses import replace

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.main import main
from pipelines.governance.chain import head
from pipelines.governance.database import create_registry
from pipelines.governance.releases import MEMBER_SCHEMA, published, recall, release, reserve
from pipelines.keys import (
    key_id,
    make_project_key,
    project_key,
    read_secret,
    registry_key,
    store_release_key,
    stored_secrets,
)
from pipelines.people import Duty
from pipelines.settings import create_workspace, find_workspace
from tests.functional.test_cli_release import AHN, DIAZ, NEW, NOW, RAY, STEWARD

FIRST, SECOND = "A" * 43 + "=", "B" * 42 + "A="
KEY = bytes(range(32))
PEOPLE = {RAY: [Duty.RESEARCHER], AHN: [Duty.STEWARD], DIAZ: [Duty.ENGINEER]}
REASON = ("--reason", "over")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A workspace with a release of each kind, both ended."""
    for name in ("KOHORT_MASTER_KEY", "KOHORT_OLD_MASTER_KEY"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "workspace"
    create_workspace(root, local=True, sources={}, people=PEOPLE)
    registry = create_registry(find_workspace(root).database)
    linked = replace(NEW, id="00000002", scope="linked", project="dropout")
    for new, key in ((NEW, KEY), (linked, None)):
        reserve(registry, new, members=pl.DataFrame(schema=MEMBER_SCHEMA), classes={},
                seen=head(registry), key=key, actor=STEWARD, at=NOW)  # fmt: skip
        published(registry, new.id, seen=head(registry), actor=STEWARD, at=NOW, supersedes=[])
        recall(registry, new.id, reason="over", actor=STEWARD, at=NOW)
    store_release_key(root, NEW.id, KEY)
    make_project_key(root, "dropout", lambda _: KEY[::-1])
    return root, registry


@pytest.fixture
def run(place):
    """Run `kohort key ...`, as the steward unless `by` says otherwise; no key is ever said."""

    def run(*words, by=AHN, code=0):
        arguments = ["key", *words, "--workspace", str(place[0]), "--as", by]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, (result.output, result.exception)
        for key in (KEY, KEY[::-1]):
            assert key.hex() not in result.output
        if code not in {0, 2}:
            assert len(result.output.splitlines()) == 1
        return result.output

    return run


def test_list(run, place):
    """Kind, name, id, how it lies, when it was made and destroyed; researchers see nothing."""
    root, _ = place
    store_release_key(root, "00000003", KEY)
    (root / f"keys/release-{NEW.id}.key").unlink()
    lines = run("list", by=DIAZ).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        f"registry {key_id(registry_key(root))} plain, not on record",
        f"project dropout {key_id(KEY[::-1])} plain, not on record",
        f"release 00000003 {key_id(KEY)} plain, not on record",
        f"release 1f00a3c2 {key_id(KEY)} missing, made {NOW:%Y-%m-%d}",
    ]
    found = json.loads(run("list", "--json"))["keys"]
    assert found[3] == {
        "kind": "release",
        "name": "1f00a3c2",
        "key_id": key_id(KEY),
        "state": "missing",
        "sealed_by": None,
        "made_at": NOW.isoformat(),
        "destroyed_at": None,
    }


def test_a_destruction_that_was_cut_off_is_told(run, place):
    """With the command that finishes it."""
    root, _ = place
    run("destroy-project", "dropout", *REASON)
    make_project_key(root, "dropout", lambda _: KEY[::-1])
    (line,) = [line for line in run("list").splitlines() if "dropout" in line]
    assert "plain, not on record, destroyed" in line
    assert "its file is here: kohort recover" in line


def test_seal_and_unseal(run, place, monkeypatch):
    """Under a master key, under another one, and out of it again."""
    root, _ = place
    assert "KOHORT_MASTER_KEY is not set" in run("seal", by=DIAZ, code=6)
    monkeypatch.setenv("KOHORT_MASTER_KEY", FIRST)
    said = run("seal", by=DIAZ)
    assert said.startswith("3 keys are sealed under master key ")
    assert said.endswith("; 3 of them were not before\n")
    assert said.split()[7].rstrip(";") in run("list")
    monkeypatch.setenv("KOHORT_OLD_MASTER_KEY", FIRST)
    monkeypatch.setenv("KOHORT_MASTER_KEY", SECOND)
    done = json.loads(run("seal", "--json"))
    assert (done["keys"], done["changed"]) == (3, 3)
    assert {one.sealed_by for one in stored_secrets(root)} == {done["master"]}
    monkeypatch.delenv("KOHORT_OLD_MASTER_KEY")
    assert json.loads(run("unseal", "--json")) == {"keys": 3, "changed": 3, "master": None}
    monkeypatch.delenv("KOHORT_MASTER_KEY")
    assert "3 keys are plain; 0 of them" in run("unseal", by=DIAZ)
    assert read_secret(root, f"release-{NEW.id}") == KEY


def test_without_its_master_key_nothing_is_done(run, place, monkeypatch):
    """One line that names the file and the master key; a wrong value is not repeated."""
    monkeypatch.setenv("KOHORT_MASTER_KEY", FIRST)
    master = json.loads(run("seal", "--json"))["master"]
    monkeypatch.setenv("KOHORT_MASTER_KEY", "hunter2")
    said = run("destroy-project", "dropout", *REASON, code=6)
    assert "the base64 of 32 bytes" in said
    assert "hunter2" not in said
    monkeypatch.delenv("KOHORT_MASTER_KEY")
    for words in (["unseal"], ["rotate", *REASON], ["destroy-project", "dropout", *REASON]):
        assert f"sealed under master key {master}" in run(*words, code=6)
    monkeypatch.setenv("KOHORT_MASTER_KEY", FIRST)
    assert project_key(place[0], "dropout") == KEY[::-1]


def test_no_key_falls_back_to_plain(run, place, monkeypatch):
    """With the old master key alone, a rotation is refused; unsealing is the way out."""
    root, _ = place
    monkeypatch.setenv("KOHORT_MASTER_KEY", FIRST)
    run("seal")
    monkeypatch.delenv("KOHORT_MASTER_KEY")
    monkeypatch.setenv("KOHORT_OLD_MASTER_KEY", FIRST)
    said = run("rotate", *REASON, code=6)
    assert "KOHORT_OLD_MASTER_KEY is set and KOHORT_MASTER_KEY is not" in said
    assert len(registry_key(root)) == 32
    assert None not in {one.sealed_by for one in stored_secrets(root)}
    assert "3 keys are plain; 3 of them" in run("unseal")
    monkeypatch.delenv("KOHORT_OLD_MASTER_KEY")
    run("rotate", *REASON)
    assert len(registry_key(root)) == 64


def test_destroy_project(run, place):
    """The releases that lose their key are named."""
    root, registry = place
    said = run("destroy-project", "dropout", *REASON)
    assert "project dropout: its key is destroyed" in said
    assert "release 00000002" in said
    assert "backups" in said
    assert project_key(root, "dropout") is None
    assert release(registry, "00000002").key_destroyed
    assert not release(registry, NEW.id).key_destroyed
    assert "destroyed already" in run("destroy-project", "dropout", *REASON, code=7)
    assert "no project of this name" in run("destroy-project", "x", *REASON, code=7)


def test_destroy_project_json(run):
    """For a program."""
    said = json.loads(run("destroy-project", "dropout", *REASON, "--json"))
    assert said == {"project": "dropout", "releases": ["00000002"]}


def test_destroy_registry(run, place):
    """Only where it is meant and nobody has a release; every command that needs it says so."""
    root, _ = place
    assert "--yes" in run("destroy-registry", *REASON, code=2)
    said = run("destroy-registry", *REASON, "--yes", code=7)
    assert "release 1f00a3c2" in said or "release 00000002" in said
    for ident in (NEW.id, "00000002"):
        words = ["release", "confirm", ident, "--recipient", RAY]
        CliRunner().invoke(main, [*words, "--workspace", str(root), "--as", AHN])
    assert "knows nobody any more" in run("destroy-registry", *REASON, "--yes")
    assert read_secret(root, "registry") is None
    assert "the registry key was destroyed" in run("rotate", *REASON, code=6)
    assert "registry" in run("list").splitlines()[0]


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (["list"], [RAY]),
        (["seal"], [RAY]),
        (["unseal"], [RAY]),
        (["destroy-project", "dropout", *REASON], [RAY, DIAZ]),
        (["destroy-registry", *REASON, "--yes"], [RAY, DIAZ]),
    ],
)
def test_who_may_not(run, words, refused):
    """Engineers seal, stewards destroy; researchers do neither."""
    for by in refused:
        assert by in run(*words, by=by, code=10)
