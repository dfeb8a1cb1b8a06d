"""Learners and rows against the distribution that they are drawn from."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, kstest

from synth import twin_items, twin_sampling
from synth.factors import Factor, by_lot, even_lots, ranked
from synth.twin_items import chosen_items, inclusion
from synth.twin_sampling import sampled
from synth.workload import TwinShape
from tests.reference.joint import joint, margin

SHAPE = TwinShape(
    {"sex": 2, "age": 3},
    {"clicks": 2, "item": 4, "result": 3},
    item="item",
    number="n",
    most_rows=3,
)
PAIRS = [
    ("item", "clicks"),
    ("item", "result"),
    ("clicks", "result"),
    ("item", "n"),
    ("sex", "item"),
    ("age", "clicks"),
    ("sex", "age"),
]
LEARNERS = 20_000
ALARM = 1e-6
"""Probability, at most, that a test fails although what it tests is right."""


def tables(pairs, sizes, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    return [
        Factor(pair, rng.normal(0, spread, [sizes[column] for column in pair])) for pair in pairs
    ]


FACTORS = tables(PAIRS, SHAPE.sizes)
SHARES = joint(FACTORS, SHAPE.sizes)


@pytest.fixture(scope="module")
def twin():
    return sampled(FACTORS, SHAPE, np.random.default_rng(7), LEARNERS)


def counted(codes, sizes, columns):
    shape = [sizes[column] for column in columns]
    places = np.ravel_multi_index([codes[column] for column in columns], shape)
    return np.bincount(places, minlength=np.prod(shape)).reshape(shape)


def improbable(found, expected, fixed=1):
    """Whether chi-square is beyond what it exceeds with probability `ALARM`.

    Of independent draws: even lots stray less, so the probability is less too. Cells of which fewer
    than 5 are expected are put together.
    """
    found, expected = np.asarray(found, float).ravel(), np.asarray(expected, float).ravel()
    small = expected < 5
    if small.any():
        found = np.append(found[~small], found[small].sum())
        expected = np.append(expected[~small], expected[small].sum())
    value = ((found - expected) ** 2 / np.maximum(expected, 1e-12)).sum()
    return value > chi2.isf(ALARM, max(len(found) - fixed, 1))


def of_learners(twin):
    return {**twin.learners, "n": np.bincount(twin.owner, minlength=twin.size) - 1}


def expected_rows(shares=SHARES):
    """Expected rows by own columns, number, item, and the others, from the joint distribution."""
    table = margin(shares, SHAPE.sizes, ("sex", "age", "n", "item", "clicks", "result"))
    expected = np.zeros_like(table)
    for kind in product(range(2), range(3), range(3)):
        of_kind = table[kind].sum()
        items = table[kind].sum(axis=(1, 2))
        chances = inclusion((items / of_kind)[None], np.array([kind[2] + 1]))[0]
        for item in range(4):
            expected[(*kind, item)] = of_kind * chances[item] * table[(*kind, item)] / items[item]
    return expected * LEARNERS


def test_learners_and_numbers_are_of_the_model(twin):
    """Chi-square on all 18 combinations; false alarm 1e-6 at most."""
    columns = ("sex", "age", "n")
    expected = LEARNERS * margin(SHARES, SHAPE.sizes, columns)
    assert not improbable(counted(of_learners(twin), SHAPE.sizes, columns), expected)


def test_rows_are_of_the_model_given_their_learner(twin):
    """Of all combinations of a learner and a row, by numbers of rows; false alarms 3e-6 at most."""
    learners = {column: codes[twin.owner] for column, codes in of_learners(twin).items()}
    columns = ("sex", "age", "n", "item", "clicks", "result")
    found = counted({**learners, **twin.rows}, SHAPE.sizes, columns)
    expected = expected_rows()
    for number in range(3):
        # Items of a learner are fewer than independent draws could be: chi-square is less.
        assert not improbable(found[:, :, number], expected[:, :, number], fixed=0)


def test_the_check_finds_rows_of_another_model(twin):
    """The same check, on a model whose tables of the learner and his rows differ a little."""
    other = [
        Factor(f.columns, f.logs + 0.3 * np.eye(3, 2)) if f.columns == ("age", "clicks") else f
        for f in FACTORS
    ]
    learners = {column: codes[twin.owner] for column, codes in of_learners(twin).items()}
    columns = ("sex", "age", "n", "item", "clicks", "result")
    found = counted({**learners, **twin.rows}, SHAPE.sizes, columns)[:, :, 0]
    assert improbable(found, expected_rows(joint(other, SHAPE.sizes))[:, :, 0], fixed=0)


def test_no_item_twice(twin):
    """And rows stand by learner, then item."""
    pairs = twin.owner * 4 + twin.rows["item"]
    assert (np.diff(pairs) > 0).all()


def test_learners_in_parts_are_of_the_model_too(monkeypatch):
    """Few kinds and few learners at once: the same checks; false alarms 4e-6 at most."""
    monkeypatch.setattr(twin_sampling, "_AT_ONCE", 50)
    monkeypatch.setattr(twin_items, "_AT_ONCE", 999)
    twin = sampled(FACTORS, SHAPE, np.random.default_rng(8), LEARNERS)
    test_learners_and_numbers_are_of_the_model(twin)
    test_rows_are_of_the_model_given_their_learner(twin)
    test_no_item_twice(twin)


def test_columns_that_are_independent_stay_so():
    """Ten columns in no table together, all 45 pairs and 120 triples, learners and rows.

    Each against the product of its shares: 165 chi-squares, false alarm 1e-6 each, so 2e-4 at
    most; and no pair correlates by more than 5.2 / sqrt(learners), for which it is 1e-5.
    """
    shape = TwinShape(
        {f"o{n}": 2 + n % 3 for n in range(5)}, {f"c{n}": 2 + n % 3 for n in range(5)}, number="n"
    )
    alone = tables([(column,) for column in shape.sizes], shape.sizes, spread=0.5)
    twin = sampled(alone, shape, np.random.default_rng(1), LEARNERS)
    codes = {**{c: v[twin.owner] for c, v in twin.learners.items()}, **twin.rows}
    shares = {f.columns[0]: np.exp(f.logs) / np.exp(f.logs).sum() for f in alone}
    for size in (2, 3):
        for columns in combinations(codes, size):
            expected = np.full((), float(LEARNERS))
            for column in columns:
                expected = np.multiply.outer(expected, shares[column])
            assert not improbable(counted(codes, shape.sizes, columns), expected), columns
    correlation = np.corrcoef(np.array(list(codes.values())))
    assert np.abs(correlation - np.eye(10)).max() < 5.2 / LEARNERS**0.5


def test_shapes_of_one_table():
    """Learners alone have no rows; rows alone still have owners; rows without item may repeat."""
    alone = TwinShape({"a": 3}, {})
    twin = sampled(tables([("a",)], alone.sizes), alone, np.random.default_rng(0), 50)
    assert (twin.rows, len(twin.owner), len(twin.learners["a"])) == ({}, 0, 50)
    rows = TwinShape({}, {"b": 2, "c": 2}, number="n", most_rows=4)
    twin = sampled(tables([("b", "n")], rows.sizes), rows, np.random.default_rng(0), 50)
    assert twin.learners == {}
    assert twin.owner.tolist() == sorted(twin.owner.tolist())
    numbers = np.bincount(twin.owner, minlength=50)
    assert {1, 4} <= set(numbers.tolist()) <= {1, 2, 3, 4}
    repeated = np.stack([twin.owner, twin.rows["b"], twin.rows["c"]])
    assert np.unique(repeated, axis=1).shape[1] < len(twin.owner)


def test_columns_that_hang_on_the_learner_beside_the_anchors():
    """Own columns with three of a row's: still of the model; false alarm 1e-6 at most."""
    shape = TwinShape({"a": 3}, {"b": 2, "c": 3, "d": 2}, number="n")
    pairs = [("a", "b"), ("a", "c"), ("a", "d"), ("c", "d")]
    factors = tables(pairs, shape.sizes, seed=4)
    twin = sampled(factors, shape, np.random.default_rng(2), LEARNERS)
    columns = ("a", "b", "c", "d")
    expected = LEARNERS * margin(joint(factors, shape.sizes), shape.sizes, columns)
    codes = {"a": twin.learners["a"][twin.owner], **twin.rows}
    assert not improbable(counted(codes, shape.sizes, columns), expected)


def test_as_many_rows_as_items():
    """Each has every item, although the model knows of one alone."""
    shape = TwinShape({}, {"item": 3}, item="item", number="n", most_rows=3)
    factors = [
        Factor(("n",), np.array([-800.0, -800.0, 0.0])),
        Factor(("item",), np.array([0.0, -800.0, -800.0])),
    ]
    twin = sampled(factors, shape, np.random.default_rng(0), 5)
    assert twin.rows["item"].tolist() == [0, 1, 2] * 5


SHARES_OF_ITEMS = st.integers(1, 6).flatmap(
    lambda size: st.tuples(
        st.lists(st.sampled_from([0.0, 1e-300, 1e-9, 0.1, 0.5, 1.0]), min_size=size, max_size=size),
        st.integers(1, size),
    )
)


@settings(deadline=None, max_examples=300)
@given(SHARES_OF_ITEMS.filter(lambda drawn: max(drawn[0]) > 0))
def test_chances_of_items(drawn):
    """They sum to the number, none exceeds 1, and those below 1 are as the shares."""
    shares, number = drawn
    [chances] = inclusion(np.array([shares]), np.array([number]))
    assert chances.sum() == pytest.approx(number)
    assert chances.min() >= 0
    assert chances.max() <= 1
    below = [(s, c) for s, c in zip(shares, chances, strict=True) if c < 1]
    for (s, c), (t, d) in combinations(below, 2):
        assert s * d == pytest.approx(t * c, abs=1e-9)


@pytest.mark.parametrize("shares", [[0.4, 0.3, 0.2, 0.06, 0.04], [0.96, 0.01, 0.01, 0.01, 0.01]])
def test_items_come_by_their_chances(shares):
    """Two or three of five, of 20,000 learners with lots of their own.

    Each item's count within 5.5 standard deviations: of 20 false alarms each is below 4e-8.
    """
    rng = np.random.default_rng(3)
    numbers = np.array([2, 3])
    chances = inclusion(np.array([shares] * 2), numbers)
    kind = np.repeat([0, 1], LEARNERS)
    items, owners = chosen_items(chances, numbers, kind, rng.random(2 * LEARNERS), rng)
    assert (np.bincount(owners) == numbers[kind]).all()
    assert len(np.unique(owners * 5 + items)) == len(items)
    for place in range(2):
        found = np.bincount(items[kind[owners] == place], minlength=5) / LEARNERS
        deviation = np.sqrt(chances[place] * (1 - chances[place]) / LEARNERS)
        assert (np.abs(found - chances[place]) <= 5.5 * deviation + 1e-12).all()


def test_every_pair_of_items_occurs():
    """Systematic sampling in one order would never give neighbours: the order is drawn."""
    rng = np.random.default_rng(3)
    chances = inclusion(np.full((1, 5), 0.2), np.array([2]))
    kind = np.zeros(2_000, np.int64)
    items, owners = chosen_items(chances, np.array([2]), kind, rng.random(2_000), rng)
    pairs = {tuple(sorted(items[owners == owner].tolist())) for owner in range(2_000)}
    assert pairs == set(combinations(range(5), 2))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.lists(st.sampled_from([0, 1, 2, 7]), min_size=3, max_size=3).filter(any),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), max_size=8),
)
def test_a_lot_finds_its_code(weights, draws):
    """By going through the shares one by one; codes without a share are never met."""
    shares = np.array(weights, float) / np.sum(weights, axis=1, keepdims=True)
    given_rows = [row % len(weights) for row, _ in draws]
    lots = [(lot + 0.5) / 100.001 for _, lot in draws]
    found = by_lot(shares, np.array(given_rows, np.int64), np.array(lots))
    for code, row, lot in zip(found, given_rows, lots, strict=True):
        ends = np.cumsum(shares[row])
        assert code == next(c for c, end in enumerate(ends) if lot < end)
        assert shares[row][code] > 0


def test_even_lots_are_uniform_each():
    """One and the same lot over 2,000 starts, by Kolmogorov and Smirnov; false alarm 3e-6."""
    keys = np.array([0, 0, 1, 1, 1])
    many = np.array([even_lots(np.random.default_rng(s), keys, size=5) for s in range(2_000)])
    assert all(kstest(many[:, place], "uniform").pvalue > ALARM / 2 for place in range(5))


@pytest.mark.parametrize("groups", [1, 7])
def test_even_lots_are_even_within_keys(groups):
    """Of each group, as many are below any bound as its length says, give or take 3."""
    keys = np.arange(1_400) % groups
    lots = even_lots(np.random.default_rng(0), keys, size=1_400)
    for group in range(groups):
        own = np.sort(lots[keys == group])
        assert np.abs(np.arange(len(own)) - own * len(own)).max() < 3


def test_ranks_are_in_order_of_all_keys():
    """Equal where all keys are."""
    found = ranked(np.array([1, 0, 1, 0]), np.array([0, 5, 0, 2]), size=4)
    assert found.tolist() == [2, 1, 2, 0]
    assert ranked(size=3).tolist() == [0, 0, 0]
