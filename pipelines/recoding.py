"""Quasi-identifiers recoded: the histogram of a world, and the generalization found for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.generalization import Generalization
from anonymizer.histogram import VALUE, Histogram, classes_of, histogram_from_counts
from anonymizer.local import LocalRecoding, local_recoding
from anonymizer.models import Model
from anonymizer.projection import projected_recoding
from anonymizer.search import Recoding, optimal_recoding
from anonymizer.within_items import WithinItems, crossed_order
from pipelines.passes import count_learners
from pipelines.passes import recode as broadcast
from pipelines.plan import Plan
from pipelines.views import LEARNER
from pipelines.world import CELL, Levels, Table, World, collect, lazy
from schemas.roles import WITHHELD

CLASS: Final = "_class"
_COUNT: Final = "_learners"
_NUMBER: Final = "_number"
_ITEMS: Final = "_items"
_MOST_CROSSED: Final = 500
"""Values in items counted in each class: a thousand courses would be gigabytes of counts."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What live releases leave no choice about.

    Attributes:
        least: the lowest level allowed for each quasi-identifier.
        tuples: what becomes of each tuple on record: its leaf labels, and under `released(name)`
            its labels; what is not among them is suppressed. None where classes are free to
            choose.
    """

    least: tuple[int, ...]
    tuples: pl.DataFrame | None


@dataclass(frozen=True, slots=True)
class Recoded:
    """What becomes of each tuple of quasi-identifiers.

    Attributes:
        found: the recoding.
        histogram: of the tuples it was found for.
        tuples: the tuples that stay: leaf labels, `_cell`, `_class`, and under `released(name)`
            the released label of each quasi-identifier.
    """

    found: Recoding | LocalRecoding
    histogram: Histogram
    tuples: pl.DataFrame

    @property
    def generalization(self) -> Generalization:
        """The class of each tuple of the histogram."""
        return self.found.generalization

    def classify(self, rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        """`_class` (null where suppressed) and released labels of each row, in row order.

        Args:
            rows: quasi-identifiers as leaf labels, and `_cell`.
            names: the quasi-identifiers.
        """
        on = [*names, CELL]
        numbered = rows.select(on).with_row_index(_NUMBER)
        joined = collect(broadcast(lazy(numbered), lazy(self.tuples), on=on)).sort(_NUMBER)
        return joined.select(CLASS, *(released(name) for name in names))


def released(name: str) -> str:
    """The column of a quasi-identifier's released labels."""
    return f"_released_{name}"


def units_of(world: World, plan: Plan, *, within_items: bool) -> pl.DataFrame:
    """One row for each learner, or learner in an item: `learner`, quasi-identifiers, `_cell`."""
    names = [hierarchy.name for hierarchy in plan.quasi_identifiers]
    learners = world.learners.rows.select(LEARNER, *names)
    if not within_items:
        return learners.with_columns(pl.lit(0, pl.Int64).alias(CELL))
    assert world.enrolments is not None
    assert plan.item is not None
    pairs = world.enrolments.rows.select(LEARNER, pl.col(plan.item).alias(CELL))
    return pairs.join(learners, on=LEARNER, how="left", maintain_order="left").select(
        LEARNER, *names, CELL
    )


def classified(world: World, recoded: Recoded, plan: Plan) -> pl.DataFrame:
    """Every learner, under course scope within each item, with `_cell`, `_class` and labels.

    In the order of the world's learners, or of its enrolments. `_cell` is the item under course
    scope, whether or not the recoding looked at items; `_class` and labels are null where the
    recoding suppressed the tuple.
    """
    names = [hierarchy.name for hierarchy in plan.quasi_identifiers]
    units = units_of(world, plan, within_items=plan.course_scope)
    cells = units if plan.items_as_cells else units.with_columns(pl.lit(0, pl.Int64).alias(CELL))
    return units.hstack(recoded.classify(cells, names))


def recode(
    world: World,
    levels: dict[str, Levels],
    plan: Plan,
    models: Sequence[Model],
    *,
    fixed: Fixed,
    suppression_limit: int,
    row_share: float,
) -> Recoded:
    """Generalize the quasi-identifiers until every class holds.

    Args:
        world: who is to be released.
        levels: table -> the levels of its sensitive columns.
        plan: hierarchies, weights, global or local.
        models: what every class must satisfy.
        fixed: what the recoding may not choose.
        suppression_limit: learners (within cells) that may be left out.
        row_share: of the rows of a class, how many may fail within their items, beyond those that
            fail whatever the classes; local recoding heeds it where it can afford to.

    Raises:
        NoRecodingError: nothing within the limit satisfies the models.
    """
    units = units_of(world, plan, within_items=plan.items_as_cells)
    names = [hierarchy.name for hierarchy in plan.quasi_identifiers]
    by = [*names, CELL]
    counts = collect(count_learners(lazy(units), by=by, learner=LEARNER, name=_COUNT))
    sensitive, orders = _sensitive(world, units, levels, plan), plan.orders()
    local = plan.terms.recoding == "local"
    chosen = local and fixed.tuples is None
    heeded = chosen and world.enrolments is not None and _affordable(world.enrolments, plan)
    if heeded:
        sensitive |= _crossed(world, units, levels, plan)
        orders |= _crossed_orders(world, plan)
    histogram, tuples = histogram_from_counts(
        counts,
        plan.quasi_identifiers,
        cell=CELL,
        learners=_COUNT,
        sensitive=sensitive,
        orders=orders,
    )
    if heeded:
        models = [*models, _within_items(histogram, plan, row_share)]
    found: Recoding | LocalRecoding
    if fixed.tuples is None:
        found = (local_recoding if local else optimal_recoding)(
            histogram,
            plan.quasi_identifiers,
            models,
            suppression_limit=suppression_limit,
            weights=plan.weights,
            minimum=fixed.least,
        )
    else:
        found = projected_recoding(
            histogram,
            plan.quasi_identifiers,
            models,
            _on_record(tuples, fixed.tuples, names),
            suppression_limit=suppression_limit,
        )
    return Recoded(found, histogram, _kept_tuples(tuples, histogram, found.generalization, plan))


def _on_record(tuples: pl.DataFrame, record: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The labels on record of each tuple, in columns named as the quasi-identifiers."""
    leaves = tuples.select(pl.col(names).cast(pl.String))
    labels = (pl.col(released(name)).alias(name) for name in names)
    return leaves.join(record, on=names, how="left", maintain_order="left").select(labels)


def _kept_tuples(
    tuples: pl.DataFrame, histogram: Histogram, generalization: Generalization, plan: Plan
) -> pl.DataFrame:
    stays: NDArray[np.bool_] = ~generalization.suppressed
    labels = generalization.labels(histogram.codes, plan.quasi_identifiers)
    return (
        tuples.filter(pl.Series(stays, dtype=pl.Boolean))
        .drop(_COUNT)
        .with_columns(
            pl.Series(CLASS, generalization.class_of[stays], pl.Int64),
            *(
                pl.Series(released(hierarchy.name), column, pl.String)
                for hierarchy, column in zip(plan.quasi_identifiers, labels, strict=True)
            ),
        )
    )


def _sensitive(
    world: World, units: pl.DataFrame, levels: dict[str, Levels], plan: Plan
) -> dict[str, pl.DataFrame]:
    """Sensitive column -> distinct learners of each tuple who hold each value in any row."""
    by = [column for column in units.columns if column != LEARNER]
    counts = {}
    for table in world.tables():
        names = [ladder.name for ladder in table.ladders if ladder.name in plan.bounded]
        if not names:
            continue
        labelled = table.labelled(levels[table.name])
        on = [LEARNER]
        if plan.items_as_cells and table.item is not None:
            labelled, on = labelled.with_columns(pl.col(table.item).alias(CELL)), [LEARNER, CELL]
        values = labelled.select(*on, *names).join(units, on=on, how="inner")
        for name in names:
            shown = values.filter(pl.col(name) != WITHHELD).rename({name: VALUE})
            counts[name] = collect(
                count_learners(lazy(shown), by=[*by, VALUE], learner=LEARNER, name=_COUNT)
            )
    return counts


def _affordable(table: Table, plan: Plan) -> bool:
    """Whether every value in every item can be counted in every class that is tried."""
    assert table.item is not None
    values = max([1, *(len(labels) for labels in plan.orders().values())])
    return table.rows[table.item].n_unique() * values <= _MOST_CROSSED


def _crossed_orders(world: World, plan: Plan) -> dict[str, tuple[str, ...]]:
    """The labels of items, and of values in items, in declared order."""
    assert world.enrolments is not None
    assert world.enrolments.item is not None
    items = world.enrolments.rows[world.enrolments.item].n_unique()
    values = {_in_items(name): labels for name, labels in plan.orders().items()}
    return {n: crossed_order(items, labels) for n, labels in {_ITEMS: ("",), **values}.items()}


def _crossed(
    world: World, units: pl.DataFrame, levels: dict[str, Levels], plan: Plan
) -> dict[str, pl.DataFrame]:
    """Distinct learners of each tuple in each item, and with each value in it."""
    table = world.enrolments
    assert table is not None
    assert table.item is not None
    by = [column for column in units.columns if column != LEARNER]
    number = pl.col(table.item).rank("dense") - 1
    rows = table.labelled(levels[table.name]).join(units, on=LEARNER, how="inner")
    bounded = [ladder.name for ladder in table.ladders if ladder.name in plan.bounded]
    labels = {_ITEMS: pl.lit(""), **{_in_items(name): pl.col(name) for name in bounded}}
    counts = {}
    for column, value in labels.items():
        shown = rows.with_columns(number.alias(_NUMBER), value.alias(VALUE))
        shown = shown.filter(pl.col(VALUE) != WITHHELD)
        crossed = shown.with_columns(pl.format("{}:{}", _NUMBER, VALUE).alias(VALUE))
        counts[column] = collect(
            count_learners(lazy(crossed), by=[*by, VALUE], learner=LEARNER, name=_COUNT)
        )
    return counts


def _within_items(histogram: Histogram, plan: Plan, row_share: float) -> WithinItems:
    """The model that keeps the rows lost within items to a share, beyond what no class could."""
    own = {ladder.name for ladder in plan.enrolment_ladders}
    about = [model for model in (*plan.models, *plan.closeness) if model.column in own]
    model = WithinItems(
        k=plan.terms.k,
        models=tuple(about),
        items=_ITEMS,
        crossed={model.column: _in_items(model.column) for model in about},
        share=0.0,
    )
    everybody = classes_of(histogram, np.zeros(len(histogram.learners), np.int64), 1)
    lost, rows = model.lost(everybody)
    whatever = int(lost[0]) / max(int(rows[0]), 1)
    # Rounded up: everybody in one class loses just that.
    return replace(model, share=min(1.0, float(np.nextafter(row_share + whatever, 2.0))))


def _in_items(name: str) -> str:
    return f"{_ITEMS}:{name}"
