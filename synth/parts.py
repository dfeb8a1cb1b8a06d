"""A world in parts, so that one of a million learners never is in memory as a whole."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import polars as pl

Part: TypeAlias = Mapping[str, pl.DataFrame]
"""Table name -> some of its rows. The first part of a world names every table, and holds the
catalogue; each further one holds all rows of a block of learners."""

BLOCK: Final = 50_000
"""Learners a part. What a block holds depends on the seed and its number alone, so that neither
the format that it is written to nor how much is read of it changes a value."""


def gathered(parts: Iterable[Part]) -> dict[str, pl.DataFrame]:
    """The whole world: the parts' rows, one after the other."""
    tables: dict[str, list[pl.DataFrame]] = {}
    for part in parts:
        for name, rows in part.items():
            tables.setdefault(name, []).append(rows)
    return {name: pl.concat(rows) for name, rows in tables.items()}
