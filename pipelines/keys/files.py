"""Files of keys: for their owner's eyes only, written whole or not at all, gone when removed.

One process at a time changes the folder; whoever only reads needs no lock. What a killed write
leaves is named `.kohort-*`: nobody reads it, and the next change of the folder removes it.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pipelines.errors import OutputError, SettingsError

_UNFINISHED: Final = ".kohort-"
_WIPED: Final = b"kohort-destroyed"
"""What stands in a file that was overwritten and not yet removed, over and over."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_TRIES: Final = 10


@contextmanager
def changing_files(folder: Path) -> Iterator[None]:
    """Change files of this folder, alone: others wait. The lock dies with its process.

    Raises:
        OutputError: the folder is missing, or can't be written.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _sweep(folder)
            yield
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except FileExistsError:
        raise
    except OSError as error:
        raise OutputError(f"{folder}: the keys can't be written ({error.strerror})") from None


def read_file(path: Path) -> bytes | None:
    """What a file of keys holds; None where there is none.

    Raises:
        SettingsError: it can't be read, or others than its owner may read it.
    """
    try:
        for _ in range(_TRIES):
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_mode & _OTHERS:
                    raise SettingsError(
                        f"{path}: others than its owner may use the key; run `chmod 600 {path}`"
                    )
                data = file.read()
                # Whoever replaces a file overwrites the old one once it has no name any more.
                if os.fstat(file.fileno()).st_nlink:
                    return None if data.startswith(_WIPED) else data
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path}: the key can't be read ({error.strerror})") from None
    raise SettingsError(f"{path}: the key was replaced while it was read; try again")


def new_file(path: Path, data: bytes) -> None:
    """Write a file that was not there; within `changing_files`.

    Raises:
        FileExistsError: it is there.
    """
    with suppress(FileNotFoundError):
        if path.read_bytes().startswith(_WIPED):  # its destruction was cut off
            path.unlink()
    made = _written(path.parent, data)
    try:
        os.link(made, path)
    finally:
        made.unlink()


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in place of another, which stays whole until then; within `changing_files`."""
    made = _written(path.parent, data)
    path.chmod(0o600)
    with path.open("r+b") as old:
        made.replace(path)
        _sync_folder(path.parent)
        if os.fstat(old.fileno()).st_nlink == 0:  # a backup may be another name of it
            _wipe(old.fileno())


def remove_file(path: Path) -> None:
    """Overwrite and remove a file, where there is one; within `changing_files`."""
    with suppress(FileNotFoundError):
        path.chmod(0o600)
        with path.open("r+b") as file:
            _wipe(file.fileno())
        path.unlink()


def _written(folder: Path, data: bytes) -> Path:
    """A new file under a name of its own, on disk."""
    descriptor, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _sweep(folder: Path) -> None:
    """Remove what killed writes left: whoever would still need it would hold the lock."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        if left.stat().st_nlink > 1:  # also the name of a key
            left.unlink()
        else:
            remove_file(left)


def _wipe(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    os.pwrite(descriptor, (_WIPED * (size // len(_WIPED) + 1))[:size], 0)
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
