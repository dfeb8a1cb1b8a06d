"""Whatever the rows, what leaves keeps the promise; or nothing leaves."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.hierarchy import Hierarchy
from pipelines.errors import PrivacyError
from pipelines.microdata import anonymize
from pipelines.plan import make_plan
from schemas.declaration import parse_toml
from schemas.policy import Policy, authorize
from schemas.request import parse_request
from tests.reference.promise import broken_shares, rarest_combination, smallest_class
from tests.unit.test_declaration import small_family
from tests.unit.test_policy import POLICY

AREAS = [("a1", "A", "*"), ("a2", "A", "*"), ("b1", "B", "*"), ("b2", "B", "*")]
CLICKS = ("below 1", "[1, 10)", "[10, 100)", "100 or more")
REQUEST = """
title = "t"
researcher = "r@uni.example"
purpose = "research"
source = "s"
[release]
type = "microdata"
pseudonyms = "{scope}"
learners = ["gender", "region"]
enrolments = ["code_module", "final_result", "clicks"]
[release.privacy]
k = {k}
suppression_limit = {limit}
maximum_share = {{ final_result = {share} }}
"""


def plan_for(scope: str, k: int, limit: float, share: float):
    """A plan over the small family, with a policy that allows small k."""
    text = REQUEST.format(scope=scope, k=k, limit=limit, share=share)
    request = parse_request(text, subject="request")
    policy = POLICY + "[k]\ncontrolled = 2\n[limits]\nsuppression = 0.99\nmaximum_share = 1.0\n"
    family = small_family()
    terms = authorize(request, parse_toml(Policy, policy, subject="policy"), family)
    return make_plan(request, terms, family, {"area.csv": AREAS})


enrolment = st.tuples(
    st.sampled_from(["x", "y", "z"]), st.sampled_from(["Pass", "Fail"]), st.sampled_from(CLICKS)
)
person = st.tuples(
    st.sampled_from(["F", "M", "(missing)"]),
    st.sampled_from(["a1", "a2", "b1", "b2", "(missing)"]),
    st.lists(enrolment, min_size=1, max_size=3, unique_by=lambda e: e[0]),
)


def frames_of(people):
    """The views of a list of people."""
    learners = pl.DataFrame(
        [(f"u{i}", sex, area) for i, (sex, area, _) in enumerate(people)],
        schema={"learner": pl.String, "gender": pl.String, "region": pl.String},
        orient="row",
    )
    enrolments = pl.DataFrame(
        [(f"u{i}", *e) for i, (_, _, taken) in enumerate(people) for e in taken],
        schema=dict.fromkeys(("learner", "code_module", "final_result", "clicks"), pl.String),
        orient="row",
    )
    return {"learners": learners, "enrolments": enrolments}


@pytest.mark.parametrize("scope", ["course", "release"])
@given(
    people=st.lists(person, min_size=1, max_size=30),
    k=st.integers(2, 4),
    limit=st.sampled_from([0.0, 0.2, 0.6]),
    share=st.sampled_from([0.6, 0.8, 1.0]),
)
@settings(deadline=None, max_examples=60)
def test_what_leaves_keeps_the_promise(scope, people, k, limit, share):
    """K on the join, combinations of measures and maximum share, recounted by the slow twin."""
    plan = plan_for(scope, k, limit, share)
    frames = frames_of(people)
    try:
        extract = anonymize(frames, plan)
    except PrivacyError:
        return
    where = {"scope": scope, "quasi": ("gender", "region"), "item": "code_module"}
    values = ("final_result", "clicks")
    assert smallest_class(extract.tables, **where) >= k
    enrolments = extract.tables["enrolments"]
    assert rarest_combination(enrolments, values=values, item="code_module") >= k
    assert not broken_shares(extract.tables, **where, shares={"final_result": share})
    assert extract.affected <= limit * len(people)
    for name, column, ladder in [
        ("enrolments" if scope == "course" else "learners", "gender", plan.quasi_identifiers[0]),
        ("enrolments", "clicks", plan.enrolment_ladders[1]),
    ]:
        assert_ancestors(extract.tables[name], frames, column, ladder)


def assert_ancestors(table: pl.DataFrame, frames, column: str, ladder: Hierarchy):
    """Every released value is an ancestor of the learner's own."""
    source = frames["learners" if column == "gender" else "enrolments"]
    on = ["learner", "code_module"] if column == "clicks" else ["learner"]
    both = table.join(source.select(*on, pl.col(column).alias("leaf")), on=on, how="left")
    for row in both.to_dicts():
        leaf = ladder.leaves.index(row["leaf"])
        assert row[column] in {ladder.label_of(level)[leaf] for level in range(ladder.height + 1)}


def test_a_class_of_exactly_k_leaves_and_one_of_fewer_does_not():
    """Five alike in a course leave; four alike do not."""
    alike = ("F", "a1", [("x", "Pass", "below 1")])
    others = ("F", "a1", [("x", "Fail", "below 1")])
    plan = plan_for("course", 5, 0.0, 1.0)
    assert anonymize(frames_of([alike] * 3 + [others] * 2), plan).tables["enrolments"].height == 5
    with pytest.raises(PrivacyError, match="no generalization"):
        anonymize(frames_of([alike] * 4), plan)
