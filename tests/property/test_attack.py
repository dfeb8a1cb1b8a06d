"""The simulated attacks against brute force, and against the promise."""

from collections import Counter
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.attack import ReleasedRows, attack_course_rows, attack_learners
from anonymizer.errors import CoreError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram
from anonymizer.matching import ItemSets
from anonymizer.risk import draw_learners
from tests.reference import risk as reference
from tests.reference.utility import recodings

DRAWS = 15


def item_sets(sets):
    """Item sets of learners in order."""
    pairs = [(learner, item) for learner, own in enumerate(sets) for item in own]
    learner, item = np.array(pairs, np.int64).reshape(-1, 2).T
    return ItemSets.from_pairs(learner, item, learners=len(sets))


@st.composite
def releases(draw):
    """A recoding, its rows with a tuple each, original and released items; some rows left out."""
    world = draw(recodings().filter(lambda w: w[0].total > 0))
    histogram, _, generalization = world
    tuple_of = np.repeat(np.arange(len(histogram.learners)), histogram.learners)
    n = len(tuple_of)
    stays = draw(st.lists(st.sampled_from([True, True, False]), min_size=n, max_size=n))
    present = np.array(stays) & (generalization.class_of[tuple_of] != SUPPRESSED)
    sets = st.lists(st.sets(st.integers(0, 3)), min_size=n, max_size=n)
    original, lost = draw(sets), draw(sets)
    released = [
        own - gone if here else set()
        for own, gone, here in zip(original, lost, present, strict=True)
    ]
    return world, tuple_of, present, original, released


def by_hand(world, tuple_of, present, released, *, targets, known, cells):
    """Mean success and share identified of given targets."""
    found = [
        reference.attack(world, tuple_of, present, released, target=t, known=items, cells=cells)
        for t, items in zip(targets, known, strict=True)
    ]
    success, identified = zip(*found, strict=True)
    return float(sum(success) / len(success)), sum(identified) / len(identified)


@settings(deadline=None, max_examples=60)
@given(release=releases(), m=st.integers(0, 4), seed=st.integers(0, 2**32 - 1))
def test_the_attack_on_linked_items_is_that_of_brute_force(release, m, seed):
    """The same targets and known items, drawn by the same seed."""
    world, tuple_of, present, original, released = release
    found = attack_learners(
        ReleasedRows(*world, tuple_of, present),
        item_sets(original),
        item_sets(released),
        m=m,
        draws=DRAWS,
        generator=np.random.default_rng(seed),
    )
    generator = np.random.default_rng(seed)
    targets = draw_learners(np.arange(len(tuple_of)), DRAWS, generator)
    drawn = item_sets(original).draw(targets, m, generator)
    known = [set(part.tolist()) for part in np.split(drawn.item, drawn.offsets[1:-1])]
    for items, target in zip(known, targets, strict=True):
        assert items <= original[target]
        assert len(items) == min(m, len(original[target]))
    mean, identified = by_hand(
        world, tuple_of, present, released, targets=targets, known=known, cells=False
    )
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert found.identified.share == identified


@settings(deadline=None, max_examples=60)
@given(release=releases(), seed=st.integers(0, 2**32 - 1))
def test_the_attack_on_courses_is_that_of_brute_force(release, seed):
    """Learners of up to three rows; the item of the row that is sought is the cell."""
    world, tuple_of, present, _, _ = release
    learner = np.random.default_rng(seed).permutation(np.arange(len(tuple_of)) // 3)
    found = attack_course_rows(
        ReleasedRows(*world, tuple_of, present),
        learner,
        draws=DRAWS,
        generator=np.random.default_rng(seed),
    )
    generator = np.random.default_rng(seed)
    drawn = draw_learners(np.unique(learner), DRAWS, generator)
    rows = [np.flatnonzero(learner == who) for who in drawn]
    before = np.array([(learner < who).sum() for who in drawn])
    place = generator.integers(before, before + [len(own) for own in rows]) - before
    targets = [own[at] for own, at in zip(rows, place, strict=True)]
    mean, identified = by_hand(
        world, tuple_of, present, None, targets=targets, known=[set()] * DRAWS, cells=True
    )
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert found.identified.share == identified


def withdraw(present, groups_of, k):
    """Rows that stay when everybody in a group of fewer than k leaves, until nobody must."""
    present = present.copy()
    while True:
        groups = [groups_of(row) for row in range(len(present))]
        counts = Counter(group for row in np.flatnonzero(present) for group in groups[row])
        leave = [r for r in np.flatnonzero(present) if any(counts[g] < k for g in groups[r])]
        if not leave:
            return present
        present[leave] = False


@settings(deadline=None, max_examples=60)
@given(release=releases(), m=st.integers(1, 3), k=st.integers(2, 3), seed=st.integers(0, 2**32 - 1))
def test_nobody_is_identified_where_the_promise_holds(release, m, k, seed):
    """Every (labels, at most m items) is shared by k: no success above 1/k, nobody identified."""
    world, tuple_of, present, original, released = release

    def groups(row):
        labels, _ = reference.labels_of(*world, tuple_of[row]) or (None, None)
        own = sorted(released[row])
        return [(labels, s) for size in range(m + 1) for s in combinations(own, size)]

    present = withdraw(present, groups, k)
    released = [own if here else set() for own, here in zip(released, present, strict=True)]
    found = attack_learners(
        ReleasedRows(*world, tuple_of, present),
        item_sets(original),
        item_sets(released),
        m=m,
        draws=DRAWS,
        generator=np.random.default_rng(seed),
    )
    assert found.identified.share == 0
    assert found.mean <= 1 / k + 1e-12


@settings(deadline=None, max_examples=60)
@given(release=releases(), k=st.integers(2, 3), seed=st.integers(0, 2**32 - 1))
def test_nobody_is_identified_in_a_course_where_the_promise_holds(release, k, seed):
    """Every (labels, course) is shared by k rows."""
    world, tuple_of, present, _, _ = release
    present = withdraw(present, lambda row: [reference.labels_of(*world, tuple_of[row])], k)
    found = attack_course_rows(
        ReleasedRows(*world, tuple_of, present),
        np.arange(len(tuple_of)),
        draws=DRAWS,
        generator=np.random.default_rng(seed),
    )
    assert found.identified.share == 0
    assert found.mean <= 1 / k + 1e-12


AGE = Hierarchy.from_rows("age", [["18", "young"], ["25", "young"], ["40", "old"]], missing=False)


def small_release(present):
    """Two learners of 18, one of 25, one of 40; the young are one class, the old another."""
    learners = np.array([2, 1, 1])
    histogram = Histogram(
        np.array([[0], [1], [2]], np.int32), np.zeros(3, np.int64), learners, learners, {}
    )
    generalization = Generalization(np.array([0, 0, 1]), np.array([[1], [1]]))
    return ReleasedRows(histogram, [AGE], generalization, np.array([0, 0, 1, 2]), present)


def test_success_by_hand():
    """Exact: three of the young took 0, the old one's item was left out.

    Each of the young hides among three; the old one has lost the item by which he is sought.
    """
    found = attack_learners(
        small_release(np.array([True] * 4)),
        item_sets([{0}, {0}, {0}, {1}]),
        item_sets([{0}, {0}, {0}, set()]),
        m=1,
        draws=20_000,
        generator=np.random.default_rng(0),
    )
    # 3/4 * 1/3; the standard error of the mean is sqrt(3/16) / 3 / sqrt(20000) = 0.00102.
    # False alarms at five of them: 6e-7.
    assert abs(found.mean - 1 / 4) < 0.0052
    assert found.identified.share == 0
    assert {type(v) for v in asdict(found.identified).values()} == {float, int}
    assert type(found.mean) is float


def test_items_alone_identify_where_nothing_else_is_released():
    """No quasi-identifiers: of four learners two share both courses, the other two are unique."""
    four = np.array([4])
    histogram = Histogram(np.empty((1, 0), np.int32), np.array([0]), four, four, {})
    everybody = Generalization(np.array([0]), np.empty((1, 0), np.int64))
    sets = item_sets([{0, 1}, {0, 1}, {1, 2}, {0, 3}])
    found = attack_learners(
        ReleasedRows(histogram, [], everybody, np.zeros(4, np.int64), np.array([True] * 4)),
        sets,
        sets,
        m=2,
        draws=20_000,
        generator=np.random.default_rng(0),
    )
    # The standard error of a share of 1/2 is 0.0035: false alarms at five of them 6e-7.
    assert abs(found.identified.share - 1 / 2) < 0.018
    assert found.mean == pytest.approx((1 + found.identified.share) / 2)


def test_bad_arguments_are_refused():
    """Each error names its parameter."""
    rows, sets = small_release(np.array([True] * 4)), item_sets([{0}] * 4)
    generator = np.random.default_rng(0)
    with pytest.raises(CoreError, match="m: "):
        attack_learners(rows, sets, sets, m=-1, draws=1, generator=generator)
    with pytest.raises(CoreError, match="original: "):
        attack_learners(rows, item_sets([]), sets, m=1, draws=1, generator=generator)
    with pytest.raises(CoreError, match="items: "):
        attack_learners(rows, sets, item_sets([]), m=1, draws=1, generator=generator)
    with pytest.raises(CoreError, match="learner: "):
        attack_course_rows(rows, np.array([0]), draws=1, generator=generator)
    with pytest.raises(CoreError, match="draws: "):
        attack_course_rows(rows, np.arange(4), draws=0, generator=generator)
    with pytest.raises(CoreError, match="tuple_of: "):
        small_release(np.array([True]))
    kept = rows.generalization
    gone = Generalization(np.array([SUPPRESSED, 0, 1]), kept.levels)
    with pytest.raises(CoreError, match="present: "):
        ReleasedRows(rows.histogram, [AGE], gone, rows.tuple_of, rows.present)
