"""What each build writes down before it does it, so that another can clean up after it.

A build has `WORKSPACE/building/ID/`, where ID is that of its release: a `lock` that it holds while
it lives, `journal.json`, which says where its results shall lie, and `staging/` with raw tables.
The names of the folders that it makes beside its target follow from these two. Builds begin, and
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
from pipelines.folders import Target, remove, sync_one, target_of
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
    """

    folder: Path
    to: Target | None

    @property
    def release(self) -> str:
        """The id that its release has, if it was ever recorded."""
        return self.folder.name

    def close(self) -> None:
        """Remove it, when all that it tells of is dealt with.

        Raises:
            OutputError: it can't be removed.
        """
        remove(self.folder)


@contextmanager
def begun(root: Path, release: str, to: Target) -> Iterator[Journal]:
    """The journal of a new build, which counts as alive until this ends.

    Raises:
        OSError: it can't be written.
    """
    journal = Journal(root / BUILDING / release, to)
    with ExitStack() as alive:
        with _sweep(root):
            journal.folder.mkdir(mode=0o700)
            alive.enter_context(held(journal.folder / _LOCK, waiting=_wait))
        try:
            _write(journal.folder, to)
        except BaseException:
            with suppress(OutputError):  # then it is found as one that made nothing
                journal.close()
            raise
        yield journal


@contextmanager
def dead(root: Path) -> Iterator[list[Journal]]:
    """The journals of builds that are no more; nobody else looks for them meanwhile.

    Raises:
        OutputError: one can't be read.
        OSError: the folder of the journals can't be made or locked.
    """
    with _sweep(root):
        folders = sorted(path for path in (root / BUILDING).iterdir() if _ID.fullmatch(path.name))
        yield [Journal(path, _read(path)) for path in folders if is_free(path / _LOCK)]


@contextmanager
def _sweep(root: Path) -> Iterator[None]:
    """While this is held, no build begins, and nobody else takes one for dead."""
    (root / BUILDING).mkdir(mode=0o700, exist_ok=True)
    with held(root / BUILDING / ".sweep", waiting=_wait):
        yield


def _wait() -> None:
    """Others are done at once: nobody needs to hear of it."""


def _write(folder: Path, to: Target) -> None:
    """On disk, whole, before anything that it tells of is made."""
    new = folder / f"{_JOURNAL}.new"
    with new.open("w", encoding="utf-8") as file:
        json.dump({"out": str(to.package)}, file)
        file.flush()
        os.fsync(file.fileno())
    new.rename(folder / _JOURNAL)
    sync_one(folder)
    sync_one(folder.parent)


def _read(folder: Path) -> Target | None:
    try:
        return target_of(Path(json.loads((folder / _JOURNAL).read_text(encoding="utf-8"))["out"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        raise OutputError(
            f"{folder / _JOURNAL}: can't be read; remove what a dead build left beside its --out "
            f"(.kohort-{folder.name}-*), then {folder}"
        ) from None
