"""Who holds which sensitive value: the released cells of a column, and its holders in each group.

A learner holds a value who has it in any of his rows. `*` says nothing, and is no value, where the
whole column of its item (or of the learner table) is `*`. Elsewhere a withheld cell might be any
value of its group, and is counted as each of them, and as `*`: withholding part of a column must
not make a promise easier to keep.
"""

import polars as pl

from pipelines.verify.groups import ITEM, KEY, LEARNERS, Grouping, item_rows, keyed
from pipelines.verify.package import Extract, Table
from schemas.manifest import LEARNER_GRAIN, SENSITIVE, WITHHELD

VALUE = "#value"
SIZE = "#size"
SHOWN = "#shown"


def tables_with(extract: Extract, column: str) -> list[Table]:
    """The tables in which this is a sensitive column."""
    return [table for table in extract.tables if column in table.resource.of_role(SENSITIVE)]


def shown_cells(extract: Extract, table: Table, column: str) -> pl.DataFrame:
    """The cells of a sensitive column, but for items in which all of it is withheld.

    Returns:
        `#key`, `#item` (0 in a learner table) and `#value`; no row twice.
    """
    frame = keyed(table, column).rename({column: VALUE})
    if table.resource.grain == LEARNER_GRAIN:
        cells = frame.with_columns(pl.lit(0, pl.UInt32).alias(ITEM))
    else:
        cells = frame.with_columns(item_rows(extract, table)[ITEM])
    shows = pl.col(VALUE).ne_missing(WITHHELD).any().over(ITEM)
    return cells.filter(shows).select(KEY, ITEM, VALUE).unique()


def holders_in(grouping: Grouping, cells: pl.DataFrame) -> pl.DataFrame:
    """One row a group and value it holds: `by`, `#value`, `#learners`, `#shown`, `#size`.

    `#learners` hold the value, of the `#size` learners of the group and the `#shown` among them who
    hold any.
    """
    by = list(grouping.by)
    held = cells.select(KEY, VALUE).unique()
    pairs = held.join(grouping.frame, on=KEY).select(*by, KEY, VALUE)
    withheld = pairs.filter(pl.col(VALUE) == WITHHELD).select(*by, KEY)
    if withheld.height:
        values = pairs.select(*by, VALUE).unique()
        any_value = withheld.join(values, on=by).select(*by, KEY, VALUE)
        pairs = pl.concat([pairs, any_value]).unique()
    # Each learner stands once in a group, and now once with each value: rows are learners.
    holders = pairs.group_by(*by, VALUE).agg(pl.len().alias(LEARNERS))
    shown = pairs.group_by(by).agg(pl.col(KEY).n_unique().alias(SHOWN))
    holders = holders.join(shown, on=by)
    return holders.join(grouping.sizes().rename({LEARNERS: SIZE}), on=by)
