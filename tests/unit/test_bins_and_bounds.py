"""Edges and bounds are told as they were asked for, or refused: none is moved in silence."""

import polars as pl
import pytest

from pipelines.aggregates.counting import fresh_lots
from pipelines.errors import RequestError
from schemas.violations import SchemaError
from tests.countedworld import count, plan_of, staged

GRADES = [0.4, 0.5, 0.6, 1.0, 5e11, None]


def plan(query: str):
    """Of one query on grades."""
    return plan_of([f'of = "grade"\n{query}'], "epsilon = 1", courses=[])


@pytest.mark.parametrize(
    ("edges", "nulls", "bins"),
    [
        ("[1.0, 1e10]", '"leave-out"', [3, 1, 1]),
        ("[1.0, 1e10]", "0.6", [4, 1, 1]),
        ("[0.5, 1.0]", '"leave-out"', [1, 2, 2]),
        ("[-99999999999.0]", '"leave-out"', [0, 5]),
    ],
)
def test_a_value_below_an_edge_is_in_the_bin_below(edges, nulls, bins):
    """Also where large edges leave no decimals: 0.6 is not 1."""
    asked = plan(f'type = "histogram"\nedges = {edges}\nnulls = {nulls}')
    people = [f"l{i}" for i in range(len(GRADES))]
    results = pl.DataFrame({"id": people, "course": "x", "grade": GRADES})
    tables = staged({"people": pl.DataFrame({"id": people}), "results": results})
    assert count(tables, asked, fresh_lots(bytes))["q0"].values[0].tolist() == bins


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ("[0.5, 1e10]", "queries.0: edges: at most 0 decimals were expected beside 1e"),
        ("[0.1234567]", "at most 6 decimals"),
        ("[1e-300, 1e-299]", "at most 6 decimals"),
        ("[0.0, 1e11]", "below 1e11"),
    ],
)
def test_an_edge_that_would_move_is_refused(edges, said):
    """Before anything is charged, with what would be told."""
    with pytest.raises(RequestError, match=said):
        plan(f'type = "histogram"\nedges = {edges}\nnulls = "bin"')


@pytest.mark.parametrize(
    ("bounds", "decimals", "said"),
    [
        ("[0.1, 0.7]", 0, r"bounds: with decimals = 0 take \[0, 1\], or more decimals"),
        ("[0.6, 1.4]", 0, r"take \[0, 2\]"),
        ("[-0.15, 0.25]", 1, r"take \[-0.2, 0.3\]"),
        ("[0.0, 1e-300]", 6, r"take \[0, 0.000001\]"),
        ("[0.0, 1e308]", 6, "at most 1,000,000,000 steps"),
        ("[-1.7e308, 1.7e308]", 0, "at most 1,000,000,000 steps"),
        ("[-0.2, 0.3]", 1, None),
    ],
)
def test_bounds_are_whole_numbers_of_the_last_decimal(bounds, decimals, said):
    """Others are refused, with the nearest ones around them; however large they are."""
    query = f'type = "sum"\nbounds = {bounds}\ndecimals = {decimals}\nnulls = 0.0'
    if said is None:
        assert plan(query).queries[0].clamps == (-2, 3)
        return
    with pytest.raises(SchemaError, match=said):
        plan(query)
