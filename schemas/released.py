"""The strict Pandera schemas of what may leave: exact columns and types, closed domains."""

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


def cells_schema(
    name: str,
    *,
    keys: Mapping[str, Sequence[str]],
    whole: Sequence[str],
    numbers: Mapping[str, bool],
    order: Sequence[str],
) -> pa.DataFrameSchema:
    """The schema of one released table of noisy figures.

    Args:
        name: of the table.
        keys: the columns that tell cells apart, each with its labels; without, any text.
        whole: columns of whole numbers, never null.
        numbers: other columns of figures, and whether they may be null.
        order: all columns, as they stand.
    """
    columns = {
        **{
            key: pa.Column(
                pl.String, pa.Check.isin(list(labels)) if labels else None, nullable=False
            )
            for key, labels in keys.items()
        },
        **{column: pa.Column(pl.Int64, nullable=False) for column in whole},
        **{column: pa.Column(pl.Float64, nullable=null) for column, null in numbers.items()},
    }
    return pa.DataFrameSchema(
        {column: columns[column] for column in order},
        name=name,
        strict=True,
        ordered=True,
        unique=list(keys) or None,
    )
