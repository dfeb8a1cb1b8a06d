"""Titles and other words of noisy requests: what is accepted passes the checker's reading, too.

Else a build would be refused at its end, when its budget is spent.
"""

import dataclasses
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.drafts import demand_sayable
from pipelines.errors import RequestError
from pipelines.twins.of_extract import twin_request_text
from pipelines.twins.planning import make_twin_plan
from schemas.aggregates import of_title
from schemas.declaration import parse_toml
from schemas.policy import Policy
from schemas.request import parse_request
from schemas.spending import Spend
from tests.aggworld import MARGIN, POLICY, family_text, plan_of

TWIN = """
title = "T"
researcher = "r@uni.example"
purpose = "research"
source = "agg"
[release]
type = "synthetic"
pseudonyms = "course"
catalogue = "{catalogue}"
learners = ["gender"]
enrolments = ["code", "final"]
[release.budget]
epsilon = 10.0
"""
KINDS = ["aggregate", "synthetic"]
WORDS = ["epsilon", "eps", "epsom", "rho", "delta", "k", "ks", "kilo", "DP", "ε", "ϵ", "zCDP"]
WORDS += ["anonym", "differential", "private", "<b>", "Figures", "adjacency:", "noisy-max"]
SIGNS = ["3", "0.2", "is", "of", "equals", "most", "=", "≥", "~", ":", "_", "*", "-", "$", "("]
LINES = ["the error that is told", "unit of privacy:", "this release is", "a learner changes", ""]
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
"""Letters as wide as Chinese ones, which look like those of ASCII otherwise."""

parts = st.sampled_from(WORDS + SIGNS + LINES) | st.text(max_size=2)
styled = st.tuples(parts, st.booleans()).map(lambda one: one[0].translate(WIDE if one[1] else {}))
titles = st.tuples(st.sampled_from(["", " ", "_"]), st.lists(styled, min_size=1, max_size=5)).map(
    lambda told: told[0].join(told[1])
)


@cache
def plans() -> dict:
    """A plan of each kind."""
    told = family_text(**dict.fromkeys(("listing", "staff", "ordered", "closed"), True))
    plan = plan_of(told, MARGIN)
    text = TWIN.format(catalogue=plan.public.sha256())
    twin = make_twin_plan(parse_request(text, subject="request"), plan.public)
    return {"aggregate": plan, "synthetic": twin}


def policy_on(*bases: str) -> Policy:
    """The policy with these legal bases."""
    return parse_toml(Policy, POLICY, subject="policy").model_copy(update={"legal_bases": bases})


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), titles)
@example("aggregate", "Figures ｅｐｓｉｌｏｎ： 3")  # noqa: RUF001 - as found
@example("aggregate", "Set k_ is 5")
@example("aggregate", "Set kis 5")
@example("synthetic", "epsis3")
def test_a_title_that_is_accepted_can_be_written(kind, title):
    """In letters of any style, with marks of any kind between them."""
    plan = plans()[kind]
    asked = plan.request.model_copy(update={"title": title})
    if title.isprintable() and title.strip() and not any(of_title(asked)):
        demand_sayable(dataclasses.replace(plan, request=asked), policy_on("consent"))


@pytest.mark.parametrize("title", ["Ｋ＝5", "k_ is 5", "ε", "_eps", "The error that is told"])  # noqa: RUF001
def test_titles_that_are_refused(title):
    """Marks of Markdown part words, and a letter of another style is the same letter."""
    asked = plans()["aggregate"].request.model_copy(update={"title": title})
    assert [one.key for one in of_title(asked)] == ["title"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "basis, said", [("epsilon = 3", "promised something else"), ("a\nb", "no package can say")]
)
def test_other_words_that_are_refused(kind, basis, said):
    """Legal bases stand in the README, too; they are read before anything is paid for."""
    demand_sayable(plans()[kind], policy_on("consent"))
    with pytest.raises(RequestError, match=said):
        demand_sayable(plans()[kind], policy_on("consent", basis))


def test_a_title_that_is_cut_off_promises_nothing():
    """What is left of the last word of an extract's title may read like a k."""
    text = TWIN.replace('"T"', f'"{"x" * 189} kilometres"').replace("synthetic", "microdata")
    kept = [line for line in text.splitlines() if not line.startswith("catalogue")]
    extract = parse_request("\n".join(kept[: kept.index("[release.budget]")]), subject="request")
    told = twin_request_text(
        extract, catalogue="0" * 64, budget=Spend(epsilon=1), levels={}, most_rows=1
    )
    assert not any(of_title(parse_request(told, subject="request")))
