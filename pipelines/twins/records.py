"""One record a learner: what is counted of him, in codes; and never to leave but with noise."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.bounding import keep_cells
from pipelines.aggregates.counting import Lots
from pipelines.twins.plan import TwinColumn, TwinPlan
from pipelines.views import LEARNER

Codes = Mapping[str, NDArray[np.int64]]
"""Column -> the code of each learner's value."""

_NUMBER = "_number"


def labelled(frames: Mapping[str, pl.DataFrame], plan: TwinPlan) -> dict[str, pl.DataFrame]:
    """The views at the twin's levels, of whoever takes part as a learner.

    Args:
        frames: the assembled views: leaf labels, under raw ids.
        plan: columns and levels.

    Returns:
        View name -> `learner` and the columns as the twin has them. A view of which no column is
        asked for is left out.
    """
    rows = frames.get("enrolments")
    found = {}
    for view, frame in frames.items():
        columns = plan.of_view(view)
        if columns:
            taking_part = frame if rows is None else frame.join(rows, on=LEARNER, how="semi")
            found[view] = taking_part.select(LEARNER, *map(_at_level, columns))
    return found


def _at_level(column: TwinColumn) -> pl.Expr:
    codes = column.ladder.levels[column.level]
    labels = [column.labels[code] for code in codes]
    return pl.col(column.name).replace_strict(list(column.ladder.leaves), labels)


def records_of(
    views: Mapping[str, pl.DataFrame], plan: TwinPlan, lots: Lots
) -> dict[str, NDArray[np.int64]]:
    """What is counted of each learner: his attributes, how many rows he has, and one of them.

    What a learner adds depends on his own rows and lots alone, so that without him every other
    record is the same.

    Args:
        views: as `labelled` returns them.
        plan: columns and labels.
        lots: which of a learner's rows it is, by their numbers.

    Returns:
        Column -> codes, one a learner, in an order that nobody sees. `ROWS_KEY` counts rows from 0
        for one, and stops at the last label.
    """
    learners = next(iter(views.values())).select(LEARNER).unique().sort(LEARNER)
    numbered = learners.with_row_index(_NUMBER)
    found: dict[str, NDArray[np.int64]] = {}
    if "learners" in views:
        own = numbered.join(views["learners"], on=LEARNER, how="inner").sort(_NUMBER)
        found |= _coded(own, plan.of_view("learners"))
    if "enrolments" in views:
        # In an order of what they hold: which of them a lot means depends on no other learner.
        rows = numbered.join(views["enrolments"], on=LEARNER, how="inner").sort(
            _NUMBER, pl.all().exclude(_NUMBER)
        )
        owners = rows[_NUMBER].to_numpy()
        counts = np.bincount(owners, minlength=numbered.height)
        found[plan.shape.number] = np.minimum(counts, plan.shape.most_rows) - 1
        priorities = lots(owners, np.arange(len(owners)))
        chosen = rows.filter(pl.Series(keep_cells(owners, priorities, most=1)))
        found |= _coded(chosen, plan.of_view("enrolments"))
    return found


def _coded(frame: pl.DataFrame, columns: tuple[TwinColumn, ...]) -> dict[str, NDArray[np.int64]]:
    return {
        column.name: frame[column.name]
        .replace_strict(list(column.labels), list(range(len(column.labels))), return_dtype=pl.Int64)
        .to_numpy()
        for column in columns
    }
