"""A declared world to count, its public catalogue, and the way from a request to its tables."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import polars as pl

from pipelines.aggregates.counting import Exact, Lots, exact_figures
from pipelines.aggregates.grid import Public
from pipelines.aggregates.plan import AggregatePlan
from pipelines.aggregates.planning import make_aggregate_plan
from pipelines.aggregates.tables import noisy_tables
from pipelines.governance.ledger import Reserved
from pipelines.sources.quarantine import Quarantine
from schemas.aggregates import authorize_aggregate
from schemas.catalogue import Catalogue, Periods
from schemas.declaration import parse_family, parse_toml
from schemas.policy import Policy
from schemas.raw import ROW
from schemas.request import parse_request

FAMILY = """
family = "counted"
title = "A world to count"
learner = "id"
item = "course"
[tables.people]
grain = "learner"
key = ["id"]
learners = true
[tables.people.columns]
id = { role = "learner-key" }
sex = { role = "quasi-identifier", values = ["F", "M"] }
area = { role = "quasi-identifier", values = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] }
[tables.results]
grain = "learner-course"
key = ["id", "course"]
[tables.results.columns]
id = { role = "learner-key" }
course = { role = "item" }
grade = { role = "sensitive", type = "number" }
[tables.events]
grain = "event"
[tables.events.columns]
id = { role = "learner-key" }
course = { role = "item" }
ts = { role = "time", type = "timestamp" }
n = { role = "measure", type = "integer" }
[views.learners]
grain = "learner"
table = "people"
[views.learners.columns]
sex = { role = "quasi-identifier", values = ["F", "M"], description = "Sex." }
area = { role = "quasi-identifier", values = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], description = "Area." }
[views.enrolments]
grain = "learner-course"
table = "results"
[views.enrolments.columns]
course = { role = "item", description = "Course." }
grade = { role = "sensitive", bins = { edges = [[40, 60, 80]] }, description = "Grade." }
[views.activity]
grain = "event"
table = "events"
[views.activity.columns]
course = { role = "item", description = "Course." }
week = { role = "time", column = "ts", period = "week", description = "Week." }
clicks = { role = "measure", column = "n", aggregate = "sum", bins = { edges = [[1, 10]] }, description = "Clicks." }
"""  # noqa: E501 - a column of a declaration is one line
POLICY = """
purposes = ["research"]
recipients = ["*"]
legal_bases = ["consent"]
[budget]
regime = "REGIME"
epsilon_per_family = 100.0
delta = 9.9e-4
"""
PAID = Reserved("paid")
COLUMNS = {
    "people": {"id": pl.String, "sex": pl.String, "area": pl.String},
    "results": {"id": pl.String, "course": pl.String, "grade": pl.Float64},
    "events": {
        "id": pl.String,
        "course": pl.String,
        "ts": pl.Datetime("us"),
        "n": pl.Int64,
    },
}

Tables = Mapping[str, pl.LazyFrame]


def plan_of(
    queries: Sequence[str],
    budget: str,
    *,
    courses: Sequence[str],
    weeks: tuple[date, date] = (date(2026, 1, 5), date(2026, 1, 11)),
    learners: int | None = None,
    declared: str = FAMILY,
) -> AggregatePlan:
    """The authorized plan of some queries.

    Args:
        queries: each as TOML, without its name: they are called `q0`, `q1`, ...
        budget: `epsilon = 1` or `rho = 0.1`, and delta where keys are discovered.
        courses: those of the catalogue; none: it does not list any.
        weeks: the first and the last day of its weeks.
        learners: how many there are in public.
        declared: the family.
    """
    family = parse_family(declared, subject="family")
    catalogue = Catalogue.model_construct(  # what a catalogue refuses is tested elsewhere
        dated=date(2026, 1, 1),
        learners=learners,
        values={"course": tuple(courses)} if courses else {},
        periods={"week": Periods(first=weeks[0], last=weeks[1])},
    )
    public = Public(family, {}, catalogue)
    regime = "zcdp" if "rho" in budget else "pure"
    asked = "".join(
        f'[[release.queries]]\nname = "q{i}"\n{query}\n' for i, query in enumerate(queries)
    )
    request = parse_request(
        'title = "T"\nresearcher = "r@uni.example"\npurpose = "research"\nsource = "counted"\n'
        f'[release]\ntype = "aggregate"\ncatalogue = "{public.sha256()}"\n'
        f"[release.budget]\n{budget}\n{asked}",
        subject="request",
    )
    policy = parse_toml(Policy, POLICY.replace("REGIME", regime), subject="policy")
    terms = authorize_aggregate(
        request, policy, family, catalogue, catalogue_sha256=public.sha256()
    )
    return make_aggregate_plan(request, terms, public)


def staged(rows: Mapping[str, pl.DataFrame]) -> Tables:
    """Rows as they lie staged: with their number in the file, one type a column.

    Columns that are left out are null; tables that are left out have no row.
    """
    found = {}
    for name, kinds in COLUMNS.items():
        frame = rows.get(name, pl.DataFrame(schema=kinds))
        columns = [
            (pl.col(c) if c in frame.columns else pl.lit(None)).cast(kind).alias(c)
            for c, kind in kinds.items()
        ]
        numbers = pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW)
        found[name] = frame.select(*columns, numbers).lazy()
    return found


def count(tables: Tables, plan: AggregatePlan, lots: Lots) -> dict[str, Exact]:
    """The exact figures of a plan, of the tables that it needs."""
    needed = {name: tables[name] for name in plan.needs()}
    return exact_figures(needed, plan, Quarantine(), lots)


def release(plan: AggregatePlan, exact: Mapping[str, Exact]) -> list[pl.DataFrame]:
    """The tables that leave: one a query."""
    return [table.frame for table in noisy_tables(plan, exact, paid=PAID)]


def whole_release(
    tables: Tables, plan: AggregatePlan, new_lots: Callable[[], Lots]
) -> list[pl.DataFrame]:
    """From staged rows to the tables that leave, with lots of its own."""
    return release(plan, count(tables, plan, new_lots()))
