"""The only place that turns a request and declarations into hierarchies and models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from anonymizer.closeness import TCloseness
from anonymizer.errors import HierarchyError
from anonymizer.hierarchy import Hierarchy
from pipelines.errors import RequestError, SourceError
from pipelines.ladders import HierarchyRows, ladder_of
from pipelines.promised import ColumnModel, closeness_of, in_order, models_of
from schemas.declaration import Family, View
from schemas.policy import Terms, requested
from schemas.request import ExtractRequest, MicrodataRequest
from schemas.roles import Grain, Role


class Concern(Protocol):
    """Whose rows a build is about: what asking for rights, and hashing, must know of its plan."""

    @property
    def request(self) -> ExtractRequest:
        """Who asks, and what for."""

    @property
    def family(self) -> Family:
        """What the source is."""

    @property
    def item(self) -> str | None:
        """The item column, by which rights are recorded; None where the family has none."""

    @property
    def course_scope(self) -> bool:
        """Whether the permission for a course is enough for its rows."""

    @property
    def hierarchies(self) -> tuple[Hierarchy, ...]:
        """Of all columns that are asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a build does, decided before a learner's row is read.

    Attributes:
        request: what was asked.
        terms: under which promise.
        family: what the source is.
        quasi_identifiers: one hierarchy a requested quasi-identifier, in request order.
        weights: how much each of them counts in the loss, in the same order.
        learner_ladders: of the other requested columns of the view `learners`, means excepted.
        enrolment_ladders: of the sensitive columns and measures of the view `enrolments`, means
            excepted.
        models: what every group must satisfy besides k: shares and l-diversity.
        closeness: t-closeness, which each item of a group must satisfy.
    """

    request: MicrodataRequest
    terms: Terms
    family: Family
    quasi_identifiers: tuple[Hierarchy, ...]
    weights: tuple[float, ...]
    learner_ladders: tuple[Hierarchy, ...]
    enrolment_ladders: tuple[Hierarchy, ...]
    models: tuple[ColumnModel, ...]
    closeness: tuple[TCloseness, ...]

    @property
    def item(self) -> str | None:
        """The item column that the request names, or else the first of the view `enrolments`.

        None where the family has no such view.
        """
        view = self.family.views.get("enrolments")
        items = () if view is None else view.items()
        named = [name for name in items if name in self.request.release.enrolments]
        return next(iter([*named, *items]), None)

    @property
    def course_scope(self) -> bool:
        """Whether pseudonyms differ by course."""
        return self.request.release.pseudonyms == "course"

    @property
    def hierarchies(self) -> tuple[Hierarchy, ...]:
        """Of all columns that are asked for, means excepted."""
        return (*self.quasi_identifiers, *self.learner_ladders, *self.enrolment_ladders)

    @property
    def items_as_cells(self) -> bool:
        """Whether the search itself counts classes within each item.

        So it is where no pseudonym joins two items and one level fits all. Local recoding gives a
        learner one class in all items, and items are looked at afterwards.
        """
        return self.course_scope and self.terms.recoding == "global"

    @property
    def bounded(self) -> frozenset[str]:
        """The sensitive columns that a model is about."""
        return frozenset(model.column for model in (*self.models, *self.closeness))

    def models_by_column(self) -> dict[str, list[ColumnModel]]:
        """What each bounded column must satisfy; closeness is no matter of a whole item."""
        found: dict[str, list[ColumnModel]] = {}
        for model in self.models:
            found.setdefault(model.column, []).append(model)
        return found

    def orders(self) -> dict[str, tuple[str, ...]]:
        """Bounded column -> every label that it may be released with, in declared order."""
        ladders = (*self.learner_ladders, *self.enrolment_ladders)
        return {ladder.name: in_order(ladder) for ladder in ladders if ladder.name in self.bounded}

    def microaggregated(self, view: str) -> dict[str, int]:
        """The requested columns of a view that are released as means, with their decimals."""
        release = self.request.release
        columns = requested(self.request, self.family)
        names = release.learners if view == "learners" else release.enrolments
        rules = {name: columns[name].microaggregate for name in names}
        return {name: rule.decimals for name, rule in rules.items() if rule is not None}

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
        return _share_of(self.terms.suppression_limit, learners)

    def item_budget(self, rows: int) -> int:
        """How many rows the learners who stay may lose."""
        return _share_of(self.terms.item_suppression_limit, rows)


def make_plan(
    request: MicrodataRequest, terms: Terms, family: Family, hierarchy_rows: HierarchyRows
) -> Plan:
    """Decide what a build does.

    Raises:
        SourceError: a declared hierarchy is not a tree.
    """
    columns = requested(request, family)

    def ladders(names: Sequence[str], *roles: Role) -> tuple[Hierarchy, ...]:
        chosen = [name for name in names if columns[name].role in roles]
        try:
            found = [ladder_of(name, columns[name], hierarchy_rows) for name in chosen]
        except HierarchyError as error:
            raise SourceError(str(error)) from None
        return tuple(ladder for ladder in found if ladder is not None)

    release = request.release
    quasi_identifiers = ladders(release.learners, Role.QUASI_IDENTIFIER)
    learner_ladders = ladders(release.learners, Role.SENSITIVE, Role.MEASURE)
    enrolment_ladders = ladders(release.enrolments, Role.SENSITIVE, Role.MEASURE)
    by_name = {ladder.name: ladder for ladder in (*learner_ladders, *enrolment_ladders)}
    _require_values(request, terms, by_name)
    return Plan(
        request=request,
        terms=terms,
        family=family,
        quasi_identifiers=quasi_identifiers,
        weights=tuple(release.weights.get(h.name, 1.0) for h in quasi_identifiers),
        learner_ladders=learner_ladders,
        enrolment_ladders=enrolment_ladders,
        models=models_of(terms, by_name),
        closeness=closeness_of(terms, by_name),
    )


def needs(plan: Plan) -> dict[str, frozenset[str]]:
    """The raw tables and columns that a build reads, and no others."""
    return needs_of(plan.family, plan.views(), by_item=plan.item is not None)


def needs_of(
    family: Family, views: Mapping[str, Sequence[str]], *, by_item: bool
) -> dict[str, frozenset[str]]:
    """The raw tables and columns behind columns of views.

    Args:
        family: its views.
        views: view -> columns.
        by_item: whether rights are recorded by item.
    """
    wanted: dict[str, set[str]] = {}
    if (listing := family.learner_table()) is not None:
        wanted[listing] = {_learner_key(family, listing)}
    for view_name, names in views.items():
        for table, column in _view_needs(family, family.views[view_name], names):
            wanted.setdefault(table, {_learner_key(family, table)}).add(column)
    for table, columns in wanted.items():
        # A row of a course needs the permission for that course.
        if by_item and family.item in family.tables[table].columns:
            columns.add(family.item)
    return {table: frozenset(columns) for table, columns in wanted.items()}


def _view_needs(family: Family, view: View, names: Sequence[str]) -> list[tuple[str, str]]:
    own = [*view.where, *view.exclude, *view.order_by]
    pairs = [(view.table, column) for column in own]
    per_item = [family.item, *([view.run] if view.run else [])]
    per_item += [part for name in names for part in view.columns[name].columns]
    tables = {view.table}
    for name in names:
        column = view.columns[name]
        table = column.table or view.table
        tables.add(table)
        own = [*column.sources(name), *column.where]
        pairs += [(table, source) for source in own]
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


def _require_values(
    request: MicrodataRequest, terms: Terms, ladders: Mapping[str, Hierarchy]
) -> None:
    """Refuse values that no hierarchy has; the family's own text can't tell, its tables can."""
    asked = [
        *((f"maximum_share.{name}", name, values) for name, values in terms.protected.items()),
        *(
            (f"statistics.{i}", s.column, s.values)
            for i, s in enumerate(request.release.statistics)
        ),
    ]
    for key, name, values in asked:
        ladder = ladders.get(name)
        if ladder is None:
            raise RequestError(f"{key}: {name} is released as means; name a column of values")
        if unknown := [value for value in values if value not in ladder.leaves]:
            raise RequestError(
                f"{key}.values: {name} has no value {', '.join(unknown)}; "
                f"it has: {', '.join(ladder.leaves[:20])}"
            )


def _share_of(share: float, number: int) -> int:
    """The floor of a share, read as the decimal that it is written as."""
    return math.floor(Fraction(repr(share)) * number)
