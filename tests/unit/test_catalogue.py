"""Catalogues, and the periods and grids that are made of them."""

from datetime import date, timedelta

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aggregates.grid import Dated, Listed
from pipelines.aggregates.periods import period_range
from pipelines.passes import in_units, period_number
from schemas.catalogue import Catalogue, Periods, catalogue_sha256
from schemas.declaration import parse_toml
from schemas.violations import SchemaError
from tests.aggworld import MARGIN, family_text, plan_of

FLAGS = dict.fromkeys(("listing", "staff", "ordered", "closed"), True)
LABELS = {
    "week": ["2024-01-01", "2024-01-08", "2024-01-15"],
    "4w": ["2023-12-25/P4W", "2024-01-22/P4W"],
    "month": ["2024-01", "2024-02"],
    "quarter": ["2024-Q1", "2024-Q2"],
    "year": ["2023", "2024"],
}
RANGES = {
    "week": ("2024-01-01", "2024-01-21"),
    "4w": ("2024-01-02", "2024-02-01"),
    "month": ("2024-01-31", "2024-02-01"),
    "quarter": ("2024-03-31", "2024-04-01"),
    "year": ("2023-12-31", "2024-01-01"),
}


@pytest.mark.parametrize("period", LABELS)
def test_the_labels_of_periods(period):
    """From the first to the last, each once, as a reader would write them."""
    first, last = (date.fromisoformat(day) for day in RANGES[period])
    assert list(period_range(period, Periods(first=first, last=last)).labels) == LABELS[period]


def test_relative_weeks_are_numbered():
    """Days before the start have weeks below 0."""
    found = period_range("week", Periods(first=-2, last=1))
    assert found.labels == ("week -2", "week -1", "week 0", "week 1")
    days = nw.from_native(pl.DataFrame({"day": [-14, -8, -1, 0, 6, 7, None]}))
    numbers = days.select(period_number("day", "week", relative=True))["day"].to_list()
    assert numbers == [-2, -2, -1, 0, 0, 1, None]


@given(
    st.sampled_from(list(LABELS)),
    st.dates(date(1960, 1, 1), date(2040, 1, 1)),
    st.integers(0, 86_399),
)
def test_a_time_lies_in_the_period_that_names_it(period, day, seconds):
    """The number that rows get and the one that labels are made of are the same, day by day."""
    moment = pl.Series("at", [day], pl.Date).cast(pl.Datetime("us")) + timedelta(seconds=seconds)
    rows = nw.from_native(pl.DataFrame({"at": moment, "on": [day]}))
    only = period_range(period, Periods(first=day, last=day))
    for column in ("at", "on"):
        number = rows.select(period_number(column, period, relative=False))[column].to_list()
        assert number == [only.first]
    assert len(only.labels) == 1


def test_numbers_in_units():
    """Whole units of the last decimal; what is unknown, NaN or infinite is null; far out is cut."""
    values = [0.25, 0.35, None, float("nan"), float("inf"), -1e300, 2.0]
    frame = nw.from_native(pl.DataFrame({"x": values}))
    found = frame.select(in_units("x", 1))["x"].to_list()
    assert found == [2, 4, None, None, None, -(10**12), 20]


def test_numbers_are_cut_for_bins():
    """Down to a unit, but for what floating point makes of a sum: 0.7 + 0.1 is 0.8."""
    frame = nw.from_native(pl.DataFrame({"x": [0.69, 0.7 + 0.1, -0.01, None, 1e300]}))
    found = frame.select(in_units("x", 1, cut=True))["x"].to_list()
    assert found == [6, 8, -1, None, 10**12]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dated = 2026-01-01\n[values]\na = []", "values.a"),
        ('dated = 2026-01-01\n[values]\na = ["x", "x"]', "named twice"),
        ('dated = 2026-01-01\n[values]\na = ["(other)"]', "meaning of their own"),
        ('dated = 2026-01-01\n[values]\na = [" x"]', "without blanks"),
        ("[values]", "dated: required"),
        ("dated = 2026-01-01\nlearners = 0", "learners"),
        ("dated = 2026-01-01\n[periods.week]\nfirst = 3\nlast = 1", "must not be before"),
        ("dated = 2026-01-01\n[periods.week]\nfirst = 3\nlast = 2026-01-01", "two dates, or two"),
    ],
)
def test_what_a_catalogue_may_not_say(text, said):
    """Each is told at its key."""
    with pytest.raises(SchemaError) as refused:
        parse_toml(Catalogue, text, subject="catalogue")
    assert said in str(refused.value)


def test_whatever_is_public_is_in_the_hash():
    """The day, the values, their order, the periods, and the declared labels."""
    base = 'dated = 2026-01-01\n[values]\na = ["x", "y"]\n[periods.w]\nfirst = 0\nlast = 1'
    changes = [("2026-01-01", "2026-01-02"), ('"x", "y"', '"y", "x"'), ("last = 1", "last = 2")]
    texts = [base, *(base.replace(*change) for change in changes)]
    hashes = {catalogue_sha256(parse_toml(Catalogue, text, subject="c"), {}) for text in texts}
    one = parse_toml(Catalogue, base, subject="c")
    hashes |= {catalogue_sha256(one, {"v": [["a"], ["*"]]}), catalogue_sha256(one, {"v": [["b"]]})}
    assert len(hashes) == 6


def test_the_keys_of_a_grid():
    """Attributes of learners, listed items with `(other)`; a closed list has none."""
    plan = plan_of(family_text(**FLAGS), MARGIN)
    code, gender, region = plan.queries[0].grid.keys
    assert code.labels == ("x", "y", "z", "(other)")
    assert gender.labels == ("F", "M", "(missing)")
    assert region.labels == ("A", "B", "(missing)", "(other)")
    assert (code.own, gender.own, region.own) == (False, True, True)
    assert isinstance(region.coding, Listed)
    assert dict(region.coding.codes) == {"a1": 0, "a2": 0, "b1": 1, "(missing)": 2}
    grid = plan.queries[0].grid
    assert (grid.size, grid.reach) == (48, 4)
    assert grid.combinations()[:2] == [("x", "F", "A"), ("x", "F", "B")]


def test_a_time_has_its_periods_and_other():
    """The last position is that of every time outside."""
    query = '[[release.queries]]\nname = "w"\ntype = "events"\nview = "activity"\nmost = 1\n'
    plan = plan_of(family_text(**FLAGS), query + 'by = ["month"]\ncells = 9')
    (key,) = plan.queries[0].grid.keys
    assert key.labels == ("2024-01", "2024-02", "(other)")
    assert isinstance(key.coding, Dated)
    assert key.coding.other == 2
    assert plan.queries[0].l0 == 3  # no more cells than there are


def test_an_open_list_has_another_cell():
    """Where the raw column is open, a value outside the hierarchy is not put aside but other."""
    open_, closed = (plan_of(family_text(**FLAGS | {"closed": c}), MARGIN) for c in (False, True))
    assert open_.queries[0].grid.keys[1].labels == ("F", "M", "(missing)", "(other)")
    assert closed.queries[0].grid.keys[1].labels == ("F", "M", "(missing)")
