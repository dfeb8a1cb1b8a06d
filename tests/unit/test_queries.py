"""Aggregate requests as TOML: what they say, how the budget is split, what they may not say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.queries import GroupKey, Learners
from schemas.request import AggregateRequest, MicrodataRequest, parse_request
from schemas.spending import Spend, shares
from schemas.violations import SchemaError

HEAD = """
title = "Figures"
researcher = "r.lee@uni.example"
purpose = "research"
source = "small"
"""
REQUEST = f"""{HEAD}
[release]
type = "aggregate"
catalogue = "{"a" * 64}"
[release.budget]
epsilon = 1.0
[[release.queries]]
name = "a"
type = "learners"
by = ["gender", {{ column = "region", level = 1 }}]
"""


def learners(name: str, **more) -> Learners:
    """A query."""
    return Learners(name=name, type="learners", **more)


def test_a_request_says_what_kind_it_is():
    """The type of the release chooses the type of the request."""
    asked = parse_request(REQUEST, subject="request")
    assert isinstance(asked, AggregateRequest)
    assert asked.release.queries[0].by == (
        GroupKey(column="gender"),
        GroupKey(column="region", level=1),
    )
    other = f'{HEAD}[release]\ntype = "microdata"\nlearners = ["gender"]\n'
    assert isinstance(parse_request(other, subject="request"), MicrodataRequest)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "a"', 'name = "b"'),
        ("epsilon = 1.0", "epsilon = 1.5"),
        ("epsilon = 1.0", "rho = 1.0"),
        ("level = 1", "level = 2"),
        ("a" * 64, "b" * 64),
        ('type = "learners"', 'type = "learners"\ncells = 2'),
    ],
)
def test_whatever_is_asked_is_in_the_hash(old, new):
    """A change of anything but layout is another request."""
    one = parse_request(REQUEST, subject="request")
    other = parse_request(REQUEST.replace(old, new), subject="request")
    assert one.sha256() != other.sha256()
    assert parse_request(f"# a comment\n{REQUEST}", subject="request").sha256() == one.sha256()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epsilon = 1.0", "", "release.budget: give epsilon or rho"),
        ("epsilon = 1.0", "epsilon = 1.0\nrho = 1.0", "release.budget: give epsilon or rho"),
        ("epsilon = 1.0", "epsilon = 0.0", "release.budget.epsilon"),
        ("epsilon = 1.0", "epsilon = 1.0\ndelta = 0.5", "release.budget.delta"),
        ('name = "a"', 'name = "../a"', "queries.0.name: a-z, 0-9 and _ only"),
        ('"gender", ', '"gender", "gender", ', "queries.0.by: named twice"),
        ("level = 1", "level = true", "level"),
        ('type = "learners"', 'type = "median"', "queries.0"),
        ('type = "learners"', 'type = "learners"\nnoise = 0', "noise: unknown key"),
        ('type = "learners"', 'type = "learners"\ncells = 0', "cells"),
        ('type = "learners"', 'type = "learners"\nweight = 1.0\nepsilon = 0.5', "give one of"),
        ("a" * 64, "a" * 63, "release.catalogue"),
        ("by =", 'of = "x"\nby =', "of: unknown key"),
    ],
)
def test_what_a_request_may_not_say(old, new, said):
    """Each is refused at its key, as it stands in the text."""
    with pytest.raises(SchemaError) as refused:
        parse_request(REQUEST.replace(old, new), subject="request")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("nulls", "holds"),
    [
        ('"leave-out"', True),
        ("0.0", True),
        ("-1", True),
        ("true", False),
        ('"bin"', False),
        ("nan", False),
    ],
)
def test_the_rule_for_unknown_values_must_be_said(nulls, holds):
    """A number or leave-out, never by default; a bin of its own is for histograms."""
    text = REQUEST.replace('type = "learners"', 'type = "sum"\nof = "x"\nbounds = [0.0, 1.0]')
    with pytest.raises(SchemaError, match="nulls: required"):
        parse_request(text, subject="request")
    text = text.replace('of = "x"', f'of = "x"\nnulls = {nulls}')
    if holds:
        parse_request(text, subject="request")
    else:
        with pytest.raises(SchemaError, match="nulls"):
            parse_request(text, subject="request")


@pytest.mark.parametrize(
    ("budget", "queries", "expected"),
    [
        (1.0, [{}], [1_000_000]),
        (1.0, [{}, {}, {}], [333_333] * 3),
        (1.0, [{"weight": 3.0}, {}], [750_000, 250_000]),
        (1.0, [{"epsilon": 0.4}, {}, {"weight": 2.0}], [400_000, 200_000, 400_000]),
        (0.3, [{"epsilon": 0.1}, {"epsilon": 0.2}], [100_000, 200_000]),
    ],
)
def test_how_a_budget_is_split(budget, queries, expected):
    """Own parts first, the rest by weight, in whole millionths."""
    named = [learners(f"q{i}", **query) for i, query in enumerate(queries)]
    assert shares(Spend(epsilon=budget), named) == expected


@pytest.mark.parametrize(
    "queries",
    [
        [{"epsilon": 1.1}],
        [{"epsilon": 1.0}, {}],
        [{"epsilon": 0.4}],
        [{"weight": 1e-6}, {"weight": 1e6}],
    ],
)
def test_a_split_that_does_not_come_out_is_refused(queries):
    """Too much, nothing left, something left that is nobody's, or less than can be charged."""
    named = [learners(f"q{i}", **query) for i, query in enumerate(queries)]
    with pytest.raises(ValueError, match=r"budget|millionth"):
        shares(Spend(epsilon=1.0), named)


@given(
    st.integers(10**5, 10**7).map(lambda micro: micro / 10**6),
    st.lists(st.floats(0.1, 100).map(lambda w: round(w, 3)), min_size=1, max_size=8),
)
def test_shares_never_exceed_the_budget(budget, weights):
    """And leave less than a millionth a query."""
    spend = Spend(epsilon=budget)
    found = shares(spend, [learners(f"q{i}", weight=w) for i, w in enumerate(weights)])
    assert spend.micro - len(weights) < sum(found) <= spend.micro
