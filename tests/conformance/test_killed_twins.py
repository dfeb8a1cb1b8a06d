"""Builds of synthetic twins that are killed: what is charged stays so, and nothing is left.

They go through the same steps as aggregates but for two, so two moments are tried, on SQLite.
"""

import json

import pytest

from tests.crashing import AtStep, assert_tidy, build_next, kill_me

TWIN = """
title = "Invented"
researcher = "r.lee@uni.example"
purpose = "research"
source = "small"
[release]
type = "synthetic"
pseudonyms = "release"
catalogue = "CATALOGUE"
learners = ["gender", "region"]
enrolments = ["code_module", "clicks"]
[release.budget]
epsilon = 0.5
"""


@pytest.mark.parametrize("worlds", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("step", "charges", "again"),
    [("invent learners", ["lost", "committed"], False), ("hand over", ["committed"], True)],
)
def test_killed(worlds, tmp_path, step: str, charges: list[str], again: bool):
    """Once rows were read the charge stays; what is published is given out by the next build."""
    with worlds.copy("aggregate", tmp_path / "world") as world:
        asked = (world.root / "request.toml").read_text()
        catalogue = asked.split('catalogue = "')[1].split('"')[0]
        (world.root / "request.toml").write_text(TWIN.replace("CATALOGUE", catalogue))
        assert world.build(AtStep(step, kill_me)).end().killed
        assert ("served" in world.states()) == again
        assert build_next(world)["again"] == again
        (family,) = json.loads(world.say("budget", "show", "--json"))["families"]
        assert [charge["state"] for charge in family["charges"]] == charges
        assert_tidy(world)
