"""Microdata: from permitted rows to tables in which every learner hides among at least k.

Quasi-identifiers are recoded first; then rows leave whose items would single their learners out of
a class; then measures and sensitive values are binned until their combinations are frequent. Bins
change which classes hold, so the steps repeat; levels of bins only ever rise, so that ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from anonymizer.closeness import TCloseness
from anonymizer.coarsen import coarsen
from anonymizer.errors import NoRecodingError
from anonymizer.measures import microaggregate_rows
from anonymizer.models import KAnonymity, Model
from pipelines.errors import PrivacyError
from pipelines.frozen import NOTHING_FROZEN, Frozen
from pipelines.groups import across_items, demand_countable, within_items
from pipelines.limits import Strictness, Task, affected, attempts, rows_left_out
from pipelines.plan import Plan
from pipelines.recoding import Recoded, classified, recode, released
from pipelines.views import LEARNER
from pipelines.world import Kept, Levels, Table, World, everyone, make_world, without

_TOO_MUCH: Final = (
    "no generalization keeps suppression within its limits: raise suppression_limit or "
    "item_suppression_limit, lower k or m, loosen l, t or the maximum share, or leave out a "
    "quasi-identifier or small items"
)
_LIVE: Final = (
    "live releases of these learners bind this one too: recall one with `kohort release recall` "
    "and have its destruction confirmed"
)


@dataclass(frozen=True, slots=True)
class Extract:
    """Anonymized tables, still under raw learner ids, and what it took (steward-side).

    Attributes:
        tables: name -> rows: `learner`, then the item, the quasi-identifiers, the other columns.
        recoded: the chosen generalization.
        floor: the class size that it was made for, at least k.
        levels: table -> the level of each ladder by item.
        world: everyone who might have been released, those held back among them.
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


def anonymize(
    frames: Mapping[str, pl.DataFrame],
    plan: Plan,
    *,
    frozen: Frozen = NOTHING_FROZEN,
    held: pl.DataFrame | None = None,
) -> Extract:
    """Recode, suppress and bin until the promise holds.

    Args:
        frames: the permitted rows of the views, as leaf labels; no nulls.
        plan: hierarchies, models and limits.
        frozen: what live releases have fixed.
        held: whom they hold back: `learner`, under course scope with the item. These leave before
            anything is counted, and count as left out.

    Raises:
        PrivacyError: no recoding keeps suppression within the request's limits, or m asks for more
            sets of items than can be recounted.
        RegistryError: what is on record of a live release can't be right.
    """
    everybody = make_world(frames, plan)
    here = everyone(everybody) if held is None else without(everybody, held)
    world = everybody.only(here)
    task = Task(
        plan=plan,
        everybody=everybody,
        here=here,
        world=world,
        fixed=frozen.fixed(plan),
        bound=bool(frozen) or not (here.learners.all() and here.enrolments.all()),
    )
    demand_countable(world, plan)
    if task.budget < 0 or not here.learners.any():
        raise PrivacyError(_refusal(task, _TOO_MUCH))
    kept, fit = everyone(world), None
    levels: dict[str, Levels] = {table.name: frozen.bins(table) for table in world.tables()}
    while (raised := _raised(world, kept, levels, plan)) or fit is None:
        levels = {name: {**levels[name], **raised.get(name, {})} for name in levels}
        if fit is None or plan.bounded:
            fit = _fit(task, levels)
        kept = fit.kept
    return _extract(task, fit, levels)


def _fit(task: Task, levels: dict[str, Levels]) -> _Fit:
    """The first attempt within the limits.

    Raises:
        PrivacyError: there is none.
    """
    terms, cause = task.plan.terms, None
    for strictness in attempts(task):
        try:
            fit = _attempt(task, levels, strictness)
        except NoRecodingError as error:
            cause = cause or str(error)
            if terms.recoding == "global" or strictness.floor > terms.k:
                break  # what is stricter finds nothing either
            continue
        if task.holds(fit.kept):
            return fit
        cause = _TOO_MUCH
    raise PrivacyError(_refusal(task, cause or _TOO_MUCH))


def _refusal(task: Task, cause: str) -> str:
    return f"{cause}; {_LIVE}" if task.bound else cause


def _attempt(task: Task, levels: dict[str, Levels], strictness: Strictness) -> _Fit:
    """Recode for classes of at least the floor's size, then drop what does not hold."""
    world, plan = task.world, task.plan
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
            fixed=task.fixed,
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
        fixed=task.fixed,
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


def _extract(task: Task, fit: _Fit, levels: dict[str, Levels]) -> Extract:
    plan = task.plan
    names = [hierarchy.name for hierarchy in plan.quasi_identifiers]
    tables = {}
    for table in _with_values(task.world, plan):
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
    kept = task.here.then(fit.kept)
    rows_before, lost = rows_left_out(task.everybody, kept)
    return Extract(
        tables=tables,
        recoded=fit.recoded,
        floor=fit.floor,
        levels=levels,
        world=task.everybody,
        kept=kept,
        affected=affected(task.everybody, kept, plan),
        rows=rows_before,
        rows_left_out=lost,
    )
