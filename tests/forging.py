"""Small packages built by hand, and the tools to forge them.

With a checksum writer of their own: nothing of the product's writer takes part.
"""

import dataclasses
import hashlib
import json

import polars as pl

from pipelines.verify import verify_package
from schemas.manifest import (
    Approval,
    Field,
    Manifest,
    Promise,
    Resource,
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


def subset_tables(m):
    """Sets of at most m of three courses are held by K of each gender, but no exact set is.

    For m = 2 one has all three courses and two each pair; for m = 3 it is K and one.
    """
    sets = {2: ["ABC", *["AB", "AC", "BC"] * (K - 1), ""], 3: ["ABC"] * K + ["AB", "AC", "BC", ""]}
    who = [(key(gender, i), gender, items) for gender in "FM" for i, items in enumerate(sets[m])]
    enrolments = [(learner, course, "*", "low") for learner, _, items in who for course in items]
    return {
        "learners": pl.DataFrame(
            [row[:2] for row in who], schema=("learner", "gender"), orient="row"
        ),
        "enrolments": pl.DataFrame(
            enrolments, schema=("learner", "course", "result", "clicks"), orient="row"
        ),
    }


def promise_of(scope, m="full", **bounds):
    """The promise of a package; `bounds` take the place of its maximum share."""
    return Promise(
        release_type="microdata",
        k=K,
        m=1 if scope == "course" else m,
        pseudonym_scope=scope,
        access="controlled",
        item="course",
        suppression_limit=0.05,
        suppressed_share=None,
        request_sha256="0" * 64,
        data_version="1",
        cut_off="2026-01-31T00:00:00Z",
        legal_bases=("consent",),
        project="study" if scope == "linked" else None,
        **{"maximum_share": {} if bounds else {"result": 0.7}} | bounds,
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


def build(root, scope, *, csv=False, m="full", **bounds):
    """A valid package of this scope."""
    tables = course_tables() if scope == "course" else release_tables()
    if m != "full":
        tables = subset_tables(m)
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
        promise=promise_of(scope, m, **bounds),
    )
    (root / "datapackage.json").write_text(render_manifest(manifest))
    (root / "README.md").write_text("Read me.\n")
    seal(root)
    return root


def approve(path, promise):
    """Write down what was approved: the promise, and the roles of a course-scoped package."""
    roles = {name: field.role for name, field in FIELDS.items() if name != "learner"}
    shared = {
        field.name: getattr(promise, field.name)
        for field in dataclasses.fields(Approval)
        if field.name not in {"tables", "domains", "package_sha256"}
    }
    approval = Approval(**shared, tables={"enrolments": roles})
    path.write_text(render_approval(approval))
    return path


def holding_the_files(approval, root):
    """The approval with the digest of the package as it is now, as builds write it."""
    told = json.loads(approval.read_text())
    approval.write_text(json.dumps(told | {"package_sha256": sha256(root / "checksums.sha256")}))
    return approval


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


def extra_column(root):
    """A column that the manifest does not list."""
    rewrite(root, lambda frame: frame.with_columns(raw=pl.col("learner")))


def lower_k(root):
    """The manifest promises a lower k."""
    edit(root, lambda m: m["kohort"].update(k=2))


def open_domain(root):
    """A value stands outside the closed domain."""
    set_cell(root, "clicks", "4711", IN_A)


def raw_id(root):
    """A raw id stands in the key column."""
    set_cell(root, "learner", "11391", IN_A)


def remove_item_from_the_file(root):
    """The item column leaves the file."""
    rewrite(root, lambda frame: frame.drop("course"))


def smuggle_a_null(root):
    """A quasi-identifier is null."""
    set_cell(root, "gender", None, IN_C)
