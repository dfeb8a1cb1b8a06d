"""Whatever the rows, what leaves keeps the promise; or nothing leaves."""

# ruff: noqa: E501 - a column of a declaration is one line

from collections import Counter
from fractions import Fraction
from functools import partial
from math import prod

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from pipelines.errors import PrivacyError
from pipelines.frozen import Frozen, merged
from pipelines.groups import demand_countable
from pipelines.microdata import anonymize
from pipelines.plan import make_plan
from pipelines.world import make_world
from schemas.declaration import parse_toml
from schemas.policy import Policy, authorize
from schemas.request import parse_request
from tests.reference import models, promise
from tests.unit.test_declaration import FAMILY, small_family
from tests.unit.test_policy import POLICY

AREAS = [("a1", "A", "*"), ("a2", "A", "*"), ("b1", "B", "*"), ("b2", "B", "*")]
RESULTS = [("Top", "good", "*"), ("Pass", "good", "*"), ("Fail", "bad", "*"), ("Gone", "bad", "*")]
CLICKS = ("below 1", "[1, 10)", "[10, 100)", "100 or more")
OWN_FAMILY = (
    FAMILY.replace('values = ["Pass", "Fail"]', 'hierarchy = "result.csv"')
    + """
minutes = { role = "measure", table = "events", column = "n", aggregate = "sum", where = { kind = ["read"] }, microaggregate = { decimals = 1 }, description = "Minutes." }
posts = { role = "measure", table = "events", column = "n", aggregate = "sum", where = { kind = ["post"] }, microaggregate = { decimals = 0 }, description = "Posts." }
"""
)
OWN_POLICY = (
    POLICY
    + """
[k]
controlled = 2
[limits]
suppression = 0.99
item_suppression = 0.99
maximum_share = 0.99
t = 0.99
one_sided = { final_result = ["Fail"] }
"""
)
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
[release.privacy]
k = {k}
m = {m}
suppression_limit = {limit}
{bounds}
"""
ITEM = "code_module"
QUASI = ("gender", "region")


def plan_for(m, k, *, limit, item_limit=0.0, recoding="global", bounds="", means=False):
    """A plan over the small family, with a policy that allows small k."""
    course = m == 1
    if not course:
        bounds = f"item_suppression_limit = {item_limit}\n{bounds}"
    text = REQUEST.format(
        scope="course" if course else "release",
        recoding=recoding,
        learners=[*QUASI, *([] if course else ["motivation"])],
        enrolments=[ITEM, "final_result", "clicks", *(["minutes", "posts"] if means else [])],
        k=k,
        m=f'"{m}"' if m == "full" else m,
        limit=limit,
        bounds=bounds,
    )
    request = parse_request(text, subject="request")
    family = small_family(OWN_FAMILY)
    terms = authorize(request, parse_toml(Policy, OWN_POLICY, subject="policy"), family)
    return make_plan(request, terms, family, {"area.csv": AREAS, "result.csv": RESULTS})


number = st.one_of(st.none(), st.integers(0, 9).map(float))
result = st.sampled_from([leaf for leaf, *_ in RESULTS] + ["(missing)"])
motivation = st.sampled_from(["high", "low", "(missing)"])


@st.composite
def crowds(draw):
    """People who share quasi-identifiers and courses by groups: else nearly nobody could leave."""
    people = []
    for _ in range(draw(st.integers(1, 6))):
        gender = draw(st.sampled_from(["F", "M", "(missing)"]))
        region = draw(st.sampled_from(["a1", "a2", "b1", "b2", "(missing)"]))
        courses = draw(st.lists(st.sampled_from("xyz"), min_size=1, max_size=3, unique=True))
        clicks, minutes, posts = draw(st.tuples(st.sampled_from(CLICKS), number, number))
        for _ in range(draw(st.integers(1, 9))):
            taken = [
                (course, draw(result), draw(st.sampled_from([clicks, CLICKS[0]])), minutes, posts)
                for course in courses
            ]
            people.append((gender, region, draw(motivation), taken))
            minutes = draw(st.sampled_from([minutes, 1.0]))
    return people


def frames_of(people, *, means=False):
    """The views of a list of people."""
    learners = pl.DataFrame(
        [(f"u{i}", *mine) for i, (*mine, _) in enumerate(people)],
        schema=dict.fromkeys(("learner", *QUASI, "motivation"), pl.String),
        orient="row",
    )
    texts = dict.fromkeys(("learner", ITEM, "final_result", "clicks"), pl.String)
    enrolments = pl.DataFrame(
        [(f"u{i}", *e) for i, (*_, taken) in enumerate(people) for e in taken],
        schema={**texts, "minutes": pl.Float64, "posts": pl.Float64},
        orient="row",
    )
    return {
        "learners": learners,
        "enrolments": enrolments if means else enrolments.drop("minutes", "posts"),
    }


def in_every_choice(holds, members):
    """Whether the seats formula holds and, where they are few, each choice of one value a learner."""
    showing = [member for member in members if member]
    if not holds(models.filled(showing)):
        return False
    few = prod(map(len, showing)) <= 200
    return not few or all(map(holds, models.choices(showing)))


def near(column, t, distance, members, everybody):
    """Whether the values can be moved into everybody's at cost t."""
    if distance == "equal":
        apart = lambda a, b: Fraction(a != b)  # noqa: E731
    elif distance == "ordered":
        apart = models.ordered(ORDERS[column], everybody)
    else:
        apart = tree_distance
    return models.close(members, everybody, t, apart)


ORDERS = {
    # A label stands where its first leaf does.
    "final_result": ("Top", "good", "Pass", "Fail", "bad", "Gone", "(missing)"),
    "motivation": ("high", "low", "(missing)"),
}


def tree_distance(a, b):
    """0, half, or all the way: results meet at good and bad, or at the root."""
    above = {leaf: group for leaf, group, _ in RESULTS}
    if a == b:
        return Fraction(0)
    return Fraction(1, 2) if above.get(a, a) == above.get(b, b) else Fraction(1)


SHARE, L, T = "maximum_share = ", "l = ", "t = "
HOLDERS = {
    "share": (f"{SHARE}{{ final_result = 0.6 }}", partial(models.most_share, share=0.6)),
    "one-sided": (
        f'{SHARE}{{ final_result = {{ share = 0.4, values = ["Fail"] }} }}',
        partial(models.most_share, share=0.4, protected=("Fail", "bad")),
    ),
    "distinct": (
        f"{L}{{ final_result = 2 }}",
        partial(in_every_choice, lambda w: models.distinct(w, 2)),
    ),
    "entropy": (
        f"{L}{{ final_result = {{ entropy = 1.7 }} }}",
        partial(in_every_choice, lambda w: models.entropy(w, 1.7)),
    ),
    "recursive": (
        f"{L}{{ final_result = {{ recursive = {{ c = 2.5, l = 2 }} }} }}",
        partial(in_every_choice, lambda w: models.recursive(w, 2.5, 2)),
    ),
}
NEAR = {
    distance: (
        f'{T}{{ final_result = {{ t = 0.3, distance = "{distance}" }} }}',
        partial(near, "final_result", 0.3, distance),
    )
    for distance in ("equal", "ordered", "hierarchical")
}
BOUNDS = {None: "", **{name: text for name, (text, _) in {**HOLDERS, **NEAR}.items()}}
BOUNDS["of learners"] = f'{T}{{ motivation = {{ t = 0.3, distance = "ordered" }} }}'


def pseudonymous(tables, m):
    """Under course scope a learner of two items is two."""
    if m != 1:
        return tables
    own = pl.concat_str("learner", ITEM, separator="@").alias("learner")
    return {name: table.with_columns(own) for name, table in tables.items()}


def assert_groups(tables, m, k, bound):
    """Every group has k learners, and values as promised."""
    released = pseudonymous(tables, m)
    found = promise.groups(released, m=m, quasi=QUASI, item=ITEM)
    assert found
    assert min(len(members) for members, _ in found) >= k
    enrolments = released["enrolments"]
    # The policy's share holds wherever no other share and no l is asked; t comes on top of it.
    whole = partial(models.most_share, share=0.99)
    judge = HOLDERS[bound][1] if bound in HOLDERS else whole
    assert not promise.breaking(found, enrolments, "final_result", judge)
    if bound in NEAR:
        assert not promise.far(found, enrolments, "final_result", ITEM, NEAR[bound][1])
    if m == 1:
        return
    people = released["learners"]
    assert set(enrolments["learner"]) <= set(people["learner"])
    assert not promise.breaking(found, people, "motivation", whole)
    if bound == "of learners":
        close = partial(near, "motivation", 0.3, "ordered")
        assert not promise.far(found, people, "motivation", None, close)


def assert_combinations(tables, k, values):
    """Every combination of measures and values in an item, or of the learner table's."""
    assert promise.rarest_combination(tables["enrolments"], values=values, item=ITEM) >= k
    if "learners" in tables:
        assert promise.rarest_combination(tables["learners"], values=["motivation"], item="") >= k


def assert_labels(tables, frames, plan):
    """Every label is an ancestor of the learner's own; levels are those that an item may have."""
    ladders = [(ladder, "enrolments", ITEM) for ladder in plan.enrolment_ladders]
    if not plan.course_scope:
        ladders += [(ladder, "learners", None) for ladder in plan.learner_ladders]
    for ladder, name, item in ladders:
        levels = promise.levels_of(tables[name], frames[name], ladder, item)
        assert all(levels.values())
        shown = [found for found in levels.values() if found != {ladder.height}]
        if not plan.course_scope and ladder.name in plan.bounded and shown:
            assert set.intersection(*shown)
    people = tables["enrolments" if plan.course_scope else "learners"]
    for ladder in plan.quasi_identifiers:
        if plan.terms.recoding == "global":
            assert all(promise.levels_of(people, frames["learners"], ladder, None).values())
        leaves = dict(frames["learners"].select("learner", ladder.name).iter_rows())
        for learner, label in people.select("learner", ladder.name).iter_rows():
            leaf = ladder.leaves.index(leaves[learner])
            assert label in {ladder.label_of(level)[leaf] for level in range(ladder.height + 1)}


def assert_limits(tables, frames, plan):
    """No more was left out than asked."""
    everybody = set(frames["learners"]["learner"])
    limit = Fraction(str(plan.terms.suppression_limit)) * len(everybody)
    rows = Counter(frames["enrolments"]["learner"])
    left = Counter(tables["enrolments"]["learner"])
    if plan.course_scope:
        assert sum(left[learner] < rows[learner] for learner in everybody) <= limit
        return
    stays = set(tables["learners"]["learner"])
    assert len(everybody - stays) <= limit
    before, after = (sum(count[learner] for learner in stays) for count in (rows, left))
    assert before - after <= Fraction(str(plan.terms.item_suppression_limit)) * before


@pytest.mark.parametrize("bound", BOUNDS)
@given(
    people=crowds(),
    k=st.integers(2, 4),
    m=st.sampled_from([1, 2, 3, "full"]),
    recoding=st.sampled_from(["global", "local"]),
    limit=st.sampled_from([0.0, 0.4, 0.9]),
    item_limit=st.sampled_from([0.0, 0.5, 0.9]),
    means=st.booleans(),
)
@settings(deadline=None, max_examples=25)
def test_what_leaves_keeps_the_promise(bound, people, k, m, recoding, limit, item_limit, means):
    """Whatever is promised of groups, combinations, labels and limits, the slow twin recounts."""
    if bound == "of learners" and m == 1:
        m = 2
    plan = plan_for(
        m,
        k,
        limit=limit,
        item_limit=item_limit,
        recoding=recoding,
        bounds=BOUNDS[bound],
        means=means,
    )
    frames = frames_of(people, means=means)
    try:
        tables = anonymize(frames, plan).tables
    except PrivacyError:
        event("refused")
        return
    event(f"released, m={m}, {recoding}")
    assert_groups(tables, m, k, bound)
    values = ["final_result", "clicks", *(["minutes", "posts"] if means else [])]
    assert_combinations(tables, k, values)
    assert_labels(tables, frames, plan)
    assert_limits(tables, frames, plan)


def assert_no_finer(before, after, frames, plan):
    """Whoever was in the release before is labelled as then; by global recoding perhaps coarser."""
    name = "enrolments" if plan.course_scope else "learners"
    both = before[name].select("learner", *QUASI).unique()
    both = both.join(after[name].select("learner", *QUASI).unique(), on="learner", suffix="_after")
    leaves = dict.fromkeys(frames["learners"]["learner"])
    leaves |= {
        learner: own for learner, *own in frames["learners"].select("learner", *QUASI).rows()
    }
    for learner, *shown in both.iter_rows():
        for j, ladder in enumerate(plan.quasi_identifiers):
            leaf = ladder.leaves.index(leaves[learner][j])
            path = [ladder.label_of(level)[leaf] for level in range(ladder.height + 1)]
            old, new = shown[j], shown[len(QUASI) + j]
            assert old == new or (
                plan.terms.recoding == "global" and new in path[path.index(old) :]
            )


@given(
    people=crowds(),
    left=st.sets(st.integers(0, 20), max_size=5),
    held=st.sets(st.tuples(st.integers(0, 20), st.sampled_from("xyz")), max_size=5),
    k=st.integers(2, 4),
    m=st.sampled_from([1, 2, "full"]),
    recoding=st.sampled_from(["global", "local"]),
    more=crowds(),
)
@settings(deadline=None, max_examples=40)
def test_what_leaves_later_is_no_finer(people, left, held, k, m, recoding, more):
    """Some left, some are held and some have come: it keeps its promise, and moves nobody."""
    plan = plan_for(m, k, limit=0.9, item_limit=0.9, recoding=recoding)
    frames = frames_of(people + more)
    newcomers = {f"u{i}" for i in range(len(people), len(people + more))}
    gone = {f"u{i}" for i in left}

    def without(learners):
        return {
            name: frame.filter(~pl.col("learner").is_in(learners)) for name, frame in frames.items()
        }

    own = pl.DataFrame([(f"u{i}", item) for i, item in held], ["learner", ITEM], orient="row")
    own = own.cast(pl.String)
    own = own if plan.course_scope else own.select("learner").unique()
    remaining = without(gone)
    try:
        first = anonymize(without(newcomers), plan)
        frozen = Frozen.from_text(Frozen.of(first, plan).to_text())
        again = anonymize(remaining, plan, frozen=frozen, held=own)
    except PrivacyError:
        event("refused")
        return
    event(f"released, m={m}, {recoding}")
    assert_groups(again.tables, m, k, None)
    assert_combinations(again.tables, k, ["final_result", "clicks"])
    assert_labels(again.tables, remaining, plan)
    assert_limits(again.tables, remaining, plan)
    assert_no_finer(first.tables, again.tables, frames, plan)
    assert again.tables["enrolments"].join(own, on=own.columns).is_empty()
    fixed = merged([frozen, Frozen.of(again, plan)])
    rebuilt = Frozen.of(again, plan)
    assert merged([rebuilt, Frozen(fixed.levels)]).levels == rebuilt.levels
    for column, bins in rebuilt.values["enrolments"].items():
        highest = fixed.values["enrolments"][column].of_item
        assert all(highest[item] == own for item, own in bins.of_item.items())


def test_a_class_of_exactly_k_leaves_and_one_of_fewer_does_not():
    """Five alike in a course leave; four alike do not."""
    alike = ("F", "a1", "low", [("x", "Pass", "below 1", None, None)])
    others = ("F", "a1", "low", [("x", "Fail", "below 1", None, None)])
    plan = plan_for(1, 5, limit=0.0, bounds=f"{SHARE}{{ final_result = 0.6 }}")
    frames = frames_of([alike] * 3 + [others] * 2)
    assert anonymize(frames, plan).tables["enrolments"].height == 5
    with pytest.raises(PrivacyError, match="no generalization"):
        anonymize(frames_of([alike] * 4), plan)


def test_linked_items_show_a_bounded_column_at_one_level():
    """What is frequent in x at the finest level is told as coarsely as the few of y need it."""

    def taken(course, *results):
        return [("F", "a1", "low", [(course, r, CLICKS[0], None, None)]) for r in results]

    leaves = [leaf for leaf, *_ in RESULTS]
    people = [*taken("x", *leaves * 2), *taken("y", *leaves)]
    tables = anonymize(frames_of(people), plan_for("full", 2, limit=0.0)).tables
    shown = tables["enrolments"].group_by(ITEM).agg(pl.col("final_result").unique().sort())
    assert dict(shown.iter_rows()) == {"x": ["bad", "good"], "y": ["bad", "good"]}
    apart = anonymize(frames_of(people), plan_for(1, 2, limit=0.0)).tables["enrolments"]
    assert set(apart.filter(pl.col(ITEM) == "x")["final_result"]) == set(leaves)


@pytest.mark.parametrize("m", [2, 3])
def test_more_sets_than_can_be_recounted_are_refused_before_any_work(m):
    """A thousand items each: m = 2 has half a million sets a learner, m = 3 166 million."""
    courses = [(f"c{i}", "Pass", CLICKS[0], None, None) for i in range(1000)]
    frames = frames_of([("F", "a1", "low", courses)] * 2)
    plan = plan_for(m, 2, limit=0.0)
    if m == 2:
        assert demand_countable(make_world(frames, plan), plan) is None
        return
    with pytest.raises(PrivacyError, match="lower m"):
        anonymize(frames, plan)
