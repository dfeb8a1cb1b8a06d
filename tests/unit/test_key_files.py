"""Files of keys: whole or not there, their owner's alone, gone when removed, whatever is killed."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.errors import OutputError, SettingsError
from pipelines.keys.files import changing_files, new_file, read_file, remove_file, replace_file

OLD, NEW = bytes(range(32)), bytes(range(32, 96))
ALL = ["fsync", "link", "unlink", "replace", "chmod", "pwrite"]
KILLED = """
import os, sys
from pathlib import Path
from pipelines.keys import files
step, path = int(sys.argv[1]), Path(sys.argv[2])
def dying(real):
    def call(*arguments, **options):
        global step
        step -= 1
        if step < 0:
            os._exit(9)
        return real(*arguments, **options)
    return call
for name in sys.argv[4:]:
    setattr(os, name, dying(getattr(os, name)))
with files.changing_files(path.parent):
    {"new": lambda: files.new_file(path, bytes(range(32, 96))),
     "replace": lambda: files.replace_file(path, bytes(range(32, 96))),
     "remove": lambda: files.remove_file(path)}[sys.argv[3]]()
"""


@pytest.fixture
def path(tmp_path):
    """A key that is not there yet, in its folder."""
    (tmp_path / "keys").mkdir(mode=0o700)
    return tmp_path / "keys" / "registry.key"


def change(path, what, *data):
    """Change the file, as its only writer."""
    with changing_files(path.parent):
        what(path, *data)


def names(path):
    """What lies in the folder."""
    return {one.name for one in path.parent.iterdir()}


def test_a_file_is_its_owners_whatever_the_umask_says(path):
    """0600; nothing else is left in the folder."""
    before = os.umask(0)
    try:
        change(path, new_file, OLD)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        change(path, replace_file, NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_file(path) == NEW
    assert names(path) == {"registry.key"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_may_use_is_refused(path, mode):
    """As ssh does; the line says what to type."""
    change(path, new_file, OLD)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}"):
        read_file(path)
    path.chmod(0o400)
    assert read_file(path) == OLD


def test_what_is_there_is_not_made_anew(path):
    """The first one stays."""
    change(path, new_file, OLD)
    with pytest.raises(FileExistsError):
        change(path, new_file, NEW)
    assert read_file(path) == OLD
    assert names(path) == {"registry.key"}


@pytest.mark.parametrize("what", [(replace_file, NEW), (remove_file,)])
def test_what_goes_is_overwritten(path, what):
    """Whoever still has the old file open reads no key."""
    change(path, new_file, OLD)
    with path.open("rb") as old:
        change(path, *what)
        assert OLD[:16] not in old.read()


def test_another_name_of_a_file(path):
    """A backup made of links keeps what is replaced, and loses what is destroyed."""
    change(path, new_file, OLD)
    backup = path.with_name("backup")
    backup.hardlink_to(path)
    change(path, replace_file, NEW)
    assert backup.read_bytes() == OLD
    backup.unlink()
    backup.hardlink_to(path)
    change(path, remove_file)
    assert read_file(backup) is None


def test_a_destruction_that_was_cut_off(path):
    """An overwritten file is no key; removing goes on, and a new key may take its place."""
    path.write_bytes(b"kohort-destroyed" * 2)
    path.chmod(0o600)
    assert read_file(path) is None
    change(path, new_file, NEW)
    assert read_file(path) == NEW
    path.write_bytes(b"kohort-destroyed" * 2)
    change(path, remove_file)
    assert not path.exists()
    change(path, remove_file)


def test_what_killed_writes_left(path):
    """The next change removes it; a second name of a key goes without the key."""
    change(path, new_file, OLD)
    left, second = path.with_name(".kohort-a"), path.with_name(".kohort-b")
    left.write_bytes(NEW)
    second.hardlink_to(path)
    change(path, lambda _: None)
    assert names(path) == {"registry.key"}
    assert read_file(path) == OLD


def test_a_file_that_is_replaced_while_it_is_read(path, monkeypatch):
    """The old one is overwritten by then: it is read again, by its name."""
    change(path, new_file, OLD)
    opened, calls = Path.open, []

    def slow(self, *mode):
        file = opened(self, *mode)
        if mode == ("rb",) and not calls:
            calls.append(mode)
            change(path, replace_file, NEW)
        return file

    monkeypatch.setattr(Path, "open", slow)
    assert read_file(path) == NEW


def test_what_cannot_be_written_or_read(path):
    """One line, of the right kind; nothing of the key in it."""
    with pytest.raises(OutputError, match="can't be written"), changing_files(path.parent / "no"):
        pass
    path.mkdir(mode=0o700)
    with pytest.raises(SettingsError, match="can't be read"):
        read_file(path)


@pytest.mark.parametrize(
    ("what", "before", "outcomes"),
    [
        ("new", None, {None, NEW}),
        ("replace", OLD, {OLD, NEW}),
        ("remove", OLD, {OLD, None}),
    ],
    ids=["new", "replace", "remove"],
)
def test_killed_at_each_step(path, what, before, outcomes):
    """There is the file as it was or as it shall be; the next change leaves nothing else."""
    found = set()
    for step in range(40):
        path.unlink(missing_ok=True)
        if before is not None:
            change(path, new_file, before)
        run = [sys.executable, "-c", KILLED, str(step), str(path), what, *ALL]
        code = subprocess.run(run, check=False).returncode
        found.add(read_file(path))
        with changing_files(path.parent):
            assert names(path) <= {"registry.key"}
        if code == 0:
            break
        assert code == 9
    assert found == outcomes
    assert step >= 4
