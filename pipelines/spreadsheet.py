"""CSV files that people open in spreadsheets."""

from typing import Final

import polars as pl

_FORMULA_STARTS: Final = "^[=+\\-@\t\r']"


def neutralized(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells that a spreadsheet would run as formulas get a leading apostrophe (OWASP).

    Those that begin with an apostrophe get one more, so that different cells stay different.
    Numbers stay numbers.
    """
    cell = pl.col(pl.String)
    risky = cell.str.contains(_FORMULA_STARTS)
    return frame.with_columns(pl.when(risky).then(pl.lit("'") + cell).otherwise(cell).name.keep())
