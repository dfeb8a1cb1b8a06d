"""From a table of text to the histogram that a recoding is searched on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from anonymizer.errors import HierarchyError
from anonymizer.hierarchy import MISSING, ROOT, Hierarchy
from anonymizer.histogram import VALUE, Histogram, histogram_from_counts
from pipelines.errors import SourceError
from pipelines.single_options import Columns, Options
from pipelines.single_table import HierarchyTables

PERSON: Final = "person"
"""The column of `People.rows` that says who a row is about."""

_COUNT: Final = "count"
_NOBODY: Final = ("", "NA", "NaN", "null", "NULL")
_UNKNOWN: Final = frozenset({"", MISSING})


@dataclass(frozen=True, slots=True)
class People:
    """The rows of a table under internal names: columns of a table may have any name.

    Attributes:
        rows: `person`, then q0, q1, ... the quasi-identifiers as leaves, one value of each a
            person, then s0, s1, ... the sensitive columns.
        notes: what was changed, one line each; names of columns and counts only.
    """

    rows: pl.DataFrame
    notes: tuple[str, ...]


def read_trees(
    table: pl.DataFrame, columns: Columns, hierarchies: HierarchyTables, options: Options
) -> dict[str, Hierarchy]:
    """The hierarchies of the quasi-identifiers, and of sensitive columns with a distance.

    An empty cell is the leaf `(missing)`, which meets the others only at `*`, whatever the file
    has for it.

    Raises:
        SourceError: a hierarchy is no tree, or a value has no leaf in it. The value is not named.
    """
    trees: dict[str, Hierarchy] = {}
    faults = []
    for name in (*columns.quasi, *columns.sensitive):
        if name not in hierarchies or (name in columns.sensitive and name not in options.distances):
            continue
        rows = hierarchies[name]
        known = [row for row in rows if row[0] not in _UNKNOWN]
        unknown = len(known) < len(rows) or bool(table[name].is_in(list(_UNKNOWN)).any())
        try:
            trees[name] = Hierarchy.from_rows(name, known, missing=unknown)
        except HierarchyError as error:
            raise SourceError(str(error)) from None
        nothing = ["", ROOT] if name in columns.sensitive else [""]
        astray = int((~table[name].is_in([*trees[name].leaves, *nothing])).sum())
        if astray:
            faults.append(f"column {name}: cells without a row in its hierarchy: {astray}")
    if faults:
        raise SourceError("; ".join(faults) + "; add their values there, or mend the cells")
    return trees


def read_people(table: pl.DataFrame, columns: Columns, learner: str | None) -> People:
    """Say who each row is about, and give every learner one value of each quasi-identifier.

    Without a learner column each row is a person. A learner whose rows differ gets the values of
    the first, in the order of the file.

    Raises:
        SourceError: rows name no learner.
    """
    person: pl.Expr = pl.int_range(pl.len()).cast(pl.String)
    if learner is not None:
        # Blanks and a number's `.0` are no part of an id; the words for nothing are nobody.
        person = pl.col(learner).str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")
    quasi = [f"q{j}" for j in range(len(columns.quasi))]
    people = table.select(
        person.alias(PERSON),
        *(pl.col(name).alias(new) for name, new in zip(columns.quasi, quasi, strict=True)),
        *(pl.col(name).alias(f"s{j}") for j, name in enumerate(columns.sensitive)),
    )
    nobody = int(people[PERSON].is_in(list(_NOBODY)).sum()) if learner is not None else 0
    if nobody:
        raise SourceError(f"--learner {learner}: rows that name no learner: {nobody}; remove them")
    empty = {name: int((table[name] == "").sum()) for name in (*columns.quasi, *columns.sensitive)}
    notes = [
        f"column {name}: empty cells that became {MISSING}: {number}"
        for name, number in empty.items()
        if number
    ]
    people = people.with_columns(pl.exclude(PERSON).replace("", MISSING))
    if learner is None:
        return People(people, tuple(notes))
    withheld = sum(int((table[name] == ROOT).sum()) for name in columns.sensitive)
    if withheld:
        # Of a learner's rows some would count and some would not.
        raise SourceError(
            f"cells of a sensitive column that are {ROOT}, which means withheld: {withheld}; "
            "with --learner give their values, or remove these rows"
        )
    variants = people.select(PERSON, *quasi).unique().group_by(PERSON).len("variants")
    differing = variants.filter(pl.col("variants") > 1).height
    if differing:
        notes.append(
            f"learners whose rows differ in a quasi-identifier: {differing}; all rows of each take "
            "the values of the first"
        )
    people = people.with_columns(pl.col(quasi).first().over(PERSON))
    return People(people, tuple(notes))


def count_tuples(
    people: People,
    columns: Columns,
    quasi: Sequence[Hierarchy],
    orders: Mapping[str, Sequence[str]],
) -> tuple[Histogram, pl.DataFrame]:
    """Distinct learners by tuple, and by tuple and sensitive value.

    Args:
        people: the rows.
        columns: what each column of the table is.
        quasi: hierarchies named q0, q1, ...
        orders: sensitive column -> its values in order.

    Returns:
        The histogram, and one row a tuple in its order, with columns q0, q1, ...
    """
    by = [hierarchy.name for hierarchy in quasi]

    def count(*more: str) -> pl.DataFrame:
        held = people.rows.select(PERSON, *by, *more).unique()
        return held.group_by(*by, *more).len(_COUNT)

    return histogram_from_counts(
        count(),
        quasi,
        cell=None,
        learners=_COUNT,
        sensitive={
            name: count(f"s{j}").rename({f"s{j}": VALUE})
            for j, name in enumerate(columns.sensitive)
        },
        orders=orders,
    )


def read_orders(
    table: pl.DataFrame, trees: Mapping[str, Hierarchy], options: Options
) -> dict[str, tuple[str, ...]]:
    """The values of the columns under ordered distance, in order; an unknown value comes last.

    Numbers are ordered by size, other values as the hierarchy's file lists them.

    Raises:
        SourceError: a column has neither.
    """
    orders = {}
    for column, distance in options.distances.items():
        if distance != "ordered":
            continue
        values = table[column].unique().to_list()
        known = [value for value in values if value not in {*_UNKNOWN, ROOT}]
        sizes = pl.Series(known, dtype=pl.String).cast(pl.Float64, strict=False)
        if not sizes.null_count() and not sizes.is_nan().any():
            orders[column] = tuple(value for _, value in sorted(zip(sizes, known, strict=True)))
        elif column in trees and set(known) <= set(trees[column].leaves):
            orders[column] = tuple(leaf for leaf in trees[column].leaves if leaf != MISSING)
        else:
            raise SourceError(
                f"column {column}: has no order: not all of its values are numbers or rows of its "
                "hierarchy; add a hierarchy that lists them in order"
            )
    return orders
