"""Full-domain search against brute force."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, histogram_from_counts
from anonymizer.models import KAnonymity, MaximumShare
from anonymizer.search import ascending_nodes, optimal_recoding
from tests.reference.full_domain import Person, best_node
from tests.reference.trees import trees


@st.composite
def populations(draw):
    """Up to three hierarchies and up to 25 learners in up to three cells."""
    hierarchies = [draw(trees(name)) for name in "abc"[: draw(st.integers(0, 3))]]
    person = st.builds(
        Person,
        leaves=st.tuples(*(st.sampled_from(h.leaves) for h in hierarchies)),
        cell=st.integers(5, 5 + draw(st.integers(0, 2))),
        values=st.frozensets(st.sampled_from(["pass", "fail", "*"]), min_size=1),
    )
    return hierarchies, draw(st.lists(person, min_size=1, max_size=25))


def frames_of(people, hierarchies):
    """The counts that the passes would collect."""
    names = [h.name for h in hierarchies]
    schema = {**dict.fromkeys(names, pl.String), "cell": pl.Int64}
    tuples = Counter((*p.leaves, p.cell) for p in people)
    valued = Counter((*p.leaves, p.cell, value) for p in people for value in p.values)
    return (
        pl.DataFrame(
            [(*key, n) for key, n in tuples.items()], {**schema, "n": pl.Int64}, orient="row"
        ),
        pl.DataFrame(
            [(*key, n) for key, n in valued.items()],
            {**schema, "value": pl.String, "n": pl.Int64},
            orient="row",
        ),
    )


def histogram_of(people, hierarchies):
    """The histogram of the people, with the sensitive column `result`."""
    counts, values = frames_of(people, hierarchies)
    return histogram_from_counts(
        counts, hierarchies, cell="cell", learners="n", sensitive={"result": values}, orders={}
    )[0]


@settings(deadline=None, max_examples=100)
@given(
    population=populations(),
    k=st.none() | st.integers(1, 4),
    share=st.sampled_from([None, 0.5, 0.6, 0.8]),
    limit=st.integers(0, 25),
    weights=st.lists(st.sampled_from([1, 2, 0.3]), min_size=3, max_size=3),
)
def test_search_finds_what_brute_force_finds(population, k, share, limit, weights):
    """Node, loss, suppressed learners and classes are those of the best of all nodes."""
    hierarchies, people = population
    models = [] if share is None else [MaximumShare("result", share)]
    models += [] if k is None else [KAnonymity(k)]
    weights = weights[: len(hierarchies)]
    expected = best_node(people, hierarchies, k=k or 1, share=share, limit=limit, weights=weights)
    histogram = histogram_of(people, hierarchies)
    if expected is None:
        with pytest.raises(NoRecodingError):
            optimal_recoding(
                histogram, hierarchies, models, suppression_limit=limit, weights=weights
            )
        return
    found = optimal_recoding(
        histogram, hierarchies, models, suppression_limit=limit, weights=weights
    )
    product, levels, suppressed, classes = expected
    assert (found.levels, found.suppressed, found.classes) == (levels, suppressed, classes)
    assert found.suppressed == histogram.learners[found.suppressed_tuples].sum()
    root = float(product) ** (1 / len(levels)) if levels else 1.0
    assert found.loss == pytest.approx(root - 1, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(population=populations(), seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(population, seed):
    """Shuffled counts give the same histogram, array by array."""
    hierarchies, people = population
    counts, values = frames_of(people, hierarchies)
    straight, ordered = histogram_from_counts(
        counts, hierarchies, cell="cell", learners="n", sensitive={"result": values}, orders={}
    )
    shuffled, again = histogram_from_counts(
        counts.sample(fraction=1, shuffle=True, seed=seed),
        hierarchies,
        cell="cell",
        learners="n",
        sensitive={"result": values.sample(fraction=1, shuffle=True, seed=seed)},
        orders={},
    )
    assert ordered.equals(again)
    for name in ("codes", "cell", "learners"):
        assert np.array_equal(getattr(straight, name), getattr(shuffled, name))
    for name in ("tuple_index", "value", "learners"):
        one, other = straight.sensitive["result"], shuffled.sensitive["result"]
        assert np.array_equal(getattr(one, name), getattr(other, name))


@settings(deadline=None, max_examples=50)
@given(
    top=st.lists(st.integers(0, 3), min_size=0, max_size=3),
    data=st.data(),
)
def test_nodes_come_once_and_in_ascending_order(top, data):
    """Every node of the lattice once, by cost, then total level, then lexicographically."""
    steps = [data.draw(st.lists(st.integers(0, 2), min_size=h + 1, max_size=h + 1)) for h in top]
    costs = [np.cumsum(column).tolist() for column in steps]

    def cost(node):
        return sum(column[level] for column, level in zip(costs, node, strict=True))

    found = list(ascending_nodes((0,) * len(top), tuple(top), cost))
    assert len(found) == np.prod([h + 1 for h in top])
    assert found == sorted(set(found), key=lambda x: (x[0], sum(x[1]), x[1]))


TWO = Hierarchy.flat("sex", ["f", "m"], missing=False)


def small(learners, cell=(0, 0)):
    """Two tuples of one flat column."""
    return Histogram(
        codes=np.array([[0], [1]], np.int32),
        cell=np.array(cell, np.int64),
        learners=np.array(learners, np.int64),
        population=np.array(learners, np.int64),
        sensitive={},
    )


def test_suppression_within_the_limit_beats_generalization():
    """One rare tuple of 100 learners is suppressed rather than everyone generalized."""
    found = optimal_recoding(
        small([98, 2]), [TWO], [KAnonymity(5)], suppression_limit=2, weights=[1]
    )
    assert (found.levels, found.suppressed, found.classes) == ((0,), 2, 1)
    assert found.suppressed_tuples.tolist() == [False, True]
    # The share aggregate is 98 halves and 2 suppressed: 51 of at least 50 and at most 100.
    assert found.loss == pytest.approx(0.02, abs=1e-12)


def test_cells_are_never_merged():
    """Learners of two items do not hide each other, whatever the level."""
    with pytest.raises(NoRecodingError, match="lower k"):
        optimal_recoding(
            small([4, 4], cell=(1, 2)), [TWO], [KAnonymity(5)], suppression_limit=0, weights=[1]
        )


def test_suppressing_everyone_is_not_a_result():
    """A limit that allows an empty release still finds none."""
    with pytest.raises(NoRecodingError):
        optimal_recoding(small([2, 2]), [TWO], [KAnonymity(5)], suppression_limit=99, weights=[1])


def test_no_learners_is_no_result():
    """An empty histogram has no recoding."""
    empty = Histogram(
        np.empty((0, 1), np.int32), *(np.empty(0, np.int64) for _ in range(3)), sensitive={}
    )
    with pytest.raises(NoRecodingError):
        optimal_recoding(empty, [TWO], [KAnonymity(1)], suppression_limit=0, weights=[1])


def test_keys_of_more_than_63_bits_are_exact():
    """Packed into 64 bits, the first of 33 columns of four leaves would count 4^32 = 0."""
    columns = 33
    wide = [Hierarchy.flat(f"q{j}", list("abcd"), missing=False) for j in range(columns)]
    codes = np.zeros((2, columns), np.int32)
    codes[1, 0] = 1
    histogram = Histogram(
        codes, np.zeros(2, np.int64), *[np.full(2, 7, np.int64)] * 2, sensitive={}
    )
    found = optimal_recoding(
        histogram, wide, [KAnonymity(7)], suppression_limit=0, weights=[1] * columns
    )
    assert (found.levels, found.classes) == ((0,) * columns, 2)


def test_a_maximum_share_refutes_no_lower_node():
    """Merging a good class with a bad one may spoil it: the roots fail, a node below holds.

    Men all passed. At (0, 1) four of five women did: within 0.8. At the roots nine of ten did.
    """
    part = Hierarchy.flat("part", ["x", "y"], missing=False)
    people = [
        Person((sex, where), 0, frozenset([result]))
        for sex, where, result, times in [
            ("f", "x", "pass", 2),
            ("f", "y", "pass", 2),
            ("f", "y", "fail", 1),
            ("m", "x", "pass", 2),
            ("m", "y", "pass", 3),
        ]
        for _ in range(times)
    ]
    found = optimal_recoding(
        histogram_of(people, [TWO, part]),
        [TWO, part],
        [MaximumShare("result", 0.8), KAnonymity(2)],
        suppression_limit=5,
        weights=[1, 1],
    )
    assert (found.levels, found.suppressed, found.classes) == ((0, 1), 5, 1)


def test_equal_losses_are_settled_by_the_lower_level():
    """(1, 0) costs 2 * 1 without suppression, (0, 2) costs 1.25 * 1.6 with five suppressed."""
    rows = [(f"b{i}", f"c{i}", "low" if i < 2 else "high") for i in range(6)]
    band = Hierarchy.from_rows("band", rows, missing=False)
    histogram = Histogram(
        codes=np.array([[0, 0], [0, 2], [0, 3], [1, 0], [1, 2], [1, 3]], np.int32),
        cell=np.zeros(6, np.int64),
        learners=np.array([5, 4, 6, 2, 2, 1], np.int64),
        population=np.array([5, 4, 6, 2, 2, 1], np.int64),
        sensitive={},
    )
    found = optimal_recoding(
        histogram, [TWO, band], [KAnonymity(5)], suppression_limit=5, weights=[1, 1]
    )
    assert found.levels == (1, 0)
    assert found.loss == pytest.approx(2**0.5 - 1, abs=1e-12)


@pytest.mark.parametrize(
    "limit, weights, message",
    [
        (-1, [1], "suppression_limit"),
        (0, [], "weights"),
        (0, [0], "weights"),
        (0, [float("inf")], "weights"),
    ],
)
def test_parameters_out_of_range_are_named(limit, weights, message):
    """A negative limit and weights that are missing, zero or infinite are refused."""
    with pytest.raises(CoreError, match=message):
        optimal_recoding(
            small([9, 9]), [TWO], [KAnonymity(5)], suppression_limit=limit, weights=weights
        )
