"""The permitted learners and their rows, as the anonymization sees them: leaf labels, raw ids."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.coarsen import apply_levels
from anonymizer.hierarchy import Hierarchy
from pipelines.passes import Frame
from pipelines.plan import Plan
from pipelines.views import COURSE, LEARNER
from schemas.roles import WITHHELD

CELL: Final = "_cell"
"""The column of what is never generalized: the item where a tuple counts within one, else 0."""

_HELD: Final = "_held"

Levels = Mapping[str, tuple[int, ...]]
"""Item -> the level of each ladder; the item is "" in a table without one."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with sensitive values and measures.

    Attributes:
        name: of the view.
        rows: `learner`, the item where there is one, then leaf labels.
        ladders: of its sensitive columns and binned measures.
        item: the column within which combinations are counted; None for a learner table.
    """

    name: str
    rows: pl.DataFrame
    ladders: tuple[Hierarchy, ...]
    item: str | None

    def labelled(self, levels: Levels) -> pl.DataFrame:
        """The rows with the ladders' columns at these levels."""
        return apply_levels(self.rows, self.ladders, levels, item=self.item)


@dataclass(frozen=True, slots=True)
class World:
    """Everyone who may be released.

    Attributes:
        learners: one row each, sorted by raw id: their quasi-identifiers and learner-level values.
        enrolments: one row for each (learner, item), sorted by both; None where none is asked for.
    """

    learners: Table
    enrolments: Table | None

    def tables(self) -> tuple[Table, ...]:
        """The tables there are."""
        return (self.learners,) if self.enrolments is None else (self.learners, self.enrolments)

    def only(self, kept: "Kept") -> "World":
        """The world of the rows that stay."""
        tables = (replace(table, rows=kept.of(table)) for table in self.tables())
        return World(next(tables), next(tables, None))


@dataclass(frozen=True, slots=True)
class Kept:
    """Which of a world's rows stay; masks in the order of its tables."""

    learners: NDArray[np.bool_]
    enrolments: NDArray[np.bool_]

    def of(self, table: Table) -> pl.DataFrame:
        """The rows of a table that stay."""
        mask = self.learners if table.item is None else self.enrolments
        return table.rows.filter(pl.Series(mask, dtype=pl.Boolean))

    def then(self, later: "Kept") -> "Kept":
        """Which of these rows stay after a later choice among them alone."""
        learners, enrolments = self.learners.copy(), self.enrolments.copy()
        learners[learners] = later.learners
        enrolments[enrolments] = later.enrolments
        return Kept(learners, enrolments)


def make_world(frames: Mapping[str, pl.DataFrame], plan: Plan) -> World:
    """Arrange the permitted rows of the views.

    Args:
        frames: the views as leaf labels, no nulls; one value a learner and quasi-identifier.
        plan: which of them are released.
    """
    enrolments = None
    if plan.request.release.enrolments and plan.item is not None:
        rows = frames["enrolments"].drop(COURSE, strict=False)
        if "learners" in frames:
            rows = rows.join(frames["learners"], on=LEARNER, how="semi")
        rows = rows.sort(LEARNER, plan.item)
        enrolments = Table("enrolments", rows, plan.enrolment_ladders, plan.item)
    if "learners" in frames:
        learners = frames["learners"]
        if "enrolments" in frames:
            # Whether or not its rows are released: who has none takes no part as a learner.
            learners = learners.join(frames["enrolments"], on=LEARNER, how="semi")
    else:
        # Without any learner column the table still says who is in the release.
        learners = frames["enrolments"].select(LEARNER).unique()
    return World(Table("learners", learners.sort(LEARNER), plan.learner_ladders, None), enrolments)


def everyone(world: World) -> Kept:
    """Nobody and nothing left out."""
    rows = 0 if world.enrolments is None else len(world.enrolments.rows)
    return Kept(np.ones(len(world.learners.rows), np.bool_), np.ones(rows, np.bool_))


def without(world: World, held: pl.DataFrame) -> Kept:
    """Which rows stay when some are held back; a learner stays as long as one of his rows does.

    Args:
        world: everyone.
        held: `learner`, and the item where single rows are held and not whole learners.
    """
    learners = world.learners.rows
    if world.enrolments is None:
        return Kept(~_among(learners, held), np.zeros(0, np.bool_))
    rows = ~_among(world.enrolments.rows, held)
    present = world.enrolments.rows.filter(pl.Series(rows, dtype=pl.Boolean))
    return Kept(_among(learners, present.select(LEARNER)), rows)


def _among(rows: pl.DataFrame, held: pl.DataFrame) -> NDArray[np.bool_]:
    """Which rows agree with one of the held in all of its columns."""
    marked = held.unique().with_columns(pl.lit(value=True).alias(_HELD))
    found = rows.select(held.columns).join(
        marked, on=held.columns, how="left", maintain_order="left"
    )
    return found[_HELD].fill_null(value=False).to_numpy()


def value_codes(labels: pl.Series, values: tuple[str, ...]) -> NDArray[np.int32]:
    """The place of each label among `values`; -1 where it is withheld."""
    coded = labels.replace(WITHHELD, None).cast(pl.Enum(values)).to_physical().cast(pl.Int32)
    return coded.fill_null(-1).to_numpy()


def lazy(frame: pl.DataFrame) -> Frame:
    """For a pass."""
    return nw.from_native(frame.lazy())


def collect(frame: Frame) -> pl.DataFrame:
    """From a pass."""
    native: Any = frame.collect().to_native()
    assert isinstance(native, pl.DataFrame)
    return native
