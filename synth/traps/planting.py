"""Planting traps into a world, which is read part by part."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from synth.parts import Part
from synth.traps.expected import Expected, Trap
from synth.traps.ground import Ground
from synth.traps.people import PEOPLE
from synth.traps.permissions import PERMISSIONS
from synth.traps.sizes import SIZES
from synth.traps.texts import TEXTS
from synth.world import LEARNER

TRAPS: Final[tuple[Callable[[Ground], Trap], ...]] = (*PEOPLE, *PERMISSIONS, *SIZES, *TEXTS)
"""Each plants its rows and rights, and says what must come of them: the first line of its docstring
stands in docs/synthetic-data.md."""


@dataclass(frozen=True, slots=True)
class Traps:
    """All traps, ready to be planted.

    Attributes:
        part: table -> planted rows: courses, learners, and what they did. To be added by `plant`.
        rights: what planted learners said, in the columns of a rights file; to be added to what the
            others said before anything is built.
        late: the same, of records that reach the registry between the cut-off of a build and its
            end: a file of its own.
        expected: what must come of it; `expected.to_json()` is the text of `expected.json`.
    """

    part: Part
    rights: pl.DataFrame
    late: pl.DataFrame
    expected: Expected


def make_traps(*, seed: int, k: int = 5) -> Traps:
    """All traps; the same arguments give the same. They depend on no world that they go into.

    Args:
        seed: where chance comes from; the world's will do: traps draw from a stream of their own.
        k: what the microdata requests of `expected.json` promise: groups of k and of k - 1 are
            planted.

    Raises:
        ValueError: k is below 2, or the seed negative.
    """
    for name, value, least in (("k", k, 2), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    ground = Ground(seed=seed, k=k)
    traps = tuple(trap(ground) for trap in TRAPS)
    return Traps(
        part=ground.frames(),
        rights=ground.rights(late=False),
        late=ground.rights(late=True),
        expected=Expected(seed=seed, k=k, traps=traps),
    )


def plant(parts: Iterable[Part], traps: Traps) -> Iterator[Part]:
    """The parts of a world, and after them one more: the planted rows.

    Rows are only added: each part of the world passes as it is, and nothing of it is kept. The
    first part also names, without rows, the planted tables that the world does not have, so that it
    still names every table. The last part is no block of the world's learners: what these permitted
    is drawn from the parts that come in, and what planted ones said is `traps.rights`.

    Args:
        parts: a world in the shape of the Coursera export; the first part names its tables.
        traps: as of `make_traps`.

    Raises:
        ValueError: the world has another shape, or a planted column does not fit it.
    """
    known: dict[str, pl.DataFrame] = {}
    for number, part in enumerate(parts):
        if number > 0:
            yield part
            continue
        if LEARNER not in part.get("users", pl.DataFrame()).columns:
            raise ValueError("traps: planted into worlds in the shape of the Coursera export alone")
        known = {name: rows.clear() for name, rows in part.items()}
        new = {n: rows.clear() for n, rows in traps.part.items() if n not in part}
        yield {**part, **new}
    yield {name: _fitted(name, rows, known) for name, rows in traps.part.items()}


def _fitted(table: str, rows: pl.DataFrame, known: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Planted rows under the columns of the world's own table; null where traps say nothing."""
    if table not in known:
        return rows
    schema = known[table].schema
    if beyond := [name for name in rows.columns if name not in schema]:
        raise ValueError(f"traps: the world's table {table} has no column {', '.join(beyond)}")
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
