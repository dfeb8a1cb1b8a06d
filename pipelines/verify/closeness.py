"""t-closeness of every group (Li, Li, Venkatasubramanian 2007): the earth mover's distance.

Values of a group's learners in an item are compared with all released values of that item; those
of a learner table with the whole table. All three distances come to one form: a family of sets of
values, and the sum over these sets of |share of the group in it - share of everybody in it|,
divided by a scale.

- equal: each value is a set; scale 2.
- ordered: each value but the last, with all before it, is a set; scale (values - 1). Values are
  those that occur in the item.
- hierarchical: each label below the root is the set of what is under it, level by level; scale
  twice the height. A value that is itself an inner label stands for itself below its level.

With c of C learners of the group and r of R of everybody in a set, |cR - rC| is a whole number, and
is compared as one: t is the decimal it is written as.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final

import polars as pl

from pipelines.verify.anonymity import Groups
from pipelines.verify.groups import ITEM, KEY, Grouping
from pipelines.verify.holders import VALUE, shown_cells, tables_with
from pipelines.verify.outcome import CannotRunError, Outcome, outcome, plural
from pipelines.verify.package import Extract, Table
from schemas.manifest import (
    LEARNER_GRAIN,
    WITHHELD,
    Closeness,
    Distance,
    EqualDistance,
    HierarchicalDistance,
    OrderedDistance,
)

_SET: Final = "#set"
_HELD: Final = "#held"
_OF: Final = "#of"
_ALL: Final = "#all"
_SETS: Final = "#sets"
_SCALE: Final = "#scale"
_SIZE: Final = "#size"
_MOVED: Final = "#moved"
_WHOLE: Final = "#whole"
_Sets = Mapping[str, Sequence[str]]
"""Value -> the sets that it is in."""


def t_closeness(extract: Extract, groups: Groups, column: str) -> Outcome:
    """Every group's values of the column are within t of everybody's.

    Where only part of an item's (or learner table's) column is withheld the distance is not known,
    and the promise not kept.
    """
    tables = tables_with(extract, column)
    if not tables:
        return Outcome(ok=False, detail="no sensitive column of this name")
    bound = extract.promise.closeness[column]
    costs = pl.concat([_costs(extract, groups, table, column, bound) for table in tables])
    if not costs.height:
        return Outcome(ok=True, detail="every value is withheld, or the only one")
    exact = Fraction(repr(bound.t))
    allowed = {whole: math.floor(exact * whole) for whole in costs[_WHOLE].unique().to_list()}
    far = pl.col(_MOVED) > pl.col(_WHOLE).replace_strict(allowed, return_dtype=pl.Int64)
    above = costs.filter(far).height
    largest = costs.select((pl.col(_MOVED) / pl.col(_WHOLE)).max()).item()
    return outcome(
        [f"{above:,} of {plural(costs.height, 'group')} further than {bound.t}"] if above else [],
        f"{plural(costs.height, 'group')}, furthest {largest:.4f} of {bound.t}",
    )


def _costs(
    extract: Extract, groups: Groups, table: Table, column: str, bound: Closeness
) -> pl.DataFrame:
    """One row a group and item in it: its distance is `#moved` / `#whole`, both whole numbers."""
    cells = shown_cells(extract, table, column)
    partly = cells.filter(pl.col(VALUE) == WITHHELD)[ITEM].n_unique()
    if partly:
        raise CannotRunError(f"values are withheld in part of {plural(partly, 'item')}")
    sets, items = _everybody(cells, bound.distance)
    none = pl.DataFrame(schema={_MOVED: pl.Int64, _WHOLE: pl.Int64})
    found = [
        _distances(placed, [*grouping.by, ITEM], sets, items)
        for grouping in groups()
        for placed in _placed(grouping, cells, table)
    ]
    return pl.concat([none, *found])


def _placed(grouping: Grouping, cells: pl.DataFrame, table: Table) -> Iterator[pl.DataFrame]:
    """The cells of each group's learners in the items of the group: `by`, `#item`, `#value`."""
    if table.resource.grain == LEARNER_GRAIN or grouping.items is None:
        yield cells.join(grouping.frame, on=KEY)
        return
    for known in grouping.items:
        yield cells.join(grouping.frame.with_columns(pl.col(known).alias(ITEM)), on=[KEY, ITEM])


def _everybody(cells: pl.DataFrame, distance: Distance) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What every group is compared with.

    Returns:
        One row an item, value and set it is in: `#item`, `#value`, `#set`, and `#of`, how many in
        the item hold a value of the set. One row an item: `#item`, `#scale`, `#all`, how many hold
        any value, and `#sets`, the sum of `#of` over its sets. Items with one value are left out
        where that is in no set: there is nothing to be far from.
    """
    memberships: list[tuple[int, str | None, str]] = []
    scales: list[tuple[int, int]] = []
    counts = cells.group_by(ITEM, VALUE).agg(pl.len().cast(pl.Int64).alias(_OF))
    for item, values in counts.group_by(ITEM).agg(VALUE).iter_rows():
        family, scale = _family(distance, values)
        memberships += [(item, value, one) for value in values for one in family[value]]
        scales.append((item, scale))
    members = pl.DataFrame(
        memberships, schema={ITEM: pl.UInt32, VALUE: pl.String, _SET: pl.String}, orient="row"
    ).join(counts, on=[ITEM, VALUE], nulls_equal=True)
    sets = members.with_columns(pl.col(_OF).sum().over(ITEM, _SET))
    items = pl.DataFrame(scales, schema={ITEM: pl.UInt32, _SCALE: pl.Int64}, orient="row")
    for name, frame in ((_ALL, counts), (_SETS, members)):
        items = items.join(frame.group_by(ITEM).agg(pl.col(_OF).sum().alias(name)), on=ITEM)
    return sets, items


def _family(distance: Distance, values: Sequence[str]) -> tuple[_Sets, int]:
    """The sets that each of these values is in, and what their differences are divided by."""
    match distance:
        case EqualDistance():
            return {value: [str(value)] for value in values}, 2
        case OrderedDistance(order):
            _demand_known(values, set(order))
            place = {label: i for i, label in enumerate(order)}
            cuts = sorted(values, key=place.__getitem__)
            # A set is all values up to a cut; a value is in those that end at it or after it.
            return {v: cuts[cuts.index(v) : -1] for v in values}, len(cuts) - 1
        case HierarchicalDistance(tree):
            _demand_known(values, {label for row in tree for label in row})
            height = len(tree[0]) - 1
            return {value: _labels_above(value, tree) for value in values}, 2 * height


def _labels_above(value: str, tree: Sequence[Sequence[str]]) -> list[str]:
    """The value's label at each level below the root, itself below its own; named by the level."""
    row = next(row for row in tree if value in row)
    own = row.index(value)
    return [f"{level} {row[max(level, own)]}" for level in range(len(row) - 1)]


def _demand_known(values: Sequence[str], labels: set[str]) -> None:
    unknown = sum(value not in labels for value in values)
    if unknown:
        raise CannotRunError(f"{plural(unknown, 'value')} outside the order or tree")


def _distances(
    placed: pl.DataFrame, by: list[str], sets: pl.DataFrame, items: pl.DataFrame
) -> pl.DataFrame:
    """The columns `#moved` and `#whole` of each group and item in which it shows a value."""
    one = pl.len().cast(pl.Int64)
    sizes = placed.group_by(by).agg(one.alias(_SIZE)).join(items, on=ITEM)
    mine, theirs = pl.col(_HELD) * pl.col(_ALL), pl.col(_OF) * pl.col(_SIZE)
    inside = (
        placed.group_by(*by, VALUE)
        .agg(one.alias(_HELD))
        .join(sets, on=[ITEM, VALUE], nulls_equal=True)
        .group_by(*by, _SET, _OF)
        .agg(pl.col(_HELD).sum())
        .join(sizes, on=by)
        .group_by(by)
        .agg(((mine - theirs).abs() - theirs).sum().alias(_MOVED))
    )
    # Sets that the group holds nothing of differ by all that everybody holds of them.
    moved = pl.col(_MOVED).fill_null(0) + pl.col(_SETS) * pl.col(_SIZE)
    whole = pl.col(_SCALE) * pl.col(_SIZE) * pl.col(_ALL)
    return sizes.join(inside, on=by, how="left").select(moved.alias(_MOVED), whole.alias(_WHOLE))
