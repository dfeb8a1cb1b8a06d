"""A synthetic world, from its parts to where a source can be read."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import polars as pl

from pipelines.worlds.database import database, shown
from pipelines.worlds.delimited import coursera_zip, csv_folder
from pipelines.worlds.places import Sink, appearing, translated
from pipelines.worlds.tables import DATABASE_FILE, parquet_folder, sqlite_folder
from synth.consent import make_rights
from synth.parts import Part

FORMATS: Final[Mapping[str, Callable[[Path], AbstractContextManager[Sink]]]] = {
    "parquet": parquet_folder,
    "coursera-zip": coursera_zip,
    "csv": csv_folder,
    "sqlite": sqlite_folder,
}
"""Format -> how a new file or folder of it is written."""


@dataclass(frozen=True, slots=True)
class Files:
    """A world as files.

    Attributes:
        path: a new folder, or a new zip.
        fmt: one of `FORMATS`.
    """

    path: Path
    fmt: str

    @property
    def location(self) -> str:
        """What to read it from."""
        return str(self.path / DATABASE_FILE if self.fmt == "sqlite" else self.path)

    @contextmanager
    def opened(self) -> Iterator[Sink]:
        """Write it, part by part; it is there once all is written.

        Raises:
            OutputError: something is there already, or it can't be written.
        """
        with appearing(self.path) as place, FORMATS[self.fmt](place) as write:

            def written(part: Part) -> None:
                # Here, and not where this is opened: files opened since would take it for theirs.
                with translated(self.path):
                    write(part)

            yield written


@dataclass(frozen=True, slots=True)
class Database:
    """A world as new tables of a database.

    Attributes:
        url: an SQLAlchemy URL.
    """

    url: str

    @property
    def location(self) -> str:
        """The URL, without its password.

        Raises:
            OutputError: it is no URL.
        """
        return shown(self.url)

    def opened(self) -> AbstractContextManager[Sink]:
        """Write it, part by part; it is there once all is written.

        Raises:
            OutputError: see `database`.
        """
        return database(self.url)


Destination: TypeAlias = Files | Database


class Rights(NamedTuple):
    """What the learners of a world permitted, and where to write that.

    Attributes:
        file: a new CSV file, for `kohort rights import`.
        of: what the learners of a part permitted, by the part and its number from 0.
    """

    file: Path
    of: Callable[[Part, int], pl.DataFrame]


def write_parts(
    parts: Iterable[Part],
    to: Destination,
    *,
    rights: Rights | None,
    progress: Callable[[str], None],
) -> Counter[str]:
    """Write a world, part by part, so that it never is in memory as a whole.

    Args:
        parts: the world.
        to: where.
        rights: what else is written of it; None: nothing.
        progress: told what is done, after each part.

    Returns:
        Table -> rows written; the records of rights count as `rights`.

    Raises:
        OutputError: something is there already, or it can't be written. Then no world is there.
    """
    rows: Counter[str] = Counter()
    with ExitStack() as opened:
        # The world first, so that it is the last to appear.
        write = opened.enter_context(to.opened())
        record = None if rights is None else opened.enter_context(_rights_file(rights.file))
        for number, part in enumerate(parts):
            write(part)
            rows.update({name: table.height for name, table in part.items()})
            if rights is not None and record is not None:
                said = rights.of(part, number)
                record(said)
                rows["rights"] += said.height
            progress(f"{rows.total():,} rows")
    return rows


def write_world(world: Part, out: Path, *, fmt: str) -> Path:
    """Write a world that is in memory into a new folder or zip.

    Args:
        world: table name -> table.
        out: a new or empty folder; or a new zip.
        fmt: one of `FORMATS`.

    Returns:
        What to read it from.

    Raises:
        OutputError: something is there already, or it can't be written.
    """
    to = Files(out, fmt)
    write_parts([world], to, rights=None, progress=lambda _: None)
    return Path(to.location)


def write_rights(world: Part, file: Path, *, seed: int) -> int:
    """Write what the learners of a world permitted, as a file for `kohort rights import`.

    Args:
        world: the tables of the world.
        file: a new file.
        seed: the seed of the world.

    Returns:
        How many records were written.

    Raises:
        OutputError: the file exists already, or can't be written.
    """
    rights = make_rights(world["users"], seed=seed)
    with _rights_file(file) as record:
        record(rights)
    return rights.height


@contextmanager
def _rights_file(file: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """A new rights file, to which records are added."""
    with appearing(file) as place, place.open("xb") as stream:
        header = True

        def record(rights: pl.DataFrame) -> None:
            nonlocal header
            rights.write_csv(stream, include_header=header)
            header = False

        yield record
