"""Random small worlds for aggregates: a declaration, a catalogue, rows, and a request of all kinds.

Everything is written out as the product reads it: TOML, typed frames with `_row`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import strategies as st

from pipelines.aggregates.counting import exact_figures
from pipelines.aggregates.grid import Public
from pipelines.aggregates.plan import AggregatePlan
from pipelines.aggregates.planning import make_aggregate_plan
from pipelines.sources.quarantine import Quarantine
from schemas.aggregates import authorize_aggregate
from schemas.catalogue import Catalogue
from schemas.declaration import parse_family, parse_toml
from schemas.policy import Policy
from schemas.request import parse_request

AREAS = [["a1", "A", "*"], ["a2", "A", "*"], ["b1", "B", "*"]]
COURSES = ["x", "y", "z", "w"]
START = datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None)
POLICY = """
require_approval = false
purposes = ["research"]
recipients = ["*"]
legal_bases = ["consent"]
[budget]
epsilon_per_family = 900.0
delta = 1e-6
regime = "zcdp"
"""


@dataclass(frozen=True)
class World:
    """A source, what is public of it, and a request."""

    plan: AggregatePlan
    people: list
    results: list
    events: list

    def without(self, learner: str) -> "World":
        """The same world, had this learner never been there."""
        kept = [
            [r for r in rows if r[0] != learner]
            for rows in (self.people, self.results, self.events)
        ]
        return World(self.plan, *kept)

    def tables(self) -> dict:
        """The staged tables."""
        schemas = {
            "people": {"id": pl.String, "sex": pl.String, "area": pl.String},
            "results": {
                "id": pl.String, "course": pl.String, "run": pl.Int64, "result": pl.String,
                "score": pl.Float64, "role": pl.String,
            },
            "events": {
                "id": pl.String, "course": pl.String, "day": pl.Int64, "at": pl.Datetime("us"),
                "n": pl.Int64, "x": pl.Float64,
            },
        }  # fmt: skip
        rows = {"people": self.people, "results": self.results, "events": self.events}
        return {
            name: pl.DataFrame(rows[name], schema=schema, orient="row").with_row_index("_row")
            .with_columns(pl.col("_row").cast(pl.Int64)).lazy()
            for name, schema in schemas.items()
        }  # fmt: skip


def priority(names, cells):
    """Priorities that depend on the learner's own id and the cell alone."""
    mixed = np.array([int(name[1:]) + 1 for name in names], np.uint64)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed ^= cells.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(29)
    return mixed * np.uint64(0xBF58476D1CE4E5B9)


def taking_part(world: World) -> list:
    """The pairs of learner and course that count: by loops, as the declaration says."""
    family, seen, results = world.plan.family, set(), []
    for row in world.results:  # of rows with one key, all of one learner's, the first
        if (row[0], row[1], row[2]) not in seen:
            seen.add((row[0], row[1], row[2]))
            results.append(row)
    if family.learner_table() is not None:
        listed = {row[0] for row in world.people}
        results = [row for row in results if row[0] in listed]
    staff = {(r[0], r[1]) for r in results if r[5] == "STAFF"}
    if not family.views["enrolments"].exclude:
        staff = set()
    return sorted({(row[0], row[1]) for row in results} - staff)


def figures(world: World) -> dict:
    """The exact figures of every query, with lots by the learners' own ids.

    The product numbers learners anew in every build; by id the same cells of everybody else stay,
    whoever is removed.
    """
    names = sorted({name for name, _ in taking_part(world)})

    def lots(learners, cells):
        return priority([names[number] for number in learners], cells)

    return exact_figures(world.tables(), world.plan, Quarantine(), lots)


def family_text(*, listing: bool, staff: bool, ordered: bool, closed: bool) -> str:
    """A declaration; what it says of keys, staff and order differs."""
    sex = ', values = ["F", "M"]' if closed else ""
    return f"""
family = "agg"
title = "A world of events"
learner = "id"
item = "course"
[tables.people]
grain = "learner"
key = ["id"]
learners = {str(listing).lower()}
[tables.people.columns]
id = {{ role = "learner-key" }}
sex = {{ role = "quasi-identifier"{sex} }}
area = {{ role = "quasi-identifier" }}
[tables.results]
grain = "learner-course"
key = ["course", "run"{', "id"' if ordered else ""}]
[tables.results.columns]
id = {{ role = "learner-key" }}
course = {{ role = "item" }}
run = {{ role = "time", type = "integer" }}
result = {{ role = "sensitive", values = ["Pass", "Fail"] }}
score = {{ role = "sensitive", type = "number" }}
role = {{ role = "catalogue" }}
[tables.events]
grain = "event"
[tables.events.columns]
id = {{ role = "learner-key" }}
course = {{ role = "item" }}
day = {{ role = "time", type = "integer" }}
at = {{ role = "time", type = "timestamp" }}
n = {{ role = "measure", type = "integer" }}
x = {{ role = "measure", type = "number" }}
[views.learners]
grain = "learner"
table = "people"
[views.learners.columns]
gender = {{ role = "quasi-identifier", column = "sex", values = ["F", "M"], description = "Gender." }}
region = {{ role = "quasi-identifier", column = "area", hierarchy = "area.csv", description = "Area." }}
[views.enrolments]
grain = "learner-course"
table = "results"
{'order_by = ["run"]' if ordered else ""}
{'exclude = { role = ["STAFF"] }' if staff else ""}
[views.enrolments.columns]
code = {{ role = "item", column = "course", description = "Course." }}
taken = {{ role = "item", columns = ["course", "run"], description = "Course and run." }}
final = {{ role = "sensitive", column = "result", values = ["Pass", "Fail"], description = "Result." }}
score = {{ role = "sensitive", bins = {{ edges = [[0.25, 0.5]] }}, description = "Score." }}
clicks = {{ role = "measure", table = "events", column = "n", aggregate = "sum", bins = {{ edges = [[1, 4]] }}, description = "Clicks." }}
minutes = {{ role = "measure", table = "events", column = "x", aggregate = "sum", bins = {{ edges = [[0.5, 2]] }}, description = "Minutes." }}
days = {{ role = "measure", table = "events", column = "day", aggregate = "count_distinct", bins = {{ edges = [[1, 2]] }}, description = "Days." }}
[views.activity]
grain = "event"
table = "events"
[views.activity.columns]
code = {{ role = "item", column = "course", description = "Course." }}
week = {{ role = "time", column = "day", period = "week", description = "Week." }}
month = {{ role = "time", column = "at", period = "month", description = "Month." }}
monday = {{ role = "time", column = "at", period = "week", description = "Week." }}
clicks = {{ role = "measure", column = "n", aggregate = "sum", bins = {{ edges = [[1, 4]] }}, description = "Clicks." }}
effort = {{ role = "measure", column = "x", aggregate = "sum", bins = {{ edges = [[0.5, 2]] }}, description = "Effort." }}
"""  # noqa: E501 - a column of a declaration is one line


CATALOGUE = """
dated = 2026-01-01
learners = 50
[values]
code = ["x", "y", "z"]
[periods.week]
first = 0
last = 2
[periods.month]
first = 2024-01-01
last = 2024-02-01
[periods.monday]
first = 2024-01-01
last = 2024-01-20
"""
KEYS = {
    "learners": ["gender", "region"],
    "enrolments": ["gender", "region", "code", "final", "clicks"],
    "activity": ["gender", "region", "code", "week", "month", "monday"],
}
NUMBERS = {
    "enrolments": ["score", "clicks", "minutes", "days"],
    "activity": ["clicks", "effort"],
}
HEADS = {"region": 3, "gender": 2, "final": 2, "clicks": 2}


def plan_of(family: str, queries: str, *, budget: str = "epsilon = 50.0") -> AggregatePlan:
    """The plan of a request on a declared world."""
    parsed = parse_family(family, subject="agg")
    public = Public(
        parsed, {"area.csv": AREAS}, parse_toml(Catalogue, CATALOGUE, subject="catalogue")
    )
    text = f"""
title = "Figures"
researcher = "r.lee@uni.example"
purpose = "research"
source = "agg"
[release]
type = "aggregate"
catalogue = "{public.sha256()}"
[release.budget]
{budget}
{queries}
"""
    request = parse_request(text, subject="request")
    policy = parse_toml(Policy, POLICY, subject="policy")
    terms = authorize_aggregate(
        request, policy, parsed, public.catalogue, catalogue_sha256=public.sha256()
    )
    return make_aggregate_plan(request, terms, public)


@st.composite
def query(draw, number: int) -> str:
    """One query in TOML, of any kind."""
    kind = draw(
        st.sampled_from(["learners", "events", "sum", "mean", "histogram", "quantiles", "discover"])
    )
    views = ["enrolments", "activity"] + (["learners"] if kind == "learners" else [])
    view = "enrolments" if kind == "discover" else draw(st.sampled_from(views))
    keys = draw(st.lists(st.sampled_from(KEYS[view]), max_size=3, unique=True))
    of = draw(st.sampled_from(NUMBERS[view])) if view in NUMBERS else ""
    if kind == "discover":
        keys = ["taken", *(key for key in keys if key not in {"code", "clicks"})]
    levels = {key: draw(st.integers(0, HEADS.get(key, 1) - 1)) for key in keys}
    by = ", ".join(f'{{ column = "{key}", level = {level} }}' for key, level in levels.items())
    lines = [f'name = "q{number}"', f'view = "{view}"', f"by = [{by}]"]
    lines.append(f'type = "{"learners" if kind == "discover" else kind}"')
    if any(key not in {"gender", "region"} for key in keys):
        # A discovered cell has no number of its own by which lots could be coupled: all stay.
        lines.append(f"cells = {12 if kind == 'discover' else draw(st.integers(1, 3))}")
    if kind == "discover":
        lines.append("discover = true")
    if kind == "events":
        lines.append(f"most = {draw(st.integers(1, 3))}")
    if kind in {"sum", "mean", "quantiles", "histogram"}:
        lines.append(f'of = "{of}"')
        nulls = ['"leave-out"', "0.0", "-1.5"] + (['"bin"'] if kind == "histogram" else [])
        lines.append(f"nulls = {draw(st.sampled_from(nulls))}")
    if kind in {"sum", "mean", "quantiles"}:
        low = draw(st.integers(-4, 4))
        lines.append(f"bounds = [{low}.0, {low + draw(st.integers(1, 6))}.0]")
        lines.append(f"decimals = {draw(st.integers(0, 1))}")
    if kind == "quantiles":
        lines.append("quantiles = [0.25, 0.5]")
        lines.append(f'method = "{draw(st.sampled_from(["noisy-max", "histogram"]))}"')
    return "[[release.queries]]\n" + "\n".join(lines)


MARGIN = """
[[release.queries]]
name = "detail"
type = "learners"
by = ["code", "gender", { column = "region", level = 1 }]
cells = 2
[[release.queries]]
name = "margin"
type = "learners"
by = ["code"]
cells = 2
margin_of = "detail"
"""


@st.composite
def worlds(draw) -> World:
    """A random declaration, request and rows, some of them faulty or of staff."""
    flags = {name: draw(st.booleans()) for name in ("listing", "staff", "ordered", "closed")}
    queries = [draw(query(i)) for i in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        queries.append(MARGIN)
    text = "\n".join(queries)
    discovering = "discover = true" in text
    budget = "epsilon = 50.0" + ("\ndelta = 1e-7" if discovering else "")
    plan = plan_of(family_text(**flags), text, budget=budget)
    ids = [f"p{i}" for i in range(draw(st.integers(1, 6)))]
    learner, course = st.sampled_from(ids), st.sampled_from(COURSES)
    number = st.one_of(
        st.none(), st.floats(-9, 9).map(lambda x: round(x, 3)), st.just(float("nan"))
    )
    areas = st.sampled_from(["a1", "a2", "b1", "q", None])
    people = [
        [i, draw(st.sampled_from(["F", "M", None])), draw(areas)]
        for i in draw(st.permutations([*ids, *draw(st.lists(learner, max_size=2))]))
    ]  # fmt: skip
    results = draw(
        st.lists(
            st.tuples(
                learner, course, st.integers(0, 2), st.sampled_from(["Pass", "Fail", None]),
                number, st.sampled_from(["LEARNER", "LEARNER", "STAFF"]),
            ).map(list),
            max_size=14,
        )
    )  # fmt: skip
    events = draw(
        st.lists(
            st.tuples(
                learner, course, st.one_of(st.none(), st.integers(-8, 30)),
                st.one_of(st.none(), st.integers(-20, 70).map(lambda d: START + timedelta(days=d))),
                st.one_of(st.none(), st.integers(-3, 9)), number,
            ).map(list),
            max_size=20,
        )
    )  # fmt: skip
    return World(plan, people, results, events)
