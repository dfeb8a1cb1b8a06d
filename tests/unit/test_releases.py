"""The gate over repeated releases, departures, and what is held back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.errors import CoreError
from anonymizer.items import Incidence, anonymize_items
from anonymizer.releases import ReleaseEntry, depart, hold_back, intersect
from tests.reference.items import joint_cells

M = st.sampled_from([1, 2, 3, "full"])


def entry(shown):
    """The registry entry of learner -> (class, items)."""
    length = [len(items) for _, items in shown.values()]
    held = Incidence(
        offsets=np.cumsum([0, *length]).astype(np.int64),
        item=np.array([i for _, items in shown.values() for i in sorted(items)], np.int32),
        classes=np.array([cls for cls, _ in shown.values()], np.int64),
    )
    return ReleaseEntry(np.array(list(shown), np.int64), held)


def crowd(learners, cls, items):
    return dict.fromkeys(learners, (cls, frozenset(items)))


shown_of_one = st.tuples(st.integers(0, 1), st.frozensets(st.integers(0, 3), max_size=3))


changes = st.dictionaries(st.integers(0, 17), st.none() | shown_of_one, max_size=4)


def changed_release(shown, changed):
    """A release in which some learners are shown otherwise, or, where None, not at all."""
    return {who: one for who, one in (shown | changed).items() if one is not None}


@st.composite
def releases(draw):
    """Up to 18 learners in crowds of three to six who are alike, but for some."""
    shown = {}
    for begin, end in [(0, 3), (3, 7), (7, 12), (12, 18)]:
        alike = draw(st.none() | shown_of_one)
        if alike is not None:
            shown |= dict.fromkeys(range(begin, end), alike)
    return changed_release(shown, draw(changes))


@settings(deadline=None, max_examples=100)
@given(st.lists(releases(), min_size=1, max_size=3), M, st.integers(1, 4))
def test_cells_are_those_of_a_slow_count(shown, m, k):
    """The smallest cell, and who is in cells below k, as by loops over sets."""
    cells = joint_cells(shown, m).values()
    found = intersect([entry(one) for one in shown], m=m, k=k)
    assert found.smallest == min(map(len, cells), default=0)
    small = {who for cell in cells if len(cell) < k for who in cell}
    assert found.exposed.tolist() == sorted(small)
    assert found.holds == (not small)


@settings(deadline=None, max_examples=100)
@given(releases(), M, st.integers(1, 4))
def test_a_release_that_keeps_its_promise_passes_alone(shown, m, k):
    """What anonymization leaves needs nothing more while no other release is live."""
    whole = entry(shown)
    kept = anonymize_items(
        whole.held, m=m, k=k, models=(), closeness=(), learner_values={}, row_values={}
    )
    left, at = {}, 0
    for who, (cls, items) in shown.items():
        rows = kept.rows[at : at + len(items)]
        at += len(items)
        if kept.learners[list(shown).index(who)]:
            left[who] = (cls, {i for i, stays in zip(sorted(items), rows, strict=True) if stays})
    assert intersect([entry(left)], m=m, k=k).holds


def test_a_crafted_intersection_is_rejected():
    """Two releases, each 5-anonymous, that together single one learner out."""
    first = crowd(range(5), 0, [1]) | crowd(range(5, 10), 1, [1])
    second = crowd(range(4), 0, [1]) | crowd(range(4, 10), 1, [1])
    assert intersect([entry(first)], m=1, k=5).holds
    found = intersect([entry(first), entry(second)], m=1, k=4)
    assert not found.holds
    assert found.smallest == 1
    assert found.exposed.tolist() == [4]


def test_absence_is_seen():
    """Of ten learners one is missing from the second release."""
    shown = crowd(range(10), 0, [1])
    later = entry(shown).without(np.array([3]))
    for m in (1, 2, 3, "full"):
        assert intersect([entry(shown), later], m=m, k=5).exposed.tolist() == [3]


def test_other_courses_are_not_seen_under_course_scope():
    """Who took course 2 besides is hidden from one who looks at course 1, unless ids are linked."""
    first = crowd(range(10), 0, [1])
    second = crowd(range(2), 0, [2]) | crowd(range(10, 15), 0, [2])
    both = [entry(first), entry(second)]
    assert intersect(both, m=1, k=5).holds
    assert intersect(both, m=2, k=5).exposed.tolist() == [0, 1]


def test_keys_may_be_bytes():
    """An HMAC is bytes of one length."""
    shown = entry(crowd(range(3), 0, [1]))
    keys = np.array([b"\x07" * 32, b"\x01" * 31 + b"\x00", b"\x05" * 32])
    release = ReleaseEntry(keys, shown.held)
    found = intersect([release, release.without(keys[1:2])], m="full", k=2)
    assert found.exposed.tolist() == keys[1:2].tolist()


@settings(deadline=None, max_examples=100)
@given(st.lists(releases(), min_size=1, max_size=2), changes, M, st.integers(1, 4))
def test_what_is_held_back_leaves_nothing_to_mend(earlier, changed, m, k):
    """Afterwards no cell below k is shown now, and none could grow by holding back more."""
    new = changed_release(earlier[-1], changed)
    before, now = [entry(one) for one in earlier], entry(new)
    held = hold_back(before, now, m=m, k=k)
    left = {who: shown for who, shown in new.items() if who not in held}
    for (_, seen), cell in joint_cells([*earlier, left], m).items():
        assert len(cell) >= k or seen[-1] is None
    if intersect([*before, now], m=m, k=k).holds:
        assert not len(held)
    # Where the earlier releases hold, the new one can always wait whole.
    if intersect(before, m=m, k=k).holds:
        assert intersect([*before, entry(left)], m=m, k=k).holds


def test_few_newcomers_wait():
    """Two learners who join a class of ten are held back; five go as their own batch."""
    before = crowd(range(10), 0, [1])
    two, five = crowd(range(12), 0, [1]), crowd(range(15), 0, [1])
    assert hold_back([entry(before)], entry(two), m=1, k=5).tolist() == [10, 11]
    assert hold_back([entry(before)], entry(five), m=1, k=5).tolist() == []


def test_a_small_cell_takes_the_smallest_beside_it():
    """Two of fifteen who changed items would be seen missing, so five who look alike wait too."""
    before = crowd(range(15), 0, [1])
    new = crowd(range(2), 0, []) | crowd(range(2, 7), 0, [2]) | crowd(range(7, 15), 0, [1])
    assert hold_back([entry(before)], entry(new), m="full", k=5).tolist() == list(range(7))


@settings(deadline=None, max_examples=100)
@given(st.lists(releases(), min_size=1, max_size=2), changes, M, st.integers(1, 4), st.data())
def test_departures_are_hidden(earlier, changed, m, k, data):
    """Every cell that a departure is seen in reaches k, or nobody is left who looked the same."""
    new = changed_release(earlier[-1], changed)
    gone = data.draw(st.frozensets(st.integers(0, 17), max_size=3))
    staying = {who: shown for who, shown in new.items() if who not in gone}
    leaving = depart(
        [entry(one) for one in earlier],
        entry(staying),
        np.array(sorted(gone), np.int64),
        m=m,
        k=k,
        generator=np.random.default_rng(data.draw(st.integers(0, 2**32))),
    )
    assert set(leaving.tolist()) <= set(staying)
    left = {who: shown for who, shown in staying.items() if who not in leaving}
    before = joint_cells(earlier, m)
    for (chosen, seen), cell in joint_cells([*earlier, left], m).items():
        if len(cell) < k and seen[-1] is None and cell & (gone | set(leaving.tolist())):
            # Nobody who looked the same before is shown now: the old cell is empty.
            assert cell == before[chosen, seen[:-1]]
    if not gone:
        assert not len(leaving)


@pytest.mark.parametrize("m", [1, 2, 3, "full"])
@pytest.mark.parametrize("k", [2, 5])
def test_a_departure_takes_others_of_its_cell_along(m, k):
    """Of the nine who looked the same k - 1 leave with one; others stay."""
    before = crowd(range(10), 0, [1]) | crowd(range(10, 20), 1, [1])
    new = entry(before).without(np.array([3]))
    chosen = set()
    for seed in range(100):
        leaving = depart(
            [entry(before)], new, np.array([3]), m=m, k=k, generator=np.random.default_rng(seed)
        )
        assert len(leaving) == k - 1
        assert intersect([entry(before), new.without(leaving)], m=m, k=k).holds
        chosen |= set(leaving.tolist())
    # One of nine is missed by 100 draws of one with probability (8/9)^100 = 8e-6.
    assert chosen == set(range(10)) - {3}


def test_a_small_cell_departs_whole():
    """Where the earlier cell is smaller than k, all of it leaves."""
    before = entry(crowd(range(3), 0, [1]))
    leaving = depart(
        [before],
        before.without(np.array([0])),
        np.array([0]),
        m="full",
        k=5,
        generator=np.random.default_rng(1),
    )
    assert leaving.tolist() == [1, 2]


def test_entries_must_make_sense():
    """A key for each learner, each once; the departed are gone; something is released."""
    shown = entry(crowd(range(3), 0, [1]))
    with pytest.raises(CoreError, match="one key for each"):
        ReleaseEntry(np.arange(2), shown.held)
    with pytest.raises(CoreError, match="twice"):
        ReleaseEntry(np.array([1, 1, 2]), shown.held)
    with pytest.raises(CoreError, match="still in the new release"):
        depart([], shown, np.array([0]), m=1, k=5, generator=np.random.default_rng(1))
    with pytest.raises(CoreError, match="at least the new release"):
        intersect([], m=1, k=5)
