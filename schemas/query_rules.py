"""What a query of an aggregate request may not ask, by declaration, catalogue and policy alone."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from schemas.catalogue import Catalogue
from schemas.declaration import Family, View, ViewColumn
from schemas.policy import Contributions
from schemas.queries import Events, Histogram, Learners, Mean, Quantiles, Query, Sum
from schemas.request import AggregateRequest, unknown_column
from schemas.roles import Grain, Role

MOST_UNITS: Final = 10**9
"""The most that one learner may change a cell by, in units of the last decimal: sums of as many
learners as there are stay far below the largest integer."""

LEARNERS_VIEW: Final = "learners"

_QUANTILE: Final = re.compile("q[0-9]+(_[0-9]+)?(_rank_half_width)?")

Fault = tuple[str, str]
"""Where in a query, and what was expected."""


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


@dataclass(frozen=True, slots=True)
class QueryRules:
    """What queries are held to.

    Attributes:
        request: all of them.
        family: what the source offers.
        catalogue: what is public of it.
        own: what the policy fills in.
    """

    request: AggregateRequest
    family: Family
    catalogue: Catalogue
    own: Contributions

    def broken_by(self, query: Query) -> Iterator[Fault]:
        """Everything that is wrong with a query."""
        views = self.family.views
        if query.view not in views:
            yield "view", f"the source has no view {query.view}; it has: {', '.join(views)}"
            return
        if not {LEARNERS_VIEW, "enrolments"} & set(views):
            yield "view", "only a view enrolments, or learners, says who takes part; declare one"
            return
        for i, key in enumerate(query.by):
            yield from ((f"by.{i}", said) for said in self._of_key(query, key.column))
        if named := [key.column for key in query.by if _is_value(key.column, query)]:
            yield "by", f"{', '.join(named)}: a column of its table has that name; ask otherwise"
        yield from self._of_bounds(query)
        yield from self._of_items(query)
        yield from self._of_discovery(query)
        yield from (("margin_of", said) for said in self._of_margin(query))

    def _of_key(self, query: Query, name: str) -> Iterator[str]:
        where = key_column(query, name, self.family)
        if where is None:
            yield self._unknown(query, name)
            return
        view, column = where
        if column.role is Role.ITEM and column.period is not None:
            yield f"{name} has a time in it; take the item and a period of activity"
        elif column.role is Role.ITEM and not (name in self.catalogue.values or discovers(query)):
            yield f"the catalogue has no values of {name}; have a steward add them, or discover"
        elif column.role is Role.TIME and name not in self.catalogue.periods:
            yield f"the catalogue has no periods of {name}; have a steward add first and last"
        elif column.role is Role.MEASURE and view.grain is Grain.EVENT:
            yield f"{name} is a number of each event; add it up, or count learners by enrolments"
        elif column.microaggregate is not None:
            yield f"{name} has neither bins nor values; cells can't be told apart by it"

    def _unknown(self, query: Query, name: str) -> str:
        others = [v for v, own in self.family.views.items() if name in own.columns]
        if others:
            return f'{name} stands in view {others[0]}; write view = "{others[0]}"'
        views = [
            self.family.views[v] for v in (query.view, LEARNERS_VIEW) if v in self.family.views
        ]
        offered = list(dict.fromkeys(column for view in views for column in view.columns))
        return unknown_column("", name, offered).message

    def _of_discovery(self, query: Query) -> Iterator[Fault]:
        """Keys are discovered only where nobody lists them: a public list costs nothing."""
        if not discovers(query):
            return
        items = [k.column for k in query.by if k.column in self.family.views[query.view].items()]
        if not items:
            yield "discover", "every key is declared, nothing is to be discovered; leave it out"
        elif all(item in self.catalogue.values for item in items):
            yield "discover", f"the catalogue lists {', '.join(items)}; leave it out"

    def _of_items(self, query: Query) -> Iterator[Fault]:
        """One item at most, and nothing that it can't tell apart."""
        view = self.family.views[query.view]
        named = [key.column for key in query.by if key.column in view.items()]
        if len(named) > 1:
            yield "by", f"{' and '.join(named)} are both items; take one"
        elif named and query.view == "enrolments":
            others = [*(key.column for key in query.by), getattr(query, "of", named[0])]
            known = [n for n in others if n in view.columns and n not in view.items()]
            for name in self.family.unattributed(named[0], known):
                yield "by", f"{name} can't be told apart by {named[0]}: leave one out"

    def _of_bounds(self, query: Query) -> Iterator[Fault]:
        """What bounds what one learner adds."""
        one_cell = len(own_attributes(query, self.family)) == len(query.by)
        if not one_cell and (query.cells or self.own.cells) is None:
            yield "cells", "say in how many cells a learner counts, or have [contributions] say it"
        if one_cell and (query.cells or 1) > 1:
            yield "cells", "a learner is in one cell of these; leave it out"
        if isinstance(query, Events):
            if query.view == LEARNERS_VIEW:
                yield "view", "a learner has one row there; ask for learners"
            if (query.most or self.own.events) is None:
                yield "most", "say how many rows of a learner count, or have [contributions] say it"
        elif not isinstance(query, Learners):
            yield from self._of_number(query)

    def _of_number(self, query: Sum | Mean | Quantiles | Histogram) -> Iterator[Fault]:
        view = self.family.views[query.view]
        column = view.columns.get(query.of)
        if column is None:
            numbers = [name for name, own in view.columns.items() if own.is_number]
            yield "of", unknown_column("", query.of, numbers).message
        elif not column.is_number:
            yield "of", f"{query.of} is no number; count learners by it instead"
        elif isinstance(query, Histogram):
            if query.edges is None and column.domain not in {"bins", "log_bins"}:
                yield "edges", f"{query.of} has no declared bins; give edges"
        else:
            yield from self._of_clamps(query)

    def _of_clamps(self, query: Sum | Mean | Quantiles) -> Iterator[Fault]:
        bounds = query.bounds or self.own.bounds.get(query.of)
        if bounds is None:
            said = "say between which bounds values are clamped, or have [contributions] do it"
            yield "bounds", said
            return
        low, high = (Decimal(repr(bound)).scaleb(query.decimals) for bound in bounds)
        if max(abs(low), abs(high), high - low) > MOST_UNITS:
            yield "bounds", f"at most {MOST_UNITS:,} steps of the last decimal were expected"
        elif low != int(low) or high != int(high):
            wider = (Decimal(n).scaleb(-query.decimals) for n in (math.floor(low), math.ceil(high)))
            told = ", ".join(f"{bound.normalize():f}" for bound in wider)
            said = f"with decimals = {query.decimals} take [{told}], or more decimals (6 at most)"
            yield "bounds", said

    def _of_margin(self, query: Query) -> Iterator[str]:
        """What is wrong with the query that this one is the margin of."""
        if not isinstance(query, Learners | Events | Sum) or query.margin_of is None:
            return
        others: Mapping[str, Query] = {other.name: other for other in self.request.release.queries}
        other = others.get(query.margin_of)
        if other is None or other is query:
            yield "the name of another query of this request was expected"
            return
        dropped = [key for key in other.by if key not in query.by]
        if not _same_metric(query, other) or not set(query.by) <= set(other.by) or not dropped:
            yield "a query that says the same but for more keys was expected, cells and bounds too"
            return
        if discovers(query) or discovers(other):
            yield "goes with public grids only"
        own = own_attributes(other, self.family)
        if not all(key.column in own for key in dropped):
            yield "a margin leaves out attributes of learners only: of others he may have several"
        if getattr(other, "margin_of", None) is not None:
            yield "that is a margin itself"
        named = [q for q in others.values() if getattr(q, "margin_of", None) == query.margin_of]
        if len(named) > 1:
            yield "one margin of a query was expected"


def _is_value(name: str, query: Query) -> bool:
    """Whether a column of figures in its table has that name."""
    if isinstance(query, Quantiles):
        return _QUANTILE.fullmatch(name) is not None
    names = {query.type, "learners", f"{query.type}_half_width", "learners_half_width"}
    return name in names or (name == "bin" and isinstance(query, Histogram))


def _same_metric(query: Query, other: Query) -> bool:
    """Whether both count or add up the same, a learner in as many cells."""
    same = ("type", "view", "of", "bounds", "decimals", "nulls", "most", "cells")
    return all(getattr(query, name, None) == getattr(other, name, None) for name in same)
