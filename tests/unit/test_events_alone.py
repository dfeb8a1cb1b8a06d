"""Events of a family that has no view of enrolments: items are those of the rows themselves."""

import datetime as dt

import polars as pl
import pytest

from pipelines.aggregates.counting import fresh_lots
from schemas.violations import SchemaError
from tests.countedworld import FAMILY, count, plan_of, staged

HEAD, _, REST = FAMILY.partition("[views.enrolments]")
EVENTS = f"{HEAD}[views.activity]{REST.partition('[views.activity]')[2]}"
MONDAY = dt.datetime(2026, 1, 5)
ROWS = staged(
    {
        "people": pl.DataFrame({"id": ["a", "b", "c"]}),
        "events": pl.DataFrame(
            {
                "id": ["a", "a", "a", "b", "b", "unknown"],
                "course": ["x", "x", "w", "y", None, "x"],
                "ts": [MONDAY] * 6,
            }
        ),
    }
)


def counted(query: str, courses: str, budget: str) -> dict:
    """The labels of the cells that are not empty, and their figures."""
    text = f'type = "{query}"\nview = "activity"\nby = ["course", "week"]\ncells = 9'
    more = "\nmost = 9" if query == "events" else ""
    discovers = "" if courses else "\ndiscover = true"
    plan = plan_of([text + more + discovers], budget, courses=courses, declared=EVENTS)
    exact = count(ROWS, plan, fresh_lots(bytes))["q0"]
    cells = exact.labels or plan.queries[0].grid.combinations()
    return {c[0]: n for c, n in zip(cells, exact.values[0].tolist(), strict=True) if n}


def test_items_are_those_of_the_rows():
    """On a public grid and discovered; a row without an item is in no cell that has one."""
    assert counted("events", "xyz", "epsilon = 1") == {"x": 2, "y": 1, "(other)": 1}
    assert counted("learners", "xyz", "epsilon = 1") == {"x": 1, "y": 1, "(other)": 1}
    found = counted("learners", "", "epsilon = 1\ndelta = 1e-6")
    assert found == {"w": 1, "x": 1, "y": 1}


def test_somebody_must_say_who_takes_part():
    """A family of events alone has no learners to bound: refused before anything is charged."""
    alone = EVENTS.partition("[views.learners]")[0] + EVENTS[EVENTS.index("[views.activity]") :]
    with pytest.raises(SchemaError, match=r"queries.0.view: only a view enrolments, or learners"):
        plan_of(
            ['type = "events"\nview = "activity"\nmost = 1'],
            "epsilon = 1",
            courses="x",
            declared=alone,
        )
