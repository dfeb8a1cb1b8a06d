"""How carefully classes are made, and whether no more is left out than was asked for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from pipelines.plan import Plan
from pipelines.recoding import Fixed
from pipelines.views import LEARNER
from pipelines.world import Kept, World


@dataclass(frozen=True, slots=True)
class Task:
    """Whom a build may release, and what it may not choose.

    Attributes:
        plan: hierarchies, models and limits.
        everybody: all who are permitted: limits are shares of them.
        here: which of them are not held back.
        world: those alone.
        fixed: what live releases leave no choice about.
        bound: whether live releases hold somebody back or fix anything.
    """

    plan: Plan
    everybody: World
    here: Kept
    world: World
    fixed: Fixed
    bound: bool

    @property
    def budget(self) -> int:
        """How many more than those held back may be left out; negative where they are too many.

        Under course scope a learner who loses several enrolments counts several times: on the safe
        side.
        """
        masks = self.here
        held = (~(masks.enrolments if self.plan.course_scope else masks.learners)).sum()
        return self.plan.suppression_budget(len(masks.learners)) - int(held)

    def holds(self, kept: Kept) -> bool:
        """Whether no more of the world was left out than asked; somebody must be left."""
        if not kept.learners.any():
            return False
        if self.plan.course_scope:
            return int((~kept.enrolments).sum()) <= self.budget
        rows, lost = rows_left_out(self.everybody, self.here.then(kept))
        few = int((~kept.learners).sum()) <= self.budget
        return few and lost <= self.plan.item_budget(rows)


@dataclass(frozen=True, slots=True)
class Strictness:
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


def attempts(task: Task) -> Iterator[Strictness]:
    """Ever stricter ways to make classes.

    Larger classes hide more items, and so do classes that are split with an eye on them. What
    recoding does not leave out is left for what items and the released distributions force out.
    Classes on record are not made but kept or left out, so there all of it is theirs.
    """
    plan, budget = task.plan, task.budget
    learners, k = len(task.world.learners.rows), plan.terms.k
    rows = 0 if task.world.enrolments is None else len(task.world.enrolments.rows)
    share = budget / max(rows, 1) if plan.course_scope else plan.terms.item_suppression_limit
    if plan.items_as_cells:
        # Only a reference distribution that suppression itself has moved can fail here.
        yield Strictness(k, budget, share, 1.0)
        factors = (0.9, 0.8, 0.6) if plan.closeness else ()
        yield from (Strictness(k, budget // 2, share, factor) for factor in factors)
        return
    kept = task.fixed.tuples is not None
    if plan.terms.recoding == "local" and not kept:
        for part, factor in ((2.0, 1.0), (1.0, 1.0), (0.5, 0.9), (0.0, 0.8)):
            yield Strictness(k, budget // 2, min(1.0, share * part), factor)
    else:
        yield Strictness(k, budget, share, 1.0)
    for doubling in range(1, max(2, math.ceil(math.log2(max(learners / k, 1))) + 1)):
        factor = max(0.5, 1 - doubling / 10)
        limit = budget if kept else budget >> doubling
        yield Strictness(k << doubling, limit, share, factor)


def rows_left_out(world: World, kept: Kept) -> tuple[int, int]:
    """Rows of the learners who stay, and how many of these were dropped."""
    if world.enrolments is None:
        return 0, 0
    stays = world.learners.rows.filter(pl.Series(kept.learners, dtype=pl.Boolean))[LEARNER]
    theirs = world.enrolments.rows[LEARNER].is_in(stays.implode()).to_numpy()
    return int(theirs.sum()), int((theirs & ~kept.enrolments).sum())


def affected(world: World, kept: Kept, plan: Plan) -> int:
    """Distinct learners who lost a row under course scope, or left the release."""
    if not plan.course_scope:
        return int((~kept.learners).sum())
    assert world.enrolments is not None
    lost = pl.Series(~kept.enrolments, dtype=pl.Boolean)
    return world.enrolments.rows.filter(lost)[LEARNER].n_unique()
