"""Every kind of promise and measure from raw files to a package that the checker approves."""

# ruff: noqa: E501 - a column of a declaration is one line

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.verify import verify_package
from tests.reference.promise import rarest_combination
from tests.smallworld import PEOPLE, REQUEST, build, consent, make_world, raw_id
from tests.unit.test_declaration import FAMILY, ITEM

RESULTS = "Top;good;*\nPass;good;*\nFail;bad;*\nGone;bad;*\n"
FURTHER = """
minutes = { role = "measure", table = "events", column = "n", aggregate = "sum", where = { kind = ["read"] }, microaggregate = { decimals = 1 }, description = "Minutes." }
posts = { role = "measure", table = "events", column = "n", aggregate = "sum", where = { kind = ["post"] }, microaggregate = { decimals = 0 }, description = "Posts." }
pages = { role = "measure", table = "events", column = "n", aggregate = "sum", where = { kind = ["page"] }, log_bins = { base = 2, lowest = 1, highest = 64 }, top_code = true, description = "Pages." }
"""
OWN_FAMILY = (
    FAMILY.replace('values = ["Pass", "Fail"]', 'hierarchy = "result.csv"').replace(
        'grain = "learner-course"\nkey = ["id", "course"]',
        'grain = "learner-course"\nkey = ["id", "course", "run"]',
    )
    + FURTHER
).replace(
    ITEM,
    f'{ITEM}module_run = {{ role = "item", columns = ["course", "run"], description = "Run." }}\n',
)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The small world with results in a tree, runs of courses, and three more measures."""
    world = make_world(tmp_path)
    results, events = ["id,course,run,result"], ["id,course,kind,n"]
    for i in range(PEOPLE):
        for course in "xy" if i % 3 == 0 else "x":
            grade = ("Pass", "Fail", "Top", "Gone", "Pass", "Fail")[i // 2 % 6]
            results.append(f"{raw_id(i)},{course},{2013 + i // 30},{grade}")
            for kind, number in (
                ("click", i % 12),
                ("read", i),
                ("post", i % 7),
                ("page", i % 10 * 5),
            ):
                events.append(f"{raw_id(i)},{course},{kind},{number}")
    (world / "data" / "results.csv").write_text("\n".join(results))
    (world / "data" / "events.csv").write_text("\n".join(events))
    (world / "small.toml").write_text(OWN_FAMILY)
    (world / "result.csv").write_text(RESULTS)
    policy = world / "ws" / "policy.toml"
    policy.write_text(policy.read_text() + '\n[limits.one_sided]\nfinal_result = ["Fail"]\n')
    consent(world)
    return world


def request(scope: str, bounds: str, *, columns: str = "", item: str = "code_module") -> str:
    """The request of the small world, with other columns and bounds."""
    text = REQUEST.replace('"course"', f'"{scope}"').replace("code_module", item)
    text = text.replace('"clicks"', columns) if columns else text.replace(', "clicks"', "")
    return f"{text.replace('0.1', '0.15')}{bounds}\n"


CASES = {
    "m = 2, l": request("release", "m = 2\nl = { final_result = 2 }"),
    "m = 2, recursive l": request(
        "release", "m = 2\nl = { final_result = { recursive = { c = 3.0, l = 2 } } }"
    ),
    "m = 3, t ordered": request(
        "release", 'm = 3\nt = { final_result = { t = 0.4, distance = "ordered" } }'
    ),
    "full, one-sided share": request(
        "release",
        'm = "full"\nmaximum_share = { final_result = { share = 0.6, values = ["Fail"] } }',
    ),
    "course, t hierarchical": request(
        "course", 't = { final_result = { t = 0.4, distance = "hierarchical" } }'
    ).replace("[release.privacy]", 'recoding = "local"\n[release.privacy]'),
    "runs": request("release", "m = 2", item="module_run"),
    "means": request("release", 'm = "full"', columns='"clicks", "minutes", "posts"'),
    "log bins": request("course", "", columns='"pages"').replace('"final_result", ', ""),
}


@pytest.mark.parametrize("case", CASES)
def test_a_package_of_each_kind(world: Path, case: str):
    """The checker finds k and every promise as approved; combinations of all values hold k."""
    (world / "request.toml").write_text(CASES[case])
    build(world)
    found = verify_package(world / "package", world / "package.steward" / "approval.json")
    assert [check.name for check in found.checks if not check.ok] == []
    assert found.approved
    assert found.checks[-1].name == "as-written"
    assert found.k_found is not None
    assert found.k_found >= 5
    enrolments = pl.read_parquet(world / "package" / "data" / "enrolments.parquet")
    item = "module_run" if case == "runs" else "code_module"
    values = [c for c in enrolments.columns if c not in {"learner", item, "gender", "region"}]
    assert rarest_combination(enrolments, values=values, item=item) >= 5
    shown = {column: set(enrolments[column]) - {"*"} for column in values}
    assert all(map(len, shown.values())), shown
    risk = (world / "package.steward" / "risk.json").read_text()
    assert "rawlearner" not in risk
    assert json.loads(risk)["journalist"]["maximum"] <= 1 / 5


def test_items_of_a_course_and_its_run(world: Path):
    """Both parts of the item stand in its label."""
    (world / "request.toml").write_text(CASES["runs"])
    build(world)
    enrolments = pl.read_parquet(world / "package" / "data" / "enrolments.parquet")
    assert {"x / 2013", "x / 2014"} <= set(enrolments["module_run"])


def test_means_of_two_measures(world: Path):
    """Each number is the mean of at least five learners."""
    (world / "request.toml").write_text(CASES["means"])
    build(world)
    enrolments = pl.read_parquet(world / "package" / "data" / "enrolments.parquet")
    for column in ("minutes", "posts"):
        counts = enrolments.filter(pl.col(column) != "*").group_by("code_module", column).len()
        assert counts["len"].min() >= 5


def test_a_tail_of_at_least_k(world: Path):
    """Of sums up to 45 the bin of 32 and more is released where five learners are in it."""
    (world / "request.toml").write_text(CASES["log bins"])
    build(world)
    enrolments = pl.read_parquet(world / "package" / "data" / "enrolments.parquet")
    in_x = enrolments.filter(code_module="x")
    tail = in_x.filter(pl.col("pages").str.ends_with("or more"))
    assert tail["pages"].unique().to_list() == ["32 or more"]
    assert len(tail) >= 5
