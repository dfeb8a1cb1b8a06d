"""Views: one row a learner and item, whatever the item is made of."""

from datetime import date, datetime

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.hierarchy import Hierarchy
from anonymizer.measures import TopCodedBins
from pipelines import views
from pipelines.item_labels import dated, joined
from pipelines.ladders import ladder_of
from pipelines.sources.quarantine import Quarantine
from schemas.declaration import ViewColumn, parse_family
from tests.reference import rows as slow

FAMILY = """
family = "runs"
title = "Courses with runs"
learner = "id"
item = "course"
[tables.roles]
grain = "event"
[tables.roles.columns]
id = { role = "learner-key" }
course = { role = "item" }
run = { role = "catalogue" }
kind = { role = "catalogue" }
ts = { role = "time", type = "timestamp" }
[tables.events]
grain = "event"
[tables.events.columns]
id = { role = "learner-key" }
course = { role = "item" }
run = { role = "catalogue" }
n = { role = "measure", type = "integer" }
[views.enrolments]
grain = "learner-course"
table = "roles"
where = { kind = ["LEARNER"] }
exclude = { kind = ["STAFF"] }
order_by = ["ts"]
run = "run"
[views.enrolments.columns]
course = { role = "item", description = "Course." }
course_run = { role = "item", columns = ["course", "run"], description = "Course and run." }
course_month = { role = "item", columns = ["course"], time = "ts", period = "month", description = "Course and month." }
run_year = { role = "item", columns = ["run", "course"], time = "ts", period = "year", description = "Run and year." }
clicks = { role = "measure", table = "events", column = "n", aggregate = "sum", log_bins = { base = 2, lowest = 1, highest = 4 }, description = "Clicks." }
last = { role = "measure", table = "events", column = "n", aggregate = "last", microaggregate = { decimals = 1 }, description = "Last number." }
"""  # noqa: E501 - a column of a declaration is one line
VIEW = parse_family(FAMILY, subject="runs.toml").views["enrolments"]

ids, courses = st.sampled_from(["ann", "bob"]), st.sampled_from(["x", "x / r", "y/"])
runs = st.sampled_from(["r", "r1", "r / r", "\\", None])
roles = st.tuples(
    ids,
    courses,
    runs,
    st.sampled_from(["LEARNER", "LEARNER", "LEARNER", "BROWSER", "STAFF"]),
    st.sampled_from([None, *(datetime(2024, month, 1) for month in (1, 2, 3))]),
)
events = st.tuples(ids, courses, runs, st.none() | st.integers(0, 3))
TYPES = {"id": pl.String, "course": pl.String, "run": pl.String}


def table(rows, **types):
    """Rows as a staged table."""
    schema = {**TYPES, **types, "_row": pl.Int64}
    return pl.DataFrame([(*r, i) for i, r in enumerate(rows)], schema=schema, orient="row")


def label(unit, moment, item):
    """The text of an item, by hand."""
    escaped = [(p or "(missing)").replace("\\", "\\\\").replace("/", "\\/") for p in unit]
    text = " / ".join(escaped) if len(unit) > 1 else unit[0]
    if item.period is None:
        return text
    known = moment is not None
    return (
        f"{text} @ {moment:{'%Y-%m' if item.period == 'month' else '%Y'}}"
        if known
        else (f"{text} @ (missing)")
    )


@pytest.mark.parametrize("name", ["course", "course_run", "course_month", "run_year"])
@given(role_rows=st.lists(roles, max_size=12), event_rows=st.lists(events, max_size=12))
@settings(deadline=None, max_examples=60)
def test_a_view_has_one_row_a_learner_and_item(name, role_rows, event_rows):
    """The row that leaves, its time, and figures of that run only, as the slow twin has them."""
    role_table = table(role_rows, kind=pl.String, ts=pl.Datetime("us"))
    event_table = table(event_rows, n=pl.Int64)
    family, item = parse_family(FAMILY, subject="runs.toml"), VIEW.columns[name]
    lazy = {"roles": role_table.lazy(), "events": event_table.lazy()}
    frames = {key: nw.from_native(frame) for key, frame in lazy.items()}
    raw = views.raw_view(frames, family, VIEW, (name, "clicks", "last")).collect().to_native()
    found = views._label(raw, VIEW, {}, Quarantine())
    expected = slow.enrolments(
        role_table.to_dicts(),
        event_table.to_dicts(),
        parts=item.columns or ("course",),
        dated=item.time is not None,
    )
    rows = [
        (
            learner,
            unit[item.columns.index("course") if item.columns else 0],
            label(unit, moment, item),
            "below 1"
            if clicks < 1
            else "[1, 2)"
            if clicks < 2
            else ("[2, 4)" if clicks < 4 else "4 or more"),
            last,
        )
        for (learner, *unit), (moment, clicks, last) in expected.items()
    ]
    columns = ["learner", "_course", name, "clicks", "last"]
    key = lambda row: row[:3]  # noqa: E731
    assert sorted(found.select(columns).rows(), key=key) == sorted(rows, key=key)
    assert not found.select("learner", name).is_duplicated().any()


@given(rows=st.lists(st.tuples(runs, runs), min_size=2, max_size=2))
@settings(deadline=None, max_examples=60)
def test_different_items_have_different_labels(rows):
    """No two pairs of values are joined to the same text."""
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    texts = nw.from_native(frame).select(joined(["a", "b"]).alias("ab")).to_native()["ab"]
    assert texts.n_unique() == len(set(rows))


@pytest.mark.parametrize(
    ("period", "moment", "text"),
    [
        ("month", datetime(2024, 2, 29, 23, 59), "2024-02"),
        ("month", date(1969, 12, 31), "1969-12"),
        ("quarter", datetime(2024, 3, 31, 23, 59), "2024-Q1"),
        ("quarter", date(2024, 4, 1), "2024-Q2"),
        ("year", datetime(1969, 12, 31, 23), "1969"),
        ("4w", date(1970, 1, 5), "1970-01-05/P4W"),
        ("4w", datetime(1970, 2, 1, 23, 59), "1970-01-05/P4W"),
        ("4w", date(1970, 2, 2), "1970-02-02/P4W"),
        ("4w", datetime(1970, 1, 4, 23, 59), "1969-12-08/P4W"),
        ("4w", datetime(2024, 3, 1), "2024-02-19/P4W"),
        ("year", None, "(missing)"),
    ],
)
def test_periods_are_anchored(period, moment, text):
    """Four weeks start every fourth Monday from 5 January 1970; an unknown time has its own."""
    dtype = pl.Datetime("us") if isinstance(moment, datetime) or moment is None else pl.Date
    frame = pl.DataFrame({"c": ["x @ y"], "t": [moment]}, schema={"c": pl.String, "t": dtype})
    assert frame.select(dated("c", "t", period)).item() == f"x @ y @ {text}"
    if period == "4w":
        monday = date.fromisoformat(text[:10])
        assert (monday - date(1970, 1, 5)).days % 28 == 0


def test_a_learners_view_has_one_row_a_learner():
    """Without items nothing is divided, and no raw item is carried along."""
    text = """
family = "f"
title = "f"
learner = "id"
item = "course"
[tables.people]
grain = "learner"
[tables.people.columns]
id = { role = "learner-key" }
sex = { role = "quasi-identifier" }
[views.learners]
grain = "learner"
table = "people"
[views.learners.columns]
sex = { role = "quasi-identifier", values = ["F", "M"], description = "Sex." }
"""
    family = parse_family(text, subject="f")
    frame = pl.DataFrame({"id": ["a", "a", "b"], "sex": ["F", "M", None], "_row": [0, 1, 2]})
    tables = {"people": nw.from_native(frame.lazy())}
    raw = views.raw_view(tables, family, family.views["learners"], ("sex",))
    found = views._label(raw.collect().to_native(), family.views["learners"], {}, Quarantine())
    assert sorted(found.drop("_row").rows()) == [("a", "F"), ("b", "(missing)")]


def test_unknown_numbers_stay_unknown_until_they_are_grouped():
    """Null, NaN and infinite are null; everything else is the number itself."""
    frame = pl.DataFrame({"last": [1.5, None, float("nan"), float("inf")]})
    assert frame.select(views.leaf_expr("last", VIEW.columns["last"]))["last"].to_list() == [
        1.5,
        None,
        None,
        None,
    ]


def test_the_ladder_of_a_column_is_what_its_declaration_says():
    """Log bins, top-coded bins, values; none where means are released."""

    def ladder(**keys):
        column = ViewColumn(role="measure", description="x", **keys)
        return ladder_of("x", column, {"x.csv": [("a", "A", "*")]})

    log = ladder(log_bins={"base": 10, "lowest": 1, "highest": 100})
    assert type(log) is Hierarchy
    assert log.leaves == ("below 1", "[1, 10)", "[10, 100)", "100 or more", "(missing)")
    top = ladder(bins={"edges": [[1, 10]]}, top_code=True, aggregate="count")
    assert isinstance(top, TopCodedBins)
    assert top.leaves == ("below 1", "[1, 10)", "10 or more")
    assert ladder(values=("a", "b"), missing="b").leaves == ("a", "b")
    assert ladder(hierarchy="x.csv").labels[1] == ("A", "(missing)")
    assert ladder(microaggregate={}) is None
