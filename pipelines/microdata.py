"""Microdata: from permitted rows to tables in which every learner hides among at least k.

The recoding and the bins of measures depend on each other: coarser sensitive values change which
classes hold, and suppressed learners change which combinations of measures are frequent. The two
are fitted in turn; levels of measures only ever rise, so the loop ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import polars as pl

from anonymizer.coarsen import apply_levels, coarsen
from anonymizer.errors import NoRecodingError
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import VALUE, histogram_from_counts
from anonymizer.items import exact_item_sets
from anonymizer.search import Recoding, optimal_recoding
from pipelines.errors import PrivacyError
from pipelines.passes import Frame, count_learners, recode, suppress
from pipelines.plan import Plan
from pipelines.views import LEARNER
from schemas.roles import WITHHELD

_CELL = "_cell"
_COUNT = "_learners"
Levels = Mapping[str, tuple[int, ...]]
"""Item -> the level of each ladder; the item is "" in a table without one."""


@dataclass(frozen=True, slots=True)
class Extract:
    """Anonymized tables, still under raw learner ids, and what it took (steward-side).

    Attributes:
        tables: name -> rows: `learner`, then the item, the quasi-identifiers, the other columns.
        recoding: the chosen generalization.
        levels: table -> the level of each ladder by item.
        learners: distinct learners before suppression.
        affected: distinct learners who lost at least one row.
    """

    tables: Mapping[str, pl.DataFrame]
    recoding: Recoding
    levels: Mapping[str, Levels]
    learners: int
    affected: int


@dataclass(frozen=True, slots=True)
class _Table:
    """A table to be released: its rows as leaf labels.

    Attributes:
        keys: the columns before the ladders' ones: the item, the quasi-identifiers.
        ladders: of its sensitive columns and measures.
        item: the column within which combinations are counted; None for a learner table.
    """

    name: str
    rows: pl.DataFrame
    keys: tuple[str, ...]
    ladders: tuple[Hierarchy, ...]
    item: str | None

    def of(self, units: pl.DataFrame) -> pl.DataFrame:
        """The rows of these units."""
        return self.rows.join(units, on=[LEARNER, _CELL], how="semi")


def anonymize(frames: Mapping[str, pl.DataFrame], plan: Plan) -> Extract:
    """Recode, suppress and bin until the promise holds.

    Args:
        frames: the permitted rows of the views, as leaf labels; no nulls.
        plan: hierarchies, models and limits.

    Raises:
        PrivacyError: no recoding keeps suppression within the request's limit.
    """
    units, tables = _by_course(frames, plan) if plan.course_scope else _by_learner(frames, plan)
    kept = units
    recoding = None
    levels: dict[str, Levels] = {table.name: {} for table in tables}
    while (raised := _raised(tables, kept, levels, plan)) or recoding is None:
        levels = {name: {**levels[name], **raised.get(name, {})} for name in levels}
        recoding, failing = _search(units, tables, levels, plan)
        kept = _collect(suppress(_lazy(units), _lazy(failing), by=_tuple(plan)))
    labels = {
        hierarchy.name: _lazy(
            pl.DataFrame({"leaf": hierarchy.leaves, "label": hierarchy.label_of(level)})
        )
        for hierarchy, level in zip(plan.quasi_identifiers, recoding.levels, strict=True)
    }
    lost = units.join(kept, on=[LEARNER, _CELL], how="anti")
    return Extract(
        tables={t.name: _released(t, kept, levels[t.name], labels) for t in tables},
        recoding=recoding,
        levels=levels,
        learners=units[LEARNER].n_unique(),
        affected=lost[LEARNER].n_unique(),
    )


def _by_course(
    frames: Mapping[str, pl.DataFrame], plan: Plan
) -> tuple[pl.DataFrame, tuple[_Table, ...]]:
    """Course scope: the unit is a learner in an item; the class stands on each enrolment."""
    assert plan.item is not None  # course scope requires the view enrolments
    quasi = [hierarchy.name for hierarchy in plan.quasi_identifiers]
    rows = frames["enrolments"].with_columns(pl.col(plan.item).alias(_CELL))
    if quasi:
        rows = rows.join(frames["learners"].select(LEARNER, *quasi), on=LEARNER, how="inner")
    table = _Table("enrolments", rows, (plan.item, *quasi), plan.enrolment_ladders, plan.item)
    return rows.select(LEARNER, _CELL, *quasi), (table,)


def _by_learner(
    frames: Mapping[str, pl.DataFrame], plan: Plan
) -> tuple[pl.DataFrame, tuple[_Table, ...]]:
    """Release scope: the unit is a learner; the cell is the exact set of released items."""
    quasi = tuple(hierarchy.name for hierarchy in plan.quasi_identifiers)
    tables, cells = [], None
    if plan.request.release.enrolments and plan.item is not None:
        enrolments = frames["enrolments"]
        if "learners" in frames:
            enrolments = enrolments.join(frames["learners"], on=LEARNER, how="semi")
        sets = exact_item_sets(enrolments, learner=LEARNER, item=plan.item)
        cells = sets.rename({"item_set": _CELL})
        rows = enrolments.join(cells, on=LEARNER, how="inner")
        tables.append(_Table("enrolments", rows, (plan.item,), plan.enrolment_ladders, plan.item))
    if cells is None:
        learners = frames["learners"].with_columns(pl.lit(0, pl.Int64).alias(_CELL))
    else:
        learners = cells.join(frames["learners"], on=LEARNER) if "learners" in frames else cells
    # Without any learner column the table still says who is in the release.
    tables.insert(0, _Table("learners", learners, quasi, plan.learner_ladders, None))
    return learners.select(LEARNER, _CELL, *quasi), tuple(tables)


def _raised(
    tables: tuple[_Table, ...], kept: pl.DataFrame, levels: Mapping[str, Levels], plan: Plan
) -> dict[str, Levels]:
    """The levels that must rise for the combinations of the kept rows to be frequent enough."""
    raised: dict[str, Levels] = {}
    for table in tables:
        fitted = coarsen(
            table.of(kept),
            table.ladders,
            item=table.item,
            learner=LEARNER,
            k=plan.terms.k,
            maximum_share=plan.terms.maximum_share,
            at_least=levels[table.name],
        )
        higher = {item: new for item, new in fitted.items() if levels[table.name].get(item) != new}
        if higher:
            raised[table.name] = higher
    return raised


def _search(
    units: pl.DataFrame, tables: tuple[_Table, ...], levels: Mapping[str, Levels], plan: Plan
) -> tuple[Recoding, pl.DataFrame]:
    """The best recoding at these levels, and the tuples that it suppresses."""
    by = _tuple(plan)
    sensitive: dict[str, pl.DataFrame] = {}
    for table in tables:
        labelled = apply_levels(table.rows, table.ladders, levels[table.name], item=table.item)
        values = labelled.select(LEARNER, _CELL, *(ladder.name for ladder in table.ladders)).join(
            units, on=[LEARNER, _CELL], how="inner"
        )
        for column in plan.terms.maximum_share:
            if column in labelled.columns:
                shown = values.filter(pl.col(column) != WITHHELD).rename({column: VALUE})
                sensitive[column] = _collect(
                    count_learners(_lazy(shown), by=[*by, VALUE], learner=LEARNER, name=_COUNT)
                )
    counts = _collect(count_learners(_lazy(units), by=by, learner=LEARNER, name=_COUNT))
    histogram, tuples = histogram_from_counts(
        counts, plan.quasi_identifiers, cell=_CELL, learners=_COUNT, sensitive=sensitive, orders={}
    )
    try:
        recoding = optimal_recoding(
            histogram,
            plan.quasi_identifiers,
            plan.models,
            # A learner who loses several enrolments counts several times: on the safe side.
            suppression_limit=plan.suppression_budget(units[LEARNER].n_unique()),
            weights=plan.weights,
        )
    except NoRecodingError as error:
        raise PrivacyError(str(error)) from None
    return recoding, tuples.filter(pl.Series(recoding.suppressed_tuples))


def _released(
    table: _Table, kept: pl.DataFrame, levels: Levels, labels: Mapping[str, Frame]
) -> pl.DataFrame:
    """The rows of the kept units, recoded and binned."""
    rows = apply_levels(table.of(kept), table.ladders, levels, item=table.item)
    own = {name: frame for name, frame in labels.items() if name in table.keys}
    names = (*table.keys, *(ladder.name for ladder in table.ladders))
    return _collect(recode(_lazy(rows), own)).select(LEARNER, *names)


def _tuple(plan: Plan) -> list[str]:
    return [*(hierarchy.name for hierarchy in plan.quasi_identifiers), _CELL]


def _lazy(frame: pl.DataFrame) -> Frame:
    return nw.from_native(frame.lazy())


def _collect(frame: Frame) -> pl.DataFrame:
    native: Any = frame.collect().to_native()
    assert isinstance(native, pl.DataFrame)
    return native
