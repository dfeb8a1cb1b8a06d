"""The view of events: what a declaration may say of it."""

# ruff: noqa: E501 - a row of the table is one line

import pytest

from schemas.declaration import parse_family
from schemas.violations import SchemaError
from tests.aggworld import family_text

FLAGS = dict.fromkeys(("listing", "staff", "ordered", "closed"), True)
FAMILY = family_text(**FLAGS)
ITEM = 'code = { role = "item", column = "course", description = "Course." }\nweek'


def test_a_view_of_events_is_read():
    """Its columns are its own, also where enrolments have one of that name."""
    family = parse_family(FAMILY, subject="agg")
    assert family.views["activity"].columns["clicks"].aggregate == "sum"
    assert family.behind("clicks", family.views["activity"]).role == "measure"
    assert family.behind("clicks").role == "measure"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('[views.activity]\ngrain = "event"', '[views.activity]\ngrain = "learner"', "their grains are"),
        ('table = "events"\n[views.activity.columns]', 'table = "events"\nrun = "day"\n[views.activity.columns]', "every row counts"),
        (ITEM, "week", "one item column in enrolments"),
        ('period = "week", description', "description", "a time leaves as a period"),
        ('column = "day", period = "week"', 'column = "day", period = "month"', "a number of days has the period week"),
        ('column = "day", period = "week"', 'column = "n", period = "week"', "can't leave as time"),
        ('column = "n", aggregate = "sum", bins = { edges = [[1, 4]] }, description = "Clicks." }\neffort', 'column = "n", bins = { edges = [[1, 4]] }, description = "Clicks." }\neffort', "aggregate = sum"),
        ('effort = { role = "measure"', 'effort = { role = "sensitive"', "one item, times and measures"),
        ("final = {", 'when = { role = "time", column = "run", period = "week", description = "Run." }\nfinal = {', "times stand in views.activity"),
    ],
)  # fmt: skip
def test_what_a_view_of_events_may_not_be(old, new, said):
    """It counts its own table's rows as they are, by item and by time."""
    assert old in FAMILY
    with pytest.raises(SchemaError) as refused:
        parse_family(FAMILY.replace(old, new), subject="agg")
    assert said in str(refused.value)


def test_an_item_has_no_week():
    """Weeks are too fine to be a part of an item that is released."""
    taken = 'columns = ["course", "run"], description'
    finer = 'columns = ["course"], time = "run", period = "week", description'
    with pytest.raises(SchemaError, match="4w at the finest"):
        parse_family(FAMILY.replace(taken, finer), subject="agg")
