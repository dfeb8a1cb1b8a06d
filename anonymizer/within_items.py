"""What splitting a class would cost in its items: a model for local recoding.

Local recoding gives a learner one class, and what is released of him is looked at item by item. A
class is then worth having if few of its rows stand in items where too few of its learners are, or
where a sensitive value would be told. Other recodings find such classes by growing all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.grouping import holding
from anonymizer.models import (
    EquivalenceClasses,
    Model,
    SensitiveValues,
    counted,
    within_share,
)

_SEPARATOR: Final = ":"
_BLOCK: Final = 2**22
"""Counts of (class, item, value) looked at together."""


def crossed_label(item: int, value: str) -> str:
    """A sensitive value in an item, as one label; items are numbers from 0."""
    return f"{item}{_SEPARATOR}{value}"


@dataclass(frozen=True)
class WithinItems:
    """At most a share of a class's rows lie in items in which its learners do not hold.

    The classes count items, and the values in items, as sensitive columns: labels `crossed_label`.

    Attributes:
        k: learners of the class in an item, at least, if there are any.
        models: asked of each class in each item, about the columns of `crossed`.
        items: the column whose values are items, with the empty text as value.
        crossed: sensitive column -> the column whose values are items with its values.
        share: of the rows, from 0 to 1.

    Raises:
        CoreError: k or the share is out of range.
    """

    k: int
    models: tuple[Model, ...]
    items: str
    crossed: Mapping[str, str]
    share: float

    def __post_init__(self) -> None:
        if self.k < 1 or not 0 <= self.share <= 1:
            raise CoreError("within items: k of at least 1, and a share from 0 to 1")

    def __call__(self, classes: EquivalenceClasses) -> NDArray[np.bool_]:
        """Which classes lose no more than the share."""
        lost, rows = self.lost(classes)
        return within_share(lost, rows, self.share)

    def lost(self, classes: EquivalenceClasses) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of each class that do not hold, and all its rows; shape (classes,) each."""
        held = counted(classes, self.items, model="within items")
        item_of = [_parted(label)[0] for label in held.values]
        number = max(item_of, default=-1) + 1
        tables = {
            name: _Crossed.of(counted(classes, column, model="within items"), number)
            for name, column in self.crossed.items()
        }
        width = number * max([1, *(len(table.values) for table in tables.values())])
        lost = np.empty(len(classes.size), np.int64)
        rows = np.empty(len(classes.size), np.int64)
        step = max(_BLOCK // max(width, 1), 1)
        for start in range(0, len(lost), step):
            block = slice(start, start + step)
            sizes = np.zeros((len(lost[block]), number), np.int64)
            sizes[:, item_of] = held.counts[block]
            holds = self._holding(sizes, tables, block)
            lost[block], rows[block] = np.where(holds, 0, sizes).sum(axis=1), sizes.sum(axis=1)
        return lost, rows

    def _holding(
        self, sizes: NDArray[np.int64], tables: Mapping[str, "_Crossed"], block: slice
    ) -> NDArray[np.bool_]:
        """Which classes of a block hold in which items, or have nobody there; (block, items)."""
        flat = sizes.reshape(-1)
        item = np.tile(np.arange(sizes.shape[1]), len(sizes))
        sensitive = {name: table.within(block, item) for name, table in tables.items()}
        groups = EquivalenceClasses(flat, flat, sensitive)
        holds: NDArray[np.bool_] = holding(groups, self.models, self.k) | (flat == 0)
        return holds.reshape(sizes.shape)


@dataclass(frozen=True, eq=False)
class _Crossed:
    """Values in items: where each count stands in a table of items and values."""

    held: SensitiveValues
    values: tuple[str, ...]
    place: NDArray[np.int64]
    number: int

    @classmethod
    def of(cls, held: SensitiveValues, number: int) -> "_Crossed":
        """Read the labels; `number` is that of the items."""
        pairs = [_parted(label) for label in held.values]
        # The labels stand in declared order within each item, and any two items agree in it.
        values = tuple(dict.fromkeys(value for _, value in pairs))
        code = {value: i for i, value in enumerate(values)}
        place = [item * len(values) + code[value] for item, value in pairs]
        return cls(held, values, np.array(place, np.int64), number)

    def within(self, block: slice, item: NDArray[np.int64]) -> SensitiveValues:
        """The values of each class of a block in each item, compared with all of the item."""
        counts = self._spread(self.held.counts[block])
        whole = self._spread(self.held.reference.sum(axis=0)[None])
        return SensitiveValues(counts, whole, item, self.values)

    def _spread(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        table = np.zeros((len(counts), self.number * len(self.values)), np.int64)
        table[:, self.place] = counts
        return table.reshape(len(counts) * self.number, len(self.values))


def crossed_order(items: int, values: Sequence[str]) -> tuple[str, ...]:
    """Every label of values in items, value by value: the declared order within each item."""
    return tuple(crossed_label(item, value) for value in values for item in range(items))


def _parted(label: str) -> tuple[int, str]:
    item, _, value = label.partition(_SEPARATOR)
    return int(item), value
