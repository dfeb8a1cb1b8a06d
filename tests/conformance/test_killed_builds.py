"""A build that is killed leaves no release or a whole one, and the next build proceeds.

Every step is tried on SQLite; on PostgreSQL, the steps around the commits that count. With
KOHORT_EVERY_MOMENT=1 every step is tried on both.
"""

import pytest

from pipelines.build import STEPS
from tests.crashing import (
    AtMoment,
    AtStep,
    Child,
    Note,
    assert_whole,
    build_next,
    kill_me,
)

AFTER = STEPS[STEPS.index("publish") + 1 :]
"""The steps that come when a release is published."""

AGAIN = ("keep who permits it", "give out", "hand over to the steward", "hand over", "tidy up")
KINDS = {"ready": "record", "outdated": "record", "linked": "write"}
"""Kinds of worlds, and the step from which on moments are counted."""

PARTS = 3
"""How many moments of all are tried."""


@pytest.fixture(scope="module")
def moments(worlds, tmp_path_factory):
    """How many changes a build makes from there on."""
    found = {}
    for kind, since in KINDS.items():
        folder = tmp_path_factory.mktemp("counted")
        with worlds.copy(kind, folder / "world") as world:
            assert world.build(Note(folder / "noted", since), out="out2").end().code == 0
            found[kind] = len((folder / "noted").read_text().splitlines())
    return found


@pytest.mark.sampled("postgresql", step=("record", "publish"))
@pytest.mark.parametrize("step", STEPS)
def test_killed_before_each_step(worlds, tmp_path, step: str):
    """There is no release before it is published, and a whole one after."""
    with worlds.copy("ready", tmp_path / "world") as world:
        assert world.build(AtStep(step, kill_me)).end().killed
        assert ("served" in world.states()) is (step in AFTER)
        assert build_next(world)["again"] is (step in AFTER)


@pytest.mark.sampled("postgresql", kind=("outdated",))
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", KINDS)
def test_killed_between_steps(worlds, moments, tmp_path, kind: str, part: int):
    """The same at moments in between; an earlier release is served until the new one is."""
    number = 1 + (moments[kind] - 1) * part // (PARTS - 1)
    with worlds.copy(kind, tmp_path / "world") as world:
        killed = world.build(AtMoment(number, kill_me, KINDS[kind]), out="out2").end()
        assert killed.killed
        assert world.states().count("served") <= 1
        assert ("served" in world.states()) or kind != "outdated"
        build_next(world)
        assert world.states().count("served") == 1


@pytest.mark.sampled("postgresql", step=("hand over",))
@pytest.mark.parametrize("step", AGAIN)
def test_killed_while_giving_out_again(worlds, tmp_path, step: str):
    """The recorded release stays what it is, and is given out by the next build."""
    with worlds.copy("served", tmp_path / "world") as world:
        assert world.build(AtStep(step, kill_me), out="out2").end().killed
        assert build_next(world)["again"]
        assert world.states() == ["served"]


@pytest.mark.sampled("postgresql", step=("publish",))
@pytest.mark.parametrize("step", ["write", "publish", "hand over"])
def test_killed_while_cleaning_up(worlds, tmp_path, step: str):
    """Whoever cleans up after a killed build may be killed too, again and again."""
    with worlds.copy("ready", tmp_path / "world") as world:
        assert world.build(AtStep(step, kill_me)).end().killed
        recover, number = world.words("recover"), 1
        while Child(recover, AtMoment(number, kill_me)).end().killed:
            assert_whole(world)
            number += 23
        assert build_next(world)["again"] is (step in AFTER)
