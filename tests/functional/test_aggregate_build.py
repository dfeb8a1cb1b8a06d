"""Aggregate builds through the command line: what leaves, what is spent, what is refused."""

# ruff: noqa: E501 - a row of the table is one line

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.aggregates import tables
from tests.aggsmall import (
    EVERYTHING,
    FOUND,
    PEOPLE,
    budget,
    build,
    catalogue_sha256,
    consent,
    make_aggregate_world,
    raw_id,
    run,
    spent,
    write_request,
)


@pytest.fixture
def world(tmp_path) -> Path:
    """The small world under pure differential privacy."""
    return make_aggregate_world(tmp_path / "world")


def exactly(monkeypatch) -> None:
    """No noise, so that a test sees what is counted."""
    monkeypatch.setattr(tables, "add_noise", lambda values, _: values.copy())


def table(world: Path, name: str, out: str = "package") -> dict:
    """Keys -> the first figure of a table."""
    frame = pl.read_parquet(world / out / "data" / f"{name}.parquet")
    at = next(i for i, kind in enumerate(frame.dtypes) if kind != pl.String)
    return {row[:at]: row[at] for row in frame.iter_rows()}


@pytest.mark.parametrize(
    ("regime", "spend"),
    [("pure", "epsilon = 2.0"), ("zcdp", "rho = 0.05"), ("zcdp", "epsilon = 1.0")],
)
def test_every_kind_of_query_gives_a_verified_package(tmp_path, regime, spend):
    """All metrics at once, with CSV copies; held against the approval and the charge."""
    world = make_aggregate_world(tmp_path / "world", regime=regime)
    write_request(world, EVERYTHING, budget=spend, more="csv = true")
    build(world)
    package, approval = str(world / "package"), str(world / "package.steward" / "approval.json")
    said = json.loads(run("verify", package, "--approval", approval, "--json"))
    assert said["ok"], [check for check in said["checks"] if not check["ok"]]
    assert (said["release_type"], said["k_found"]) == ("aggregate", None)
    assert said["checks"][-1]["name"] == "as-written"
    assert {path.stem for path in (world / "package" / "data").glob("*.csv")} == {
        "detail", "margin", "everybody", "events", "effort", "scores", "clicks", "shares", "few", "many"
    }  # fmt: skip
    detail, margin = table(world, "detail"), table(world, "margin")
    for (course,), total in margin.items():
        assert total == sum(value for key, value in detail.items() if key[0] == course)


def test_what_is_counted(world, monkeypatch):
    """Distinct learners by course: no staff, no one twice, and what is not listed is other."""
    exactly(monkeypatch)
    write_request(world, EVERYTHING, budget="epsilon = 2.0")
    build(world)
    learners = PEOPLE - 1
    found = table(world, "detail")
    assert sum(found.values()) == learners + 10 + 1  # ten are in z as well, one in v
    assert found["x", "F", "A"] == sum(i % 2 == 0 and i % 3 < 2 for i in range(learners))
    assert sum(value for key, value in found.items() if key[0] == "(other)") == 1
    assert sum(value for key, value in found.items() if key[0] == "y") == 0
    assert table(world, "everybody") == {(): learners}
    assert table(world, "scores")["x",] == pytest.approx(
        np.mean([i % 10 / 10 for i in range(learners)]), abs=0.01
    )


def test_nobody_without_a_permission_is_counted(world, monkeypatch):
    """Whoever withdrew, or refuses a course, is not in its figures; a new version is charged."""
    exactly(monkeypatch)
    write_request(world)
    build(world)
    before = table(world, "by_course")
    consent(world, {1: ("withdrawn", "*"), 4: ("denied", "course:z")})
    build(world, "after")
    after = table(world, "by_course", "after")
    assert {key: before[key] - after[key] for key in before} == {
        ("x",): 1, ("y",): 0, ("z",): 1, ("(other)",): 1
    }  # fmt: skip
    assert spent(world) == 2_000_000


def test_the_same_request_spends_nothing_and_a_changed_one_is_charged(world):
    """Layout does not matter; another title is another request."""
    write_request(world)
    build(world)
    first = budget(world)
    write_request(world, more="# a comment")
    build(world, "again")
    assert budget(world) == first
    for path in (world / "package").rglob("*.*"):
        if path.is_file():
            assert (
                path.read_bytes()
                == (world / "again" / path.relative_to(world / "package")).read_bytes()
            )
    write_request(world, title="Other figures")
    build(world, "other")
    assert spent(world) == 2 * first["accounts"][0]["spent"]["micro"]


def test_a_refusal_says_what_is_left_and_draws_nothing(world, monkeypatch):
    """Requested, remaining, difference per account, what would fit; no row is read for it."""
    write_request(world, budget="epsilon = 2.5")
    build(world)
    before = budget(world)
    monkeypatch.setattr(tables, "add_noise", None)
    monkeypatch.setattr("pipelines.aggregates.release.exact_figures", None)
    write_request(world, title="More", budget="epsilon = 2.0")
    said = build(world, "more", code=7)
    assert "family agg: requested epsilon 2, remaining epsilon 1.5, difference epsilon 0.5" in said
    assert "recipient r.lee@uni.example: requested epsilon 2, remaining epsilon 0.5" in said
    assert "ask for epsilon 0.5 at most" in said
    assert said.count("\n") == 1
    assert budget(world) == before
    assert not (world / "more").exists()


def test_the_charge_is_on_record_before_a_row_is_counted_and_noise_is_drawn(world, monkeypatch):
    """At the first of both the family's account has paid already."""
    seen = []
    counting, drawing = tables.noisy_tables.__globals__["add_noise"], tables.add_noise
    assert counting is drawing
    real = __import__("pipelines.aggregates.release", fromlist=["x"]).exact_figures

    def counted(*arguments):
        seen.append(("count", spent(world), budget(world)["charges"][0]["state"]))
        return real(*arguments)

    def drawn(values, mechanism):
        seen.append(("draw", spent(world), budget(world)["charges"][0]["state"]))
        return drawing(values, mechanism)

    monkeypatch.setattr("pipelines.aggregates.release.exact_figures", counted)
    monkeypatch.setattr(tables, "add_noise", drawn)
    write_request(world)
    build(world)
    assert seen == [("count", 1_000_000, "reading"), ("draw", 1_000_000, "reading")]
    assert budget(world)["charges"][0]["state"] == "committed"


def test_discovered_keys_are_those_that_are_common(tmp_path):
    """What one learner alone has is not told, course by course; delta is charged."""
    world = make_aggregate_world(tmp_path / "world")
    path = world / "ws" / "catalogues" / "agg.toml"
    path.write_text(path.read_text().replace('code = ["x", "y", "z"]\n', ""))
    write_request(world, FOUND, budget="epsilon = 3.0\ndelta = 5e-10")
    said = run("request", "check", str(world / "request.toml"), "--workspace", str(world / "ws"))
    assert "found: cells whose noisy count exceeds 1" in said
    build(world)
    found = table(world, "found")
    assert {key[0] for key in found} == {"x"}
    assert budget(world)["accounts"][0]["spent"]["atto_delta"] >= 500_000_000
    assert "near their threshold fewer than 95%" in (world / "package" / "README.md").read_text()
    write_request(world, FOUND, budget="epsilon = 0.1\ndelta = 5e-10", title="None at all")
    assert "epsilon" in build(world, "more", code=7)


def test_no_raw_id_and_no_exact_figure_leaves(world):
    """Neither in the package nor beside it, nor in what is printed."""
    write_request(world, EVERYTHING, budget="epsilon = 2.0")
    printed = build(world)
    files = [*(world / "package").rglob("*"), *(world / "package.steward").rglob("*")]
    for path in files:
        if path.is_file():
            assert b"rawlearner" not in path.read_bytes(), path.name
    assert "rawlearner" not in printed


def test_a_check_tells_the_error_and_spends_nothing(world, monkeypatch):
    """From public sizes alone: no table of the source is opened; a wish is priced."""
    monkeypatch.setattr("pipelines.sources.open.open_source", None)
    write_request(world, EVERYTHING, budget="epsilon = 2.0")
    ws = ["--workspace", str(world / "ws")]
    said = run("request", "check", str(world / "request.toml"), "--wish", "everybody=7", *ws)
    assert "cost: epsilon 2, delta " in said
    assert "budget: family agg: requested epsilon 2, remaining epsilon 4, it fits" in said
    assert "detail: 48 cells, 0.8 learners each on average; a learner counts in at most 2" in said
    assert "wish: everybody within 7 needs epsilon" in said
    told = json.loads(run("request", "check", str(world / "request.toml"), "--json", *ws))
    assert told["budget"] == {"fits": True, "refused": None}
    by = {(one["table"], one["column"]): one for one in told["errors"]}
    assert by["detail", "learners"]["half_width"] > 0
    assert by["scores", "mean"]["half_width"] > 0
    assert budget(world)["charges"] == []
    needed = json.loads(
        run("request", "check", str(world / "request.toml"), "--wish", "everybody=7", "--json", *ws)
    )["wishes"]["everybody"]["micro_epsilon"]
    only = EVERYTHING.split("[[release.queries]]")[3]
    for more, holds in [(0, True), (-1, False)]:
        request = f"[[release.queries]]{only}"
        write_request(world, request, budget=f"epsilon = {(needed + more) / 10**6}")
        told = json.loads(run("request", "check", str(world / "request.toml"), "--json", *ws))
        assert (told["errors"][0]["half_width"] <= 7) is holds


@pytest.mark.parametrize(
    ("queries", "spend", "said"),
    [
        ('name = "a"\ntype = "learners"\nby = ["nothing"]', "epsilon = 1.0", "no releasable column"),
        ('name = "a"\ntype = "learners"\nby = ["week"]', "epsilon = 1.0", "by.0: week stands in view activity"),
        ('name = "a"\ntype = "learners"\nview = "activity"\nby = ["effort"]', "epsilon = 1.0", "by.0: effort is a number of each event"),
        ('name = "a"\ntype = "learners"\nby = ["code"]\ndiscover = true', "epsilon = 1.0\ndelta = 1e-9", "discover: the catalogue lists code"),
        ('name = "a"\ntype = "quantiles"\nof = "score"\nnulls = 0.0\nquantiles = [0.5]\nbounds = [1.0, 0.0]', "epsilon = 1.0", "queries.0.bounds: [lowest"),
        ('name = "a"\ntype = "median"', "epsilon = 1.0", "queries.0: type: one of learners"),
        ('name = "a"\ntype = "histogram"\nof = "score"\nnulls = "x"', "epsilon = 1.0", 'nulls: a number or "leave-out", "bin" was expected'),
        ('name = "a"\ntype = "sum"\nof = "final"\nnulls = 0.0\nbounds = [0.0, 1.0]', "epsilon = 1.0", "is no number"),
        ('name = "a"\ntype = "sum"\nof = "clicks"\nnulls = 0.0', "epsilon = 1.0", "say between which bounds"),
        ('name = "a"\ntype = "sum"\nof = "clicks"\nbounds = [0.0, 1.0]', "epsilon = 1.0", "nulls: required"),
        ('name = "a"\ntype = "learners"\nview = "learners"\ncells = 2', "epsilon = 1.0", "in one cell"),
        ('name = "a"\ntype = "learners"\nby = [{ column = "region", level = 3 }]', "epsilon = 1.0", "levels 0 to 2"),
        ('name = "a"\ntype = "learners"\nmargin_of = "b"', "epsilon = 1.0", "another query of this request"),
        ('name = "a"\ntype = "learners"\ndiscover = true', "epsilon = 1.0\ndelta = 1e-9", "nothing is to be discovered"),
        ('name = "a"\ntype = "learners"', "rho = 0.1", "accounts add up epsilons"),
        ('name = "a"\ntype = "learners"\nrho = 0.1', "epsilon = 1.0", "the budget is in epsilon"),
        ('name = "a"\ntype = "learners"\nepsilon = 0.5', "epsilon = 1.0", "the whole of release.budget"),
        ('name = "a"\ntype = "learners"', "epsilon = 1.0\ndelta = 1e-9", "where a query discovers its keys"),
        ('name = "A b"\ntype = "learners"', "epsilon = 1.0", "a-z, 0-9 and _ only"),
        ('name = "a"\ntype = "quantiles"\nof = "score"\nnulls = 0.0\nquantiles = [0.33333]', "epsilon = 1.0", "steps of 0.0001"),
    ],
)  # fmt: skip
def test_what_a_request_may_not_ask(world, queries, spend, said):
    """Each is told at its key, and nothing is charged."""
    write_request(world, f"[[release.queries]]\n{queries}", budget=spend)
    ws = ["--workspace", str(world / "ws")]
    assert said in run("request", "check", str(world / "request.toml"), *ws, code=3)
    assert build(world, code=3)
    assert budget(world)["charges"] == []


def test_a_title_may_not_promise(world):
    """It would stand in the README, where the checker looks for promises."""
    write_request(world, title="Figures at epsilon = 0.1")
    assert "title: say what is asked without" in build(world, code=3)


def test_a_changed_catalogue_is_another_request(world):
    """What cells there may be is part of what is asked."""
    write_request(world)
    old = catalogue_sha256(world)
    path = world / "ws" / "catalogues" / "agg.toml"
    path.write_text(path.read_text().replace('"y", ', ""))
    assert "release.catalogue: what is public of the source hashes to" in build(world, code=3)
    assert catalogue_sha256(world) != old
    path.unlink()
    assert "kohort catalog new agg" in build(world, code=6)


def test_without_a_budget_nothing_is_built(world):
    """The policy must say what may be spent."""
    path = world / "ws" / "policy.toml"
    path.write_text(path.read_text().split("\n[budget]\nepsilon_per_family = 4.0\nepsilon")[0])
    write_request(world)
    assert "have a steward write [budget]" in build(world, code=3)


def test_a_request_to_start_from(world):
    """The template passes once the researcher is named."""
    ws = ["--workspace", str(world / "ws")]
    file = world / "new.toml"
    run("request", "new", str(file), "--source", "agg", "--type", "aggregate", *ws)
    file.write_text(file.read_text().replace('researcher = ""', 'researcher = "r.lee@uni.example"'))
    assert "learners_by_code: 4 cells" in run("request", "check", str(file), *ws)
    build(world, name="new.toml")


def test_a_catalogue_of_the_source_s_own_list(tmp_path):
    """Courses come from a table about no learner; others are named."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "courses.csv").write_text(
        "code_module,code_presentation,module_presentation_length\nBBB,2013J,1\nAAA,2013J,1\n"
    )
    ws = str(tmp_path / "ws")
    run("init", ws, "--local", "--source", f"oulad=oulad:{tmp_path / 'data'}")
    run("catalog", "new", "oulad", "--periods", "week=-1..3", "--workspace", ws)
    shown = json.loads(run("catalog", "show", "oulad", "--json", "--workspace", ws))
    assert shown["values"] == {"code_module": ["AAA", "BBB"]}
    assert shown["periods"] == {"week": {"first": -1, "last": 3}}
    assert "exists already" in run("catalog", "new", "oulad", "--workspace", ws, code=8)
    said = run("catalog", "show", "oulad", "--workspace", ws)
    assert "code_module: AAA, BBB, (other)" in said
    assert "learners.gender, level 0: F, M, (missing)" in said


@pytest.mark.parametrize(
    ("periods", "code", "said"),
    [
        ("week", 2, "COLUMN=FIRST..LAST"),
        ("week=1..x", 2, "COLUMN=FIRST..LAST"),
        ("wek=0..9", 6, "periods.wek: the source has no such column; did you mean week?"),
        ("month=0..9", 6, "periods.month: first and last are dates"),
        ("week=2024-01-01..2024-02-01", 6, "periods.week: first and last are numbers of weeks"),
        ("week=9..0", 6, "last must not be before first"),
    ],
)
def test_a_catalogue_must_fit_its_source(world, periods, code, said):
    """Before it is written: columns that there are, and periods of their kind."""
    path = world / "ws" / "catalogues" / "agg.toml"
    path.unlink()
    words = ["catalog", "new", "agg", "--items", "x", "--periods", periods]
    assert said in run(*words, "--workspace", str(world / "ws"), code=code)
    assert not path.exists()


def test_a_catalogue_that_was_edited_must_fit_too(world):
    """A misspelt column is found when it is read."""
    path = world / "ws" / "catalogues" / "agg.toml"
    path.write_text(path.read_text().replace("code = [", "coed = ["))
    said = run("catalog", "show", "agg", "--workspace", str(world / "ws"), code=6)
    assert "values.coed: the source has no such column; did you mean code?" in said


def test_a_release_of_aggregates_in_the_registry(world):
    """It is listed without k, and recalled; then the same request is charged anew."""
    write_request(world)
    build(world)
    ws = ["--workspace", str(world / "ws")]
    (one,) = json.loads(run("release", "list", "--json", *ws))["releases"]
    assert one["k"] is None
    assert raw_id(0) not in run("release", "show", one["id"], *ws)
    run("release", "recall", one["id"], "--reason", "only tried", *ws)
    build(world, "anew")
    assert spent(world) == 2_000_000
