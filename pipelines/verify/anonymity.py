"""Checks of anonymity: distinct learners per class, item set, combination of values."""

from collections.abc import Callable, Iterable

import polars as pl

from pipelines.verify.groups import (
    CLASS,
    ITEMS,
    KEY,
    LEARNERS,
    Grouping,
    item_rows,
    item_sets,
    item_subsets,
    keyed,
    learner_classes,
    learners_per,
    released_items,
)
from pipelines.verify.outcome import Outcome, plural
from pipelines.verify.package import Extract, Table
from schemas.manifest import (
    ITEM,
    LEARNER_COURSE_GRAIN,
    LEARNER_GRAIN,
    MEASURE,
    QUASI_IDENTIFIER,
    SENSITIVE,
)

Groups = Callable[[], Iterable[Grouping]]
"""The groups of the promise; raises where they can't be told."""


def k_of_table(extract: Extract, table: Table) -> Outcome:
    """K on one table alone.

    Under course scope each (class, item); of a learner table each class; of enrolments in the other
    scopes each exact item set, or each set of at most m items.
    """
    promise = extract.promise
    by = list(table.resource.of_role(QUASI_IDENTIFIER))
    if table.resource.grain == LEARNER_GRAIN or promise.pseudonym_scope == "course":
        if table.resource.grain != LEARNER_GRAIN:
            by.append(extract.item_of(table))
        return _held_by_k([learners_per(keyed(table, *by), by)], extract, "class")
    rows = item_rows(extract, table)
    if promise.m == "full":
        return _held_by_k([learners_per(item_sets(rows), [ITEMS])], extract, "item set")
    everybody = rows.select(KEY, pl.lit(0).alias(CLASS)).unique()
    counts = [group.sizes() for group in item_subsets(everybody, rows, promise.m)]
    return _held_by_k(counts, extract, "item subset")


def k_of_join(extract: Extract, groups: Groups) -> Outcome:
    """K on the join of all tables; every enrolment's learner must stand in the learner table."""
    what = "class" if extract.promise.m in {1, "full"} else "class and item subset"
    found = _held_by_k([grouping.sizes() for grouping in groups()], extract, what)
    if extract.promise.pseudonym_scope == "course":
        return found
    people = learner_classes(extract)
    absent = sum(
        keyed(table).join(people, on=KEY, how="anti").height
        for table in extract.of_grain(LEARNER_COURSE_GRAIN)
    )
    if absent:
        detail = f"{plural(absent, 'enrolment row')} of learners who are in no learner table"
        return Outcome(ok=False, detail=f"{detail}; {found.detail}", smallest=found.smallest)
    return found


def k_of_items(extract: Extract, groups: Groups) -> Outcome:
    """Each class with what the attacker knows of the items.

    One item under course scope; sets of at most m; or the exact set, and each single item of it.
    """
    counts = [grouping.sizes() for grouping in groups()]
    if extract.promise.pseudonym_scope != "course" and extract.promise.m == "full":
        _, single = item_subsets(learner_classes(extract), released_items(extract), 1)
        counts.append(single.sizes())
    return _held_by_k(counts, extract, "class and item subset")


def combinations(extract: Extract, table: Table) -> Outcome:
    """Per item every combination of all measure and sensitive values of a row is held by k.

    Of a learner table: over the whole table.
    """
    columns = table.resource.of_role(SENSITIVE, MEASURE)
    if not columns:
        return Outcome(ok=True, detail="no sensitive column or measure")
    by = [*_item(extract, table), *columns]
    return _held_by_k([learners_per(keyed(table, *by), by)], extract, "combination")


def single_values(extract: Extract, table: Table) -> Outcome:
    """Per item no value of any column but the key is held by fewer than k learners."""
    item = _item(extract, table)
    columns = table.resource.of_role(QUASI_IDENTIFIER, SENSITIVE, MEASURE)
    groups = [*([item] if item else []), *([*item, column] for column in columns)]
    frame = keyed(table, *item, *columns)
    if not groups:
        return Outcome(ok=True, detail="no column but the key")
    return _held_by_k([learners_per(frame, by) for by in groups], extract, "value")


def _item(extract: Extract, table: Table) -> list[str]:
    if table.resource.grain == LEARNER_GRAIN and not table.resource.of_role(ITEM):
        return []
    return [extract.item_of(table)]


def _held_by_k(counts: list[pl.DataFrame], extract: Extract, what: str) -> Outcome:
    """Whether every group of these has k learners; `counts` have the column `#learners`."""
    k, sizes = extract.promise.k, pl.concat([count[LEARNERS] for count in counts])
    if not sizes.len():
        return Outcome(ok=True, detail=f"no {what}")
    smallest, below = int(sizes.sort()[0]), int((sizes < k).sum())
    if below:
        detail = f"{below:,} of {plural(sizes.len(), what)} below {k} learners, smallest {smallest}"
        return Outcome(ok=False, detail=detail, smallest=smallest)
    detail = f"{plural(sizes.len(), what)}, smallest {smallest} learners"
    return Outcome(ok=True, detail=detail, smallest=smallest)
