"""Checks of form of an aggregate package: columns, nulls, the grid, decimals."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import isfinite, prod
from typing import Final, NamedTuple

import pandera.polars as pa
import polars as pl

from pipelines.verify.aggregate import CellPackage, Cells
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.shape import SchemaFaults, hold_against
from schemas.manifest import (
    DISCOVERED,
    EVENTS,
    HALF_WIDTH,
    HISTOGRAM,
    KEY,
    LEARNERS,
    MEAN,
    SUM,
    VALUE,
    CellField,
    CellTable,
    Query,
)

_TYPES: Final[dict[str, type[pl.DataType]]] = {
    "string": pl.String,
    "integer": pl.Int64,
    "number": pl.Float64,
}
_BIN: Final = "bin"
_HALF: Final = "half_width"
_LARGEST: Final = 2**62
"""Of row numbers that polars can hold; no file has as many rows."""


class Column(NamedTuple):
    """What the manifest must say of a column that is no key."""

    name: str
    type: str
    of: str | None = None
    required: bool = True


def cell_schema(resource: CellTable) -> pa.DataFrameSchema:
    """The strict schema of a table of cells, rebuilt from the manifest."""
    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                _TYPES[column.type],
                checks=pa.Check.isin(list(column.enum)) if column.enum else None,
                nullable=not column.required,
            )
            for column in resource.fields
        },
        strict=True,
        ordered=True,
    )


def cell_faults(package: CellPackage) -> SchemaFaults:
    """Hold every table against its schema."""
    faults = SchemaFaults()
    for table in package.tables:
        hold_against(cell_schema(table.resource), table.name, table.frame, faults)
    return faults


def nulls(package: CellPackage, found: Sequence[str]) -> Outcome:
    """No cell is null or no number; but a mean and its half-width, exactly where too few count.

    Args:
        package: the package.
        found: the nulls that schemas found.
    """
    faults = list(found)
    for table in package.tables:
        faults += _not_finite(table)
        if table.query.metric == MEAN:
            faults += _untold(table)
    return outcome(faults, "none but means of too few")


def _not_finite(table: Cells) -> Iterator[str]:
    for name, kind in table.frame.schema.items():
        if kind.is_float():
            wrong = int((~table.frame[name].is_finite()).sum())
            if wrong:
                yield f"{table.name}.{name}: {plural(wrong, 'cell')} not finite"


def _untold(table: Cells) -> Iterator[str]:
    columns = (MEAN, f"{MEAN}_{_HALF}")
    frame = table.select(*columns, LEARNERS)
    few = frame[LEARNERS] < table.query.least
    for name in columns:
        wrong = int((frame[name].is_null() != few).sum())
        if wrong:
            yield f"{table.name}.{name}: {plural(wrong, 'cell')} null, or not, against `least`"


def metric_columns(package: CellPackage) -> Outcome:
    """Each table has its keys, then exactly the columns of its metric, half-widths beside them."""
    faults = [fault for table in package.tables for fault in _metric_faults(table.resource)]
    return outcome(faults, f"{plural(len(package.tables), 'table')} as the metric says")


def _metric_faults(resource: CellTable) -> Iterator[str]:
    keys = resource.primary_key
    if tuple(column.name for column in resource.fields[: len(keys)]) != keys:
        yield f"{resource.name}: the keys are not the first columns"
    if resource.query.metric == HISTOGRAM and keys[-1:] != (_BIN,):
        yield f"{resource.name}: the last key of a histogram is {_BIN}"
    wanted = [column for pair in value_columns(resource.query) for column in pair]
    found = [column for column in resource.fields if column.role != KEY]
    if [column.name for column in found] != [column.name for column in wanted]:
        yield f"{resource.name}: expected {', '.join(column.name for column in wanted)}"
        return
    for column, one in zip(found, wanted, strict=True):
        if _said_of(column) != one:
            yield f"{resource.name}.{one.name}: role, type, of or required is not of its metric"


def _said_of(column: CellField) -> Column | None:
    """What the manifest says; None where the role is not that of such a column."""
    role = VALUE if column.of is None else HALF_WIDTH
    said = Column(column.name, column.type, column.of, column.required)
    return said if column.role == role else None


def value_columns(query: Query) -> list[tuple[Column, Column]]:
    """The value columns of a metric, each with the half-width beside it."""
    number = "number" if query.decimals else "integer"
    if query.metric in {LEARNERS, HISTOGRAM}:
        return [_pair(LEARNERS, "integer")]
    if query.metric == EVENTS:
        return [_pair(EVENTS, "integer")]
    if query.metric == SUM:
        return [_pair(SUM, number)]
    if query.metric == MEAN:
        told = _pair(MEAN, "number")
        return [
            (told[0]._replace(required=False), told[1]._replace(required=False)),
            _pair(LEARNERS, "integer"),
        ]
    names = [quantile_column(share) for share in query.quantiles]
    return [
        (Column(name, number), Column(f"{name}_rank_{_HALF}", "number", name)) for name in names
    ]


def quantile_column(share: float) -> str:
    """Of a quantile: `q50`, or `q2_5` for 0.025."""
    percent = Fraction(repr(share)) * 100
    whole, rest = divmod(percent, 1)
    digits = ""
    while rest:
        digit, rest = divmod(rest * 10, 1)
        digits += str(digit)
    return f"q{whole}_{digits}" if digits else f"q{whole}"


def _pair(name: str, kind: str) -> tuple[Column, Column]:
    return Column(name, kind), Column(f"{name}_{_HALF}", kind, name)


def grid(package: CellPackage, found: SchemaFaults) -> Outcome:
    """Every combination of the public labels is one row, in their order; discovered ones sorted.

    Args:
        package: the package.
        found: what its schema found.
    """
    faults = list(found.domains)
    for table in package.tables:
        found_out = table.query.keys == DISCOVERED
        faults += _discovered_faults(table) if found_out else _grid_faults(table)
    cells = sum(table.frame.height for table in package.tables)
    return outcome(faults, f"{plural(cells, 'cell')}, every one that is public")


def _grid_faults(table: Cells) -> Iterator[str]:
    labels = {column.name: column.enum for column in table.resource.fields if column.role == KEY}
    size = prod(len(enum) for enum in labels.values())
    frame = table.select(*labels)
    if table.frame.height != size or size > _LARGEST:
        yield f"{table.name}: {plural(table.frame.height, 'row')}, expected {size:,}"
        return
    place, step = pl.lit(0, pl.Int64), size
    for name, enum in labels.items():
        step //= len(enum)
        numbers = dict(zip(enum, range(len(enum)), strict=True))
        found = pl.col(name).cast(pl.String).replace_strict(
            numbers, default=None, return_dtype=pl.Int64
        )  # fmt: skip
        place += found * step
    # Without keys there is the one row, and no label that could be out of place.
    rows = frame.with_row_index("#").with_columns(pl.col("#").cast(pl.Int64))
    wrong = rows.select(place.ne_missing(pl.col("#")).sum()).item() if labels else 0
    if wrong:
        yield f"{table.name}: {plural(int(wrong), 'row')} not where the labels' order has them"


def _discovered_faults(table: Cells) -> Iterator[str]:
    keys = table.select(*table.keys)
    if not keys.select(pl.struct(pl.all()).is_sorted()).item():
        yield f"{table.name}: rows are not sorted by {', '.join(table.keys)}"
    repeated = keys.height - keys.n_unique()
    if repeated:
        yield f"{table.name}: {plural(repeated, 'row')} repeat a key"


def decimals(package: CellPackage) -> Outcome:
    """What adds up whole units shows no more decimals than those, and is the nearest float."""
    faults = []
    for table in package.tables:
        for name in _of_units(table.resource):
            told = table.select(name)[name]
            if not told.dtype.is_float():
                continue  # whole, or told by `columns`
            wrong = sum(not _is_nearest(number, table.query.decimals) for number in told)
            if wrong:
                most = plural(table.query.decimals, "decimal")
                faults.append(f"{table.name}.{name}: {plural(wrong, 'cell')} not of {most}")
    return outcome(faults, "no more than are told")


def _is_nearest(number: float | None, decimals: int) -> bool:
    """Whether it is the float nearest to a whole number of units; polars' `/` is not exact."""
    if number is None or not isfinite(number):
        return True  # told by `no-nulls`
    unit = int(10**decimals)
    return round(number * unit) / unit == number


def _of_units(resource: CellTable) -> list[str]:
    if resource.query.metric == MEAN:
        return []
    pairs = value_columns(resource.query)
    ranks = resource.query.quantiles
    return [one.name for value, width in pairs for one in ((value,) if ranks else (value, width))]
