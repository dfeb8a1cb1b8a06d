"""What a release shows of whom, and the same in numbers that mean the same in all releases."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.cells import ReleaseEntry
from anonymizer.incidence import Incidence
from schemas.manifest import ItemKnowledge

MEMBERS: Final = pl.Schema(
    {"learner": pl.String(), "item": pl.String(), "class_number": pl.Int64()}
)
NO_NUMBER: Final = -1
"""The number of the item of a row without one."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a release shows of whom.

    Attributes:
        k: distinct learners that it promises.
        m: items that its attacker knows; 1 is course scope, where nothing joins two rows.
        project: whose key its pseudonyms are made under; None but in linked scope.
        item: its item column; None where it shows no items.
        members: `learner` (the registry's digest, hex), `item` (the released label, "" where it
            shows none of his), `class_number`; each learner and item once, without nulls. A learner
            has one class.

    Raises:
        ValueError: the members have another shape, or items do not fit the promise.
    """

    k: int
    m: ItemKnowledge
    project: str | None
    item: str | None
    members: pl.DataFrame

    def __post_init__(self) -> None:
        if self.members.schema != MEMBERS or any(self.members.null_count().row(0)):
            raise ValueError("members: expected learner, item and class_number without nulls")
        without = self.members["item"] == ""
        if (self.item is None and not without.all()) or (self.m == 1 and without.any()):
            raise ValueError("members: items do not fit the item column and m")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Members of a release in numbers, sorted by learner and item.

    Attributes:
        shown: whose members they are.
        learner: the same number in all releases.
        item: the same number in all releases; `NO_NUMBER` where there is none.
        classes: of the learner.
        at: the row in `shown.members`.

    Raises:
        ValueError: a learner has an item twice, or is in two classes.
    """

    shown: Shown
    learner: NDArray[np.int64]
    item: NDArray[np.int64]
    classes: NDArray[np.int64]
    at: NDArray[np.int64]

    def __post_init__(self) -> None:
        same = self.learner[1:] == self.learner[:-1]
        if (same & (self.item[1:] == self.item[:-1])).any():
            raise ValueError("members: a learner has an item twice")
        if (same & (self.classes[1:] != self.classes[:-1])).any():
            raise ValueError("members: a learner is in two classes")

    def filtered(self, stays: NDArray[np.bool_]) -> "Rows":
        """Some of the rows."""
        return replace(
            self,
            learner=self.learner[stays],
            item=self.item[stays],
            classes=self.classes[stays],
            at=self.at[stays],
        )

    def entry(self, *, items: bool) -> ReleaseEntry:
        """Each learner with his class and, if asked, his items."""
        begins = np.diff(self.learner, prepend=-1) > 0
        rows = (self.item != NO_NUMBER) & items
        length = np.bincount((np.cumsum(begins) - 1)[rows], minlength=int(begins.sum()))
        held = Incidence(
            offsets=np.concatenate(([0], np.cumsum(length))).astype(np.int64),
            item=self.item[rows].astype(np.int32),
            classes=self.classes[begins],
        )
        return ReleaseEntry(self.learner[begins], held, self.shown.k, self.shown.m)


def numbered(
    earlier: Sequence[Shown], new: Shown, present: pl.DataFrame
) -> tuple[list[Rows], Rows, Rows]:
    """All releases, the new one, and who is present, in the same numbers.

    Numbers follow the order of digests and labels, so that the order of rows tells nothing.

    Raises:
        ValueError: the new release shows who is not present.
    """
    on = ["learner", "item"]
    if len(new.members.join(present, on=on if new.m == 1 else "learner", how="anti")):
        raise ValueError("present: lacks rows of the new release")
    frames = [*(one.members for one in earlier), new.members, present]
    numbers = [
        pl.concat([frame.select(name).unique() for frame in frames])
        .unique()
        .filter(pl.col(name) != "")
        .sort(name)
        .with_row_index(f"{name}_number")
        for name in on
    ]

    def rows(shown: Shown, frame: pl.DataFrame) -> Rows:
        coded = frame.with_row_index("at")
        for name, known in zip(on, numbers, strict=True):
            coded = coded.join(known, on=name, how="left")
        coded = coded.select(pl.exclude(on).cast(pl.Int64)).sort("learner_number", "item_number")
        return Rows(
            shown,
            coded["learner_number"].to_numpy(),
            coded["item_number"].fill_null(NO_NUMBER).to_numpy(),
            coded["class_number"].to_numpy(),
            coded["at"].to_numpy(),
        )

    there = present.select(on).unique().with_columns(pl.lit(0, pl.Int64).alias("class_number"))
    return [rows(one, one.members) for one in earlier], rows(new, new.members), rows(new, there)


def row_keys(rows: Rows, items: int) -> NDArray[np.int64]:
    """The numbers of learner and item; rows without one are left out."""
    has = rows.item != NO_NUMBER
    keys: NDArray[np.int64] = rows.learner[has] * items + rows.item[has]
    return keys
