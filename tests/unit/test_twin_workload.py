"""Which marginals a twin is measured by."""

import doctest
import math
from fractions import Fraction
from itertools import combinations

import pytest

from synth import twin_items, workload
from synth.workload import (
    MOST_CELLS,
    MOST_MARGINALS,
    MOST_STATES,
    TwinShape,
    budget_shares,
    eliminated,
    states,
)

OULAD = TwinShape(
    {"gender": 2, "region": 13, "education": 5, "imd": 11, "age": 3},
    {"module": 7, "result": 4, "clicks": 7, "days": 5},
    item="module",
    number="n",
    most_rows=3,
)


def test_examples_of_docstrings():
    """They say what is true."""
    for module in (workload, twin_items):
        assert doctest.testmod(module).failed == 0


def test_pairs_of_oulad():
    """All own pairs, each own column and the number with module and result, all pairs of a row."""
    own, row = tuple(OULAD.learners), tuple(OULAD.rows)
    anchored = {frozenset((column, anchor)) for column in (*own, "n") for anchor in row[:2]}
    pairs = {frozenset(pair) for columns in (own, row) for pair in combinations(columns, 2)}
    assert {frozenset(pair) for pair in workload.workload(OULAD)} == anchored | pairs


def test_the_rule_does_not_depend_on_how_mappings_are_ordered_beyond_the_schema():
    """The same schema, the same workload; the order of columns is part of the schema."""
    again = TwinShape(dict(OULAD.learners), dict(OULAD.rows), "module", "n", 3)
    assert workload.workload(again) == workload.workload(OULAD)


LARGE = [
    TwinShape({}, {"item": 300, "result": 4}, "item", most_rows=5),
    TwinShape({f"own{n}": 10 for n in range(12)}, {"item": 300, "result": 4}, "item"),
    TwinShape({f"own{n}": 30 for n in range(39)}, {}),
    TwinShape({"country": 250, "sex": 3}, {f"c{n}": 40 for n in range(20)}, "c0", most_rows=9),
    TwinShape({"a": 100_000, "b": 100_000}, {"item": 100_000, "c": 50_000}, "item"),
    TwinShape({f"o{n}": 1 for n in range(20)}, {f"c{n}": 1 for n in range(19)}, None),
]


@pytest.mark.parametrize("shape", [OULAD, *LARGE])
def test_limits_hold_and_every_column_is_measured(shape):
    """However wide the schema: few marginals, small cliques, no column left out, none twice."""
    chosen = workload.workload(shape)
    pairs = [columns for columns in chosen if len(columns) > 1]
    cells = [math.prod(shape.sizes[column] for column in columns) for columns in pairs]
    assert max(cells, default=0) <= MOST_CELLS
    assert len(pairs) <= MOST_MARGINALS
    assert not pairs or states(pairs, shape.sizes) <= MOST_STATES
    assert {column for columns in chosen for column in columns} == set(shape.sizes)
    assert len({frozenset(columns) for columns in chosen}) == len(chosen)


@pytest.mark.parametrize("shape", [OULAD, *LARGE])
def test_shares_spend_the_budget(shape):
    """Exactly all of it; larger tables get more, and those of the outcome twice as much."""
    chosen = workload.workload(shape)
    shares = budget_shares(chosen, shape)
    assert sum(shares) == Fraction(1)
    assert min(shares) > 0
    worth = [
        math.prod(shape.sizes[column] for column in columns)
        * (4 if shape.outcome in columns else 1)
        for columns in chosen
    ]
    order = sorted(range(len(worth)), key=lambda place: worth[place])
    found = [float(shares[place]) for place in order]
    assert found == pytest.approx(sorted(found), rel=0.01)
    assert found[-1] / found[0] == pytest.approx((max(worth) / min(worth)) ** 0.5, rel=0.01)


def test_elimination_by_hand():
    """A chain a - b - c: ends first, each hangs on its neighbour; what stays is not eliminated."""
    sizes = {"a": 2, "b": 5, "c": 3}
    order = eliminated([("a", "b"), ("b", "c")], sizes)
    assert [(clique.column, clique.others, clique.states) for clique in order] == [
        ("a", ("b",), 10),
        ("b", ("c",), 15),
        ("c", (), 3),
    ]
    assert states([("a", "b"), ("b", "c")], sizes) == 28
    [only] = eliminated([("a", "b"), ("b", "c")], sizes, ["b"])
    assert (only.others, only.states) == (("a", "c"), 30)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"learners": {}, "rows": {}}, "columns"),
        ({"learners": {"a": 0}, "rows": {}}, "columns"),
        ({"learners": {"a": 2}, "rows": {"a": 2}}, "columns"),
        ({"learners": {"rows": 2}, "rows": {"b": 2}}, "columns"),
        ({"learners": {f"c{n}": 2 for n in range(41)}, "rows": {}}, "columns"),
        ({"learners": {"a": 2}, "rows": {"b": 2}, "item": "a"}, "item"),
        ({"learners": {"a": 2}, "rows": {"b": 2}, "most_rows": 0}, "most_rows"),
        ({"learners": {}, "rows": {"b": 2}, "item": "b", "most_rows": 3}, "most_rows"),
    ],
)
def test_what_is_no_shape_is_refused(given, named):
    """By the name of the parameter."""
    with pytest.raises(ValueError, match=f"^{named}"):
        TwinShape(**given)


def test_a_twin_of_learners_alone_has_no_number_of_rows():
    """Nor does a twin of rows alone have own columns."""
    assert list(TwinShape({"a": 2}, {}).sizes) == ["a"]
    assert list(TwinShape({}, {"b": 2}).sizes) == ["rows", "b"]
