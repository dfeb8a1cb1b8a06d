"""Packages under l, t, a one-sided share, m = 2 or 3: one that holds, and the same one forged."""

import polars as pl
import pytest

from pipelines.verify import verify_package
from schemas.manifest import (
    Closeness,
    DistinctDiversity,
    EntropyDiversity,
    EqualDistance,
    HierarchicalDistance,
    OrderedDistance,
    RecursiveDiversity,
)
from tests.forging import (
    IN_A,
    K,
    approve,
    build,
    drop_row,
    edit,
    failed,
    promise_of,
    rewrite,
    seal,
    set_cell,
)

TREE = HierarchicalDistance((("fail", "*"), ("pass", "*")))
IN_F = IN_A & (pl.col("gender") == "F")


def one_more_failed(root):
    """In one class a pass becomes a failure: four of six failed, in the course seven of twelve."""
    set_cell(root, "result", "fail", IN_F & (pl.col("result") == "pass"))


def all_failed(root):
    """Everybody in one class failed."""
    failing = pl.when(IN_F).then(pl.lit("fail")).otherwise("result").alias("result")
    rewrite(root, lambda frame: frame.with_columns(failing))


def one_withheld(root):
    """One result of a course is withheld, which leaves four of six who may have failed."""
    set_cell(root, "result", "*", IN_F & (pl.col("result") == "pass"))


ONE_SIDED = {"maximum_share": {"result": 0.5}, "protected": {"result": ("fail",)}}
FORGERIES = [
    ({"diversity": DistinctDiversity(2)}, all_failed),
    ({"diversity": EntropyDiversity(2.0)}, one_more_failed),
    ({"diversity": RecursiveDiversity(1.1, 2)}, one_more_failed),
    ({"diversity": RecursiveDiversity(1.1, 2)}, one_withheld),
    ({"closeness": Closeness(0.08, EqualDistance())}, one_more_failed),
    ({"closeness": Closeness(0.08, OrderedDistance(("fail", "pass")))}, one_more_failed),
    ({"closeness": Closeness(0.08, TREE)}, one_more_failed),
    ({"closeness": Closeness(0.9, EqualDistance())}, one_withheld),
]


@pytest.mark.parametrize("bound, forge", FORGERIES)
def test_l_and_t(tmp_path, bound, forge):
    """Half of each class failed, as in its course; where that is changed the bound is broken."""
    ((name, promised),) = bound.items()
    root = build(tmp_path / "package", "course", **{name: {"result": promised}})
    assert not failed(root)
    forge(root)
    seal(root)
    check = {"diversity": "l-diversity:result", "closeness": "t-closeness:result"}[name]
    assert check in failed(root)


@pytest.mark.parametrize("forge", [one_more_failed, one_withheld])
def test_one_sided_share(tmp_path, forge):
    """No more than half may have failed, or have withheld that they did."""
    root = build(tmp_path / "package", "course", **ONE_SIDED)
    assert not failed(root)
    forge(root)
    seal(root)
    assert "maximum-share:result" in failed(root)


def test_one_sided_share_lets_the_other_value_be(tmp_path):
    """That all of a class passed is no secret where failure is protected."""
    root = build(tmp_path / "package", "course", **ONE_SIDED)
    passing = pl.when(IN_F).then(pl.lit("pass")).otherwise("result").alias("result")
    rewrite(root, lambda frame: frame.with_columns(passing))
    seal(root)
    assert not failed(root)


@pytest.mark.parametrize("m", [2, 3])
def test_item_subsets(tmp_path, m):
    """Every set of at most m courses is held by K; one learner drops a course, and one is not."""
    root = build(tmp_path / "package", "release", m=m)
    found = verify_package(root)
    assert (found.ok, found.k_found) == (True, K)
    path = root / "data/enrolments.parquet"
    sets = pl.read_parquet(path).group_by("learner").len()
    who = sets.filter(pl.col("len") == 3)["learner"].sort()[0]
    drop_row(root, (pl.col("learner") == who) & (pl.col("course") == "C"))
    seal(root)
    assert failed(root) >= {"k-anonymity:join", "item-subsets"}
    assert verify_package(root).k_found == K - 1


@pytest.mark.parametrize("m, more", [(2, 3), (2, "full"), (3, "full")])
def test_more_knowledge_than_it_holds_against(tmp_path, m, more):
    """What holds against m courses does not against more of them, or the exact set."""
    root = build(tmp_path / "package", "release", m=m)
    edit(root, lambda manifest: manifest["kohort"].update(m=more))
    seal(root)
    assert {"k-anonymity:join", "item-subsets"} <= failed(root)
    assert verify_package(root).k_found == 1


BOUNDS = {
    "maximum_share": {"result": 0.5},
    "protected": {"result": ("fail",)},
    "diversity": {"result": DistinctDiversity(2)},
    "closeness": {"result": Closeness(0.2, TREE)},
}


@pytest.mark.parametrize(
    "forged",
    [
        {"recoding": "local"},
        {"protected": {}},
        {"protected": {"result": ["pass"]}},
        {"l": {}},
        {"l": {"result": {"kind": "entropy", "l": 2.0}}},
        {"t": {}},
        {"t": {"result": {"t": 0.3, "distance": "hierarchical", "tree": TREE.tree}}},
        {"t": {"result": {"t": 0.2, "distance": "equal"}}},
        {
            "t": {
                "result": {
                    "t": 0.2,
                    "distance": "hierarchical",
                    "tree": [["fail", "all", "*"], ["pass", "all", "*"]],
                }
            }
        },
    ],
)
def test_other_bounds_than_approved(tmp_path, forged):
    """A package that keeps what it says, but says something else, is not as approved."""
    root = build(tmp_path / "package", "course", **BOUNDS)
    approval = approve(tmp_path / "approval.json", promise_of("course", **BOUNDS))
    assert not failed(root, approval)
    edit(root, lambda manifest: manifest["kohort"].update(forged))
    seal(root)
    assert failed(root, approval) == {"approval"}


def test_another_limit_on_rows_than_approved(tmp_path):
    """The share of rows that might be left out is the approved one."""
    root = build(tmp_path / "package", "release", m=2)
    approval = approve(tmp_path / "approval.json", promise_of("release", m=2))
    edit(root, lambda manifest: manifest["kohort"]["suppression"].update(item_limit=0.5))
    seal(root)
    details = {check.name: check.detail for check in verify_package(root, approval).checks}
    assert "item_suppression_limit: 0.5, approved 0.0" in details["approval"]
