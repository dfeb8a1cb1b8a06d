"""What a family declaration may not say: views that contradict their tables, or the promise.

A view may never make more of a raw column than its role allows, or the declaration itself would be
the leak: a name released as a quasi-identifier, a grade as a measure without a maximum share.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from schemas.roles import Aggregate, ColumnType, Grain, Role

if TYPE_CHECKING:  # the values call these rules, so their module can't be imported here
    from schemas.declaration import ColumnDeclaration, Family
    from schemas.view import View, ViewColumn

_GRAINS: Final = {
    "learners": Grain.LEARNER,
    "enrolments": Grain.LEARNER_COURSE,
    "activity": Grain.EVENT,
}
_NUMBERS: Final = (ColumnType.INTEGER, ColumnType.NUMBER)
_COUNTS: Final = (Aggregate.COUNT, Aggregate.COUNT_DISTINCT, Aggregate.COUNT_WEEKS)
_NEVER_READ: Final = (Role.DIRECT_IDENTIFIER, Role.LEARNER_KEY, Role.DROPPED)

_COUNTED: Final = frozenset({Role.MEASURE, Role.SENSITIVE})
"""What a count of any readable column may leave as."""

_RELEASED_AS: Final = {
    Role.QUASI_IDENTIFIER: frozenset({Role.QUASI_IDENTIFIER}),
    Role.ITEM: frozenset({Role.ITEM}),
    Role.TIME: frozenset({Role.TIME}),
    Role.SENSITIVE: frozenset({Role.SENSITIVE, Role.QUASI_IDENTIFIER}),
    Role.MEASURE: frozenset({Role.MEASURE, Role.SENSITIVE, Role.QUASI_IDENTIFIER}),
}
"""Raw role -> what a value may leave as: never as something milder. Free text, times and
catalogue columns leave as counts only."""

_RELEASABLE: Final = "[A-Za-z][A-Za-z0-9_]*"
_RESERVED: Final = frozenset({"learner", "leaf", "label", "value", "pseudonym"})
"""Names that kohort's own columns have on the way."""

_FILTERS: Final = (Role.CATALOGUE, Role.TIME, Role.ITEM, Role.MEASURE)
"""What rows may be chosen and ordered by. A count of the rows with one sensitive value, or of one
disability, would release that value under a milder role."""

_PLAIN_ITEM: Final = frozenset({"role", "description", "table", "column", "special_category"})
_COMPOSITE_ITEM: Final = frozenset(
    {"role", "description", "columns", "time", "period", "special_category"}
)
"""What a view may say of its items. Rights are recorded by the raw item: under another name of it
they would be lost."""

_ITEM_PARTS: Final = (Role.ITEM, Role.CATALOGUE, Role.TIME)
_ITEM_TYPES: Final = (ColumnType.TEXT, ColumnType.INTEGER)
_MOMENTS: Final = (ColumnType.TIMESTAMP, ColumnType.DATE)


def faults_of(family: "Family") -> Iterator[str]:
    """Every contradiction, each with the TOML key it stands at."""
    both = sorted(set(family.tables) & set(family.dropped))
    yield from (f"tables.{name} is both declared and dropped" for name in both)
    if family.partner_pattern and _groups(family.partner_pattern) != 1:
        yield "partner_pattern must be a regular expression with exactly one group"
    if sum(table.learners for table in family.tables.values()) > 1:
        yield "only one table may say learners = true"
    for name, view in family.views.items():
        yield from (f"views.{name}: {fault}" for fault in _view_faults(family, name, view))
    rows = [set(v.columns) for n, v in family.views.items() if v.grain is not Grain.EVENT]
    twice = sorted(set.intersection(*rows)) if len(rows) > 1 else []
    yield from (f"views: {name} stands in both views" for name in twice)


def _view_faults(family: "Family", name: str, view: "View") -> list[str]:
    if _GRAINS.get(name) is not view.grain:
        expected = ", ".join(f"{own} ({grain})" for own, grain in _GRAINS.items())
        return [f"views and their grains are {expected}"]
    undeclared = [
        f"{table}.{column} is not declared under tables"
        for table, column in sorted(_uses(view, family.learner, family.item))
        if table not in family.tables or column not in family.tables[table].columns
    ]
    # What stands behind a column can be judged only where everything is declared.
    return [*_column_faults(view), *(undeclared or _source_faults(family, view))]


def _column_faults(view: "View") -> Iterator[str]:
    """Names and roles that a view's grain does not allow."""
    for name, column in view.columns.items():
        if not re.fullmatch(_RELEASABLE, name) or name in _RESERVED:
            yield f"{name}: choose another name of letters, digits and _; it starts with a letter"
        if column.role is Role.QUASI_IDENTIFIER and view.grain is not Grain.LEARNER:
            yield f"{name}: quasi-identifiers stand in views.learners"
    items = view.items()
    plain = sum(not view.columns[name].columns for name in items)
    if plain != (view.grain is not Grain.LEARNER) or (items and not plain):
        yield "one item column in enrolments, none in learners; further items say columns"
    if view.grain is Grain.EVENT:
        yield from _event_faults(view)
    for name, column in view.columns.items():
        if column.role is Role.TIME and view.grain is not Grain.EVENT:
            yield f"{name}: times stand in views.activity, or are a part of an item"


def _event_faults(view: "View") -> Iterator[str]:
    """A view of events counts its own table's rows, as they are."""
    if view.order_by or view.run is not None or view.exclude:
        yield "every row counts: no order_by, run or exclude; who takes part say enrolments"
    for name, column in view.columns.items():
        if column.columns or column.role not in {Role.ITEM, Role.TIME, Role.MEASURE}:
            yield f"{name}: one item, times and measures stand in views.activity"
        if column.role is Role.MEASURE and column.aggregate is not Aggregate.SUM:
            yield f"{name}: an event's number is added up: aggregate = sum"
        if column.where or column.table not in {None, view.table}:
            yield f"{name}: comes from the view's own table, every row of it"


def _source_faults(family: "Family", view: "View") -> Iterator[str]:
    """What a view may not make of the raw columns behind it."""
    for table in sorted({t for t, _ in _uses(view, family.learner, family.item)}):
        columns = family.tables[table].columns
        if columns[family.learner].role is not Role.LEARNER_KEY:
            yield f"{table}.{family.learner} names the learner: its role must be learner-key"
        if view.grain is not Grain.LEARNER and columns[family.item].role is not Role.ITEM:
            yield f"{table}.{family.item} names the item: its role must be item"
    for table, filtered in sorted(_filters(view)):
        raw = family.tables[table].columns[filtered]
        if raw.role not in _FILTERS or raw.special_category:
            yield f"{table}.{filtered} is {raw.role}: rows can't be chosen or ordered by it"
    for name, column in view.columns.items():
        raw = family.behind(name, view)
        for fault in (*_role_faults(raw, column), *_type_faults(raw, column)):
            yield f"{name}: {fault}"
        for fault in _item_faults(family, view, name) if column.role is Role.ITEM else ():
            yield f"{name}: {fault}"


def _role_faults(raw: "ColumnDeclaration", column: "ViewColumn") -> Iterator[str]:
    counted = column.aggregate in _COUNTS
    admitted = _COUNTED if counted else _RELEASED_AS.get(raw.role, frozenset())
    if raw.role in _NEVER_READ or column.role not in admitted:
        how = column.aggregate if counted else "its value"
        yield f"a {raw.role} column can't leave as {column.role} by {how}"


def _type_faults(raw: "ColumnDeclaration", column: "ViewColumn") -> Iterator[str]:
    how = column.aggregate
    is_number = raw.type in _NUMBERS
    if how is Aggregate.SUM and not is_number:
        yield "a sum needs an integer or number column"
    if how is Aggregate.COUNT_WEEKS and raw.type is not ColumnType.TIMESTAMP:
        yield "count_weeks needs a timestamp column"
    if (how is Aggregate.SUM or how in _COUNTS) and not column.is_number:
        yield "a count or a sum needs bins, log_bins or microaggregate"
    if column.role is Role.TIME:
        if raw.type is ColumnType.INTEGER and column.period != "week":
            yield "a number of days has the period week"
        if raw.type not in {*_MOMENTS, ColumnType.INTEGER}:
            yield "a period needs a timestamp, a date, or a number of days"
        return
    if column.is_number and how not in _COUNTS and not is_number:
        yield f"{column.domain}: the column behind it must be an integer or number"


def _item_faults(family: "Family", view: "View", name: str) -> Iterator[str]:
    column = view.columns[name]
    if column.model_fields_set - (_COMPOSITE_ITEM if column.columns else _PLAIN_ITEM):
        yield "the item leaves as it is: no relabel, missing, where or aggregate"
    if column.table not in {None, view.table} or family.item not in column.sources(name):
        yield f"an item holds {view.table}.{family.item}, the item of the family"
    raw = family.tables[view.table].columns
    for part in column.columns:
        if not _may_name_an_item(raw[part]) or raw[part].type not in _ITEM_TYPES:
            yield f"columns: {part} must be text or integer, and an item, catalogue or time column"
    if column.time is not None:
        moment = raw[column.time]
        if not _may_name_an_item(moment) or moment.type not in _MOMENTS:
            yield f"time: {column.time} must be a time column of type timestamp or date"


def _may_name_an_item(raw: "ColumnDeclaration") -> bool:
    return raw.role in _ITEM_PARTS and not raw.special_category


def _filters(view: "View") -> set[tuple[str, str]]:
    """The raw (table, column) pairs that rows are chosen or ordered by."""
    own = [*view.where, *view.exclude, *view.order_by, *([view.run] if view.run else [])]
    chosen = {(c.table or view.table, f) for c in view.columns.values() for f in c.where}
    return chosen | {(view.table, column) for column in own}


def _uses(view: "View", learner: str, item: str) -> set[tuple[str, str]]:
    """The raw (table, column) pairs that a view reads, its keys in each of its tables included."""
    uses = _filters(view)
    for name, column in view.columns.items():
        uses |= {(column.table or view.table, raw) for raw in column.sources(name)}
    keys = [learner] if view.grain is Grain.LEARNER else [learner, item]
    return uses | {(table, key) for table in {t for t, _ in uses} | {view.table} for key in keys}


def _groups(pattern: str) -> int:
    try:
        return re.compile(pattern).groups
    except re.error:
        return -1
