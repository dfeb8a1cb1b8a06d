"""Aggregate builds that are killed, raced and refused: drawn once, charged first, never refunded.

Whatever happens, the budget on record has what was drawn, or might have been. Tried
is one step of each stretch that no commit of the ledger divides, and on SQLite some more. With
KOHORT_EVERY_MOMENT=1 every step is tried on both.
"""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import pipelines.cli.build as cli_build
from pipelines.build import AGGREGATE_STEPS as STEPS
from pipelines.governance.ledger import charged_draws
from pipelines.governance.tables import ChargeEvent, Spend
from pipelines.verify import verify_package
from pipelines.verify.outcome import Check
from tests.crashing import (
    WITHDRAWN,
    AtMoment,
    AtOnce,
    AtStep,
    Child,
    Hold,
    Meet,
    Note,
    World,
    assert_tidy,
    assert_whole,
    build_next,
    ignore_the_lock,
    kill_me,
    left_behind,
    lose_a_commit,
    packages,
)

SINCE = "charge the budget"
COST = 500_000
"""Millionths of epsilon that the request asks for."""

NOTHING: tuple[str, ...] = ()
REFUNDED, LOST, COMMITTED = ("refunded",), ("lost",), ("committed",)

ENDS = {
    **dict.fromkeys(STEPS[: STEPS.index(SINCE) + 1], NOTHING),
    "count": REFUNDED,
    **dict.fromkeys(("draw noise", "write", "verify", "record", "commit the charge"), LOST),
    **dict.fromkeys(("keep a copy", "publish"), COMMITTED),
}
"""The step before which a build is killed -> what becomes of its charge; the others publish."""

DIVIDED_BY_CHARGES = (SINCE, "count", "draw noise", "commit the charge", "keep a copy")
"""The steps of an aggregate that a commit of the ledger lies between."""

OTHERS = ("wait", "write", "record", "publish", "hand over", "tidy up")
"""More of them, that differ in what is left behind."""

COMMITS = [NOTHING, REFUNDED, LOST, LOST, COMMITTED]
"""The same of a build that dies with a commit on its lips: to charge, read, record, commit the
charge, publish."""

BECOMES = {"reserved": "refunded", "reading": "lost", "committed": "committed"}
"""What a charge is when its build dies -> what it is once that is known."""

LIVES = {
    ("reserved", "refunded"),
    ("reserved", "reading", "lost"),
    ("reserved", "reading", "committed"),
}
"""All that may ever happen to a charge, in this order."""

PARTS = 3
"""How many moments of all are tried, apart from commits."""

DRAWING = (
    "pipelines.aggregates.release.exact_figures",
    "anonymizer.dp.noise._drawn",
    "anonymizer.dp.noise._scoring",
)
"""What reads learners' rows, and what every draw goes through; in this order."""

RACING = 4


@pytest.fixture(scope="module")
def noted(worlds, tmp_path_factory) -> list[str]:
    """The changes that a build makes from its charge on."""
    folder = tmp_path_factory.mktemp("noted")
    with worlds.copy("aggregate", folder / "world") as world:
        assert world.build(Note(folder / "noted", SINCE)).end().code == 0
    return (folder / "noted").read_text().splitlines()


def events(world: World) -> dict[str, tuple[str, ...]]:
    """Charge -> what happened to it."""
    found: dict[str, tuple[str, ...]] = {}
    with world.registry().connect() as connection:
        query = select(ChargeEvent.charge, ChargeEvent.kind).order_by(ChargeEvent.id)
        for charge, kind in connection.execute(query):
            found[charge] = (*found.get(charge, ()), kind)
    return found


def statement(world: World) -> dict[str, Any]:
    """What `kohort budget show` says of the family, which adds up."""
    (family,) = json.loads(world.say("budget", "show", "--json"))["families"]
    (account,) = family["accounts"]
    for part in ("micro", "atto_delta"):
        kept = [c["charged"][part] for c in family["charges"] if c["state"] != "refunded"]
        assert sum(kept) == account["spent"][part]
        assert sum(c["spent"][part] for c in family["charges"]) == account["spent"][part]
        assert account["spent"][part] + account["left"][part] == account["ceiling"][part]
    assert {c["id"]: c["state"] for c in family["charges"]} == {
        charge: happened[-1] for charge, happened in events(world).items()
    }
    return family


def ended(world: World) -> tuple[str, ...]:
    """The state of each charge, oldest first; all of them have ended, as they may."""
    assert set(events(world).values()) <= LIVES
    told = statement(world)["charges"]
    assert {charge["charged"]["micro"] for charge in told} <= {COST}
    return tuple(charge["state"] for charge in told)


def builds_anew(world: World) -> None:
    """The next build of the request charges, and says so."""
    before = statement(world)["charges"]
    built = build_next(world)
    assert not built["again"]
    *earlier, last = statement(world)["charges"]
    assert (earlier, last["id"], last["state"]) == (before, built["release"], "committed")
    assert world.states().count("served") == 1


def gives_again(world: World) -> None:
    """The next build of the request gives out the one release that is served, at no cost."""
    before, served = statement(world), [one.id for one in world.releases() if one.served]
    built = build_next(world)
    assert (built["again"], [built["release"]]) == (True, served)
    assert statement(world) == before


@pytest.mark.sampled("sqlite", step=(*DIVIDED_BY_CHARGES, *OTHERS))
@pytest.mark.sampled("postgresql", step=DIVIDED_BY_CHARGES)
@pytest.mark.parametrize("step", STEPS)
def test_killed_before_each_step(worlds, tmp_path, step: str):
    """Before it reads it costs nothing, then all; what is published is given out by the next."""
    with worlds.copy("aggregate", tmp_path / "world") as world:
        assert world.build(AtStep(step, kill_me)).end().killed
        if step in ENDS:
            assert "served" not in world.states()
            assert not build_next(world)["again"]  # which settles the charge
            assert ended(world) == (*ENDS[step], "committed")
        else:
            assert (world.states(), ended(world)) == (["served"], COMMITTED)
            gives_again(world)


@pytest.mark.sampled("postgresql", number=(1, 3))
@pytest.mark.parametrize(("number", "ends"), [*enumerate(COMMITS)])
def test_killed_at_a_commit(worlds, noted, tmp_path, number: int, ends: tuple[str, ...]):
    """What was not committed did not happen; `recover` settles the charge, once."""
    commits = [moment for moment, what in enumerate(noted, 1) if what == "commit"]
    with worlds.copy("aggregate", tmp_path / "world") as world:
        assert world.build(AtMoment(commits[number], kill_me, SINCE)).end().killed
        recovers(world, ends)


@pytest.mark.sampled("postgresql", part=(1,))
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_between_steps(worlds, noted, tmp_path, part: int):
    """The same at moments in between."""
    moment = 1 + len(noted) * part // PARTS
    with worlds.copy("aggregate", tmp_path / "world") as world:
        assert world.build(AtMoment(moment, kill_me, SINCE)).end().killed
        recovers(world, tuple(BECOMES[happened[-1]] for happened in events(world).values()))


def recovers(world: World, ends: tuple[str, ...]) -> None:
    """`recover` leaves nothing of a dead build but what it cost."""
    assert_whole(world)
    (settled,) = json.loads(world.say("recover", "--json"))["settled"]
    assert_tidy(world)
    assert ended(world) == ends
    assert [charge["id"] for charge in statement(world)["charges"]] == [settled] * len(ends)
    assert world.say("recover") == "nothing was left behind\n"


@pytest.mark.sampled("postgresql", step=("commit the charge",))
@pytest.mark.parametrize(("step", "ends"), [("count", REFUNDED), ("commit the charge", LOST)])
def test_killed_while_settling(worlds, tmp_path, step: str, ends: tuple[str, ...]):
    """Whoever settles a charge may be killed too, again and again: it ends once."""
    with worlds.copy("aggregate", tmp_path / "world") as world:
        assert world.build(AtStep(step, kill_me)).end().killed
        number, recover = 2, world.words("recover")
        while Child(recover, AtMoment(number, kill_me)).end().killed:
            assert_whole(world)
            number += 23
        assert number > 2
        assert_tidy(world)
        assert ended(world) == ends


def test_killed_while_giving_out_again(worlds, tmp_path):
    """It costs nothing, and the release stays what it is."""
    with worlds.copy("drawn", tmp_path / "world") as world:
        before = statement(world)
        assert world.build(AtStep("hand over", kill_me), out="out2").end().killed
        assert statement(world) == before
        gives_again(world)
        assert world.states() == ["served"]


def test_killed_on_newer_data(worlds, tmp_path):
    """The earlier release is served until the next is published; each draw is paid for."""
    with worlds.copy("drawn", tmp_path / "world") as world:
        world.withdraw(WITHDRAWN)
        assert world.build(AtStep("publish", kill_me), out="out2").end().killed
        assert world.states() == ["served", "reserved"]
        builds_anew(world)
        assert world.states() == ["superseded", "failed", "served"]
        assert ended(world) == ("committed",) * 3
        gives_again(world)


@pytest.mark.sampled("sqlite", step=("count",))
@pytest.mark.parametrize(
    ("step", "ends"),
    [(SINCE, REFUNDED), ("count", LOST), ("commit the charge", COMMITTED)],
)
def test_a_commit_that_nobody_heard_of(worlds, tmp_path, monkeypatch, step: str, ends):
    """What is on record of the charge counts, whatever the build was told of it."""
    with worlds.copy("aggregate", tmp_path / "world") as world:
        refuses(world, monkeypatch, AtStep(step, lose_a_commit), code=7)
        assert ended(world) == ends


def refuses(world: World, monkeypatch, act: AtStep, *, code: int) -> str:
    """A build in this process to which something happens ends with one line, and leaves nothing."""
    named = ("build", str(world.root / "request.toml"), "--out", str(world.root / "out"))
    with monkeypatch.context() as patched:
        patched.setattr(cli_build, "show_progress", cli_build.show_progress)  # put back after
        act.arrange()
        said = world.say(*named, code=code)
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert set(world.states()) <= {"failed"}
    assert packages(world) == []
    assert_tidy(world)
    return said


def test_charged_before_anything_is_read_or_drawn(worlds, tmp_path, monkeypatch):
    """Others see the charge, all that will be drawn, and that it is read, before the first row."""
    seen: list[tuple[str, Any]] = []
    drawn: set[tuple[str, Fraction]] = set()
    with worlds.copy("aggregate", tmp_path / "world") as world:

        def watch(path: str) -> None:
            module, _, name = path.rpartition(".")
            original = getattr(__import__(module, fromlist=[name]), name)

            def watched(*arguments: Any) -> Any:
                seen.append((path, (events(world), charged_on_record(world))))
                noise = [one for one in arguments if hasattr(one, "scale")]
                drawn.update((one.name, one.scale) for one in noise)
                return original(*arguments)

            monkeypatch.setattr(path, watched)

        for path in DRAWING:
            watch(path)
        built = world.build_now("out")
        charged = charged_draws(world.registry(), built["release"])
    paths, records = zip(*seen, strict=True)
    assert tuple(dict.fromkeys(paths)) == DRAWING
    own = built["release"]
    assert all(record == ({own: ("reserved", "reading")}, {(own, COST)}) for record in records)
    assert drawn == {(draw.mechanism, Fraction(draw.scale)) for draw in charged}


def charged_on_record(world: World) -> set[tuple[str, int]]:
    """Charge and millionths of every account's spends, as a connection of its own reads them."""
    with world.registry().connect() as connection:
        return {tuple(row) for row in connection.execute(select(Spend.charge, Spend.micro))}


def test_the_same_request_at_once(worlds, tmp_path):
    """It is drawn once; the other build gives the same bytes out again."""
    with worlds.copy("aggregate", tmp_path / "world") as world:
        meet = Meet(2)
        builds = [world.build(AtOnce(meet), out=f"out{n}") for n in (1, 2)]
        built = [build.end().answer for build in builds]
        assert {one["again"] for one in built} == {True, False}
        assert len({one["release"] for one in built}) == 1
        one, other = map(bytes_of, packages(world))
        assert one == other
        assert (world.states(), ended(world)) == (["served"], COMMITTED)
        assert_tidy(world)


def bytes_of(package: Path) -> dict[str, bytes]:
    """Every file of a package."""
    files = (path for path in package.rglob("*") if path.is_file())
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in files}


@pytest.mark.sampled("sqlite", step=(SINCE,))
@pytest.mark.parametrize(
    ("step", "told"),
    [
        (SINCE, "answered the same request meanwhile"),
        ("count", "is under way"),
        ("publish", "is under way"),
    ],
)
def test_the_same_request_without_the_lock(worlds, tmp_path, step: str, told: str):
    """Who comes second to the ledger is refused: also then it is drawn once."""
    with worlds.copy("aggregate", tmp_path / "world") as world:
        hold, free = Hold(), AtOnce(ignore_the_lock)
        held = world.build(free, AtStep(step, hold), out="out2")
        hold.wait()
        other = world.build(free, out="out3").end()
        hold.go_on.set()
        refused, drew = (held.end(), other) if step == SINCE else (other, held.end())
        assert (refused.code, refused.refused, told in refused.said) == (7, True, True), refused
        assert not drew.answer["again"]
        assert (world.states(), ended(world)) == (["served"], COMMITTED)
        assert_tidy(world)


def test_as_many_as_the_ceiling_allows(worlds, tmp_path):
    """Of four requests for two fifths each, asked at the same moment, two are granted."""
    with worlds.copy("aggregate", tmp_path / "world") as world:
        request = (world.root / "request.toml").read_text()
        for number in range(RACING):
            own = request.replace("epsilon = 0.5", "epsilon = 0.8")
            own = own.replace("by region", f"by region, {number}")
            (world.root / f"request{number}.toml").write_text(own)
        acts = AtOnce(ignore_the_lock), AtStep(SINCE, Meet(RACING))
        builds = [
            world.build(*acts, out=f"out{number}", request=f"request{number}.toml")
            for number in range(RACING)
        ]
        heard = [build.end() for build in builds]
        granted = [number for number, one in enumerate(heard) if one.code == 0]
        assert len(granted) == 2
        for one in (one for one in heard if one.code):
            assert (one.code, one.refused) == (7, True)
            told = "requested epsilon 0.8, remaining epsilon 0.4, difference epsilon 0.4;"
            assert told in one.said
        assert_tidy(world)
        assert world.states() == ["served", "served"]
        before = statement(world)
        assert {charge["id"] for charge in before["charges"]} == {
            heard[number].answer["release"] for number in granted
        }
        # What was drawn is still given out, though nothing is left for another.
        again = world.build(request=f"request{granted[0]}.toml").end().answer
        assert (again["again"], again["release"]) == (True, heard[granted[0]].answer["release"])
        assert statement(world) == before


@pytest.mark.sampled("postgresql", step=("record",))
@pytest.mark.parametrize(
    ("step", "ends"),
    [("keep who permits it", NOTHING), (SINCE, REFUNDED), ("record", LOST), ("publish", COMMITTED)],
)
def test_consent_withdrawn_meanwhile(worlds, tmp_path, monkeypatch, step: str, ends):
    """Nothing is released; once rows were read, the charge stays spent, and the message says so."""
    with worlds.copy("aggregate", tmp_path / "world") as world:
        withdraw = AtStep(step, lambda: world.withdraw(WITHDRAWN))
        said = refuses(world, monkeypatch, withdraw, code=7)
        assert "something changed during the build (rights.set)" in said
        assert ("what was charged for it stays spent" in said) is (ends in {LOST, COMMITTED})
        assert ended(world) == ends


def test_refused_by_the_checker(worlds, tmp_path, monkeypatch):
    """What was drawn stays paid for, though nobody gets it."""
    with worlds.copy("aggregate", tmp_path / "world") as world:

        def broken(*arguments: Any) -> Any:
            found = verify_package(*arguments)
            return replace(found, checks=(*found.checks, Check("grid", False, "not whole")))

        def break_it() -> None:
            monkeypatch.setattr("pipelines.noisy.verify_package", broken)

        said = refuses(world, monkeypatch, AtStep("verify", break_it), code=5)
        monkeypatch.undo()
        assert "the checker refuses what was built (grid)" in said
        assert (world.states(), ended(world)) == ([], LOST)
        assert left_behind(world) == []
        builds_anew(world)
