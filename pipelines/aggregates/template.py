"""The text that a researcher starts an aggregate request from."""

import json
from collections.abc import Iterator
from typing import Final

from pipelines.aggregates.grid import Public
from schemas.declaration import ViewColumn
from schemas.policy import Policy
from schemas.roles import Role

_EPSILON: Final = 0.5
_CELLS: Final = 2


def aggregate_template(source: str, public: Public, policy: Policy) -> str:
    """A request for one table of distinct learners; what else could be asked for in comments.

    Args:
        source: its name in the workspace.
        public: what is public of it.
        policy: what may be asked for.
    """
    family = public.family
    view = "enrolments" if "enrolments" in family.views else "learners"
    zcdp = policy.budget is not None and policy.budget.regime == "zcdp"
    lines = [
        f"# A request for noisy figures about groups, of {_comment(family.title)}. Every query is",
        "# one table. Grids, bounds and clamps are chosen without the data. Then",
        "#     kohort request check FILE        tells how exact it will be, and spends nothing",
        "#     kohort request submit FILE",
        f"title = {_text(f'Figures of {source}')}",
        'researcher = ""                # who will hold the package: your address',
        f"purpose = {_text(policy.purposes[0] if policy.purposes else '')}",
        f"# the policy admits: {_comment(', '.join(policy.purposes))}",
        f"source = {_text(source)}",
        "",
        "[release]",
        'type = "aggregate"',
        'access = "controlled"          # or "public"',
        f'catalogue = "{public.sha256()}"',
        "# csv = true                   # CSV copies beside Parquet",
        "",
        "[release.budget]",
        f"epsilon = {_EPSILON}                  # of all queries together; split by weight",
        *(["# rho = 0.02                   # instead: Gaussian noise"] if zcdp else []),
        "",
        *_first(view, public),
        *_others(public),
        "",
    ]
    return "\n".join(line.rstrip() for line in lines)


def _first(view: str, public: Public) -> Iterator[str]:
    items = [name for name in public.family.views[view].items() if name in public.catalogue.values]
    yield "[[release.queries]]"
    yield f'name = "learners_by_{items[0]}"' if items else 'name = "learners"'
    yield 'type = "learners"             # distinct learners in each cell'
    yield f"view = {_text(view)}"
    yield f"by = {json.dumps(items[:1])}"
    if items:
        yield f"cells = {_CELLS}                     # in how many of them a learner counts"
    yield "# weight = 1                  # or epsilon = ...: its own part of the budget"
    yield "# what cells may be told apart by:"
    for name, column in _groupable(view, public):
        yield f"#   {name}: {_comment(column.description)}"


def _groupable(view: str, public: Public) -> list[tuple[str, ViewColumn]]:
    found: dict[str, ViewColumn] = {}
    for own in dict.fromkeys((view, "learners")):
        if own in public.family.views:
            columns = public.family.views[own].columns
            found |= {n: c for n, c in columns.items() if n not in found and _listed(n, c, public)}
    return list(found.items())


def _listed(name: str, column: ViewColumn, public: Public) -> bool:
    catalogue = public.catalogue
    if column.role in {Role.ITEM, Role.TIME}:
        return name in catalogue.values or name in catalogue.periods
    return column.microaggregate is None


def _others(public: Public) -> Iterator[str]:
    yield "#"
    yield "# Other queries, each under a [[release.queries]] of its own, with a name:"
    yield '#   type = "events"             rows; most = 10: of a learner in a cell'
    yield '#   type = "sum"                of = a number, bounds = [0, 100], nulls = "leave-out"'
    yield '#   type = "mean"               the same'
    yield '#   type = "quantiles"          the same, and quantiles = [0.25, 0.5, 0.75]'
    yield '#   type = "histogram"          of = a number, edges = [1, 10, 100], nulls = "bin"'
    yield '#   margin_of = "other query"   sums of its cells; both are made to agree'
    for view, own in public.family.views.items():
        numbers = [name for name, column in own.columns.items() if column.is_number]
        if numbers:
            yield f"# numbers of {view}: {_comment(', '.join(numbers))}"


def _text(value: str) -> str:
    """A TOML string; a request's names are printable, for which JSON writes the same."""
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> str:
    """Fit for a comment: one line, of printable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
