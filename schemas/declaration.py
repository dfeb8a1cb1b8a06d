"""Declarations: what a source's tables and columns are, and which views may be released.

A family is written in TOML (`schemas/families/*.toml`, or a user's own file). Everything a build
reads is declared here; what is not declared is never read.
"""

import tomllib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.consistency import faults_of
from schemas.roles import ColumnType, Grain, Role
from schemas.view import Bins, LogBins, Microaggregate, View, ViewColumn
from schemas.violations import SchemaError, Violation, violations_of

__all__ = [
    "Bins",
    "ColumnDeclaration",
    "Family",
    "LogBins",
    "Microaggregate",
    "TableDeclaration",
    "View",
    "ViewColumn",
    "parse_family",
    "parse_toml",
    "toml_document",
]

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
        person: whether a direct identifier is the id of a learner in this or another id domain,
            such as a reviewer's; an erasure looks for it.
    """

    model_config = _FROZEN
    role: Role
    type: ColumnType = ColumnType.TEXT
    values: tuple[str, ...] | None = None
    relabel: Mapping[str, str] = Field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    optional: bool = False
    special_category: bool = False
    person: bool = False
    description: str = ""

    @model_validator(mode="after")
    def _ids_are_text(self) -> Self:
        if self.role in (Role.LEARNER_KEY, Role.ITEM) and self.type is not ColumnType.TEXT:
            raise ValueError(f"a {self.role} is text; leave type out")
        if self.person and self.role is not Role.DIRECT_IDENTIFIER:
            raise ValueError(f"person goes with role direct-identifier, not with {self.role}")
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
        bridge: columns whose ids in one row are all one person's, under the names that they have in
            the source; a name may hold `{partner}` and `*`.
    """

    model_config = _FROZEN
    grain: Grain
    columns: Mapping[str, ColumnDeclaration]
    key: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    optional: bool = False
    learners: bool = False
    bridge: tuple[str, ...] = ()
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

    def behind(self, name: str, view: View | None = None) -> ColumnDeclaration:
        """The raw column that a view column comes from.

        Behind every item column stands the raw item.

        Args:
            name: of the view column.
            view: whose; None: of `learners` or `enrolments`, which share no name.
        """
        if view is None:
            rows = (v for v in self.views.values() if v.grain is not Grain.EVENT)
            view = next(own for own in rows if name in own.columns)
        column = view.columns[name]
        raw = self.item if column.role is Role.ITEM else column.column or name
        return self.tables[column.table or view.table].columns[raw]

    def unattributed(self, item: str, names: Iterable[str]) -> tuple[str, ...]:
        """Which of the enrolments' columns can't leave with an item column of the same view.

        An item of several columns divides a learner's rows in a course; a figure from a table that
        lacks one of them would be told of each part, and would be true of none.
        """
        view = self.views["enrolments"]
        parts = view.columns[item].columns
        tables = {name: self.tables[view.columns[name].table or view.table] for name in names}
        return tuple(
            name
            for name, table in tables.items()
            if view.columns[name].role is not Role.ITEM and not set(parts) <= set(table.columns)
        )

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
