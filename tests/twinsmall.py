"""Twins of the small world of aggregates: requests, and the command line on them."""

from pathlib import Path

from tests.aggsmall import catalogue_sha256, run

EXTRACT = """
title = "Passing by region"
researcher = "r.lee@uni.example"
purpose = "research"
source = "agg"
[release]
type = "microdata"
pseudonyms = "{scope}"
learners = ["gender", "region"]
enrolments = ["code", "final", "clicks"]
statistics = [{{ column = "final", values = ["Pass"], by = "gender" }}]
[release.privacy]
k = 5
suppression_limit = 0.2
maximum_share = {{ final = 0.8 }}
"""

TWIN = """
title = "{title}"
researcher = "r.lee@uni.example"
purpose = "research"
source = "agg"
[release]
type = "synthetic"
catalogue = "{catalogue}"
pseudonyms = "{scope}"
{columns}
{more}
[release.budget]
{budget}
"""

COLUMNS = 'learners = ["gender", "region"]\nenrolments = ["code", "final", "clicks"]'


def twin_text(
    world: Path, *, columns: str = COLUMNS, scope: str = "release", budget: str = "epsilon = 1.0",
    more: str = "", title: str = "Invented",
) -> str:  # fmt: skip
    """A request for a twin."""
    return TWIN.format(
        title=title, catalogue=catalogue_sha256(world), scope=scope, columns=columns, more=more,
        budget=budget,
    )  # fmt: skip


def write_twin(world: Path, **asked: str) -> Path:
    """Write one into `request.toml`."""
    file = world / "request.toml"
    file.write_text(twin_text(world, **asked))
    return file


def twin(world: Path, *words: str, code: int = 0, extract: str = EXTRACT) -> str:
    """`kohort synth twin` of an extract of the world."""
    (world / "extract.toml").write_text(extract.format(scope="release"))
    ws = str(world / "ws")
    return run("synth", "twin", str(world / "extract.toml"), *words, "--workspace", ws, code=code)
