"""The public grid of a query: which cells there are, whoever is in them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from anonymizer.errors import HierarchyError
from anonymizer.hierarchy import Hierarchy
from pipelines.aggregates.periods import PeriodRange, period_range
from pipelines.errors import RequestError, SourceError
from pipelines.ladders import HierarchyRows, ladder_of
from schemas.catalogue import Catalogue, catalogue_sha256
from schemas.declaration import Family, View, ViewColumn
from schemas.queries import GroupKey, Query
from schemas.query_rules import discovers, key_column
from schemas.roles import MISSING, OTHER, Role

MOST_DRAWS: Final = 2_000_000
"""For one query: every cell costs a draw, or one for each of its bins."""

MOST_SELECTIONS: Final = 50_000
"""For one query: every quantile of a cell by noisy-max costs some milliseconds."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Values that are told by name.

    Attributes:
        codes: each value and its position among the labels of the key; what else is, is other.
        other: the position of `(other)`; None where rows with other values are put aside before.
    """

    codes: tuple[tuple[str, int], ...]
    other: int | None


@dataclass(frozen=True, slots=True)
class Dated:
    """Periods, by their number; every time outside of them, or unknown, is other."""

    periods: PeriodRange
    other: int


@dataclass(frozen=True, slots=True)
class Discovered:
    """Values that no public list has: the data's own."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a grid.

    Attributes:
        column: the view column.
        view: the name of the view that it stands in.
        level: of its hierarchy.
        labels: in grid order; none where they are discovered.
        coding: how a value becomes a position among them.
    """

    column: str
    view: str
    level: int
    labels: tuple[str, ...]
    coding: Listed | Dated | Discovered

    @property
    def own(self) -> bool:
        """Whether it is an attribute of the learner: the same in all his rows."""
        return self.view == "learners"


@dataclass(frozen=True, slots=True)
class Grid:
    """Every cell of a query: all combinations of the labels of its keys.

    Attributes:
        keys: the last one varies fastest.
    """

    keys: tuple[Key, ...]

    @property
    def discovered(self) -> bool:
        """Whether some key's labels are the data's own, so that there is no public grid."""
        return any(isinstance(key.coding, Discovered) for key in self.keys)

    @property
    def size(self) -> int:
        """The number of cells of a public grid."""
        return math.prod(len(key.labels) for key in self.keys)

    @property
    def reach(self) -> int:
        """In how many cells of a public grid a learner can be: he has one value of each own key."""
        return math.prod(len(key.labels) for key in self.keys if not key.own)

    def combinations(self) -> list[tuple[str, ...]]:
        """The labels of every cell, in the order of the cells' numbers."""
        return list(product(*(key.labels for key in self.keys)))


@dataclass(frozen=True, slots=True)
class Public:
    """All that is public of a source: what grids are made of.

    Attributes:
        family: its declaration.
        rows: the tables of its hierarchies.
        catalogue: the steward's.
    """

    family: Family
    rows: HierarchyRows
    catalogue: Catalogue

    def declared(self) -> dict[str, list[tuple[str, ...]]]:
        """View and column -> the labels of each level, for all that declarations list."""
        return {f"{view}.{name}": list(ladder.labels) for view, name, ladder in self._ladders()}

    def sha256(self) -> str:
        """The hash that a request names: of the catalogue, and of which value has which label."""
        paths = {
            f"{view}.{name}": [ladder.label_of(level) for level in range(ladder.height + 1)]
            for view, name, ladder in self._ladders()
        }
        return catalogue_sha256(self.catalogue, paths)

    def _ladders(self) -> Iterator[tuple[str, str, Hierarchy]]:
        for view, own in self.family.views.items():
            for name, column in own.columns.items():
                if (ladder := _ladder(name, column, self.rows)) is not None:
                    yield view, name, ladder


def grid_of(query: Query, public: Public, *, subject: str) -> Grid:
    """The grid of an authorized query.

    Args:
        query: which columns, at which levels.
        public: what they are.
        subject: the query's place in the request.

    Raises:
        RequestError: a level is above the hierarchy.
        SourceError: a declared hierarchy is not a tree.
    """
    keys = (_key(query, i, public, subject=f"{subject}.by.{i}") for i in range(len(query.by)))
    return Grid(tuple(keys))


def _key(query: Query, number: int, public: Public, *, subject: str) -> Key:
    asked = query.by[number]
    found = key_column(query, asked.column, public.family)
    assert found is not None
    own, column = found
    view = next(name for name, one in public.family.views.items() if one is own)
    name, catalogue = asked.column, public.catalogue
    ladder = _ladder(name, column, public.rows)
    height = 0 if ladder is None else ladder.height
    if asked.level > height:
        raise RequestError(
            f"request: {subject}.level: {name} has levels 0 to {height}; see `kohort catalog show`"
        )
    if ladder is not None:
        closed = _is_closed(public.family, own, name, ladder)
        return _of_ladder(asked, view, ladder, closed=closed)
    if column.role is Role.TIME:
        assert column.period is not None
        periods = period_range(column.period, catalogue.periods[name])
        return Key(name, view, 0, (*periods.labels, OTHER), Dated(periods, len(periods.labels)))
    if name not in catalogue.values:
        assert discovers(query)
        return Key(name, view, 0, (), Discovered())
    values = catalogue.values[name]
    codes = tuple((value, i) for i, value in enumerate(values))
    return Key(name, view, 0, (*values, OTHER), Listed(codes, len(values)))


def _ladder(name: str, column: ViewColumn, rows: HierarchyRows) -> Hierarchy | None:
    if column.role in {Role.ITEM, Role.TIME}:
        return None
    try:
        return ladder_of(name, column, rows)
    except HierarchyError as error:
        raise SourceError(str(error)) from None


def _of_ladder(key: GroupKey, view: str, ladder: Hierarchy, *, closed: bool) -> Key:
    labels = ladder.labels[key.level]
    if OTHER in labels:
        raise SourceError(
            f"{view}.{key.column}: {OTHER} has a meaning of its own; rename that label"
        )
    codes = tuple(zip(ladder.leaves, ladder.levels[key.level].tolist(), strict=True))
    if closed:
        return Key(key.column, view, key.level, labels, Listed(codes, None))
    return Key(key.column, view, key.level, (*labels, OTHER), Listed(codes, len(labels)))


def _is_closed(family: Family, view: View, name: str, ladder: Hierarchy) -> bool:
    """Whether no row can have another value: bins take every number, declared lists are kept."""
    column = view.columns[name]
    values = family.behind(name, view).values
    if column.is_number or values is None:
        return column.is_number
    unknown = (column.missing,) if MISSING not in ladder.leaves else ()
    labels = {column.relabel.get(value, value) for value in values}
    return {*labels, *unknown} <= {*ladder.leaves}
