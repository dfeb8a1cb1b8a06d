"""The master recode: newcomers are led to the frozen labels, or not covered."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer import local
from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram
from anonymizer.local import local_recoding
from anonymizer.models import KAnonymity
from anonymizer.recode import FrozenLevels, FrozenTree
from anonymizer.recode_text import from_text, sha256, to_text
from tests.reference.trees import trees


def histogram_of(codes):
    """Learners of one cell, each with the leaf codes of a row."""
    counted = Counter(map(tuple, codes))
    learners = np.array(list(counted.values()), np.int64)
    width = len(codes[0])
    tuples = np.array(list(counted), np.int32).reshape(len(counted), width)
    return Histogram(tuples, np.zeros(len(tuples), np.int64), learners, learners, {})


@st.composite
def populations(draw):
    """Up to three hierarchies, up to 30 learners, up to ten newcomers, k, and a level for each."""
    hierarchies = [draw(trees(name)) for name in "abc"[: draw(st.integers(0, 3))]]
    person = st.tuples(*(st.integers(0, len(h.leaves) - 1) for h in hierarchies))
    known = draw(st.lists(person, min_size=1, max_size=30))
    more = draw(st.lists(person, max_size=10))
    newcomers = np.array(more, np.int32).reshape(len(more), len(hierarchies))
    levels = [draw(st.integers(0, h.height)) for h in hierarchies]
    return hierarchies, histogram_of(known), newcomers, draw(st.integers(1, 5)), levels


def fitted(population, kind):
    """The recode of a population, or None where there is none."""
    hierarchies, histogram, _, k, levels = population
    try:
        if kind is FrozenTree:
            weights = [1.0] * len(hierarchies)
            return FrozenTree.fit(histogram, hierarchies, [KAnonymity(k)], weights=weights)
        return FrozenLevels.fit(histogram, hierarchies, [KAnonymity(k)], levels=levels)
    except NoRecodingError:
        return None


def labels_by_row(generalization, codes, hierarchies):
    """The labels of each row of codes; None where it is suppressed."""
    columns = generalization.labels(codes, hierarchies)
    kept = np.flatnonzero(~generalization.suppressed)
    rows = [None] * len(codes)
    for at, row in enumerate(kept):
        rows[row] = tuple(column[at] for column in columns)
    return rows


def rows_of(recode, codes):
    """The labels that a recode gives each row of codes; None where it does not cover it."""
    return labels_by_row(recode.apply(codes), codes, recode.hierarchies)


@settings(deadline=None, max_examples=100)
@given(populations())
def test_the_tree_applied_to_those_it_was_fitted_with_is_the_fit(population):
    """Everybody has the class that local recoding by the splitter gives him."""
    hierarchies, histogram, _, k, _ = population
    recode = fitted(population, FrozenTree)
    if recode is None:
        assert histogram.total < k
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "affordable", lambda *_: False)
        found = local_recoding(
            histogram,
            hierarchies,
            [KAnonymity(k)],
            suppression_limit=0,
            weights=[1.0] * len(hierarchies),
        )
    codes = histogram.codes
    assert rows_of(recode, codes) == labels_by_row(found.generalization, codes, hierarchies)


@settings(deadline=None, max_examples=100)
@given(populations())
def test_levels_cover_exactly_the_labels_of_k_learners(population):
    """A learner, old or new, is covered if k of the population have his labels."""
    hierarchies, histogram, newcomers, k, levels = population

    def labels(row):
        return tuple(
            h.label_of(level)[leaf] for h, level, leaf in zip(hierarchies, levels, row, strict=True)
        )

    counted = Counter()
    for row, learners in zip(histogram.codes, histogram.learners, strict=True):
        counted[labels(row)] += int(learners)
    recode = fitted(population, FrozenLevels)
    if recode is None:
        assert max(counted.values()) < k
        return
    everyone = np.concatenate([histogram.codes, newcomers])
    expected = [labels(row) if counted[labels(row)] >= k else None for row in everyone]
    assert rows_of(recode, everyone) == expected


@settings(deadline=None, max_examples=100)
@given(populations(), st.sampled_from([FrozenTree, FrozenLevels]))
def test_newcomers_get_frozen_labels_above_their_leaves(population, kind):
    """Nobody's labels are new, and each is an ancestor of his leaf."""
    hierarchies, _, newcomers, _, _ = population
    recode = fitted(population, kind)
    if recode is None:
        return
    for codes, labels in zip(newcomers, rows_of(recode, newcomers), strict=True):
        if labels is None:
            continue
        assert labels in recode.classes
        for h, leaf, label in zip(hierarchies, codes, labels, strict=True):
            assert label in {h.label_of(level)[leaf] for level in range(h.height + 1)}


@settings(deadline=None, max_examples=100)
@given(populations(), st.sampled_from([FrozenTree, FrozenLevels]))
def test_the_text_is_the_recode(population, kind):
    """What is read back has the same digest and the same answers."""
    hierarchies, histogram, newcomers, _, _ = population
    recode = fitted(population, kind)
    if recode is None:
        return
    again = from_text(to_text(recode), hierarchies)
    assert (type(again), sha256(again)) == (kind, sha256(recode))
    assert to_text(again) == to_text(recode)
    everyone = np.concatenate([histogram.codes, newcomers])
    assert rows_of(again, everyone) == rows_of(recode, everyone)


AGE = Hierarchy.from_rows(
    "age", [("20", "young"), ("21", "young"), ("60", "old"), ("61", "old")], missing=False
)


def small_tree():
    """Two learners each of 20 and 21, and four of 60: `old` is released as 60."""
    return FrozenTree.fit(
        histogram_of([(0,), (0,), (1,), (1,), *[(2,)] * 4]), [AGE], [KAnonymity(2)], weights=[1.0]
    )


def test_a_newcomer_outside_the_labels_is_not_covered():
    """61 lies under `old`, but the class is of 60; nothing is widened for him."""
    recode = small_tree()
    assert rows_of(recode, np.array([[0], [1], [2], [3]], np.int32)) == [
        ("20",), ("21",), ("60",), None
    ]  # fmt: skip


def test_a_newcomer_without_a_branch_is_not_covered():
    """Where a split left no residual, a leaf of none of its labels leads nowhere."""
    recode = FrozenTree.fit(
        histogram_of([(0,), (0,), (1,), (1,)]), [AGE], [KAnonymity(2)], weights=[1.0]
    )
    assert rows_of(recode, np.array([[0], [3]], np.int32)) == [("20",), None]


def test_counts_of_learners_leave_no_trace_in_the_text():
    """Twice the learners make the same text; another k does not."""
    codes = [(0,), (0,), (1,), (1,), (2,), (2,)]
    text = to_text(FrozenTree.fit(histogram_of(codes), [AGE], [KAnonymity(2)], weights=[1.0]))
    many = histogram_of(codes * 2)
    assert text == to_text(FrozenTree.fit(many, [AGE], [KAnonymity(2)], weights=[1.0]))
    assert text != to_text(FrozenTree.fit(many, [AGE], [KAnonymity(4)], weights=[1.0]))


def test_a_changed_text_is_refused():
    """A label in the text exchanged for another."""
    with pytest.raises(CoreError, match="was changed"):
        from_text(to_text(small_tree()).replace('"60"', '"61"'), [AGE])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 1}', "null"])
def test_a_text_that_is_no_recode_is_refused(text):
    """And says where one comes from."""
    with pytest.raises(CoreError, match="no recode"):
        from_text(text, [AGE])


def test_a_text_of_another_format_is_refused():
    """A later format is not guessed at."""
    later = json.loads(to_text(small_tree())) | {"format": "kohort-recode/2"}
    with pytest.raises(CoreError, match="another format"):
        from_text(json.dumps(later), [AGE])


@pytest.mark.parametrize(
    "hierarchies",
    [
        [],
        [Hierarchy.flat("age", ["20", "21", "60", "61"], missing=False)],
        [Hierarchy.from_rows("years", list(zip(*map(AGE.label_of, (0, 1)), strict=True)),
                             missing=False)],
    ],
)  # fmt: skip
def test_other_hierarchies_are_refused(hierarchies):
    """None, other labels, or another name."""
    with pytest.raises(CoreError, match="other hierarchies"):
        from_text(to_text(small_tree()), hierarchies)


def test_a_recode_is_of_one_cell():
    """Learners who are counted once in each course are no population."""
    one = np.ones(2, np.int64)
    histogram = Histogram(np.zeros((2, 1), np.int32), np.arange(2), one, one, {})
    with pytest.raises(CoreError, match="one cell"):
        FrozenTree.fit(histogram, [AGE], [KAnonymity(1)], weights=[1.0])
    with pytest.raises(CoreError, match="one cell"):
        FrozenLevels.fit(histogram, [AGE], [KAnonymity(1)], levels=[0])


def test_values_that_are_no_recode_are_refused():
    """Levels, labels, classes and nodes are checked on construction."""
    tree = small_tree()
    for levels in [(), (3,), (-1,)]:
        with pytest.raises(CoreError, match="levels"):
            FrozenLevels((AGE,), 2, levels, ())
    for k, classes in [(0, ()), (1, (("90",),)), (1, (("20", "20"),)), (1, (("20",), ("20",)))]:
        with pytest.raises(CoreError, match="recode"):
            FrozenLevels((AGE,), k, (0,), classes)
    with pytest.raises(CoreError, match="no tree"):
        FrozenTree((AGE,), 2, tree.tree, tree.classes[:1])
