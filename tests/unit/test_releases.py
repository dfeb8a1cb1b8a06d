"""The gate over repeated releases, departures, and what is held back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.cells import ReleaseEntry
from anonymizer.errors import CoreError
from anonymizer.items import Incidence, anonymize_items
from anonymizer.releases import depart, hold_back, intersect
from tests.reference.gate import linked_cells
from tests.reference.items import joint_cells

M = st.sampled_from([1, 2, 3, "full"])
K = st.integers(1, 4)


def entry(shown, k=5, m="full"):
    """The registry entry of learner -> (class, items)."""
    length = [len(items) for _, items in shown.values()]
    held = Incidence(
        offsets=np.cumsum([0, *length]).astype(np.int64),
        item=np.array([i for _, items in shown.values() for i in sorted(items)], np.int32),
        classes=np.array([cls for cls, _ in shown.values()], np.int64),
    )
    return ReleaseEntry(np.array(list(shown), np.int64), held, k, m)


def row(who, item):
    """The key of a row under course scope."""
    return who * 10 + item


def seen(shown, m, k=5):
    """The entry for an attacker of m items: at m = 1 each row is a learner of its own."""
    if m != 1:
        return entry(shown, k, m)
    rows = {row(who, i): (row(cls, i), ()) for who, (cls, items) in shown.items() for i in items}
    return entry(rows, k)


def known(m):
    """The m that the privacy core is asked with."""
    return "full" if m == 1 else m


def without(shown, keys, m):
    """The release without these learners, or at m = 1 without these rows."""
    if m != 1:
        return {who: one for who, one in shown.items() if who not in keys}
    return {
        who: (cls, frozenset(i for i in items if row(who, i) not in keys))
        for who, (cls, items) in shown.items()
    }


def cells_of(releases, m, *, linked=False):
    """(what was chosen, what is seen) -> the keys of a cell, slowly."""
    found = (linked_cells if linked else joint_cells)(releases, m)
    if m != 1:
        return found
    return {
        (chosen, shown): {row(who, i) for who in cell for i in chosen}
        for (chosen, shown), cell in found.items()
    }


def need(shown, ks):
    """The largest k of the releases that show something."""
    return max(k for k, one in zip(ks, shown, strict=True) if one is not None)


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


ATTACKER = st.sampled_from(
    [(1, False), *((m, linked) for m in (2, 3, "full") for linked in (False, True))]
)
"""m, and whether the releases are linked."""


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(releases(), K), min_size=1, max_size=3), ATTACKER)
def test_cells_are_those_of_a_slow_count(shown, attacker):
    """The smallest cell, and who is in cells below their own k, as by loops over sets."""
    (m, linked), ks = attacker, [k for _, k in shown]
    cells = cells_of([one for one, _ in shown], m, linked=linked)
    found = intersect([seen(one, m, k) for one, k in shown], m=known(m), linked=linked)
    assert found.smallest == min(map(len, cells.values()), default=0)
    small = {who for (_, of), cell in cells.items() if len(cell) < need(of, ks) for who in cell}
    assert found.exposed.tolist() == sorted(small)
    assert found.holds == (not small)


@settings(deadline=None, max_examples=100)
@given(releases(), M, K)
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
    assert intersect([seen(left, m, k)], m=known(m)).holds
    if m != 1:
        assert intersect([entry(left, k, m)], m=m, linked=True).holds


def test_a_crafted_intersection_is_rejected():
    """Two releases, each 5-anonymous, that together single one learner out."""
    first = crowd(range(5), 0, [1]) | crowd(range(5, 10), 1, [1])
    second = crowd(range(4), 0, [1]) | crowd(range(4, 10), 1, [1])
    assert intersect([seen(first, 1)], m="full").holds
    found = intersect([seen(first, 1, 4), seen(second, 1, 4)], m="full")
    assert not found.holds
    assert found.smallest == 1
    assert found.exposed.tolist() == [row(4, 1)]


def test_absence_is_seen():
    """Of ten learners one is missing from the second release."""
    shown = crowd(range(10), 0, [1])
    later = entry(shown).without(np.array([3]))
    for m in (2, 3, "full"):
        assert intersect([entry(shown), later], m=m).exposed.tolist() == [3]
        both = [entry(shown, m=m), entry(shown, m=m).without(np.array([3]))]
        assert intersect(both, m=m, linked=True).exposed.tolist() == [3]


def test_a_cell_needs_the_k_of_the_releases_that_show_it():
    """Ten are asked for by the second release, of whom it shows; five suffice for the others."""
    first = crowd(range(15), 0, [1])
    second = crowd(range(5, 15), 0, [1])
    for m in (2, 3, "full"):
        assert intersect([entry(first, 5), entry(second, 10)], m=m).holds
        found = intersect([entry(first, 6), entry(second, 10)], m=m)
        assert found.exposed.tolist() == list(range(5))


def test_other_courses_are_not_seen_under_course_scope():
    """Who took course 2 besides is hidden from one who looks at course 1, unless ids are linked."""
    first = crowd(range(10), 0, [1])
    second = crowd(range(2), 0, [2]) | crowd(range(10, 15), 0, [2])
    assert intersect([seen(first, 1), seen(second, 1)], m="full").holds
    assert intersect([entry(first), entry(second)], m=2).exposed.tolist() == [0, 1]


def test_linked_pseudonyms_join_items_of_different_releases():
    """Course 1 is in the first release and course 2 in the second: linked, the pair is rare."""
    first = crowd(range(10), 0, [1]) | crowd(range(10, 20), 0, [3])
    second = crowd([*range(3), *range(10, 17)], 0, [2]) | crowd([*range(3, 10), 17, 18, 19], 0, [4])
    both = [entry(first, 3, 2), entry(second, 3, 2)]
    assert intersect(both, m=2, linked=True).holds
    alone = [entry(first, 4, 2), entry(second, 4, 2)]
    assert intersect(alone, m=2).holds
    assert intersect(alone, m=2, linked=True).exposed.tolist() == [0, 1, 2, 17, 18, 19]


def test_linked_learners_count_for_the_strongest_promise_that_shows_them():
    """Exact sets matter of whom the second release shows, pairs of whom the first does alone."""
    triple = crowd(range(5), 0, [1, 2]) | crowd(range(5, 10), 0, [1, 3]) | crowd([10], 0, [1])
    weak, strong = entry(triple, m=2), entry(crowd(range(10), 0, []))
    later = entry(crowd(range(11), 0, []))
    assert intersect([weak, strong], m="full", linked=True).holds
    assert intersect([weak, later], m=2, linked=True).holds
    assert intersect([weak, later], m="full", linked=True).exposed.tolist() == [10]


def test_a_class_beside_others_is_seen_where_they_show_something():
    """Whom only a release shows that shows its class beside others, is in no cell."""
    shown, beside = crowd(range(5), 0, []), crowd(range(9), 0, [])
    held = ReleaseEntry(np.arange(9), entry(beside).held, 5, beside=True)
    assert intersect([held, entry(shown)], m="full").holds
    assert not intersect([entry(beside), entry(shown)], m="full").holds
    # It counts where it is seen.
    found = intersect([ReleaseEntry(held.keys, held.held, 6, beside=True), entry(shown)], m="full")
    assert found.exposed.tolist() == list(range(5))


def test_keys_may_be_bytes():
    """An HMAC is bytes of one length."""
    shown = entry(crowd(range(3), 0, [1]))
    keys = np.array([b"\x07" * 32, b"\x01" * 31 + b"\x00", b"\x05" * 32])
    release = ReleaseEntry(keys, shown.held, 2)
    found = intersect([release, release.without(keys[1:2])], m="full")
    assert found.exposed.tolist() == keys[1:2].tolist()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(releases(), K), min_size=1, max_size=2), changes, ATTACKER, K)
def test_what_is_held_back_leaves_nothing_to_mend(earlier, changed, attacker, k):
    """Afterwards no cell below k is shown now, and none could grow by holding back more."""
    (m, linked), ks = attacker, [*(one for _, one in earlier), k]
    new = changed_release(earlier[-1][0], changed)
    before = [seen(one, m, its) for one, its in earlier]
    held = hold_back(
        before, seen(new, m, k), m=known(m), linked=linked, generator=np.random.default_rng(1)
    )
    left = without(new, held.tolist(), m)
    cells = cells_of([*(one for one, _ in earlier), left], m, linked=linked)
    for (_, of), cell in cells.items():
        assert len(cell) >= need(of, ks) or of[-1] is None
    if intersect([*before, seen(new, m, k)], m=known(m), linked=linked).holds:
        assert not len(held)
    # Where the earlier releases hold, the new one can always wait whole.
    if intersect(before, m=known(m), linked=linked).holds:
        assert intersect([*before, seen(left, m, k)], m=known(m), linked=linked).holds


def held_back(before, new, m, seed=1):
    generator = np.random.default_rng(seed)
    return set(hold_back([entry(before)], entry(new), m=m, generator=generator).tolist())


def test_few_newcomers_wait():
    """Two learners who join a class of ten are held back; five go as their own batch."""
    before = crowd(range(10), 0, [1])
    assert held_back(before, crowd(range(12), 0, [1]), 2) == {10, 11}
    assert held_back(before, crowd(range(15), 0, [1]), 2) == set()


def test_a_small_cell_takes_the_smallest_beside_it():
    """Two of fourteen who changed items would be seen missing, so five who look alike wait too."""
    before = crowd(range(14), 0, [1])
    new = crowd(range(2), 0, []) | crowd(range(2, 7), 0, [2]) | crowd(range(7, 14), 0, [1])
    assert held_back(before, new, "full") == set(range(7))


def test_a_large_cell_spares_those_who_are_missing():
    """Three of eight wait by lot, and five remain: none of a cell that would fall below k."""
    before = crowd(range(15), 0, [1])
    new = crowd(range(2), 0, []) | crowd(range(2, 7), 0, [2]) | crowd(range(7, 15), 0, [1])
    found = [held_back(before, new, "full", seed) for seed in range(20)]
    assert all(len(one) == 5 and {0, 1} <= one <= {0, 1, *range(7, 15)} for one in found)
    assert len(set(map(frozenset, found))) > 1


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(releases(), K), min_size=1, max_size=2), changes, ATTACKER, K, st.data())
def test_departures_are_hidden(earlier, changed, attacker, k, data):
    """Every cell that a departure is seen in reaches k, or nobody is left who looked the same."""
    (m, linked), ks = attacker, [*(one for _, one in earlier), k]
    new = changed_release(earlier[-1][0], changed)
    gone = data.draw(st.frozensets(st.integers(0, 17), max_size=3))
    if m == 1:
        gone = {row(who, i) for who in gone for i in range(4)}
    staying = without(new, gone, m)
    leaving = depart(
        [seen(one, m, its) for one, its in earlier],
        seen(staying, m, k),
        np.array(sorted(gone), np.int64),
        m=known(m),
        linked=linked,
        generator=np.random.default_rng(data.draw(st.integers(0, 2**32))),
    ).tolist()
    assert set(leaving) <= set(seen(staying, m).keys.tolist())
    left = without(staying, leaving, m)
    shown = [one for one, _ in earlier]
    before = cells_of(shown, m, linked=linked)
    for (chosen, of), cell in cells_of([*shown, left], m, linked=linked).items():
        if len(cell) < need(of, ks) and of[-1] is None and cell & {*gone, *leaving}:
            # Nobody who looked the same before is shown now: the old cell is empty.
            assert cell == before[earlier_part(chosen), of[:-1]]
    if not gone:
        assert not leaving


def earlier_part(chosen):
    """Pairs of an item and the releases that show it, as they were before the last release.

    In a cell that the last does not show they are the same, but for its place.
    """
    return frozenset((i[0], i[1][:-1]) if isinstance(i, tuple) else i for i in chosen)


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("m", [2, 3, "full"])
@pytest.mark.parametrize("k", [2, 5])
def test_a_departure_takes_others_of_its_cell_along(m, k, linked):
    """Of the nine who looked the same k - 1 leave with one; others stay."""
    before = entry(crowd(range(10), 0, [1]) | crowd(range(10, 20), 1, [1]), k, m)
    new = before.without(np.array([3]))
    chosen = set()
    for seed in range(100):
        leaving = depart(
            [before],
            new,
            np.array([3]),
            m=m,
            linked=linked,
            generator=np.random.default_rng(seed),
        )
        assert len(leaving) == k - 1
        assert intersect([before, new.without(leaving)], m=m, linked=linked).holds
        chosen |= set(leaving.tolist())
    # One of nine is missed by 100 draws of one with probability (8/9)^100 = 8e-6.
    assert chosen == set(range(10)) - {3}


def test_a_small_cell_departs_whole():
    """Where the earlier cell is smaller than k, all of it leaves, and is passed over."""
    before = entry(crowd(range(3), 0, [1]))
    departed = np.array([0])
    new = before.without(departed)
    leaving = depart([before], new, departed, m="full", generator=np.random.default_rng(1))
    assert leaving.tolist() == [1, 2]
    both = [before, new.without(leaving)]
    assert not intersect(both, m="full").holds
    assert intersect(both, m="full", departed=departed).holds
    assert not intersect([before, new], m="full", departed=departed).holds


def test_entries_must_make_sense():
    """A key for each learner, each once; the departed are gone; something is released."""
    shown = entry(crowd(range(3), 0, [1]))
    with pytest.raises(CoreError, match="one key for each"):
        ReleaseEntry(np.arange(2), shown.held, 5)
    with pytest.raises(CoreError, match="twice"):
        ReleaseEntry(np.array([1, 1, 2]), shown.held, 5)
    with pytest.raises(CoreError, match="still in the new release"):
        depart([], shown, np.array([0]), m=2, generator=np.random.default_rng(1))
    with pytest.raises(CoreError, match="at least the new release"):
        intersect([], m=2)
