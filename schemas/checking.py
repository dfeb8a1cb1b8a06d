"""Hold a frame to a Pandera schema without letting its values into a message.

Pandera's own errors carry the failing values in their text, arguments and `failure_cases`. Nothing
of that passes here: a breach is a column, a rule and a count.
"""

from collections import Counter
from typing import NamedTuple

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaError, SchemaErrors


class Breach(NamedTuple):
    """A broken rule of a schema, without the values that break it.

    Attributes:
        column: the column, or the table's name where the rule is about its columns.
        check: the rule.
        cells: how many cells, rows or columns break it.
    """

    column: str
    check: str
    cells: int

    def __str__(self) -> str:
        return f"{self.column}: {self.check} ({self.cells})"


def breaches(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> tuple[Breach, ...]:
    """Every broken rule of a frame; none where the schema holds.

    Validation is switched on and deep here, whatever the environment says
    (`PANDERA_VALIDATION_ENABLED=False` would make it a no-op).
    """
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(frame, lazy=True)
        except SchemaErrors as errors:
            return _translated(errors.schema_errors)
    return ()


def _translated(errors: list[SchemaError]) -> tuple[Breach, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    for error in errors:
        reason = error.reason_code.value if error.reason_code is not None else "check"
        cases = error.failure_cases
        count = cases.height if isinstance(cases, pl.DataFrame) else 1
        counts[str(error.schema.name), reason] += count
    return tuple(Breach(column, check, count) for (column, check), count in counts.items())
