"""Groups, one-sided shares, l and t as the checker recomputes them, against the slow counter."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.verify.anonymity import k_of_items, k_of_join
from pipelines.verify.closeness import t_closeness
from pipelines.verify.diversity import l_diversity
from pipelines.verify.groups import groupings
from pipelines.verify.outcome import guarded
from pipelines.verify.package import Extract
from pipelines.verify.shares import maximum_share
from pipelines.verify.verification import verify_extract
from schemas.manifest import (
    Closeness,
    DistinctDiversity,
    EntropyDiversity,
    EqualDistance,
    HierarchicalDistance,
    OrderedDistance,
    RecursiveDiversity,
)
from tests.reference import recount
from tests.unit.test_verify_checks import extract, pseudonym, table

ENROLMENTS = ("learner", "item", "grade", "clicks")
ORDER = ("c", "a", "b", "A")
TREE = (("a", "A", "*"), ("b", "A", "*"), ("c", "c", "*"))
DIVERSITY = [
    (DistinctDiversity(2), lambda w: recount.distinct_holds(w, 2)),
    (EntropyDiversity(1.5), lambda w: recount.entropy_holds(w, 1.5)),
    (EntropyDiversity(2.0), lambda w: recount.entropy_holds(w, 2)),
    (RecursiveDiversity(1.5, 2), lambda w: recount.recursive_holds(w, 1.5, 2)),
    (RecursiveDiversity(4.0, 3), lambda w: recount.recursive_holds(w, 4.0, 3)),
]
DISTANCES = [
    (EqualDistance(), recount.equal_distance),
    (OrderedDistance(ORDER), recount.ordered_distance(ORDER)),
    (HierarchicalDistance(TREE), recount.hierarchical_distance(TREE)),
]


def checked(run, made, column="grade", **bounds):
    """The outcome of one check of a sensitive column under these bounds."""
    promised = Extract(dataclasses.replace(made.promise, **bounds), made.tables)
    return guarded(lambda: run(promised, lambda: groupings(promised), column))


asked = st.tuples(
    st.sampled_from([None, ("a", "c")]),
    st.sampled_from(DIVERSITY),
    st.sampled_from(DISTANCES),
    st.sampled_from([0.25, 0.3, 0.5]),
)


def assert_bounds_agree(made, groups, rows, item, bounds):
    """A share, an l and a t of the grades come out as in plain Python."""
    protected, (diverse, l_holds), (between, distance), t = bounds
    shown = recount.shown(rows, item, "grade")
    promise = {"maximum_share": {"grade": 0.5}}
    promise |= {"protected": {"grade": protected}} if protected else {}
    expected = recount.shares_hold(groups, shown, "learner", "grade", 0.5, protected)
    assert checked(maximum_share, made, **promise).ok == expected
    worst = recount.choices(groups, shown, "learner", "grade")
    found = checked(l_diversity, made, diversity={"grade": diverse})
    assert found.ok == all(l_holds(counts) for counts in worst)
    expected = not any(row["grade"] == "*" for row in shown)
    if expected:
        far = recount.distances_of(groups, shown, "learner", item, "grade", distance)
        expected = max(far, default=0) <= recount.Fraction(str(t))
    assert checked(t_closeness, made, closeness={"grade": Closeness(t, between)}).ok == expected


@st.composite
def graded(draw, item):
    """A grade, withheld where its item withholds all, and now and then elsewhere."""
    if item == draw(st.shared(st.sampled_from(["X", "Y", "", ""]), key="withheld")):
        return "*"
    return draw(
        st.sampled_from(draw(st.shared(st.sampled_from(["ab", "abc", "ab*", "cA"]), key="grades")))
    )


@st.composite
def release_rows(draw):
    """Rows of learners, with a grade of their own, and of what they took."""
    learners = [
        (pseudonym(who), draw(st.sampled_from("ab")), draw(graded("")))
        for who in range(draw(st.integers(1, 12)))
    ]
    enrolments = [
        (who, item, draw(graded(item)), "a")
        for who, *_ in learners
        for item in draw(st.sampled_from([[], ["X"], ["X", "Y"], ["X", "Y", "X,Y"]]))
    ]
    return learners, enrolments


@settings(max_examples=40, deadline=None)
@given(release_rows(), st.sampled_from([2, 3, "full"]), st.integers(1, 3), asked)
def test_release_scope_agrees_with_the_slow_counter(rows, m, k, bounds):
    """Group sizes and every bound, of grades in enrolments and of grades of learners."""
    people = table("learners", rows[0], ("learner", "qi", "grade"))
    taken = table("enrolments", rows[1], ENROLMENTS)
    learners, enrolments = recount.rows_of(people.frame), recount.rows_of(taken.frame)
    groups = recount.groups_of(learners, enrolments, "learner", ["qi"], "item", m)
    plain = table("learners", [row[:2] for row in rows[0]], ("learner", "qi"))
    made = extract("release", plain, taken, k=k, m=m)
    found = k_of_join(made, lambda: groupings(made))
    assert (found.ok, found.smallest) == (recount.smallest(groups) >= k, recount.smallest(groups))
    assert k_of_items(made, lambda: groupings(made)).ok == found.ok
    assert_bounds_agree(made, groups, enrolments, "item", bounds)
    bare = table("enrolments", [row[:2] for row in rows[1]], ("learner", "item"))
    assert_bounds_agree(extract("release", people, bare, k=k, m=m), groups, learners, None, bounds)


@st.composite
def course_rows(draw):
    """One row a (learner, item), with a pseudonym and a class of its own."""
    pairs = draw(
        st.lists(st.tuples(st.integers(0, 9), st.sampled_from("XY")), max_size=14, unique=True)
    )
    return [
        (pseudonym(*pair), pair[1], draw(st.sampled_from("ab")), draw(graded(pair[1])))
        for pair in pairs
    ]


@settings(max_examples=60, deadline=None)
@given(course_rows(), asked)
def test_course_scope_agrees_with_the_slow_counter(rows, bounds):
    """Every bound of a group of (class, item)."""
    made = extract("course", table("enrolments", rows, ("learner", "item", "qi", "grade")))
    slow = recount.rows_of(made.tables[0].frame)
    groups = recount.groups_of(slow, slow, "learner", ["qi"], "item", 1)
    assert_bounds_agree(made, groups, slow, "item", bounds)


def one_class(grades, others=()):
    """Item X: class `a` with these grades, class `b` with the others; one learner a grade."""
    rows = [(pseudonym(i, q), "X", q, g) for q, of in (("a", grades), ("b", others))
            for i, g in enumerate(of)]  # fmt: skip
    return extract("course", table("enrolments", rows, ("learner", "item", "qi", "grade")))


@pytest.mark.parametrize(
    ("bound", "grades", "ok"),
    [
        (DistinctDiversity(2), "aaab", True),
        (DistinctDiversity(3), "aaab", False),
        # ln 2 exactly: in floating point a uniform pair lies a hair below.
        (EntropyDiversity(2.0), "ababab", True),
        (EntropyDiversity(2.0), "ababa", False),
        (EntropyDiversity(3.0), "abc" * 7, True),
        # r1 < c r2 is strict: 3 < 3 does not hold, whatever 0.1 * 3 is in floating point.
        (RecursiveDiversity(3.0, 2), "aaab", False),
        (RecursiveDiversity(3.1, 2), "aaab", True),
        (RecursiveDiversity(0.1, 2), "a" * 3 + "b" * 3, False),
        # Descending counts: 3, 2, 1. Sorted the wrong way 1 < 1 * (2 + 3) would hold for l = 3.
        (RecursiveDiversity(1.0, 3), "aaabbc", False),
        (RecursiveDiversity(4.0, 3), "aaabbc", True),
        (RecursiveDiversity(100.0, 3), "aabb", False),
    ],
)
def test_l_at_its_borders(bound, grades, ok):
    """Each kind of l-diversity exactly where it begins to hold."""
    assert checked(l_diversity, one_class(grades), diversity={"grade": bound}).ok == ok


@pytest.mark.parametrize(
    ("distance", "grades", "others", "t"),
    [
        # 3/4 against 1/2, and 1/4 against 1/2: half of 1/4 + 1/4.
        (EqualDistance(), "aaab", "abbb", 0.25),
        # 3/10 and 1/10 against 2/10; 0.3 - 0.2 is less than 0.1 in floating point.
        (EqualDistance(), "aaabbbbbbb", "abbbbbbbbb", 0.1),
        # c < a < b: all of the class at one end, of two at each of three steps: (2/3 + 1/3) / 2.
        (OrderedDistance(ORDER), "cc", "aabb", 0.5),
        # A label of the order that nobody has makes no step.
        (OrderedDistance(("c", "z", "a")), "cc", "aa", 0.5),
        # a and b meet one level up of two: half of what a and c cost.
        (HierarchicalDistance(TREE), "aa", "bb", 0.25),
        (HierarchicalDistance(TREE), "aa", "cc", 0.5),
        # A value may be an inner label; it meets `c` at the root.
        (HierarchicalDistance(TREE), "AA", "cc", 0.5),
    ],
)
def test_t_at_its_borders(distance, grades, others, t):
    """Exactly t holds, and a hair less does not, as a decimal and not in floating point."""
    made = one_class(grades, others)
    for bound, ok in ((t, True), (t - 1e-12, False)):
        assert checked(t_closeness, made, closeness={"grade": Closeness(bound, distance)}).ok == ok


def test_a_single_value_is_close_to_itself():
    """Where everybody has one value nothing is learnt, in every distance."""
    for distance, _ in DISTANCES:
        bound = {"grade": Closeness(0.01, distance)}
        assert checked(t_closeness, one_class("aa", "a"), closeness=bound).ok


@pytest.mark.parametrize("distance", [OrderedDistance(("a",)), HierarchicalDistance(TREE)])
def test_a_value_outside_the_order_or_tree_fails(distance):
    """A distance that can't be told is no promise kept; the value is not repeated."""
    made = one_class("az", "az")
    made = Extract(
        dataclasses.replace(made.promise, closeness={"grade": Closeness(0.5, distance)}),
        made.tables,
    )
    found = {check.name: check for check in verify_extract(made).checks}["t-closeness:grade"]
    assert (found.ok, found.detail) == (False, "could not run: 1 value outside the order or tree")


def test_partly_withheld_values_have_no_distance():
    """A `*` among values could be any of them."""
    made = one_class("ab*", "ab")
    made = extract("course", *made.tables, closeness={"grade": Closeness(0.9, EqualDistance())})
    found = {check.name: check for check in verify_extract(made).checks}["t-closeness:grade"]
    assert not found.ok
    assert found.detail == "could not run: values are withheld in part of 1 item"


def test_partly_withheld_values_do_not_add_diversity():
    """Two who say `a` and one who withholds may all have `a`: one value, not two."""
    bound = {"grade": DistinctDiversity(2)}
    assert not checked(l_diversity, one_class("aa*", "ab"), diversity=bound).ok


def test_a_withheld_cell_may_be_the_protected_value():
    """Nobody shows `c`, but two of three withhold: they may all have it."""
    bounds = {"maximum_share": {"grade": 0.5}, "protected": {"grade": ("c",)}}
    assert not checked(maximum_share, one_class("a**", "ab"), **bounds).ok
    assert checked(maximum_share, one_class("aa*", "ab"), **bounds).ok


def test_a_learner_with_two_values_may_be_either():
    """Two learners, each with `a` and `b`: both may be counted for `a`, so one value remains."""
    people = table("learners", [(pseudonym(i), "a") for i in range(2)], ("learner", "qi"))
    rows = [(pseudonym(i), item, grade, "a") for i in range(2) for item, grade in ("Xa", "Yb")]
    made = extract("release", people, table("enrolments", rows, ENROLMENTS), m=2)
    assert not checked(l_diversity, made, diversity={"grade": DistinctDiversity(2)}).ok


def test_pairs_are_counted_for_m_2_and_triples_for_m_3():
    """Every pair of X, Y and "X,Y" is held by two learners, all three by one of them only."""
    people = table("learners", [(pseudonym(i), "a") for i in range(4)], ("learner", "qi"))
    sets = [["X", "Y", "X,Y"], ["X", "Y"], ["X", "X,Y"], ["Y", "X,Y"]]
    rows = [(pseudonym(i), item, "a", "a") for i, items in enumerate(sets) for item in items]
    taken = table("enrolments", rows, ENROLMENTS)
    smallest = {m: verify_extract(extract("release", people, taken, m=m)).k_found for m in (2, 3)}
    assert smallest == {2: 2, 3: 1}


def test_learners_without_enrolments_count_in_their_class_only():
    """Of a class of two, one took X: the class holds, the class with X does not."""
    people = table("learners", [(pseudonym(i), "a") for i in range(2)], ("learner", "qi"))
    taken = table("enrolments", [(pseudonym(0), "X", "a", "a")], ENROLMENTS)
    made = extract("release", people, taken, m=2)
    found = k_of_join(made, lambda: groupings(made))
    assert found.detail == "1 of 2 class and item subsets below 2 learners, smallest 1"


@pytest.mark.parametrize("m", [2, "full"])
def test_enrolments_of_nobody_fail(m):
    """Who took X stands in no learner table: what class he is in can't be told."""
    people = table("learners", [(pseudonym(i), "a") for i in range(2)], ("learner", "qi"))
    taken = table("enrolments", [(pseudonym(9), "X", "a", "a")], ENROLMENTS)
    made = extract("release", people, taken, m=m)
    found = k_of_join(made, lambda: groupings(made))
    assert not found.ok
    assert found.detail.startswith("1 enrolment row of learners who are in no learner table; 1 ")


@pytest.mark.parametrize("run", [l_diversity, t_closeness])
def test_a_bound_of_no_column_fails(run):
    """Nothing is promised of a column that is not there."""
    assert not checked(run, one_class("ab"), column="score").ok


def test_a_protected_value_that_the_column_never_has_fails():
    """A share of a value under another spelling would bound nothing."""
    made = one_class("ab", "ab")
    found = checked(maximum_share, made, maximum_share={"grade": 0.9}, protected={"grade": ("а",)})  # noqa: RUF001
    assert not found.ok
    assert "none of the column's" in found.detail


def test_more_item_subsets_than_can_be_counted_fail_the_check():
    """A forged table may give a few learners a thousand items each."""
    rows = [(pseudonym(i), str(item), "a", "a") for i in range(2) for item in range(1000)]
    made = extract(
        "release",
        table("learners", [(pseudonym(i), "a") for i in range(2)], ("learner", "qi")),
        table("enrolments", rows, ENROLMENTS),
        m=3,
    )
    found = guarded(lambda: k_of_join(made, lambda: groupings(made)))
    assert not found.ok
    assert "more than" in found.detail
