"""Aggregate packages as files: CSV copies, what can't be read, and what the command prints."""

import json

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.verify import verify
from pipelines.verify import (
    AggregateVerification,
    UnreadablePackageError,
    verify_microdata,
    verify_package,
)
from tests import forging
from tests.cells import (
    COURSES,
    PURE,
    ZCDP,
    approve,
    build,
    failed,
    fields_of,
    measured,
    rewrite,
    set_cell,
    table_of,
)
from tests.forging import edit, seal


@pytest.mark.parametrize("tables", [PURE, ZCDP], ids=["pure", "zcdp"])
@pytest.mark.parametrize("csv", [False, True])
def test_valid_package_holds(tmp_path, tables, csv):
    """An honest package holds, and no k is spoken of."""
    root = build(tmp_path / "package", tables, csv=csv)
    found = verify_package(root, approve(tmp_path / "approval.json", root))
    assert isinstance(found, AggregateVerification)
    assert [check for check in found.checks if not check.ok] == []
    assert found.ok
    assert found.approved
    assert (found.release_type, found.k_promised, found.k_found) == ("aggregate", None, None)


@pytest.mark.parametrize(
    "old, new",
    [("A,F,10", "A,F,11"), ("A,F,10", "A,F,"), ("A,F,10", "A,F,ten"), ("learners,", "count,")],
)
def test_csv_must_equal_parquet(tmp_path, old, new):
    """A CSV file that says something else breaks `csv` only."""
    root = build(tmp_path / "package", csv=True)
    path = root / "data/learners.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert failed(root) == {"checksums", "csv"}
    seal(root)
    assert failed(root) == {"csv"}


@pytest.mark.parametrize(
    "name, old, new",
    [("sums", "40.0", "40.00"), ("sums", "40.3", "4.03e1"), ("events", "-7", "-07")],
)
def test_csv_may_write_numbers_otherwise(tmp_path, name, old, new):
    """The same numbers in other digits are the same; none has an apostrophe in front."""
    root = build(tmp_path / "package", csv=True)
    path = root / f"data/{name}.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    seal(root)
    assert failed(root) == set()
    path.write_text(path.read_text().replace(new, f"'{new}", 1))
    seal(root)
    assert failed(root) == {"csv"}


def test_csv_keys_are_neutralized(tmp_path):
    """A label that a spreadsheet would run has an apostrophe in front."""
    root = build(tmp_path / "package", csv=True)
    set_cell(root, "found", "course", "=1+1")
    path = root / "data/found.csv"
    path.write_text(path.read_text().replace("X,", "=1+1,"))
    seal(root)
    assert failed(root) == {"csv"}
    path.write_text(path.read_text().replace("=1+1,", "'=1+1,"))
    seal(root)
    assert failed(root) == set()


def relabel(root):
    """Two courses are exchanged, in the rows and in the list: the grid is whole."""
    swap = dict(zip(COURSES, reversed(COURSES), strict=True))

    def rows(frame):
        return frame.with_columns(pl.col("course").replace(swap))

    rewrite(root, "learners", rows)
    edit(
        root,
        lambda m: fields_of(m, "learners")["course"]["constraints"].update(
            enum=list(reversed(COURSES))
        ),
    )


def other_nulls(root):
    """The rule for unknown values is another one."""
    edit(root, lambda m: table_of(m, "sums")["query"].update(nulls="an unknown value counts as 1"))


def other_meaning(root):
    """A column is said to be something else."""
    edit(root, lambda m: fields_of(m, "learners")["learners"].update(description="Enrolments."))


@pytest.mark.parametrize("forge", [relabel, other_nulls, other_meaning])
def test_what_only_the_approval_can_tell(pure, tmp_path, forge):
    """Labels, rules and meanings are the package's own word, until it is held to the approval."""
    approval = approve(tmp_path / "approval.json", pure)
    assert failed(pure, approval) == set()
    forge(pure)
    seal(pure)
    assert failed(pure) == set()
    assert failed(pure, approval) == {"approval"}


def set_scale(text):
    return lambda m: measured(m, "sums", "sum").update(scale=text)


UNREADABLE = {
    "scale not in lowest terms": set_scale("14/4"),
    "scale of nothing": set_scale("0"),
    "scale by nothing": set_scale("1/0"),
    "no known mechanism": lambda m: measured(m, "sums", "sum").update(mechanism="magic"),
    "a k": lambda m: m["kohort"].update(k=5),
    "no catalogue": lambda m: m["kohort"].update(catalogue_sha256=None),
    "another unit": lambda m: m["kohort"].update(unit="event"),
    "another adjacency": lambda m: m["kohort"].update(adjacency="replace-one"),
    "another version": lambda m: m["kohort"].update(format_version=2),
    "another type": lambda m: m["kohort"].update(release_type="synthetic"),
    "no file": lambda m: m["resources"][0].update(path="data/gone.parquet"),
    "path up": lambda m: m["resources"][0].update(path="../learners.parquet"),
}


def run(*arguments):
    """Run the command."""
    return CliRunner().invoke(verify, [str(argument) for argument in arguments])


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_package_exits_2(pure, change):
    """What is no package is refused in one line, and nothing is printed for a program to trust."""
    edit(pure, change)
    forging.checksum(pure)
    result = run(pure, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    with pytest.raises(UnreadablePackageError):
        verify_package(pure)


def test_json_is_one_object(pure):
    """`--json` prints one object with exactly these keys; there is no k."""
    result = run(pure, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert list(found) == ["ok", "release_type", "k_promised", "k_found", "privacy", "checks"]
    assert (found["ok"], found["release_type"]) == (True, "aggregate")
    assert found["k_promised"] is found["k_found"] is None
    assert found["privacy"] == {
        "micro_epsilon": 7_650_001,
        "micro_rho": 4_471_087,
        "atto_delta": 17_409_361,
    }
    assert all(set(check) == {"name", "ok", "detail"} for check in found["checks"])


def test_table_says_what_is_self_declared(pure, zcdp, tmp_path):
    """Without an approval a note says so; a broken check is named and the exit code is 1."""
    approval = approve(tmp_path / "approval.json", pure)
    alone, held = run(pure), run(pure, "--approval", approval)
    assert (alone.exit_code, held.exit_code) == (0, 0)
    assert "epsilon 7.650001, delta 1.7409361e-11" in alone.stdout
    assert "aggregate, controlled access, of the family oulad" in alone.stdout
    assert "self-declared" in alone.stdout
    assert "self-declared" not in held.stdout
    assert "rho 0.295313, delta 0" in run(zcdp).stdout
    edit(pure, lambda m: measured(m, "sums", "sum").update(micro_epsilon=1))
    broken = run(pure, "--approval", approval)
    assert broken.exit_code == 1
    assert "FAIL  costs" in broken.stdout
    assert "FAIL  ledger" in broken.stdout


def test_aggregates_are_not_joined(pure, tmp_path):
    """`--linked-with` is for microdata: refused in one line, whichever of the two is none."""
    course = forging.build(tmp_path / "course", "course")
    for arguments in ((pure, "--linked-with", course), (course, "--linked-with", pure)):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1
        assert "aggregate" in result.stderr


def test_approvals_of_another_kind(pure, tmp_path):
    """An approval of microdata says nothing of noise, nor the other way round."""
    course = forging.build(tmp_path / "course", "course")
    of_course = forging.approve(tmp_path / "course.json", forging.promise_of("course"))
    of_pure = approve(tmp_path / "pure.json", pure)
    for root, approval in ((pure, of_course), (course, of_pure)):
        result = run(root, "--approval", approval)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1


def test_microdata_only(pure):
    """Who asks for microdata gets no other verification."""
    with pytest.raises(UnreadablePackageError, match="aggregate"):
        verify_microdata(pure)


def test_nobody_is_shown(pure, tmp_path):
    """A pseudonym that is in no cell is told as absent; one that a label holds is found."""
    path = tmp_path / "absent.json"
    name = "told-1f00a3c2"
    document = {"format": "kohort-absent/1", "package": name, "pseudonyms": ["a" * 32]}
    path.write_text(json.dumps(document))
    assert failed(pure, absent=path) == set()
    set_cell(pure, "found", "course", "a" * 32, 1)
    rewrite(pure, "found", lambda frame: frame.sort("course"))
    seal(pure)
    assert failed(pure, absent=path) == {"absent-learners"}


def test_details_hold_no_values(pure):
    """A count that is not above its threshold is not repeated in what is told of it."""
    set_cell(pure, "found", "learners", 31_337, 0)
    set_cell(pure, "found", "learners", -31_337, 1)
    set_cell(pure, "sums", "sum", 313.37)
    details = " ".join(check.detail for check in verify_package(pure).checks)
    assert "31337" not in details
    assert "31,337" not in details
    assert "313.37" not in details
