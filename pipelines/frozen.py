"""What releases have fixed: a later one is no finer than they are, and groups nobody otherwise.

Two extracts that are optimized apart single out nearly everybody who is in both. So a build starts
from what the live releases show: their levels are the least it may choose, their bins stay, and
where recoding is local, everybody keeps the class that he had. What no record covers waits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, TypeVar

import polars as pl

from anonymizer.hierarchy import Hierarchy
from anonymizer.measures import TopCodedBins
from anonymizer.search import Recoding
from pipelines.frozen_text import (
    Bins,
    LeastBins,
    LeastLevel,
    Recorded,
    damaged,
    digest,
    parsed,
    text_of,
)
from pipelines.recoding import Fixed, released
from pipelines.world import Table

if TYPE_CHECKING:  # anonymizing asks for what is frozen, so its module can't be imported here
    from pipelines.microdata import Extract
    from pipelines.plan import Plan


_Least = TypeVar("_Least", LeastLevel, LeastBins)


@dataclass(frozen=True, eq=False)
class Frozen:
    """What a release fixes for later ones, or what several live ones do together.

    Attributes:
        levels: quasi-identifier -> its least level, where recoding was global.
        values: table -> column -> its least bins.
        recorded: where recoding was local; of different quasi-identifiers each.
    """

    levels: Mapping[str, LeastLevel] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, LeastBins]] = field(default_factory=dict)
    recorded: tuple[Recorded, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is fixed."""
        return bool(self.levels or self.values or self.recorded)

    @classmethod
    def of(cls, extract: "Extract", plan: "Plan") -> Self:
        """What a build fixes. Items and tuples of leaves occur in it; nobody is counted."""
        found, names = extract.recoded.found, [h.name for h in plan.quasi_identifiers]
        digests = {h.name: digest(h) for h in plan.quasi_identifiers}
        tables = [table for table in extract.world.tables() if table.name in extract.tables]
        values = {
            table.name: _least_bins(table, extract.tables[table.name], extract.levels[table.name])
            for table in tables
            if table.ladders
        }
        if isinstance(found, Recoding):
            levels = {
                name: LeastLevel(digests[name], level)
                for name, level in zip(names, found.levels, strict=True)
            }
            return cls(levels=levels, values=values)
        if not names:
            return cls(values=values)
        tuples = extract.recoded.tuples.select(*names, *map(released, names))
        return cls(values=values, recorded=(Recorded(digests, tuples),))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote.

        Raises:
            RegistryError: the text is nothing of the kind.
        """
        return cls(*parsed(text))

    def to_text(self) -> str:
        """Canonical JSON: what is equal has equal texts."""
        return text_of(self.levels, self.values, self.recorded)

    def fixed(self, plan: "Plan") -> Fixed:
        """What the recoding of a plan may not choose.

        A hierarchy that was changed since then binds nothing, nor does local recoding of other
        quasi-identifiers: what the releases show together is for the gate to judge.

        Raises:
            RegistryError: a level is none of the hierarchy's.
        """
        digests = {h.name: digest(h) for h in plan.quasi_identifiers}
        least = []
        for hierarchy in plan.quasi_identifiers:
            own = self.levels.get(hierarchy.name)
            level = own.level if own and own.sha256 == digests[hierarchy.name] else 0
            least.append(_at_most(level, hierarchy.height))
        tuples = None
        if plan.terms.recoding == "local":
            same = (one.tuples for one in self.recorded if one.hierarchies == digests)
            tuples = next(same, None)
        return Fixed(tuple(least), tuples)

    def bins(self, table: Table) -> dict[str, tuple[int, ...]]:
        """The levels that coarsening starts from: of the items of a table that are on record.

        Raises:
            RegistryError: a level is none of the ladder's.
        """
        known = self.values.get(table.name, {})
        lowest = {ladder.name: _lowest(ladder) for ladder in table.ladders}
        columns = {
            ladder.name: known[ladder.name].of_item
            for ladder in table.ladders
            if ladder.name in known and known[ladder.name].sha256 == digest(ladder)
        }
        recorded = {item for of_item in columns.values() for item in of_item}
        found = {}
        for item in sorted(_items(table, table.rows) & recorded):
            own = [
                columns.get(ladder.name, {}).get(item, lowest[ladder.name])
                for ladder in table.ladders
            ]
            for bins, ladder in zip(own, table.ladders, strict=True):
                _at_most(bins.level, ladder.height)
            tops = [
                _at_most(bins.dropped, len(ladder.edges[0]) - 1)
                for bins, ladder in zip(own, table.ladders, strict=True)
                if isinstance(ladder, TopCodedBins)
            ]
            found[item] = (*(bins.level for bins in own), *tops)
        return found


NOTHING_FROZEN: Final = Frozen()
"""No live release: a build may choose freely."""


def merged(frozens: Sequence[Frozen]) -> Frozen:
    """What several releases fix together: of each column the higher level.

    A column whose hierarchies differ binds nothing: their levels can't be compared.

    Args:
        frozens: the oldest release first; of the same quasi-identifiers under local recoding the
            newest counts.
    """
    levels = {
        name: LeastLevel(own[0].sha256, max(one.level for one in own))
        for name, own in _agreeing([one.levels for one in frozens]).items()
    }
    values = {}
    for table in sorted({name for one in frozens for name in one.values}):
        columns = _agreeing([one.values.get(table, {}) for one in frozens])
        values[table] = {
            name: LeastBins(own[0].sha256, _highest([one.of_item for one in own]))
            for name, own in columns.items()
        }
    recorded = {
        tuple(sorted(own.hierarchies.items())): own for one in frozens for own in one.recorded
    }
    return Frozen(levels, {name: own for name, own in values.items() if own}, (*recorded.values(),))


def _least_bins(
    table: Table, shown: pl.DataFrame, levels: Mapping[str, tuple[int, ...]]
) -> dict[str, LeastBins]:
    """The levels at which a table is shown, of the items that it shows."""
    of_column: dict[str, dict[str, Bins]] = {ladder.name: {} for ladder in table.ladders}
    for item in _items(table, shown):
        dropped = iter(levels[item][len(table.ladders) :])
        for ladder, level in zip(table.ladders, levels[item], strict=False):
            top = next(dropped) if isinstance(ladder, TopCodedBins) else 0
            of_column[ladder.name][item] = Bins(level, top)
    return {
        ladder.name: LeastBins(digest(ladder), of_column[ladder.name]) for ladder in table.ladders
    }


def _items(table: Table, rows: pl.DataFrame) -> set[str]:
    return {""} if table.item is None else set(rows[table.item].cast(pl.String).unique())


def _lowest(ladder: Hierarchy) -> Bins:
    """The finest level that may be shown: level 0 of a top-coded ladder still has the tail."""
    return Bins(int(isinstance(ladder, TopCodedBins)), 0)


def _agreeing(columns: Sequence[Mapping[str, _Least]]) -> dict[str, list[_Least]]:
    """Column -> what is known of it, where every digest is the same."""
    found: dict[str, list[_Least]] = {}
    for own in columns:
        for name, least in own.items():
            found.setdefault(name, []).append(least)
    return {name: own for name, own in found.items() if len({one.sha256 for one in own}) == 1}


def _highest(items: Iterable[Mapping[str, Bins]]) -> dict[str, Bins]:
    found: dict[str, Bins] = {}
    for of_item in items:
        for item, bins in of_item.items():
            other = found.get(item, bins)
            found[item] = Bins(max(bins.level, other.level), max(bins.dropped, other.dropped))
    return found


def _at_most(level: int, height: int) -> int:
    if level > height:
        raise damaged("a level above the top of its hierarchy")
    return level
