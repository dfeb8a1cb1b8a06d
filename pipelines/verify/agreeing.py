"""Checks of tables that were made to agree: sums over the cells of one are the other's figures.

A margin has some of the keys of its detailed table. Both name each other and no third one: what is
adjusted once has no noise of its own any more, of which another fit could be worked out.
"""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from pipelines.verify.aggregate import CellPackage, Cells
from pipelines.verify.cells import value_columns
from pipelines.verify.outcome import Outcome, outcome, plural


def partner_of(package: CellPackage, table: Cells) -> Cells | None:
    """The one table that this one agrees with, where both say so and one is a margin of the other.

    None where there is none such: where it claims to agree all the same, `consistency` fails.
    """
    for other in package.tables:
        both = table.query.consistent_with, other.query.consistent_with
        if both == ((other.name,), (table.name,)) and _is_margin(*_sorted(table, other)):
            return other
    return None


def consistency(package: CellPackage) -> Outcome:
    """Where a table says that it agrees with another one, sums over the keys of one are the other.

    Both say so, ask the same but for keys, and one has all keys of the other and more.
    """
    tables = {table.name: table for table in package.tables}
    claiming = [table for table in package.tables if table.query.consistent_with]
    faults: list[str] = []
    for table in claiming:
        named = table.query.consistent_with
        other = tables.get(named[0])
        if other is None or other is table:
            faults.append(f"{table.name}, {named[0]}: no two tables of the package")
        elif other.query.consistent_with != (table.name,):
            faults.append(f"{table.name}: {other.name} does not say that it agrees with it alone")
        elif table.name < other.name:
            faults += _sums_differ(*_sorted(table, other))
    return outcome(faults, f"{plural(len(claiming) // 2, 'pair')} of tables agree")


def _sorted(one: Cells, other: Cells) -> tuple[Cells, Cells]:
    """The one with fewer keys first."""
    return (one, other) if len(one.keys) <= len(other.keys) else (other, one)


def _is_margin(coarse: Cells, fine: Cells) -> bool:
    return set(coarse.keys) < set(fine.keys)


def _sums_differ(coarse: Cells, fine: Cells) -> Iterator[str]:
    name = f"{coarse.name} and {fine.name}"
    if not _is_margin(coarse, fine):
        yield f"{name}: the keys of one are not among those of the other"
        return
    asked = [replace(table.query, consistent_with=()) for table in (coarse, fine)]
    if asked[0] != asked[1]:
        yield f"{name}: they ask for more than other keys"
        return
    for column in (value.name for value, _ in value_columns(coarse.query)):
        wrong = differing(coarse, fine, column, coarse.keys)
        if wrong:
            yield f"{name}: {plural(wrong, 'sum')} of {column} differ"


def differing(one: Cells, other: Cells, column: str, keys: tuple[str, ...]) -> int:
    """How many sums of one table are not those of the other.

    Args:
        one: of the same unit as the other.
        other: as above.
        column: of both.
        keys: of both; over all other keys cells are added up.

    Raises:
        CannotRunError: the column is not in both files.
    """
    unit = 10**one.query.decimals
    first, second = (
        table.select(*keys, column).with_columns((pl.col(column) * unit).round().cast(pl.Int64))
        for table in (one, other)
    )
    if not keys:
        return int(first[column].sum() != second[column].sum())
    sums = [frame.group_by(keys).agg(pl.col(column).sum()) for frame in (first, second)]
    both = sums[0].join(sums[1], on=keys, how="full", suffix="#")
    return int(both.select(pl.col(column).ne_missing(pl.col(f"{column}#")).sum()).item())
