"""`kohort release`: what was given out, taking it back, and that no learner is ever told of."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from anonymizer.eligibility import State
from pipelines.cli.main import main
from pipelines.cli.release import STATES
from pipelines.governance.chain import head
from pipelines.governance.database import create_registry
from pipelines.governance.releases import (
    MEMBER_SCHEMA,
    NewNoisyRelease,
    NewRelease,
    ReleaseState,
    published,
    release,
    reserve,
    reserve_noisy,
)
from pipelines.governance.rights import record_dataset_basis
from pipelines.keys import release_key, store_release_key
from pipelines.people import Actor, Duty
from pipelines.settings import SourceSettings, create_workspace, find_workspace
from pipelines.store import keep, package_digest, stored

NOW = datetime.now(UTC)
YESTERDAY = (NOW - timedelta(days=1)).date()
DIGEST = "1f" * 32
RAY, MEI, AHN, DIAZ = "ray@uni.example", "mei@uni.example", "ahn@here.example", "diaz@here.example"
PEOPLE = {RAY: [Duty.RESEARCHER], AHN: [Duty.STEWARD], DIAZ: [Duty.ENGINEER]}
STEWARD = Actor(AHN, "ahn", frozenset({Duty.STEWARD}))
NEW = NewRelease(
    id="1f00a3c2",
    request="a" * 64,
    title="Completion by region",
    researcher=RAY,
    purpose="research",
    source="oulad",
    family="oulad",
    access="controlled",
    scope="course",
    project=None,
    k=5,
    m=1,
    item="code_module",
    jurisdictions=("EU",),
    inputs_sha256="b" * 64,
    data_version="c" * 64,
    package_sha256="d" * 64,
    frozen_text="{}",
    cut_off=NOW,
    created_at=NOW,
    expires_on=None,
)
OF_MICRODATA = {"scope", "project", "k", "m", "item", "frozen_text"}
CELLS = {name: cell for name, cell in asdict(NEW).items() if name not in OF_MICRODATA}
COUNTS = NewNoisyRelease(**CELLS | {"id": "a0000001", "scope": "aggregate"})
MEMBERS = pl.DataFrame([(DIGEST, "AAA", 0)], schema=MEMBER_SCHEMA, orient="row")


@pytest.fixture
def place(tmp_path):
    """A workspace with a researcher, a steward and an engineer."""
    root = tmp_path / "workspace"
    oulad = SourceSettings(family="oulad", location=str(tmp_path))
    create_workspace(root, local=True, sources={"oulad": oulad}, people=PEOPLE)
    registry = create_registry(find_workspace(root).database)
    record_dataset_basis(
        registry,
        source="oulad",
        state=State.GRANTED,
        legal_basis="published-dataset",
        note="CC BY 4.0",
        received_at=NOW,
        effective_from=NOW,
        actor=STEWARD,
    )
    return root, registry


@pytest.fixture
def copied(place, tmp_path):
    """Give the workspace a copy of a package, which is empty."""
    root, _ = place
    for name in ("package", "steward"):
        (tmp_path / name).mkdir()
    (tmp_path / "package" / "checksums.sha256").write_text("")
    sha256 = package_digest(tmp_path / "package")

    def copied(identity):
        keep(root, identity, tmp_path / "package", tmp_path / "steward", package_sha256=sha256)

    return copied


@pytest.fixture
def lay(place, copied):
    """Publish a release, with its key and the workspace's copy of its package."""
    root, registry = place

    def lay(**changes):
        new = replace(NEW, **changes)
        reserve(registry, new, members=MEMBERS, classes={0: {}}, seen=head(registry), key=None,
                actor=STEWARD, at=NOW)  # fmt: skip
        published(registry, new.id, seen=head(registry), actor=STEWARD, at=NOW, supersedes=[])
        store_release_key(root, new.id, bytes(32))
        copied(new.id)

    return lay


@pytest.fixture
def lay_aggregate(place, copied):
    """Publish a release of aggregates, with the workspace's copy of its package."""
    _, registry = place

    def lay_aggregate(**changes):
        new = replace(COUNTS, **changes)
        reserve_noisy(registry, new, seen=head(registry), actor=STEWARD, at=NOW)
        published(registry, new.id, seen=head(registry), actor=STEWARD, at=NOW, supersedes=[])
        copied(new.id)

    return lay_aggregate


@pytest.fixture
def run(place):
    """Run `kohort release ...`, as the steward unless `by` says otherwise."""

    def run(*words, by=AHN):
        arguments = ["release", *words, "--workspace", str(place[0]), "--as", by]
        result = CliRunner().invoke(main, arguments)
        assert DIGEST not in result.output
        return result

    return run


@pytest.mark.parametrize("by", [RAY, AHN, DIAZ])
def test_list(run, lay, by):
    """Whoever has a duty may see every release; a state narrows it."""
    assert "no release" in run("list", by=by).output
    lay()
    lay(id="00000002", title="Another")
    assert "no release is recalled" in run("list", "--state", "recalled", by=by).output
    run("recall", "1f", "--reason", "wrong columns")
    lines = run("list", by=by).output.splitlines()
    assert sorted(line.split()[:2] for line in lines) == [
        ["00000002", "served"],
        ["1f00a3c2", "recalled"],
    ]
    assert run("list", "--state", "served", by=by).output.split()[0] == "00000002"
    found = json.loads(run("list", "--state", "served", "--json", by=by).output)["releases"]
    assert [(one["id"], one["live"]) for one in found] == [("00000002", True)]


def test_show(run, lay):
    """What a release promised, who has it, and what became of it."""
    lay(scope="linked", project="dropout")
    told = run("show", "1f00", by=RAY).output
    for words in (
        "release 1f00a3c2: served",
        "k = 5, m = 1, controlled, pseudonyms linked (project dropout)",
        "last day: none",
        f"recipients: {RAY}",
        f"published, by {AHN}",
    ):
        assert words in told
    found = json.loads(run("show", "1f00a3c2", "--json", by=DIAZ).output)
    assert (found["state"], found["k"], found["outstanding"]) == ("served", 5, [RAY])
    assert [event["kind"] for event in found["events"]] == ["reserved", "published"]
    assert not found.keys() & {"inputs_sha256", "recode", "members"}


def test_an_aggregate_is_told_as_such(run, lay, lay_aggregate):
    """Neither k nor pseudonyms are told of it, for it has none; microdata is told apart."""
    lay_aggregate()
    told = run("show", "a0", by=RAY).output
    assert "\npromise: aggregate, controlled; its cost: kohort budget show --family oulad\n" in told
    assert not any(word in told for word in ("k =", "m =", "pseudonyms", "None"))
    found = json.loads(run("show", "a0", "--json", by=RAY).output)
    assert (found["type"], found["family"]) == ("aggregate", "oulad")
    assert [found[name] for name in ("k", "m", "item", "project", "pseudonyms")] == [None] * 5
    assert found["key_destroyed"] is False


def test_the_list_tells_kinds_apart(run, lay, lay_aggregate):
    """Microdata and aggregates, in lines and as objects."""
    lay()
    lay_aggregate()
    lines = run("list", by=RAY).output.splitlines()
    assert sorted((line.split()[0], line.split()[4]) for line in lines) == [
        ("1f00a3c2", "microdata"),
        ("a0000001", "aggregate"),
    ]
    found = json.loads(run("list", "--json", by=RAY).output)["releases"]
    assert {one["id"]: one["type"] for one in found} == {
        "1f00a3c2": "microdata",
        "a0000001": "aggregate",
    }


def test_an_aggregate_is_recalled(run, lay_aggregate, place):
    """What it cost stays charged, whoever confirms; the copy is gone."""
    root, registry = place
    lay_aggregate()
    assert stored(root, "a0000001") is not None
    told = run("recall", "a0", "--reason", "wrong columns").output
    assert "what it cost stays charged; these have not confirmed yet:" in told
    assert f"{RAY}: kohort release confirm a0000001 --recipient {RAY}" in told
    assert stored(root, "a0000001") is None
    told = run("confirm", "a0", "--recipient", RAY).output
    assert "everybody has confirmed: what it cost stays charged" in told
    assert not release(registry, "a0000001").live


def test_a_public_aggregate_is_recalled(run, lay_aggregate):
    """No gate counts it: nobody is told so."""
    lay_aggregate(access="public")
    told = run("recall", "a0", "--reason", "wrong").output
    assert "public: anybody may have it, so nobody can confirm" in told
    assert "counts" not in told


def test_an_aggregate_expires(run, lay_aggregate, place):
    """As microdata does."""
    lay_aggregate(expires_on=YESTERDAY)
    assert "has expired" in run("expire").output
    assert release(place[1], "a0000001").state == "expired"
    assert stored(place[0], "a0000001") is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["share", "a0", MEI], "have ADDRESS ask with a request of his own"),
        (["destroy-key", "a0", "--reason", "over"], "so it has no key to destroy"),
        (["pseudonyms", "a0", "--learner-id", "-", "--out", "absent.json"], "it shows nobody"),
    ],
)
def test_what_an_aggregate_has_not(run, lay_aggregate, words, told):
    """One line, before a learner's id is read."""
    lay_aggregate()
    refused = run(*words)
    assert (refused.exit_code, refused.output.count("\n")) == (7, 1)
    assert told in refused.output


def test_recall_and_confirm(run, lay, place):
    """The notice names who must confirm, with the command that records it; the copy is gone."""
    root, registry = place
    lay()
    run("share", "1f", MEI)
    told = run("recall", "1f", "--reason", "a learner was erased.").output
    assert 'The extract "Completion by region" (release 1f00a3c2' in told
    assert "is recalled: a learner was erased. Destroy every copy" in told
    assert f"{RAY}: kohort release confirm 1f00a3c2 --recipient {RAY}" in told
    assert f"{MEI}: kohort release confirm 1f00a3c2 --recipient {MEI}" in told
    assert stored(root, NEW.id) is None
    told = run("confirm", "1f00a3c2", "--recipient", RAY).output
    assert f"recorded that {RAY} destroyed it" in told
    assert f"--recipient {MEI}" in told
    told = run("confirm", "1f00a3c2", "--recipient", MEI).output
    assert "everybody has confirmed" in told
    assert not release(registry, NEW.id).live
    assert "release 1f00a3c2: recalled, not live" in run("show", "1f").output


def test_recall_json(run, lay):
    """--json holds the notice, and who has not confirmed."""
    lay(access="public")
    found = json.loads(run("recall", "1f", "--reason", "wrong", "--json").output)
    assert found["outstanding"] == [RAY, "public"]
    assert "is recalled: wrong." in found["notice"]
    found = json.loads(run("confirm", "1f", "--recipient", RAY, "--json").output)
    assert (found["state"], found["live"], found["outstanding"]) == ("recalled", True, ["public"])


def test_a_public_release_counts_for_ever(run, lay):
    """The recall of what anybody may have says so."""
    lay(access="public")
    assert "it counts for ever" in run("recall", "1f", "--reason", "wrong").output


def test_a_linked_package_is_kept_while_it_is_live(run, lay, place):
    """The union of a project is checked with it, until everybody destroyed it."""
    lay(scope="linked", project="dropout")
    run("recall", "1f", "--reason", "wrong")
    assert stored(place[0], NEW.id) is not None
    run("confirm", "1f", "--recipient", RAY)
    assert stored(place[0], NEW.id) is None


def test_expire(run, lay, place):
    """What is past its last day is listed, then ended with its copy removed; once."""
    root, registry = place
    assert "no release is past" in run("expire").output
    lay(expires_on=YESTERDAY)
    lay(id="00000002", expires_on=NOW.date() + timedelta(days=2))
    told = run("expire", "--dry-run", by=RAY).output
    assert f"release 1f00a3c2  Completion by region: last day {YESTERDAY}" in told
    assert "next: kohort release expire" in told
    assert release(registry, NEW.id).served
    assert run("expire", by=RAY).exit_code == 10
    told = run("expire").output
    assert "has expired. Destroy every copy" in told
    assert f"--recipient {RAY}" in told
    assert release(registry, NEW.id).state == "expired"
    assert stored(root, NEW.id) is None
    assert stored(root, "00000002") is not None
    assert json.loads(run("expire", "--json").output) == {"dry_run": False, "releases": []}


def test_expire_json(run, lay):
    """--json lists what is due, with the notice."""
    lay(expires_on=YESTERDAY)
    found = json.loads(run("expire", "--dry-run", "--json").output)
    assert (found["dry_run"], [one["state"] for one in found["releases"]]) == (True, ["served"])
    assert "has expired" in found["releases"][0]["notice"]


def test_share(run, lay, place):
    """A further recipient is recorded; the steward hears where the package lies."""
    lay()
    told = run("share", "1f", "Mei@uni.example").output
    assert f"release 1f00a3c2 is shared with {MEI}" in told
    assert str(place[0] / "releases" / "1f00a3c2" / "package") in told
    found = json.loads(run("share", "1f", "leo@uni.example", "--json").output)
    assert found["recipients"] == [RAY, MEI, "leo@uni.example"]


def test_destroy_key(run, lay, place):
    """The key goes only once the release has ended, and the registry says so."""
    root, registry = place
    lay()
    refused = run("destroy-key", "1f", "--reason", "over")
    assert (refused.exit_code, release_key(root, NEW.id)) == (7, bytes(32))
    run("recall", "1f", "--reason", "over")
    assert "its key is destroyed" in run("destroy-key", "1f", "--reason", "over").output
    assert release_key(root, NEW.id) is None
    assert release(registry, NEW.id).key_destroyed
    lay(id="00000002")
    run("recall", "00", "--reason", "over")
    assert json.loads(run("destroy-key", "00", "--reason", "over", "--json").output)[
        "key_destroyed"
    ]


def test_the_key_of_a_linked_release_is_its_projects(run, lay):
    """The line names the command that destroys it."""
    lay(scope="linked", project="dropout")
    run("recall", "1f", "--reason", "over")
    refused = run("destroy-key", "1f", "--reason", "over")
    assert refused.exit_code == 7
    assert "`kohort key destroy-project dropout`" in refused.output


def test_a_key_that_cannot_be_removed_is_destroyed_on_record(run, lay, place):
    """Nobody uses it from then on; recovery removes it."""
    root, registry = place
    lay()
    run("recall", "1f", "--reason", "over")
    file = root / "keys" / f"release-{NEW.id}.key"
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    assert run("destroy-key", "1f", "--reason", "over").exit_code == 8
    assert release(registry, NEW.id).key_destroyed


@pytest.mark.parametrize(
    "words",
    [
        ["recall", "1f", "--reason", "x"],
        ["confirm", "1f", "--recipient", RAY],
        ["expire"],
        ["share", "1f", MEI],
        ["destroy-key", "1f", "--reason", "x"],
    ],
)
def test_who_may_not(run, lay, words):
    """Neither a researcher nor an engineer changes a release; strangers see none."""
    lay()
    for by in (RAY, DIAZ):
        refused = run(*words, by=by)
        assert refused.exit_code == 10
        assert "no steward" in refused.output
    assert run("list", by="eve@elsewhere.example").exit_code == 10


def test_refusals_are_one_line(run):
    """A refusal is one line and the exit code of the registry."""
    refused = run("show", "learner17")
    assert refused.exit_code == 7
    assert refused.output.count("\n") == 1
    assert "learner17" not in refused.output


def test_the_states_of_the_option():
    """--state offers every state there is."""
    assert list(STATES) == [state.value for state in ReleaseState]


def test_help_is_light():
    """--help imports neither polars nor the database."""
    code = (
        "import sys; import pipelines.cli.release; "
        "print(sorted(m for m in ('polars', 'sqlalchemy.orm') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
