"""What a new release leaves out beside live ones, against a slow count of all cells."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from pipelines.errors import PrivacyError
from pipelines.gate import left_out
from pipelines.shown import MEMBERS, Shown
from tests.reference.gate import Released, cells

CROWDS = [range(3), range(3, 7), range(7, 12), range(12, 18), range(18, 27)]
ITEMS = st.frozensets(st.integers(0, 2), max_size=2)
ONE = st.tuples(st.integers(0, 1), ITEMS)
PROMISES = [(1, None), (2, None), (3, None), ("full", None), (2, "p"), (3, "p"), ("full", "p")]


def digest(who):
    return f"{who:064x}"


def table(release):
    """The members of a release, as the registry holds them."""
    rows = [
        (digest(who), f"item {item}" if item != "" else "", cls)
        for who, (cls, items) in release.shown.items()
        for item in (items or [""])
    ]
    return pl.DataFrame(rows, schema=MEMBERS, orient="row")


def shown(release, item="code_module"):
    own = item if release.items else None
    return Shown(release.k, release.m, release.project, own, table(release))


def with_promise(k, promise, has_items, people):
    """A release of people: (class, items) or None for who is absent."""
    m, project = promise
    kept = {who: one for who, one in people.items() if one is not None}
    if m == 1:
        kept = {who: one for who, one in kept.items() if one[1]}
    elif not has_items:
        kept = {who: (cls, frozenset()) for who, (cls, _) in kept.items()}
    return Released(k, m, project, m == 1 or has_items, kept)


@st.composite
def worlds(draw):
    """Live releases, a new one, and who is present: (learner, item), "" for none."""
    live, alike = [], {}
    for _ in range(draw(st.integers(2, 4))):
        k, promise, has_items = draw(
            st.tuples(st.integers(1, 4), st.sampled_from(PROMISES), st.booleans())
        )
        for crowd in CROWDS:
            # Mostly as in the release before, so that cells are large enough to go out.
            if not alike.keys() & set(crowd) or draw(st.integers(0, 2)) == 0:
                alike |= dict.fromkeys(crowd, draw(ONE))
        odd = draw(st.dictionaries(st.integers(0, 26), st.none() | ONE, max_size=2))
        live.append(with_promise(k, promise, has_items, alike | odd))
    *earlier, new = live
    if draw(st.integers(0, 3)):
        earlier = let_out(earlier)
    gone = draw(st.frozensets(st.integers(0, 26), max_size=2))
    new = new._replace(shown={who: one for who, one in new.shown.items() if who not in gone})
    present = everybody(new)
    if draw(st.booleans()):
        # Who was shown before might have been released again, but was suppressed.
        again = set().union(*map(everybody, earlier))
        present |= {(who, i if new.items else "") for who, i in again if who not in gone}
    return earlier, new, present


def let_out(releases):
    """Those that passed the gate one after another, without what they had to leave out.

    Beside a release of nobody, the first must keep its own promise.
    """
    live = []
    for release in releases:
        present = set().union(*map(everybody, [*live, release]))
        nobody = release._replace(shown={})
        try:
            live.append(reduced(release, asked([nobody, *live], release, present)))
        except PrivacyError:
            continue
    return live


def everybody(*releases):
    """The rows of releases: (learner, item), "" for none."""
    return {
        (who, i) for r in releases for who, (_, items) in r.shown.items() for i in items or [""]
    }


def frame(present):
    rows = [(digest(who), f"item {i}" if i != "" else "") for who, i in present]
    return pl.DataFrame(rows, schema={"learner": pl.String, "item": pl.String}, orient="row")


def asked(earlier, new, present, seed=1):
    """The rows to leave out: (learner, item), "" for none."""
    found = left_out(
        [shown(one) for one in earlier],
        shown(new),
        present=frame(present),
        generator=np.random.default_rng(seed),
    )
    assert found.columns == ["learner", "item", "departing"]
    shows = {who for one in earlier for who in one.shown}
    if shows <= {who for who, _ in present}:
        assert found.is_empty() or new.m == 1 or not found["departing"].any(), "nobody departed"
    rows = found.drop("departing").iter_rows()
    numbers = [(int(who, 16), item and int(item.split()[1])) for who, item in rows]
    assert len(set(numbers)) == len(numbers)
    return set(numbers)


def reduced(new, out):
    """The new release without what is left out."""
    if new.m != 1:
        assert {item for _, item in out} <= {""}
        left_learners = {who for who, _ in out}
        return new._replace(
            shown={who: one for who, one in new.shown.items() if who not in left_learners}
        )
    people = {
        who: (cls, frozenset(i for i in items if (who, i) not in out))
        for who, (cls, items) in new.shown.items()
    }
    return new._replace(shown={who: one for who, one in people.items() if one[1]})


def departed(earlier, new, present):
    """Learners and rows that an earlier release shows and that are no longer present."""
    there = {who for who, _ in present}
    learners = {who for release in earlier for who in release.shown} - there
    rows = {
        (who, item)
        for release in earlier
        for who, (_, items) in release.shown.items()
        for item in items
        if ((who, item) not in present if new.m == 1 else who in learners)
    }
    return learners | rows


@settings(deadline=None, max_examples=100)
@given(worlds())
def test_after_leaving_out_every_cell_holds(world):
    """Cells are aside that only a departure left below k, or that nothing is promised about.

    Even of these nobody is shown now.
    """
    earlier, new, present = world
    gone = departed(earlier, new, present)
    alone = cells([*earlier, new._replace(shown={})])
    unmendable = any(
        len(cell.keys) < cell.need and cell.promised and not cell.keys & gone for cell in alone
    )
    if unmendable:
        event("the earlier ones fail")
        with pytest.raises(PrivacyError, match="together they show"):
            asked(earlier, new, present)
        return
    try:
        out = asked(earlier, new, present)
    except PrivacyError:
        event("nobody is left")
        assert any(len(cell.keys) < cell.need for cell in cells([*earlier, new]))
        return
    event(f"left out: {bool(out)}; departed: {bool(gone)}; {len(earlier)} earlier; m = {new.m}")
    assert out <= {(who, i if new.m == 1 else "") for who, i in present}
    assert not {who for who, _ in out} & gone
    assert not out & gone
    left = reduced(new, out)
    emptied = {cell.keys for cell in alone}
    for cell in cells([*earlier, left]):
        if len(cell.keys) < cell.need:
            assert not cell.now
            assert cell.keys & gone or not cell.promised
            assert cell.keys in emptied
    assert not asked(earlier, left, present, seed=2)
    if not gone and all(len(cell.keys) >= cell.need for cell in cells([*earlier, new])):
        assert not out


@settings(deadline=None, max_examples=25)
@given(worlds(), st.randoms())
def test_the_order_of_rows_does_not_matter(world, random):
    """Whatever the order of members and of who is present, the same lots fall on the same."""
    earlier, new, present = world

    def shuffled(one):
        order = random.sample(range(len(one)), len(one))
        return one[order] if order else one

    def found(change):
        return left_out(
            [Shown(r.k, r.m, r.project, r.item, change(r.members)) for r in map(shown, earlier)],
            Shown(new.k, new.m, new.project, shown(new).item, change(table(new))),
            present=change(frame(sorted(present, key=str))),
            generator=np.random.default_rng(3),
        )

    try:
        first = found(lambda one: one)
    except PrivacyError:
        assume(False)
    assert first.equals(found(shuffled))


@settings(deadline=None, max_examples=25)
@given(worlds())
def test_the_first_release_passes(world):
    """No other is live: its own promise is all that counts."""
    _, new, present = world
    assert not asked([], new, present)


def crowd(learners, cls, items):
    return dict.fromkeys(learners, (cls, frozenset(items)))


ALL = [
    Released(5, m, p, items, {})
    for m, p in PROMISES
    for items in ([True] if m == 1 else [True, False])
]


@pytest.mark.parametrize("promise", ALL)
def test_a_class_of_exactly_k_with_one_erased_leaves_whole(promise):
    """All others of the class leave with him, and the rebuild passes."""
    items = [1] if promise.items else []
    before = promise._replace(shown=crowd(range(5), 0, items) | crowd(range(5, 20), 1, items))
    new = before._replace(shown={who: one for who, one in before.shown.items() if who != 2})
    present = everybody(new)
    out = asked([before], new, present)
    assert {who for who, _ in out} == {0, 1, 3, 4}
    left = reduced(new, out)
    assert not asked([before], left, present)
    assert all(len(cell.keys) >= 5 for cell in cells([before, left]))


@pytest.mark.parametrize("promise", ALL)
def test_a_large_class_loses_k_with_one_erased(promise):
    """Four of fifteen leave with him, by lot."""
    items = [1] if promise.items else []
    before = promise._replace(shown=crowd(range(15), 0, items))
    new = before._replace(shown={who: one for who, one in before.shown.items() if who != 2})
    drawn = {frozenset(who for who, _ in asked([before], new, everybody(new), s)) for s in range(9)}
    assert {len(one) for one in drawn} == {4}
    assert len(drawn) > 1


@pytest.mark.parametrize("promise", ALL)
def test_a_crafted_intersection_is_held_back_or_refused(promise):
    """Two releases, each 5-anonymous, whose join singles one learner out."""
    items = [1] if promise.items else []
    first = promise._replace(shown=crowd(range(5), 0, items) | crowd(range(5, 10), 1, items))
    second = promise._replace(shown=crowd(range(4), 0, items) | crowd(range(4, 10), 1, items))
    assert {who for who, _ in asked([first], second, everybody(first))} == set(range(5))
    third = promise._replace(
        shown=crowd(range(1, 6), 0, items) | crowd([0, *range(6, 10)], 1, items)
    )
    with pytest.raises(PrivacyError, match="nobody could be released"):
        asked([first], third, everybody(first))


def test_earlier_releases_that_fail_alone_are_refused():
    """Nothing that the new release leaves out mends what two earlier ones show together."""
    first = Released(5, "full", None, False, crowd(range(10), 0, []))
    second = Released(5, "full", None, False, crowd(range(9), 0, []))
    with pytest.raises(PrivacyError, match=r"recall one of them.*columns of an earlier release"):
        asked([first, second], first, everybody(first))


def test_what_names_different_things_is_not_compared():
    """Modules and runs are no items of one kind; a release without items is beside both."""
    first = Released(5, 2, None, True, crowd(range(10), 0, [1]))
    none = Released(5, 2, None, False, crowd(range(10), 0, []))
    with pytest.raises(PrivacyError, match=r"code_module and module_run.*ask for code_module"):
        left_out(
            [shown(none), shown(first)],
            shown(first, "module_run"),
            present=frame(everybody(first)),
            generator=np.random.default_rng(1),
        )
    assert not asked([first], none, everybody(none))
    assert not asked([none], first, everybody(first))


def test_one_known_item_leaves_out_rows_under_course_scope_alone():
    """Two newcomers to item 2 wait there; above course scope they wait altogether."""
    before = Released(5, 1, None, True, crowd(range(5), 0, [1, 2]) | crowd(range(5, 15), 0, [1]))
    added = {0: (0, frozenset([1, 2, 3])), 1: (0, frozenset([1, 2, 3]))}
    new = before._replace(shown=before.shown | added)
    assert asked([before], new, everybody(new)) == {(0, 3), (1, 3)}
    above = new._replace(m=2)
    # Without them the three who are left with items 1 and 2 would stand out.
    assert asked([before], above, everybody(new)) == {(who, "") for who in range(5)}


def test_several_known_items_leave_out_all_rows_of_a_learner():
    """Linked to an earlier class, four of a kind stand out whatever their items."""
    before = Released(5, "full", None, False, crowd(range(4), 0, []) | crowd(range(4, 20), 1, []))
    before.shown.update(crowd(range(20, 25), 0, []))
    now = crowd(range(4), 7, [1, 2]) | crowd(range(4, 25), 8, [1, 2])
    new = Released(5, 1, None, True, now)
    assert asked([before], new, everybody(new)) >= {(who, i) for who in range(4) for i in (1, 2)}


@settings(deadline=None, max_examples=50)
@given(worlds())
def test_what_passed_the_gate_never_stands_in_the_way(world):
    """Whatever is asked next: releases that passed one after another can be mended."""
    earlier, new, _ = world
    alone = cells([*let_out(earlier), new._replace(shown={})])
    assert all(len(cell.keys) >= cell.need for cell in alone if cell.promised)


def test_weak_releases_do_not_stand_in_the_way_of_strong_ones():
    """Both course-scoped releases keep their promise; one learner is in one of them alone."""
    first = Released(5, 1, None, True, crowd(range(11), 0, [1]))
    second = Released(5, 1, None, True, crowd(range(10), 0, [2]))
    strong = Released(5, 2, None, False, crowd(range(11), 0, []))
    # He waits: nobody else is in the first release and in the new one alone. Four wait with him, so
    # that he is not the only one of item 1 who is missing, and a fifth, because these four alone
    # would be in both earlier releases and not in the new one.
    out = asked([first, second], strong, everybody(strong))
    assert (10, "") in out
    assert len(out) == 6


def test_weak_promises_are_not_linked():
    """A course-scoped release shows who learns from several items his class alone."""
    courses = crowd(range(5), 0, [1]) | crowd(range(5, 10), 0, [2])
    scoped = Released(5, 1, None, True, courses)
    pairs = Released(5, 2, None, True, crowd(range(5), 0, [1]) | crowd(range(5, 10), 0, [2]))
    assert not asked([scoped], pairs, everybody(pairs))


@pytest.mark.parametrize(
    "members, item, m, message",
    [
        ([("a", "x", None)], "i", 1, "without nulls"),
        ([("a", "x", 0)], None, 2, "do not fit"),
        ([("a", "", 0)], "i", 1, "do not fit"),
    ],
)
def test_members_must_make_sense(members, item, m, message):
    """Nothing is null, and there are items where the promise has them."""
    with pytest.raises(ValueError, match=message):
        Shown(5, m, None, item, pl.DataFrame(members, schema=MEMBERS, orient="row"))


@pytest.mark.parametrize("other, message", [(("x", 0), "twice"), (("y", 1), "two classes")])
def test_a_learner_has_an_item_once_and_one_class(other, message):
    """Both would be counted as if they were two learners."""
    members = pl.DataFrame([("a", "x", 0), ("a", *other)], schema=MEMBERS, orient="row")
    with pytest.raises(ValueError, match=message):
        left_out(
            [],
            Shown(5, 1, None, "code_module", members),
            present=members.select("learner", "item"),
            generator=np.random.default_rng(1),
        )


def test_the_new_release_is_of_those_present():
    """Whom it shows and who is not present would be a fault of the caller."""
    release = Released(5, 1, None, True, crowd(range(5), 0, [1]))
    with pytest.raises(ValueError, match="present: lacks"):
        asked([release], release, {(0, 1)})
