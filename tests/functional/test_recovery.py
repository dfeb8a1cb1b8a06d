"""What becomes of builds that are over: by the registry's word, and nothing raw stays behind."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from polars.exceptions import ComputeError

from pipelines import publishing
from pipelines.build import STEPS
from pipelines.errors import OutputError, RegistryError, RoleError
from pipelines.folders import make, target, workplace
from pipelines.governance.chain import head
from pipelines.governance.database import open_registry
from pipelines.governance.releases import recall, releases
from pipelines.journal import begun
from pipelines.people import EVERY_DUTY, Actor, Duty
from pipelines.recovery import Recovered, recover
from pipelines.settings import find_workspace
from tests import governed
from tests.smallworld import consent, make_world, run

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACTOR = Actor("e.diaz@platform.example", "diaz", EVERY_DUTY)
STEPS_AGAIN = ("give out", "hand over to the steward", "hand over", "tidy up")


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A workspace where everybody permits; to be copied."""
    made = make_world(tmp_path_factory.mktemp("ready"))
    consent(made)
    return made


def copied(made: Path, to: Path) -> Path:
    """A copy of a world, which knows where it is now."""
    shutil.copytree(made, to, dirs_exist_ok=True)
    for file in (to / "ws" / "kohort.toml", *to.glob("ws/building/*/journal.json")):
        file.write_text(file.read_text().replace(str(made), str(to)))
    own(to)
    return to


def own(world: Path) -> None:
    """Let copied journals be those of the world's own builds."""
    for file in world.glob("ws/building/*/journal.json"):
        lock = (file.parent / "lock").stat()
        news = {"lock": [lock.st_ino, lock.st_ctime_ns], "beside": world.stat().st_ino}
        file.write_text(json.dumps(json.loads(file.read_text()) | news))


@pytest.fixture
def world(ready, tmp_path):
    """A world of its own."""
    return copied(ready, tmp_path / "world")


def recovered(world: Path) -> Recovered:
    return recover(world / "ws", governed.registry(world), actor=ACTOR, at=datetime.now(UTC))


def states(world: Path) -> list[str]:
    return [str(one.state) for one in releases(governed.registry(world))]


def files(world: Path) -> dict[str, int]:
    """How many there are of what a build makes."""
    return {
        "hidden": len([*world.rglob(".kohort-*")]),
        "journals": len([*world.glob("ws/building/[!.]*")]),
        "keys": len([*world.glob("ws/keys/release-*")]),
        "copies": len([*world.glob("ws/releases/*")]),
        "packages": len([path for path in world.glob("out*") if path.suffix != ".steward"]),
        "steward": len([*world.glob("out*.steward")]),
    }


def expected(*, released: int, out: int) -> dict[str, int]:
    """Nothing but whole releases: so many that are served, and so many packages given out."""
    nothing = {"hidden": 0, "journals": 0}
    return nothing | {"keys": released, "copies": released, "packages": out, "steward": out}


def stop_at(monkeypatch, step: str, fault: BaseException) -> None:
    """The next builds end so before a step, or where they read the registry's head for it."""

    def progress(told: str) -> None:
        if told == step:
            raise fault

    monkeypatch.setattr("pipelines.cli.build.show_progress", progress)


SOME = ("write", "keep the key", "publish", "hand over")
FAULTS = [
    (KeyboardInterrupt(), 1, STEPS),
    (OSError(28, "No space left on device"), 8, SOME),
    (RegistryError("the registry can't be used"), 7, SOME),
    (SystemExit(143), 143, SOME),
]
"""What may end a build at its steps, and the exit code of the command."""


@pytest.mark.parametrize("fault, code, steps", FAULTS, ids=["break", "disk", "registry", "kill"])
def test_a_build_that_ends(world, monkeypatch, fault, code, steps):
    """Nothing is left, or a recorded release; and the same build then succeeds."""
    published = 0
    for step in steps:
        with monkeypatch.context() as patch:
            stop_at(patch, step, fault)
            governed.build(world, "out", code=code)
        after = STEPS.index(step) > STEPS.index("publish")
        published = published or after
        handed = step == "tidy up"
        assert files(world) == expected(released=published, out=handed), step
        assert set(states(world)) <= {"failed", "served"}, step
        assert states(world).count("served") == published, step
    built = governed.build(world, "out2")
    assert built["again"]
    assert files(world) == expected(released=1, out=1 + handed)


SAID = [
    (OSError(28, "No space left on device", "/out/x"), 8, "can't write (/out/x: No space left"),
    (OSError(28, "No space left on device"), 8, "can't write (No space left on device); nothing"),
    (OSError("File too large (os error 27)"), 8, "can't write (File too large); nothing"),
    (ComputeError("parquet: raw1: File too large (os error 27)"), 8, "can't write (File too"),
    (ComputeError("raw1 is no number"), 9, "a fault of kohort (ComputeError"),
]


@pytest.mark.parametrize("fault, code, said", SAID)
def test_what_is_said_of_a_disk(world, monkeypatch, fault, code, said):
    """The system's own words, whichever library passes them on, and nothing of a row."""
    with monkeypatch.context() as patch:
        stop_at(patch, "write", fault)
        output = governed.build(world, "out", code=code)["said"]
    assert said in output
    assert "raw1" not in output


@pytest.mark.parametrize("step", STEPS_AGAIN)
def test_a_repeat_that_ends_at_any_step(world, monkeypatch, step):
    """The recorded release stays what it is, and is given out the next time."""
    first = governed.build(world, "out")
    with monkeypatch.context() as patch:
        stop_at(patch, step, KeyboardInterrupt())
        governed.build(world, "out2", code=1)
    handed = 1 + (step == "tidy up")
    assert files(world) == expected(released=1, out=handed)
    again = governed.build(world, "out3")
    assert (again["release"], again["again"]) == (first["release"], True)
    assert files(world) == expected(released=1, out=handed + 1)


def test_the_steps_of_a_build(world, monkeypatch):
    """They are told by name, in the order that is written down."""
    told = []
    monkeypatch.setattr("pipelines.cli.build.show_progress", told.append)
    governed.build(world, "out")
    assert tuple(told) == STEPS
    told.clear()
    governed.build(world, "out2")
    early = STEPS[: STEPS.index("anonymize")]
    assert tuple(told) == (*early, *STEPS_AGAIN)


@pytest.fixture(scope="module")
def dead_at(ready, tmp_path_factory):
    """Lay a copy of a world whose build was killed before a step: nothing was undone."""
    made = {}

    def nothing(*_args, **_more):
        raise RegistryError("it is dead")

    def dead_at(step: str, to: Path) -> Path:
        if step not in made:
            made[step] = copied(ready, tmp_path_factory.mktemp("dead"))
            with pytest.MonkeyPatch.context() as patch:
                stop_at(patch, step, KeyboardInterrupt())
                patch.setattr("pipelines.recovery._ended", nothing)
                governed.build(made[step], "out", code=1)
        return copied(made[step], to)

    return dead_at


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_dead_build(dead_at, tmp_path, step):
    """By what the registry says of its release, all of it goes, or the release stays."""
    world = dead_at(step, tmp_path)
    before = files(world)
    assert before["journals"] == 1
    published = STEPS.index(step) > STEPS.index("publish")
    reserved = not published and STEPS.index(step) > STEPS.index("record")
    assert states(world) == (["served"] if published else ["reserved"] if reserved else [])
    done = recovered(world)
    assert len(done.settled) == 1
    assert len(done.failed) == reserved
    assert done.keys == (before["keys"] if not published else 0)
    assert done.copies == (before["copies"] if not published else 0)
    assert files(world) == expected(released=published, out=step == "tidy up")
    assert states(world) == (["served"] if published else ["failed"] if reserved else [])
    assert recovered(world) == Recovered()


@pytest.mark.parametrize("step", ["write", "publish", "hand over"])
@pytest.mark.parametrize(
    "where",
    ["clear", "failed", "discard", "remove_secret", "settle", "Journal.close", "changing"],
)
def test_recovery_that_is_cut_off(dead_at, tmp_path, monkeypatch, step, where):
    """Whoever cleans up may be killed at any point: the next one ends it."""
    world = dead_at(step, tmp_path)

    def cut(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"pipelines.recovery.{where}", cut)
        if step == "hand over" and where in {"discard", "remove_secret"}:
            recovered(world)  # a published release keeps both
        else:
            with pytest.raises(KeyboardInterrupt):
                recovered(world)
    recovered(world)
    published = step == "hand over"
    assert files(world) == expected(released=published, out=0)
    assert states(world) == {"write": [], "publish": ["failed"], "hand over": ["served"]}[step]


@pytest.mark.parametrize("step", ["write", "record", "keep a copy", "publish"])
def test_a_registry_that_is_away_at_the_end(world, monkeypatch, step):
    """Raw rows and folders go at once; key and copy wait until it says what became of it."""

    def away(*_args, **_more):
        raise RegistryError("the registry can't be used")

    with monkeypatch.context() as patch:
        stop_at(patch, step, KeyboardInterrupt())
        patch.setattr("pipelines.recovery.failed", away)
        governed.build(world, "out", code=1)
    left = files(world)
    keyed, copied = step in {"keep a copy", "publish"}, step == "publish"
    assert left == expected(released=0, out=0) | {
        "journals": 1,
        "keys": int(keyed),
        "copies": int(copied),
    }
    assert not list(world.glob("ws/building/*/staging"))
    governed.build(world, "out")
    assert files(world) == expected(released=1, out=1)


def test_a_commit_nobody_was_told_of(world, monkeypatch):
    """Published, and the connection lost before the answer: the release is kept, and given out."""
    published = publishing.published

    def lost(*args, **more):
        published(*args, **more)
        raise RegistryError("the registry can't be used")

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.publishing.published", lost)
        assert "can't be used" in governed.build(world, "out", code=7)["said"]
    assert states(world) == ["served"]
    assert files(world) == expected(released=1, out=0)
    assert governed.build(world, "out")["again"]


def test_a_target_that_can_not_be_written(world, monkeypatch):
    """The message tells that the release is recorded, and how to have it."""

    def occupy(told):
        if told == "publish":
            (world / "out").mkdir()

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.cli.build.show_progress", occupy)
        said = governed.build(world, "out", code=8)["said"]
    assert "is recorded, but can't be written" in said
    assert "another --out" in said
    assert states(world) == ["served"]
    assert governed.build(world, "out2")["again"]


def test_a_dead_build_in_the_way_of_its_own_target(dead_at, tmp_path):
    """The steward's files of a build that was cut off don't make the next one refuse."""
    world = dead_at("hand over", tmp_path)
    assert files(world)["steward"] == 1
    assert governed.build(world, "out")["again"]
    assert files(world) == expected(released=1, out=1)


def test_who_is_alive_is_left_alone(world):
    """A build under way, in another process or this one, keeps its folders."""
    to = target(world / "out")
    with begun(world / "ws", "0000000a", to) as journal:
        place = workplace(journal.folder, "0000000a", to)
        make(place)
        assert recovered(world) == Recovered()
        assert all(folder.is_dir() for folder in place)
    assert recovered(world) == Recovered(settled=("0000000a",), folders=3)


def test_a_release_of_another_workspace_is_left_alone(dead_at, tmp_path):
    """What is reserved and has no journal here may be of a build that goes on elsewhere."""
    world = dead_at("publish", tmp_path)
    (journal,) = world.glob("ws/building/[!.]*")
    journal.rename(world / "elsewhere")
    assert recovered(world) == Recovered()
    assert states(world) == ["reserved"]
    journal.parent.mkdir(exist_ok=True)
    (world / "elsewhere").rename(journal)
    assert len(recovered(world).failed) == 1


def test_a_recalled_release_keeps_its_key(dead_at, tmp_path):
    """A steward took back what had not appeared: the copy goes, the key is his to destroy."""
    world = dead_at("publish", tmp_path)
    (one,) = releases(governed.registry(world))
    recall(governed.registry(world), one.id, reason="a mistake", actor=ACTOR, at=NOW)
    done = recovered(world)
    assert (done.failed, done.copies, done.keys) == ((), 1, 0)
    assert files(world) == expected(released=0, out=0) | {"keys": 1}


def test_copies_of_what_ended(world):
    """One that was recalled and not removed then, as the disk failed, is removed now."""
    built = governed.build(world, "out")
    recall(governed.registry(world), built["release"], reason="a mistake", actor=ACTOR, at=NOW)
    assert recovered(world) == Recovered(copies=1)
    assert recovered(world) == Recovered()


def test_what_earlier_versions_left(world):
    """Raw rows of a build that was killed before builds had journals go, too."""
    for name in (".kohort-staging-17-x", ".kohort-store-17-x"):
        (world / "ws" / name).mkdir()
    assert recovered(world) == Recovered(folders=2)


def test_recovery_is_recorded_once(dead_at, tmp_path):
    """With counts, and nobody's name; not where there was nothing to do."""
    world = dead_at("publish", tmp_path)
    before = head(governed.registry(world)).entry
    recovered(world)
    said = run("audit", "log", *governed.workspace(world))
    assert "1 builds, 1 releases failed, removed 3 folders, 1 copies, 1 keys" in said
    after = head(governed.registry(world)).entry
    assert after == before + 2
    recovered(world)
    assert head(governed.registry(world)).entry == after


def test_only_engineers_and_stewards(world):
    """A researcher cleans up nothing."""
    lee = Actor("r.lee@uni.example", "lee", frozenset({Duty.RESEARCHER}))
    with pytest.raises(RoleError):
        recover(world / "ws", governed.registry(world), actor=lee, at=NOW)


def test_the_command(dead_at, ready, tmp_path):
    """`kohort recover` tells what it did, for people and for programs."""
    where = governed.workspace(copied(ready, tmp_path / "ready"))
    assert run("recover", *where) == "nothing was left behind\n"
    world = dead_at("publish", tmp_path / "dead")
    (one,) = releases(governed.registry(world))
    assert run("recover", *governed.workspace(world)).splitlines() == [
        f"build {one.id}: failed; nothing of it is out",
        "removed: 3 folders, 1 copy, 1 key",
    ]
    world = dead_at("hand over", tmp_path / "handed")
    (one,) = releases(governed.registry(world))
    done = json.loads(run("recover", "--json", *governed.workspace(world)))
    counts = {"folders": 3, "copies": 0, "keys": 0}
    assert done == {"settled": [one.id], "failed": [], **counts, "charges": [], "left": []}


@pytest.mark.parametrize("out", ["file/x", "loop/x", "x" * 256 + "/x", "x" * 250])
def test_a_mistyped_target_stops_nobody(world, out):
    """It is refused in one line, and leaves nothing that later builds would stumble over."""
    (world / "file").touch()
    (world / "loop").symlink_to(world / "loop")
    assert governed.build(world, out, code=8)["said"].count("\n") == 1
    assert recovered(world) == Recovered()
    governed.build(world, "out")


def test_a_target_that_became_a_fault(dead_at, tmp_path):
    """It keeps its journal and is told of, without raw rows, key or copy; builds go on."""
    world = dead_at("publish", tmp_path)
    (journal,) = world.glob("ws/building/[!.]*")
    (hidden,) = world.glob(".kohort-*-package")
    hidden.rename(world / "elsewhere")
    hidden.write_text("no folder")
    done = recovered(world)
    assert (done.settled, done.keys, done.copies) == ((), 1, 1)
    (line,) = done.left
    assert f"{hidden}: can't be removed (Not a directory)" in line
    assert states(world) == ["failed"]
    assert not (journal / "staging").exists()
    before = head(governed.registry(world)).entry
    assert recovered(world) == Recovered(left=done.left)
    assert head(governed.registry(world)).entry == before
    governed.build(world, "out")
    hidden.unlink()
    assert recovered(world).settled == (journal.name,)


def test_a_disk_that_is_not_mounted(world, monkeypatch):
    """What a build made on it is removed once it is there again."""
    disk, away = world / "disk\n1", world / "away"
    with monkeypatch.context() as patch:
        stop_at(patch, "write", KeyboardInterrupt())
        patch.setattr("pipelines.recovery._ended", lambda *_, **__: None)
        governed.build(world, "disk\n1/out", code=1)
    disk.rename(away)
    disk.mkdir()
    done = recovered(world)
    assert (done.folders, done.settled, len(done.left)) == (1, (), 1)
    assert "disk 1 is not there any more; mount it" in done.left[0]
    governed.build(world, "out")
    disk.rmdir()
    away.rename(disk)
    assert recovered(world).folders == 2
    assert files(world) == expected(released=1, out=1)


def test_one_fault_keeps_no_other_raw_rows(dead_at, tmp_path, monkeypatch):
    """Those of every dead build go first, and all are dealt with before one is told of."""
    world = dead_at("write", tmp_path)
    (journal,) = world.glob("ws/building/[!.]*")
    for name in ("00000000", "ffffffff"):
        shutil.copytree(journal, journal.with_name(name))
    own(world)

    def fails(root, release):
        if release == "00000000":
            raise OutputError("it can't be removed")
        return False

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.recovery.discard", fails)
        with pytest.raises(OutputError, match="it can't be removed"):
            recovered(world)
    assert [path.name for path in world.glob("ws/building/[!.]*")] == ["00000000"]
    assert not list(world.glob("ws/building/*/staging"))


def test_a_damaged_journal(dead_at, tmp_path):
    """Raw rows go, and it is told of; nobody is refused for it."""
    world = dead_at("write", tmp_path)
    (file,) = world.glob("ws/building/*/journal.json")
    file.write_text("[" * 100_000)
    done = recovered(world)
    assert (done.folders, len(done.left)) == (1, 1)
    assert "its journal can't be read; remove .kohort-" in done.left[0]
    governed.build(world, "out")


@pytest.mark.parametrize("step", ["write", "publish", "hand over"])
def test_a_copied_workspace(dead_at, tmp_path, step):
    """The copy of a build is not its own: what stands beside the target is the original's."""
    world = dead_at(step, tmp_path)
    shutil.copytree(world / "ws", tmp_path / "copy")
    before = sorted(path for path in world.glob("**/*") if "ws" not in path.parts)
    registry = open_registry(find_workspace(tmp_path / "copy").database)
    done = recover(tmp_path / "copy", registry, actor=ACTOR, at=datetime.now(UTC))
    assert (done.folders, len(done.settled)) == (1, 1)
    assert "came with a copy of its workspace" in done.left[0]
    assert not list(tmp_path.glob("copy/building/[!.]*"))
    after = sorted(path for path in world.glob("**/*") if "ws" not in path.parts)
    assert [path for path in before if path not in after and "copy" not in path.parts] == []
    assert len(recovered(world).settled) == 1


@pytest.mark.parametrize("when", ["wait", "conform"])
def test_rights_that_change_meanwhile(world, monkeypatch, when):
    """An objection while the build reads or waits is not passed over: it must run again."""

    def object_(told):
        if told == when:
            words = ("rawlearner0003", "--state", "withdrawn", "--purpose", "research")
            run("rights", "set", *words, *governed.workspace(world))

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.cli.build.show_progress", object_)
        assert "(rights.set)" in governed.build(world, "out", code=7)["said"]
    assert files(world) == expected(released=0, out=0)


def test_the_head_is_printed(world):
    """So that whoever keeps it can tell later whether the chain was cut or written anew."""
    built = governed.build(world, "out")
    assert built["audit_head"] == head(governed.registry(world)).hash
    text = run("build", str(world / "request.toml"), "--out", str(world / "out2"),
               *governed.workspace(world))  # fmt: skip
    assert text.splitlines()[-2] == f"audit: {head(governed.registry(world)).hash}"


def test_a_key_of_another_backup_is_told_last(world):
    """What was cleaned up is said first; a destroyed key needs no file."""
    key = world / "ws" / "keys" / "registry.key"
    governed.build(world, "out")
    whole = key.read_bytes()
    key.write_bytes(bytes(32))
    said = run("recover", *governed.workspace(world), code=6)
    assert said.startswith("nothing was left behind\nError: the registry key is not the one")
    key.write_bytes(whole)
    run("recover", *governed.workspace(world))
