"""Where a world may be written to: files of a format, or the tables of a database."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from pipelines.worlds.database import database, file_of, shown
from pipelines.worlds.delimited import coursera_zip, csv_folder
from pipelines.worlds.places import Sink, appearing, translated
from pipelines.worlds.tables import DATABASE_FILE, parquet_folder, sqlite_folder
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
        path: a new or empty folder; or, as `coursera-zip`, a new file.
        fmt: one of `FORMATS`.
    """

    path: Path
    fmt: str

    @property
    def holder(self) -> Path:
        """The folder or file that a reader opens."""
        return self.path / DATABASE_FILE if self.fmt == "sqlite" else self.path

    @property
    def location(self) -> str:
        """What to read it from, as `kohort init --source` takes it."""
        return f"sqlite:///{self.holder}" if self.fmt == "sqlite" else str(self.holder)

    @contextmanager
    def opened(self) -> Iterator[Sink]:
        """Write it, part by part; it is there once all is written.

        Raises:
            OutputError: something is there already, or it can't be written.
        """
        with appearing(self.path) as (place,), self.written(place) as write:
            yield write

    @contextmanager
    def written(self, place: Path) -> Iterator[Sink]:
        """Write it, part by part, where it is lent a place; it is whole once this ends.

        Args:
            place: of `appearing`.

        Raises:
            OutputError: it can't be written.
        """
        with translated(self.path), FORMATS[self.fmt](place) as write:

            def written(part: Part) -> None:
                # Here, too: files opened since would take it for theirs.
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
        """The URL, without its password and options.

        Raises:
            OutputError: it is no URL.
        """
        return shown(self.url)

    @property
    def file(self) -> Path | None:
        """The file that holds it, where it is a database of one file.

        Raises:
            OutputError: it is no URL.
        """
        return file_of(self.url)

    def opened(self) -> AbstractContextManager[Sink]:
        """Write it, part by part; it is there once all is written.

        Raises:
            OutputError: see `pipelines.worlds.database.database`.
        """
        return database(self.url)


Destination: TypeAlias = Files | Database
