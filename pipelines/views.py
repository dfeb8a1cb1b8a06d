"""From staged raw tables to the releasable views, still under raw ids: conform and aggregate."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import narwhals as nw
import polars as pl

from anonymizer.hierarchy import Hierarchy, bin_expr
from pipelines.item_labels import dated, joined
from pipelines.ladders import edges_of
from pipelines.passes import Frame, admit, aggregate, deduplicate, one_row, with_learner_row
from pipelines.plan import Concern
from pipelines.sources.quarantine import Quarantine, Reason
from pipelines.sources.tables import ROW
from schemas.declaration import Family, View, ViewColumn
from schemas.roles import Aggregate, Grain, Role

LEARNER = "learner"
"""The learner column of a view: the raw id until it is pseudonymized."""

COURSE = "_course"
"""The raw item of an enrolment, by which rights are recorded, whatever the item that is released
is made of."""

_OWN_ROW = (Aggregate.FIRST, Aggregate.LAST)
_UNIT = "_unit"
_TIME = "_time"
_PERSON = "_person"


class Viewing(Concern, Protocol):
    """A plan that is made from views."""

    def views(self) -> Mapping[str, tuple[str, ...]]:
        """The views to assemble, each with its columns."""


def assemble(
    tables: Mapping[str, pl.LazyFrame], plan: Viewing, quarantine: Quarantine, *, own_keys: bool
) -> dict[str, pl.DataFrame]:
    """Build the requested views.

    Args:
        tables: staged tables: typed, canonical names, with `_row`.
        plan: which views and columns, and their hierarchies.
        quarantine: where rows go that repeat a key, have no learner, or have a value outside its
            hierarchy.
        own_keys: as in `conform`.

    Returns:
        View name -> one row a learner, or a learner and item: `learner`, in `enrolments` `_course`
        and the item column, and the requested columns as leaf labels of their hierarchies. No
        nulls, but in microaggregated columns: these are numbers still, null where unknown.
    """
    conformed = conform(tables, plan.family, quarantine, own_keys=own_keys)
    ladders = {ladder.name: ladder for ladder in plan.hierarchies}
    frames = {}
    for name, columns in plan.views().items():
        view = plan.family.views[name]
        raw = raw_view(conformed, plan.family, view, columns).collect().to_native()
        frames[name] = _label(raw, view, ladders, quarantine)
    if len(frames) == 2:
        # A learner put aside takes his enrolments along.
        whole, known = frames["enrolments"], frames["learners"]
        orphans = whole.join(known, on=LEARNER, how="anti")[ROW]
        quarantine.add(plan.family.views["enrolments"].table, Reason.NO_LEARNER_ROW, orphans)
        frames["enrolments"] = whole.join(known, on=LEARNER, how="semi")
    return {name: frame.drop(ROW) for name, frame in frames.items()}


def canonical(
    tables: Mapping[str, pl.LazyFrame], family: Family, aliases: pl.DataFrame | None
) -> dict[str, pl.LazyFrame]:
    """The staged tables with one id a person: two ids of one person are no two learners.

    Args:
        tables: staged tables.
        family: which columns name learners.
        aliases: `id` and `person`, where bridge tables tell which ids belong together. An id whose
            person is null stays as it is: nobody knows whose it is.
    """
    if aliases is None:
        return dict(tables)
    found = {}
    for name, table in tables.items():
        key = family.tables[name].learner_key()
        found[name] = table
        if key is not None:
            names = aliases.lazy().select(pl.col("id").alias(key), pl.col("person").alias(_PERSON))
            joined = table.join(names, on=key, how="left", maintain_order="left")
            renamed = joined.with_columns(pl.coalesce(_PERSON, key).alias(key))
            found[name] = renamed.drop(_PERSON)
    return found


def occurring(tables: Mapping[str, pl.LazyFrame], plan: Concern) -> pl.DataFrame:
    """Whoever the source knows of, in any table that a build reads.

    Returns:
        `learner` and, where the family has items, `_course`: each pair once. A family without items
        has the learners of all tables.
    """
    family = plan.family
    found = []
    for name, table in tables.items():
        learner, columns = family.tables[name].learner_key(), family.tables[name].columns
        if learner is None or (plan.item is not None and family.item not in columns):
            continue
        course = [] if plan.item is None else [pl.col(family.item).alias(COURSE)]
        found.append(table.select(pl.col(learner).alias(LEARNER), *course).drop_nulls().unique())
    return pl.concat(found).unique().sort(pl.all()).collect()


def permit(
    tables: Mapping[str, pl.LazyFrame], plan: Concern, allowed: pl.DataFrame
) -> dict[str, pl.LazyFrame]:
    """The rows that may be used, before anything is made of them.

    Whoever withholds one course must not be described by what was recorded in it, nor left out for
    it: a row of a course goes by learner and course, any other by its learner.

    Args:
        tables: staged tables.
        plan: the family.
        allowed: rows of `occurring`.
    """
    family, kept = plan.family, dict(tables)
    for name, table in tables.items():
        learner, columns = family.tables[name].learner_key(), family.tables[name].columns
        if learner is None:
            continue
        keys = {LEARNER: learner}
        if COURSE in allowed.columns and family.item in columns:
            keys[COURSE] = family.item
        rows = allowed.lazy().select(pl.col(old).alias(new) for old, new in keys.items()).unique()
        kept[name] = table.join(rows, on=list(keys.values()), how="semi")
    return kept


def conform(
    tables: Mapping[str, pl.LazyFrame], family: Family, quarantine: Quarantine, *, own_keys: bool
) -> dict[str, Frame]:
    """Dedupe, and put orphans aside.

    Args:
        tables: staged tables.
        family: their keys, and the table that lists learners.
        quarantine: where rows go that repeat a key, or have no learner.
        own_keys: whether a key tells rows apart among one learner's only, so that nobody's row is
            put aside for another's: what one learner adds then depends on nobody else.
    """
    frames: dict[str, Frame] = {name: nw.from_native(frame) for name, frame in tables.items()}

    def put_aside(table: str, reason: Reason, rows: Frame) -> None:
        found: pl.DataFrame = rows.select(ROW).collect().to_native()
        quarantine.add(table, reason, found[ROW])

    for name in tables:
        if key := family.tables[name].key:
            learner = family.tables[name].learner_key()
            if own_keys and learner is not None:
                key = tuple(dict.fromkeys((*key, learner)))
            parts = deduplicate(frames[name], key=key)
            put_aside(name, Reason.DUPLICATE_ROW, parts.duplicate_rows)
            put_aside(name, Reason.DUPLICATE_KEY, parts.duplicate_keys)
            frames[name] = parts.kept
    listing = family.learner_table()
    for name in tables:
        learner = family.tables[name].learner_key()
        if listing is not None and learner is not None and name != listing:
            referenced = with_learner_row(frames[name], frames[listing], learner=learner)
            put_aside(name, Reason.NO_LEARNER_ROW, referenced.orphans)
            frames[name] = referenced.kept
    return frames


def raw_view(
    tables: Mapping[str, Frame], family: Family, view: View, names: tuple[str, ...]
) -> Frame:
    """The view's rows with raw values: one row a learner, or a learner and item.

    An item of several columns divides a learner's rows in a course; a coarse time does not: it is
    the time of the one row that leaves.
    """
    raw_unit = [family.learner] if view.grain is Grain.LEARNER else [family.learner, family.item]
    admitted = admit(tables[view.table], where=view.where, exclude=view.exclude, by=raw_unit)
    item = next((view.columns[n] for n in names if view.columns[n].role is Role.ITEM), None)
    parts = () if item is None else item.columns or (family.item,)
    unit = [family.learner] if item is None else [family.learner, _UNIT]
    spine = one_row(_with_unit(admitted, parts), by=unit, order_by=view.order_by)
    own = {n: view.columns[n] for n in names if _stands_in_own_row(view, view.columns[n])}
    run = [view.run] if view.run is not None and view.run not in parts else []
    aside = {} if item is None else {COURSE: family.item}
    if item is not None and item.time is not None:
        aside[_TIME] = item.time
    selected = spine.select(
        ROW,
        nw.col(family.learner).alias(LEARNER),
        *(_own_value(name, column) for name, column in own.items()),
        *(nw.col(source).alias(name) for name, source in aside.items()),
        *(nw.col(key).alias(_key_alias(key)) for key in [*unit, *run]),
    )
    for name in names:
        if name not in own:
            rows = _with_unit(tables[view.columns[name].table or view.table], parts)
            # The kept run only, where the table knows of runs.
            known = rows.collect_schema().names()
            by = [*unit, *(key for key in run if key in known)]
            values = _aggregated(rows, view.columns[name], name, by)
            aliases = [_key_alias(key) for key in by]
            values = values.rename(dict(zip(by, aliases, strict=True)))
            selected = selected.join(values, on=aliases, how="left")
            if view.columns[name].aggregate not in _OWN_ROW:
                selected = selected.with_columns(nw.col(name).fill_null(0))
    return selected.select(ROW, LEARNER, *aside, *names)


def _with_unit(rows: Frame, parts: Sequence[str]) -> Frame:
    """Rows with their item, where the view has items; the item's time is none of it."""
    return rows.with_columns(joined(parts).alias(_UNIT)) if parts else rows


def _key_alias(key: str) -> str:
    # A key column may also be a released one (the item): it joins under a name of its own.
    return f"_key_{key}"


def _own_value(name: str, column: ViewColumn) -> nw.Expr:
    source = _UNIT if column.role is Role.ITEM else column.column or name
    return nw.col(source).alias(name)


def _stands_in_own_row(view: View, column: ViewColumn) -> bool:
    same_table = column.table is None or column.table == view.table
    return same_table and column.aggregate in _OWN_ROW and not column.where


def _aggregated(rows: Frame, column: ViewColumn, name: str, by: list[str]) -> Frame:
    rows = admit(rows, where=column.where, exclude={}, by=by)
    return aggregate(
        rows, by=by, column=column.column or name, how=column.aggregate.value, name=name
    )


def _label(
    raw: pl.DataFrame, view: View, ladders: Mapping[str, Hierarchy], quarantine: Quarantine
) -> pl.DataFrame:
    """Raw values as leaf labels; rows with a value outside its hierarchy are put aside."""
    columns = [name for name in raw.columns if name in view.columns]
    frame = raw.with_columns(leaf_expr(name, view.columns[name]) for name in columns).drop(
        _TIME, strict=False
    )
    for name in columns:
        if name in ladders:
            inside = pl.col(name).is_in(list(ladders[name].leaves))
            outside = frame.filter(~inside)[ROW]
            source = view.columns[name].column or name
            table = view.columns[name].table
            column = source if table in {None, view.table} else f"{table}.{source}"
            quarantine.add(view.table, Reason.NOT_IN_DOMAIN, outside, column=column)
            frame = frame.filter(inside)
    return frame


def leaf_expr(name: str, column: ViewColumn) -> pl.Expr:
    """The leaf label of a raw value; a number that is released as means stays a number."""
    if (edges := edges_of(column)) is not None:
        return bin_expr(name, edges[0]).alias(name)
    if column.microaggregate is not None:
        number = pl.col(name).cast(pl.Float64)
        return pl.when(number.is_finite()).then(number).alias(name)
    if column.period is not None:
        return dated(name, _TIME, column.period).alias(name)
    text = pl.col(name).cast(pl.String)
    return text.replace(dict(column.relabel)).fill_null(column.missing).alias(name)
