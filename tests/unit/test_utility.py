"""Figures of utility on small tables, and those of ARX on adult."""

import numpy as np
import polars as pl
import pytest

from anonymizer.errors import CoreError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, group_index, histogram_from_counts, sums
from anonymizer.utility import average_class_size, discernibility, granularity, loss

CITY = Hierarchy.from_rows("city", [["a", "A"], ["b", "A"], ["c", "B"], ["d", "B"]], missing=False)
ONE = Hierarchy.flat("one", ["only"], missing=False)


def histogram(rows):
    """A histogram of (city, learners); `one` is the second quasi-identifier."""
    learners = np.array([count for _, count in rows], np.int64)
    codes = np.array([["abcd".index(city), 0] for city, _ in rows], np.int32).reshape(-1, 2)
    cell = np.zeros(len(rows), np.int64)
    return Histogram(codes, cell, learners, np.maximum(learners, 1), {})


def recoding(class_of, *levels):
    """A recoding by the level of `city` in each class."""
    nodes = np.array([[level, 0] for level in levels], np.int64).reshape(-1, 2)
    return Generalization(np.array(class_of, np.int64), nodes)


PEOPLE = histogram([("a", 3), ("b", 2), ("c", 4), ("d", 1)])


@pytest.mark.parametrize(
    "class_of, levels, lost, kept, dm, aecs",
    [
        ([0, 1, 2, 3], [0, 0, 0, 0], 0.0, 1.0, 9 + 4 + 16 + 1, 10 / 4),
        # a and b share half of the leaves: (10 * 1/2 - 10/4) / (10 - 10/4) = 1/3
        ([0, 0, 1, 1], [1, 1], 1 / 3, 2 / 3, 25 + 25, 10 / 2),
        # c stays a leaf, d leaves: (5 * 1/2 + 4 * 1/4 + 1 - 10/4) / (10 - 10/4) = 4/15
        ([0, 0, 1, SUPPRESSED], [1, 0], 4 / 15, 11 / 15, 25 + 16 + 10, 10 / 3),
        ([0, 0, 0, 0], [2], 1.0, 0.0, 100, 10.0),
        ([SUPPRESSED] * 4, [], 1.0, 0.0, 100, 10.0),
    ],
)
def test_figures_by_hand(class_of, levels, lost, kept, dm, aecs):
    """From the leaves as they are to nobody kept; a hierarchy of one leaf loses nothing."""
    found = recoding(class_of, *levels)
    arithmetic = loss(PEOPLE, [CITY, ONE], found, [1.0, 1.0], "arithmetic")
    assert arithmetic == pytest.approx(lost / 2, abs=1e-10)
    geometric = loss(PEOPLE, [CITY, ONE], found, [1.0, 1.0])
    assert geometric == pytest.approx((lost + 1) ** 0.5 - 1, abs=1e-10)
    assert granularity(PEOPLE, [CITY, ONE], found) == pytest.approx(kept)
    assert discernibility(PEOPLE, found) == dm
    assert average_class_size(PEOPLE, found) == aecs
    assert type(discernibility(PEOPLE, found)) is int
    assert type(average_class_size(PEOPLE, found)) is float


def test_nothing_is_lost_without_learners():
    """Neither an empty histogram nor one of the population alone has anything to lose."""
    nobody = recoding([])
    for empty, found in [(histogram([]), nobody), (histogram([("a", 0)]), recoding([0], 2))]:
        assert loss(empty, [CITY, ONE], found, [1.0, 1.0]) == 0
        assert granularity(empty, [CITY, ONE], found) == 1
        assert discernibility(empty, found) == 0
        assert average_class_size(empty, found) == 0


def test_a_class_of_the_population_alone_is_no_class():
    """Three learners in one class; a second class holds nobody who is released."""
    found = recoding([0, 1], 0, 0)
    assert average_class_size(histogram([("a", 3), ("b", 0)]), found) == 3


def test_no_quasi_identifiers_lose_nothing():
    """One class of everybody: no column, no loss."""
    bare = Histogram(np.empty((1, 0), np.int32), *(np.array([n]) for n in (0, 7, 7)), {})
    found = Generalization(np.array([0]), np.empty((1, 0), np.int64))
    assert loss(bare, [], found, []) == 0
    assert granularity(bare, [], found) == 1


def test_weights_are_relative():
    """Only their ratios count; the largest is 1."""
    found = recoding([0, 0, 1, 1], 1, 1)
    assert loss(PEOPLE, [CITY, ONE], found, [6.0, 3.0]) == loss(
        PEOPLE, [CITY, ONE], found, [2.0, 1.0]
    )
    halved = loss(PEOPLE, [CITY, ONE], found, [1.0, 2.0], "arithmetic")
    assert halved == pytest.approx(1 / 3 / 2 / 2, abs=1e-10)


def test_a_large_class_does_not_overflow():
    """ARX's squares of large classes pass 32 bits, these pass 64."""
    huge = histogram([("a", 2**40)])
    assert discernibility(huge, recoding([0], 0)) == 2**80


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, float("inf")], [1.0, float("nan")]])
def test_bad_weights_are_refused(weights):
    """One number above 0 for each quasi-identifier."""
    with pytest.raises(CoreError, match="weights"):
        loss(PEOPLE, [CITY, ONE], recoding([0, 0, 1, 1], 1, 1), weights)


def test_arguments_that_do_not_fit_are_refused():
    """A generalization of other tuples, hierarchies of other columns."""
    with pytest.raises(CoreError, match="one class for each tuple"):
        discernibility(PEOPLE, recoding([0], 0))
    with pytest.raises(CoreError, match="one for each quasi-identifier"):
        granularity(PEOPLE, [CITY], recoding([0, 0, 1, 1], 1, 1))


@pytest.fixture(scope="module")
def adult(shared_data):
    """The histogram of adult and its hierarchies, in CSV column order."""
    folder = shared_data / "adult"
    rows = pl.read_csv(folder / "adult.csv", separator=";", infer_schema=False)
    hierarchies = []
    for name in rows.columns:
        lines = (folder / f"adult_hierarchy_{name}.csv").read_text().splitlines()
        table = [line.split(";") for line in lines]
        hierarchies.append(Hierarchy.from_rows(name, table, missing=False))
    counts = rows.group_by(rows.columns).len("learners")
    found, _ = histogram_from_counts(
        counts, hierarchies, cell=None, learners="learners", sensitive={}, orders={}
    )
    return found, hierarchies


def at_node(world, node, k=5):
    """The global recoding at a node; classes below k are suppressed."""
    people, hierarchies = world
    columns = [
        (h.levels[level][codes], len(h.labels[level]))
        for h, level, codes in zip(hierarchies, node, people.codes.T, strict=True)
    ]
    of_tuple, number = group_index(people.cell, columns)
    kept = sums(of_tuple, people.learners, number) >= k
    renumbered = np.where(kept, np.cumsum(kept) - 1, SUPPRESSED)
    return Generalization(
        class_of=renumbered[of_tuple], levels=np.tile(np.array(node, np.int64), (kept.sum(), 1))
    )


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "node, expected",
    [
        ((0, 4, 1, 1, 3, 2, 2, 1, 0), 0.5731509655590044),
        ((0, 3, 0, 2, 2, 1, 1, 2, 0), 0.3137130352819242),
        ((0, 3, 0, 0, 2, 1, 1, 2, 0), 0.2419323650662908),
        ((0, 3, 0, 0, 2, 1, 1, 1, 0), 0.22041192847984292),
    ],
)
def test_loss_is_that_of_arx(adult, node, expected):
    """To 1e-9, at the optima of the parity table."""
    people, hierarchies = adult
    found = loss(people, hierarchies, at_node(adult, node), [1.0] * 9)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "node, expected",
    [((1, 1, 1, 2, 3, 2, 2, 1, 1), 33_627_534), ((0, 0, 1, 2, 3, 2, 2, 1, 1), 7_220_555)],
)
def test_discernibility_is_that_of_arx(adult, node, expected):
    """In whole numbers."""
    assert discernibility(adult[0], at_node(adult, node)) == expected


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "node, expected",
    [((1, 2, 1, 1, 3, 2, 2, 1, 1), 628.375), ((1, 0, 1, 1, 3, 2, 2, 0, 1), 28.808022922636102)],
)
def test_average_class_size_is_that_of_arx(adult, node, expected):
    """To 1e-9."""
    assert average_class_size(adult[0], at_node(adult, node)) == pytest.approx(expected, abs=1e-9)
