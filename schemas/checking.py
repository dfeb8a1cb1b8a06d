"""Hold a frame to a Pandera schema without letting its values into a message.

Pandera's own errors carry the failing values in their text, arguments and `failure_cases`. Nothing
of that passes here: a failure is a column, a check and a count.
"""

from dataclasses import dataclass
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that a frame fails.

    Attributes:
        column: the column; empty for the whole frame.
        check: which rule.
        rows: how many failing rows or cells the check found, at least 1.
    """

    column: str
    check: str
    rows: int

    def __str__(self) -> str:
        return f"{self.column or 'table'}: {self.check} ({self.rows})"


def check_frame(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> tuple[Failure, ...]:
    """The checks of a schema that a frame fails; none where it holds.

    Validation is switched on and deep here, whatever the environment says
    (`PANDERA_VALIDATION_ENABLED=False` would make it a no-op).
    """
    with config_context(
        validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA
    ):
        try:
            schema.validate(frame, lazy=True)
        except SchemaErrors as error:
            return tuple(_failure(one) for one in error.schema_errors)
    return ()


def _failure(error: Any) -> Failure:
    cases = error.failure_cases
    rows = cases.height if isinstance(cases, pl.DataFrame) else 1
    reason = error.reason_code.name if error.reason_code else "CHECK"
    column = error.schema.name if isinstance(error.schema, pa.Column) else ""
    return Failure(str(column or ""), reason.lower().replace("_", " "), max(rows, 1))
