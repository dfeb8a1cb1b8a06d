"""What the attacker of the promise can single out: groups of learners, and how many are in each.

Everywhere a null is a value of its own, and counts as no learner in the column of pseudonyms.
Columns whose names start with `#` are ours: no released column can.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from pipelines.verify.outcome import CannotRunError
from pipelines.verify.package import Extract, Table
from schemas.manifest import LEARNER_COURSE_GRAIN, LEARNER_GRAIN, QUASI_IDENTIFIER, ItemKnowledge

KEY = "#key"
LEARNERS = "#learners"
CLASS = "#class"
ITEM = "#item"
ITEMS = "#items"
_EVERYBODY = "#everybody"
_MOST_SUBSETS = 200_000_000
"""Item subsets of learners that are counted, at most: some ten gigabytes."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """One kind of group: learners of one class with so many known items.

    Attributes:
        frame: one row a learner and group he is in: `#key`, and the columns `by`; no row twice.
        by: the columns that tell groups apart; none of them null.
        items: columns of items that every learner of the group has; None where `by` holds the
            exact set of them.
    """

    frame: pl.DataFrame
    by: tuple[str, ...]
    items: tuple[str, ...] | None

    def sizes(self) -> pl.DataFrame:
        """Distinct learners of each group: the columns `by`, `#learners`."""
        return self.frame.group_by(self.by).agg(pl.col(KEY).count().alias(LEARNERS))


def keyed(table: Table, *columns: str) -> pl.DataFrame:
    """These columns of a table as text, and the pseudonym as `#key`.

    The pseudonyms are categories, the same in all tables: numbers are counted and joined faster.
    """
    key = pl.col(table.learner).cast(pl.Categorical).alias(KEY)
    return table.select(*columns).select(*columns, key)


def learners_per(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Distinct learners of each combination of `by` that occurs: the columns `by`, `#learners`.

    An empty `by` is one class of everybody, or no class at all where there are no rows.
    """
    pairs = frame.select(*by, KEY).unique().with_columns(pl.lit(0).alias(_EVERYBODY))
    counts = pairs.group_by(_EVERYBODY, *by).agg(pl.col(KEY).count().alias(LEARNERS))
    return counts.drop(_EVERYBODY)


def item_rows(extract: Extract, table: Table) -> pl.DataFrame:
    """The learner and the item of each row: `#key` and `#item`, the items numbered from 1."""
    item = extract.item_of(table)
    number = pl.col(item).rank("dense").fill_null(0)
    return keyed(table, item).select(KEY, number.alias(ITEM))


def item_sets(rows: pl.DataFrame) -> pl.DataFrame:
    """The exact item set of each learner, as one string: `#key`, `#items`.

    Of numbers joined by commas no two sets give the same string.
    """
    sets = rows.unique().group_by(KEY)
    return sets.agg(pl.col(ITEM).sort().cast(pl.String).str.join(",").alias(ITEMS))


def item_subsets(people: pl.DataFrame, rows: pl.DataFrame, most: int) -> Iterator[Grouping]:
    """Each class with each set of at most so many items that one of its learners has.

    Args:
        people: `#key` and `#class`, no row twice. Who has no items has the empty set.
        rows: `#key` and `#item`.
        most: how many items the attacker knows.
    """
    known: tuple[str, ...] = ()
    frame, pairs = people.select(KEY, CLASS), rows.unique()
    yield Grouping(frame, (CLASS,), known)
    for number in range(1, most + 1):
        column = f"{ITEM}{number}"
        frame = frame.join(pairs.rename({ITEM: column}), on=KEY)
        if known:  # each set once, in ascending order
            frame = frame.filter(pl.col(column) > pl.col(known[-1]))
        known = (*known, column)
        yield Grouping(frame, (CLASS, *known), known)


def groupings(extract: Extract) -> tuple[Grouping, ...]:
    """Every group of the promise, on the join of all tables.

    Course scope: (class, item). Else, m = full: (class, exact set of released items), the empty one
    included; m = 1, 2, 3: (class, set of at most m items of a learner).
    """
    if extract.promise.pseudonym_scope == "course":
        table = extract.one(LEARNER_COURSE_GRAIN)
        known = f"{ITEM}1"
        frame = _classed(table).with_columns(item_rows(extract, table)[ITEM].alias(known))
        return (Grouping(frame.unique(), (CLASS, known), (known,)),)
    return known_by(learner_classes(extract), released_items(extract), extract.promise.m)


def known_by(people: pl.DataFrame, rows: pl.DataFrame, m: ItemKnowledge) -> tuple[Grouping, ...]:
    """Each class with what an attacker may know of its learners' items.

    Args:
        people: `#key` and `#class`, no row twice. Who has no items has the empty set.
        rows: `#key` and `#item`.
        m: how many items the attacker knows.

    Raises:
        CannotRunError: there are more subsets than can be counted.
    """
    if m != "full":
        _demand_countable(rows, m)
        return tuple(item_subsets(people, rows, m))
    frame = people.join(item_sets(rows), on=KEY, how="left")
    return (Grouping(frame.with_columns(pl.col(ITEMS).fill_null("")), (CLASS, ITEMS), None),)


def _demand_countable(rows: pl.DataFrame, most: int) -> None:
    """Refuse what would not fit memory: a forged table may give one learner a thousand items."""
    items = rows.unique().group_by(KEY).len()["len"]
    subsets = sum(
        learners * sum(math.comb(number, size) for size in range(1, most + 1))
        for number, learners in items.value_counts().iter_rows()
    )
    if subsets > _MOST_SUBSETS:
        raise CannotRunError(f"{subsets:,} item subsets, more than {_MOST_SUBSETS:,} to count")


def learner_classes(extract: Extract) -> pl.DataFrame:
    """The learner table, which course scope has not: `#key` and `#class`, no row twice."""
    return _classed(extract.one(LEARNER_GRAIN)).unique()


def released_items(extract: Extract) -> pl.DataFrame:
    """What every learner takes part in, where items are linked: `#key`, `#item`; maybe no rows."""
    if not extract.of_grain(LEARNER_COURSE_GRAIN):
        return pl.DataFrame(schema={KEY: pl.Categorical, ITEM: pl.UInt32})
    return item_rows(extract, extract.one(LEARNER_COURSE_GRAIN))


def _classed(table: Table) -> pl.DataFrame:
    """The learner of each row, in order, and the number of his class: `#key` and `#class`."""
    quasi = table.resource.of_role(QUASI_IDENTIFIER)
    rows = keyed(table, *quasi).with_columns(pl.lit(0).alias(_EVERYBODY))
    by = [_EVERYBODY, *quasi]
    numbers = rows.select(by).unique().with_row_index(CLASS)
    return rows.join(numbers, on=by, how="left", nulls_equal=True, maintain_order="left").select(
        KEY, CLASS
    )
