"""Local recoding: what holds of every result, and the splitter against its slow twin."""

from collections import Counter, defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer import local
from anonymizer.closeness import EqualDistance, TCloseness
from anonymizer.cover import cover
from anonymizer.diversity import DistinctLDiversity
from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.generalization import SUPPRESSED
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, histogram_from_counts
from anonymizer.leaf_order import LeafOrder
from anonymizer.local import local_recoding
from anonymizer.models import KAnonymity, KMap, MaximumShare
from anonymizer.parts import Demands, good_cells, released
from anonymizer.splitter import split
from tests.reference import local as twin
from tests.reference import models as slow
from tests.reference.full_domain import Person
from tests.reference.trees import trees

VALUES = ["pass", "fail", "withdrawn"]


@st.composite
def populations(draw, most=40):
    """Up to three hierarchies, up to 40 learners of one value each in up to two cells, weights."""
    hierarchies = [draw(trees(name)) for name in "abc"[: draw(st.integers(0, 3))]]
    person = st.builds(
        Person,
        leaves=st.tuples(*(st.sampled_from(h.leaves) for h in hierarchies)),
        cell=st.integers(0, draw(st.integers(0, 1))),
        values=st.sampled_from([frozenset([value]) for value in [*VALUES, "*"]]),
    )
    weights = [draw(st.sampled_from([0.5, 1.0, 3.0])) for _ in hierarchies]
    return hierarchies, draw(st.lists(person, min_size=1, max_size=most)), weights


def frame(rows, names, **more):
    """Rows counted: the columns of a tuple, its cell, what else a row has, and how many."""
    counted = Counter(rows)
    schema = {**dict.fromkeys(names, pl.String), "cell": pl.Int64, **more, "n": pl.Int64}
    return pl.DataFrame([(*row, n) for row, n in counted.items()], schema, orient="row")


def histogram_of(people, hierarchies):
    """The histogram of the people, with the sensitive column `result`."""
    names = [h.name for h in hierarchies]
    counts = frame([(*p.leaves, p.cell) for p in people], names)
    values = [(*p.leaves, p.cell, value) for p in people for value in p.values]
    return histogram_from_counts(
        counts,
        hierarchies,
        cell="cell",
        learners="n",
        sensitive={"result": frame(values, names, value=pl.String)},
        orders={"result": VALUES},
    )


def classes_found(histogram, hierarchies, generalization):
    """(cell, labels) -> Counter of the tuples of leaf codes released so, learner by learner."""
    found = {}
    kept = np.flatnonzero(~generalization.suppressed)
    columns = generalization.labels(histogram.codes, hierarchies)
    for row, i in enumerate(kept):
        key = int(histogram.cell[i]), tuple(column[row] for column in columns)
        codes = tuple(int(code) for code in histogram.codes[i])
        found.setdefault(key, Counter())[codes] += int(histogram.learners[i])
    return found


def split_classes(histogram, hierarchies, models, weights):
    """What the splitter alone releases."""
    demands, order = Demands.of(models), LeafOrder.of(hierarchies)
    roots = good_cells(histogram, demands)
    if (roots == SUPPRESSED).all():
        return {}
    found = split(
        histogram, order, roots, demands.others, k=demands.k, weights=np.array(weights, float)
    )
    result = released(histogram, order, found.part_of, found.parts, demands)
    return classes_found(histogram, hierarchies, result.generalization)


@settings(deadline=None, max_examples=100)
@given(populations(), st.integers(1, 6))
def test_the_splitter_is_its_slow_twin(population, k):
    """The same classes with the same learners, for k-anonymity alone."""
    hierarchies, people, weights = population
    histogram, _ = histogram_of(people, hierarchies)
    by_cell = defaultdict(list)
    cell_of = {cell: i for i, cell in enumerate(sorted({p.cell for p in people}))}
    for p in people:
        leaves = zip(hierarchies, p.leaves, strict=True)
        by_cell[cell_of[p.cell]].append(tuple(h.leaves.index(leaf) for h, leaf in leaves))
    assert split_classes(histogram, hierarchies, [KAnonymity(k)], weights) == twin.classes(
        by_cell, hierarchies, k, weights
    )


MODELS = st.lists(
    st.sampled_from(
        [
            KAnonymity(2),
            KAnonymity(4),
            MaximumShare("result", 0.6),
            DistinctLDiversity("result", 2),
            TCloseness("result", 0.3, EqualDistance()),
        ]
    ),
    min_size=1,
    max_size=3,
    unique_by=str,
)


def holds(model, members, everyone):
    """A model of one class, recounted person by person; what is withheld is no value."""
    shown = [person.values - {"*"} for person in members]
    match model:
        case KAnonymity(k):
            return len(members) >= k
        case MaximumShare(_, share):
            return slow.most_share(shown, share)
        case DistinctLDiversity(_, distinct):
            seen = set().union(*shown)
            return not seen or len(seen) >= distinct
        case TCloseness(_, t, _):
            reference = [person.values - {"*"} for person in everyone]
            return slow.close(shown, reference, t, lambda a, b: int(a != b))


@settings(deadline=None, max_examples=100)
@given(populations(), MODELS)
def test_every_class_holds_recounted_person_by_person(population, models):
    """Classes of (cell, labels) satisfy all models; labels are ancestors; everybody is counted."""
    hierarchies, people, weights = population
    histogram, tuples = histogram_of(people, hierarchies)
    cells = [[p for p in people if p.cell == cell] for cell in {p.cell for p in people}]
    good = [cell for cell in cells if all(holds(model, cell, cell) for model in models)]
    if not good:
        with pytest.raises(NoRecodingError, match="models"):
            local_recoding(
                histogram, hierarchies, models, suppression_limit=len(people), weights=weights
            )
        return
    found = local_recoding(
        histogram, hierarchies, models, suppression_limit=len(people), weights=weights
    )
    kept = sum(map(len, good))
    assert found.suppressed == len(people) - kept

    names = [h.name for h in hierarchies]
    labels = found.generalization.labels(histogram.codes, hierarchies)
    shown = tuples.filter(pl.Series(~found.generalization.suppressed)).rows(named=True)
    released_as = {
        (tuple(row[name] for name in names), row["cell"]): tuple(column[i] for column in labels)
        for i, row in enumerate(shown)
    }
    classes = defaultdict(list)
    penalty = 0.0
    for cell in good:
        for person in cell:
            own = released_as[person.leaves, person.cell]
            classes[person.cell, own].append(person)
            for h, leaf, label in zip(hierarchies, person.leaves, own, strict=True):
                place = h.leaves.index(leaf)
                level = next(
                    i for i in range(h.height + 1) if h.label_of(i)[place] == label
                )  # fails unless the label is an ancestor of the leaf
                under = h.label_of(level).count(label)
                penalty += (under - 1) / max(len(h.leaves) - 1, 1) / len(hierarchies)
    assert len(classes) == found.classes
    for (cell, _), members in classes.items():
        everyone = [p for p in people if p.cell == cell]
        assert all(holds(model, members, everyone) for model in models)
    assert found.loss == pytest.approx((penalty + found.suppressed) / len(people))


def permuted(histogram, order):
    """The same histogram with its tuples in another order."""
    place = np.argsort(order)
    sensitive = {
        name: type(held)(place[held.tuple_index], held.value, held.learners, held.values)
        for name, held in histogram.sensitive.items()
    }
    columns = (histogram.codes, histogram.cell, histogram.learners, histogram.population)
    return Histogram(*(column[order] for column in columns), sensitive)


@settings(deadline=None, max_examples=60)
@given(populations(), MODELS, st.randoms(use_true_random=False))
def test_the_order_of_tuples_makes_no_difference(population, models, random):
    """The same classes by the same numbers, for the tuples in any order."""
    hierarchies, people, weights = population
    histogram, _ = histogram_of(people, hierarchies)
    order = np.array(random.sample(range(len(histogram.codes)), len(histogram.codes)), np.int64)
    limits = {"suppression_limit": len(people), "weights": weights}
    try:
        found = local_recoding(histogram, hierarchies, models, **limits)
    except NoRecodingError:
        with pytest.raises(NoRecodingError):
            local_recoding(permuted(histogram, order), hierarchies, models, **limits)
        return
    again = local_recoding(permuted(histogram, order), hierarchies, models, **limits)
    assert (again.method, again.loss) == (found.method, pytest.approx(found.loss))
    assert (again.generalization.class_of == found.generalization.class_of[order]).all()
    assert (again.generalization.levels == found.generalization.levels).all()


@settings(deadline=None, max_examples=60)
@given(populations(), st.integers(1, 6))
def test_the_cover_holds_and_is_kept_only_where_it_is_better(population, k):
    """Without a cover nothing is better than with it, and both keep k in every class."""
    hierarchies, people, weights = population
    histogram, _ = histogram_of(people, hierarchies)
    limits = {"suppression_limit": len(people), "weights": [1.0] * len(weights)}
    try:
        both = local_recoding(histogram, hierarchies, [KAnonymity(k)], **limits)
    except NoRecodingError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "affordable", lambda *_: False)
        one = local_recoding(histogram, hierarchies, [KAnonymity(k)], **limits)
    assert one.method == "splitter"
    assert both.loss <= one.loss
    assert (both.method == "splitter") == (both.loss == one.loss)
    for found in (both, one):
        classes = classes_found(histogram, hierarchies, found.generalization)
        assert min(members.total() for members in classes.values()) >= k


def table(names, rows, k_population=None):
    """Hierarchies with one label above all leaves, and the histogram of rows (leaves, learners)."""
    columns = list(zip(*(row[0] for row in rows), strict=True))
    hierarchies = [
        Hierarchy.flat(name, sorted(set(column)), missing=False)
        for name, column in zip(names, columns, strict=True)
    ]
    codes = [[h.leaves.index(v) for h, v in zip(hierarchies, row[0], strict=True)] for row in rows]
    learners = np.array([row[1] for row in rows])
    population = learners if k_population is None else np.array(k_population)
    cell = np.zeros(len(rows), np.int64)
    return Histogram(np.array(codes, np.int32), cell, learners, population, {}), hierarchies


def test_many_blocks_are_covered_and_their_leftovers_join(monkeypatch):
    """With blocks of 20 learners instead of 500, everybody of 600 is in a class of at least k."""
    monkeypatch.setattr("anonymizer.cover._BLOCK", 20)
    draw = np.random.default_rng(7)
    rows = Counter(
        (f"a{a}", f"b{b}", f"c{c}") for a, b, c in zip(*draw.geometric(0.2, (3, 600)), strict=True)
    )
    histogram, hierarchies = table("abc", list(rows.items()))
    everyone = np.zeros(len(rows), np.int64)
    order = LeafOrder.of(hierarchies)
    part_of, parts = cover(histogram, order, everyone, k=7, weights=np.ones(3))
    sizes = np.bincount(part_of, weights=histogram.learners)
    assert (len(sizes), sizes.sum()) == (parts, 600)
    assert sizes.min() >= 7


def test_leaves_join_the_class_they_widen_least():
    """The one learner of (x, q) joins the five of (x, p), and not the six of (y, p)."""
    histogram, hierarchies = table("ab", [(("x", "p"), 5), (("x", "q"), 1), (("y", "p"), 6)])
    found = local_recoding(
        histogram, hierarchies, [KAnonymity(5)], suppression_limit=0, weights=[1.0, 1.0]
    )
    classes = classes_found(histogram, hierarchies, found.generalization)
    assert {key: members.total() for key, members in classes.items()} == {
        (0, ("x", "*")): 6,
        (0, ("y", "p")): 6,
    }


def test_the_population_carries_a_class_of_few_learners():
    """k-map asks how many of the platform fit the labels, of whom some have no row at all."""
    rows = [(("x",), 1), (("y",), 1), (("z",), 0), (("w",), 2)]
    histogram, hierarchies = table("a", rows, k_population=[3, 1, 1, 4])
    found = local_recoding(histogram, hierarchies, [KMap(3)], suppression_limit=0, weights=[1.0])
    assert found.method == "splitter"
    classes = classes_found(histogram, hierarchies, found.generalization)
    # y and z have a population of 2 only, and take in x, the smallest child.
    assert {key: members.total() for key, members in classes.items()} == {
        (0, ("w",)): 2,
        (0, ("*",)): 2,
    }


def test_a_residual_that_nobody_is_in_is_not_released():
    """Where only the population has a value, the others are told apart without it."""
    histogram, hierarchies = table(
        "a", [(("x",), 1), (("y",), 1), (("z",), 0)], k_population=[3, 3, 1]
    )
    found = local_recoding(histogram, hierarchies, [KMap(3)], suppression_limit=0, weights=[1.0])
    assert found.generalization.class_of.tolist() == [0, 1, SUPPRESSED]
    assert (found.loss, found.suppressed, found.classes) == (0.0, 0, 2)


def test_an_attribute_that_the_models_refuse_is_not_tried_again():
    """Both children of `a` fail the share, so the part is split on `b` alone."""
    tree = [Hierarchy.flat(name, ["0", "1"], missing=False) for name in "ab"]
    people = [
        Person((a, b), 0, frozenset([VALUES[int(a)]])) for a in "01" for b in "01" for _ in "123"
    ]
    histogram, _ = histogram_of(people, tree)
    models = [KAnonymity(2), MaximumShare("result", 0.5)]
    found = local_recoding(histogram, tree, models, suppression_limit=0, weights=[3.0, 1.0])
    classes = classes_found(histogram, tree, found.generalization)
    assert set(classes) == {(0, ("*", "0")), (0, ("*", "1"))}


def test_parts_of_equal_labels_are_one_class():
    """A part and its residual's part may both end at the root: to an attacker they are one."""
    histogram, hierarchies = table("a", [(("x",), 2), (("y",), 2)])
    order = LeafOrder.of(hierarchies)
    twice = Histogram(
        np.repeat(histogram.codes, 2, axis=0),
        np.zeros(4, np.int64), np.ones(4, np.int64), np.ones(4, np.int64), {},
    )  # fmt: skip
    found = released(twice, order, np.array([0, 1, 0, 1]), 2, Demands.of([KAnonymity(2)]))
    assert found.generalization.class_of.tolist() == [0, 0, 0, 0]
    assert found.size.tolist() == [4]


def test_a_class_that_a_stranger_s_model_refuses_when_merged_is_suppressed():
    """Two parts of two hold, their union of four does not: nothing is released unverified."""
    histogram, hierarchies = table("a", [(("x",), 4), (("y",), 5)])

    def odd(classes):
        return classes.size % 2 == 1

    found = local_recoding(histogram, hierarchies, [odd], suppression_limit=0, weights=[1.0])
    assert found.classes == 1  # 4 fails; 5 is taken in, and 9 holds
    order = LeafOrder.of(hierarchies)
    twice = Histogram(
        np.repeat(histogram.codes, 2, axis=0),
        np.zeros(4, np.int64), np.array([1, 2, 2, 1]), np.array([1, 2, 2, 1]), {},
    )  # fmt: skip
    refused = released(twice, order, np.array([0, 1, 0, 1]), 2, Demands.of([odd]))
    assert refused.generalization.suppressed.all()
    assert refused.size.tolist() == []


@pytest.mark.parametrize("width", [65_536, 65_537])
def test_more_leaves_than_sixteen_bits_keep_their_ranks(width):
    """Leaves are ranked along the tree, whatever their number."""
    tree = Hierarchy.from_rows(
        "a", [(str(i), "odd" if i % 2 else "even") for i in range(width)], missing=False
    )
    codes = np.arange(width, dtype=np.int32)[:, None]
    ranks = LeafOrder.of([tree]).ranks(codes, np.arange(width))
    evens = (width + 1) // 2
    expected = np.where(codes % 2 == 0, codes // 2, evens + codes // 2)
    assert (ranks.astype(np.int64) == expected).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"suppression_limit": -1}, "suppression_limit"),
        ({"weights": [1.0, 1.0]}, "weights: give one number"),
        ({"weights": [0.0]}, "weights: give one number"),
    ],
)
def test_parameters_out_of_range_are_refused(changes, said):
    """The parameter is named."""
    histogram, hierarchies = table("a", [(("x",), 2), (("y",), 2)])
    arguments = {"suppression_limit": 0, "weights": [1.0]} | changes
    with pytest.raises(CoreError, match=said):
        local_recoding(histogram, hierarchies, [KAnonymity(2)], **arguments)


def test_too_many_quasi_identifiers_are_refused():
    """63 of them are more than the splitter can keep apart."""
    names = [f"q{j}" for j in range(63)]
    histogram, hierarchies = table(names, [(("x",) * 63, 2)])
    with pytest.raises(CoreError, match="at most 62"):
        local_recoding(
            histogram, hierarchies, [KAnonymity(2)], suppression_limit=0, weights=[1.0] * 63
        )


def test_a_cell_that_fails_counts_against_the_limit():
    """One learner alone in a cell is suppressed only where the limit allows it."""
    tree = [Hierarchy.flat("a", ["x"], missing=False)]
    people = [Person(("x",), cell, frozenset(["pass"])) for cell in (0, 0, 1)]
    histogram, _ = histogram_of(people, tree)
    found = local_recoding(histogram, tree, [KAnonymity(2)], suppression_limit=1, weights=[1.0])
    assert (found.suppressed, found.classes) == (1, 1)
    with pytest.raises(NoRecodingError, match="suppression_limit"):
        local_recoding(histogram, tree, [KAnonymity(2)], suppression_limit=0, weights=[1.0])


def test_nobody_is_no_recoding():
    """A table without learners is refused, not released empty."""
    tree = [Hierarchy.flat("a", ["x"], missing=False)]
    none = np.zeros(0, np.int64)
    empty = Histogram(np.zeros((0, 1), np.int32), none, none, none, {})
    with pytest.raises(NoRecodingError, match="models"):
        local_recoding(empty, tree, [KAnonymity(2)], suppression_limit=0, weights=[1.0])
