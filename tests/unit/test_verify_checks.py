"""The checks on tables in memory, against hand-made tables and the slow counter."""

import hashlib

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.verify.files import csv_equals_parquet
from pipelines.verify.groups import groupings
from pipelines.verify.outcome import guarded, plural
from pipelines.verify.package import Extract, Package, Table
from pipelines.verify.shares import maximum_share
from pipelines.verify.verification import verify_extract
from schemas.manifest import Field, Manifest, Promise, Resource
from tests.reference import recount

DOMAIN = ("a", "b", "*")
FIELDS = {
    "learner": Field("learner", "learner-key", "pseudonym"),
    "item": Field("item", "item", "item", ("X", "Y", "X,Y")),
    "qi": Field("qi", "quasi-identifier", "class", DOMAIN),
    "grade": Field("grade", "sensitive", "grade", (*DOMAIN, "A", "c")),
    "clicks": Field("clicks", "measure", "clicks", DOMAIN),
}


def pseudonym(*parts):
    """A pseudonym of the right shape."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def table(name, rows, columns):
    """A table as if it had been read."""
    learners = name == "learners"
    resource = Resource(
        name=name,
        path=f"data/{name}.parquet",
        size=0,
        sha256="0" * 64,
        grain="learner" if learners else "learner-course",
        learner_key="learner",
        fields=tuple(FIELDS[column] for column in columns),
        primary_key=("learner",) if learners else ("learner", "item"),
        csv_path=f"data/{name}.csv",
    )
    schema = dict.fromkeys(columns, pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return Table.of(resource, frame.sort("learner", maintain_order=True))


def extract(scope, *tables, k=2, share=0.7, m="full", **bounds):
    """The tables under a promise."""
    promise = Promise(
        release_type="microdata",
        k=k,
        m=1 if scope == "course" else m,
        pseudonym_scope=scope,
        access="controlled",
        item="item",
        maximum_share={} if share is None else {"grade": share},
        suppression_limit=0.05,
        suppressed_share=None,
        request_sha256="0" * 64,
        data_version="1",
        cut_off="2026-01-31T00:00:00Z",
        legal_bases=("consent",),
        **bounds,
    )
    return Extract(promise, tables)


COURSE_COLUMNS = ("learner", "item", "qi", "grade", "clicks")
cell = st.sampled_from(["a", "a", "a", "b", "*"])
item = st.sampled_from(["X", "Y"])


@st.composite
def course_rows(draw):
    """One row a (learner, item), the class and the pseudonym its own in each item."""
    pairs = draw(st.lists(st.tuples(st.integers(0, 9), item), max_size=16, unique=True))
    return [(pseudonym(who, what), what, draw(cell), draw(cell), draw(cell)) for who, what in pairs]


@settings(max_examples=40, deadline=None)
@given(course_rows(), st.integers(1, 3), st.sampled_from([0.5, 0.6, 0.8]))
def test_course_scope_agrees_with_the_slow_counter(rows, k, share):
    """The smallest class, combinations, single values and the share come out as in plain Python."""
    made = table("enrolments", rows, COURSE_COLUMNS)
    found = verify_extract(extract("course", made, k=k, share=share))
    holds = {check.name: check.ok for check in found.checks}
    slow = recount.rows_of(made.frame)
    classes = recount.learners_by_class(slow, "learner", ["qi", "item"])
    assert found.k_found == recount.smallest(classes)
    if rows:
        assert holds["k-anonymity:join"] == (recount.smallest(classes) >= k)
    assert holds["combinations:enrolments"] == recount.combinations_hold(
        slow, "learner", "item", ["grade", "clicks"], k
    )
    assert holds["single-values:enrolments"] == recount.single_values_hold(
        slow, "learner", "item", ["qi", "grade", "clicks"], k
    )
    shown = recount.shown(slow, "item", "grade")
    assert holds["maximum-share:grade"] == recount.shares_hold(
        classes, shown, "learner", "grade", share
    )


@st.composite
def release_rows(draw):
    """Learner rows, and enrolment rows of some of them."""
    learners = [(pseudonym(who), draw(cell)) for who in range(draw(st.integers(0, 9)))]
    enrolments = [
        (who, what, draw(cell), draw(cell))
        for who, _ in learners
        for what in draw(st.sampled_from(["", "X", "XY", "Y"]))
    ]
    return learners, enrolments


@settings(max_examples=40, deadline=None)
@given(release_rows(), st.integers(1, 3), st.sampled_from([0.5, 0.6, 0.8]))
def test_release_scope_agrees_with_the_slow_counter(rows, k, share):
    """Class sizes, combinations, single values and the share come out as in plain Python."""
    made = (
        table("learners", rows[0], ("learner", "qi")),
        table("enrolments", rows[1], ("learner", "item", "grade", "clicks")),
    )
    found = verify_extract(extract("release", *made, k=k, share=share))
    holds = {check.name: check.ok for check in found.checks}
    learners, enrolments = (recount.rows_of(each.frame) for each in made)
    joined = recount.with_item_sets(learners, enrolments, "learner", "item")
    join = recount.learners_by_class(joined, "learner", ["qi", "items"])
    if rows[0] and rows[1]:
        assert found.k_found == recount.smallest(join)
    if rows[0]:
        assert holds["k-anonymity:join"] == (recount.smallest(join) >= k)
    shown = recount.shown(enrolments, "item", "grade")
    assert holds["maximum-share:grade"] == recount.shares_hold(
        join, shown, "learner", "grade", share
    )


def outcomes(*rows, k=2, share=0.7):
    """Check name -> check, for a course-scoped table of (item, qi, grade, clicks)."""
    keyed = [(pseudonym(i), *row) for i, row in enumerate(rows)]
    found = verify_extract(
        extract("course", table("enrolments", keyed, COURSE_COLUMNS), k=k, share=share)
    )
    return {check.name: check for check in found.checks}


def test_every_single_value_is_counted():
    """Per item: the item itself, and each value of the class, the grade and the clicks."""
    found = outcomes(("X", "a", "a", "a"), ("X", "b", "b", "a"))
    detail = "4 of 6 values below 2 learners, smallest 1"
    assert found["single-values:enrolments"].detail == detail


def test_item_subsets_of_the_full_set():
    """Under m = full each class counts with its exact item sets and with each single item."""
    learners = [(pseudonym(i), "a") for i in range(2)]
    enrolments = [(who, item, "a", "a") for who, _ in learners for item in "XY"]
    found = verify_extract(
        extract(
            "release",
            table("learners", learners, ("learner", "qi")),
            table("enrolments", enrolments, ("learner", "item", "grade", "clicks")),
        )
    )
    details = {check.name: check.detail for check in found.checks}
    assert details["item-subsets"] == "3 class and item subsets, smallest 2 learners"


def test_wholly_withheld_item_is_exempt():
    """Where the whole column of an item is `*` nothing can be learnt, and nothing is counted."""
    found = outcomes(("X", "a", "*", "a"), ("X", "a", "*", "a"))
    check = found["maximum-share:grade"]
    assert (check.ok, check.detail) == (True, "every value is withheld")


def test_another_item_does_not_exempt():
    """`*` in X is counted as soon as X shows a grade, whatever Y shows."""
    rows = [("X", "a", "*", "a")] * 3 + [("X", "b", "b", "a"), ("Y", "a", "*", "a")]
    assert not outcomes(*rows)["maximum-share:grade"].ok


def test_share_is_taken_as_the_decimal_it_is_written():
    """0.29 of 100 learners is 29, though not in floating point."""
    rows = [("X", "a", "a", "a")] * 29 + [("X", "a", "b", "a")] * 29
    rows += [("X", "a", "c", "a")] * 29 + [("X", "a", "d", "a")] * 13
    assert outcomes(*rows, share=0.29)["maximum-share:grade"].ok
    assert not outcomes(*rows, share=0.28)["maximum-share:grade"].ok


def test_share_counts_learners_not_rows():
    """A learner who has both values in two items of a set counts for both."""
    learners = [(pseudonym(i), "a") for i in range(2)]
    enrolments = [
        (who, item, grade, "a") for who, _ in learners for item, grade in (("X", "a"), ("Y", "b"))
    ]
    made = extract(
        "release",
        table("learners", learners, ("learner", "qi")),
        table("enrolments", enrolments, ("learner", "item", "grade", "clicks")),
    )
    assert "2 values above 0.7" in maximum_share(made, lambda: groupings(made), "grade").detail


def test_learner_level_grade():
    """A sensitive column of the learner table is bounded in the join's groups too."""
    rows = [(pseudonym(i), "a", "a") for i in range(3)]
    made = extract("release", table("learners", rows, ("learner", "qi", "grade")))
    assert not maximum_share(made, lambda: groupings(made), "grade").ok


def test_unbounded_sensitive_column_is_said_and_does_not_fail():
    """Without a maximum share nothing is promised, and the detail says so."""
    check = outcomes(("X", "a", "a", "a"), share=None)["maximum-share:grade"]
    assert (check.ok, check.detail) == (True, "nothing is promised about this column")


def test_item_sets_are_not_confused_by_commas():
    """{X, Y} and {"X,Y"} are different sets."""
    learners = [(pseudonym(i), "a") for i in range(4)]
    sets = [["X", "Y"], ["X", "Y"], ["X,Y"], ["X,Y"]]
    enrolments = [
        (who, item, "a", "a")
        for (who, _), items in zip(learners, sets, strict=True)
        for item in items
    ]
    found = verify_extract(
        extract(
            "release",
            table("learners", learners, ("learner", "qi")),
            table("enrolments", enrolments, ("learner", "item", "grade", "clicks")),
        )
    )
    assert found.k_found == 2


def test_null_is_a_class_of_its_own_and_no_learner():
    """A null class hides nobody, and a null pseudonym adds nobody to a class."""
    rows = [(pseudonym(0), "X", None, "a", "a"), (None, "X", "a", "a", "a")]
    found = verify_extract(extract("course", table("enrolments", rows, COURSE_COLUMNS)))
    assert found.k_found == 0
    assert not {check.name: check.ok for check in found.checks}["no-nulls"]


def test_no_classes_at_all():
    """Without quasi-identifiers everybody with the same item set is one class."""
    learners = [(pseudonym(i),) for i in range(3)]
    found = verify_extract(
        extract("release", table("learners", learners, ("learner",)), share=None)
    )
    assert (found.k_found, found.ok) == (3, True)


def test_a_check_that_can_not_run_fails_without_values():
    """Whatever stops a check, it has failed, and the error's own message stays behind."""

    def stopped():
        raise ValueError("learner 11391")

    found = guarded(stopped)
    assert (found.ok, found.detail) == (False, "could not run: ValueError")


@pytest.mark.parametrize("number, text", [(1, "1 class"), (2000, "2,000 classes")])
def test_plural(number, text):
    """Counts read as English."""
    assert plural(number, "class") == text


def test_csv_with_quotes_breaks_and_formulas(tmp_path):
    """Separators, quotes and line breaks survive; every start of a formula is neutralized."""
    values = ["a,b", 'say "x"', "two\nlines", "=1", "+1", "-1", "@x", "\tx", "\rx", "'x", " x"]
    rows = sorted((pseudonym(i), "X", "a", "a", value) for i, value in enumerate(values))
    values = [row[-1] for row in rows]
    made = table("enrolments", rows, COURSE_COLUMNS)
    (tmp_path / "data").mkdir()
    escaped = [("'" if v[0] in "=+-@\t\r'" else "") + v for v in values]
    quoted = ['"' + v.replace('"', '""') + '"' for v in escaped]
    lines = [",".join([*row[:4], text]) for row, text in zip(rows, quoted, strict=True)]
    path = tmp_path / "data/enrolments.csv"
    path.write_bytes("\n".join([",".join(COURSE_COLUMNS), *lines, ""]).encode())
    whole = extract("course", made)
    manifest = Manifest("x", "x", "x", "2026-01-31T12:00:00Z", (made.resource,), whole.promise)
    package = Package(tmp_path, (), manifest, whole)
    assert csv_equals_parquet(package).detail == "1 table equal"
    path.write_bytes(path.read_bytes().replace(b"'=1", b"=1"))
    assert csv_equals_parquet(package).detail.endswith("in 1 cell")
