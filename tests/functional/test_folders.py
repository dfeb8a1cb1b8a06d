"""Whatever happens to a build, either a whole release appears or nothing, and no raw rows stay."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.errors import OutputError
from pipelines.folders import (
    clear,
    hand_over,
    make,
    make_parent,
    refuse_inside,
    remove,
    target,
    target_of,
    workplace,
)
from tests.smallworld import build, consent, make_world, run

ID = "0123abcd"


def leftovers(folder: Path) -> list[str]:
    """Working folders of kohort anywhere below a folder."""
    journals = folder.glob("ws/building/[!.]*")
    return [path.name for path in (*folder.rglob(".kohort-*"), *journals)]


@pytest.mark.parametrize("out", [".", "/", "..", "there", "link"])
def test_a_target_that_is_no_new_folder_is_refused(tmp_path: Path, monkeypatch, out: str):
    """The working directory, the root, what exists and a dangling link are no places for it."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError):
        target(Path(out))


def test_a_name_that_is_too_long_is_refused(tmp_path: Path):
    """The steward's files lie beside the package, under a name that is longer."""
    assert target(tmp_path / ("x" * 247)).steward.name == "x" * 247 + ".steward"
    for name in ("x" * 248, "\xe4" * 124):
        with pytest.raises(OutputError, match="too long"):
            target(tmp_path / name)


@pytest.mark.parametrize("out", ["keys", "keys/out", "link/out", "releases/../building/a/b"])
def test_a_target_among_what_is_kohorts_own(tmp_path: Path, out: str):
    """Not even by a link; elsewhere in the workspace a package may lie."""
    root = tmp_path / "ws"
    for name in ("keys", "releases"):
        (root / name).mkdir(parents=True)
    (root / "link").symlink_to(root / "keys")
    refuse_inside(target(root / "out"), root)
    refuse_inside(target(root / "keys.out"), root)
    with pytest.raises(OutputError, match="kohort's own"):
        refuse_inside(target_of(root / out), root)


NO_PARENTS = ["file/out", "file/deep/out", "loop/out", "x" * 256 + "/out"]


@pytest.mark.parametrize("out", NO_PARENTS)
def test_a_parent_that_can_not_be(tmp_path: Path, out: str):
    """It is found out before anything is written down."""
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match=r"Not a directory|too long|Too many"):
        make_parent(target(tmp_path / out))


def test_a_parent_that_may_not_be_written(tmp_path: Path, monkeypatch, to):
    """Whoever asks for another's folder hears of it at once."""
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(PermissionError, match="denied"):
        make_parent(to)


@pytest.fixture
def to(tmp_path):
    """Where a build's results shall lie."""
    return target(tmp_path / "out" / "package")


@pytest.fixture
def place(tmp_path, to):
    """The folders of a build, with a file in each."""
    (tmp_path / "building").mkdir()
    make_parent(to)
    made = workplace(tmp_path / "building", ID, to)
    make(made)
    for folder in made:
        (folder / "file").write_text(folder.name)
    return made


def standing(tmp_path: Path) -> set[str]:
    """Every file below a folder."""
    return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("file")}


def test_the_folders_are_their_owners_alone(place):
    """Nobody else of the machine looks into a build, whatever the package is to be in the end."""
    assert [folder.stat().st_mode & 0o777 for folder in place] == [0o700] * 3


def test_handed_over(tmp_path, place, to):
    """Both folders appear; the package may be read by others then, the steward's files not."""
    told = []
    hand_over(place, to, release=ID, progress=told.append)
    assert told == ["hand over to the steward", "hand over"]
    assert [folder.stat().st_mode & 0o777 for folder in to] == [0o755, 0o700]
    assert clear(place, to) == 1
    assert standing(tmp_path) == {"out/package/file", "out/package.steward/file"}


IN_THE_WAY = [
    (None, "package"),
    (None, "steward"),
    ("hand over to the steward", "package"),
    ("hand over to the steward", "steward"),
    ("hand over", "package"),
]
"""Before which step something else appears (none: before all), and where."""


@pytest.mark.parametrize("step, part", IN_THE_WAY)
def test_what_is_in_the_way_stays(tmp_path, place, to, step, part):
    """A folder of somebody else at the target is not overwritten, nor taken for ours."""

    def somebody(told):
        if told == step:
            getattr(to, part).mkdir(exist_ok=True)
            (getattr(to, part) / "theirs").touch()

    somebody(None)
    with pytest.raises(OutputError, match=f"release {ID} is recorded, but .* another --out"):
        hand_over(place, to, release=ID, progress=somebody)
    clear(place, to)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["theirs"]


HALVES = [
    (["staging"], False),
    (["staging", "steward"], False),
    (["staging", "steward", "package"], False),
    (["steward", "package"], False),
    (["package"], True),
    (["steward"], False),
    ([], False),
]
"""Which folders of a build are there, and whether the steward's then stands at the target."""


@pytest.mark.parametrize("there, ours", HALVES)
@pytest.mark.parametrize("theirs", [False, True])
def test_cleared(tmp_path, place, to, there, ours, theirs):
    """Whatever a killed build leaves, its folders go, and nothing of anybody else."""
    if ours:
        (place.steward / place.steward.name).touch()  # its mark
        place.steward.rename(to.steward)
    elif theirs:
        to.steward.mkdir()
        (to.steward / "file").touch()
    for name in {"staging", "package", "steward"} - {*there}:
        shutil.rmtree(getattr(place, name), ignore_errors=True)
    assert clear(place, to) == len(there) + ours
    assert clear(place, to) == 0
    kept = {"out/package.steward/file"} if theirs and not ours else set()
    assert standing(tmp_path) == kept


@pytest.mark.parametrize("again", [False, True])
def test_steward_files_of_somebody_else(tmp_path, place, to, again):
    """Only what has this build's mark is taken back, even where the inode is the same."""
    (place.steward / place.steward.name).touch()
    place.steward.rename(to.steward)
    (to.steward / place.steward.name).unlink()
    if again:  # another build of this target, by another workspace
        (to.steward / ".kohort-89abcdef-steward").touch()
    assert clear(place, to) == 2
    assert standing(tmp_path) == {"out/package.steward/file"}


@pytest.mark.parametrize("parent", ["file", "loop"])
def test_a_target_whose_parent_became_something_else(tmp_path, place, to, parent):
    """Nothing of ours stands where nothing can stand."""
    shutil.rmtree(tmp_path / "out")
    if parent == "file":
        (tmp_path / "out").touch()
    else:
        (tmp_path / "out").symlink_to(tmp_path / "out")
    assert clear(place, to) == 1


def test_a_target_that_is_gone(tmp_path, place, to):
    """Where the folder of the target was removed, nothing stands there any more."""
    shutil.rmtree(tmp_path / "out")
    assert clear(place, to) == 1


def test_two_that_remove_the_same(tmp_path, monkeypatch):
    """Where a file went while a folder was removed, it is removed all the same."""
    left, folder, removing = [3], tmp_path / "folder", shutil.rmtree
    folder.mkdir()

    def overtaken(path):
        if left[0]:
            left[0] -= 1
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        removing(path)

    monkeypatch.setattr("shutil.rmtree", overtaken)
    assert remove(folder)
    assert not folder.exists()
    folder.mkdir()
    left[0] = 99
    with pytest.raises(OutputError, match="remove it yourself"):
        remove(folder)


def test_what_can_not_be_removed(tmp_path, place, to):
    """An engineer must hear of a folder that is still there; the raw rows go in any case."""
    shutil.rmtree(place.package)
    place.package.write_text("no folder")
    with pytest.raises(OutputError, match="remove it yourself"):
        clear(place, to)
    assert not place.staging.exists()


def test_what_is_said_where_the_system_said_nothing(place, to):
    """Python's own refusals have no number, but words."""
    shutil.rmtree(place.package)
    place.package.symlink_to(place.steward)
    with pytest.raises(OutputError, match="symbolic link"):
        clear(place, to)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_kill_leaves_no_raw_rows(tmp_path: Path, kind: signal.Signals):
    """A kill or a closed terminal in the middle of a build: no staging, no package."""
    world = make_world(tmp_path)
    consent(world)
    code = (
        "import sys, time\n"
        "import pipelines.build as story\n"
        "def slow(*a, **k):\n"
        "    print('staged', flush=True)\n"
        "    time.sleep(60)\n"
        "story.permitted = slow\n"
        "from pipelines.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["build", str(world / "request.toml"), "--workspace", str(world / "ws"), "--out",
                 str(world / "package")]  # fmt: skip
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"staged\n"
        assert leftovers(world)
        process.send_signal(kind)
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.returncode == 128 + kind
        assert b"Traceback" not in process.stderr.read()
    assert leftovers(world) == []
    assert not (world / "package").exists()


def test_nohup_goes_on_ignoring_a_closed_terminal():
    """A signal that the caller ignores stays ignored; the others unwind."""
    code = (
        "import signal\n"
        "from click.testing import CliRunner\n"
        "from pipelines.cli.main import main\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "CliRunner().invoke(main, ['verify'])\n"
        "assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN\n"
        "assert callable(signal.getsignal(signal.SIGTERM))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_view_without_rows_names_the_reasons(tmp_path: Path):
    """Where quarantine leaves nothing, the line says why, and does not blame consent."""
    world = make_world(tmp_path)
    consent(world)
    people = world / "data" / "people.csv"
    people.write_text(re.sub(",[ab][12],", ",nowhere,", people.read_text()))
    output = build(world, code=4)
    assert "people: not_in_domain" in output
    assert "permits" not in output


def test_request_check_knows_that_an_approval_is_missing(tmp_path: Path):
    """What a build would refuse for want of an approval, the check says too."""
    world = make_world(tmp_path)
    policy = world / "ws" / "policy.toml"
    policy.write_text(policy.read_text().replace("require_approval = false", ""))
    arguments = (str(world / "request.toml"), "--workspace", str(world / "ws"))
    assert "approval: required" in run("request", "check", *arguments)


def test_a_lost_registry_is_not_made_anew(tmp_path: Path):
    """Without the registry its restrictions are unknown: nothing is recorded, nothing built."""
    world = make_world(tmp_path)
    consent(world)
    for file in (world / "ws").glob("kohort.sqlite*"):
        file.unlink()
    assert "restore it from your backup" in build(world, code=7)
