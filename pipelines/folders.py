"""Where a build works, and how its results appear: whole, or not at all.

A package appears by two renames after its release is recorded. What a build that was cut off leaves
in between can be told from the names alone: see `clear`.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pipelines.errors import OutputError


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
        OutputError: it names no new folder, or one of the two exists.
    """
    package = out.absolute()
    if package.name in {"", ".."}:
        raise OutputError("--out: name a new folder for the package")
    both = target_of(package)
    for path in both:
        if os.path.lexists(path):
            raise OutputError(f"{path} exists already; choose another --out, or remove it")
    return both


def target_of(package: Path) -> Target:
    """A package, and the steward's files beside it."""
    return Target(package, package.with_name(f"{package.name}.steward"))


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
        folder / "staging",
        beside / f".kohort-{release}-package",
        beside / f".kohort-{release}-steward",
    )


def make(place: Workplace) -> None:
    """Make the folders of a build, for their owner's eyes only.

    Raises:
        OSError: one can't be made.
    """
    place.package.parent.mkdir(parents=True, exist_ok=True)
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
            f"({error.strerror}); run `kohort build` again with another --out, and it is given out"
        ) from None


def clear(place: Workplace, to: Target) -> int:
    """Take back what stands half handed over, and remove the folders of a build.

    The steward's folder is made before the package's, removed after it, and handed over before it:
    where it alone is missing, it stands at the target.

    Returns:
        How many folders were removed.

    Raises:
        OutputError: one can't be removed.
    """
    removed = remove(place.staging)  # raw rows first
    with _removing(to.steward):
        half = place.package.is_dir() and not place.steward.exists()
        if half and to.steward.is_dir() and not to.steward.is_symlink():
            to.steward.rename(place.steward)
    return removed + remove(place.package) + remove(place.steward)


def remove(folder: Path) -> bool:
    """Remove a folder and all that is in it.

    Returns:
        Whether it was there.

    Raises:
        OutputError: it can't be removed.
    """
    with _removing(folder):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return False
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


@contextmanager
def _removing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder}: can't be removed ({error.strerror}); remove it yourself"
        ) from None
