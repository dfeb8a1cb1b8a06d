"""The ladder of a view column: what its values may become, as its declaration says."""

from collections.abc import Mapping, Sequence
from typing import Final

from anonymizer.hierarchy import Hierarchy
from anonymizer.measures import TopCodedBins, log_edges
from schemas.roles import MISSING, Aggregate
from schemas.view import ViewColumn

_NEVER_NULL: Final = (
    Aggregate.SUM,
    Aggregate.COUNT,
    Aggregate.COUNT_DISTINCT,
    Aggregate.COUNT_WEEKS,
)
HierarchyRows = Mapping[str, Sequence[Sequence[str]]]
"""File name -> the rows of a hierarchy table: leaf, level 1, ..., `*`."""


def edges_of(column: ViewColumn) -> tuple[tuple[float, ...], ...] | None:
    """The edges of a binned column, finest first; None where it has no bins."""
    if column.log_bins is not None:
        rule = column.log_bins
        return log_edges(rule.base, rule.lowest, rule.highest)
    return None if column.bins is None else column.bins.edges


def ladder_of(name: str, column: ViewColumn, rows: HierarchyRows) -> Hierarchy | None:
    """The generalization hierarchy of a view column; None where it is microaggregated.

    Unknown values get a leaf of their own, unless the declaration names one of its own leaves for
    them, or the column is a count, which is never unknown.

    Raises:
        HierarchyError: a declared hierarchy is not a tree.
    """
    missing = column.missing == MISSING and column.aggregate not in _NEVER_NULL
    if (edges := edges_of(column)) is not None:
        bins = TopCodedBins if column.top_code else Hierarchy
        return bins.from_bins(name, edges, missing=missing)
    if column.hierarchy is not None:
        return Hierarchy.from_rows(name, rows[column.hierarchy], missing=missing)
    return None if column.values is None else Hierarchy.flat(name, column.values, missing=missing)
