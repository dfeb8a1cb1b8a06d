"""What every source offers: named tables that are read as text, batch by batch."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from schemas.raw import ROW

__all__ = ["ROW", "RawTable", "Reading", "Source", "did_you_mean"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One pass over a table.

    Attributes:
        batches: text columns as asked for, null where the source has no value, and `_row` (Int64),
            the position in file order from 0, where rows that can't be split count too.
        ragged: positions of rows whose number of cells differs from the header's; complete once
            the batches are exhausted.
        digest: the SHA-256 of the content, in hexadecimal; to be called after the batches.
    """

    batches: Iterator[pl.DataFrame]
    ragged: Sequence[int]
    digest: Callable[[], str]


class RawTable(Protocol):
    """A table as it lies in its source."""

    def columns(self) -> tuple[str, ...]:
        """Its column names, in order.

        Raises:
            SourceError: the header can't be read, or repeats a name.
        """

    def read(self, columns: Sequence[str]) -> Reading:
        """Read some of its columns.

        Raises:
            SourceError: on reading a batch: the content can't be read.
        """


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source.

    Attributes:
        location: what to call it in messages; holds no password.
        tables: its tables by their raw names.
    """

    location: str
    tables: Mapping[str, RawTable]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name, to be put behind a message; empty where nothing is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
