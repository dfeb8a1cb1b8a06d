"""Checks of form: exact columns, closed domains, pseudonyms, keys, and what a scope may hold."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrorReason, SchemaErrors

from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.package import Extract, Rows
from schemas.manifest import (
    ITEM,
    LEARNER_COURSE_GRAIN,
    LEARNER_GRAIN,
    LEARNER_PATTERN,
    QUASI_IDENTIFIER,
    Resource,
)


@dataclass(frozen=True, slots=True)
class SchemaFaults:
    """What the strict schema found, one sentence a fault."""

    columns: list[str] = field(default_factory=list)
    nulls: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)


def released_schema(resource: Resource) -> pa.DataFrameSchema:
    """The strict schema of a released table, rebuilt from the manifest.

    Exactly these columns in this order, strings without nulls, each in its closed domain.
    """
    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                pl.String,
                checks=pa.Check.isin(list(column.enum)) if column.enum else None,
                nullable=False,
            )
            for column in resource.fields
        },
        strict=True,
        ordered=True,
    )


def schema_faults(rows: Rows) -> SchemaFaults:
    """Hold every table against its schema."""
    faults = SchemaFaults()
    for table in rows.tables:
        hold_against(released_schema(table.resource), table.resource.name, table.frame, faults)
    return faults


def hold_against(
    schema: pa.DataFrameSchema, name: str, frame: pl.DataFrame, faults: SchemaFaults
) -> None:
    """Add what a table breaks of its schema.

    Pandera's own messages hold cells, and PANDERA_VALIDATION_ENABLED=False turns it off: so they
    are translated to columns and counts, and the context switches it on whatever is set outside.

    Args:
        schema: strict and ordered.
        name: of the table.
        frame: the table as written.
        faults: to add to.
    """
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(frame, lazy=True)
        except SchemaErrors as error:
            for fault in error.schema_errors:
                _translate(name, fault.reason_code, fault.schema, fault.failure_cases, faults)


def _translate(
    name: str,
    reason: SchemaErrorReason | None,
    schema: object,
    cases: object,
    faults: SchemaFaults,
) -> None:
    """Sort one of Pandera's errors into the three checks, leaving its values behind."""
    column = f"{name}.{getattr(schema, 'name', None)}"
    count = cases.height if isinstance(cases, pl.DataFrame) else 1
    if reason is SchemaErrorReason.SERIES_CONTAINS_NULLS:
        faults.nulls.append(f"{column}: {plural(count, 'null')}")
    elif reason is SchemaErrorReason.DATAFRAME_CHECK:
        faults.domains.append(f"{column}: {plural(count, 'row')} outside the closed domain")
    elif reason is SchemaErrorReason.WRONG_DATATYPE:
        faults.columns.append(f"{column}: not of type {_type_of(schema)}")
    elif reason is SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME:
        faults.columns.append(f"{name}.{cases}: missing")
    elif reason is SchemaErrorReason.COLUMN_NOT_IN_SCHEMA:
        faults.columns.append(f"{name}: a column that the manifest does not list")
    elif reason is SchemaErrorReason.COLUMN_NOT_ORDERED:
        faults.columns.append(f"{name}: columns in another order than the manifest's")
    else:
        faults.domains.append(f"{column}: could not be checked")


def _type_of(schema: object) -> str:
    return str(getattr(schema, "dtype", None)).lower()


def pseudonym_shape(rows: Rows) -> Outcome:
    """Every learner key is 32 lowercase hex characters, as an HMAC leaves it."""
    faults = []
    for table in rows.tables:
        shaped = table.select()[table.learner].str.contains(LEARNER_PATTERN).fill_null(value=False)
        wrong = int((~shaped).sum())
        if wrong:
            faults.append(f"{table.resource.name}: {plural(wrong, 'key')} of another shape")
    return outcome(faults, f"all match {LEARNER_PATTERN}")


def not_empty(rows: Rows) -> Outcome:
    """Every table has rows: an empty one promises nothing to nobody."""
    return outcome(
        (f"{t.resource.name} has no rows" for t in rows.tables if not t.frame.height),
        ", ".join(f"{t.resource.name} {plural(t.frame.height, 'row')}" for t in rows.tables),
    )


def unique_rows(rows: Rows) -> Outcome:
    """One row a learner, or one a (learner, item): no second row says more about the same."""
    faults = []
    for table in rows.tables:
        item = [rows.item_of(table)] if table.resource.grain == LEARNER_COURSE_GRAIN else []
        key = (table.learner, *item)
        repeated = table.frame.height - table.select(*item).n_unique()
        if repeated:
            faults.append(f"{table.resource.name}: {plural(repeated, 'row')} repeat a key")
        if table.resource.primary_key != key:
            faults.append(f"{table.resource.name}: primaryKey is not {', '.join(key)}")
    return outcome(faults, "no key twice")


def row_order(rows: Rows) -> Outcome:
    """Rows stand in the order of pseudonym and item: any other order could be the source's."""
    faults = []
    for table in rows.tables:
        key = [name for name in table.resource.primary_key if name in table.frame.columns]
        if not table.frame.select(pl.struct(key).is_sorted()).item():
            faults.append(f"{table.resource.name}: rows are not sorted by {', '.join(key)}")
    return outcome(faults, "sorted by pseudonym and item")


def item_column(rows: Rows) -> Outcome:
    """Each (learner, item) table has the item column; a learner table has none."""
    return outcome(_item_faults(rows), f"item {rows.promise.item}")


def _item_faults(rows: Rows) -> Iterator[str]:
    item = rows.promise.item
    if item is None and rows.promise.pseudonym_scope == "course":
        yield "a course-scoped package names its item"
    for table in rows.tables:
        name, declared = table.resource.name, table.resource.of_role(ITEM)
        if table.resource.grain == LEARNER_GRAIN:
            if declared:
                yield f"{name}: a learner table has no item column"
        elif item is None or declared != (item,):
            yield f"{name}: the one column of role {ITEM} must be the item of the package"
        elif item not in table.frame.columns:
            yield f"{name}: the item column {item} is missing"


def scope(extract: Extract) -> Outcome:
    """The tables are those of the pseudonym scope, and no key joins what it keeps apart."""
    promise = extract.promise
    faults = [*_knowledge_faults(extract), *scope_faults(extract)]
    return outcome(faults, f"{promise.pseudonym_scope}, m = {promise.m}")


def _knowledge_faults(extract: Extract) -> Iterator[str]:
    """What an attacker may know of items goes with what pseudonyms join of them."""
    promise = extract.promise
    if promise.pseudonym_scope == "course":
        if promise.m != 1:
            yield "course scope goes with m = 1"
    elif promise.m == 1:
        yield f"{promise.pseudonym_scope} scope goes with m = 2, 3 or full"


def scope_faults(rows: Rows) -> Iterator[str]:
    """What breaks the pseudonym scope: tables that it has not, keys that join too much."""
    course = rows.promise.pseudonym_scope == "course"
    yield from _course_faults(rows) if course else _linking_faults(rows)


def _course_faults(rows: Rows) -> Iterator[str]:
    if rows.of_grain(LEARNER_GRAIN):
        yield "course scope has no learner-level table"
    if len(rows.tables) != 1:
        yield "course scope has one table"
    for table in rows.of_grain(LEARNER_COURSE_GRAIN):
        item = rows.item_of(table)
        pairs = table.select(item).unique()
        joined = pairs.group_by(table.learner).len().filter(pl.col("len") > 1).height
        if joined:
            yield f"{table.resource.name}: {plural(joined, 'key')} under more than one item"


def _linking_faults(rows: Rows) -> Iterator[str]:
    """Release and linked scope: pseudonyms join a learner's items to one row about the learner."""
    name = f"{rows.promise.pseudonym_scope} scope"
    if len(rows.of_grain(LEARNER_GRAIN)) != 1:
        yield f"{name} has one learner-level table"
    enrolments = rows.of_grain(LEARNER_COURSE_GRAIN)
    if len(enrolments) > 1:
        yield f"{name} has at most one table of learners and items"
    for table in enrolments:
        if table.resource.of_role(QUASI_IDENTIFIER):
            yield f"{table.resource.name}: quasi-identifiers stand in the learner table only"
