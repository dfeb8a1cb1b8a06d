"""What the policy makes of an aggregate request: every bound filled in, and all violations at once.

Nothing here reads a row: grids, bounds and clamps come from the request, the policy, the family's
declaration and the steward's catalogue.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from schemas.catalogue import Catalogue
from schemas.declaration import Family, View, ViewColumn
from schemas.policy import Contributions, Policy
from schemas.queries import (
    Events,
    Histogram,
    Learners,
    Mean,
    Quantiles,
    Query,
    Sum,
    shares,
)
from schemas.request import AggregateRequest, unknown_column
from schemas.roles import Grain, Role
from schemas.sharing import sharing
from schemas.violations import SchemaError, Violation

MOST_UNITS: Final = 10**9
"""The most that one learner may change a cell by, in units of the last decimal: sums of as many
learners as there are stay far below the largest integer."""

LEARNERS_VIEW: Final = "learners"

_PROMISING: Final = re.compile("[=<>\u2264\u2265]")


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """A query with every default filled in.

    Attributes:
        query: what is asked.
        micro: what it may spend: millionths of the release's kind.
        cells: in how many cells a learner counts at most; 1 where all keys are his own attributes.
        most: how many of a learner's rows count in a cell; 1 but for events.
        bounds: between which his value is clamped; None where none is.
        delta: of the threshold of discovered keys; 0 for a public grid.
    """

    query: Query
    micro: int
    cells: int
    most: int
    bounds: tuple[float, float] | None
    delta: Fraction


@dataclass(frozen=True, slots=True)
class AggregateTerms:
    """Under which terms a request may be built.

    Attributes:
        kind: what is spent: epsilon, by Laplace noise, or rho, by Gaussian noise.
        queries: one table each, in the order of the request.
    """

    kind: Literal["epsilon", "rho"]
    queries: tuple[QueryTerms, ...]


def authorize_aggregate(
    request: AggregateRequest,
    policy: Policy,
    family: Family,
    catalogue: Catalogue,
    *,
    catalogue_sha256: str,
) -> AggregateTerms:
    """The terms under which an aggregate request may be built, approval and budget left aside.

    Args:
        request: what is asked for.
        policy: what the steward allows.
        family: what the source offers.
        catalogue: what is public of it.
        catalogue_sha256: of all that grids are made of, as it is now.

    Raises:
        SchemaError: the request asks for what the family does not offer or the policy does not
            allow; carries *all* violations.
    """
    release = request.release
    violations = [*sharing(request, policy), *_of_title(request), *_of_budget(request, policy)]
    if release.catalogue != catalogue_sha256:
        violations.append(
            Violation(
                "release.catalogue",
                f"what is public of the source hashes to {catalogue_sha256}; look at it with "
                "`kohort catalog show`, and ask for that",
            )
        )
    for i, query in enumerate(release.queries):
        key = f"release.queries.{i}"
        found = _of_query(query, family, catalogue, policy.contributions or Contributions())
        violations += [Violation(f"{key}.{place}", message) for place, message in found]
        violations += [
            Violation(f"{key}.margin_of", message) for message in _of_margin(query, request, family)
        ]
    parts: Sequence[int] = ()
    try:
        parts = shares(release.budget, release.queries)
    except ValueError as error:
        violations.append(Violation("release.budget", str(error)))
    if violations:
        raise SchemaError("request", violations)
    discovering = sum(discovers(query) for query in release.queries)
    delta = Fraction(repr(release.budget.delta or 0)) / max(1, discovering)
    own = policy.contributions or Contributions()
    return AggregateTerms(
        kind=release.budget.kind,
        queries=tuple(
            _terms(query, micro, family, own, delta=delta if discovers(query) else Fraction(0))
            for query, micro in zip(release.queries, parts, strict=True)
        ),
    )


def discovers(query: Query) -> bool:
    """Whether its cells are those that the data shows to be common."""
    return isinstance(query, Learners) and query.discover


def key_column(query: Query, name: str, family: Family) -> tuple[View, ViewColumn] | None:
    """The column of a key, and the view that it stands in; None where there is none.

    A query's own view comes first; then every row knows the attributes of its learner.
    """
    for view in (query.view, LEARNERS_VIEW):
        if view in family.views and name in family.views[view].columns:
            return family.views[view], family.views[view].columns[name]
    return None


def own_attributes(query: Query, family: Family) -> tuple[str, ...]:
    """The keys that are attributes of the learner: he has one value of each."""
    found = ((key.column, key_column(query, key.column, family)) for key in query.by)
    return tuple(n for n, where in found if where and where[0].grain is Grain.LEARNER)


def _terms(
    query: Query, micro: int, family: Family, own: Contributions, *, delta: Fraction
) -> QueryTerms:
    one_cell = len(own_attributes(query, family)) == len(query.by)
    bounds = None
    if isinstance(query, Sum | Mean | Quantiles):
        bounds = query.bounds or own.bounds.get(query.of)
    most = (query.most or own.events or 1) if isinstance(query, Events) else 1
    cells = 1 if one_cell else query.cells or own.cells or 1
    return QueryTerms(query, micro, cells, most, bounds, delta)


def _of_title(request: AggregateRequest) -> Iterator[Violation]:
    # It stands in the README, where the checker looks for promises that nobody made.
    if _PROMISING.search(request.title):
        yield Violation("title", "no = < > in it: what is promised is told beside it, in numbers")


def _of_budget(request: AggregateRequest, policy: Policy) -> Iterator[Violation]:
    budget, asked = policy.budget, request.release.budget
    if budget is None:
        yield Violation(
            "release.type",
            "the policy has no budget for differential privacy; have a steward write [budget] with "
            "epsilon_per_family and delta into policy.toml",
        )
    elif asked.kind == "rho" and budget.regime == "pure":
        yield Violation(
            "release.budget.rho", "the policy's accounts add up epsilons; ask for epsilon"
        )
    discovering = any(discovers(query) for query in request.release.queries)
    if discovering != (asked.delta is not None):
        yield Violation(
            "release.budget.delta",
            "required where a query discovers its keys, and only there",
        )


def _of_query(
    query: Query, family: Family, catalogue: Catalogue, own: Contributions
) -> Iterator[tuple[str, str]]:
    """What is wrong with a query: where in it, and what to do."""
    if query.view not in family.views:
        yield "view", f"the source has no view {query.view}; it has: {', '.join(family.views)}"
        return
    for i, key in enumerate(query.by):
        yield from (
            (f"by.{i}", message) for message in _of_key(query, key.column, family, catalogue)
        )
    if any(key.column in _value_names(query) for key in query.by):
        yield "by", f"a key may not be called {', '.join(sorted(_value_names(query)))}"
    yield from _of_bounds(query, family, own)
    yield from _of_items(query, family)
    if discovers(query) and not any(_is_open(query, key.column, family) for key in query.by):
        yield "discover", "there is nothing to discover: every key is declared; leave it out"


def _of_items(query: Query, family: Family) -> Iterator[tuple[str, str]]:
    """One item at most, and nothing that it can't tell apart."""
    view = family.views[query.view]
    named = [key.column for key in query.by if key.column in view.items()]
    if len(named) > 1:
        yield "by", f"{' and '.join(named)} are both items; take one"
    elif named and query.view == "enrolments":
        others = [*(key.column for key in query.by), getattr(query, "of", named[0])]
        known = [n for n in others if n in view.columns and n not in view.items()]
        for name in family.unattributed(named[0], known):
            yield "by", f"{name} can't be told apart by {named[0]}: leave one out"


def _of_bounds(query: Query, family: Family, own: Contributions) -> Iterator[tuple[str, str]]:
    """What bounds what one learner adds."""
    one_cell = len(own_attributes(query, family)) == len(query.by)
    if not one_cell and (query.cells or own.cells) is None:
        yield "cells", "say in how many cells a learner counts, or have [contributions] say it"
    if one_cell and (query.cells or 1) > 1:
        yield "cells", "a learner is in one cell of these; leave it out"
    if isinstance(query, Events):
        if query.view == LEARNERS_VIEW:
            yield "view", "a learner has one row there; ask for learners"
        if (query.most or own.events) is None:
            yield "most", "say how many rows of a learner count, or have [contributions] say it"
    elif not isinstance(query, Learners):
        yield from _of_number(query, family.views[query.view], own)


def _of_key(query: Query, name: str, family: Family, catalogue: Catalogue) -> Iterator[str]:
    where = key_column(query, name, family)
    if where is None:
        views = [family.views[v] for v in (query.view, LEARNERS_VIEW) if v in family.views]
        offered = list(dict.fromkeys(column for view in views for column in view.columns))
        yield unknown_column("", name, offered).message
        return
    _, column = where
    if column.role is Role.ITEM:
        if name not in catalogue.values and not discovers(query):
            yield f"the catalogue has no values of {name}; have a steward add them, or discover"
        if column.period is not None:
            yield f"{name} has a time in it; take the item and a period of activity"
    elif column.role is Role.TIME:
        if name not in catalogue.periods:
            yield f"the catalogue has no periods of {name}; have a steward add first and last"
    elif column.microaggregate is not None:
        yield f"{name} has neither bins nor values; cells can't be told apart by it"


def _is_open(query: Query, name: str, family: Family) -> bool:
    """Whether the declaration does not say which values a key has."""
    where = key_column(query, name, family)
    return where is not None and where[1].role is Role.ITEM


def _value_names(query: Query) -> frozenset[str]:
    own = query.type if not isinstance(query, Quantiles) else "quantiles"
    names = {own, "learners", f"{own}_half_width", "learners_half_width"}
    return frozenset(names | ({"bin"} if isinstance(query, Histogram) else set()))


def _of_number(
    query: Sum | Mean | Quantiles | Histogram, view: View, own: Contributions
) -> Iterator[tuple[str, str]]:
    column = view.columns.get(query.of)
    if column is None:
        yield "of", unknown_column("", query.of, list(view.columns)).message
        return
    if not column.is_number:
        yield "of", f"{query.of} is no number; count learners by it instead"
    if isinstance(query, Histogram):
        if query.edges is None and column.domain not in {"bins", "log_bins"}:
            yield "edges", f"{query.of} has no declared bins; give edges"
        return
    bounds = query.bounds or own.bounds.get(query.of)
    if bounds is None:
        yield "bounds", "say between which bounds values are clamped, or have [contributions] do it"
        return
    low, high = (round(bound * 10**query.decimals) for bound in bounds)
    if max(abs(low), abs(high), high - low) > MOST_UNITS or low == high:
        yield "bounds", f"between 1 and {MOST_UNITS} steps of the last decimal were expected"


def _of_margin(query: Query, request: AggregateRequest, family: Family) -> Iterator[str]:
    """What is wrong with the query that this one is the margin of."""
    if not isinstance(query, Learners | Events | Sum) or query.margin_of is None:
        return
    others: Mapping[str, Query] = {other.name: other for other in request.release.queries}
    other = others.get(query.margin_of)
    if other is None or other is query:
        yield "another query of this request was expected"
        return
    dropped = [key for key in other.by if key not in query.by]
    if not _same_metric(query, other) or not set(query.by) <= set(other.by) or not dropped:
        yield "a query that says the same but for more keys was expected, cells and bounds included"
        return
    if discovers(query) or discovers(other):
        yield "goes with public grids only"
    own = own_attributes(other, family)
    if not all(key.column in own for key in dropped):
        yield "a margin leaves out attributes of learners only: of others he may have several"
    if getattr(other, "margin_of", None) is not None:
        yield "that is a margin itself"
    named = [q for q in others.values() if getattr(q, "margin_of", None) == query.margin_of]
    if len(named) > 1:
        yield "one margin of a query was expected"


def _same_metric(query: Query, other: Query) -> bool:
    """Whether both count or add up the same, a learner in as many cells."""
    same = ("type", "view", "of", "bounds", "decimals", "nulls", "most", "cells")
    return all(getattr(query, name, None) == getattr(other, name, None) for name in same)
