"""Checks of anonymity: distinct learners per class, item set, combination of values.

Everywhere a null is a value of its own, and counts as no learner in the column of pseudonyms.
Columns whose names start with `#` are ours: no released column can.
"""

from collections.abc import Sequence

import polars as pl

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

LEARNERS = "#learners"
ITEMS = "#items"


def learners_per(frame: pl.DataFrame, learner: str, by: Sequence[str]) -> pl.DataFrame:
    """Distinct learners of each combination of `by` that occurs: the columns `by`, `#learners`.

    An empty `by` is one class of everybody, or no class at all where there are no rows.
    """
    pairs = frame.select(*by, learner).unique().with_columns(pl.lit(0).alias("#all"))
    counts = pairs.group_by("#all", *by).agg(pl.col(learner).count().alias(LEARNERS))
    return counts.drop("#all")


def item_sets(enrolments: pl.DataFrame, learner: str, item: str) -> pl.DataFrame:
    """The exact item set of each learner, as one string: `learner`, `#items`.

    Items are numbered first: joined by commas, no two sets then give the same string.
    """
    number = pl.col(item).rank("dense").fill_null(0)
    pairs = enrolments.select(learner, number.alias(ITEMS)).unique()
    return pairs.group_by(learner).agg(pl.col(ITEMS).sort().cast(pl.String).str.join(","))


def seen_by_the_attacker(extract: Extract) -> tuple[pl.DataFrame, str, list[str]]:
    """The join of all tables as the attacker of the promise sees it.

    Returns:
        A frame, its learner column, and the columns that tell classes apart: the quasi-identifiers
        and, under course scope, the item; under release scope, the exact item set (empty for a
        learner without enrolments).
    """
    if extract.promise.pseudonym_scope == "course":
        table = extract.one(LEARNER_COURSE_GRAIN)
        by = [*table.resource.of_role(QUASI_IDENTIFIER), extract.item_of(table)]
        return table.select(*by), table.learner, by
    table = extract.one(LEARNER_GRAIN)
    by = list(table.resource.of_role(QUASI_IDENTIFIER))
    frame = table.select(*by).with_columns(pl.lit("").alias(ITEMS))
    if extract.of_grain(LEARNER_COURSE_GRAIN):
        enrolments = extract.one(LEARNER_COURSE_GRAIN)
        item = extract.item_of(enrolments)
        sets = item_sets(enrolments.select(item), enrolments.learner, item)
        frame = frame.drop(ITEMS).join(
            sets, left_on=table.learner, right_on=enrolments.learner, how="left"
        )
    return frame.with_columns(pl.col(ITEMS).fill_null("")), table.learner, [*by, ITEMS]


def k_of_table(extract: Extract, table: Table) -> Outcome:
    """K on one table alone.

    Under course scope each (class, item); of a learner table each class; of enrolments under
    release scope each exact item set.
    """
    by = list(table.resource.of_role(QUASI_IDENTIFIER))
    if table.resource.grain == LEARNER_GRAIN:
        return _held_by_k(learners_per(table.select(*by), table.learner, by), extract, "class")
    item = extract.item_of(table)
    if extract.promise.pseudonym_scope == "course":
        by.append(item)
        return _held_by_k(learners_per(table.select(*by), table.learner, by), extract, "class")
    sets = item_sets(table.select(item), table.learner, item)
    return _held_by_k(learners_per(sets, table.learner, [ITEMS]), extract, "item set")


def k_of_join(extract: Extract) -> Outcome:
    """K on the join of all tables; every enrolment's learner must stand in the learner table."""
    frame, learner, by = seen_by_the_attacker(extract)
    found = _held_by_k(learners_per(frame, learner, by), extract, "class")
    if extract.promise.pseudonym_scope == "course":
        return found
    enrolments = extract.of_grain(LEARNER_COURSE_GRAIN)
    absent = sum(
        table.select().join(frame, left_on=table.learner, right_on=learner, how="anti").height
        for table in enrolments
    )
    if absent:
        detail = f"{plural(absent, 'enrolment row')} of learners who are in no learner table"
        return Outcome(ok=False, detail=f"{detail}; {found.detail}", smallest=found.smallest)
    return found


def item_subsets(extract: Extract) -> Outcome:
    """Each class with what the attacker knows of the items: one item, or the exact set as well."""
    frame, learner, by = seen_by_the_attacker(extract)
    counts = learners_per(frame, learner, by).select(LEARNERS)
    if extract.promise.pseudonym_scope == "release":
        for table in extract.of_grain(LEARNER_COURSE_GRAIN):
            item = extract.item_of(table)
            rows = table.select(item).rename({item: "#item", table.learner: "#key"})
            single = rows.join(frame, left_on="#key", right_on=learner).rename({"#key": learner})
            found = learners_per(single, learner, [*by[:-1], "#item"])
            counts = pl.concat([counts, found.select(LEARNERS)])
    return _held_by_k(counts, extract, "class and item subset")


def combinations(extract: Extract, table: Table) -> Outcome:
    """Per item every combination of all measure and sensitive values of a row is held by k.

    Of a learner table: over the whole table.
    """
    columns = table.resource.of_role(SENSITIVE, MEASURE)
    if not columns:
        return Outcome(ok=True, detail="no sensitive column or measure")
    by = [*_item(extract, table), *columns]
    return _held_by_k(learners_per(table.select(*by), table.learner, by), extract, "combination")


def single_values(extract: Extract, table: Table) -> Outcome:
    """Per item no value of any column but the key is held by fewer than k learners."""
    item = _item(extract, table)
    columns = table.resource.of_role(QUASI_IDENTIFIER, SENSITIVE, MEASURE)
    groups = [*([item] if item else []), *([*item, column] for column in columns)]
    frame = table.select(*item, *columns)
    counts = [learners_per(frame, table.learner, by).select(LEARNERS) for by in groups]
    if not counts:
        return Outcome(ok=True, detail="no column but the key")
    return _held_by_k(pl.concat(counts), extract, "value")


def _item(extract: Extract, table: Table) -> list[str]:
    if table.resource.grain == LEARNER_GRAIN and not table.resource.of_role(ITEM):
        return []
    return [extract.item_of(table)]


def _held_by_k(counts: pl.DataFrame, extract: Extract, what: str) -> Outcome:
    k, sizes = extract.promise.k, counts[LEARNERS]
    if not sizes.len():
        return Outcome(ok=True, detail=f"no {what}")
    smallest, below = min(sizes.to_list()), int((sizes < k).sum())
    if below:
        detail = f"{below:,} of {plural(sizes.len(), what)} below {k} learners, smallest {smallest}"
        return Outcome(ok=False, detail=detail, smallest=smallest)
    detail = f"{plural(sizes.len(), what)}, smallest {smallest} learners"
    return Outcome(ok=True, detail=detail, smallest=smallest)
