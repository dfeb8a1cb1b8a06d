"""What the attacker can single out beyond a class: which rows may stay with it.

Under course scope he knows one item, and no pseudonym joins two: each (class, item) stands alone.
Under release scope he knows items that one pseudonym links.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.grouping import holding
from anonymizer.histogram import Histogram, SensitiveCounts, classes_of, group_index
from anonymizer.items import Incidence, LearnerValues, RowValues, anonymize_items
from anonymizer.models import Model
from pipelines.errors import PrivacyError
from pipelines.plan import Plan
from pipelines.recoding import CLASS
from pipelines.views import LEARNER
from pipelines.world import Kept, Levels, Table, World, value_codes

_MOST_SETS: Final = 200_000_000
"""Sets of items that the checker counts at most."""


def within_items(
    world: World,
    classes: pl.DataFrame,
    levels: Mapping[str, Levels],
    plan: Plan,
    models: Sequence[Model],
) -> Kept:
    """Course scope: the rows whose (class, item) holds, against what is finally kept.

    Args:
        world: all rows.
        classes: `_class` of each enrolment, null where suppressed, in the order of the rows.
        levels: table -> the levels of its sensitive columns.
        plan: the item and the ladders.
        models: what every (class, item) must satisfy besides k.
    """
    table = world.enrolments
    assert table is not None
    assert plan.item is not None
    item = table.rows[plan.item].rank("dense").cast(pl.Int64).to_numpy() - 1
    row_class = classes[CLASS].fill_null(-1).to_numpy()
    stays: NDArray[np.bool_] = row_class >= 0
    values = _values(table, levels[table.name], plan)
    while stays.any():
        at = np.flatnonzero(stays)
        group, number = group_index(item[at], [(row_class[at], int(row_class.max()) + 1)])
        found = classes_of(_as_histogram(item, values, at), group, number)
        holds = holding(found, models, plan.terms.k)
        if holds.all():
            break
        stays[at[~holds[group]]] = False
    present = table.rows.filter(pl.Series(stays, dtype=pl.Boolean))[LEARNER].unique()
    learners = world.learners.rows[LEARNER].is_in(present.implode()).to_numpy()
    return Kept(learners, stays)


def _as_histogram(
    item: NDArray[np.int64],
    values: Mapping[str, tuple[NDArray[np.int32], tuple[str, ...]]],
    at: NDArray[np.int64],
) -> Histogram:
    """Some rows, each a learner in a cell of its own item, whose classes are told elsewhere."""

    def counts(codes: NDArray[np.int32], labels: tuple[str, ...]) -> SensitiveCounts:
        shown = np.flatnonzero(codes >= 0)
        return SensitiveCounts(shown, codes[shown], np.ones(len(shown), np.int64), labels)

    ones = np.ones(len(at), np.int64)
    return Histogram(
        codes=np.empty((len(at), 0), np.int32),
        cell=item[at],
        learners=ones,
        population=ones,
        sensitive={name: counts(codes[at], labels) for name, (codes, labels) in values.items()},
    )


def across_items(
    world: World,
    classes: pl.DataFrame,
    levels: Mapping[str, Levels],
    plan: Plan,
    *,
    models: Sequence[Model],
    closeness: Sequence[Model],
) -> Kept:
    """Release scope: the rows and learners with whom every (class, known items) holds.

    Args:
        world: all rows.
        classes: `_class` of each learner, null where suppressed, in the order of the learners.
        levels: table -> the levels of its sensitive columns.
        plan: k, m and the ladders.
        models: what every group must satisfy, by its learners' values.
        closeness: what each item of a group must satisfy, by the values in that item.
    """
    learner_class = classes[CLASS].fill_null(-1).to_numpy()
    chosen: NDArray[np.bool_] = learner_class >= 0
    row_of = np.full(len(chosen), -1, np.int64)
    row_of[chosen] = np.arange(int(chosen.sum()))
    at, learner, item = _rows(world, chosen, plan)
    kept = anonymize_items(
        Incidence(
            offsets=np.searchsorted(row_of[learner], np.arange(int(chosen.sum()) + 1)),
            item=item,
            classes=learner_class[chosen],
        ),
        m=plan.terms.m,
        k=plan.terms.k,
        models=models,
        closeness=closeness,
        learner_values={
            name: LearnerValues(codes[chosen], labels)
            for name, (codes, labels) in _values(
                world.learners, levels[world.learners.name], plan
            ).items()
        },
        row_values={}
        if world.enrolments is None
        else {
            name: RowValues(codes[at], labels)
            for name, (codes, labels) in _values(
                world.enrolments, levels[world.enrolments.name], plan
            ).items()
        },
    )
    learners = chosen.copy()
    learners[chosen] = kept.learners
    rows = np.zeros(0 if world.enrolments is None else len(world.enrolments.rows), np.bool_)
    rows[at] = kept.rows
    return Kept(learners, rows)


def demand_countable(world: World, plan: Plan) -> None:
    """Refuse what the checker could not recount: it holds every learner's known sets in memory.

    Raises:
        PrivacyError: m asks for too many.
    """
    if world.enrolments is None or plan.terms.m == "full":
        return
    number = world.enrolments.rows.group_by(LEARNER).len()["len"].value_counts()
    sets = sum(
        learners * sum(math.comb(items, size) for size in range(1, plan.terms.m + 1))
        for items, learners in number.iter_rows()
    )
    if sets > _MOST_SETS:
        raise PrivacyError(
            f"learners have {sets:,} sets of known items, more than {_MOST_SETS:,}: lower m, or "
            "release items of a coarser kind"
        )


def _rows(
    world: World, chosen: NDArray[np.bool_], plan: Plan
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Of the chosen learners' enrolments: row number, learner number, item number; sorted."""
    if world.enrolments is None:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32)
    numbers = world.learners.rows.select(LEARNER).with_row_index("number")
    rows = world.enrolments.rows
    learner = (
        rows.select(LEARNER)
        .join(numbers, on=LEARNER, how="left", maintain_order="left")["number"]
        .cast(pl.Int64)
        .to_numpy()
    )
    assert plan.item is not None
    item = rows[plan.item].rank("dense").cast(pl.Int32).to_numpy() - 1
    at = np.flatnonzero(chosen[learner])
    return at, learner[at], item[at].astype(np.int32)


def _values(
    table: Table, levels: Levels, plan: Plan
) -> dict[str, tuple[NDArray[np.int32], tuple[str, ...]]]:
    """Sensitive column -> the code of each row's label, and the labels in declared order."""
    wanted = [ladder for ladder in table.ladders if ladder.name in plan.bounded]
    if not wanted:
        return {}
    labelled = table.labelled(levels)
    orders = plan.orders()
    return {
        ladder.name: (
            value_codes(labelled[ladder.name], orders[ladder.name]),
            orders[ladder.name],
        )
        for ladder in wanted
    }
