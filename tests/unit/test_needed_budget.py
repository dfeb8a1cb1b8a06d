"""What a wished-for error costs: the least budget that the query's own method needs."""

from dataclasses import replace

import pytest

from pipelines.aggregates import planning
from pipelines.aggregates.expected import expected_errors, needed_budget
from pipelines.aggregates.planning import make_aggregate_plan
from pipelines.errors import RequestError
from tests.countedworld import plan_of

MEDIAN = (
    'type = "quantiles"\nof = "grade"\nby = ["course"]\ncells = 1\nnulls = "leave-out"\n'
    "quantiles = [0.5]\nbounds = [0, 400]"
)


@pytest.mark.parametrize("courses", [3, 5000])
def test_a_wish_is_priced_by_the_method_as_it_is(courses):
    """With that method it is enough, and a millionth less is not.

    Left open, more budget would make a histogram of it: less exact, or with too many cells.
    """
    named = [f"c{i}" for i in range(courses)]
    plan = plan_of([MEDIAN], "epsilon = 0.01", courses=named)
    catalogue = plan.public.catalogue.model_copy(update={"learners": 100 * courses})
    public = replace(plan.public, catalogue=catalogue)
    plan = make_aggregate_plan(plan.request, plan.terms, public)
    assert plan.queries[0].method == "noisy-max"
    needed = needed_budget(plan, "q0", 1.2)
    pinned = plan.request.release.queries[0].model_copy(update={"method": "noisy-max"})
    for micro, holds in [(needed, True), (needed - 1, False)]:
        query = replace(plan.terms.queries[0], query=pinned, micro=micro)
        terms = replace(plan.terms, queries=(query,))
        (error,) = expected_errors(make_aggregate_plan(plan.request, terms, public))
        assert (error.half_width <= 1.2) is holds


def test_selections_cost_time(monkeypatch):
    """Too many quantiles of cells by noisy-max are refused when planned, before they are charged.

    Four cells: of the named courses, and of all others.
    """
    monkeypatch.setattr(planning, "MOST_SELECTIONS", 8)
    query = f'{MEDIAN}\nmethod = "noisy-max"'
    courses = ["c0", "c1", "c2"]
    plan_of([query.replace("[0.5]", "[0.5, 0.9]")], "epsilon = 1", courses=courses)
    three = query.replace("[0.5]", "[0.1, 0.5, 0.9]")
    with pytest.raises(RequestError, match=r"12 quantiles of cells by noisy-max; ask for 8 at"):
        plan_of([three], "epsilon = 1", courses=courses)
    plan_of([three.replace("noisy-max", "histogram")], "epsilon = 1", courses=courses)
