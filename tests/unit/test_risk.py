"""Risk figures on small tables, and against their definitions."""

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.errors import CoreError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram
from anonymizer.matching import Holders, ItemSets
from anonymizer.risk import (
    estimate,
    journalist_risk,
    prosecutor_risk,
    sampled_unicity,
    unicity,
)
from tests.reference import risk as reference
from tests.reference.utility import recodings

AGE = Hierarchy.from_rows(
    "age", [["18", "young"], ["25", "young"], ["40", "old"], ["70", "old"]], missing=False
)


def item_sets(sets):
    """Item sets of learners in order."""
    pairs = [(learner, item) for learner, own in enumerate(sets) for item in own]
    learner, item = np.array(pairs, np.int64).reshape(-1, 2).T
    return ItemSets.from_pairs(learner, item, learners=len(sets))


def test_prosecutor_by_hand():
    """Classes of 2, 3 and 5 learners, and one of nobody, at k = 3."""
    found = prosecutor_risk(np.array([2, 0, 3, 5]), k=3)
    assert asdict(found) == {"maximum": 0.5, "mean": 0.3, "marketer": 0.3, "below_k": 0.2}


def test_nobody_released_is_no_risk():
    """Neither prosecutor nor journalist has a target."""
    assert set(asdict(prosecutor_risk(np.array([], np.int64), k=5)).values()) == {0.0}
    one = np.array([1])
    histogram = Histogram(np.zeros((1, 1), np.int32), np.array([0]), one, one, {})
    nobody = Generalization(np.array([SUPPRESSED]), np.empty((0, 1), np.int64))
    assert set(asdict(journalist_risk(histogram, [AGE], nobody)).values()) == {0.0}


def test_journalist_counts_the_platform_and_overlapping_labels():
    """`25` is released as itself and under `young`; suppressed and other learners match too."""
    histogram = Histogram(
        codes=np.array([[0], [1], [2], [3]], np.int32),
        cell=np.zeros(4, np.int64),
        learners=np.array([1, 2, 0, 3]),
        population=np.array([4, 6, 5, 3]),
        sensitive={},
    )
    generalization = Generalization(
        class_of=np.array([0, 1, SUPPRESSED, 2]), levels=np.array([[1], [0], [1]])
    )
    found = journalist_risk(histogram, [AGE], generalization)
    # `young` matches 4 + 6, `25` matches 6, `old` matches 5 + 3.
    assert found.maximum == 1 / 6
    assert found.mean == pytest.approx((1 / 10 + 2 / 6 + 3 / 8) / 6)


def test_a_label_that_stands_at_several_levels_matches_once():
    """`none` is its own parent: released at level 1 it matches the three who have it."""
    hierarchy = Hierarchy.from_rows(
        "degree", [["none", "none"], ["BA", "some"], ["MA", "some"]], missing=False
    )
    two, three = np.array([2]), np.array([3])
    histogram = Histogram(np.zeros((1, 1), np.int32), np.array([0]), two, three, {})
    found = journalist_risk(histogram, [hierarchy], Generalization(np.array([0]), np.array([[1]])))
    assert (found.maximum, found.mean) == (1 / 3, 1 / 3)


@settings(deadline=None, max_examples=100)
@given(world=recodings())
def test_journalist_is_the_one_of_its_definition(world):
    """Every released learner, every platform learner, one by one."""
    found = journalist_risk(*world)
    maximum, mean = reference.journalist(*world)
    assert found.maximum == float(maximum)
    assert found.mean == pytest.approx(float(mean), rel=1e-12)


@pytest.mark.parametrize("m, expected", [(0, 0), (1, 1 / 3), (2, 2 / 3), (3, 2 / 3)])
def test_unicity_by_hand(m, expected):
    """Three learners of one class took 12, 13 and 1; a suppressed one is nobody.

    m = 1: each of two learners is unique by one of his two items. m = 2: the third is known by his
    one item, which all have.
    """
    group_of = np.array([0, 0, 0, -1])
    sets = item_sets([{1, 2}, {1, 3}, {1}, {2, 3}])
    assert unicity(group_of, sets, m=m) == pytest.approx(expected)


@settings(deadline=None, max_examples=100)
@given(
    rows=st.lists(st.tuples(st.integers(-1, 2), st.sets(st.integers(0, 5))), max_size=10),
    m=st.integers(0, 4),
)
def test_unicity_is_the_one_of_its_definition(rows, m):
    """Every subset, every learner."""
    groups, sets = [group for group, _ in rows], [own for _, own in rows]
    found = unicity(np.array(groups, np.int64), item_sets(sets), m=m)
    assert found == float(reference.unicity(groups, sets, m))


def test_sampled_unicity_estimates_the_exact_one():
    """20,000 draws lie within 5 standard errors of the exact value: false alarms 6e-7."""
    generator = np.random.default_rng(1)
    sets = item_sets([set(generator.choice(8, size, replace=False)) for size in [2, 3, 4] * 5])
    group_of = np.array([0, 0, 1] * 5)
    exact = unicity(group_of, sets, m=2)
    assert 0.1 < exact < 0.9
    found = sampled_unicity(group_of, sets, m=2, draws=20_000, generator=generator)
    assert abs(found.share - exact) < 5 * math.sqrt(exact * (1 - exact) / 20_000)
    assert found.draws == 20_000


def test_draws_are_uniform_over_subsets():
    """Of {0, 1, 2} each pair comes up in a third of 30,000 draws, within 5 sigma: 2e-6."""
    sets = item_sets([{7}, {0, 1, 2}])
    drawn = sets.draw(np.ones(30_000, np.int64), 2, np.random.default_rng(2))
    assert (drawn.sizes == 2).all()
    sums = drawn.item.reshape(-1, 2).sum(axis=1)  # 1, 2 or 3 tells the pair
    spread = math.sqrt(30_000 * (1 / 3) * (2 / 3))
    assert (np.abs(np.bincount(sums)[1:] - 10_000) < 5 * spread).all()


def test_fewer_items_are_known_in_full():
    """Two items of one who has one, of one who has none."""
    drawn = item_sets([{4}, set()]).draw(np.array([1, 0, 0]), 2, np.random.default_rng(3))
    assert drawn.sizes.tolist() == [0, 1, 1]
    assert drawn.item.tolist() == [4, 4]


@pytest.mark.parametrize(
    "successes, n, low, high",
    # Newcombe 1998, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_of_newcombe(successes, n, low, high):
    """The published intervals, to their four decimals; the mirror image is the mirror's."""
    found = estimate(np.arange(n) < successes)
    assert (found.share, found.draws) == (successes / n, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    mirror = estimate(np.arange(n) >= successes)
    assert (mirror.low, mirror.high) == (
        pytest.approx(1 - found.high, abs=1e-15),
        pytest.approx(1 - found.low, abs=1e-15),
    )


def test_nobody_holds_anything_in_a_group_without_learners():
    """A class may be released by its labels and empty all the same: its learners lost their items.

    Nor does anybody hold an item that is in no set.
    """
    holders = Holders(np.array([0, -1]), item_sets([{1}, {1}]))
    group = np.arange(1000)
    assert holders.count(group, group, item_sets([set()] * 1000)).tolist() == [1] + [0] * 999
    assert holders.count(group, group, item_sets([{1}] * 1000)).tolist() == [1] + [0] * 999
    assert holders.count(group, group, item_sets([{2}] * 1000)).tolist() == [0] * 1000


def test_bad_arguments_are_refused():
    """Each error names its parameter."""
    sets, group_of, generator = item_sets([{1}]), np.array([0]), np.random.default_rng(4)
    with pytest.raises(CoreError, match="k: "):
        prosecutor_risk(np.array([1]), k=0)
    with pytest.raises(CoreError, match="m: "):
        unicity(group_of, sets, m=-1)
    with pytest.raises(CoreError, match="items: "):
        unicity(np.array([0, 0]), sets, m=1)
    with pytest.raises(CoreError, match="draws: "):
        sampled_unicity(group_of, sets, m=1, draws=0, generator=generator)
    with pytest.raises(CoreError, match="draws: "):
        sampled_unicity(np.array([-1]), sets, m=1, draws=1, generator=generator)
    with pytest.raises(CoreError, match="pairs: "):
        ItemSets.from_pairs(np.array([1]), np.array([0]), learners=1)
    with pytest.raises(CoreError, match="out of range"):
        ItemSets(np.array([0, 2]), np.array([1]))
    with pytest.raises(CoreError, match="does not ascend"):
        ItemSets(np.array([0, 2]), np.array([1, 1]))
    one = np.array([1])
    histogram = Histogram(np.zeros((1, 1), np.int32), np.array([0]), one, one, {})
    kept = Generalization(np.array([0]), np.array([[0]]))
    with pytest.raises(CoreError, match="hierarchies: "):
        journalist_risk(histogram, [AGE, AGE], kept)
    with pytest.raises(CoreError, match="generalization: "):
        journalist_risk(histogram, [AGE], Generalization(np.array([0, 0]), np.array([[0]])))


def test_shares_are_python_numbers():
    """What goes to JSON is no numpy scalar."""
    found = [prosecutor_risk(np.array([2, 3]), k=3), estimate(np.array([True, False]))]
    assert {type(v) for result in found for v in asdict(result).values()} == {float, int}
