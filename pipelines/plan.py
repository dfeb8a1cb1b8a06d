"""The only place that turns a request and declarations into hierarchies and models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from anonymizer.errors import HierarchyError
from anonymizer.hierarchy import Hierarchy
from anonymizer.models import KAnonymity, MaximumShare, Model
from pipelines.errors import SourceError
from schemas.declaration import Family, View, ViewColumn
from schemas.policy import Terms, requested
from schemas.request import ExtractRequest
from schemas.roles import MISSING, Aggregate, Grain, Role

_NEVER_NULL: Final = (
    Aggregate.SUM,
    Aggregate.COUNT,
    Aggregate.COUNT_DISTINCT,
    Aggregate.COUNT_WEEKS,
)
HierarchyRows = Mapping[str, Sequence[Sequence[str]]]
"""File name -> the rows of a hierarchy table: leaf, level 1, ..., `*`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a build does, decided before a learner's row is read.

    Attributes:
        request: what was asked.
        terms: under which promise.
        family: what the source is.
        quasi_identifiers: one hierarchy a requested quasi-identifier, in request order.
        weights: how much each of them counts in the loss, in the same order.
        learner_ladders: of the other requested columns of the view `learners`.
        enrolment_ladders: of the sensitive columns and measures of the view `enrolments`.
        models: what every class must satisfy.
    """

    request: ExtractRequest
    terms: Terms
    family: Family
    quasi_identifiers: tuple[Hierarchy, ...]
    weights: tuple[float, ...]
    learner_ladders: tuple[Hierarchy, ...]
    enrolment_ladders: tuple[Hierarchy, ...]
    models: tuple[Model, ...]

    @property
    def item(self) -> str | None:
        """The item column of the view `enrolments`; None where the family has no such view."""
        view = self.family.views.get("enrolments")
        columns = {} if view is None else view.columns
        return next((n for n, c in columns.items() if c.role is Role.ITEM), None)

    @property
    def course_scope(self) -> bool:
        """Whether pseudonyms differ by course."""
        return self.request.release.pseudonyms == "course"

    def views(self) -> dict[str, tuple[str, ...]]:
        """The views to assemble, each with its columns.

        `enrolments` is assembled even for a request that names none of its columns: it says who
        takes part as a learner.
        """
        release = self.request.release
        views = {"learners": release.learners} if release.learners else {}
        if self.item is not None:
            others = (name for name in release.enrolments if name != self.item)
            views["enrolments"] = (self.item, *others)
        return views

    def suppression_budget(self, learners: int) -> int:
        """How many learners may be left out."""
        return math.floor(self.terms.suppression_limit * learners)


def make_plan(
    request: ExtractRequest, terms: Terms, family: Family, hierarchy_rows: HierarchyRows
) -> Plan:
    """Decide what a build does.

    Raises:
        SourceError: a declared hierarchy is not a tree.
    """
    columns = requested(request, family)

    def ladders(names: Sequence[str], *roles: Role) -> tuple[Hierarchy, ...]:
        chosen = [name for name in names if columns[name].role in roles]
        return tuple(_hierarchy(name, columns[name], hierarchy_rows) for name in chosen)

    release = request.release
    quasi_identifiers = ladders(release.learners, Role.QUASI_IDENTIFIER)
    return Plan(
        request=request,
        terms=terms,
        family=family,
        quasi_identifiers=quasi_identifiers,
        weights=tuple(release.weights.get(h.name, 1.0) for h in quasi_identifiers),
        learner_ladders=ladders(release.learners, Role.SENSITIVE, Role.MEASURE),
        enrolment_ladders=ladders(release.enrolments, Role.SENSITIVE, Role.MEASURE),
        models=(
            KAnonymity(terms.k),
            *(MaximumShare(name, share) for name, share in terms.maximum_share.items()),
        ),
    )


def needs(plan: Plan) -> dict[str, frozenset[str]]:
    """The raw tables and columns that a build reads, and no others."""
    wanted: dict[str, set[str]] = {}
    if (listing := plan.family.learner_table()) is not None:
        wanted[listing] = {_learner_key(plan.family, listing)}
    for view_name, names in plan.views().items():
        for table, column in _view_needs(plan.family, plan.family.views[view_name], names):
            wanted.setdefault(table, {_learner_key(plan.family, table)}).add(column)
    return {table: frozenset(columns) for table, columns in wanted.items()}


def _view_needs(family: Family, view: View, names: Sequence[str]) -> list[tuple[str, str]]:
    own = [*view.where, *view.exclude, *view.order_by]
    pairs = [(view.table, column) for column in own]
    per_item = [family.item, *([view.run] if view.run else [])]
    tables = {view.table}
    for name in names:
        column = view.columns[name]
        table = column.table or view.table
        tables.add(table)
        pairs += [(table, column.column or name), *((table, c) for c in column.where)]
    if view.grain is Grain.LEARNER_COURSE:
        for table in tables:
            declared = family.tables[table].columns
            pairs += [(table, column) for column in per_item if column in declared]
    for table in tables:
        pairs += [(table, column) for column in family.tables[table].key]
    return pairs


def _learner_key(family: Family, table: str) -> str:
    key = family.tables[table].learner_key()
    if key is None:
        raise SourceError(f"{family.family}: tables.{table} has no learner-key column")
    return key


def _hierarchy(name: str, column: ViewColumn, rows: HierarchyRows) -> Hierarchy:
    """The generalization hierarchy of a view column.

    Unknown values get a leaf of their own, unless the declaration names one of its own leaves for
    them, or the column is a count, which is never unknown.
    """
    leaf = column.missing == MISSING and column.aggregate not in _NEVER_NULL
    try:
        if column.bins is not None:
            return Hierarchy.from_bins(name, column.bins.edges, missing=leaf)
        if column.hierarchy is not None:
            return Hierarchy.from_rows(name, rows[column.hierarchy], missing=leaf)
        assert column.values is not None  # the declaration gives exactly one of the three
        return Hierarchy.flat(name, column.values, missing=leaf)
    except HierarchyError as error:
        raise SourceError(str(error)) from None
