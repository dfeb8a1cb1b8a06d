"""Locks: one holder at a time, and none once he is dead; folders of the living are never swept."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine

from pipelines.folders import target
from pipelines.journal import Damaged, begun, dead
from pipelines.locks import building, held, is_free
from tests.postgres import running_server

HOLDER = """
import signal, sys
from pathlib import Path
from pipelines.locks import held
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the caller ignores
with held(Path(sys.argv[1]), waiting=lambda: print("waits", flush=True)):
    if "children" in sys.argv:
        import subprocess
        null = subprocess.DEVNULL
        subprocess.Popen(["sleep", "5"], close_fds=False, stdout=null, stderr=null)
    print("holds", flush=True)
    sys.stdin.read()
"""
SWEEPER = """
import sys
from pathlib import Path
from pipelines.folders import make, target, workplace
from pipelines.journal import begun, dead
root, number = Path(sys.argv[1]), int(sys.argv[2])
sys.stdin.readline()
for one in range(15):
    name = f"{number:04x}{one:04x}"
    with begun(root, name, target(root / "out" / name)) as journal:
        place = workplace(journal.folder, name, journal.to)
        make(place)
        with dead(root) as found:
            assert name not in [each.release for each in found]
            for each in found:
                each.close()
        assert all(folder.is_dir() for folder in place)
        assert (journal.folder / "journal.json").is_file()
        if one % 2:
            journal.close()
"""


class Child:
    """A Python process that says lines, and ends when its input does."""

    def __init__(self, code: str, *arguments: object) -> None:
        words = [sys.executable, "-c", code, *map(str, arguments)]
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def says(self) -> str:
        return self.process.stdout.readline().strip()

    def end(self, kind: signal.Signals | None = None) -> int:
        if kind is not None:
            self.process.send_signal(kind)
            self.process.wait(timeout=60)
        self.process.communicate(timeout=60)
        return self.process.returncode


def nobody() -> None:
    pytest.fail("nobody else holds the lock")


def test_one_at_a_time(tmp_path: Path):
    """The second waits, says so once, and goes on when the first ends."""
    lock = tmp_path / "lock"
    first = Child(HOLDER, lock)
    assert first.says() == "holds"
    assert not is_free(lock)
    second = Child(HOLDER, lock)
    assert second.says() == "waits"
    assert first.end() == 0
    assert second.says() == "holds"
    assert second.end() == 0
    assert is_free(lock)
    assert lock.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words", [(), ("children",)])
def test_a_lock_dies_with_its_process(tmp_path: Path, words):
    """Whoever is killed holds nothing any more, nor does a program that he had started."""
    lock = tmp_path / "lock"
    holder = Child(HOLDER, lock, *words)
    assert holder.says() == "holds"
    assert holder.end(signal.SIGKILL) == -signal.SIGKILL
    assert is_free(lock)
    with held(lock, waiting=nobody):
        assert not is_free(lock)
    assert is_free(lock)


def test_who_waits_can_be_interrupted(tmp_path: Path):
    """Ctrl+C ends a build that waits for another one."""
    lock = tmp_path / "lock"
    with held(lock, waiting=nobody):
        waiter = Child(HOLDER, lock)
        assert waiter.says() == "waits"
        assert waiter.end(signal.SIGINT) != 0


def test_a_lock_that_is_not_there_is_free(tmp_path: Path):
    """To ask makes no file."""
    assert is_free(tmp_path / "lock")
    assert is_free(tmp_path / "no" / "lock")
    assert list(tmp_path.iterdir()) == []


def test_builds_of_one_registry(tmp_path: Path):
    """On SQLite the workspace's file is the lock of the one build at a time."""
    engine = create_engine(URL.create("sqlite"))
    told = []
    with building(engine, tmp_path, waiting=nobody):
        assert not is_free(tmp_path / "building" / ".lock")
    with building(engine, tmp_path, waiting=lambda: told.append("waits")):
        assert told == []


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server."""
    with running_server() as running:
        yield running


BUILDER = """
import sys
from pathlib import Path
from sqlalchemy import make_url
from pipelines.errors import KohortError
from pipelines.governance.engines import open_engine
from pipelines.locks import building
Path(sys.argv[2]).mkdir()
try:
    with building(open_engine(make_url(sys.argv[1])), Path(sys.argv[2]),
                  waiting=lambda: print("waits", flush=True)):
        print("builds", flush=True)
        sys.stdin.read()
except KohortError as error:
    print(error, flush=True)
"""


@pytest.mark.parametrize("kind", [None, signal.SIGKILL])
def test_builds_of_two_workspaces(tmp_path: Path, server, kind):
    """On PostgreSQL a team's workspaces exclude each other; the lock dies with its process."""
    with server.database() as url:
        address = url.render_as_string(hide_password=False)
        first = Child(BUILDER, address, tmp_path / "first")
        assert first.says() == "builds"
        second = Child(BUILDER, address, tmp_path / "second")
        assert second.says() == "waits"
        first.end(kind)
        assert second.says() == "builds"
        assert second.end() == 0


def test_a_connection_that_is_lost(tmp_path: Path, server):
    """The lock goes with it, and who builds goes on; who waits for one hears of it in one line."""
    with server.database() as url:
        address = url.render_as_string(hide_password=False)
        first = Child(BUILDER, address, tmp_path / "first")
        assert first.says() == "builds"
        second = Child(BUILDER, address, tmp_path / "second")
        assert second.says() == "waits"
        server.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        server.execute(f"{ended} WHERE datname = '{url.database}'")
        assert "the registry can't be used" in second.says()
        assert (first.end(), second.end()) == (0, 0)


def test_nobody_sweeps_what_lives(tmp_path: Path):
    """Many builds that begin and look for dead ones at once: each finds its own folders in place.

    Half of them leave their journal behind; it is found by another, or at the end.
    """
    children = [Child(SWEEPER, tmp_path, number) for number in range(4)]
    for child in children:
        child.process.stdin.write("\n")
        child.process.stdin.flush()
    assert [child.end() for child in children] == [0] * 4
    with dead(tmp_path) as found:
        for each in found:
            each.close()
    assert [path.name for path in (tmp_path / "building").glob("[!.]*")] == []


def test_a_journal_tells_where(tmp_path: Path):
    """A dead build's target is known, whatever is in its name; that of a living one is left."""
    to = target(tmp_path / "out" / "Größe \udc80\n")
    with begun(tmp_path, "0000000a", to), dead(tmp_path) as found:
        assert found == []
    with dead(tmp_path) as found:
        assert [(each.release, each.to) for each in found] == [("0000000a", to)]
    (tmp_path / "building" / "notes.txt").touch()
    (tmp_path / "building" / "0000000b").mkdir()  # killed before it wrote anything
    with dead(tmp_path) as found:
        assert [(each.release, each.to is None) for each in found] == [
            ("0000000a", False),
            ("0000000b", True),
        ]
        for each in found:
            each.close()
    assert (tmp_path / "building" / "notes.txt").exists()


DEEP = "[" * 100_000


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"out": 3}', '{"out": "/a', DEEP])
def test_a_journal_that_can_not_be_read(tmp_path: Path, text: str):
    """Nobody guesses what it said; others are told of all the same."""
    folder = tmp_path / "building" / "0000000a"
    folder.mkdir(parents=True)
    (folder / "journal.json").write_text(text)
    with dead(tmp_path) as found:
        assert found == [Damaged(folder)]


def test_a_journal_that_was_copied(tmp_path: Path):
    """A copy of a workspace has no build of its own, though nobody holds its locks."""
    (tmp_path / "ws").mkdir()
    to = target(tmp_path / "out")
    with begun(tmp_path / "ws", "0000000a", to):
        shutil.copytree(tmp_path / "ws", tmp_path / "copy", copy_function=shutil.copy2)
        with dead(tmp_path / "copy") as found:
            assert [each.copied for each in found] == [True]
    (tmp_path / "ws").rename(tmp_path / "moved")
    with dead(tmp_path / "moved") as found:
        assert [each.copied for each in found] == [False]


@pytest.mark.parametrize("end", ["gone", "another", "there"])
def test_a_target_that_is_away(tmp_path: Path, end: str):
    """A disk that is not mounted leaves no folder, or an empty one of another inode."""
    parent = tmp_path / "disk"
    with begun(tmp_path, "0000000a", target(parent / "out")):
        pass
    if end != "there":
        parent.rename(tmp_path / "away")
    if end == "another":
        parent.mkdir()
    with dead(tmp_path) as found:
        assert [each.away for each in found] == [end != "there"]
