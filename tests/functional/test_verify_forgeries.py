"""Forged packages: every promise is broken on purpose, and the checker must say which one.

The packages are built here by hand, with a checksum writer of this file: nothing of the product's
writer takes part.
"""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.verify import verify
from pipelines.verify import UnreadablePackageError, verify_package
from schemas.manifest import (
    Approval,
    Field,
    Manifest,
    Promise,
    Resource,
    parse_manifest,
    render_approval,
    render_manifest,
)

K = 3
FIELDS = {
    "learner": Field("learner", "learner-key", "pseudonym"),
    "course": Field("course", "item", "course", ("A", "B", "C")),
    "gender": Field("gender", "quasi-identifier", "gender", ("F", "M", "(missing)", "*")),
    "result": Field("result", "sensitive", "result", ("fail", "pass", "*")),
    "clicks": Field("clicks", "measure", "clicks", ("low", "high", "=1+1", "*")),
}


def key(*parts):
    """A pseudonym of the right shape."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def course_tables():
    """Courses A and B with twice K learners a class, course C with one class of exactly K.

    In A and B half of each class failed; the results of C are withheld as a whole.
    """
    rows = [
        (key(course, gender, i), course, gender, "fail" if i < K else "pass", clicks)
        for course in "AB"
        for gender, clicks in (("F", "low"), ("M", "=1+1"))
        for i in range(2 * K)
    ]
    rows += [(key("C", i), "C", "(missing)", "*", "low") for i in range(K)]
    names = ("learner", "course", "gender", "result", "clicks")
    return {"enrolments": pl.DataFrame(rows, schema=names, orient="row")}


def release_tables():
    """Three item sets ({A}, {A, B}, none) of exactly K learners for each of two genders."""
    learners, enrolments = [], []
    for gender, failing in (("F", 1), ("M", 2)):
        for items in ("A", "AB", ""):
            for i in range(K):
                who = key(gender, items, i)
                learners.append((who, gender))
                result = "fail" if i < failing else "pass"
                enrolments += [(who, course, result, "low") for course in items]
    return {
        "learners": pl.DataFrame(learners, schema=("learner", "gender"), orient="row"),
        "enrolments": pl.DataFrame(
            enrolments, schema=("learner", "course", "result", "clicks"), orient="row"
        ),
    }


def promise_of(scope):
    """The promise of either package."""
    return Promise(
        release_type="microdata",
        k=K,
        m=1 if scope == "course" else "full",
        pseudonym_scope=scope,
        access="controlled",
        item="course",
        maximum_share={"result": 0.7},
        suppression_limit=0.05,
        suppressed_share=None,
        request_sha256="0" * 64,
        data_version="1",
        cut_off="2026-01-31T00:00:00Z",
        legal_bases=("consent",),
    )


def resource_of(name, frame, *, fields=None, csv=False):
    """What the manifest says of a table; size and hash are set when it is written."""
    fields = tuple(FIELDS[column] for column in frame.columns) if fields is None else fields
    learners = name == "learners"
    return Resource(
        name=name,
        path=f"data/{name}.parquet",
        size=0,
        sha256="0" * 64,
        grain="learner" if learners else "learner-course",
        learner_key="learner",
        fields=fields,
        primary_key=("learner",) if learners else ("learner", "course"),
        csv_path=f"data/{name}.csv" if csv else None,
    )


def sha256(path):
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def checksum(root):
    """Write the checksums of the files as they now are."""
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.name != "checksums.sha256")
    lines = [f"{sha256(p)}  {p.relative_to(root).as_posix()}\n" for p in files]
    (root / "checksums.sha256").write_text("".join(lines))


def seal(root):
    """State every size, hash and checksum as the files now are."""

    def state(manifest):
        for resource in manifest["resources"]:
            table = root / resource["path"]
            resource["bytes"] = table.stat().st_size
            resource["hash"] = f"sha256:{sha256(table)}"

    edit(root, state)
    checksum(root)


def build(root, scope, *, csv=False):
    """A valid package of this scope."""
    tables = course_tables() if scope == "course" else release_tables()
    (root / "data").mkdir(parents=True)
    tables = {name: frame.sort(frame.columns[:2]) for name, frame in tables.items()}
    for name, frame in tables.items():
        frame.write_parquet(root / f"data/{name}.parquet")
        if csv:
            lines = [",".join(frame.columns)]
            # The only cell of the world that starts like a formula.
            lines += [",".join(row).replace("=1+1", "'=1+1") for row in frame.rows()]
            (root / f"data/{name}.csv").write_text("\n".join(lines) + "\n")
    manifest = Manifest(
        name="forged",
        title="Forged",
        description="A package to forge.",
        created="2026-01-31T12:00:00Z",
        resources=tuple(resource_of(n, f, csv=csv) for n, f in tables.items()),
        promise=promise_of(scope),
    )
    (root / "datapackage.json").write_text(render_manifest(manifest))
    (root / "README.md").write_text("Read me.\n")
    seal(root)
    return root


@pytest.fixture
def course(tmp_path):
    """A valid course-scoped package."""
    return build(tmp_path / "course", "course", csv=False)


@pytest.fixture
def release(tmp_path):
    """A valid release-scoped package."""
    return build(tmp_path / "release", "release", csv=False)


@pytest.fixture
def approval(tmp_path):
    """What was approved for the course-scoped package."""
    promise = promise_of("course")
    roles = {n: f.role for n, f in FIELDS.items() if n != "learner"}
    shared = {
        field.name: getattr(promise, field.name)
        for field in dataclasses.fields(Approval)
        if field.name != "tables"
    }
    path = tmp_path / "approval.json"
    path.write_text(render_approval(Approval(**shared, tables={"enrolments": roles})))
    return path


def failed(root, approval=None):
    """The names of the checks that fail."""
    return {check.name for check in verify_package(root, approval).checks if not check.ok}


def rewrite(root, change, name="enrolments"):
    """Write a table again, changed."""
    path = root / f"data/{name}.parquet"
    # Stable, so that a forgery is found for what it is and not for the order of its rows.
    change(pl.read_parquet(path)).sort("learner", maintain_order=True).write_parquet(path)


def edit(root, change):
    """Change the manifest's JSON in place."""
    path = root / "datapackage.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def fields_of(manifest, table=0):
    """Column name -> its JSON in a manifest."""
    return {f["name"]: f for f in manifest["resources"][table]["schema"]["fields"]}


def drop_row(root, where, name="enrolments"):
    """Drop the first row that matches."""

    def change(frame):
        hit = frame.with_row_index("#").filter(where)["#"][0]
        return frame.with_row_index("#").filter(pl.col("#") != hit).drop("#")

    rewrite(root, change, name)


def set_cell(root, column, value, where, name="enrolments"):
    """Set one column of the first row that matches."""

    def change(frame):
        hit = frame.with_row_index("#").filter(where)["#"][0]
        cell = pl.when(pl.col("#") == hit).then(pl.lit(value)).otherwise(pl.col(column))
        return frame.with_row_index("#").with_columns(cell.alias(column)).drop("#")

    rewrite(root, change, name)


IN_C = pl.col("course") == "C"
IN_A = pl.col("course") == "A"


def drop_a_learner(root):
    """A learner leaves a class of exactly K."""
    drop_row(root, IN_C)


def move_a_row(root):
    """A row leaves a class of exactly K for another one."""
    set_cell(root, "gender", "F", IN_C)


def duplicate_a_row(root):
    """An enrolment stands twice."""
    rewrite(root, lambda frame: pl.concat([frame, frame.head(1)]))


def raw_id(root):
    """A raw id stands in the key column."""
    set_cell(root, "learner", "11391", IN_A)


def open_domain(root):
    """A value stands outside the closed domain."""
    set_cell(root, "clicks", "4711", IN_A)


def pad_with_a_duplicate(root):
    """A learner leaves a class of exactly K; the row of another one is repeated in its place."""
    drop_a_learner(root)
    rewrite(root, lambda frame: pl.concat([frame, frame.filter(IN_C).head(1)]))


def inflate_over_items(root):
    """One learner leaves C and comes back as a second pseudonym in A: C keeps K rows by gender."""
    set_cell(root, "course", "A", IN_C)


def one_pseudonym_in_two_items(root):
    """A class of C is filled up with a learner of A."""
    rewrite(
        root,
        lambda frame: pl.concat(
            [
                frame.filter(~IN_C),
                frame.filter(IN_C).with_columns(
                    pl.when(pl.int_range(pl.len()) == 0)
                    .then(pl.lit(frame.filter(IN_A)["learner"][0]))
                    .otherwise("learner")
                    .alias("learner")
                ),
            ]
        ),
    )


def remove_item_from_the_file(root):
    """The item column leaves the file."""
    rewrite(root, lambda frame: frame.drop("course"))


def remove_item_everywhere(root):
    """The item column leaves the file and the manifest."""
    rewrite(root, lambda frame: frame.drop("course"))

    def forget(manifest):
        schema = manifest["resources"][0]["schema"]
        schema["fields"] = [f for f in schema["fields"] if f["name"] != "course"]
        schema["primaryKey"] = ["learner"]
        manifest["kohort"]["item"] = None

    edit(root, forget)


def smuggle_a_null(root):
    """A quasi-identifier is null."""
    set_cell(root, "gender", None, IN_C)


def null_learner(root):
    """A pseudonym is null."""
    set_cell(root, "learner", None, IN_C)


def extra_column(root):
    """A column that the manifest does not list."""
    rewrite(root, lambda frame: frame.with_columns(raw=pl.col("learner")))


def other_order(root):
    """The columns stand in another order."""
    rewrite(root, lambda frame: frame.select(reversed(frame.columns)))


def categorical(root):
    """A column is categorical."""
    rewrite(root, lambda frame: frame.with_columns(pl.col("gender").cast(pl.Categorical)))


def integers(root):
    """A column is of integers."""
    rewrite(root, lambda frame: frame.with_columns(clicks=pl.lit(1)))


def lists(root):
    """A column is of lists."""
    rewrite(root, lambda frame: frame.with_columns(pl.concat_list("clicks", "gender")))


def empty(root):
    """No row is left."""
    rewrite(root, lambda frame: frame.head(0))


def extra_file(root):
    """A file that nothing lists."""
    (root / "data" / "raw.parquet").write_bytes(b"PAR1")


def rare_combination(root):
    """One learner holds a value that nobody else holds."""
    set_cell(root, "clicks", "high", IN_A)


def too_sure(root):
    """All of one class failed: whoever is found there is known to have failed."""
    where = IN_A & (pl.col("gender") == "F")
    failing = pl.when(where).then(pl.lit("fail")).otherwise("result").alias("result")
    rewrite(root, lambda frame: frame.with_columns(failing))


def dodge_the_share(root):
    """Of too sure a class half the results are withheld, and of the other class as many.

    No value is rare then, and of what is shown only half failed.
    """
    too_sure(root)
    first = pl.col("result").rank("ordinal").over("course", "gender") <= K
    hidden = pl.when(IN_A & first).then(pl.lit("*")).otherwise("result").alias("result")
    rewrite(root, lambda frame: frame.with_columns(hidden))


def raw_scores_declared_as_a_domain(root):
    """Every learner has another score, and the manifest lists them all as its closed domain."""
    scores = [str(i) for i in range(100)]
    rewrite(root, lambda frame: frame.with_columns(clicks=pl.int_range(pl.len()).cast(pl.String)))
    edit(root, lambda m: fields_of(m)["clicks"]["constraints"].update(enum=scores))


def several_tables(root):
    """Two tables under course scope."""
    (root / "data/again.parquet").write_bytes((root / "data/enrolments.parquet").read_bytes())
    again = {"name": "again", "path": "data/again.parquet"}
    edit(root, lambda m: m["resources"].append(m["resources"][0] | again))


def linking_promise(root):
    """Course scope is said to cover the full item set."""
    edit(root, lambda m: m["kohort"].update(m="full"))


def undeclared_share(root):
    """A maximum share is promised for a column that is not there."""
    edit(root, lambda m: m["kohort"].update(maximum_share={"grade": 0.5}))


def wrong_key(root):
    """The manifest names another primary key."""
    edit(root, lambda m: m["resources"][0]["schema"].update(primaryKey=["gender"]))


COURSE_FORGERIES = [
    (drop_a_learner, "k-anonymity:enrolments"),
    (drop_a_learner, "k-anonymity:join"),
    (drop_a_learner, "item-subsets"),
    (drop_a_learner, "combinations:enrolments"),
    (move_a_row, "k-anonymity:enrolments"),
    (duplicate_a_row, "unique-rows"),
    (raw_id, "pseudonym-shape"),
    (open_domain, "closed-domains"),
    (pad_with_a_duplicate, "k-anonymity:enrolments"),
    (pad_with_a_duplicate, "combinations:enrolments"),
    (inflate_over_items, "k-anonymity:enrolments"),
    (one_pseudonym_in_two_items, "scope"),
    (remove_item_from_the_file, "item-column"),
    (remove_item_from_the_file, "columns"),
    (remove_item_from_the_file, "k-anonymity:join"),
    (remove_item_everywhere, "item-column"),
    (smuggle_a_null, "no-nulls"),
    (smuggle_a_null, "k-anonymity:enrolments"),
    (null_learner, "no-nulls"),
    (null_learner, "pseudonym-shape"),
    (null_learner, "k-anonymity:enrolments"),
    (extra_column, "columns"),
    (other_order, "columns"),
    (categorical, "columns"),
    (integers, "columns"),
    (lists, "columns"),
    (lists, "combinations:enrolments"),
    (empty, "not-empty"),
    (extra_file, "known-files"),
    (rare_combination, "combinations:enrolments"),
    (rare_combination, "single-values:enrolments"),
    (too_sure, "maximum-share:result"),
    (dodge_the_share, "maximum-share:result"),
    (raw_scores_declared_as_a_domain, "single-values:enrolments"),
    (several_tables, "scope"),
    (linking_promise, "scope"),
    (undeclared_share, "maximum-share:grade"),
    (wrong_key, "unique-rows"),
]


@pytest.mark.parametrize("forge, check", COURSE_FORGERIES)
def test_course_forgery(course, forge, check):
    """As is the checksums fail; with sizes, hashes and checksums rewritten the named check does."""
    assert not failed(course)
    forge(course)
    assert "checksums" in failed(course)
    seal(course)
    names = failed(course)
    assert check in names
    assert "checksums" not in names


def absent_learner(root):
    """The enrolments of a learner stay when the learner leaves."""
    drop_row(root, pl.col("gender") == "F", "learners")


def move_a_learner(root):
    """A learner leaves a class and item set of exactly K."""
    set_cell(root, "gender", "M", pl.col("gender") == "F", "learners")


def rare_item_set(root):
    """One learner of {A, B} drops B: every class and course keeps K, the item sets do not."""
    drop_row(root, pl.col("course") == "B")


def drop_release_learner(root):
    """A learner leaves every table."""
    where = pl.col("gender") == "F"
    path = root / "data/learners.parquet"
    who = pl.read_parquet(path).filter(where)["learner"][0]
    for name in ("learners", "enrolments"):
        rewrite(root, lambda frame: frame.filter(pl.col("learner") != who), name)


def class_on_enrolments(root):
    """A quasi-identifier stands on enrolment rows as well."""
    rewrite(root, lambda frame: frame.with_columns(gender=pl.lit("F")))

    def declare(manifest):
        schema = manifest["resources"][1]["schema"]
        schema["fields"].append(fields_of(manifest)["gender"])

    edit(root, declare)


def forget_the_learner_table(root):
    """The learner table leaves the package."""
    (root / "data/learners.parquet").unlink()
    edit(root, lambda m: m["resources"].pop(0))


def second_row_of_a_learner(root):
    """A learner stands twice in the learner table."""
    rewrite(root, lambda frame: pl.concat([frame, frame.head(1)]), "learners")


def weaker_knowledge(root):
    """Release scope is said to cover single items only."""
    edit(root, lambda m: m["kohort"].update(m=1))


RELEASE_FORGERIES = [
    (absent_learner, "k-anonymity:join"),
    (move_a_learner, "k-anonymity:join"),
    (rare_item_set, "k-anonymity:join"),
    (rare_item_set, "item-subsets"),
    (drop_release_learner, "k-anonymity:join"),
    (class_on_enrolments, "scope"),
    (forget_the_learner_table, "scope"),
    (forget_the_learner_table, "k-anonymity:join"),
    (second_row_of_a_learner, "unique-rows"),
    (weaker_knowledge, "scope"),
]


@pytest.mark.parametrize("forge, check", RELEASE_FORGERIES)
def test_release_forgery(release, forge, check):
    """As is the checksums fail; with sizes, hashes and checksums rewritten the named check does."""
    assert not failed(release)
    forge(release)
    assert "checksums" in failed(release)
    seal(release)
    names = failed(release)
    assert check in names
    assert "checksums" not in names


def relabel_as_measure(root):
    """A quasi-identifier calls itself a measure."""
    edit(root, lambda m: fields_of(m)["gender"].update(role="measure"))


def lower_k(root):
    """The manifest promises a lower k."""
    edit(root, lambda m: m["kohort"].update(k=2))


def raise_the_share(root):
    """The manifest promises a higher maximum share."""
    edit(root, lambda m: m["kohort"].update(maximum_share={"result": 1.0}))


def drop_the_share(root):
    """The manifest promises no maximum share."""
    edit(root, lambda m: m["kohort"].update(maximum_share={}))


def other_request(root):
    """The manifest names another request."""
    edit(root, lambda m: m["kohort"].update(request_sha256="1" * 64))


def public_access(root):
    """The manifest says public."""
    edit(root, lambda m: m["kohort"].update(access="public"))


def leave_out_a_column(root):
    """An approved column is left out."""
    rewrite(root, lambda frame: frame.drop("clicks"))
    edit(root, lambda m: m["resources"][0]["schema"]["fields"].pop())


def rename_the_table(root):
    """A table has another name."""
    edit(root, lambda m: m["resources"][0].update(name="other"))


@pytest.mark.parametrize(
    "forge",
    [
        relabel_as_measure,
        lower_k,
        raise_the_share,
        drop_the_share,
        other_request,
        public_access,
        leave_out_a_column,
        rename_the_table,
    ],
)
def test_forgery_against_the_approval(course, approval, forge):
    """What a package may say of itself is caught by what the steward approved."""
    forge(course)
    assert "checksums" in failed(course, approval)
    seal(course)
    assert failed(course, approval) - failed(course) == {"approval"}
    assert "checksums" not in failed(course)


def test_partly_withheld_values_do_not_lower_a_share(course):
    """Withholding part of a column leaves every other check content, and the share broken."""
    dodge_the_share(course)
    seal(course)
    assert failed(course) == {"maximum-share:result"}


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


def test_missing_checksum_file(course):
    """A package without checksums is broken, not unreadable."""
    (course / "checksums.sha256").unlink()
    assert failed(course) == {"checksums"}


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
