"""Forged tables: every promise is broken on purpose, and the checker must say which one."""

import polars as pl
import pytest

from tests.forging import (
    IN_A,
    IN_C,
    K,
    drop_a_learner,
    drop_row,
    edit,
    extra_column,
    failed,
    fields_of,
    lower_k,
    open_domain,
    raw_id,
    remove_item_from_the_file,
    rewrite,
    seal,
    set_cell,
    smuggle_a_null,
)


def move_a_row(root):
    """A row leaves a class of exactly K for another one."""
    set_cell(root, "gender", "F", IN_C)


def duplicate_a_row(root):
    """An enrolment stands twice."""
    rewrite(root, lambda frame: pl.concat([frame, frame.head(1)]))


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


def remove_item_everywhere(root):
    """The item column leaves the file and the manifest."""
    rewrite(root, lambda frame: frame.drop("course"))

    def forget(manifest):
        schema = manifest["resources"][0]["schema"]
        schema["fields"] = [f for f in schema["fields"] if f["name"] != "course"]
        schema["primaryKey"] = ["learner"]
        manifest["kohort"]["item"] = None

    edit(root, forget)


def null_learner(root):
    """A pseudonym is null."""
    set_cell(root, "learner", None, IN_C)


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
