"""Declarations: what a source's tables and columns are, and which views may be released.

A family is written in TOML (`schemas/families/*.toml`, or a user's own file). Everything a build
reads is declared here; what is not declared is never read.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.roles import MISSING, WITHHELD, Grain, Role
from schemas.violations import SchemaError, Violation, violations_of

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_M = TypeVar("_M", bound=BaseModel)
_GRAINS = {"learners": Grain.LEARNER, "enrolments": Grain.LEARNER_COURSE}
_RELEASABLE = "[A-Za-z][A-Za-z0-9_]*"
_RESERVED = frozenset({"learner", "leaf", "label", "value", "pseudonym"})
"""Names that kohort's own columns have on the way."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class ColumnType(StrEnum):
    """How a raw column is parsed. Text is stripped of blanks; empty text is null."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"


class Aggregate(StrEnum):
    """How the rows behind one released cell become one value."""

    FIRST = "first"
    LAST = "last"
    SUM = "sum"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    COUNT_WEEKS = "count_weeks"


class ColumnDeclaration(BaseModel):
    """One raw column.

    Attributes:
        role: what it means for privacy.
        type: how it is parsed.
        values: the closed domain after relabelling; None leaves it open. Nulls are outside it.
        relabel: raw value -> value, for label faults and code books.
        aliases: other names of the same column in other versions of the export. A name may hold
            `{partner}`, which stands for the partner's prefix.
        optional: whether a source may lack it (it is then null throughout).
        special_category: GDPR Art. 9 data, or the like: raises the floor of k.
    """

    model_config = _FROZEN
    role: Role
    type: ColumnType = ColumnType.TEXT
    values: tuple[str, ...] | None = None
    relabel: Mapping[str, str] = Field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    optional: bool = False
    special_category: bool = False
    description: str = ""


class TableDeclaration(BaseModel):
    """One raw table.

    Attributes:
        grain: what one row stands for.
        key: columns that identify a row; rows that repeat a key are duplicates.
        columns: the columns that kohort may read.
        dropped: columns that are known and never read, by one default line.
        optional: whether a source may lack the table.
        learners: whether this table lists the learners; rows elsewhere whose learner has no row
            here are orphans.
    """

    model_config = _FROZEN
    grain: Grain
    columns: Mapping[str, ColumnDeclaration]
    key: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    optional: bool = False
    learners: bool = False
    description: str = ""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        absent = [name for name in self.key if name not in self.columns]
        if absent:
            raise ValueError(f"key names columns that are not declared: {', '.join(absent)}")
        both = sorted(set(self.dropped) & set(self.columns))
        if both:
            raise ValueError(f"both declared and dropped: {', '.join(both)}")
        return self

    def learner_key(self) -> str | None:
        """The column that names the learner, if the table has one."""
        return next((n for n, c in self.columns.items() if c.role is Role.LEARNER_KEY), None)


class Bins(BaseModel):
    """A ladder of bins for a number, finest first; each coarser list is a subset of the finer.

    `edges = [[1, 10, 100], [10]]` reads: level 0 has the bins below 1, [1, 10), [10, 100), and 100
    or more; level 1 has below 10, and 10 or more; above the last level stands `*`.
    """

    model_config = _FROZEN
    edges: tuple[tuple[float, ...], ...]
    unit: str = ""

    @model_validator(mode="after")
    def _nested(self) -> Self:
        for finer, coarser in zip(self.edges, self.edges[1:], strict=False):
            if not set(coarser) <= set(finer):
                raise ValueError("each coarser list of edges must be a subset of the finer one")
        for edges in self.edges:
            if not edges or list(edges) != sorted(set(edges)):
                raise ValueError("edges must be non-empty and strictly increasing")
        return self


class ViewColumn(BaseModel):
    """One releasable column of a view.

    Attributes:
        role: what it means for privacy; a request cannot change it.
        table: the raw table it comes from; the view's own table where left out.
        column: the raw column; the view column's own name where left out.
        aggregate: how the raw rows of one (learner) or (learner, item) become one value.
        where: raw column -> admitted values; other rows are not counted.
        relabel: value -> released value, before any generalization.
        missing: the released value where the source has none: a leaf of its own, or one of the
            column's declared values. A count or a sum is 0 where no row exists.
        bins: the ladder of a number; or
        hierarchy: the name of a hierarchy table shipped beside the declaration; or neither: the
            values, then `*`.
        values: the closed domain for a column that is neither binned nor in a hierarchy.
    """

    model_config = _FROZEN
    role: Role
    description: str
    table: str | None = None
    column: str | None = None
    aggregate: Aggregate = Aggregate.FIRST
    where: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    relabel: Mapping[str, str] = Field(default_factory=dict)
    missing: str = MISSING
    bins: Bins | None = None
    hierarchy: str | None = None
    values: tuple[str, ...] | None = None
    special_category: bool = False

    @model_validator(mode="after")
    def _one_domain(self) -> Self:
        allowed = (Role.QUASI_IDENTIFIER, Role.ITEM, Role.SENSITIVE, Role.MEASURE)
        if self.role not in allowed:
            raise ValueError(f"a view column's role is one of {', '.join(allowed)}")
        given = [x for x in (self.bins, self.hierarchy, self.values) if x is not None]
        if self.role is not Role.ITEM and len(given) != 1:
            raise ValueError("give exactly one of bins, hierarchy, values")
        if self.bins is not None and self.missing != MISSING:
            raise ValueError(f"a binned column's unknown value is {MISSING!r}")
        if self.missing == WITHHELD:
            raise ValueError(f"missing may not be {WITHHELD!r}: that label means withheld")
        return self


class View(BaseModel):
    """A releasable table.

    Attributes:
        grain: learner (one row a learner) or learner-course (one row a learner and item).
        table: the raw table whose rows say who is in the view.
        where: raw column -> admitted values of that table.
        exclude: raw column -> values; a (learner, item) with any such row is left out. Staff
            accounts, for example, do not count as learners.
        order_by: raw columns; of several rows the last in this order leaves (first in file order
            where empty).
        run: the raw column that names a run of the item; aggregates count the kept run only.
    """

    model_config = _FROZEN
    grain: Grain
    table: str
    columns: Mapping[str, ViewColumn]
    where: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    exclude: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    order_by: tuple[str, ...] = ()
    run: str | None = None
    description: str = ""


class Family(BaseModel):
    """A kind of source: its raw tables, its learner and item keys, its releasable views.

    Attributes:
        family: its name.
        learner: the raw learner-key column that core tables share (canonical name).
        item: the raw item column.
        partner_pattern: a regular expression with one group, matched against the column names of
            the source to find what `{partner}` stands for.
        tables: declared tables.
        dropped: table -> its columns; known, and never read.
        views: `learners` and `enrolments`.
    """

    model_config = _FROZEN
    family: Name
    title: str
    learner: str
    item: str
    partner_pattern: str | None = None
    tables: Mapping[str, TableDeclaration]
    dropped: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    views: Mapping[str, View] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        faults = [*self._view_faults(), *self._table_faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _table_faults(self) -> list[str]:
        both = sorted(set(self.tables) & set(self.dropped))
        faults = [f"tables.{name} is both declared and dropped" for name in both]
        if self.partner_pattern and _groups(self.partner_pattern) != 1:
            faults.append("partner_pattern must be a regular expression with exactly one group")
        if sum(t.learners for t in self.tables.values()) > 1:
            faults.append("only one table may say learners = true")
        return faults

    def _view_faults(self) -> list[str]:
        faults = []
        for view_name, view in self.views.items():
            where = f"views.{view_name}"
            if _GRAINS.get(view_name) is not view.grain:
                faults.append(
                    f"{where}: a view is `learners` (learner) or `enrolments` (...-course)"
                )
                continue
            faults += [f"{where}.{fault}" for fault in _column_faults(view)]
            for table, raw in sorted(_uses(view, self.learner, self.item)):
                declared = self.tables.get(table)
                if declared is None or raw not in declared.columns:
                    faults.append(f"{where}: {table}.{raw} is not declared under tables")
        views = [set(view.columns) for view in self.views.values()]
        twice = sorted(set.intersection(*views)) if len(views) > 1 else []
        return [*faults, *(f"views: {name} stands in both views" for name in twice)]

    def learner_table(self) -> str | None:
        """The table that lists the learners, if one does."""
        return next((name for name, table in self.tables.items() if table.learners), None)


def _column_faults(view: View) -> Iterator[str]:
    """Names and roles that a view's grain does not allow."""
    for name, column in view.columns.items():
        if not re.fullmatch(_RELEASABLE, name) or name in _RESERVED:
            yield f"{name}: choose another name of letters, digits and _; it starts with a letter"
        if column.role is Role.QUASI_IDENTIFIER and view.grain is not Grain.LEARNER:
            yield f"{name}: quasi-identifiers stand in views.learners"
    items = sum(column.role is Role.ITEM for column in view.columns.values())
    if items != (view.grain is Grain.LEARNER_COURSE):
        yield "columns: one item column in enrolments, none in learners"


def _uses(view: View, learner: str, item: str) -> set[tuple[str, str]]:
    """The raw (table, column) pairs that a view reads; its keys in each of its tables."""
    own = [*view.where, *view.exclude, *view.order_by, *([view.run] if view.run else [])]
    uses = {(view.table, column) for column in own}
    for name, column in view.columns.items():
        table = column.table or view.table
        uses |= {(table, column.column or name), *((table, c) for c in column.where)}
    keys = [learner] if view.grain is Grain.LEARNER else [learner, item]
    return uses | {(table, key) for table in {t for t, _ in uses} | {view.table} for key in keys}


def _groups(pattern: str) -> int:
    try:
        return re.compile(pattern).groups
    except re.error:
        return -1


def parse_family(text: str, *, subject: str) -> Family:
    """Read a family declaration.

    Args:
        text: the TOML text.
        subject: what to call it in errors, such as the file's name.

    Raises:
        SchemaError: the text is not TOML, or breaks a rule; carries every violation.
    """
    return parse_toml(Family, text, subject=subject)


def parse_toml(model: type[_M], text: str, *, subject: str) -> _M:
    """Read a TOML text as a model; every violation at once.

    Raises:
        SchemaError: the text is not TOML, or breaks a rule.
    """
    document = toml_document(text, subject=subject)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise SchemaError(subject, violations_of(error)) from None


def toml_document(text: str, *, subject: str) -> dict[str, Any]:
    """The TOML text as plain values.

    Raises:
        SchemaError: the text is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(subject, [Violation("", f"not valid TOML: {error}")]) from None
