"""Whether a learner is in a package: the steward's pseudonyms, and the checker that takes them."""

import json
import stat
from functools import partial

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.release_pseudonyms import pseudonyms
from pipelines.cli.verify import verify
from pipelines.governance.releases import destroy_key, recall
from pipelines.keys import destroy_release_key, make_project_key, store_release_key
from pipelines.verify import verify_package
from tests.forging import IN_A, build, edit, seal, set_cell
from tests.idworld import ADA, NOW, STEWARD, record_release, with_registry
from tests.reference.pseudonym import course_pseudonym, linked_pseudonym, release_pseudonym

KEY = bytes(range(32))
RELEASE = "1f00a3c2"


def write_absent(path, names, *, package="forged"):
    """What the steward hands over."""
    document = {"format": "kohort-absent/1", "package": package, "pseudonyms": names}
    path.write_text(json.dumps(document))
    return path


def check(root, absent):
    """The outcome of the check, and of the whole verification."""
    found = verify_package(root, absent=absent)
    (one,) = [c for c in found.checks if c.name == "absent-learners"]
    assert found.ok is one.ok
    return one


def run(command, *arguments, code=0):
    """A command's whole output; no traceback."""
    result = CliRunner().invoke(command, [str(one) for one in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.mark.parametrize("scope", ["course", "release"])
def test_a_pseudonym_that_is_not_there(tmp_path, scope):
    """It holds, and says of how many pseudonyms."""
    root = build(tmp_path / "package", scope)
    found = check(root, write_absent(tmp_path / "absent.json", ["0" * 32, "f" * 32]))
    assert found.ok
    assert found.detail == "none of 2 pseudonyms of the learner"


@pytest.mark.parametrize(("scope", "table"), [("course", "enrolments"), ("release", "learners")])
def test_a_pseudonym_that_is_there(tmp_path, scope, table):
    """One of them in one row of one table is enough; it is not repeated in the output."""
    root = build(tmp_path / "package", scope)
    shown = pl.read_parquet(root / f"data/{table}.parquet")["learner"][0]
    found = check(root, write_absent(tmp_path / "absent.json", ["0" * 32, shown]))
    assert not found.ok
    assert f"1 row of the learner in {table}" in found.detail
    assert shown not in found.detail


def test_a_pseudonym_in_another_column(tmp_path):
    """A forger may have moved it."""
    root = build(tmp_path / "package", "course")
    set_cell(root, "clicks", "a" * 32, IN_A)
    seal(root)
    absent = write_absent(tmp_path / "absent.json", ["a" * 32])
    checks = {c.name: c.ok for c in verify_package(root, absent=absent).checks}
    assert not checks["absent-learners"]


def test_without_the_learner_column_nothing_is_told(course, tmp_path):
    """A table that can't be searched has failed."""
    file = course / "data/enrolments.parquet"
    pl.read_parquet(file).drop("learner").write_parquet(file)
    seal(course)
    found = verify_package(course, absent=write_absent(tmp_path / "absent.json", ["0" * 32]))
    assert {c.name: c.ok for c in found.checks}["absent-learners"] is False


@pytest.mark.parametrize(
    ("names", "package", "said"),
    [
        (None, "forged", "can't be checked: the key of this package was destroyed"),
        ([], "forged", "can't be checked: the file holds no pseudonym"),
        (["0" * 32], "kohort-00000000", "can't be checked: the pseudonyms are those of another"),
        (None, "kohort-00000000", "can't be checked: the pseudonyms are those of another"),
    ],
)
def test_what_cannot_be_checked_has_failed(course, tmp_path, names, package, said):
    """An absence that nobody can see is no absence."""
    found = check(course, write_absent(tmp_path / "absent.json", names, package=package))
    assert not found.ok
    assert found.detail.startswith(said)


def test_no_file_no_check(course):
    """The check is there only where it is asked for."""
    assert "absent-learners" not in {c.name for c in verify_package(course).checks}


GOOD = {"format": "kohort-absent/1", "package": "forged", "pseudonyms": ["0" * 32]}
MALFORMED = {
    "not JSON": "{",
    "too deep": "[" * 100_000,
    "a list": "[]",
    "another format": json.dumps(GOOD | {"format": "kohort-absent/2"}),
    "a key too many": json.dumps(GOOD | {"note": ""}),
    "no pseudonyms": json.dumps({k: v for k, v in GOOD.items() if k != "pseudonyms"}),
    "a number for a package": json.dumps(GOOD | {"package": 7}),
    "a text for the list": json.dumps(GOOD | {"pseudonyms": "0" * 32}),
    "a raw id": json.dumps(GOOD | {"pseudonyms": ["11391"]}),
    "a line break": json.dumps(GOOD | {"pseudonyms": ["0" * 32 + "\n"]}),
    "upper case": json.dumps(GOOD | {"pseudonyms": ["A" * 32]}),
    "a number": json.dumps(GOOD | {"pseudonyms": [7]}),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_file_is_unreadable(course, tmp_path, fault):
    """Exit 2: nothing was checked; the file's content is not told."""
    (tmp_path / "absent.json").write_text(MALFORMED[fault])
    said = run(verify, course, "--absent-key", tmp_path / "absent.json", code=2)
    assert "absent.json" in said
    assert "11391" not in said


def test_a_missing_file_is_unreadable(course, tmp_path):
    """Exit 2, as for a package that is not there."""
    run(verify, course, "--absent-key", tmp_path / "nowhere.json", code=2)


def test_it_goes_with_a_package_and_with_an_approval(course, approval, tmp_path):
    """Both are checks of one package; a count of classes takes neither."""
    absent = write_absent(tmp_path / "absent.json", ["0" * 32])
    said = run(verify, course, "--approval", approval, "--absent-key", absent)
    assert "absent-learners" in said
    run(verify, "--count", "x.csv", "--learner", "a", "--qi", "b", "--k", "2",
        "--absent-key", absent, code=2)  # fmt: skip


@pytest.fixture
def world(tmp_path):
    """A workspace with a registry."""
    return with_registry(tmp_path)


def keep_package(workspace, scope):
    """The release's package, in the workspace's own copy."""
    (workspace.root / "releases" / RELEASE / "steward").mkdir(parents=True)
    root = build(workspace.root / "releases" / RELEASE / "package", scope)
    edit(root, lambda manifest: manifest.update(name=f"kohort-{RELEASE}"))
    seal(root)
    return root


def compute(workspace, out, *more, learner_id="ada-peer", code=0):
    """What the command says; the file is read back."""
    said = run(
        pseudonyms, RELEASE, "--learner-id", learner_id, "--out", out,
        "--workspace", workspace.root, *more, code=code,
    )  # fmt: skip
    assert not any(one in said for one in ADA)
    return said


def test_course_scope_has_one_a_learner_id_and_item(world, tmp_path):
    """Of every id and every item that the package may show; only its owner can read the file."""
    workspace, registry = world
    record_release(workspace, registry, RELEASE, ["bob-core"])
    store_release_key(workspace.root, RELEASE, KEY)
    package = keep_package(workspace, "course")
    out = tmp_path / "absent.json"
    said = compute(workspace, out)
    expected = sorted(course_pseudonym(KEY, item, one) for one in ADA for item in "ABC")
    assert json.loads(out.read_text()) == {
        "format": "kohort-absent/1",
        "package": f"kohort-{RELEASE}",
        "pseudonyms": expected,
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not any(name in said for name in expected)
    assert check(package, out).ok


def test_the_learner_is_found_in_a_package_that_shows_him(world, tmp_path):
    """From an id of the learner to the verdict: one row under one of the ids."""
    workspace, registry = world
    record_release(workspace, registry, RELEASE, ["ada-core"])
    store_release_key(workspace.root, RELEASE, KEY)
    package = keep_package(workspace, "course")
    set_cell(package, "learner", course_pseudonym(KEY, "A", "ada-core"), IN_A)
    seal(package)
    compute(workspace, tmp_path / "absent.json")
    said = run(verify, package, "--absent-key", tmp_path / "absent.json", code=1)
    assert "1 row of the learner in enrolments" in said


@pytest.mark.parametrize("scope", ["release", "linked"])
def test_other_scopes_have_one_a_learner_id(world, tmp_path, scope):
    """Under the release's key, or the project's; the package is not needed."""
    workspace, registry = world
    if scope == "linked":
        make_project_key(workspace.root, "habits", lambda _: KEY)
        twin, project = linked_pseudonym, "habits"
    else:
        store_release_key(workspace.root, RELEASE, KEY)
        twin, project = release_pseudonym, None
    record_release(
        workspace, registry, RELEASE, ["ada-core"], scope=scope, project=project, m="full"
    )
    compute(workspace, tmp_path / "absent.json")
    written = json.loads((tmp_path / "absent.json").read_text())
    assert written["pseudonyms"] == sorted(twin(KEY, one) for one in ADA)


def test_after_the_key_is_destroyed_nobody_can_tell(world, tmp_path):
    """The command fails and leaves a file that says so; with it the check fails, too."""
    workspace, registry = world
    record_release(workspace, registry, RELEASE, ["ada-core"])
    store_release_key(workspace.root, RELEASE, KEY)
    package = keep_package(workspace, "course")
    by = {"reason": "over", "actor": STEWARD, "at": NOW}
    recall(registry, RELEASE, **by)
    destroy_key(registry, RELEASE, **by, destroy=partial(destroy_release_key, workspace.root))
    out = tmp_path / "absent.json"
    result = CliRunner().invoke(
        pseudonyms,
        [RELEASE, "--learner-id", "ada-core", "--out", str(out),
         "--workspace", str(workspace.root)],
    )  # fmt: skip
    assert result.exit_code != 0
    assert "can't be computed any more" in str(result.exception)
    assert json.loads(out.read_text())["pseudonyms"] is None
    said = run(verify, package, "--absent-key", out, code=1)
    assert "can't be checked: the key of this package was destroyed" in said


def test_a_package_that_is_not_kept_is_named(world, tmp_path):
    """Under course scope its items must be known; another release's package has others."""
    workspace, registry = world
    record_release(workspace, registry, RELEASE, ["ada-core"])
    store_release_key(workspace.root, RELEASE, KEY)
    out = tmp_path / "absent.json"
    arguments = [RELEASE, "--learner-id", "ada-core", "--out", str(out),
                 "--workspace", str(workspace.root)]  # fmt: skip
    told = CliRunner().invoke(pseudonyms, arguments)
    assert "name a copy of it with --package" in str(told.exception)
    other = build(tmp_path / "other", "course")
    told = CliRunner().invoke(pseudonyms, [*arguments, "--package", str(other)])
    assert "package of another release" in str(told.exception)
    assert not out.exists()
    edit(other, lambda manifest: manifest.update(name=f"kohort-{RELEASE}"))
    compute(workspace, out, "--package", other)
    assert len(json.loads(out.read_text())["pseudonyms"]) == 3 * len(ADA)


def test_a_file_is_never_overwritten(world, tmp_path):
    """It may be the only one from before the key was destroyed."""
    workspace, registry = world
    record_release(workspace, registry, RELEASE, ["ada-core"], scope="release", m="full")
    store_release_key(workspace.root, RELEASE, KEY)
    out = tmp_path / "absent.json"
    out.write_text("kept")
    arguments = [RELEASE, "--learner-id", "ada-core", "--out", str(out),
                 "--workspace", str(workspace.root)]  # fmt: skip
    assert "exists already" in str(CliRunner().invoke(pseudonyms, arguments).exception)
    assert out.read_text() == "kept"
