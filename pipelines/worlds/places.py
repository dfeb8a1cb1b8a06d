"""Where a world appears: under a name that nothing has yet, once all of it is written."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from pipelines.errors import OutputError
from pipelines.folders import sync, sync_one, told
from synth.parts import Part

Sink: TypeAlias = Callable[[Part], None]
"""Takes the next part of a world. The first one names every table."""


@contextmanager
def appearing(to: Path) -> Iterator[Path]:
    """Lend a place to write to, whose content lies at `to` when all went well.

    It lies in a hidden folder beside `to`, so that one rename suffices: whoever finds something at
    `to` finds all of it. A failure leaves nothing, a kill the hidden folder at most.

    Args:
        to: a file or a folder that is not there yet; or, for a folder, an empty one, which is
            replaced: not the one that we are in.

    Yields:
        A path at which to make the file or folder.

    Raises:
        OutputError: something is there already, or it can't be written.
    """
    to = to.absolute()
    with translated(to):
        _refuse_taken(to)
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".kohort-", dir=to.parent) as hidden:
            place = Path(hidden, to.name)
            yield place
            if place.is_dir():
                sync(place)
            else:
                sync_one(place)
            _refuse_taken(to)  # somebody may have been quicker
            place.rename(to)


@contextmanager
def translated(to: Path) -> Iterator[None]:
    """The system's errors as ours.

    Raises:
        OutputError: `to` can't be written.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{to}: can't be written ({told(error)})") from None


def _refuse_taken(to: Path) -> None:
    """Refuse a place where something lies; an empty folder is none.

    Raises:
        OutputError: something lies there, or we do.
        OSError: it can't be looked at.
    """
    if to.name in {"", ".."} or (to.is_dir() and to.samefile(Path.cwd())):
        raise OutputError(f"{to}: name a new file or folder in it")
    if to.is_dir() and not to.is_symlink():
        if any(to.iterdir()):
            raise OutputError(f"{to}: not empty; name a new folder")
    elif os.path.lexists(to):
        raise OutputError(f"{to}: exists already; name a new one")
