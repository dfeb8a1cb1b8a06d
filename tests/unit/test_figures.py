"""What the steward is told of a build, against figures worked out by hand."""

import json

import numpy as np
import polars as pl
import pytest

from pipelines.figures import bias_figures, risk_figures, utility_figures
from pipelines.microdata import anonymize
from pipelines.plan import make_plan
from pipelines.world import make_world
from schemas.declaration import parse_toml
from schemas.policy import Policy, authorize
from schemas.request import parse_request
from tests.unit.test_declaration import small_family
from tests.unit.test_policy import POLICY

REQUEST = """
title = "t"
researcher = "r@uni.example"
purpose = "research"
source = "s"
[release]
type = "microdata"
pseudonyms = "{scope}"
recoding = "{recoding}"
learners = {learners}
enrolments = {enrolments}
statistics = {statistics}
[release.privacy]
k = {k}
suppression_limit = 0.2
"""
OWN_POLICY = POLICY + "[k]\ncontrolled = 2\n"
PASSED = '[{ column = "final_result", values = ["Pass"], by = "gender" }]'
TAKEN = '["code_module", "final_result", "clicks"]'
P, F = "Pass", "Fail"


def plan_for(
    scope, k, *, learners='["gender"]', enrolments=TAKEN, statistics=PASSED, recoding="global"
):
    """A plan over the small family."""
    text = REQUEST.format(
        scope=scope,
        k=k,
        learners=learners,
        enrolments=enrolments,
        statistics=statistics,
        recoding=recoding,
    )
    request, family = parse_request(text, subject="request"), small_family()
    terms = authorize(request, parse_toml(Policy, OWN_POLICY, subject="policy"), family)
    return make_plan(request, terms, family, {})


def frames_of(people):
    """The views of people, each a gender and results by course."""
    enrolments = [
        (f"person-{i}", course, result, "below 1")
        for i, (_, taken) in enumerate(people)
        for course, result in taken.items()
    ]
    return {
        "learners": pl.DataFrame(
            [(f"person-{i}", gender) for i, (gender, _) in enumerate(people)],
            schema=["learner", "gender"],
            orient="row",
        ),
        "enrolments": pl.DataFrame(
            enrolments, schema=["learner", "code_module", "final_result", "clicks"], orient="row"
        ),
    }


def figures_of(plan, people, others=(), *, only=None):
    """Utility, risk and bias as they are read back from JSON; `others` are on the platform only."""

    def frames(of):
        return {name: frame for name, frame in frames_of(of).items() if name != only}

    extract = anonymize(frames(people), plan)
    platform = make_world(frames([*people, *others]), plan)
    figures = (
        utility_figures(extract, plan),
        risk_figures(extract, plan, platform, np.random.default_rng(1)),
        bias_figures(extract, plan),
    )
    text = json.dumps(figures, allow_nan=False)
    assert not [told for told in ("person-", "course", "below 1") if told in text]
    return json.loads(text)


# Four women and two men take x, a man alone takes y: he leaves, all others leave as they are.
SEVEN = [
    *[("F", {"course-x": P}), ("F", {"course-x": F})] * 2,
    ("M", {"course-x": P}),
    ("M", {"course-x": F}),
    ("M", {"course-y": P}),
]
NOT_PERMITTED = [
    *[("F", {"course-x": P})] * 4,
    *[("M", {"course-y": P})] * 2,
    ("(missing)", {"course-x": P}),
]


def test_utility_of_a_course_scope():
    """Of three leaves the kept six keep a third each, and one of seven learners has lost all."""
    utility, _, _ = figures_of(plan_for("course", 2), SEVEN)
    assert utility == {
        "loss": pytest.approx(
            1 / 7, abs=1e-9
        ),  # (6/3 + 1 - 7/3) / (7 - 7/3), and the mean over one column is itself
        "granularity": pytest.approx(6 / 7),
        "discernibility": 4**2 + 2**2 + 7,
        "average_class_size": pytest.approx(7 / 3),  # the left out are a class of their own
        "classes": 2,
        "class_floor": 2,
        "learners_before": 7,
        "learners_affected": 1,
        "rows_of_kept_learners": 6,
        "rows_left_out": 0,
    }


def test_risk_of_a_course_scope():
    """Classes of four and of two in x; eight and two on the platform fit them."""
    _, risk, _ = figures_of(plan_for("course", 2), SEVEN, NOT_PERMITTED)
    told = {"maximum": 1 / 2, "mean": pytest.approx(2 / 6), "marketer": pytest.approx(2 / 6)}
    assert risk["prosecutor_who_knows_one_item"] == {**told, "below_k": 0.0}
    # All clicks are alike; results are sensitive, and no knowledge of his.
    assert risk["prosecutor_who_also_knows_all_measures_of_an_item"] == {**told, "below_k": 0.0}
    assert risk["journalist"] == {"maximum": 1 / 2, "mean": (4 / 8 + 2 / 2) / 6}
    attack = risk["attack"]["knows_1"]
    # 4/7 of 1/4, 2/7 of 1/2, and nothing for him who left. By Hoeffding one seed in 10^13 is off.
    assert attack["mean_success"] == pytest.approx(2 / 7, abs=0.02)
    assert (attack["identified"]["share"], attack["identified"]["draws"]) == (0.0, 10_000)


def test_journalists_find_no_more_than_prosecutors_on_the_release_s_own_platform():
    """Where everybody on the platform is released in his class, both attackers do the same."""
    _, risk, _ = figures_of(plan_for("course", 2), SEVEN[:-1])
    prosecutor = risk["prosecutor_who_knows_one_item"]
    assert risk["journalist"] == {name: prosecutor[name] for name in ("maximum", "mean")}


def share(group, rows, before, after):
    """A share of passed before and after, whose value after is known."""
    change = pytest.approx((after - before) / before)
    return {
        "group": group,
        "rows_before": rows[0],
        "rows_after": rows[1],
        "before": pytest.approx(before),
        "low": pytest.approx(after),
        "high": pytest.approx(after),
        "change_low": change,
        "change_high": change,
    }


def test_bias_of_a_course_scope():
    """The man who left had passed; nothing changes for the women."""
    _, _, (statistic,) = figures_of(plan_for("course", 2), SEVEN)
    assert {name: statistic[name] for name in ("column", "values", "by")} == {
        "column": "final_result",
        "values": ["Pass"],
        "by": "gender",
    }
    assert statistic["found"] == [
        share(None, (7, 6), 4 / 7, 3 / 6),
        share("F", (4, 4), 2 / 4, 2 / 4),
        share("M", (3, 2), 2 / 3, 1 / 2),
    ]


# Three of each sex take x alone, three women x and y; one man's y would tell him.
NINE = [
    *[("F", {"course-x": result}) for result in (P, F, P)],
    ("F", {"course-x": P, "course-y": F}),
    ("F", {"course-x": F, "course-y": P}),
    ("F", {"course-x": F, "course-y": P}),
    ("M", {"course-x": P}),
    ("M", {"course-x": F}),
    ("M", {"course-x": P, "course-y": F}),
]


def test_a_release_scope():
    """A row is left out; the groups that the promise is about are classes and exact item sets."""
    utility, risk, (statistic,) = figures_of(plan_for("release", 3), NINE, [("M", {"course-x": P})])
    assert (utility["loss"], utility["granularity"]) == (0.0, 1.0)
    assert (utility["discernibility"], utility["average_class_size"]) == (6**2 + 3**2, 4.5)
    assert (utility["rows_of_kept_learners"], utility["rows_left_out"]) == (13, 1)
    assert utility["learners_affected"] == 0
    means = {name: told["mean"] for name, told in risk.items() if name.startswith("prosecutor")}
    assert means == {
        "prosecutor_who_knows_no_item": pytest.approx(2 / 9),
        "prosecutor_who_knows_the_exact_set": pytest.approx(3 / 9),
        "prosecutor_who_also_knows_all_measures_of_an_item": pytest.approx(3 / 12),
        # In x both results of either class; in y none is shown.
        "prosecutor_who_also_knows_the_sensitive_values": pytest.approx(5 / 12),
    }
    assert risk["journalist"] == {
        "maximum": 1 / 4,
        "mean": pytest.approx((6 / 6 + 3 / 4) / 9),
    }
    # In ninths: who takes x alone, both, x alone, and the man whose y was left out. By Hoeffding
    # one seed in 10^13 is further off.
    expected = {
        "knows_1": (3 / 6 + 3 * (1 / 6 + 1 / 3) / 2 + 2 / 3 + (1 / 3 + 0) / 2) / 9,
        "knows_2": (3 / 6 + 3 / 3 + 2 / 3 + 0) / 9,
        "knows_3": (3 / 6 + 3 / 3 + 2 / 3 + 0) / 9,
    }
    for known, mean in expected.items():
        assert risk["attack"][known]["mean_success"] == pytest.approx(mean, abs=0.02)
        assert risk["attack"][known]["identified"]["share"] == 0.0
        assert risk["unicity_by_items_alone"][known]["before"]["share"] == 0.0
        assert risk["unicity_by_items_alone"][known]["after"]["share"] == 0.0
    # Results of y are withheld, as one combination of them is rare: they may all have passed.
    everybody, *groups = statistic["found"]
    assert (everybody["rows_before"], everybody["rows_after"]) == (13, 12)
    bounds = (everybody["before"], everybody["low"], everybody["high"])
    assert bounds == pytest.approx((7 / 13, 5 / 12, 8 / 12))
    assert groups[1] == share("M", (4, 3), 2 / 4, 2 / 3)


@pytest.mark.parametrize("recoding", ["global", "local"])
def test_a_learner_table_alone(recoding):
    """Without items there is nothing to attack through them."""
    plan = plan_for("release", 2, enrolments="[]", statistics="[]", recoding=recoding)
    utility, risk, statistics = figures_of(plan, SEVEN)
    assert (utility["discernibility"], utility["rows_of_kept_learners"]) == (4**2 + 3**2, 0)
    assert set(risk) == {
        "prosecutor_who_knows_no_item",
        "prosecutor_who_also_knows_all_measures_of_an_item",
        "prosecutor_who_also_knows_the_sensitive_values",
        "journalist",
    }
    assert (risk["journalist"]["maximum"], statistics) == (pytest.approx(1 / 3), [])


def test_no_quasi_identifier():
    """Everybody in a course is one class."""
    statistics = '[{ column = "final_result", values = ["Pass"] }]'
    plan = plan_for("course", 2, learners="[]", statistics=statistics)
    utility, risk, (statistic,) = figures_of(plan, SEVEN, only="learners")
    assert (utility["loss"], utility["granularity"]) == (0.0, 1.0)
    assert risk["prosecutor_who_knows_one_item"]["maximum"] == pytest.approx(1 / 6)
    assert statistic["found"] == [share(None, (7, 6), 4 / 7, 3 / 6)]
