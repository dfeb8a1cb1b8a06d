"""Averaging and differencing by the public commands: asking again tells nothing new."""

from pathlib import Path

import polars as pl
import pytest

from anonymizer.dp import noise
from tests.aggsmall import QUERY, build, make_aggregate_world, run, spent, write_request

QUARTER = "epsilon = 0.75"
"""Of what one recipient may have."""

SUBSET = QUERY.replace('"by_course"', '"by_sex"').replace('"code"', '"code", "gender"')


@pytest.fixture
def world(tmp_path) -> Path:
    """Forty learners, and epsilon 3 for one recipient."""
    return make_aggregate_world(tmp_path / "world")


def files(package: Path) -> dict[str, bytes]:
    """Every file of a package and what it holds."""
    found = (path for path in package.rglob("*") if path.is_file())
    return {str(path.relative_to(package)): path.read_bytes() for path in found}


def told(package: Path, query: str = "by_course") -> list[int]:
    """The noisy counts of a table."""
    return pl.read_parquet(package / "data" / f"{query}.parquet")["learners"].to_list()


def statement(world: Path) -> str:
    """All that the ledger says, to the byte."""
    return run("budget", "show", "--json", "--workspace", str(world / "ws"))


def test_asking_again_draws_nothing(world, monkeypatch):
    """The mean of any number of builds is the one draw; no byte of them differs, nothing is spent.

    Whatever is said around the request is not the request: its layout, its file, where it goes to.
    """
    write_request(world, budget=QUARTER)
    build(world)
    first, before = files(world / "package"), statement(world)
    monkeypatch.setattr(noise, "_drawn", None)
    for i in range(4):
        name = f"request{i}.toml"
        write_request(world, budget=QUARTER, more="# again\n" * i, name=name)
        build(world, f"again{i}", name=name)
        assert files(world / f"again{i}") == first
    assert statement(world) == before
    assert spent(world) == 750_000


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Figures again"},
        {"more": 'access = "public"'},
        {"more": "csv = true"},
        {"queries": QUERY.replace("by_course", "by_code")},
        {"queries": f"{QUERY}cells = 1\n"},
    ],
)
def test_a_changed_request_is_charged_and_drawn_anew(world, changes):
    """Of whatever it differs in: nobody gets a second draw for the price of one."""
    write_request(world, budget=QUARTER)
    build(world)
    asked = dict(changes)
    write_request(world, *([asked.pop("queries")] if "queries" in asked else []), budget=QUARTER,
                  **asked)  # fmt: skip
    build(world, "other")
    assert spent(world) == 1_500_000
    assert files(world / "package") != files(world / "other")


def test_averaging_ends_where_the_budget_does(world):
    """Four draws of a quarter, each paid for; the fifth is refused, and nothing is drawn for it."""
    for i in range(4):
        write_request(world, budget=QUARTER, title=f"Take {i}")
        build(world, f"take{i}")
        assert spent(world) == 750_000 * (i + 1)
    assert len({tuple(told(world / f"take{i}")) for i in range(4)}) > 1
    before = statement(world)
    write_request(world, budget=QUARTER, title="Take 4")
    said = build(world, "take4", code=7)
    assert "remaining epsilon 0, difference epsilon 0.75" in said
    assert not (world / "take4").exists()
    assert statement(world) == before


def test_differencing_is_paid_for(world):
    """The same cells by way of finer ones are further draws, of noise that is theirs.

    The difference between the sum of the finer cells and the coarse one is noise, not what is true:
    the finer query is charged, and no coarse figure is known that would agree with it by chance.
    """
    write_request(world, budget=QUARTER)
    build(world)
    write_request(world, SUBSET, budget=QUARTER)
    build(world, "finer")
    assert spent(world) == 1_500_000
    coarse = told(world / "package")
    finer = pl.read_parquet(world / "finer" / "data" / "by_sex.parquet")
    sums = finer.group_by("code", maintain_order=True).agg(pl.col("learners").sum())
    assert len(coarse) == sums.height
    # Noise of scale 8/3 in four cells, and of eight more or so: all alike once in 10^4 runs.
    assert coarse != sums["learners"].to_list()
