"""Microdata: from permitted rows to tables in which every learner hides among at least k.

Quasi-identifiers are recoded first; then rows leave whose items would single their learners out of
a class; then measures and sensitive values are binned until their combinations are frequent. Bins
change which classes hold, so the steps repeat; levels of bins only ever rise, so that ends.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.closeness import TCloseness
from anonymizer.coarsen import coarsen
from anonymizer.errors import NoRecodingError
from anonymizer.measures import microaggregate_rows
from anonymizer.models import KAnonymity, Model
from pipelines.errors import PrivacyError
from pipelines.groups import across_items, demand_countable, within_items
from pipelines.plan import Plan
from pipelines.recoding import Recoded, classified, recode, released
from pipelines.views import LEARNER
from pipelines.world import Kept, Levels, Table, World, everyone, make_world


@dataclass(frozen=True, slots=True)
class Extract:
    """Anonymized tables, still under raw learner ids, and what it took (steward-side).

    Attributes:
        tables: name -> rows: `learner`, then the item, the quasi-identifiers, the other columns.
        recoded: the chosen generalization.
        floor: the class size that it was made for, at least k.
        levels: table -> the level of each ladder by item.
        world: everyone who might have been released.
        kept: which of the world's rows are.
        affected: distinct learners who lost a row under course scope, or left the release.
        rows: rows of (learner, item) of the learners who stay.
        rows_left_out: how many of these were dropped for the items they would have told.
    """

    tables: Mapping[str, pl.DataFrame]
    recoded: Recoded
    floor: int
    levels: Mapping[str, Levels]
    world: World
    kept: Kept
    affected: int
    rows: int
    rows_left_out: int

    @property
    def learners(self) -> int:
        """Distinct learners before suppression."""
        return len(self.world.learners.rows)


@dataclass(frozen=True, slots=True)
class _Fit:
    """A recoding, the rows that stay under it, and each learner's (or row's) released labels."""

    recoded: Recoded
    floor: int
    kept: Kept
    labels: pl.DataFrame


def anonymize(frames: Mapping[str, pl.DataFrame], plan: Plan) -> Extract:
    """Recode, suppress and bin until the promise holds.

    Args:
        frames: the permitted rows of the views, as leaf labels; no nulls.
        plan: hierarchies, models and limits.

    Raises:
        PrivacyError: no recoding keeps suppression within the request's limits, or m asks for more
            sets of items than can be recounted.
    """
    world = make_world(frames, plan)
    demand_countable(world, plan)
    kept, fit = everyone(world), None
    levels: dict[str, Levels] = {table.name: {} for table in world.tables()}
    while (raised := _raised(world, kept, levels, plan)) or fit is None:
        levels = {name: {**levels[name], **raised.get(name, {})} for name in levels}
        if fit is None or plan.bounded:
            fit = _fit(world, levels, plan)
        kept = fit.kept
    return _extract(world, fit, levels, plan)


def _fit(world: World, levels: dict[str, Levels], plan: Plan) -> _Fit:
    """The first attempt within the limits.

    Raises:
        PrivacyError: there is none.
    """
    refusal = (
        "no generalization keeps suppression within its limits: raise suppression_limit or "
        "item_suppression_limit, lower k or m, loosen l, t or the maximum share, or leave out a "
        "quasi-identifier or small items"
    )
    cause = None
    for strictness in _attempts(world, plan):
        try:
            fit = _attempt(world, levels, plan, strictness)
        except NoRecodingError as error:
            cause = cause or str(error)
            if plan.terms.recoding == "global" or strictness.floor > plan.terms.k:
                break  # what is stricter finds nothing either
            continue
        if _within_limits(world, fit.kept, plan):
            return fit
        cause = refusal
    raise PrivacyError(cause or refusal)


@dataclass(frozen=True, slots=True)
class _Strictness:
    """How carefully classes are made.

    Attributes:
        floor: the class size asked for.
        limit: learners that recoding may leave out.
        row_share: rows of a class that may fail within their items; see `recode`.
        tightened: a factor on t.
    """

    floor: int
    limit: int
    row_share: float
    tightened: float


def _attempts(world: World, plan: Plan) -> Iterator[_Strictness]:
    """Ever stricter ways to make classes.

    Larger classes hide more items, and so do classes that are split with an eye on them. What
    recoding does not leave out is left for what items and the released distributions force out.
    """
    learners, k = len(world.learners.rows), plan.terms.k
    rows = 0 if world.enrolments is None else len(world.enrolments.rows)
    budget = plan.suppression_budget(learners)
    share = budget / max(rows, 1) if plan.course_scope else plan.terms.item_suppression_limit
    if plan.items_as_cells:
        # Only a reference distribution that suppression itself has moved can fail here.
        yield _Strictness(k, budget, share, 1.0)
        factors = (0.9, 0.8, 0.6) if plan.closeness else ()
        yield from (_Strictness(k, budget // 2, share, factor) for factor in factors)
        return
    if plan.terms.recoding == "local":
        for part, factor in ((2.0, 1.0), (1.0, 1.0), (0.5, 0.9), (0.0, 0.8)):
            yield _Strictness(k, budget // 2, min(1.0, share * part), factor)
    else:
        yield _Strictness(k, budget, share, 1.0)
    for doubling in range(1, max(2, math.ceil(math.log2(max(learners / k, 1))) + 1)):
        factor = max(0.5, 1 - doubling / 10)
        yield _Strictness(k << doubling, budget >> doubling, share, factor)


def _attempt(
    world: World,
    levels: dict[str, Levels],
    plan: Plan,
    strictness: _Strictness,
) -> _Fit:
    """Recode for classes of at least the floor's size, then drop what does not hold."""
    floor, tightened = strictness.floor, strictness.tightened
    limit, row_share = strictness.limit, strictness.row_share
    of_class = [KAnonymity(floor)]
    if plan.course_scope:
        # A class across items is nothing that the attacker sees: no pseudonym joins two items.
        models = [*of_class, *plan.models, *_tighter(plan.closeness, tightened)]
        recoded = recode(
            world,
            levels,
            plan,
            models if plan.items_as_cells else of_class,
            suppression_limit=limit,
            row_share=row_share,
        )
        labels = classified(world, recoded, plan)
        each = [*plan.models, *plan.closeness]
        return _Fit(recoded, floor, within_items(world, labels, levels, plan, each), labels)
    own = {ladder.name for ladder in plan.learner_ladders}
    of_learner = [model for model in plan.closeness if model.column in own]
    of_row = [model for model in plan.closeness if model.column not in own]
    recoded = recode(
        world,
        levels,
        plan,
        [*of_class, *plan.models, *_tighter(of_learner, tightened)],
        suppression_limit=limit,
        row_share=row_share,
    )
    labels = classified(world, recoded, plan)
    kept = across_items(
        world, labels, levels, plan, models=[*plan.models, *of_learner], closeness=of_row
    )
    return _Fit(recoded, floor, kept, labels)


def _tighter(models: tuple[TCloseness, ...] | list[TCloseness], factor: float) -> list[Model]:
    return [replace(model, t=model.t * factor) for model in models]


def _within_limits(world: World, kept: Kept, plan: Plan) -> bool:
    """Whether no more was left out than asked; somebody must be left."""
    learners = len(world.learners.rows)
    budget = plan.suppression_budget(learners)
    if not kept.learners.any():
        return False
    if plan.course_scope:
        # A learner who loses several enrolments counts several times: on the safe side.
        return int((~kept.enrolments).sum()) <= budget
    rows, lost = _rows_left_out(world, kept)
    return learners - int(kept.learners.sum()) <= budget and lost <= plan.item_budget(rows)


def _rows_left_out(world: World, kept: Kept) -> tuple[int, int]:
    """Rows of the learners who stay, and how many of these were dropped."""
    if world.enrolments is None:
        return 0, 0
    stays = world.learners.rows.filter(pl.Series(kept.learners, dtype=pl.Boolean))[LEARNER]
    theirs = world.enrolments.rows[LEARNER].is_in(stays.implode()).to_numpy()
    return int(theirs.sum()), int((theirs & ~kept.enrolments).sum())


def _raised(
    world: World, kept: Kept, levels: Mapping[str, Levels], plan: Plan
) -> dict[str, Levels]:
    """The levels that must rise for the combinations of the kept rows to be frequent enough."""
    raised: dict[str, Levels] = {}
    for table in _with_values(world, plan):
        fitted = coarsen(
            kept.of(table),
            table.ladders,
            item=table.item,
            learner=LEARNER,
            k=plan.terms.k,
            models=plan.models_by_column(),
            at_least=levels[table.name],
        )
        higher = {item: new for item, new in fitted.items() if levels[table.name].get(item) != new}
        if not plan.course_scope:
            higher |= _made_even({**levels[table.name], **fitted}, table, plan.bounded)
        if higher:
            raised[table.name] = higher
    return raised


def _made_even(levels: Levels, table: Table, bounded: frozenset[str]) -> dict[str, tuple[int, ...]]:
    """Items whose levels of bounded columns must rise to those of the others; `*` may stand apart.

    Where pseudonyms link items, a value and its own ancestor would count as two values.
    """
    even = {item: list(node) for item, node in levels.items()}
    for j, ladder in enumerate(table.ladders):
        if ladder.name in bounded:
            shown = [node[j] for node in even.values() if node[j] < ladder.height]
            for node in even.values():
                if node[j] < ladder.height:
                    node[j] = max(shown)
    return {item: tuple(node) for item, node in even.items() if tuple(node) != levels[item]}


def _with_values(world: World, plan: Plan) -> tuple[Table, ...]:
    """The tables that leave with values: under course scope no learner table leaves."""
    return tuple(t for t in world.tables() if t.item is not None or not plan.course_scope)


def _extract(world: World, fit: _Fit, levels: dict[str, Levels], plan: Plan) -> Extract:
    names = [hierarchy.name for hierarchy in plan.quasi_identifiers]
    tables = {}
    for table in _with_values(world, plan):
        item = [] if table.item is None else [table.item]
        stays = fit.kept.learners if table.item is None else fit.kept.enrolments
        rows = table.labelled(levels[table.name])
        carries_class = table.item is None or plan.course_scope
        if carries_class:
            rows = rows.with_columns(fit.labels[released(name)].alias(name) for name in names)
        rows = rows.filter(pl.Series(stays, dtype=pl.Boolean))
        others = [*item, *(ladder.name for ladder in table.ladders)]
        for name, decimals in plan.microaggregated(table.name).items():
            means = microaggregate_rows(
                rows, column=name, by=others, learner=LEARNER, k=plan.terms.k, decimals=decimals
            )
            rows, others = rows.with_columns(means), [*others, name]
        quasi = names if carries_class else []
        tables[table.name] = rows.select(LEARNER, *item, *quasi, *others[len(item) :])
    rows_before, lost = _rows_left_out(world, fit.kept)
    return Extract(
        tables=tables,
        recoded=fit.recoded,
        floor=fit.floor,
        levels=levels,
        world=world,
        kept=fit.kept,
        affected=_affected(world, fit.kept, plan),
        rows=rows_before,
        rows_left_out=lost,
    )


def _affected(world: World, kept: Kept, plan: Plan) -> int:
    if not plan.course_scope:
        return int((~kept.learners).sum())
    assert world.enrolments is not None
    lost: NDArray[np.bool_] = ~kept.enrolments
    return world.enrolments.rows.filter(pl.Series(lost, dtype=pl.Boolean))[LEARNER].n_unique()
