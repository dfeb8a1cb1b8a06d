"""The maximum share: how sure an attacker who found the group can be of a sensitive value."""

import math
from fractions import Fraction

import polars as pl

from pipelines.verify.anonymity import Groups
from pipelines.verify.groups import LEARNERS
from pipelines.verify.holders import SIZE, VALUE, holders_in, shown_cells, tables_with
from pipelines.verify.outcome import Outcome, outcome, plural
from pipelines.verify.package import Extract
from schemas.manifest import WITHHELD


def maximum_share(extract: Extract, groups: Groups, column: str) -> Outcome:
    """In each group no value of the column is held by more than this share of its learners.

    A one-sided share is about the protected values only; a withheld cell may be any of them.
    """
    promise, tables = extract.promise, tables_with(extract, column)
    if not tables:
        return Outcome(ok=False, detail="no sensitive column of this name")
    if column not in promise.maximum_share:
        return Outcome(ok=True, detail="nothing is promised about this column")
    named = {field.name: field.enum for table in tables for field in table.resource.fields}
    if not set(promise.protected.get(column, ())) <= set(named[column]):
        return Outcome(ok=False, detail="a protected value is none of the column's")
    limit = promise.maximum_share[column]
    cells = [shown_cells(extract, table, column) for table in tables]
    shares = pl.concat(
        [
            holders_in(grouping, each).select(VALUE, LEARNERS, SIZE)
            for grouping in groups()
            for each in cells
        ]
    )
    if not shares.height:
        return Outcome(ok=True, detail="every value is withheld")
    if column in promise.protected:
        shares = shares.filter(pl.col(VALUE).is_in([*promise.protected[column], WITHHELD]))
    if not shares.height:
        return Outcome(ok=True, detail="no group holds a protected value")
    # 0.29 * 100 is less than 29 in floating point: the share is taken as the decimal it is written.
    exact = Fraction(repr(limit))
    allowed = {size: math.floor(exact * size) for size in shares[SIZE].unique().to_list()}
    above = shares.filter(pl.col(LEARNERS) > pl.col(SIZE).replace_strict(allowed))
    largest = shares.select((pl.col(LEARNERS) / pl.col(SIZE)).max()).item()
    return outcome(
        [f"{plural(above.height, 'value')} above {limit} of a group"] if above.height else [],
        f"{plural(shares.height, 'value')} in a group, largest share {largest:.2f} of {limit}",
    )
