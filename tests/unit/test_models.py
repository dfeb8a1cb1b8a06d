"""Privacy models on classes small enough to check by hand."""

import math

import numpy as np
import pytest

from anonymizer.closeness import (
    EqualDistance,
    HierarchicalDistance,
    OrderedDistance,
    TCloseness,
)
from anonymizer.diversity import (
    DistinctLDiversity,
    EntropyLDiversity,
    RecursiveLDiversity,
    worst_case,
)
from anonymizer.errors import CoreError, HierarchyError
from anonymizer.hierarchy import Hierarchy
from anonymizer.models import (
    EquivalenceClasses,
    KAnonymity,
    KMap,
    MaximumShare,
    OneSidedShare,
    SensitiveValues,
    within_share,
)


def classes(size, result=None, reference=None, values=None):
    """Classes of these sizes; `result` holds a row of counts for each."""
    sizes = np.array(size, np.int64)
    counted = {} if result is None else {"result": held(result, reference, values)}
    return EquivalenceClasses(sizes, sizes, counted)


def held(counts, reference=None, values=None):
    """Counts of values `v0`, `v1`, ..., compared with their sums over all classes."""
    table = np.array(counts, np.int64)
    values = values or tuple(f"v{i}" for i in range(table.shape[1]))
    whole = table.sum(axis=0) if reference is None else np.array(reference, np.int64)
    return SensitiveValues(table, whole[None], np.zeros(len(table), np.int64), values)


def test_k_anonymity_counts_learners():
    """Four learners are too few for k = 5, five are enough."""
    assert KAnonymity(5)(classes([4, 5, 6])).tolist() == [False, True, True]


def test_maximum_share_admits_the_share_itself():
    """Of five learners four may have passed at 0.8, five may not."""
    found = MaximumShare("result", 0.8)(classes([5, 5, 5], [[4, 1], [5, 0], [0, 0]]))
    assert found.tolist() == [True, False, True]


def test_a_column_withheld_throughout_holds():
    """Without any value to count, no value is above the share."""
    counts = np.empty((2, 0), np.int64)
    found = MaximumShare("result", 0.5)(classes([5, 6], counts))
    assert found.tolist() == [True, True]


@pytest.mark.parametrize(
    "count, size, share, holds",
    [
        (29, 100, 0.29, True),  # 0.29 * 100 is 28.999999999999996
        (30, 100, 0.29, False),
        (57, 100, 0.57, True),  # 0.57 * 100 is 56.99999999999999
        (1, 3, 0.3333, False),  # a share is the decimal it is written as
        (1, 3, 0.3334, True),
        (10**9, 10**9, 0.3333333333333333, False),  # nor do its digits overflow
        (8, 10, 0.8, True),
        (7, 7, 1.0, True),
    ],
)
def test_shares_are_compared_in_whole_numbers(count, size, share, holds):
    """Floating point neither refuses what is exactly the share nor admits what is above it."""
    found = within_share(np.array([count]), np.array([size]), share)
    assert found.tolist() == [holds]


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    """A share is above 0 and at most 1."""
    with pytest.raises(CoreError, match="maximum share of result"):
        MaximumShare("result", share)


def test_k_below_one_is_refused():
    """No class of nobody is released."""
    with pytest.raises(CoreError, match="k: "):
        KAnonymity(0)
    with pytest.raises(CoreError, match="k of k-map: "):
        KMap(0)


def test_k_map_counts_the_population():
    """Two released learners hide among five of the platform."""
    two = np.array([2, 2], np.int64)
    assert KMap(5)(EquivalenceClasses(two, np.array([5, 4]), {})).tolist() == [True, False]


def test_a_one_sided_share_bounds_the_protected_values_only():
    """Nine of ten without a certificate is no secret, three of ten with one is above 0.2."""
    model = OneSidedShare("result", 0.2, ("v1", "v9"))
    assert model(classes([10, 10], [[9, 1], [7, 3]])).tolist() == [True, False]
    assert OneSidedShare("result", 0.2, ("v9",))(classes([10], [[9, 1]])).tolist() == [True]


@pytest.mark.parametrize("share, values", [(0, ("v0",)), (0.2, ()), (0.2, ("v0", "v0"))])
def test_a_one_sided_share_names_what_it_protects(share, values):
    """A share out of range, no value or one twice is refused."""
    with pytest.raises(CoreError, match="one-sided share of result"):
        OneSidedShare("result", share, values)


def test_the_worst_case_of_learners_with_several_values():
    """Three of five have both: all five may be counted for the first value."""
    counts, size = np.array([[4, 4, 0], [5, 3, 0], [1, 2, 3]]), np.array([5, 5, 6])
    assert worst_case(counts, size).tolist() == [[4, 1, 0], [5, 0, 0], [3, 2, 1]]


def test_distinct_diversity_counts_values():
    """Two values, one value, two that every learner has, and none shown."""
    counts = classes([5, 5, 5, 5], [[4, 1, 0], [5, 0, 0], [5, 5, 0], [0, 0, 0]])
    assert DistinctLDiversity("result", 2)(counts).tolist() == [True, False, False, True]
    assert DistinctLDiversity("result", 3)(counts).tolist() == [False, False, False, True]


def test_entropy_diversity_is_the_number_of_equally_frequent_values():
    """A uniform pair has exactly l = 2, a uniform triple l = 3, counts of 3 and 1 about 1.75."""
    counts = classes([4, 3, 4], [[2, 2, 0], [1, 1, 1], [3, 1, 0]])
    assert EntropyLDiversity("result", 2)(counts).tolist() == [True, True, False]
    assert EntropyLDiversity("result", 3)(counts).tolist() == [False, True, False]
    # H = log 4 - (3 log 3) / 4
    exactly = math.exp(math.log(4) - 0.75 * math.log(3))
    assert EntropyLDiversity("result", exactly)(counts).tolist() == [True, True, True]
    assert not EntropyLDiversity("result", exactly + 1e-6)(counts)[2]


def test_recursive_diversity_sums_from_the_lth_most_frequent():
    """Of 5, 3, 2: at l = 2 five is less than 1.1 of five but not than 1 of five."""
    counts = classes([10], [[2, 5, 3]])
    assert RecursiveLDiversity("result", 1.1, 2)(counts).tolist() == [True]
    assert RecursiveLDiversity("result", 1, 2)(counts).tolist() == [False]
    assert RecursiveLDiversity("result", 2.5, 3)(counts).tolist() == [False]
    assert RecursiveLDiversity("result", 2.6, 3)(counts).tolist() == [True]
    assert RecursiveLDiversity("result", 99, 4)(counts).tolist() == [False]


@pytest.mark.parametrize(
    "model, parameters",
    [
        (DistinctLDiversity, (0,)),
        (EntropyLDiversity, (0.9,)),
        (EntropyLDiversity, (math.inf,)),
        (EntropyLDiversity, (math.nan,)),
        (RecursiveLDiversity, (0, 2)),
        (RecursiveLDiversity, (math.inf, 2)),
        (RecursiveLDiversity, (1, 0)),
        (TCloseness, (-0.1, EqualDistance())),
        (TCloseness, (1.1, EqualDistance())),
        (TCloseness, (math.nan, EqualDistance())),
    ],
)
def test_parameters_out_of_range_are_refused(model, parameters):
    """The refusal names the parameter and the column."""
    with pytest.raises(CoreError, match="of result: a "):
        model("result", *parameters)


SALARY = tuple(f"{n}K" for n in range(3, 12))


@pytest.mark.parametrize(
    "members, distance",
    [
        # Li et al. 2007, section 4.1: {3k, 4k, 5k} of {3k, ..., 11k} is 0.375 away,
        # {6k, 8k, 11k} only 0.167.
        ((3, 4, 5), 0.375),
        ((6, 8, 11), 1 / 6),
    ],
)
def test_the_ordered_distance_of_the_paper(members, distance):
    """The two examples of the paper that l-diversity cannot tell apart."""
    counts = classes([3], [[int(n in members) for n in range(3, 12)]], [1] * 9, SALARY)
    for t, holds in ((distance + 1e-9, True), (distance - 1e-9, False)):
        assert TCloseness("result", t, OrderedDistance())(counts).tolist() == [holds]


def test_equal_distance_is_half_the_difference():
    """Four of five against half: 0.3 is exactly far enough, in whole numbers."""
    counts = classes([5], [[4, 1]], [5, 5])
    assert TCloseness("result", 0.3, EqualDistance())(counts).tolist() == [True]
    assert TCloseness("result", 0.2999999999, EqualDistance())(counts).tolist() == [False]


def test_a_value_that_nobody_has_makes_no_step():
    """`v1` does not occur: `v0` and `v2` are neighbours, one of two values apart."""
    counts = classes([2], [[2, 0, 0]], [2, 0, 2])
    assert TCloseness("result", 0.5, OrderedDistance())(counts).tolist() == [True]
    assert TCloseness("result", 0.4, OrderedDistance())(counts).tolist() == [False]


def test_one_value_throughout_is_close():
    """Without a second value there is nothing to be far from."""
    counts = classes([2], [[0, 2]], [0, 4])
    assert TCloseness("result", 0, OrderedDistance())(counts).tolist() == [True]


GRADES = Hierarchy.from_rows(
    "grade", [("A", "pass"), ("B", "pass"), ("C", "fail"), ("D", "fail")], missing=False
)


@pytest.mark.parametrize(
    "members, distance",
    [
        ([2, 0, 0, 0], 0.25 * 0.5 + 0.5),  # a quarter from B, a half from C and D
        ([1, 0, 1, 0], 0.25 * 0.5 * 2),  # from B to A, from D to C: half as far as the root
        ([1, 1, 0, 0], 0.5),
    ],
)
def test_the_hierarchical_distance_counts_levels(members, distance):
    """Against a uniform reference; siblings lie 1/2 apart, cousins 1."""
    counts = classes([2], [members], [1, 1, 1, 1], ("A", "B", "C", "D"))
    model = HierarchicalDistance(GRADES)
    assert TCloseness("result", distance, model)(counts).tolist() == [True]
    assert TCloseness("result", distance - 1e-9, model)(counts).tolist() == [False]


def test_labels_above_the_leaves_lie_as_far_apart_as_where_they_meet():
    """All passed, against one half: half a unit, as far as with leaves."""
    counts = classes([2], [[2, 0]], [2, 2], ("pass", "fail"))
    model = HierarchicalDistance(GRADES)
    assert TCloseness("result", 0.5, model)(counts).tolist() == [True]
    assert TCloseness("result", 0.49, model)(counts).tolist() == [False]


def test_a_value_outside_the_tree_or_the_reference_is_refused():
    """Neither is silently close; the value is not named."""
    with pytest.raises(HierarchyError, match="hierarchy grade") as refusal:
        TCloseness("result", 0.5, HierarchicalDistance(GRADES))(classes([1], [[1]]))
    assert "v0" not in str(refusal.value)
    with pytest.raises(CoreError, match="its reference lacks"):
        TCloseness("result", 0.5, EqualDistance())(classes([1], [[1, 0]], [0, 5]))


def test_large_counts_do_not_overflow():
    """A billion of four billion learners, with every digit of a third: exact all the same."""
    count = 10**9
    counts = classes([3 * count] * 2, [[2 * count, count], [2 * count + 1, count - 1]])
    third = classes([3 * count] * 2, counts.sensitive["result"].counts, [4 * count, 8 * count])
    for distance in (EqualDistance(), OrderedDistance()):
        found = TCloseness("result", 0.3333333333333334, distance)(third)
        assert found.tolist() == [True, False]
    tree = Hierarchy.flat("result", ["v0", "v1"], missing=False)
    found = TCloseness("result", 0.3333333333333334, HierarchicalDistance(tree))(third)
    assert found.tolist() == [True, False]
    assert RecursiveLDiversity("result", 2.000000000000001, 2)(counts).tolist() == [True, False]


def test_merging_may_spoil_entropy_where_learners_have_several_values():
    """The worst case of both together is no sum of theirs: why such classes are judged anew."""
    model = EntropyLDiversity("result", 1.7)
    apart, merged = [[6, 2, 6, 6], [1, 1, 11, 0]], [[7, 3, 17, 6]]
    assert model(classes([8, 13], apart)).tolist() == [True, True]
    assert model(classes([21], merged)).tolist() == [False]


def test_counts_must_fit_the_classes():
    """A sensitive column that was not counted, or counted for other classes, is an error."""
    with pytest.raises(CoreError, match="were not counted"):
        MaximumShare("result", 0.8)(classes([5]))
    with pytest.raises(CoreError, match="sensitive result"):
        classes([5, 5], [[4, 1]])
    with pytest.raises(CoreError, match="population"):
        EquivalenceClasses(np.array([5, 5]), np.array([5]), {})
    with pytest.raises(CoreError, match="one column of counts"):
        held([[4, 1]], [4, 1], ("v0",))
    with pytest.raises(CoreError, match="one stratum"):
        SensitiveValues(np.ones((2, 1)), np.ones((1, 1)), np.zeros(1), ("v0",))
