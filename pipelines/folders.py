"""Where a build works, and how its results appear: all at once, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    both = Target(package, package.with_name(f"{package.name}.steward"))
    for path in both:
        if os.path.lexists(path):
            raise OutputError(f"{path} exists already; choose another --out, or remove it")
    return both


@contextmanager
def workplace(workspace: Path, to: Target) -> Iterator[Workplace]:
    """Private folders that are gone when the build ends, however it ends.

    Those of the results lie beside the target, so that the last renames stay within one file
    system. What a killed build left in the workspace, or beside the target, is removed first.

    Raises:
        OutputError: something can't be written.
    """
    made: list[Path] = []

    def make(kind: str, parent: Path) -> Path:
        prefix = f".kohort-{kind}-{os.getpid()}-"
        made.append(Path(tempfile.mkdtemp(prefix=prefix, dir=parent)))
        return made[-1]

    try:
        beside = to.package.parent
        beside.mkdir(parents=True, exist_ok=True)
        for folder in {workspace, beside}:
            _sweep(folder)
        yield Workplace(make("staging", workspace), make("package", beside), make("aside", beside))
    except OSError as error:  # sources tell of their own files; what is left is written here
        what = f"{error.filename}: {error.strerror}"
        raise OutputError(f"can't write ({what}); nothing is released") from None
    finally:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def publication(place: Workplace, to: Target) -> Iterator[None]:
    """Move the finished folders to their target; back again if what follows fails.

    Raises:
        OSError: the target can't be written; nothing is there then.
    """
    place.package.chmod(0o755)
    try:
        place.steward.rename(to.steward)
        place.package.rename(to.package)
        yield
    except BaseException:  # a kill in between, too
        for there, here in ((to.package, place.package), (to.steward, place.steward)):
            with suppress(OSError):
                there.rename(here)
        raise


def _sweep(folder: Path) -> None:
    """Remove the folders of builds that are no more.

    One under this process's own id is not ours yet: in a container, ids come again.
    """
    for left in folder.glob(".kohort-*-*-*"):
        process = left.name.split("-")[2]
        if process.isdecimal() and (int(process) == os.getpid() or not _is_alive(int(process))):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's, so it lives
        return True
    return True
