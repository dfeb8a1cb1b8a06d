"""From the rows of a view to what each learner adds to each cell: the pass that sees all rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import narwhals as nw
import numpy as np
import polars as pl

from pipelines.aggregates.grid import Dated, Discovered, Key, Listed
from pipelines.aggregates.people import ENROLMENTS, NUMBER, People, coded
from pipelines.passes import Frame, admit, contributions, in_units, period_number
from pipelines.sources.tables import ROW
from pipelines.views import COURSE, LEARNER, leaf_expr, raw_view
from schemas.declaration import Family
from schemas.roles import Role

_KEY: Final = "key:"


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted.

    Attributes:
        tables: conformed tables, of permitted rows alone.
        family: its views.
        people: who takes part, and where.
    """

    tables: Mapping[str, Frame]
    family: Family
    people: People


@dataclass(frozen=True, slots=True)
class Value:
    """A number that is added up, in units.

    Attributes:
        column: of the view.
        decimals: of a unit.
        cut: whether to the unit at or below it, for bins; else to the nearest.
    """

    column: str
    decimals: int
    cut: bool

    @property
    def name(self) -> str:
        """What the column is called once it is in units."""
        return f"value:{self.column}:{self.decimals}{':cut' if self.cut else ''}"

    def in_units(self, raw: str) -> nw.Expr:
        """It, of the raw column behind it."""
        return in_units(raw, self.decimals, cut=self.cut).alias(self.name)


def key_name(key: Key) -> str:
    """What the positions of a row's key are called."""
    return f"{_KEY}{key.column}:{key.level}"


def added_up(
    view: str,
    keys: Sequence[Key],
    values: Collection[Value],
    of: Counted,
) -> tuple[pl.DataFrame, Mapping[Key, Sequence[str]]]:
    """What each learner adds to each combination of the keys of rows.

    Args:
        view: whose rows.
        keys: those that are no attributes of learners.
        values: numbers that are added up, each once.
        of: the source.

    Returns:
        `_number` (UInt32), one Int64 column a key, `_rows`, and each value as `contributions` has
        it: one row a learner and combination. And the labels of discovered keys.
    """
    if view == "activity":
        rows, found = _events(keys, values, of)
    else:
        rows, found = _view_rows(view, keys, values, of)
    by = [NUMBER, *(key_name(key) for key in keys)]
    native: Any = contributions(rows, by=by, values=[v.name for v in values]).collect().to_native()
    assert isinstance(native, pl.DataFrame)
    return native, found


def _view_rows(
    view: str,
    keys: Sequence[Key],
    values: Collection[Value],
    of: Counted,
) -> tuple[Frame, Mapping[Key, Sequence[str]]]:
    """The rows of a view that has one a learner, or one a learner and item."""
    own = of.family.views[view]
    item = next((key.column for key in keys if own.columns[key.column].role is Role.ITEM), None)
    items = own.items()
    spine = [item or items[0]] if items else []
    numbers = dict.fromkeys(value.column for value in values)
    names = dict.fromkeys([*spine, *(key.column for key in keys), *numbers])
    raw: Any = raw_view(of.tables, of.family, own, tuple(names)).collect().to_native()
    on = [LEARNER, *([COURSE] if view == ENROLMENTS else [])]
    pairs = of.people.pairs.select(*on, NUMBER).unique()
    rows = raw.join(pairs, on=on, how="inner").drop(ROW)
    found: dict[Key, Sequence[str]] = {}
    positions = []
    for key in keys:
        labels = rows.select(leaf_expr(key.column, own.columns[key.column])).to_series()
        codes, key_labels = _positions(labels, key)
        positions.append(pl.Series(key_name(key), codes))
        if key_labels is not None:
            found[key] = key_labels
    numbered = rows.select(NUMBER, *numbers).with_columns(positions)
    return nw.from_native(numbered.lazy()).select(
        NUMBER,
        *(key_name(key) for key in keys),
        *(value.in_units(value.column) for value in values),
    ), found


def _positions(
    labels: pl.Series, key: Key
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Sequence[str] | None]:
    """Positions among the labels of a key; and these labels, where they are the data's own."""
    if isinstance(key.coding, Listed):
        return coded(labels, key), None
    assert isinstance(key.coding, Discovered)
    found = labels.unique().sort()
    listed = Listed(tuple((label, i) for i, label in enumerate(found)), None)
    return coded(
        labels, Key(key.column, key.view, key.level, tuple(found), listed)
    ), found.to_list()


def _events(
    keys: Sequence[Key],
    values: Collection[Value],
    of: Counted,
) -> tuple[Frame, Mapping[Key, Sequence[str]]]:
    """The rows of activity, row by row: nothing of them is collected.

    One join tells who a row is of, whether he takes part in that course, and the course's position.
    """
    family, pairs = of.family, of.people.pairs
    view, found = family.views["activity"], {}
    admitted = admit(of.tables[view.table], where=view.where, exclude={}, by=[])
    if COURSE not in pairs.columns and not all(isinstance(key.coding, Dated) for key in keys):
        pairs = _with_courses(pairs, admitted, family)
    on = {LEARNER: family.learner}
    if COURSE in pairs.columns:
        on[COURSE] = family.item
    for key in keys:
        if not isinstance(key.coding, Dated):
            assert view.columns[key.column].role is Role.ITEM
            codes, labels = _positions(pairs[COURSE], key)
            pairs = pairs.with_columns(pl.Series(key_name(key), codes))
            if labels is not None:
                found[key] = labels
    known = nw.from_native(pairs.rename(on).lazy())
    rows = admitted.join(known, on=list(on.values()), how="inner")
    dated = [key for key in keys if isinstance(key.coding, Dated)]
    return rows.select(
        NUMBER,
        *(nw.col(key_name(key)) for key in keys if key not in dated),
        *(_period_position(key, family).alias(key_name(key)) for key in dated),
        *(value.in_units(view.columns[value.column].column or value.column) for value in values),
    ), found


def _with_courses(pairs: pl.DataFrame, rows: Frame, family: Family) -> pl.DataFrame:
    """Each learner with the courses of his own rows: where no view says in which he takes part."""
    unit = {family.learner: LEARNER, family.item: COURSE}
    seen: Any = rows.select(*unit).drop_nulls().unique().rename(unit).collect().to_native()
    return pairs.join(seen, on=LEARNER, how="inner")


def _period_position(key: Key, family: Family) -> nw.Expr:
    column = family.views["activity"].columns[key.column]
    assert isinstance(key.coding, Dated)
    periods, other = key.coding.periods, key.coding.other
    number = period_number(column.column or key.column, periods.period, relative=periods.relative)
    position = number - periods.first
    inside = (position >= 0) & (position < len(periods.labels))
    return nw.when(inside).then(position).otherwise(nw.lit(other)).fill_null(other).cast(nw.Int64)
