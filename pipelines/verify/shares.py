"""The maximum share: how sure an attacker who found the group can be of a sensitive value."""

import math
from fractions import Fraction

import polars as pl

from pipelines.verify.anonymity import LEARNERS, learners_per, seen_by_the_attacker
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.package import Extract, Table
from schemas.manifest import LEARNER_GRAIN, SENSITIVE

_WITHHELD = "*"
_KEY, _ITEM, _VALUE = "#key", "#item", "#value"


def maximum_share(extract: Extract, column: str) -> Outcome:
    """In each group of the join no value of the column is held by more than this share of learners.

    A learner holds a value who has it in any of their rows of the group. `*` says nothing, and is
    not counted, where the whole column of its item (or of the learner table) is `*`. Elsewhere a
    withheld cell might be any value of its group, and is counted as each of them: withholding part
    of a column must not lower a share.
    """
    tables = [t for t in extract.tables if column in t.resource.of_role(SENSITIVE)]
    if not tables:
        return Outcome(ok=False, detail="no sensitive column of this name")
    if column not in extract.promise.maximum_share:
        return Outcome(ok=True, detail="nothing is promised about this column")
    limit = extract.promise.maximum_share[column]
    shares = pl.concat([_shares(extract, table, column) for table in tables])
    if not shares.height:
        return Outcome(ok=True, detail="every value is withheld")
    # 0.29 * 100 is less than 29 in floating point: the share is taken as the decimal it is written.
    exact = Fraction(str(limit))
    allowed = {size: math.floor(exact * size) for size in shares["size"].unique().to_list()}
    above = shares.filter(pl.col("holders") > pl.col("size").replace_strict(allowed))
    largest = shares.select((pl.col("holders") / pl.col("size")).max()).item()
    return outcome(
        [f"{plural(above.height, 'value')} above {limit} of a group"] if above.height else [],
        f"{plural(shares.height, 'value')} in a group, largest share {largest:.2f} of {limit}",
    )


def _shares(extract: Extract, table: Table, column: str) -> pl.DataFrame:
    """One row a (group, value): `holders` and `size`, both in learners."""
    frame, learner, by = seen_by_the_attacker(extract)
    sizes = learners_per(frame, learner, by)
    frame = frame.rename({learner: _KEY})
    rows = _rows(extract, table, column)
    partly = rows.filter(pl.col(_VALUE).ne_missing(_WITHHELD))[_ITEM].unique()
    claims = rows.filter(
        pl.col(_VALUE).ne_missing(_WITHHELD) | pl.col(_ITEM).is_in(partly.implode())
    )
    pairs = claims.join(frame, on=_KEY).select(*by, _KEY, _VALUE).unique()
    values = pairs.select(*by, _VALUE).unique()
    withheld = pairs.filter(pl.col(_VALUE) == _WITHHELD).select(*by, _KEY)
    any_value = withheld.join(values, on=by, nulls_equal=True).select(*by, _KEY, _VALUE)
    holders = learners_per(pl.concat([pairs, any_value]), _KEY, [*by, _VALUE])
    return holders.join(sizes, on=by, nulls_equal=True, suffix="_of_group").select(
        pl.col(LEARNERS).alias("holders"), pl.col(f"{LEARNERS}_of_group").alias("size")
    )


def _rows(extract: Extract, table: Table, column: str) -> pl.DataFrame:
    """The sensitive cells: `#key`, `#item` (empty in a learner table), `#value`."""
    if table.resource.grain == LEARNER_GRAIN:
        item = pl.lit("")
        frame = table.select(column)
    else:
        item = pl.col(extract.item_of(table))
        frame = table.select(extract.item_of(table), column)
    return frame.select(
        pl.col(table.learner).alias(_KEY), item.alias(_ITEM), pl.col(column).alias(_VALUE)
    )
