"""What the steward is told of a build: its cost, its risks, and what it does to statistics.

All of it is exact, and about real learners, many of them outside the release: none of it may stand
in a package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import polars as pl

from anonymizer.attack import AttackSuccess, ReleasedRows, attack_course_rows, attack_learners
from anonymizer.bias import ShareOf, bias
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, group_index, leaf_codes
from anonymizer.matching import ItemSets
from anonymizer.risk import journalist_risk, prosecutor_risk, sampled_unicity
from anonymizer.utility import average_class_size, discernibility, granularity, loss
from pipelines.microdata import Extract
from pipelines.passes import count_learners
from pipelines.plan import Plan
from pipelines.recoding import CLASS, classified, units_of
from pipelines.views import LEARNER
from pipelines.world import CELL, World, collect, lazy
from schemas.policy import requested
from schemas.roles import Role

_DRAWS: Final = 10_000
_KNOWN: Final = (1, 2, 3)
_COUNT, _PLATFORM, _NUMBER = "_learners", "_platform", "_number"


def utility_figures(extract: Extract, plan: Plan) -> dict[str, Any]:
    """What generalization and suppression cost; of the classes, before items are looked at."""
    histogram, made = extract.recoded.histogram, extract.recoded.generalization
    quasi = plan.quasi_identifiers
    return {
        "loss": loss(histogram, quasi, made, plan.weights),
        "granularity": granularity(histogram, quasi, made),
        "discernibility": discernibility(histogram, made),
        "average_class_size": average_class_size(histogram, made),
        "classes": len(made.levels),
        "class_floor": extract.floor,
        "learners_before": extract.learners,
        "learners_affected": extract.affected,
        "rows_of_kept_learners": extract.rows,
        "rows_left_out": extract.rows_left_out,
    }


def risk_figures(
    extract: Extract, plan: Plan, platform: World, generator: np.random.Generator
) -> dict[str, Any]:
    """What attackers achieve.

    Args:
        extract: what is released.
        plan: the promise.
        platform: every learner of the source, permitted or not.
        generator: for the targets of simulated attacks.
    """
    names = [hierarchy.name for hierarchy in plan.quasi_identifiers]
    columns = requested(plan.request, plan.family)
    asked = plan.request.release.enrolments
    measures = [name for name in asked if columns[name].role is Role.MEASURE]
    sensitive = [name for name in asked if columns[name].role is Role.SENSITIVE]
    rows = _rows(extract, plan)
    known = [*names, CELL, *measures]
    histogram, made = _against(platform, extract, plan)
    return {
        **_prosecutors(extract, plan, names),
        "prosecutor_who_also_knows_all_measures_of_an_item": _told_of(rows, known, plan),
        "prosecutor_who_also_knows_the_sensitive_values": _told_of(
            rows, [*known, *sensitive], plan
        ),
        "journalist": asdict(journalist_risk(histogram, plan.quasi_identifiers, made)),
        **_attacks(extract, plan, generator),
    }


def bias_figures(extract: Extract, plan: Plan) -> list[dict[str, Any]]:
    """Each declared statistic before and after."""
    ladders = {h.name: h for h in (*plan.learner_ladders, *plan.enrolment_ladders)}
    groups = {h.name: h for h in plan.quasi_identifiers}
    answers = []
    for asked in plan.request.release.statistics:
        statistic = ShareOf(asked.column, asked.values, asked.by)
        table = next(t for t in extract.world.tables() if asked.column in t.rows.columns)
        before, after = table.rows, extract.tables[table.name]
        if asked.by is not None and asked.by not in before.columns:
            of_learner = extract.world.learners.rows.select(LEARNER, asked.by)
            before = before.join(of_learner, on=LEARNER)
        if asked.by is not None and asked.by not in after.columns:
            after = after.join(extract.tables["learners"].select(LEARNER, asked.by), on=LEARNER)
        found = bias(
            before,
            after,
            statistic,
            ladders[asked.column],
            groups=None if asked.by is None else groups[asked.by],
        )
        answers.append({**asked.model_dump(), "found": [asdict(share) for share in found]})
    return answers


def _rows(extract: Extract, plan: Plan) -> pl.DataFrame:
    """The released rows of the finest grain, with the class and `_cell`, the item if any."""
    if "enrolments" not in extract.tables:
        return extract.tables["learners"].with_columns(pl.lit(0).alias(CELL))
    rows = extract.tables["enrolments"]
    if not plan.course_scope:
        rows = rows.join(extract.tables["learners"], on=LEARNER)
    assert plan.item is not None
    return rows.with_columns(pl.col(plan.item).alias(CELL))


def _prosecutors(extract: Extract, plan: Plan, names: list[str]) -> dict[str, Any]:
    """Attackers who know the quasi-identifiers, and what they may know of items."""
    if plan.course_scope:
        return {
            "prosecutor_who_knows_one_item": _told_of(_rows(extract, plan), [*names, CELL], plan)
        }
    learners = extract.tables["learners"]
    found = {"prosecutor_who_knows_no_item": _told_of(learners, names, plan)}
    if "enrolments" in extract.tables:
        assert plan.item is not None
        items = pl.col(plan.item).sort().alias(CELL)
        sets = extract.tables["enrolments"].group_by(LEARNER).agg(items)
        known = learners.join(sets, on=LEARNER, how="left")
        found["prosecutor_who_knows_the_exact_set"] = _told_of(known, [*names, CELL], plan)
    return found


def _told_of(rows: pl.DataFrame, by: Sequence[str], plan: Plan) -> dict[str, Any]:
    keyed = rows.with_columns(pl.lit(0).alias(_NUMBER))
    counts = keyed.group_by(_NUMBER, *by).agg(pl.col(LEARNER).n_unique().cast(pl.Int64))
    return asdict(prosecutor_risk(counts[LEARNER].to_numpy(), k=plan.terms.k))


def _against(platform: World, extract: Extract, plan: Plan) -> tuple[Histogram, Generalization]:
    """The histogram of the whole platform, and what the release makes of its tuples."""
    by = [*(hierarchy.name for hierarchy in plan.quasi_identifiers), CELL]
    own = _units(extract, plan)
    whole = units_of(platform, plan, within_items=plan.course_scope)
    tuples = (
        collect(count_learners(lazy(whole), by=by, learner=LEARNER, name=_PLATFORM))
        .join(own.group_by(by).agg(_own(), pl.col(CLASS).max()), on=by, how="left")
        .sort(by)
    )
    return _histogram(tuples, plan.quasi_identifiers), _made(tuples, extract)


def _own() -> pl.Expr:
    """Learners who are released."""
    return pl.col(LEARNER).filter(pl.col(CLASS).is_not_null()).n_unique().alias(_COUNT)


def _units(extract: Extract, plan: Plan) -> pl.DataFrame:
    """Each permitted learner, under course scope within each item: `_class` where released."""
    world, kept = extract.world, extract.kept
    found = classified(world, extract.recoded, plan)
    stays = kept.enrolments if plan.course_scope else kept.learners
    return found.with_columns(pl.when(pl.Series(stays, dtype=pl.Boolean)).then(pl.col(CLASS)))


def _histogram(tuples: pl.DataFrame, hierarchies: Sequence[Hierarchy]) -> Histogram:
    return Histogram(
        codes=leaf_codes(tuples, hierarchies),
        cell=tuples[CELL].rank("dense").cast(pl.Int64).to_numpy() - 1,
        learners=tuples[_COUNT].fill_null(0).cast(pl.Int64).to_numpy(),
        population=tuples[_PLATFORM].to_numpy(),
        sensitive={},
    )


def _made(tuples: pl.DataFrame, extract: Extract) -> Generalization:
    """The class of each tuple within its cell; suppressed where none of its learners stays."""
    of_class = tuples[CLASS].fill_null(SUPPRESSED).to_numpy()
    cell = tuples[CELL].rank("dense").cast(pl.Int64).to_numpy() - 1
    stays = of_class != SUPPRESSED
    levels = extract.recoded.generalization.levels
    group, number = group_index(cell[stays], [(of_class[stays], len(levels))])
    class_of = np.full(len(of_class), SUPPRESSED, np.int64)
    class_of[stays] = group
    of_group = np.zeros((number, levels.shape[1]), np.int64)
    of_group[group] = levels[of_class[stays]]
    return Generalization(class_of, of_group)


def _attacks(
    extract: Extract, plan: Plan, generator: np.random.Generator
) -> dict[str, Mapping[str, Any]]:
    """Simulated attacks on learners of the source, released or not."""
    units = _units(extract, plan)
    by = [*(hierarchy.name for hierarchy in plan.quasi_identifiers), CELL]
    tuples = (
        units.group_by(by)
        .agg(_own(), pl.col(LEARNER).n_unique().cast(pl.Int64).alias(_PLATFORM), pl.max(CLASS))
        .sort(by)
        .with_row_index(_NUMBER)
    )
    rows = ReleasedRows(
        histogram=_histogram(tuples, plan.quasi_identifiers),
        hierarchies=plan.quasi_identifiers,
        generalization=_made(tuples, extract),
        tuple_of=units.join(tuples, on=by, how="left", maintain_order="left")[_NUMBER]
        .cast(pl.Int64)
        .to_numpy(),
        present=units[CLASS].is_not_null().to_numpy(),
    )
    learner = units[LEARNER].rank("dense").cast(pl.Int64).to_numpy() - 1
    if plan.course_scope:
        found = attack_course_rows(rows, learner, draws=_DRAWS, generator=generator)
        return {"attack": {"knows_1": _told(found)}}
    if extract.world.enrolments is None:
        return {}
    original, released = _item_sets(extract)
    present = np.where(rows.present, 0, -1)
    return {
        "attack": {
            f"knows_{m}": _told(
                attack_learners(rows, original, released, m=m, draws=_DRAWS, generator=generator)
            )
            for m in _KNOWN
        },
        "unicity_by_items_alone": {
            f"knows_{m}": {
                "before": asdict(
                    sampled_unicity(
                        np.zeros_like(present), original, m=m, draws=_DRAWS, generator=generator
                    )
                ),
                "after": asdict(
                    sampled_unicity(present, released, m=m, draws=_DRAWS, generator=generator)
                ),
            }
            for m in _KNOWN
        },
    }


def _item_sets(extract: Extract) -> tuple[ItemSets, ItemSets]:
    """The items of each learner of the world, before and after."""
    table = extract.world.enrolments
    assert table is not None
    assert table.item is not None
    learners = extract.world.learners.rows.select(LEARNER).with_row_index(_NUMBER)
    numbers = table.rows.select(LEARNER).join(
        learners, on=LEARNER, how="left", maintain_order="left"
    )
    learner = numbers[_NUMBER].cast(pl.Int64).to_numpy()
    item = table.rows[table.item].rank("dense").cast(pl.Int64).to_numpy() - 1
    stays = extract.kept.enrolments
    count = len(learners)
    return (
        ItemSets.from_pairs(learner, item, learners=count),
        ItemSets.from_pairs(learner[stays], item[stays], learners=count),
    )


def _told(found: AttackSuccess) -> dict[str, Any]:
    return {"mean_success": found.mean, "identified": asdict(found.identified)}
