"""Full-domain search against brute force."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from anonymizer import search
from anonymizer.closeness import EqualDistance, TCloseness
from anonymizer.diversity import DistinctLDiversity, EntropyLDiversity, RecursiveLDiversity
from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.generalization import SUPPRESSED
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, SensitiveCounts
from anonymizer.metrics import AverageClassSize, Discernibility, Loss
from anonymizer.models import KAnonymity, KMap, MaximumShare
from anonymizer.search import ascending_nodes, optimal_recoding
from tests.reference import models as twin
from tests.reference.full_domain import Person, best_node, released
from tests.reference.trees import trees

METRICS = {
    "geometric": Loss(),
    "arithmetic": Loss("arithmetic"),
    "discernibility": Discernibility(),
    "aecs": AverageClassSize(),
}


def shown(members):
    """The sensitive values of the learners released, as the models' twin takes them."""
    return [member.shown for member in released(members)]


MODELS = {
    "k=2": (KAnonymity(2), lambda c, _: len(released(c)) >= 2),
    "k=4": (KAnonymity(4), lambda c, _: len(released(c)) >= 4),
    "k-map": (KMap(5), lambda c, _: len(c) >= 5),
    "share": (MaximumShare("result", 0.6), lambda c, _: twin.most_share(shown(c), 0.6)),
    "distinct": (
        DistinctLDiversity("result", 2),
        lambda c, _: twin.distinct(twin.filled(shown(c)), 2),
    ),
    "entropy": (
        EntropyLDiversity("result", 1.5),
        lambda c, _: twin.entropy(twin.filled(shown(c)), 1.5),
    ),
    "recursive": (
        RecursiveLDiversity("result", 2.0, 2),
        lambda c, _: twin.recursive(twin.filled(shown(c)), 2.0, 2),
    ),
    "t": (
        TCloseness("result", 0.3, EqualDistance()),
        lambda c, cell: twin.close(shown(c), shown(cell), 0.3, lambda a, b: 0 if a == b else 1),
    ),
}


@dataclass(frozen=True)
class Task:
    """A population and what is asked of its recoding."""

    hierarchies: list
    people: list
    models: list
    metric: str
    limit: int
    weights: list
    minimum: tuple | None
    maximum: tuple | None

    def brute(self):
        """What trying every node finds."""
        return best_node(
            self.people,
            self.hierarchies,
            [MODELS[name][1] for name in self.models],
            metric=self.metric,
            limit=self.limit,
            weights=self.weights,
            minimum=self.minimum,
            maximum=self.maximum,
        )

    def search(self, histogram=None, **budget):
        """What the search finds; None for no recoding."""
        try:
            return optimal_recoding(
                histogram or histogram_of(self.people, self.hierarchies),
                self.hierarchies,
                [MODELS[name][0] for name in self.models],
                suppression_limit=self.limit,
                weights=self.weights,
                metric=METRICS[self.metric],
                minimum=self.minimum,
                maximum=self.maximum,
                **budget,
            )
        except NoRecodingError:
            return None


@st.composite
def tasks(draw, *, names=tuple(MODELS), columns=3):
    """Up to three hierarchies, 25 learners in three cells, two models, and bounds on levels."""
    hierarchies = [draw(trees(name)) for name in "abc"[: draw(st.integers(0, columns))]]
    # Values are withheld of whole cells: all learners of a class show one, or none does.
    cells = [5 + i for i in range(draw(st.integers(1, 3)))]
    withheld = draw(st.sets(st.sampled_from(cells), max_size=1))
    person = st.builds(
        lambda leaves, cell, values, released: Person(
            leaves, cell, frozenset("*") if cell in withheld else values, released
        ),
        leaves=st.tuples(*(st.sampled_from(h.leaves) for h in hierarchies)),
        cell=st.sampled_from(cells),
        values=st.frozensets(st.sampled_from(["pass", "fail"]), min_size=1),
        released=st.sampled_from([True, True, True, draw(st.booleans())]),
    )
    bounds = [sorted(draw(st.tuples(*2 * [st.integers(0, h.height)]))) for h in hierarchies]
    bounded = draw(st.booleans())
    return Task(
        hierarchies=hierarchies,
        people=draw(st.lists(person, min_size=1, max_size=25)),
        models=draw(st.lists(st.sampled_from(names), max_size=2, unique=True)),
        metric=draw(st.sampled_from(sorted(METRICS))),
        limit=draw(st.integers(0, 25)),
        weights=[draw(st.sampled_from([1, 2, 0.3])) for _ in hierarchies],
        minimum=tuple(low for low, _ in bounds) if bounded else None,
        maximum=tuple(high for _, high in bounds) if bounded else None,
    )


def histogram_of(people, hierarchies):
    """The histogram of the people, in the order in which their tuples first occur."""
    tuples = list(dict.fromkeys((p.leaves, p.cell) for p in people))
    index = {key: i for i, key in enumerate(tuples)}
    learners = Counter(index[p.leaves, p.cell] for p in people if p.released)
    population = Counter(index[p.leaves, p.cell] for p in people)
    values = ("fail", "pass")
    held = Counter(
        (index[p.leaves, p.cell], values.index(value))
        for p in people
        if p.released
        for value in p.shown
    )
    pairs = np.array(sorted(held), np.int64).reshape(-1, 2)
    return Histogram(
        codes=np.array(
            [
                [h.leaves.index(leaf) for h, leaf in zip(hierarchies, leaves, strict=True)]
                for leaves, _ in tuples
            ],
            np.int32,
        ).reshape(len(tuples), len(hierarchies)),
        cell=np.array([cell for _, cell in tuples], np.int64),
        learners=np.array([learners[i] for i in range(len(tuples))], np.int64),
        population=np.array([population[i] for i in range(len(tuples))], np.int64),
        sensitive={
            "result": SensitiveCounts(
                tuple_index=pairs[:, 0],
                value=pairs[:, 1].astype(np.int32),
                learners=np.array([held[a, b] for a, b in pairs], np.int64),
                values=values,
            )
        },
    )


def assert_is(found, expected, task):
    """Node, value, suppressed learners and classes are those of the best of all nodes."""
    if expected is None or found is None:
        assert expected is None
        assert found is None
        return
    cost, levels, suppressed, classes = expected
    assert (found.levels, found.suppressed, found.classes) == (levels, suppressed, classes)
    assert found.exact
    assert len(found.generalization.levels) == classes
    columns = max(len(levels), 1)
    value = {
        "geometric": float(cost) ** (1 / columns) - 1,
        "arithmetic": cost / columns,
    }.get(task.metric, cost)
    assert found.value == pytest.approx(float(value), abs=1e-12, rel=1e-12)


@settings(deadline=None, max_examples=100)
@given(task=tasks())
def test_search_finds_what_brute_force_finds(task):
    """With every metric and model, or two of them, and between bounds."""
    expected = task.brute()
    event("feasible" if expected else "nothing to find")
    assert_is(task.search(), expected, task)


@settings(deadline=None, max_examples=40)
@given(task=tasks())
def test_a_lattice_too_large_to_hold_is_searched_as_exactly(task):
    """The best-first enumeration finds the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_LARGEST", 0)
        assert_is(task.search(), task.brute(), task)


@settings(deadline=None, max_examples=60)
@given(task=tasks(), budget=st.integers(1, 12), lazily=st.booleans())
def test_best_effort_is_never_better_and_says_so(task, budget, lazily):
    """A budget gives no better cost than brute force; what it calls exact is the best of all."""
    with pytest.MonkeyPatch.context() as patch:
        if lazily:
            patch.setattr(search, "_LARGEST", 0)
        found = task.search(max_evaluations=budget)
    if found is None:
        return
    assert found.evaluated <= budget
    if found.exact:
        assert_is(found, task.brute(), task)
    else:
        of_node = replace(task, minimum=found.levels, maximum=found.levels)
        best, here = task.brute(), of_node.brute()
        assert best[0] <= here[0]
        assert_is(replace(found, exact=True), here, of_node)


@settings(deadline=None, max_examples=40)
@given(task=tasks(), seed=st.integers(0, 99))
def test_order_of_tuples_and_names_of_cells_do_not_matter(task, seed):
    """Shuffled tuples in renamed cells give the same node and the same classes."""
    rng = np.random.default_rng(seed)
    straight = task.search()
    moved = [replace(p, cell=100 - 3 * p.cell) for p in task.people]
    order = rng.permutation(len(moved))
    shuffled = [moved[i] for i in order]
    other = task.search(histogram_of(shuffled, task.hierarchies))
    if straight is None or other is None:
        assert straight is other
        return
    for name in ("levels", "value", "suppressed", "classes", "exact"):
        assert getattr(straight, name) == getattr(other, name)
    assert partition(task.people, task, straight) == {
        frozenset(order[i] for i in members) for members in partition(shuffled, task, other)
    }


def partition(people, task, recoding):
    """The people of each class."""
    histogram = histogram_of(people, task.hierarchies)
    tuples = {
        (*map(int, codes), int(cell)): int(of)
        for codes, cell, of in zip(
            histogram.codes, histogram.cell, recoding.generalization.class_of, strict=True
        )
    }
    classes = {}
    for i, person in enumerate(people):
        leaves = zip(task.hierarchies, person.leaves, strict=True)
        key = (*(h.leaves.index(leaf) for h, leaf in leaves), person.cell)
        classes.setdefault(tuples[key], set()).add(i)
    classes.pop(SUPPRESSED, None)
    return {frozenset(members) for members in classes.values()}


@settings(deadline=None, max_examples=40)
@given(task=tasks())
def test_the_classes_are_those_counted(task):
    """The generalization keeps and suppresses as many learners and classes as the recoding says."""
    found = task.search()
    if found is None:
        return
    histogram = histogram_of(task.people, task.hierarchies)
    lost = found.generalization.suppressed
    assert histogram.learners[lost].sum() == found.suppressed
    assert (found.generalization.levels == found.levels).all()
    kept = found.generalization.class_of[~lost]
    size = np.bincount(kept, histogram.learners[~lost], found.classes)
    assert (size > 0).all()


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
    assert found.generalization.class_of.tolist() == [0, SUPPRESSED]
    # The share aggregate is 98 halves and 2 suppressed: 51 of at least 50 and at most 100.
    assert found.value == pytest.approx(0.02, abs=1e-12)


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


@pytest.mark.parametrize("metric", METRICS.values())
@pytest.mark.parametrize("columns", [3, 8])
@pytest.mark.parametrize("limit", [500, 20_000])
def test_many_tuples_in_wide_keys_are_grouped_alike(metric, columns, limit):
    """32,769 tuples and more are grouped in parts; eight columns of 300 leaves need 72 bits."""
    rng = np.random.default_rng(columns)
    rows = [
        (f"{leaf}", f"tens {leaf // 10}", f"hundreds {leaf // 100}", f"two hundreds {leaf // 200}")
        for leaf in range(300)
    ]
    hierarchies = [Hierarchy.from_rows(f"q{j}", rows, missing=False) for j in range(columns)]
    codes = rng.integers(0, 300, (40_000, columns)).astype(np.int32)
    # Those of the columns that stay at their leaves can be told apart by a few values only.
    codes[:, 3:] = rng.integers(0, 2, (40_000, 1)) * 299
    codes[:300] = np.arange(300)[:, None]
    histogram = Histogram(
        codes=codes,
        cell=np.zeros(40_000, np.int64),
        learners=np.ones(40_000, np.int64),
        population=np.ones(40_000, np.int64),
        sensitive={},
    )

    def found():
        recoding = optimal_recoding(
            histogram,
            hierarchies,
            [KAnonymity(5)],
            suppression_limit=limit,
            weights=[1] * columns,
            metric=metric,
            maximum=(4, 4, 4) + (0,) * (columns - 3),
        )
        return replace(recoding, evaluated=0, generalization=None), recoding.generalization

    compiled, of_compiled = found()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_LARGEST", 0)
        plain, of_plain = found()
    assert vars(compiled) == vars(plain)
    assert np.array_equal(of_compiled.class_of, of_plain.class_of)


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
    assert found.value == pytest.approx(2**0.5 - 1, abs=1e-12)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"suppression_limit": -1}, "suppression_limit"),
        ({"weights": []}, "weights"),
        ({"weights": [0]}, "weights"),
        ({"weights": [float("inf")]}, "weights"),
        ({"minimum": (0, 0)}, "minimum"),
        ({"minimum": (1,), "maximum": (0,)}, "minimum"),
        ({"maximum": (2,)}, "maximum"),
        ({"max_evaluations": 0}, "max_evaluations"),
    ],
)
def test_parameters_out_of_range_are_named(changes, message):
    """Limits below 0, weights that are missing, zero or infinite, and levels that do not exist."""
    asked = {"suppression_limit": 0, "weights": [1], **changes}
    with pytest.raises(CoreError, match=message):
        optimal_recoding(small([9, 9]), [TWO], [KAnonymity(5)], **asked)


def test_an_ended_budget_is_not_taken_for_infeasibility():
    """Where the first node fails and the budget allows no second, the error says so."""
    with pytest.raises(NoRecodingError, match="budget"):
        optimal_recoding(
            small([4, 4]),
            [TWO],
            [KAnonymity(5)],
            suppression_limit=0,
            weights=[1],
            max_evaluations=1,
        )


def test_the_population_hides_learners_only_under_k_map():
    """Two learners among five of the population hold 5-map; k = 2 alone counts the learners."""
    histogram = Histogram(
        codes=np.array([[0], [1]], np.int32),
        cell=np.zeros(2, np.int64),
        learners=np.array([2, 0], np.int64),
        population=np.array([2, 3], np.int64),
        sensitive={},
    )
    ask = {"suppression_limit": 0, "weights": [1]}
    mapped = optimal_recoding(histogram, [TWO], [KMap(5)], **ask)
    assert (mapped.levels, mapped.classes) == ((1,), 1)
    alone = optimal_recoding(histogram, [TWO], [KAnonymity(2)], **ask)
    assert (alone.levels, alone.classes) == ((0,), 1)
    assert alone.generalization.class_of.tolist() == [0, SUPPRESSED]
