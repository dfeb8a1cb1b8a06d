"""Packages as files: checksums, CSV copies, what can't be read, and what the command prints."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.verify import verify
from pipelines.verify import UnreadablePackageError, verify_package
from schemas.manifest import parse_manifest, render_manifest
from tests import cells, twinpackage
from tests.forging import (
    K,
    approve,
    build,
    checksum,
    drop_a_learner,
    edit,
    extra_column,
    failed,
    fields_of,
    holding_the_files,
    lower_k,
    open_domain,
    promise_of,
    raw_id,
    remove_item_from_the_file,
    seal,
    smuggle_a_null,
)


@pytest.mark.parametrize("scope", ["course", "release"])
@pytest.mark.parametrize("csv", [False, True])
def test_valid_package_holds(tmp_path, scope, csv):
    """An honest package holds, and its smallest class is exactly the k it promises."""
    found = verify_package(build(tmp_path / "package", scope, csv=csv))
    assert [check for check in found.checks if not check.ok] == []
    assert found.ok
    assert found.k_found == found.k_promised == K


def test_approved_package_holds(course, approval):
    """An honest package is as approved."""
    found = verify_package(course, approval)
    assert found.ok
    assert found.checks[-1].name == "approval"


@pytest.mark.parametrize(
    "old, new",
    [("'=1+1", "=1+1"), (",low", ",high"), ("learner,", "who,")],
)
def test_csv_must_equal_parquet(tmp_path, old, new):
    """A CSV file that says something else, or leaves a formula alive, breaks `csv` only."""
    root = build(tmp_path / "package", "course", csv=True)
    assert not failed(root)
    path = root / "data/enrolments.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    assert failed(root) == {"checksums", "csv"}
    seal(root)
    assert failed(root) == {"csv"}


@pytest.mark.parametrize("content", ["", "a\n", 'learner,course\n"x', "\xff\n"])
def test_csv_that_is_none(tmp_path, content):
    """A broken CSV file breaks `csv`, without a traceback."""
    root = build(tmp_path / "package", "course", csv=True)
    assert not failed(root)
    (root / "data/enrolments.csv").write_text(content, encoding="latin-1")
    seal(root)
    assert failed(root) == {"csv"}


def test_missing_csv(tmp_path):
    """A CSV file that the manifest lists and nobody wrote breaks `csv`."""
    root = build(tmp_path / "package", "course", csv=True)
    assert not failed(root)
    (root / "data/enrolments.csv").unlink()
    seal(root)
    assert failed(root) == {"csv"}


@pytest.mark.parametrize(
    "text", ["", "nonsense\n", "0" * 64 + "  gone.txt\n", "0" * 64 + "  README.md\n"]
)
def test_checksum_file(course, text):
    """A checksum file that is empty, malformed, or names what is not there breaks `checksums`."""
    (course / "checksums.sha256").write_text(text)
    assert failed(course) == {"checksums"}


def test_rows_in_another_order_are_refused(course):
    """Any order but that of the pseudonyms could be the source's."""
    path = course / "data/enrolments.parquet"
    pl.read_parquet(path).reverse().write_parquet(path)
    assert failed(course) == {"checksums", "row-order"}
    seal(course)
    assert failed(course) == {"row-order"}


def test_a_learner_s_rows_in_another_order_are_refused(release):
    """The order of his courses could be that of his years."""
    path = release / "data/enrolments.parquet"
    rows = pl.read_parquet(path)
    rows.sort(["learner", "course"], descending=[False, True]).write_parquet(path)
    seal(release)
    assert failed(release) == {"row-order"}


def test_missing_checksum_file(course):
    """A package without checksums is broken, not unreadable."""
    (course / "checksums.sha256").unlink()
    assert failed(course) == {"checksums"}


def footer_note(root):
    """A raw id in the footer of a Parquet file."""
    path = root / "data/enrolments.parquet"
    pl.read_parquet(path).write_parquet(path, metadata={"note": "11391"})


def between_pages(root):
    """A raw id between the pages and the footer of a Parquet file."""
    path = root / "data/enrolments.parquet"
    data = path.read_bytes()
    at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    path.write_bytes(data[:at] + b"11391,Fail" + data[at:])


def empty_folder(root):
    """A folder named after a raw id."""
    (root / "11391").mkdir()


@pytest.mark.parametrize(
    "forge, check",
    [
        (footer_note, "parquet-bytes"),
        (between_pages, "parquet-bytes"),
        (empty_folder, "known-files"),
    ],
)
def test_nothing_hides_beside_the_cells(course, forge, check):
    """A note in a footer and a telling name of a folder are found."""
    forge(course)
    seal(course)
    assert failed(course) == {check}


def words_in_texts(root):
    """Rows and counts of the source, in texts for people."""
    for name in ("README.md", "codebook.md"):
        with (root / name).open("a") as file:
            file.write("\n\nLearner 11391 failed. The exact count of F is 7.\n")


def another_title(root):
    """A title that nobody asked for."""
    edit(root, lambda m: m.update(title="Learner 11391 failed"))


def another_cut_off(root):
    """Rights as of another day, and another basis."""
    told = {"cut_off": "2020-01-01T00:00:00Z", "legal_bases": ["none"], "data_version": "2"}
    edit(root, lambda m: m["kohort"].update(told))


@pytest.mark.parametrize("forge", [words_in_texts, another_title, another_cut_off])
@pytest.mark.parametrize("kind", ["microdata", "aggregate", "synthetic"])
def test_what_only_an_approval_with_the_files_can_tell(tmp_path, kind, forge):
    """Words are vouched for by the approval that a build writes, and by nothing else."""
    root, path = tmp_path / "package", tmp_path / "approval.json"
    if kind == "microdata":
        older = approve(path, promise_of("course"))
        build(root, "course")
    else:
        other = cells if kind == "aggregate" else twinpackage
        other.build(root, *([] if kind == "aggregate" else ["course"]))
        older = other.approve(path, root)
    written = holding_the_files(Path(shutil.copy(older, tmp_path / "written.json")), root)
    assert not failed(root, written)
    forge(root)
    assert "as-written" not in failed(root, written)  # the list of checksums is the same
    seal(root)
    assert not failed(root, older)
    assert failed(root, written) == {"as-written"}


@pytest.mark.parametrize("stated", [{"bytes": 1}, {"hash": "sha256:" + "0" * 64}])
def test_checksums_do_not_excuse_the_manifest(course, stated):
    """With right checksums, a size or a hash that the manifest states wrongly is still found."""
    edit(course, lambda m: m["resources"][0].update(stated))
    checksum(course)
    assert failed(course) == {"checksums"}


def test_checksum_of_a_missing_file(course):
    """A file that is listed and gone is found, though all others agree."""
    path = course / "checksums.sha256"
    path.write_text(path.read_text() + "0" * 64 + "  codebook.md\n")
    assert failed(course) == {"checksums"}


def test_broken_k_is_counted(course):
    """`k_found` is what was counted, whatever was promised."""
    drop_a_learner(course)
    assert verify_package(course).k_found == K - 1


def test_k_is_unknown_where_it_can_not_be_counted(course):
    """Without the item no class can be counted: no number is better than a wrong one."""
    remove_item_from_the_file(course)
    assert verify_package(course).k_found is None


def test_k_is_unknown_where_one_table_can_not_be_counted(release):
    """The learner table alone can be counted: the join can't, and it is the join that matters."""
    remove_item_from_the_file(release)
    assert verify_package(release).k_found is None


def test_details_hold_no_learner(course):
    """No detail of any check repeats a value of a row."""
    values = pl.read_parquet(course / "data/enrolments.parquet")["learner"].to_list()
    for forge in (raw_id, open_domain, smuggle_a_null, extra_column):
        forge(course)
    details = " ".join(check.detail for check in verify_package(course).checks)
    assert not [value for value in (*values, "11391", "4711") if value in details]


def run(*arguments):
    """Run the command."""
    return CliRunner().invoke(verify, [str(argument) for argument in arguments])


def test_pandera_can_not_be_switched_off(course):
    """PANDERA_VALIDATION_ENABLED=False changes nothing."""
    open_domain(course)
    code = (
        "import sys, pathlib; from pipelines.verify import verify_package\n"
        "found = verify_package(pathlib.Path(sys.argv[1]))\n"
        "print([c.ok for c in found.checks if c.name == 'closed-domains'])"
    )
    environment = os.environ | {
        "PANDERA_VALIDATION_ENABLED": "False",
        "PANDERA_VALIDATION_DEPTH": "SCHEMA_ONLY",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(course)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[False]"


def test_json_is_one_object(course):
    """`--json` prints one object with exactly these keys; a package that holds exits 0."""
    result = run(course, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert list(found) == ["ok", "release_type", "k_promised", "k_found", "checks"]
    assert (found["ok"], found["k_promised"], found["k_found"]) == (True, K, K)
    assert all(set(check) == {"name", "ok", "detail"} for check in found["checks"])


def test_lowered_k_holds_on_its_own_word(course, approval):
    """A lower k in the manifest is true: without the approval nothing can catch it."""
    lower_k(course)
    seal(course)
    assert not failed(course)
    assert failed(course, approval) == {"approval"}


def test_broken_package_exits_1(course, approval):
    """The table names the broken check; with an approval no note says that roles are its own."""
    lower_k(course)
    seal(course)
    alone, held = run(course), run(course, "--approval", approval)
    assert (alone.exit_code, held.exit_code) == (0, 1)
    assert "self-declared" in alone.stdout
    assert "self-declared" not in held.stdout
    assert "FAIL  approval" in held.stdout
    assert "k: 2, approved 3" in held.stdout


def escape(path):
    """A manifest whose table lies elsewhere."""
    return lambda root: edit(root, lambda m: m["resources"][0].update(path=path))


def link(root):
    """A symbolic link leads out of the package."""
    (root / "outside").symlink_to(root.parent)


def pipe(root):
    """A pipe lies in the package."""
    os.mkfifo(root / "pipe")


UNREADABLE = {
    "no manifest": lambda root: (root / "datapackage.json").unlink(),
    "not JSON": lambda root: (root / "datapackage.json").write_text("{"),
    "not UTF-8": lambda root: (root / "datapackage.json").write_bytes(b"\xff\xfe"),
    "other version": lambda root: edit(root, lambda m: m["kohort"].update(format_version=2)),
    "unknown role": lambda root: edit(root, lambda m: fields_of(m)["gender"].update(role="x")),
    "no table": lambda root: (root / "data/enrolments.parquet").unlink(),
    "not Parquet": lambda root: (root / "data/enrolments.parquet").write_text("learner\n"),
    "path up": escape("../course/data/enrolments.parquet"),
    "path absolute": escape("/etc/passwd"),
    "link": link,
    "pipe": pipe,
}


@pytest.mark.parametrize("forge", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_package_exits_2(course, forge):
    """What is no package is refused in one line, and nothing is printed for a program to trust."""
    forge(course)
    result = run(course, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    with pytest.raises(UnreadablePackageError):
        verify_package(course)


@pytest.mark.parametrize("content", [None, "{}", "[]", "\xff"])
def test_unreadable_approval_exits_2(course, tmp_path, content):
    """An approval that is missing or none is refused in one line."""
    path = tmp_path / "none.json"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    result = run(course, "--approval", path)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_no_folder_exits_2(tmp_path):
    """A folder that is not there is refused in one line."""
    result = run(tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "expected a folder" in result.stderr


def test_folder_names_are_no_patterns(tmp_path):
    """Brackets, stars and `=` in the user's own folder names mean nothing."""
    root = build(tmp_path / "x=1" / "[a]*", "course")
    assert verify_package(root).ok


def test_manifest_is_read_as_written(course):
    """The hand-made manifest survives reading and writing."""
    text = (course / "datapackage.json").read_text()
    assert json.loads(render_manifest(parse_manifest(text))) == json.loads(text)
