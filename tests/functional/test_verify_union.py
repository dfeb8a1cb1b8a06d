"""Packages of one project on disk: alone, joined by pseudonym, and what can't be joined."""

import polars as pl
import pytest

from pipelines.verify import UnreadablePackageError, verify_package, verify_union
from tests.forging import K, approve, build, drop_row, edit, failed, promise_of, rewrite, seal


@pytest.fixture
def packages(tmp_path):
    """Two linked packages about the same learners, in the same classes."""
    return [build(tmp_path / name, "linked") for name in ("first", "second")]


def broken(packages):
    """The names of the checks of the union that fail."""
    return [check.name for check in verify_union(packages).checks if not check.ok]


def swap(root, one, other):
    """Two learners change their classes; sizes stay as they are."""
    names = {one: other, other: one}
    rewrite(
        root,
        lambda frame: frame.with_columns(pl.col("learner").replace(names)),
        "learners",
    )
    seal(root)


def learners_of(root, gender, items):
    """The pseudonyms of the learners with this gender and so many items, in their order."""
    people = pl.read_parquet(root / "data/learners.parquet").filter(gender=gender)
    taken = pl.read_parquet(root / "data/enrolments.parquet").group_by("learner").len()
    counted = people.join(taken, on="learner", how="left").fill_null(0)
    return counted.filter(len=items)["learner"].sort().to_list()


def test_linked_scope_alone_is_checked_as_release_scope(packages):
    """A linked package keeps the promise of release scope; forged, it breaks it."""
    assert not failed(packages[0])
    drop_row(packages[0], pl.col("course") == "B")
    seal(packages[0])
    assert failed(packages[0]) >= {"k-anonymity:join", "item-subsets"}


def test_packages_that_hold_together(packages):
    """The same classes twice tell no more than once."""
    found = verify_union(packages)
    assert (found.ok, found.k_found, found.projects) == (True, K, ("study",))
    names = [check.name for check in found.checks]
    assert names[:4] == ["project", "package:1", "package:2", "k-anonymity:union"]
    assert names[4:] == ["maximum-share:1:result", "maximum-share:2:result"]


def test_packages_that_hold_alone_and_not_together(packages):
    """Two who change places leave each package as it was, and stand alone in the union."""
    female, male = (learners_of(packages[1], gender, 0)[0] for gender in "FM")
    swap(packages[1], female, male)
    assert [verify_package(root).k_found for root in packages] == [K, K]
    assert not failed(packages[1])
    found = verify_union(packages)
    assert (found.ok, found.k_found) == (False, 1)
    assert broken(packages) == ["k-anonymity:union"]


def test_a_learner_who_left(packages):
    """With his whole group a learner may be absent from the second package."""
    gone = learners_of(packages[1], "F", 0)
    absent = pl.col("learner").is_in(gone)
    rewrite(packages[1], lambda frame: frame.filter(~absent), "learners")
    seal(packages[1])
    assert verify_union(packages).ok
    kept = pl.col("learner").is_in(gone[1:])
    rewrite(packages[0], lambda frame: frame.filter(~kept), "learners")
    seal(packages[0])
    assert broken(packages) == ["package:1", "k-anonymity:union"]


def test_a_package_that_fails_alone(packages):
    """Its own checks count too, those of its files among them."""
    (packages[1] / "README.md").write_text("Read this.\n")
    assert broken(packages) == ["package:2"]


@pytest.mark.parametrize("scope", ["release", "course"])
def test_other_scopes_join_nothing(packages, tmp_path, scope):
    """Whose pseudonyms are their own can't be joined: the answer is no, and nothing is counted."""
    other = build(tmp_path / scope, scope)
    found = verify_union([packages[0], other])
    assert [(check.name, check.ok) for check in found.checks] == [("project", False)]
    assert f"package 2: {scope} scope" in found.checks[0].detail


def test_other_projects_are_not_joined(packages):
    """Each project has its own key, so their pseudonyms never meet."""
    edit(packages[1], lambda manifest: manifest["kohort"].update(project="another"))
    seal(packages[1])
    found = verify_union(packages)
    assert [(c.name, c.detail) for c in found.checks] == [("project", "2 projects, expected one")]
    assert found.projects == ("another", "study")


def test_what_is_no_package(packages, tmp_path):
    """A folder without a manifest can't be read."""
    with pytest.raises(UnreadablePackageError):
        verify_union([*packages, tmp_path])


def test_another_project_than_approved(packages, tmp_path):
    """The approval names the project, and a package that names another is not as approved."""
    approval = approve(tmp_path / "approval.json", promise_of("linked"))
    edit(packages[0], lambda manifest: manifest["kohort"].update(project="another"))
    seal(packages[0])
    (check,) = (c for c in verify_package(packages[0], approval).checks if c.name == "approval")
    assert "project: another, approved study" in check.detail
