"""A synthetic world in the shape of OULAD is a source like OULAD itself."""

import json

import polars as pl
import pytest

from schemas.declaration import parse_toml
from synth.open_university import oulad_parts
from synth.oulad_preset import OuladPreset
from synth.parts import gathered
from tests.smallworld import run
from tests.unit.test_open_university import TEXT

REQUEST = """
title = "Results by gender"
researcher = "r.lee@uni.example"
purpose = "research"
source = "w"
[release]
type = "microdata"
access = "controlled"
pseudonyms = "course"
learners = ["gender", "age_band"]
enrolments = ["code_module", "final_result", "clicks"]
[release.privacy]
k = 5
suppression_limit = 0.1
maximum_share = { final_result = 0.8 }
"""


@pytest.fixture(scope="module")
def world():
    """A world of three modules, made once."""
    preset = parse_toml(OuladPreset, TEXT, subject="oulad.toml")
    return gathered(oulad_parts(preset, learners=600, courses=3, seed=1))


def workspace(tmp_path, world, form):
    """A workspace on the files of a world; the arguments that name it."""
    folder = tmp_path / "world"
    folder.mkdir()
    for name, table in world.items():
        getattr(table, f"write_{form}")(folder / f"{name}.{form}")
    run("init", str(tmp_path / "ws"), "--local", "--source", f"w=oulad:{folder}")
    return "--workspace", str(tmp_path / "ws")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_check_has_nothing_to_say(tmp_path, world, form):
    """Every table and column is known, none is missing, all rows are read."""
    where = workspace(tmp_path, world, form)
    checked = json.loads(run("source", "check", "w", "--json", *where))
    assert checked["warnings"] == []
    assert {t["name"] for t in checked["tables"]} == set(world)
    for table in checked["tables"]:
        if table["status"] == "declared":
            assert table["rows"] == world[table["name"]].height


def test_from_world_to_package(tmp_path, world):
    """Permitted as the published data set is, built, and found to hold."""
    where = workspace(tmp_path, world, "parquet")
    run("rights", "import", "--all-in", "w", "--state", "granted", "--legal-basis",
        "published-dataset", "--note", "invented", *where)  # fmt: skip
    (tmp_path / "request.toml").write_text(REQUEST)
    package = tmp_path / "package"
    run("build", str(tmp_path / "request.toml"), "--out", str(package), *where)
    approval = package.with_name("package.steward") / "approval.json"
    assert "holds: all" in run("verify", str(package), "--approval", str(approval))
    counts = json.loads((package.with_name("package.steward") / "utility.json").read_text())
    assert counts["learners_affected"] <= 60
    released = pl.read_parquet(package / "data" / "enrolments.parquet")
    pairs = world["studentInfo"].select("id_student", "code_module").unique().height
    assert 0.85 * pairs <= released.height <= pairs
    assert released["clicks"].n_unique() > 2
