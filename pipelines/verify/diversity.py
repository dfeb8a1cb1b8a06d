"""l-diversity of every group (Machanavajjhala et al. 2007), for one value a learner at its worst.

A learner may hold several values. Which of them he is counted for can make a group more or less
diverse, so the least diverse choice is judged: holders, in descending order, fill as many seats as
learners of the group show a value, w1 = h1, w2 = min(h2, seats - w1), ... This majorizes every
choice of one value a learner.
"""

import math
from fractions import Fraction
from typing import Final

import polars as pl

from pipelines.verify.anonymity import Groups
from pipelines.verify.groups import LEARNERS, Grouping
from pipelines.verify.holders import SHOWN, holders_in, shown_cells, tables_with
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.package import Extract
from schemas.manifest import DistinctDiversity, Diversity, EntropyDiversity, RecursiveDiversity

_TOLERANCE: Final = 1e-9
"""How far an entropy may lie below ln(l): a uniform pair has l = 2 but for rounding."""

_HOLDS: Final = "#holds"


def l_diversity(extract: Extract, groups: Groups, column: str) -> Outcome:
    """Every group in which a value of the column is shown is l-diverse."""
    tables = tables_with(extract, column)
    if not tables:
        return Outcome(ok=False, detail="no sensitive column of this name")
    bound = extract.promise.diversity[column]
    cells = [shown_cells(extract, table, column) for table in tables]
    holds = pl.concat([_holding(bound, worst_case(g, each), g) for g in groups() for each in cells])
    failing, said = int((~holds).sum()), plural(holds.len(), "group")
    return outcome(
        [f"{failing:,} of {said} not {_said(bound)}"] if failing else [],
        f"{said} {_said(bound)}",
    )


def worst_case(grouping: Grouping, cells: pl.DataFrame) -> pl.DataFrame:
    """The counts w of the values of each group that shows one: the columns `by`, `#learners`.

    The rows of a group stand in descending order of their counts.
    """
    holders = holders_in(grouping, cells).sort(LEARNERS, descending=True)
    before = pl.col(LEARNERS).cum_sum().over(grouping.by) - pl.col(LEARNERS)
    left = (pl.col(SHOWN).cast(pl.Int64) - before.cast(pl.Int64)).clip(0)
    return holders.select(*grouping.by, pl.min_horizontal(LEARNERS, left).alias(LEARNERS))


def _holding(bound: Diversity, worst: pl.DataFrame, grouping: Grouping) -> pl.Series:
    """Whether each group holds; one boolean a group."""
    w, by = pl.col(LEARNERS), list(grouping.by)
    match bound:
        case DistinctDiversity():
            holds = (w > 0).sum() >= bound.l
        case EntropyDiversity():
            some = w.filter(w > 0)
            entropy = some.sum().log() - (some * some.log()).sum() / some.sum()
            holds = entropy >= math.log(bound.l) - _TOLERANCE
        case RecursiveDiversity():
            return _recursive(bound, worst, by)
    return worst.group_by(by, maintain_order=True).agg(holds.alias(_HOLDS))[_HOLDS]


def _recursive(bound: RecursiveDiversity, worst: pl.DataFrame, by: list[str]) -> pl.Series:
    """Whether w1 < c (w_l + ... + w_m), with c the decimal that it is written as."""
    w = pl.col(LEARNERS)
    sums = worst.group_by(by, maintain_order=True).agg(
        w.first().alias("#most"), w.slice(bound.l - 1).sum().alias("#rest")
    )
    exact = Fraction(repr(bound.c))
    # The largest whole number below c times the rest.
    most = {rest: math.ceil(exact * rest) - 1 for rest in sums["#rest"].unique().to_list()}
    allowed = pl.col("#rest").replace_strict(most, return_dtype=pl.Int64)
    return sums.select((pl.col("#most") <= allowed).alias(_HOLDS))[_HOLDS]


def _said(bound: Diversity) -> str:
    match bound:
        case DistinctDiversity():
            return f"distinct {bound.l}-diverse"
        case EntropyDiversity():
            return f"entropy {bound.l:g}-diverse"
        case RecursiveDiversity():
            return f"recursive ({bound.c:g}, {bound.l})-diverse"
