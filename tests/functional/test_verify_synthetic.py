"""Synthetic packages as files: forged cells, forged learners, and what the command prints."""

import json

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.verify import verify
from pipelines.verify import (
    SyntheticVerification,
    UnreadablePackageError,
    verify_microdata,
    verify_package,
)
from pipelines.verify.margins import margins, same_learners
from pipelines.verify.package import read_folder
from pipelines.verify.synthetic import read_synthetic
from pipelines.verify.twin import size
from tests import cells, forging, twinpackage
from tests.cells import failed, fields_of, measured, rewrite, set_cell, table_of
from tests.forging import edit, key, seal
from tests.twinpackage import GENDERS, INVENTED, approve, build, retell


@pytest.fixture
def release(tmp_path):
    """A valid package of release scope."""
    return build(tmp_path / "release", "release")


@pytest.fixture
def course(tmp_path):
    """A valid package of course scope."""
    return build(tmp_path / "course", "course")


@pytest.mark.parametrize("scope", ["release", "course"])
@pytest.mark.parametrize("pure, csv", [(False, True), (True, False)])
def test_valid_package_holds(tmp_path, scope, pure, csv):
    """An honest package holds, and no k is spoken of."""
    root = build(tmp_path / "package", scope, pure=pure, csv=csv)
    found = verify_package(root, approve(tmp_path / "approval.json", root))
    assert isinstance(found, SyntheticVerification)
    assert [check for check in found.checks if not check.ok] == []
    assert (found.ok, found.approved, found.cells) == (True, True, 13)
    assert (found.release_type, found.k_promised, found.k_found) == ("synthetic", None, None)
    people = {"learners": 12} if scope == "release" else {}
    assert found.rows == people | {"enrolments": 18}


def add_rows(root, name, *rows):
    """Rows more, in their place."""

    def change(frame):
        more = pl.DataFrame(rows, schema=frame.schema, orient="row")
        return pl.concat([frame, more]).sort(frame.columns[:2], maintain_order=True)

    rewrite(root, name, change)


def declare(root, name, column, labels, role="measure"):
    """The manifest lists a column more."""
    constraints = {"required": True, "enum": labels}
    told = {"name": column, "type": "string", "description": "More.", "role": role}
    edit(
        root,
        lambda m: table_of(m, name)["schema"]["fields"].append(told | {"constraints": constraints}),
    )


def raw_column(root):
    """A column that the manifest does not list."""
    rewrite(root, "learners", lambda frame: frame.with_columns(raw=pl.lit("11391")))


def unmeasured_column(root):
    """A column that the manifest lists, and that no noisy figure stands for."""
    rewrite(root, "learners", lambda frame: frame.with_columns(raw=pl.lit("11391")))
    declare(root, "learners", "raw", ["11391"])


def column_of_rows(root):
    """How many rows a learner has stands in a table of learners, as nothing tells it."""
    rewrite(root, "learners", lambda frame: frame.with_columns(_rows=pl.lit("1")))
    declare(root, "learners", "_rows", ["1"])


def learner_without_rows(root):
    """A row of a learner more, who takes part in nothing."""
    add_rows(root, "learners", (key("more"), "F"))


def row_of_nobody(root):
    """A row of a learner who is not there."""
    add_rows(root, "enrolments", (key("more"), "A", "fail", "low"))


def third_row(root):
    """A learner has more rows than were told apart."""
    add_rows(root, "enrolments", (key(1), "C", "fail", "low"))


def item_twice(root):
    """A learner has an item twice."""
    add_rows(root, "enrolments", (key(0), "A", "fail", "low"))


def no_enrolments(root):
    """No learner takes part in anything."""
    rewrite(root, "enrolments", lambda frame: frame.head(0))


def no_table_of_enrolments(root):
    """Learners have several rows, it is said, and there is no table of them."""
    (root / "data/enrolments.parquet").unlink()
    edit(root, lambda m: m["resources"].remove(table_of(m, "enrolments")))
    retell(root)


def foreign_label(root):
    """A label that the manifest does not list."""
    set_cell(root, "learners", "gender", "female")


def null_label(root):
    """A label is null."""
    set_cell(root, "enrolments", "clicks", None)


def integers(root):
    """A column is of integers."""
    rewrite(root, "enrolments", lambda frame: frame.with_columns(clicks=pl.lit(1)))


def raw_keys(root):
    """Keys are of another shape."""
    for name in ("learners", "enrolments"):
        rewrite(root, name, lambda f: f.with_columns(pl.col("learner").str.head(31)))


def other_order(root):
    """Rows stand in another order."""
    rewrite(root, "learners", lambda frame: frame.reverse())


def known_in_rows(root):
    """What is said to be known of a learner stands in the rows."""
    edit(root, lambda m: fields_of(m, "enrolments")["result"].update(role="quasi-identifier"))


def no_item(root):
    """The item is said to be another column."""
    edit(root, lambda m: m["kohort"]["twin"].update(item="result"))


def more_rows_told_apart(root):
    """More rows of a learner are said to be told apart than were measured."""
    edit(root, lambda m: m["kohort"]["twin"].update(most_rows=3))


def more_labels(root):
    """A column of invented learners has a label that was not measured."""
    edit(root, lambda m: fields_of(m, "learners")["gender"]["constraints"]["enum"].append("X"))


def other_label_order(root):
    """Labels stand in another order than in the cells."""
    edit(root, lambda m: fields_of(m, "enrolments")["result"]["constraints"]["enum"].reverse())


def more_learners(root):
    """There are more learners than the noisy figures allow."""
    keys = [key("more", number) for number in range(90)]
    add_rows(root, "learners", *((one, "F") for one in keys))
    add_rows(root, "enrolments", *((one, "A", "fail", "low") for one in keys))


def fewer_learners(root):
    """The noisy figures tell of more learners than there are."""
    set_cell(root, "marginal_03", "learners", 120)


def missing_cell(root):
    """A cell is missing."""
    rewrite(root, "marginal_02", lambda frame: frame.head(5))


def true_counts(root):
    """A table of cells has a column more."""
    rewrite(root, "marginal_01", lambda frame: frame.with_columns(true=pl.lit(4, pl.Int64)))


def null_cell(root):
    """A noisy figure is null."""
    set_cell(root, "marginal_01", "learners", None)


def drop(root, name):
    """A table of cells is left out, with all that is said of it."""
    (root / f"data/{name}.parquet").unlink()

    def change(manifest):
        manifest["resources"].remove(table_of(manifest, name))
        drawn = manifest["kohort"]["measurements"]
        drawn.remove(measured(manifest, name, "learners"))
        manifest["kohort"]["privacy"] = cells.total(drawn)

    edit(root, change)
    retell(root)


def no_marginal_of_clicks(root):
    """Nothing was measured of a column."""
    drop(root, "marginal_03")


def no_marginal_of_gender(root):
    """Nothing was measured of learners; the text still tells of the first table."""
    drop(root, "marginal_01")


def no_marginal_of_rows(root):
    """Nothing was measured of the number of rows."""
    drop(root, "marginal_04")
    cells.retell(root, "`marginal_04`", "`marginal_03`")


def other_scale(root):
    """A draw is told with less noise, and costs the same."""
    edit(root, lambda m: measured(m, "marginal_02", "learners").update(scale="2"))


def cheaper(root):
    """A draw is said to have cost less."""
    edit(root, lambda m: measured(m, "marginal_02", "learners").update(micro_rho=1))


def other_description(root):
    """The package is described by a figure about real learners."""
    edit(root, lambda m: m.update(description="Invented; 2,881 real learners."))


def say(old, new):
    """Change the README."""
    return lambda root: cells.retell(root, old, new)


def describe(text):
    """Describe a column of invented learners."""
    return lambda root: edit(
        root, lambda m: fields_of(m, "learners")["gender"].update(description=text)
    )


LINE = "The learners in `learners`, `enrolments`" + INVENTED
FORGERIES = [
    (raw_column, {"columns"}),
    (unmeasured_column, {"measured"}),
    (column_of_rows, {"same-labels"}),
    (learner_without_rows, {"scope"}),
    (row_of_nobody, {"scope"}),
    (third_row, {"scope"}),
    (item_twice, {"unique-rows"}),
    (no_enrolments, {"not-empty", "scope"}),
    (no_table_of_enrolments, {"scope"}),
    (foreign_label, {"closed-domains"}),
    (null_label, {"no-nulls"}),
    (integers, {"columns", "closed-domains"}),
    (raw_keys, {"pseudonym-shape"}),
    (other_order, {"row-order"}),
    (known_in_rows, {"scope"}),
    (no_item, {"item-column", "unique-rows"}),
    (more_rows_told_apart, {"same-labels"}),
    (more_labels, {"same-labels"}),
    (other_label_order, {"same-labels"}),
    (more_learners, {"size", "margins"}),
    (fewer_learners, {"size", "same-learners"}),
    (missing_cell, {"grid"}),
    (true_counts, {"columns"}),
    (null_cell, {"no-nulls"}),
    (no_marginal_of_clicks, {"measured"}),
    (no_marginal_of_gender, {"measured", "promise-text"}),
    (no_marginal_of_rows, {"measured"}),
    (other_scale, {"costs", "half-widths", "promise-text"}),
    (cheaper, {"costs", "totals"}),
    (other_description, {"description"}),
    (say(LINE, ""), {"promise-text"}),
    (say(LINE, f"Not so: {LINE}"), {"promise-text"}),
    (say("`learners`, `enrolments`", "`enrolments`"), {"promise-text"}),
    (say("`marginal_01` to", "`marginal_02` to"), {"promise-text"}),
    (say(LINE, f"{LINE}\n\nThe learners in `x` are invented: they are."), {"promise-text"}),
    (say(LINE, f"{LINE}\n\nWith k = 5."), {"no-joint-epsilon"}),
    (describe("Gender, of 5-anonymous learners."), {"no-joint-epsilon"}),
    (describe("Gender, of epsilon = 0.1."), {"promise-text"}),
]


@pytest.mark.parametrize("forge, checks", FORGERIES)
def test_forgery(release, forge, checks):
    """With sizes, hashes and checksums anew, exactly these checks say so."""
    forge(release)
    seal(release)
    assert failed(release) == checks


def key_in_two_items(root):
    """A key joins two items of a learner."""
    add_rows(root, "enrolments", (key(0, "A"), "C", "F", "fail", "low"))


def more_rows(root):
    """There are more rows than so many learners can have."""
    keys = [key("more", number) for number in range(180)]
    add_rows(root, "enrolments", *((one, "A", "F", "fail", "low") for one in keys))


def fewer_rows(root):
    """There are fewer rows than learners, each of whom has one at least."""
    set_cell(root, "marginal_03", "learners", 120)


def joining_scope(root):
    """Keys of courses are said to be those of learners."""
    edit(root, lambda m: m["kohort"]["twin"].update(pseudonym_scope="release"))


def item_twice_for_a_key(root):
    """A key has its item twice."""
    add_rows(root, "enrolments", (key(0, "A"), "A", "F", "fail", "low"))


@pytest.mark.parametrize(
    "forge, checks",
    [
        (key_in_two_items, {"scope"}),
        (item_twice_for_a_key, {"unique-rows"}),
        (more_rows, {"size"}),
        (fewer_rows, {"size", "same-learners"}),
        (joining_scope, {"scope", "size", "margins"}),
    ],
)
def test_forgery_of_courses(course, forge, checks):
    """Under course scope a key has one item, and rows are counted instead of learners."""
    forge(course)
    seal(course)
    assert failed(course) == checks


@pytest.mark.parametrize(
    "scope, pure, off",
    # In two cells: 12 * 4 * sqrt(2) = 67.88, or 18 * 4 * sqrt(2 * 2) = 144; and 1.
    [("release", False, 68), ("release", True, 145), ("course", False, 68), ("course", True, 145)],
)
def test_number_of_learners(tmp_path, scope, pure, off):
    """A total may be so far from the number of learners, and no farther."""
    root = build(tmp_path / "package", scope, pure=pure)
    most, rows = (12, 12) if scope == "release" else (18, 9)
    for total, holds in (
        (most + off, True),
        (most + off + 1, False),
        (rows - off, True),
        (rows - off - 1, False),
    ):
        set_cell(root, "marginal_03", "learners", total)
        set_cell(root, "marginal_03", "learners", 0, 1)
        assert size(read_synthetic(read_folder(root))).ok == holds


@pytest.mark.parametrize("total, holds", [(69, True), (70, False), (-39, True), (-40, False)])
def test_tables_of_the_same_learners(release, total, holds):
    """Two totals of noise 4 in two cells each are 54.5 apart at most, and the other one is 15.

    sqrt(2 * 4 * 4^2 * ln(2 * 6 / 1e-9)) = 54.51, as there are six pairs of tables.
    """
    set_cell(release, "marginal_03", "learners", total)
    set_cell(release, "marginal_03", "learners", 0, 1)
    assert same_learners(read_synthetic(read_folder(release))).ok == holds


def invent(root, name, rows):
    """Rows more of a table of invented learners, whose keys are numbers."""
    add_rows(root, name, *((key("more", number), *rest) for number, *rest in rows))


@pytest.mark.parametrize("pure, more, holds", [
    (False, 91, True), (False, 92, False), (True, 156, True), (True, 157, False),
])  # fmt: skip
def test_learners_of_a_label(tmp_path, pure, more, holds):
    """Of 7 women as many may be 7 + 12 * 4, or 18 * sqrt(2) * 4, and 4 roots of all learners.

    With 91 more they are 95, of 7 + 48 + 4 * sqrt(103) = 95.6; with 92 more 96, of 95.8.
    """
    root = build(tmp_path / "package", "release", pure=pure)
    invent(root, "learners", [(number, "F") for number in range(more)])
    told = [(n, course, "fail", "low") for n in range(more) for course in "AB"[: 1 + n % 2]]
    invent(root, "enrolments", told)
    assert margins(read_synthetic(read_folder(root))).ok == holds


@pytest.mark.parametrize("more, holds", [(94, True), (95, False)])
def test_learners_of_so_many_rows(release, more, holds):
    """Of 11 learners with two rows as many may be 11 + 12 * 4, and 4 roots of all learners.

    With 94 more they are 100, of 59 + 4 * sqrt(106) = 100.2; with 95 more 101, of 100.4.
    """
    invent(release, "learners", [(number, GENDERS[number % 3]) for number in range(more)])
    for course in "AB":
        told = [(number, course, "fail", "low") for number in range(more)]
        invent(release, "enrolments", told)
    assert margins(read_synthetic(read_folder(release))).ok == holds


@pytest.mark.parametrize("more, holds", [(244, True), (246, False)])
def test_rows_of_courses(course, more, holds):
    """By 4 + 2 * 11 there may be 26 + 12 * 4 * sqrt(1 + 4) rows, and 2 * 4 roots of their number.

    With 244 more they are 262, of 133.3 + 8 * sqrt(262) = 262.8; with 246 more 264, of 263.3.
    """
    told = [
        (number, "ABC"[number % 3], GENDERS[number % 3], "fail", "low") for number in range(more)
    ]
    invent(course, "enrolments", told)
    assert margins(read_synthetic(read_folder(course))).ok == holds


OVERLAPPING = {
    "marginal_01": (["gender", "course"], [3, 1, 0, 1, 2, 1, 2, 1, 1]),
    "marginal_02": (["course", "result"], [3, 3, 2, 2, 1, 1]),
    "marginal_03": (["clicks", "gender"], [1, 2, 1, 3, 2, 3]),
    "marginal_04": (["result", "_rows"], [3, 3, 3, 3]),
}
"""Twelve learners, counted without noise."""


def test_marginals_without_noise(tmp_path, monkeypatch):
    """Sums of which no two tables share enough to tell, but all of them together: eight differ."""
    monkeypatch.setattr(twinpackage, "MARGINALS", OVERLAPPING)
    root = build(tmp_path / "package", "release")
    assert failed(root) == {"figures"}
    set_cell(root, "marginal_01", "learners", 12)
    seal(root)
    assert failed(root) == set()


def other_meaning(root):
    """A column is said to be something else."""
    edit(root, lambda m: fields_of(m, "learners")["gender"].update(description="Sex."))


def other_role(root):
    """A sensitive column is said to be a measure."""
    edit(root, lambda m: fields_of(m, "enrolments")["result"].update(role="measure"))


def column_left_out(root):
    """A column that was approved and measured is not there."""
    rewrite(root, "enrolments", lambda frame: frame.drop("clicks"))
    edit(root, lambda m: table_of(m, "enrolments")["schema"]["fields"].pop())


def tables_exchanged(root):
    """Tables stand in another order."""
    edit(root, lambda m: m["resources"].insert(0, m["resources"].pop(1)))
    cells.retell(root, "`learners`, `enrolments`", "`enrolments`, `learners`")


def one_table(root):
    """The rows of learners are left out."""
    (root / "data/enrolments.parquet").unlink()

    def change(manifest):
        manifest["resources"].remove(table_of(manifest, "enrolments"))
        table_of(manifest, "marginal_04")["schema"]["fields"][0]["constraints"]["enum"] = ["1"]
        manifest["kohort"]["twin"].update(most_rows=1)

    edit(root, change)
    rewrite(root, "marginal_04", lambda frame: frame.head(1))
    cells.retell(root, ", `enrolments`", "")


@pytest.mark.parametrize(
    "forge", [other_meaning, other_role, column_left_out, tables_exchanged, one_table]
)
def test_what_only_the_approval_can_tell(release, tmp_path, forge):
    """Roles, meanings and columns are the package's own word, until it is held to the approval."""
    approval = approve(tmp_path / "approval.json", release)
    assert failed(release, approval) == set()
    forge(release)
    seal(release)
    assert failed(release) == set()
    assert failed(release, approval) == {"approval"}


@pytest.mark.parametrize(
    "forge, more",
    [(more_rows_told_apart, {"same-labels"}), (no_marginal_of_rows, {"measured", "ledger"})],
)
def test_approval_of_what_fails_anyway(release, tmp_path, forge, more):
    """A twin of more rows, and one with fewer figures, are not what was approved."""
    approval = approve(tmp_path / "approval.json", release)
    forge(release)
    seal(release)
    assert failed(release, approval) == {"approval", *more}


@pytest.mark.parametrize(
    "change",
    [
        lambda charge: charge.update(id="2e00a3c2"),
        lambda charge: charge["measurements"].pop(),
        lambda charge: charge["measurements"][0].update(scale="5"),
    ],
)
def test_another_charge(release, tmp_path, change):
    """What the ledger charged is another package's, or is not what is told."""
    approval = approve(tmp_path / "approval.json", release)
    document = json.loads(approval.read_text())
    change(document["charge"])
    approval.write_text(json.dumps(document))
    assert failed(release, approval) == {"ledger"}


UNREADABLE = {
    "no twin": lambda m: m["kohort"].pop("twin"),
    "another type": lambda m: m["kohort"].update(release_type="aggregate"),
    "microdata": lambda m: m["kohort"].update(release_type="microdata"),
    "linked scope": lambda m: m["kohort"]["twin"].update(pseudonym_scope="linked"),
    "several cells a learner": lambda m: table_of(m, "marginal_01")["query"].update(cells=2),
    "another grain": lambda m: table_of(m, "learners").update(grain="event"),
    "a table twice": lambda m: table_of(m, "learners").update(name="enrolments"),
    "no file": lambda m: table_of(m, "learners").update(path="data/gone.parquet"),
    "no cells": lambda m: m.update(resources=m["resources"][:2]),
    "no learners": lambda m: m.update(resources=m["resources"][2:]),
}


def run(*arguments):
    """Run the command."""
    return CliRunner().invoke(verify, [str(argument) for argument in arguments])


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_package_exits_2(release, change):
    """What is no package is refused in one line, and nothing is printed for a program to trust."""
    edit(release, change)
    forging.checksum(release)
    result = run(release, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1


def test_json_is_one_object(release):
    """`--json` prints one object with exactly these keys; there is no k."""
    result = run(release, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    checks = found.pop("checks")
    assert all(set(check) == {"name", "ok", "detail"} for check in checks)
    assert len({check["name"] for check in checks}) == len(checks)
    assert found == {
        "ok": True,
        "release_type": "synthetic",
        "k_promised": None,
        "k_found": None,
        "privacy": {"micro_epsilon": None, "micro_rho": 125_000, "atto_delta": 0},
        "invented": {"learners": 12, "enrolments": 18},
    }


def test_table_says_what_is_self_declared(release, tmp_path):
    """Without an approval a note says so; a broken check is named and the exit code is 1."""
    approval = approve(tmp_path / "approval.json", release)
    alone, held = run(release), run(release, "--approval", approval)
    assert (alone.exit_code, held.exit_code) == (0, 0)
    assert "synthetic, controlled access, of the family oulad" in alone.stdout
    assert "rho 0.125, delta 0" in alone.stdout
    assert "invented learners, release scope: learners 12 rows, enrolments 18 rows" in alone.stdout
    assert "self-declared" in alone.stdout
    assert "self-declared" not in held.stdout
    third_row(release)
    broken = run(release)
    assert broken.exit_code == 1
    assert "FAIL  scope" in broken.stdout


def test_csv_must_equal_parquet(tmp_path):
    """A CSV file of invented learners that says something else breaks `csv` only."""
    root = build(tmp_path / "package", "course", csv=True)
    path = root / "data/enrolments.csv"
    path.write_text(path.read_text().replace("pass", "fail", 1))
    seal(root)
    assert failed(root) == {"csv"}


def test_kinds_are_not_mixed(release, tmp_path):
    """No approval of another kind, nothing to be joined with, and no microdata."""
    pure = cells.build(tmp_path / "pure")
    microdata = forging.build(tmp_path / "microdata", "release")
    approvals = [
        cells.approve(tmp_path / "pure.json", pure),
        forging.approve(tmp_path / "microdata.json", forging.promise_of("release")),
    ]
    runs = [(release, "--approval", approval) for approval in approvals]
    runs += [(pure, "--approval", approve(tmp_path / "release.json", release))]
    runs += [(release, "--linked-with", microdata), (microdata, "--linked-with", release)]
    for arguments in runs:
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1
    with pytest.raises(UnreadablePackageError, match="synthetic"):
        verify_microdata(release)


@pytest.mark.parametrize("who, found", [(key("nobody"), set()), (key(3), {"absent-learners"})])
def test_nobody_is_shown(release, tmp_path, who, found):
    """A pseudonym that is in no table is told as absent; one that is the key of a row is found."""
    path = tmp_path / "absent.json"
    name = json.loads((release / "datapackage.json").read_text())["name"]
    document = {"format": "kohort-absent/1", "package": name, "pseudonyms": [who]}
    path.write_text(json.dumps(document))
    assert failed(release, absent=path) == found


def test_details_hold_no_values(release):
    """Neither labels nor keys nor figures are repeated in what is told of them."""
    set_cell(release, "learners", "gender", "female")
    set_cell(release, "marginal_03", "learners", 31_337)
    add_rows(release, "enrolments", (key("more"), "A", "fail", "low"))
    details = " ".join(check.detail for check in verify_package(release).checks)
    assert not any(told in details for told in ("female", "31337", "31,337", key("more")))
