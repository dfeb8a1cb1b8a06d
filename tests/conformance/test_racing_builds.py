"""Two who act at the same moment: one after the other, whoever is first, and no promise broken.

Every step is tried on SQLite, and those that a commit or the lock divides on PostgreSQL, too. With
KOHORT_EVERY_MOMENT=1 every step is tried on both.
"""

import shutil

import pytest

from pipelines.build import STEPS
from pipelines.governance.releases import ReleaseStatus, members, releases_of
from pipelines.governance.rights import learner_digest
from pipelines.keys import registry_key
from tests.crashing import (
    DIVIDED,
    AtCommit,
    AtOnce,
    AtStep,
    Child,
    Ended,
    Hold,
    Meet,
    World,
    assert_tidy,
    assert_whole,
    build_next,
    packages,
)
from tests.reference.gate import Released, cells
from tests.smallworld import raw_id

SOMEBODY = 7
BEFORE = STEPS[: STEPS.index("record") + 1]
"""The steps before a release is recorded."""

ALONE = STEPS[STEPS.index("wait") + 1 : STEPS.index("publish") + 1]
"""The steps that one build at a time is at."""

SOME = ("read", "wait", "keep who permits it", "write", "record", "publish", "hand over")
FEW = ("keep who permits it", "record", "publish")
ERASED = ("erase", "--reason", "letter")
WITHDRAWN = ("set", "--state", "withdrawn", "--purpose", "research")
REFINED = (
    ('title = "Results by region"', 'title = "Results by gender"'),
    ('["gender", "region"]', '["region"]'),
)
"""Another request: alone it keeps its promise in finer regions than the first one's."""


def bytes_of(package) -> dict[str, bytes]:
    """Every file of a package."""
    files = (path for path in package.rglob("*") if path.is_file())
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in files}


def shows(world: World, number: int) -> set[str]:
    """The releases that show a learner."""
    digest = learner_digest(raw_id(number), registry_key(world.workspace))
    return {one.id for one in releases_of(world.registry(), [digest])}


@pytest.mark.parametrize("number", [2, 4])
def test_the_same_request_at_once(worlds, tmp_path, number: int):
    """One release, which all of them get, byte for byte."""
    with worlds.copy("ready", tmp_path / "world") as world:
        meet = Meet(number)
        builds = [world.build(AtOnce(meet), out=f"out{n}") for n in range(number)]
        built = [build.end().answer for build in builds]
        assert sorted(one["again"] for one in built) == [False] + [True] * (number - 1)
        assert len({one["release"] for one in built}) == len(world.states()) == 1
        first, *others = [bytes_of(package) for package in packages(world)]
        assert len(others) == number - 1
        assert all(other == first for other in others)
        assert_tidy(world)


@pytest.mark.sampled("postgresql", step=("wait", "publish"))
@pytest.mark.parametrize("step", SOME)
def test_the_same_request_while_one_is_held_up(worlds, tmp_path, step: str):
    """Wherever the first one stands, both get the one release."""
    with worlds.copy("ready", tmp_path / "world") as world:
        held, other = beside(world, step, world.words(), out="out2")
        assert {held.answer["again"], other.answer["again"]} == {True, False}
        assert held.answer["release"] == other.answer["release"]
        assert world.states() == ["served"]
        assert_tidy(world)


@pytest.mark.sampled("postgresql", step=DIVIDED)
@pytest.mark.parametrize("step", SOME)
def test_nobody_cleans_up_after_the_living(worlds, tmp_path, step: str):
    """`recover` beside a build that is held up does not wait for it, and takes nothing from it."""
    with worlds.copy("ready", tmp_path / "world") as world:
        hold = Hold()
        build = world.build(AtStep(step, hold))
        hold.wait()
        assert Child(world.words("recover")).end().code == 0
        hold.go_on.set()
        assert build.end().answer["ok"]
        assert world.states() == ["served"]
        assert_tidy(world)


@pytest.mark.parametrize("worlds", ["postgresql"], indirect=True)
@pytest.mark.parametrize("step", ["wait", "write", "record", "publish"])
def test_two_workspaces_of_a_team(worlds, tmp_path, step: str):
    """One registry, two folders: the second neither builds beside the first nor cleans it up."""
    with worlds.copy("ready", tmp_path / "world") as world:
        shutil.copytree(world.workspace, world.root / "team")
        others = ("--workspace", str(world.root / "team"))
        held, other = beside(world, step, others, out="out2")
        one, another = sorted([held, other])
        assert one.answer["ok"]
        assert (another.code, another.refused) == (7, True)  # the copy lies in the other folder
        assert world.states() == ["served"]


def beside(world: World, step: str, workspace: tuple[str, ...], *, out: str) -> tuple[Ended, Ended]:
    """A build that is held up before a step, and the same from a workspace that comes meanwhile."""
    hold, waits = Hold(), Hold()
    held = world.build(AtStep(step, hold), out="out1")
    hold.wait()
    named = ("build", str(world.root / "request.toml"), "--out", str(world.root / out), "--json")
    other = Child((*named, *workspace), AtStep("wait", waits))
    waits.wait()
    waits.go_on.set()
    first = None if step in ALONE else other.end()
    hold.go_on.set()
    return held.end(), first or other.end()


@pytest.mark.parametrize("step", ["wait", "hand over to the steward"])
def test_the_same_place_at_once(worlds, tmp_path, step: str):
    """One of them is there, whole; the other says in one line that it can't be."""
    with worlds.copy("ready", tmp_path / "world") as world:
        meet = Meet(2)
        both = [world.build(AtStep(step, meet)) for _ in range(2)]
        ended = sorted(build.end() for build in both)
        assert [one.code for one in ended] == [0, 8]
        assert ended[1].refused
        assert_tidy(world)


@pytest.mark.sampled("postgresql", step=("publish",))
@pytest.mark.parametrize("step", ["read", "publish", "hand over to the steward", "hand over"])
def test_a_place_that_is_taken_meanwhile(worlds, tmp_path, step: str):
    """What somebody else put there stays, and the recorded release is given out elsewhere."""
    with worlds.copy("ready", tmp_path / "world") as world:
        hold = Hold()
        build = world.build(AtStep(step, hold), out="taken")
        hold.wait()
        (world.root / "taken").mkdir()
        (world.root / "taken" / "mine").touch()
        hold.go_on.set()
        ended = build.end()
        assert (ended.code, ended.refused) == (8, True)
        assert [path.name for path in world.root.glob("taken*")] == ["taken"]
        assert [path.name for path in (world.root / "taken").iterdir()] == ["mine"]
        assert build_next(world)["again"]


def test_different_requests_at_once(worlds, tmp_path):
    """What both show together keeps the promise, where each alone would not have."""
    with (
        worlds.copy("ready", tmp_path / "one") as world,
        worlds.copy("ready", tmp_path / "other") as elsewhere,
        worlds.copy("served", tmp_path / "first") as first,
    ):
        request = (world.root / "request.toml").read_text()
        for old, new in REFINED:
            request = request.replace(old, new)
        (world.root / "other.toml").write_text(request)
        (elsewhere.root / "request.toml").write_text(request)
        elsewhere.build_now("out")
        meet = Meet(2)
        builds = [
            world.build(AtOnce(meet), out="out2"),
            world.build(AtOnce(meet), out="out3", request="other.toml"),
        ]
        ended = [build.end() for build in builds]
        told = [(one.code, one.said.count("\n")) for one in ended]
        assert (0, 1) in told
        assert set(told) <= {(0, 1), (5, 1)}
        assert_tidy(world)
        shown = live(world)
        assert len(shown) == told.count((0, 1))
        assert keep_their_promise(shown)
        assert not keep_their_promise(live(first) + live(elsewhere))


def live(world: World) -> list[Released]:
    """The live releases, as the slow twin counts them."""
    return [released(world, one) for one in world.releases() if one.live]


def keep_their_promise(releases: list[Released]) -> bool:
    """Whether everybody is among k in what they show together."""
    return all(len(cell.keys) >= cell.need for cell in cells(releases) if cell.promised)


def released(world: World, one: ReleaseStatus) -> Released:
    """A release as the slow twin counts it."""
    who: dict[str, tuple[int, set[str]]] = {}
    for learner, item, number in members(world.registry(), one.id).iter_rows():
        who.setdefault(learner, (number, set()))[1].add(item)
    shown = {learner: (number, frozenset(items)) for learner, (number, items) in who.items()}
    return Released(one.k, one.m, one.project, one.item is not None, shown)


@pytest.mark.sampled(
    "postgresql", step=("keep who permits it", "record", "publish"), words=(ERASED,)
)
@pytest.mark.parametrize(
    ("words", "step"),
    [(ERASED, step) for step in STEPS]
    + [(WITHDRAWN, step) for step in ("read", "record", "publish")],
)
def test_a_statement_in_the_middle_of_a_build(worlds, tmp_path, step: str, words):
    """What is recorded after it does not show the learner; what was before is known to show him."""
    command, *options = words
    with worlds.copy("ready", tmp_path / "world") as world:
        hold = Hold()
        build = world.build(AtStep(step, hold))
        hold.wait()
        world.say("rights", command, raw_id(SOMEBODY), *options)
        known = shows(world, SOMEBODY)
        hold.go_on.set()
        ended = build.end()
        assert ended.code == 0 or (ended.refused and ended.code == 7)
        assert shows(world, SOMEBODY) <= known
        assert (known == set()) is (step in BEFORE)
        built = build_next(world)
        assert built["again"] is (ended.code == 0 and step in BEFORE)
        assert built["release"] not in shows(world, SOMEBODY)


def test_two_recalls_at_once(worlds, tmp_path):
    """One of them is told that the other was first."""
    with worlds.copy("served", tmp_path / "world") as world:
        meet = Meet(2)
        recall = world.words("release", "recall", world.releases()[0].id, "--reason", "a fault")
        ended = [
            child.end() for child in [Child(recall, AtOnce(meet)), Child(recall, AtOnce(meet))]
        ]
        assert sorted(one.code for one in ended) == [0, 7]
        assert next(one for one in ended if one.code).refused
        assert world.states() == ["recalled"]
        assert_whole(world)


@pytest.mark.parametrize("erase_first", [True, False])
def test_an_import_beside_an_erasure(worlds, tmp_path, erase_first: bool):
    """Whichever commits first, the learner is erased, and no build shows him."""
    with worlds.copy("ready", tmp_path / "world") as world:
        hold = Hold()
        erase = world.words("rights", "erase", raw_id(SOMEBODY), "--reason", "letter")
        imports = world.words("rights", "import", str(world.root / "rights.csv"))
        first, second = (erase, imports) if erase_first else (imports, erase)
        held = Child(first, AtCommit(hold))
        hold.wait()
        other = Child(second)
        hold.go_on.set()
        assert held.end().code == 0
        ended = other.end()
        assert (ended.code, ended.refused) == ((7, True) if erase_first else (0, False))
        built = build_next(world)
        assert built["release"] not in shows(world, SOMEBODY)
