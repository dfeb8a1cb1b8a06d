"""What a split would cost in items, recounted class by class and item by item."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer import within_items
from anonymizer.closeness import EqualDistance, HierarchicalDistance, OrderedDistance, TCloseness
from anonymizer.diversity import DistinctLDiversity, EntropyLDiversity, RecursiveLDiversity
from anonymizer.errors import CoreError
from anonymizer.hierarchy import Hierarchy
from anonymizer.models import EquivalenceClasses, MaximumShare, OneSidedShare, SensitiveValues
from anonymizer.within_items import WithinItems, crossed_label, crossed_order
from tests.reference import models

VALUES = ("low", "middle", "high")
TREE = Hierarchy.from_rows(
    "grade", [("low", "below", "*"), ("middle", "below", "*"), ("high", "top", "*")], missing=False
)
JUDGED = {
    "share": (
        MaximumShare("grade", 0.6),
        lambda mine, _: models.most_share(mine, 0.6),
    ),
    "one-sided": (
        OneSidedShare("grade", 0.4, ("high",)),
        lambda mine, _: models.most_share(mine, 0.4, ("high",)),
    ),
    "distinct": (
        DistinctLDiversity("grade", 2),
        lambda mine, _: models.distinct(models.filled(mine), 2),
    ),
    "entropy": (
        EntropyLDiversity("grade", 1.8),
        lambda mine, _: models.entropy(models.filled(mine), 1.8),
    ),
    "recursive": (
        RecursiveLDiversity("grade", 1.5, 2),
        lambda mine, _: models.recursive(models.filled(mine), 1.5, 2),
    ),
    "equal": (
        TCloseness("grade", 0.3, EqualDistance()),
        lambda mine, all_: models.close(mine, all_, 0.3, lambda a, b: Fraction(a != b)),
    ),
    "ordered": (
        TCloseness("grade", 0.3, OrderedDistance()),
        lambda mine, all_: models.close(mine, all_, 0.3, models.ordered(VALUES, all_)),
    ),
    "hierarchical": (
        TCloseness("grade", 0.3, HierarchicalDistance(TREE)),
        lambda mine, all_: models.close(mine, all_, 0.3, models.hierarchical(TREE)),
    ),
}
row = st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(VALUES))


def counted(rows, number, *, whole_domain):
    """The classes of rows (class, item, value), each by another learner of his class and item.

    Args:
        rows: the rows.
        number: of classes.
        whole_domain: whether labels that nobody has are columns too.
    """
    size = np.array([sum(c == i for c, *_ in rows) for i in range(number)], np.int64)

    def held(pairs, labels):
        shown = labels if whole_domain else [v for v in labels if any(v == x for _, x in pairs)]
        counts = Counter(pairs)
        table = [[counts[i, value] for value in shown] for i in range(number)]
        table = np.array(table, np.int64).reshape(number, len(shown))
        reference = table.sum(axis=0)[None]
        return SensitiveValues(table, reference, np.zeros(number, np.int64), tuple(shown))

    items = held([(c, crossed_label(i, "")) for c, i, _ in rows], crossed_order(4, ("",)))
    grades = held([(c, crossed_label(i, v)) for c, i, v in rows if v], crossed_order(4, VALUES))
    return EquivalenceClasses(size, size, {"items": items, "in items": grades})


def lost_rows(rows, number, k, judge):
    """For each class its rows in items in which it has few learners, or does not hold."""
    lost = [0] * number
    for c in range(number):
        for item in range(4):
            mine = [{v} - {""} for of_class, at, v in rows if (of_class, at) == (c, item)]
            all_ = [{v} - {""} for _, at, v in rows if at == item]
            if mine and (len(mine) < k or not judge(mine, all_)):
                lost[c] += len(mine)
    return lost


def model_of(name, k, share=0.0):
    """The model with one bound."""
    return WithinItems(k, (JUDGED[name][0],), "items", {"grade": "in items"}, share)


@pytest.mark.parametrize("name", JUDGED)
@given(
    rows=st.lists(row, max_size=30),
    k=st.integers(1, 4),
    share=st.sampled_from([0.0, 0.29, 0.5, 1.0]),
    withheld=st.sets(st.integers(0, 3)),
    whole_domain=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_lost_rows(name, rows, k, share, withheld, whole_domain):
    """The model and its slow twin lose the same rows, and judge them against the share exactly."""
    rows = [(c, item, "" if item in withheld else value) for c, item, value in rows]
    classes = counted(rows, 3, whole_domain=whole_domain)
    model = model_of(name, k, share)
    lost, of_class = model.lost(classes)
    expected = lost_rows(rows, 3, k, JUDGED[name][1])
    assert lost.tolist() == expected
    assert of_class.tolist() == classes.size.tolist()
    allowed = [Fraction(str(share)) * size for size in of_class.tolist()]
    assert model(classes).tolist() == [x <= y for x, y in zip(expected, allowed, strict=True)]


@given(rows=st.lists(row, max_size=30))
@settings(deadline=None, max_examples=20)
def test_blocks_make_no_difference(rows):
    """Classes looked at one by one lose what they lose together."""
    classes = counted(rows, 3, whole_domain=True)
    model = model_of("ordered", 2)
    together = model.lost(classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(within_items, "_BLOCK", 1)
        apart = model.lost(classes)
    assert [x.tolist() for x in together] == [x.tolist() for x in apart]


@pytest.mark.parametrize("whole_domain", [True, False])
def test_no_rows(whole_domain):
    """Classes of nobody lose nothing; so do no classes."""
    for number in (0, 2):
        classes = counted([], number, whole_domain=whole_domain)
        lost, rows = model_of("equal", 5).lost(classes)
        assert (lost.tolist(), rows.tolist()) == ([0] * number, [0] * number)
        assert model_of("equal", 5)(classes).all()


def test_an_item_without_learners_of_a_class():
    """A class that nobody of takes an item loses nothing in it; one of too few loses them."""
    rows = [(0, 0, "low"), (0, 0, "high"), (1, 3, "low"), (1, 0, "low"), (1, 0, "high")]
    model = model_of("distinct", 2)
    assert model.lost(counted(rows, 2, whole_domain=False))[0].tolist() == [0, 1]


def test_shares_from_none_to_all():
    """At share 0 no row may be lost, at 1 all of them; a third of them is within 0.34."""
    classes = counted([(0, 0, "low"), (0, 0, "high"), (0, 1, "low")], 1, whole_domain=True)
    model = model_of("distinct", 2)
    held = {share: bool(replace(model, share=share)(classes)[0]) for share in (0.0, 0.33, 0.34, 1)}
    assert held == {0.0: False, 0.33: False, 0.34: True, 1: True}


def test_the_order_of_values_is_the_declared_one():
    """Of low, middle, high the ends lie 1 apart, whichever stands first in the rows."""
    rows = [(0, 0, "high"), (0, 0, "high"), (1, 0, "middle"), (2, 0, "low"), (2, 0, "low")]
    whole = counted(rows, 3, whole_domain=False)
    # Everybody: 2/5, 1/5, 2/5. Moving all to an end costs 1/2, to the middle 2/5.
    ordered = [TCloseness("grade", t, OrderedDistance()) for t in (0.4, 0.5)]
    lost = [
        WithinItems(1, (m,), "items", {"grade": "in items"}, 0.0).lost(whole)[0] for m in ordered
    ]
    assert [x.tolist() for x in lost] == [[2, 0, 2], [0, 0, 0]]


def test_out_of_range():
    """K of 0 and a share above 1 are refused; so are classes without the columns."""
    for k, share in [(0, 0.5), (1, 1.5), (1, -0.1)]:
        with pytest.raises(CoreError, match="within items"):
            WithinItems(k, (), "items", {}, share)
    nobody = np.zeros(1, np.int64)
    with pytest.raises(CoreError, match="within items"):
        model_of("share", 1).lost(EquivalenceClasses(nobody, nobody, {}))
