"""What each build writes down before it does it, so that another can clean up after it.

A build has `WORKSPACE/building/ID/`, where ID is that of its release: a `lock` that it holds while
it lives, `journal.json`, which says where its results shall lie, and `staging/` with raw tables.
The names of the folders that it makes beside its target follow from these two. A journal also knows
its own lock and the target's parent again: that of a copied workspace tells of what is another's,
and where a disk is not mounted, what lies on it is not gone. Builds begin, and
dead ones are looked for, under one more lock: so none is taken for dead while it begins.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.errors import OutputError
from pipelines.folders import Target, make_parent, remove, sync_one, target_of
from pipelines.governance.tables import RELEASE_ID_LENGTH
from pipelines.locks import BUILDING, held, is_free

_LOCK: Final = "lock"
_JOURNAL: Final = "journal.json"
_ID: Final = re.compile(rf"[0-9a-f]{{{RELEASE_ID_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class Journal:
    """One build's.

    Attributes:
        folder: `WORKSPACE/building/ID`.
        to: where its results shall lie; null in one that was cut off before it said so, and thus
            before it made anything.
        copied: whether it came here with a copy of its workspace, or from a backup: the build that
            it tells of may live.
        beside: the inode of the target's parent; null where there is no target.
    """

    folder: Path
    to: Target | None
    copied: bool = False
    beside: int | None = None

    @property
    def release(self) -> str:
        """The id that its release has, if it was ever recorded."""
        return self.folder.name

    @property
    def away(self) -> bool:
        """Whether the target's parent is not there now, or is another: what lay in it may return.

        Its inode tells it from the empty folder that a disk is mounted on.
        """
        if self.to is None:
            return False
        try:
            return self.to.package.parent.stat().st_ino != self.beside
        except OSError:
            return True

    def close(self) -> None:
        """Remove it, when all that it tells of is dealt with.

        Raises:
            OutputError: it can't be removed.
        """
        # The text first: a lock without it is no journal, whoever looks in between.
        with suppress(OSError):  # then removing the folder says so
            (self.folder / _JOURNAL).unlink()
        remove(self.folder)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A journal that can't be read.

    Attributes:
        folder: `WORKSPACE/building/ID`.
    """

    folder: Path

    @property
    def release(self) -> str:
        """The id that its release has, if it was ever recorded."""
        return self.folder.name


@contextmanager
def begun(root: Path, release: str, to: Target) -> Iterator[Journal]:
    """The journal of a new build, which counts as alive until this ends.

    Raises:
        OSError: it can't be written, or its target's parent can't.
    """
    make_parent(to)  # before it: a target that never could be leaves no journal
    beside = to.package.parent.stat().st_ino
    journal = Journal(root / BUILDING / release, to, beside=beside)
    with ExitStack() as alive:
        with _sweep(root):
            journal.folder.mkdir(mode=0o700)
            alive.enter_context(held(journal.folder / _LOCK, waiting=_wait))
        try:
            _write(journal.folder, to, beside)
        except BaseException:
            with suppress(OutputError):  # then it is found as one that made nothing
                journal.close()
            raise
        yield journal


@contextmanager
def dead(root: Path) -> Iterator[list[Journal | Damaged]]:
    """The journals of builds that are no more; nobody else looks for them meanwhile.

    Raises:
        OSError: the folder of the journals can't be made or locked.
    """
    with _sweep(root):
        folders = sorted(path for path in (root / BUILDING).iterdir() if _ID.fullmatch(path.name))
        yield [_read(path) for path in folders if is_free(path / _LOCK)]


@contextmanager
def _sweep(root: Path) -> Iterator[None]:
    """While this is held, no build begins, and nobody else takes one for dead."""
    (root / BUILDING).mkdir(mode=0o700, exist_ok=True)
    with held(root / BUILDING / ".sweep", waiting=_wait):
        yield


def _wait() -> None:
    """Others are done at once: nobody needs to hear of it."""


def _identity(lock: Path) -> list[int] | None:
    """What no copy of a lock has in common with it; null where there is none.

    The time of its last change can't be set, and the number of its device is another after a
    restart: so these two.
    """
    try:
        found = lock.stat()
    except FileNotFoundError:
        return None
    return [found.st_ino, found.st_ctime_ns]


def _write(folder: Path, to: Target, beside: int) -> None:
    """On disk, whole, before anything that it tells of is made."""
    new = folder / f"{_JOURNAL}.new"
    with new.open("w", encoding="utf-8") as file:
        known = {"out": str(to.package), "lock": _identity(folder / _LOCK), "beside": beside}
        json.dump(known, file)
        file.flush()
        os.fsync(file.fileno())
    new.rename(folder / _JOURNAL)
    sync_one(folder)
    sync_one(folder.parent)


def _read(folder: Path) -> Journal | Damaged:
    try:
        known = json.loads((folder / _JOURNAL).read_text(encoding="utf-8"))
        to, beside = target_of(Path(known["out"])), int(known["beside"])
        copied = known["lock"] != _identity(folder / _LOCK)
    except FileNotFoundError:
        return Journal(folder, None)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Damaged(folder)
    return Journal(folder, to, copied, beside)
