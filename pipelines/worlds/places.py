"""Where a world appears: under a name that nothing has yet, once all of it is written."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import permutations
from pathlib import Path
from typing import TypeAlias

from pipelines.errors import OutputError
from pipelines.folders import sync, sync_one, told
from synth.parts import Part

Sink: TypeAlias = Callable[[Part], None]
"""Takes the next part of a world. The first one names every table."""


@contextmanager
def appearing(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Lend places to write to, whose content lies at the targets when all went well.

    Each lies in a hidden folder beside its target, so that one step suffices: whoever finds
    something there finds all of it. These steps follow each other once everything is on the disk.
    A failure leaves nothing, a kill the hidden folders at most. What somebody else put there
    meanwhile stays.

    Args:
        targets: files or folders that are not there yet, in the order in which they appear; or,
            for a folder, an empty one, which is replaced: not the one that we are in.

    Yields:
        Paths at which to make the files or folders.

    Raises:
        OutputError: something is there already, or it can't be written.
    """
    targets = tuple(to.absolute() for to in targets)
    with ExitStack() as hidden:
        places = tuple(hidden.enter_context(_hidden(to)) for to in targets)
        yield places
        for place, to in zip(places, targets, strict=True):
            with translated(to):
                (sync if place.is_dir() else sync_one)(place)
        for to in targets:
            with translated(to):
                _refuse_taken(to)  # somebody may have been quicker
        _appear(places, targets)


def refuse_overlap(targets: Sequence[Path]) -> None:
    """Refuse targets of which one would lie where another one does, or within it.

    Raises:
        OutputError: so it is, whichever links lead there.
    """
    real = [Path(os.path.realpath(to)) for to in targets]
    for inner, outer in permutations(range(len(real)), 2):
        if real[inner] == real[outer]:
            raise OutputError(f"{targets[inner]}: two files would lie there; name different ones")
        if real[inner].is_relative_to(real[outer]):
            raise OutputError(
                f"{targets[inner]}: within {targets[outer]}, which is written too; name another"
            )


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


@contextmanager
def _hidden(to: Path) -> Iterator[Path]:
    """A place for `to` in a hidden folder beside it, which is gone afterwards."""
    with ExitStack() as folder:
        with translated(to):
            _refuse_taken(to)
            to.parent.mkdir(parents=True, exist_ok=True)
            made = tempfile.TemporaryDirectory(prefix=".kohort-", dir=to.parent)
            hidden = folder.enter_context(made)
        yield Path(hidden, to.name)


def _appear(places: Sequence[Path], targets: Sequence[Path]) -> None:
    """Let everything appear, or nothing."""
    with ExitStack() as back:
        for place, to in zip(places, targets, strict=True):
            with translated(to):
                _move(place, to)
            back.callback(to.rename, place)
        back.pop_all()


def _move(place: Path, to: Path) -> None:
    """Move a file or folder to where nothing lies, or an empty folder.

    Raises:
        OutputError: something lies there.
        OSError: it can't be moved.
    """
    if place.is_dir():  # renamed over a file, or over a folder that holds something, it fails
        place.rename(to)
        return
    try:
        os.link(place, to)  # a rename would replace a file
    except OSError:  # somebody was quicker; or the file system knows no links
        _refuse_taken(to)
        place.rename(to)
    else:
        place.unlink()


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
