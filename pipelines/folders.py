"""Where a build works, and how its results appear: whole, or not at all.

A package appears by two renames after its release is recorded. What a build that was cut off leaves
in between can be told from the names, and from a mark in the steward's folder: see `clear`.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from pipelines.errors import OutputError

STAGING: Final = "staging"
"""The folder of a build that raw tables lie in."""

_LONGEST_NAME: Final = 255
"""Bytes of one name, on the file systems of Linux."""

_NOWHERE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
"""What the system says of a path that leads to nothing."""

_RETRIES: Final = 9
"""To remove a folder that others remove at the same time."""

_PRIVATE: Final = ("building", "keys", "releases")
"""The folders of a workspace that are kohort's own."""


class Target(NamedTuple):
    """Where a build's results shall lie: the package, and the steward's files beside it."""

    package: Path
    steward: Path


class Workplace(NamedTuple):
    """The private folders of one build: raw tables, the package, the steward's files."""

    staging: Path
    package: Path
    steward: Path


def target(out: Path) -> Target:
    """The places that `--out` means.

    Raises:
        OutputError: it names no new folder, its name is too long, or one of the two exists.
    """
    package = out.absolute()
    if package.name in {"", ".."}:
        raise OutputError("--out: name a new folder for the package")
    both = target_of(package)
    if len(os.fsencode(both.steward.name)) > _LONGEST_NAME:
        raise OutputError("--out: the folder's name is too long; choose a shorter one")
    for path in both:
        if os.path.lexists(path):
            raise OutputError(f"{path} exists already; choose another --out, or remove it")
    return both


def target_of(package: Path) -> Target:
    """A package, and the steward's files beside it."""
    return Target(package, package.with_name(f"{package.name}.steward"))


def refuse_inside(to: Target, root: Path) -> None:
    """Refuse a target among what a workspace keeps for itself: it would be removed, or served.

    Raises:
        OutputError: it lies there, whichever links lead to it.
    """
    real = Path(os.path.realpath(to.package))
    for name in _PRIVATE:
        folder = Path(os.path.realpath(root / name))
        if real.is_relative_to(folder):
            raise OutputError(f"--out: {folder} is kohort's own; choose a folder outside of it")


def make_parent(to: Target) -> None:
    """Make the folder that the results shall lie in, unless it is there.

    Raises:
        OSError: it can't be made, is no folder, or may not be written.
    """
    parent = to.package.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(parent)) from None
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(parent))


def workplace(folder: Path, release: str, to: Target) -> Workplace:
    """The folders of a build, which need not be there.

    Those of the results lie beside the target, hidden, so that the last renames stay within one
    file system.

    Args:
        folder: the build's own in the workspace.
        release: the id that the release will have.
        to: where its results shall lie.
    """
    beside = to.package.parent
    return Workplace(
        folder / STAGING,
        beside / f".kohort-{release}-package",
        beside / f".kohort-{release}-steward",
    )


def make(place: Workplace) -> None:
    """Make the folders of a build, for their owner's eyes only; their parents are there.

    Raises:
        OSError: one can't be made.
    """
    for folder in (place.staging, place.steward, place.package):  # the package last: see `clear`
        folder.mkdir(mode=0o700)


def hand_over(
    place: Workplace, to: Target, *, release: str, progress: Callable[[str], None]
) -> None:
    """Let a recorded release appear at its target.

    Raises:
        OutputError: the target can't be written, or exists by now.
    """
    try:
        for path in to:
            if os.path.lexists(path):
                raise FileExistsError(0, "it exists by now", str(path))
        _mark(place, place.steward).touch(mode=0o600)
        for folder in (place.steward, place.package):
            sync(folder)
        progress("hand over to the steward")
        place.steward.rename(to.steward)
        progress("hand over")
        place.package.chmod(0o755)
        place.package.rename(to.package)
        sync_one(to.package.parent)
    except OSError as error:
        raise OutputError(
            f"release {release} is recorded, but can't be written to {to.package} "
            f"({told(error)}); run `kohort build` again with another --out, and it is given out"
        ) from None


def clear(place: Workplace, to: Target) -> int:
    """Take back what stands half handed over, and remove the folders of a build.

    The steward's folder is made before the package's, removed after it, and handed over before it:
    where it alone is missing, it stood at the target. It stands there still if it has the mark of
    this build; somebody else's has not. The inode would prove less: its number is given to the
    next folder once this one is removed. Of what is handed over the mark is removed.

    Returns:
        How many folders were removed.

    Raises:
        OutputError: one can't be removed.
    """
    removed = remove(place.staging)  # raw rows first
    with _removing(to.steward):
        if _is_ours(place, to):
            if place.package.is_dir() and not place.steward.exists():
                to.steward.rename(place.steward)
            else:
                _mark(place, to.steward).unlink()
    return removed + remove(place.package) + remove(place.steward)


def remove(folder: Path) -> bool:
    """Remove a folder and all that is in it.

    Returns:
        Whether it was there.

    Raises:
        OutputError: it can't be removed.
    """
    with _removing(folder):
        for _ in range(_RETRIES):
            # What was in it went just now: somebody else removes it, too, and is not done.
            with suppress(FileNotFoundError):
                return _removed(folder)
        return _removed(folder)


def _removed(folder: Path) -> bool:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        if error.errno in _NOWHERE and not os.path.lexists(folder):
            return False
        raise
    return True


def sync(folder: Path) -> None:
    """Bring a folder and all that is in it to disk: a power cut leaves no empty files.

    Raises:
        OSError: the disk fails, or is full.
    """
    for path, _, files in os.walk(folder, topdown=False):
        for name in files:
            sync_one(Path(path, name))
        sync_one(Path(path))


def sync_one(path: Path) -> None:
    """Bring one file's content, or one folder's list of names, to disk.

    Raises:
        OSError: the disk fails, or is full.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def told(error: OSError) -> str:
    """What is wrong, in the system's words, or in those of the library that raised it."""
    return error.strerror or str(error) or type(error).__name__


def _mark(place: Workplace, steward: Path) -> Path:
    """The empty file in a steward's folder that tells whose build it is of."""
    return steward / place.steward.name


def _is_ours(place: Workplace, to: Target) -> bool:
    """Whether the steward's folder at the target is that of this build."""
    if to.steward.is_symlink():
        return False
    try:
        return _mark(place, to.steward).is_file()
    except PermissionError:  # of somebody else, who lets nobody look
        return False
    except OSError as error:
        if error.errno in _NOWHERE:
            return False
        raise


@contextmanager
def _removing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder}: can't be removed ({told(error)}); remove it yourself"
        ) from None
