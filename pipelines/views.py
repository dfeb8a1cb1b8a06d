"""From staged raw tables to the releasable views, still under raw ids: conform and aggregate."""

from collections.abc import Mapping

import narwhals as nw
import polars as pl

from anonymizer.hierarchy import Hierarchy, bin_expr
from pipelines.passes import Frame, admit, aggregate, deduplicate, one_row, with_learner_row
from pipelines.plan import Plan
from pipelines.sources.quarantine import Quarantine, Reason
from pipelines.sources.tables import ROW
from schemas.declaration import Family, View, ViewColumn
from schemas.roles import Aggregate, Grain

LEARNER = "learner"
"""The learner column of a view: the raw id until it is pseudonymized."""

_OWN_ROW = (Aggregate.FIRST, Aggregate.LAST)


def assemble(
    tables: Mapping[str, pl.LazyFrame], plan: Plan, quarantine: Quarantine
) -> dict[str, pl.DataFrame]:
    """Build the requested views.

    Args:
        tables: staged tables: typed, canonical names, with `_row`.
        plan: which views and columns, and their hierarchies.
        quarantine: where rows go that repeat a key, have no learner, or have a value outside its
            hierarchy.

    Returns:
        View name -> one row a learner, or a learner and item: `learner`, the item column, and the
        requested columns as leaf labels of their hierarchies. No nulls.
    """
    conformed = _conform(tables, plan.family, quarantine)
    chosen = (*plan.quasi_identifiers, *plan.learner_ladders, *plan.enrolment_ladders)
    ladders = {ladder.name: ladder for ladder in chosen}
    frames = {}
    for name, columns in plan.views().items():
        view = plan.family.views[name]
        raw = _raw_view(conformed, plan.family, view, columns).collect().to_native()
        frames[name] = _label(raw, view, ladders, quarantine)
    if len(frames) == 2:
        # A learner put aside takes his enrolments along.
        whole, known = frames["enrolments"], frames["learners"]
        orphans = whole.join(known, on=LEARNER, how="anti")[ROW]
        quarantine.add(plan.family.views["enrolments"].table, Reason.NO_LEARNER_ROW, orphans)
        frames["enrolments"] = whole.join(known, on=LEARNER, how="semi")
    return {name: frame.drop(ROW) for name, frame in frames.items()}


def _conform(
    tables: Mapping[str, pl.LazyFrame], family: Family, quarantine: Quarantine
) -> dict[str, Frame]:
    """Dedupe, and put orphans aside."""
    frames: dict[str, Frame] = {name: nw.from_native(frame) for name, frame in tables.items()}

    def put_aside(table: str, reason: Reason, rows: Frame) -> None:
        found: pl.DataFrame = rows.select(ROW).collect().to_native()
        quarantine.add(table, reason, found[ROW])

    for name in tables:
        if key := family.tables[name].key:
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


def _raw_view(
    tables: Mapping[str, Frame], family: Family, view: View, names: tuple[str, ...]
) -> Frame:
    """The view's rows with raw values: one row a learner, or a learner and item."""
    unit = [family.learner] if view.grain is Grain.LEARNER else [family.learner, family.item]
    admitted = admit(tables[view.table], where=view.where, exclude=view.exclude, by=unit)
    spine = one_row(admitted, by=unit, order_by=view.order_by)
    own = {n: view.columns[n] for n in names if _stands_in_own_row(view, view.columns[n])}
    selected = spine.select(
        ROW,
        nw.col(family.learner).alias(LEARNER),
        *(nw.col(column.column or name).alias(name) for name, column in own.items()),
        *(nw.col(key).alias(_key_alias(key)) for key in [*unit, *([view.run] if view.run else [])]),
    )
    for name in names:
        if name not in own:
            values = _aggregated(tables, view, name, unit)
            keys = [c for c in values.collect_schema().names() if c != name]
            aliases = [_key_alias(key) for key in keys]
            values = values.rename(dict(zip(keys, aliases, strict=True)))
            selected = selected.join(values, on=aliases, how="left")
            if view.columns[name].aggregate not in _OWN_ROW:
                selected = selected.with_columns(nw.col(name).fill_null(0))
    return selected.select(ROW, LEARNER, *names)


def _key_alias(key: str) -> str:
    # A key column may also be a released one (the item): it joins under a name of its own.
    return f"_key_{key}"


def _stands_in_own_row(view: View, column: ViewColumn) -> bool:
    same_table = column.table is None or column.table == view.table
    return same_table and column.aggregate in _OWN_ROW and not column.where


def _aggregated(tables: Mapping[str, Frame], view: View, name: str, unit: list[str]) -> Frame:
    column = view.columns[name]
    rows = tables[column.table or view.table]
    # The kept run only, where the table knows of runs.
    known = rows.collect_schema().names()
    by = [*unit, view.run] if view.run is not None and view.run in known else unit
    rows = admit(rows, where=column.where, exclude={}, by=by)
    return aggregate(
        rows, by=by, column=column.column or name, how=column.aggregate.value, name=name
    )


def _label(
    raw: pl.DataFrame, view: View, ladders: Mapping[str, Hierarchy], quarantine: Quarantine
) -> pl.DataFrame:
    """Raw values as leaf labels; rows with a value outside its hierarchy are put aside."""
    columns = [name for name in raw.columns if name in view.columns]
    frame = raw.with_columns(_leaf(name, view.columns[name]) for name in columns)
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


def _leaf(name: str, column: ViewColumn) -> pl.Expr:
    if column.bins is not None:
        return bin_expr(name, column.bins.edges[0]).alias(name)
    text = pl.col(name).cast(pl.String)
    return text.replace(dict(column.relabel)).fill_null(column.missing).alias(name)
