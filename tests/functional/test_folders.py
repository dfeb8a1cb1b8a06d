"""Whatever happens to a build, either a whole release appears or nothing, and no raw rows stay."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.errors import OutputError, RegistryError
from pipelines.folders import Target, publication, target, workplace
from tests.smallworld import build, consent, make_world, run


def leftovers(folder: Path) -> list[str]:
    """Hidden working folders of kohort anywhere below a folder."""
    return [path.name for path in folder.rglob(".kohort-*")]


@pytest.mark.parametrize("out", [".", "/", "..", "there", "link"])
def test_a_target_that_is_no_new_folder_is_refused(tmp_path: Path, monkeypatch, out: str):
    """The working directory, the root, what exists and a dangling link are no places for it."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError):
        target(Path(out))


def test_a_failed_last_move_takes_everything_back(tmp_path: Path):
    """If the package can't be moved, the steward's files don't stay either."""
    to = Target(tmp_path / "absent" / "package", tmp_path / "package.steward")
    with (
        pytest.raises(OutputError, match="nothing is released"),
        workplace(tmp_path, Target(tmp_path / "package", to.steward)) as place,
        publication(place, to),
    ):
        pytest.fail("the package was moved into a folder that is not there")
    assert not to.steward.exists()
    assert leftovers(tmp_path) == []


def test_a_release_that_is_not_recorded_disappears_again(tmp_path: Path):
    """If the registry fails once the folders stand at their target, they go."""
    to = target(tmp_path / "package")

    def record() -> None:
        assert to.package.is_dir()
        raise RegistryError("lost")

    with (
        pytest.raises(RegistryError),
        workplace(tmp_path, to) as place,
        publication(place, to),
    ):
        record()
    assert not to.package.exists()
    assert not to.steward.exists()
    assert leftovers(tmp_path) == []


def test_staging_of_dead_builds_is_swept(tmp_path: Path):
    """Raw rows of a build that was killed go when the next one starts; those of a living stay."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    dead = tmp_path / f".kohort-staging-{done.pid}-x"
    alive = tmp_path / f".kohort-staging-{os.getppid()}-x"
    again = tmp_path / f".kohort-staging-{os.getpid()}-x"  # a container's ids come again
    beside = tmp_path / "out" / f".kohort-aside-{done.pid}-x"
    for folder in (dead, alive, again, beside):
        folder.mkdir(parents=True)
    with workplace(tmp_path, target(tmp_path / "out" / "package")):
        assert not any(folder.exists() for folder in (dead, again, beside))
        assert alive.exists()


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
