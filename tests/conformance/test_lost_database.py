"""A database that goes away in the middle of a build: one line, nothing raw left, well later.

Tried on PostgreSQL, where it happens, is each stretch of a build that the database sees; on SQLite,
less. With KOHORT_EVERY_MOMENT=1 every step is tried on both.
"""

import itertools

import pytest

from pipelines.build import STEPS
from tests.crashing import (
    DIVIDED,
    AtMoment,
    AtStep,
    Hold,
    assert_whole,
    build_next,
    left_behind,
    lose_a_commit,
)

NEEDED = STEPS[: STEPS.index("publish") + 1]
"""The steps that the registry is needed for."""

PARTS = 4


@pytest.mark.sampled("sqlite", step=("publish",))
@pytest.mark.sampled("postgresql", step=("recover", "keep who permits it", *DIVIDED))
@pytest.mark.parametrize("step", STEPS)
def test_lost_before_each_step(worlds, tmp_path, step: str):
    """The build says so in one line and leaves no raw row; the next one proceeds."""
    with worlds.copy("ready", tmp_path / "world") as world:
        hold = Hold()
        build = world.build(AtStep(step, hold))
        hold.wait()
        with worlds.lost(world):
            hold.go_on.set()
            ended = build.end()
            assert not [left for left in left_behind(world) if "raw" in left or "staging" in left]
        if step in NEEDED:
            assert (ended.code, ended.refused) == (7, True), ended
        else:
            assert ended.answer["ok"]
        assert build_next(world)["again"] is (step not in NEEDED)


@pytest.mark.sampled("sqlite", step=("give out",))
@pytest.mark.parametrize("step", ["keep who permits it", "give out", "hand over"])
def test_lost_while_giving_out_again(worlds, tmp_path, step: str):
    """The recorded release stays what it is."""
    with worlds.copy("served", tmp_path / "world") as world:
        hold = Hold()
        build = world.build(AtStep(step, hold), out="out2")
        hold.wait()
        with worlds.lost(world):
            hold.go_on.set()
            ended = build.end()
        assert ended.refused or ended.answer["again"]
        assert build_next(world)["again"]
        assert world.states() == ["served"]


@pytest.mark.sampled("sqlite", kind=("outdated",))
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        *itertools.product(("ready", "outdated"), ("record", "keep the key", "publish")),
        ("served", "give out"),
    ],
)
def test_a_commit_that_nobody_heard_of(worlds, tmp_path, kind: str, step: str):
    """A connection that is lost with the answer to a commit: what was committed holds."""
    with worlds.copy(kind, tmp_path / "world") as world:
        ended = world.build(AtStep(step, lose_a_commit), out="out2").end()
        assert ended.refused or ended.answer["ok"]
        build_next(world)
        assert world.states().count("served") == 1


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("worlds", ["postgresql"], indirect=True)
def test_cut_off_between_steps(worlds, tmp_path, part: int):
    """A server that ends every connection while a release is recorded, and takes new ones."""
    with worlds.copy("outdated", tmp_path / "world") as world:
        hold = Hold()
        build = world.build(AtMoment(1 + 13 * part, hold, "record"), out="out2")
        hold.wait()
        worlds.cut(world)
        hold.go_on.set()
        ended = build.end()
        assert ended.refused or ended.answer["ok"]
        assert_whole(world)
        build_next(world)
        assert world.states().count("served") == 1
