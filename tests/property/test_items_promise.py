"""Course-set anonymity against a slow recount over sets and dicts."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.items import Incidence, LearnerValues, RowValues, anonymize_items
from anonymizer.models import EquivalenceClasses, MaximumShare
from tests.reference.items import farthest, groups, smallest_group, worst_share

VALUES = ("fail", "pass", "honours")
M = st.sampled_from([1, 2, 3, "full"])


@dataclass(frozen=True)
class Near:
    """t-closeness by half the L1 distance, in whole numbers."""

    column: str
    tenths: int

    def __call__(self, classes: EquivalenceClasses):
        held = classes.sensitive[self.column]
        ours, theirs = held.counts, held.reference[held.stratum]
        n, total = ours.sum(axis=1), theirs.sum(axis=1)
        gap = np.abs(ours * total[:, None] - theirs * n[:, None]).sum(axis=1)
        return 10 * gap <= 2 * self.tenths * n * total


values = st.sampled_from([*VALUES, None])


@st.composite
def worlds(draw):
    """Up to 30 learners of up to 3 classes with up to 5 items, a result in each, and an age."""
    learner = st.tuples(
        st.integers(0, 2),
        st.dictionaries(st.integers(0, 5), st.fixed_dictionaries({"result": values})),
        st.fixed_dictionaries({"age": values}),
    )
    drawn = draw(st.lists(learner, max_size=12))
    # Repeats make groups that hold.
    times = draw(st.lists(st.integers(1, 4), min_size=len(drawn), max_size=len(drawn)))
    return [one for one, n in zip(drawn, times, strict=True) for _ in range(n)]


def code(value):
    return -1 if value is None else VALUES.index(value)


def anonymized(world, *, m, k, models=(), closeness=()):
    """The kept rows and learners of a world."""
    length = [len(items) for _, items, _ in world]
    rows = [(item, row) for _, items, _ in world for item, row in sorted(items.items())]
    incidence = Incidence(
        offsets=np.cumsum([0, *length]).astype(np.int64),
        item=np.array([item for item, _ in rows], np.int32),
        classes=np.array([cls for cls, _, _ in world], np.int64),
    )
    results = np.array([code(row["result"]) for _, row in rows], np.int32)
    ages = np.array([code(own["age"]) for _, _, own in world], np.int32)
    return anonymize_items(
        incidence,
        m=m,
        k=k,
        models=models,
        closeness=closeness,
        learner_values={"age": LearnerValues(ages, VALUES)},
        row_values={"result": RowValues(results, VALUES)},
    )


def released(world, kept):
    """What is left of a world, learner by learner; None for one who left."""
    left, at = [], 0
    for who, (cls, items, own) in enumerate(world):
        shown = {}
        for item, row in sorted(items.items()):
            if kept.rows[at]:
                shown[item] = row
            at += 1
        left.append((cls, shown, own) if kept.learners[who] else None)
        assert kept.learners[who] or not shown
    return left


def present(left):
    return [learner for learner in left if learner is not None]


@settings(deadline=None, max_examples=100)
@given(worlds(), M, st.integers(1, 5))
def test_every_group_is_shared(world, m, k):
    """Every class with at most m items, or its exact set, keeps k learners or nobody."""
    left = present(released(world, anonymized(world, m=m, k=k)))
    assert smallest_group(left, m) is None or smallest_group(left, m) >= k


@settings(deadline=None, max_examples=100)
@given(worlds(), M, st.integers(1, 3), st.integers(1, 10), st.integers(0, 10))
def test_every_group_holds_its_models(world, m, k, tenths, near):
    """No value is above the share in a group, and none far from what is finally kept."""
    models = [MaximumShare("result", tenths / 10), MaximumShare("age", tenths / 10)]
    kept = anonymized(
        world,
        m=m,
        k=k,
        models=[*models, Near("age", near)],
        closeness=[Near("result", near)],
    )
    left = present(released(world, kept))
    assert smallest_group(left, m) is None or smallest_group(left, m) >= k
    for column in ("result", "age"):
        assert 10 * worst_share(left, m, column) <= tenths
        assert 10 * farthest(left, m, column) <= near


@settings(deadline=None, max_examples=100)
@given(worlds(), M, st.integers(1, 3), st.integers(5, 10))
def test_nothing_is_dropped_that_holds(world, m, k, tenths):
    """What holds already stays whole, and so does what was anonymized before."""
    share = MaximumShare("result", tenths / 10)
    near = Near("result", tenths)
    kept = anonymized(world, m=m, k=k, models=[share], closeness=[near])
    again = present(released(world, kept))
    repeat = anonymized(again, m=m, k=k, models=[share], closeness=[near])
    assert repeat.rows.all()
    assert repeat.learners.all()
    holds = all(len(members) >= k for members in groups(world, m).values())
    holds &= 10 * worst_share(world, m, "result") <= tenths
    holds &= 10 * farthest(world, m, "result") <= tenths
    if holds:
        assert kept.rows.all()
        assert kept.learners.all()


@settings(deadline=None, max_examples=100)
@given(worlds(), M, st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_order_of_learners_does_not_matter(world, m, k, shuffler):
    """Each learner's fate is the same wherever he stands."""
    order = list(range(len(world)))
    shuffler.shuffle(order)
    options = {"m": m, "k": k, "models": [MaximumShare("result", 0.7)]}
    here = released(world, anonymized(world, **options))
    moved = [world[i] for i in order]
    there = released(moved, anonymized(moved, **options))
    assert there == [here[i] for i in order]


@settings(deadline=None, max_examples=100)
@given(worlds(), M, st.integers(1, 4), st.randoms(use_true_random=False))
def test_outcomes_do_not_choose_who_is_dropped(world, m, k, shuffler):
    """Learners of one class and set who swap their results and ages keep the same items."""
    alike = {}
    for who, (cls, items, _) in enumerate(world):
        alike.setdefault((cls, frozenset(items)), []).append(who)
    swapped = list(world)
    for members in alike.values():
        others = members[:]
        shuffler.shuffle(others)
        for who, other in zip(members, others, strict=True):
            swapped[who] = world[other]
    options = {
        "m": m,
        "k": k,
        "models": [MaximumShare("result", 0.7)],
        "closeness": [Near("result", 5)],
    }

    def shape(left):
        return [None if one is None else (one[0], set(one[1])) for one in left]

    here, there = (released(w, anonymized(w, **options)) for w in (world, swapped))
    assert shape(here) == shape(there)


@settings(deadline=None, max_examples=100)
@given(worlds(), st.integers(1, 4), st.sampled_from([2, 3]))
def test_a_stronger_attacker_covers_a_weaker(world, k, m):
    """What is safe from m known items is safe from fewer; from exact sets, from any number."""
    for stronger in (m, "full"):
        left = present(released(world, anonymized(world, m=stronger, k=k)))
        for weaker in range(1, m + 1):
            found = smallest_group(left, weaker)
            assert found is None or found >= k


@pytest.mark.parametrize("m", [2, 3, "full"])
def test_a_long_list_of_items_is_cut_to_what_others_share(m):
    """One learner of twenty items in a class of four who share three keeps just those."""
    row = {"result": "pass"}
    common = dict.fromkeys((3, 7, 9), row)
    world = [(0, common, {"age": None})] * 4 + [(0, dict.fromkeys(range(20), row), {"age": None})]
    left = released(world, anonymized(world, m=m, k=5))
    assert all(set(items) == {3, 7, 9} for _, items, _ in left)


def learner(cls, items, result="pass"):
    return (cls, {item: {"result": result} for item in items}, {"age": None})


def sets(left):
    return [None if one is None else set(one[1]) for one in left]


def test_the_item_in_most_rare_sets_is_dropped():
    """Items 0 with 1 and 0 with 2 are rare, 1 with 2 is not: giving up 0 breaks up both."""
    world = [learner(0, items) for items in [(0, 1, 2), (1, 2), (1, 2), (0,), (0,)]]
    left = released(world, anonymized(world, m=2, k=2))
    assert sets(left) == [{1, 2}, {1, 2}, {1, 2}, {0}, {0}]


def test_a_rare_set_moves_to_where_it_reaches_k():
    """Without item 2 three learners have {1}; without item 1 only two would have {2}."""
    chosen = [(1, 2), (1,), (1,), (2,), (), (), ()]
    world = [learner(0, items) for items in chosen]
    left = released(world, anonymized(world, m="full", k=3))
    assert sets(left) == [{1}, {1}, {1}, set(), set(), set(), set()]


@pytest.mark.parametrize("m", [1, 2, 3, "full"])
def test_values_are_compared_with_those_of_their_own_item(m):
    """Everybody passes item 0 and nobody item 1: a group that does so too is no farther off."""
    both = {0: {"result": "pass"}, 1: {"result": "fail"}}
    world = [(cls, both, {"age": None}) for cls in (0, 1) for _ in range(5)]
    kept = anonymized(world, m=m, k=5, closeness=[Near("result", 0)])
    assert kept.rows.all()


@pytest.mark.parametrize("m", [1, 2, 3, "full"])
def test_groups_are_compared_with_what_is_finally_kept(m):
    """Class 1 is close to all rows (8/10, 40/62), but not once classes below k left (28/50)."""
    small = [learner(cls, [0]) for cls in (2, 3, 4) for _ in range(4)]
    middle = [learner(1, [0], "pass" if i < 8 else "fail") for i in range(10)]
    large = [learner(0, [0], "pass" if i < 20 else "fail") for i in range(40)]
    world = [*small, *middle, *large]
    left = released(world, anonymized(world, m=m, k=5, closeness=[Near("result", 2)]))
    assert sets(left) == [None] * 12 + [set()] * 10 + [{0}] * 40
