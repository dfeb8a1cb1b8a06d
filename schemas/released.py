"""The strict Pandera schema of what may leave: exact columns, text, no nulls, closed domains."""

from collections.abc import Mapping, Sequence

import pandera.polars as pa
import polars as pl

PSEUDONYM_PATTERN = "^[0-9a-f]{32}$"


def released_schema(
    name: str,
    *,
    learner: str,
    domains: Mapping[str, Sequence[str]],
    unique: Sequence[str],
) -> pa.DataFrameSchema:
    """The schema of one released table.

    Args:
        name: of the table.
        learner: the column of pseudonyms.
        domains: every other column, in order, with its closed domain.
        unique: the columns that tell rows apart.
    """
    pseudonym = pa.Column(pl.String, pa.Check.str_matches(PSEUDONYM_PATTERN), nullable=False)
    others = {
        column: pa.Column(pl.String, pa.Check.isin(list(domain)), nullable=False)
        for column, domain in domains.items()
    }
    return pa.DataFrameSchema(
        {learner: pseudonym, **others}, name=name, strict=True, ordered=True, unique=list(unique)
    )
