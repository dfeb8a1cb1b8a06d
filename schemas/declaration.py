"""Declarations: what a source's tables and columns are, and which views may be released.

A family is written in TOML (`schemas/families/*.toml`, or a user's own file). Everything a build
reads is declared here; what is not declared is never read.
"""

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.consistency import faults_of
from schemas.roles import MISSING, WITHHELD, Aggregate, ColumnType, Grain, Role
from schemas.violations import SchemaError, Violation, violations_of

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_M = TypeVar("_M", bound=BaseModel)
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


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

    @model_validator(mode="after")
    def _ids_are_text(self) -> Self:
        if self.role in (Role.LEARNER_KEY, Role.ITEM) and self.type is not ColumnType.TEXT:
            raise ValueError(f"a {self.role} is text; leave type out")
        return self


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
        faults = list(faults_of(self))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def behind(self, name: str) -> ColumnDeclaration:
        """The raw column that a view column comes from; view columns have distinct names."""
        view = next(view for view in self.views.values() if name in view.columns)
        column = view.columns[name]
        return self.tables[column.table or view.table].columns[column.column or name]

    def learner_table(self) -> str | None:
        """The table that lists the learners, if one does."""
        return next((name for name, table in self.tables.items() if table.learners), None)


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
    except (ValueError, RecursionError):
        # Numbers of thousands of digits, and tables nested as deep.
        raise SchemaError(subject, [Violation("", "not readable TOML: too long or deep")]) from None
