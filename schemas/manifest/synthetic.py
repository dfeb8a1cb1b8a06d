"""The values of a synthetic package's manifest, and of its approval.

A synthetic package is two things: tables of cells, which were measured with noise as those of an
aggregate release are; and tables of invented learners, drawn from a model of these figures alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.manifest.aggregate import AggregateApproval, AggregateManifest, CellTable
from schemas.manifest.error import demand, one_of
from schemas.manifest.query import GRID, LEARNERS
from schemas.manifest.values import (
    LEARNER_COURSE_GRAIN,
    LEARNER_GRAIN,
    Field,
    Resource,
    is_inside,
)

SYNTHETIC: Final = "synthetic"
"""The release type."""

ROWS_KEY: Final = "_rows"
"""The key of cells that says how many rows a learner has: no view column is called so."""

TWIN_SCOPES: Final = ("course", "release")
_MOST_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class Twin:
    """What the tables of invented learners are like.

    Attributes:
        pseudonym_scope: `course`: an invented learner has a key of its own in each item; `release`:
            one key joins its rows, and a learner table says who there is.
        item: the item column; None where no table has one.
        most_rows: up to how many rows of a learner were told apart; 1 where there are none.
    """

    pseudonym_scope: str
    item: str | None
    most_rows: int

    def __post_init__(self) -> None:
        course = self.pseudonym_scope == "course"
        demand(
            (self.pseudonym_scope in TWIN_SCOPES, "pseudonym_scope", one_of(TWIN_SCOPES)),
            (self.item is not None or not course, "item", "an item column under course scope"),
            (self.item is None or self.item.isprintable(), "item", "a printable name, or null"),
            (1 <= self.most_rows <= _MOST_ROWS, "most_rows", f"1 to {_MOST_ROWS}"),
        )


@dataclass(frozen=True, slots=True)
class SyntheticManifest:
    """The whole of `datapackage.json`.

    Attributes:
        cells: what was measured: name, title, texts and promise of the package, and its tables of
            cells.
        tables: of invented learners.
        twin: what these are like.
    """

    cells: AggregateManifest
    tables: tuple[Resource, ...]
    twin: Twin

    def __post_init__(self) -> None:
        every: tuple[CellTable | Resource, ...] = (*self.cells.resources, *self.tables)
        names = [table.name for table in every]
        paths = [p for t in every for p in (t.path, t.csv_path) if p is not None]
        queries = [table.query for table in self.cells.resources]
        simple = all(
            (q.metric, q.keys, q.cells, q.consistent_with) == (LEARNERS, GRID, 1, ())
            for q in queries
        )
        demand(
            (bool(self.tables), "resources", "at least one table of invented learners"),
            (len(set(names)) == len(names), "resources", "no name twice"),
            (len(set(paths)) == len(paths), "resources", "no path twice"),
            (simple, "resources", "distinct learners on a grid, each in one cell, drawn apart"),
        )

    @property
    def resources(self) -> tuple[CellTable | Resource, ...]:
        """All tables: those of invented learners first."""
        return (*self.tables, *self.cells.resources)


@dataclass(frozen=True, slots=True)
class TwinTable:
    """What a table of invented learners may be: `Resource`, but for its file."""

    grain: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]

    def __post_init__(self) -> None:
        grains = (LEARNER_GRAIN, LEARNER_COURSE_GRAIN)
        demand((self.grain in grains, "grain", one_of(grains)))


@dataclass(frozen=True, slots=True)
class SyntheticApproval:
    """What a steward approved and the ledger charged, written beside the package.

    Attributes:
        cells: of what was measured.
        tables: what was approved of each table of invented learners, in order.
        twin: what these are like.
    """

    cells: AggregateApproval
    tables: Mapping[str, TwinTable]
    twin: Twin

    def __post_init__(self) -> None:
        demand(
            (bool(self.tables), "twin.tables", "at least one"),
            (all(map(is_inside, self.tables)), "twin.tables", "names of tables"),
        )
