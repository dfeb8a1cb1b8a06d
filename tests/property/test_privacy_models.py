"""Every model against its slow twin, and what all of them have in common."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from anonymizer.hierarchy import Hierarchy
from anonymizer.models import (
    EquivalenceClasses,
    KAnonymity,
    KMap,
    MaximumShare,
    OneSidedShare,
    SensitiveValues,
)
from tests.reference import models as twin

VALUES = ("low", "middle", "high", "(missing)")
TREE = Hierarchy.from_rows(
    "grade", [("low", "bad", "known"), ("middle", "bad", "known"), ("high", "good", "known")],
    missing=True,
)  # fmt: skip
BOTH = ("bad", "good", "(missing)")

SHARES = st.sampled_from([0.29, 0.3, 0.3333333333333333, 0.5, 0.6, 0.8, 1.0])
ANY_VALUES = st.frozensets(st.sampled_from(VALUES), max_size=3)


def one_value(values=VALUES):
    """A learner with one value, or withheld."""
    return st.one_of(st.just(frozenset()), st.sampled_from(values).map(lambda v: frozenset([v])))


def classes_of(learner, *, most=6):
    """Up to four classes of up to six learners."""
    return st.lists(st.lists(learner, min_size=1, max_size=most), min_size=1, max_size=4)


def counted(classes, *, values=VALUES, population=None, strata=None):
    """Count classes of learners; each is compared with all learners of its stratum."""
    held = [twin.holders(members) for members in classes]
    table = [[h[value] for value in values] for h in held]
    counts = np.array(table, np.int64).reshape(len(classes), len(values))
    size = np.array([len(members) for members in classes], np.int64)
    shown = np.array([sum(map(bool, members)) for members in classes], np.int64)
    stratum = np.array(strata or [0] * len(classes), np.int64)
    reference = np.zeros((4, len(values)), np.int64)
    np.add.at(reference, stratum, counts)
    return EquivalenceClasses(
        size=size,
        population=size if population is None else np.array(population, np.int64),
        sensitive={"grade": SensitiveValues(counts, reference, stratum, values, shown)},
    )


@settings(deadline=None, max_examples=60)
@given(classes_of(ANY_VALUES), SHARES)
def test_shares_are_those_of_the_learners(classes, share):
    """Maximum and one-sided share, learners with several values and none included."""
    both, bad = MaximumShare("grade", share), OneSidedShare("grade", share, ("low", "absent"))
    counts = counted(classes)
    assert both(counts).tolist() == [twin.most_share(c, share) for c in classes]
    assert bad(counts).tolist() == [twin.most_share(c, share, ["low", "absent"]) for c in classes]


@settings(deadline=None, max_examples=60)
@given(classes_of(ANY_VALUES))
def test_the_worst_case_fills_the_class(classes):
    """The vector of the twin, which seats one learner after the other."""
    held = counted(classes)
    found = worst_case(held.sensitive["grade"].counts, held.sensitive["grade"].shown)
    for row, members in zip(found, classes, strict=True):
        expected = twin.filled(members)
        assert row.tolist() == expected + [0] * (len(VALUES) - len(expected))


DIVERSITIES = st.one_of(
    st.integers(1, 4).map(lambda n: (DistinctLDiversity("grade", n), twin.distinct, (n,))),
    st.sampled_from([1, 1.5, 2, 2.5, 3.0, 4]).map(
        lambda n: (EntropyLDiversity("grade", n), twin.entropy, (n,))
    ),
    st.tuples(st.sampled_from([0.1, 0.5, 1, 1.5, 3]), st.integers(1, 5)).map(
        lambda p: (RecursiveLDiversity("grade", *p), twin.recursive, p)
    ),
)


@settings(deadline=None, max_examples=100)
@given(classes_of(ANY_VALUES), DIVERSITIES)
def test_diversity_is_that_of_the_worst_case(classes, case):
    """Each form of l-diversity, of the vector that the twin fills."""
    model, holds, parameters = case
    expected = [holds(twin.filled(members), *parameters) for members in classes]
    assert model(counted(classes)).tolist() == expected


@settings(deadline=None, max_examples=60)
@given(
    classes_of(st.frozensets(st.sampled_from(VALUES), min_size=1, max_size=3), most=5), DIVERSITIES
)
def test_a_diverse_class_is_diverse_however_a_value_is_chosen(classes, case):
    """The worst case bounds every choice of one value for each learner."""
    model, holds, parameters = case
    for found, members in zip(model(counted(classes)), classes, strict=True):
        if found:
            assert all(holds(choice, *parameters) for choice in twin.choices(members))


@settings(deadline=None, max_examples=60)
@given(classes_of(one_value()), DIVERSITIES)
def test_with_one_value_per_learner_diversity_is_the_textbooks(classes, case):
    """Nothing is lost by the worst case where there is no choice."""
    model, holds, parameters = case
    expected = [holds(list(twin.holders(c).values()), *parameters) for c in classes]
    assert model(counted(classes)).tolist() == expected


THRESHOLDS = st.sampled_from([0, 0.1, 0.2, 0.25, 0.3333333333333333, 0.3333333333333334, 0.5, 1])


@settings(deadline=None, max_examples=60)
@given(classes_of(one_value()), THRESHOLDS, st.lists(st.integers(0, 1), min_size=4, max_size=4))
def test_closeness_is_the_cheapest_transport(classes, t, strata):
    """Equal, ordered and hierarchical distance, each class against its own stratum."""
    strata = strata[: len(classes)]
    found = counted(classes, strata=strata)
    for i, members in enumerate(classes):
        reference = [m for c, s in zip(classes, strata, strict=True) if s == strata[i] for m in c]
        for distance, apart in (
            (EqualDistance(), lambda a, b: int(a != b)),
            (OrderedDistance(), twin.ordered(VALUES, reference)),
            (HierarchicalDistance(TREE), twin.hierarchical(TREE)),
        ):
            holds = TCloseness("grade", t, distance)(found)[i]
            assert holds == twin.close(members, reference, t, apart)


@settings(deadline=None, max_examples=40)
@given(classes_of(one_value(BOTH)), THRESHOLDS)
def test_coarsened_values_keep_the_distance_of_their_tree(classes, t):
    """Inner labels lie as far apart as the level where they meet, not nearer."""
    found = TCloseness("grade", t, HierarchicalDistance(TREE))(counted(classes, values=BOTH))
    reference = [member for members in classes for member in members]
    expected = [twin.close(c, reference, t, twin.hierarchical(TREE)) for c in classes]
    assert found.tolist() == expected


MODELS = [
    KAnonymity(3),
    KMap(4),
    MaximumShare("grade", 0.6),
    OneSidedShare("grade", 0.4, ("low", "high")),
    DistinctLDiversity("grade", 2),
    EntropyLDiversity("grade", 1.9),
    RecursiveLDiversity("grade", 1.5, 2),
    TCloseness("grade", 0.3, EqualDistance()),
    TCloseness("grade", 0.2, OrderedDistance()),
    TCloseness("grade", 0.2, HierarchicalDistance(TREE)),
]


@settings(deadline=None, max_examples=60)
@given(classes_of(ANY_VALUES))
def test_merging_is_safe_where_learners_have_several_values(classes):
    """For shares, distinct and recursive diversity; of entropy it is not true."""
    merged = [[member for members in classes[:2] for member in members]]
    for model in (
        MaximumShare("grade", 0.6),
        OneSidedShare("grade", 0.4, ("low", "high")),
        DistinctLDiversity("grade", 2),
        RecursiveLDiversity("grade", 1.5, 2),
    ):
        if model(counted(classes))[:2].all():
            assert model(counted(merged)).all()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: repr(model)[:60])
class TestEveryModel:
    """The conformance suite: a model is a pure function from classes to booleans."""

    def test_no_classes(self, model):
        """No class gives no answer, of the right type."""
        found = model(counted([]))
        assert (found.shape, found.dtype) == ((0,), np.bool_)

    def test_a_class_that_shows_nothing(self, model):
        """Where every value is withheld, only the number of learners decides."""
        held = counted([[frozenset()] * 5, [frozenset(["low"])] * 2])
        assert model(held)[0]
        assert model(counted([[frozenset()] * 5], values=()))[0]

    @settings(deadline=None, max_examples=25)
    @given(classes_of(one_value()), st.randoms(use_true_random=False))
    def test_order_does_not_matter(self, model, classes, random):
        """Classes may be permuted; values too, where the distance does not order them."""
        found = model(counted(classes))
        assert (found.shape, found.dtype) == ((len(classes),), np.bool_)
        order = list(range(len(classes)))
        random.shuffle(order)
        assert model(counted([classes[i] for i in order])).tolist() == found[order].tolist()
        values = VALUES[::-1]
        if not isinstance(getattr(model, "distance", None), OrderedDistance):
            values = tuple(random.sample(VALUES, len(VALUES)))
        assert model(counted(classes, values=values)).tolist() == found.tolist()

    @settings(deadline=None, max_examples=40)
    @given(classes_of(one_value()))
    def test_two_good_classes_make_a_good_one(self, model, classes):
        """Merging is safe: the reference stays, the merged class lies between its parts."""
        found = model(counted(classes))
        if found.all():
            apart = counted(classes).sensitive["grade"].reference
            together = counted([[member for members in classes for member in members]])
            assert (together.sensitive["grade"].reference == apart).all()
            assert model(together).all()
        if found[:2].all():
            merged = [[m for members in classes[:2] for m in members], *classes[2:]]
            assert model(counted(merged))[0]

    def test_a_class_is_judged_alone(self, model):
        """In blocks of any size each class gets the answer that it gets alone."""
        rng = np.random.default_rng(5)
        counts = rng.integers(0, 4, (400_000, 4))
        size, stratum = counts.sum(axis=1), np.zeros(len(counts), np.int64)
        held = SensitiveValues(counts, counts.sum(axis=0)[None], stratum, VALUES)
        found = model(EquivalenceClasses(size, size + 1, {"grade": held}))
        some = np.array([0, 1, 262_143, 262_144, 399_999])
        held = SensitiveValues(counts[some], held.reference, stratum[some], VALUES)
        alone = model(EquivalenceClasses(size[some], size[some] + 1, {"grade": held}))
        assert found[some].tolist() == alone.tolist()
