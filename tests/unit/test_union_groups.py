"""Packages of one project together: groups, k and bounds, against the slow counter."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.verify.package import Extract, Table
from pipelines.verify.report import union_json, union_table
from pipelines.verify.union import verify_extracts
from schemas.manifest import Closeness, DistinctDiversity, EqualDistance, RecursiveDiversity
from tests.reference import recount, union
from tests.unit.test_verify_checks import extract, pseudonym, table

LEARNERS, ENROLMENTS = ("learner", "qi"), ("learner", "item", "grade")
STUDY = {"project": "study"}


def package(people, *, k=2, m="full", share=None, grades="ab", **bounds) -> Extract:
    """A linked package: name -> (class, items); every second learner has the first grade."""
    learners = [(pseudonym(name), of_class) for name, (of_class, _) in people.items()]
    enrolments = [
        (pseudonym(name), item, grades[i % len(grades)])
        for i, (name, (_, items)) in enumerate(people.items())
        for item in items
    ]
    made = (table("learners", learners, LEARNERS), table("enrolments", enrolments, ENROLMENTS))
    return extract("linked", *made, k=k, m=m, share=share, **STUDY, **bounds)


def everyone(names, of_class, items=("X",)):
    """These learners, in one class and with these items."""
    return dict.fromkeys(names, (of_class, items))


def told(*extracts: Extract) -> tuple[bool, int | None]:
    """Whether the union holds, and its smallest group."""
    found = verify_extracts(extracts)
    return found.ok, found.k_found


FOUR = everyone("1234", "a")
TWO_AND_TWO = everyone("12", "a") | everyone("34", "b")
CROSSED = everyone("13", "a") | everyone("24", "b")


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (FOUR, FOUR, (True, 4)),
        (FOUR, TWO_AND_TWO, (True, 2)),
        # Each class holds two in each package; together they tell all four apart.
        (TWO_AND_TWO, CROSSED, (False, 1)),
        # Absence counts: who left is alone, though both packages hold.
        (FOUR, everyone("123", "a"), (False, 1)),
        (FOUR, everyone("12", "a"), (True, 2)),
        # So do newcomers, alone or together.
        (FOUR, everyone("12345", "a"), (False, 1)),
        (FOUR, everyone("123456", "a"), (True, 2)),
        # Nobody is in both.
        (FOUR, everyone("56", "a"), (True, 2)),
        # An item that only the second package shows of some tells them apart; of two it may.
        (FOUR, everyone("123", "a") | everyone("4", "a", ("X", "Y")), (False, 1)),
        (FOUR, everyone("12", "a") | everyone("34", "a", ("X", "Y")), (True, 2)),
        (FOUR, everyone("12", "a") | everyone("34", "a", ()), (True, 2)),
    ],
)
def test_what_two_packages_tell_together(first, second, found):
    """A group is everybody with the same class, or absence, and items in each package."""
    assert told(package(first), package(second)) == found
    assert told(package(second), package(first)) == found


def test_items_are_known_with_the_packages_that_show_them():
    """Both have X and Y in all; that one has X in the first only, and Y in the second, tells."""
    first = everyone("12", "a", ("X",)) | everyone("34", "a", ("Y",))
    second = everyone("13", "a", ("X",)) | everyone("24", "a", ("Y",))
    for m in (2, 3, "full"):
        assert told(package(first, m=m), package(first, m=m)) == (True, 2)
        assert told(package(first, m=m), package(second, m=m)) == (False, 1)


@pytest.mark.parametrize(
    ("second", "holds"),
    [
        # Two learners are in the first package only, which promises 2.
        (everyone("567", "a"), True),
        # The same two are in the second package as well, which promises 3.
        (everyone("12567", "a"), False),
        (everyone("123", "a"), False),
    ],
)
def test_k_is_that_of_the_packages_that_show_the_learner(second, holds):
    """A later package with a larger k asks nothing for learners who are not in it."""
    first = everyone("12", "a")
    assert verify_extracts([package(first, k=2), package(second, k=3)]).ok is holds


def test_m_is_that_of_the_packages_that_show_the_learner():
    """Exact sets count only for those who are in a package that promises them."""
    pairs = {"1": "XY", "2": "XY", "3": "X", "4": "Y"}
    few = {name: ("a", tuple(items)) for name, items in pairs.items()}
    weak, strong = (package(few, m=m) for m in (2, "full"))
    assert told(weak) == (True, 2)
    assert told(strong) == (False, 1)
    assert told(weak, strong) == (False, 1)
    assert told(weak, package(everyone("56", "a"), m="full")) == (True, 2)


@pytest.mark.parametrize("m", [2, "full"])
@pytest.mark.parametrize(
    ("bounds", "check"),
    [
        ({"share": 0.7}, "maximum-share"),
        ({"diversity": {"grade": DistinctDiversity(2)}}, "l-diversity"),
        ({"diversity": {"grade": RecursiveDiversity(1.5, 2)}}, "l-diversity"),
        ({"closeness": {"grade": Closeness(0.3, EqualDistance())}}, "t-closeness"),
    ],
)
def test_bounds_hold_in_the_groups_of_all_packages(m, bounds, check):
    """Two of four with each grade hold alone; a package that parts them by grade breaks it."""
    alone = package(FOUR, m=m, grades="ab", **bounds)
    apart = package(everyone("13", "a") | everyone("24", "b"), m=m)
    beside = package(TWO_AND_TWO, m=m)
    assert verify_extracts([alone, beside]).ok
    found = verify_extracts([apart, alone])
    assert [c.name for c in found.checks if not c.ok] == [f"{check}:2:grade"]


@pytest.mark.parametrize(
    ("bounds", "check"),
    [
        ({"share": 0.7}, "maximum-share"),
        ({"closeness": {"grade": Closeness(0.3, EqualDistance())}}, "t-closeness"),
    ],
)
def test_items_that_only_another_package_shows(bounds, check):
    """They are known of a learner too, and the bounds hold among those who have them."""
    shown = everyone("12", "a", ("X", "Y")) | everyone("34", "a", ("Y",))
    parted = everyone("13", "a", ("X,Y",)) | everyone("24", "a", ("X",))
    # In the second package all have Y alone, which the first calls its second item.
    taken = everyone("1234", "a", ("Y",))
    for first, ok in ((shown, True), (parted, False)):
        found = verify_extracts([package(first, m=2), package(taken, m=2, **bounds)])
        held = {c.name: c.ok for c in found.checks}
        assert held == {"project": True, "k-anonymity:union": True, f"{check}:2:grade": ok}


def with_runs(made: Extract) -> Extract:
    """The same package with an item column of another name."""
    learners, taken = made.tables
    fields = tuple(
        type(f)("run" if f.name == "item" else f.name, f.role, f.description, f.enum)
        for f in taken.resource.fields
    )
    resource = type(taken.resource)(
        **{
            name: getattr(taken.resource, name)
            for name in taken.resource.__slots__
            if name not in {"fields", "primary_key"}
        },
        fields=fields,
        primary_key=("learner", "run"),
    )
    promise = {name: getattr(made.promise, name) for name in made.promise.__slots__}
    frame = taken.frame.rename({"item": "run"})
    return Extract(
        type(made.promise)(**promise | {"item": "run"}), (learners, Table.of(resource, frame))
    )


def test_packages_of_different_item_columns():
    """Exact sets can be counted; of an item known by two columns, sets of at most m can't."""
    assert told(package(FOUR), with_runs(package(FOUR))) == (True, 4)
    assert told(package(FOUR, m=2), with_runs(package(FOUR))) == (True, 4)
    assert told(package(FOUR, m=2), with_runs(package(everyone("56", "a"), m=2))) == (True, 2)
    found = verify_extracts([package(FOUR, m=2), with_runs(package(FOUR, m=2, share=0.7))])
    assert not found.ok
    assert found.k_found is None
    assert {check.ok for check in found.checks[1:]} == {False}
    assert "different columns" in found.checks[1].detail


def test_a_package_without_items():
    """Its classes count, and its absent items tell nothing."""
    rows = [(pseudonym(name), of_class) for name, (of_class, _) in TWO_AND_TWO.items()]
    bare = extract("linked", table("learners", rows, LEARNERS), share=None, **STUDY)
    assert told(bare, package(FOUR)) == (True, 2)
    assert told(bare, package(CROSSED)) == (False, 1)
    assert told(bare, bare) == (True, 2)


@pytest.mark.parametrize("second", [{"project": "another"}, {"scope": "release"}])
def test_packages_that_can_not_be_joined(second):
    """Of another project or scope nothing is counted: the answer is no."""
    rows = [(pseudonym(name), of_class) for name, (of_class, _) in FOUR.items()]
    scope = second.get("scope", "linked")
    other = extract(
        scope, table("learners", rows, LEARNERS), share=None, project=second.get("project")
    )
    found = verify_extracts([package(FOUR), other])
    assert (found.ok, found.k_found) == (False, None)
    assert [check.name for check in found.checks] == ["project"]


def test_an_empty_union_promises_nothing():
    """Packages without learners have no group to hold."""
    found = verify_extracts([package({}), package({})])
    assert (found.ok, found.k_found) == (False, None)


def test_how_it_is_told():
    """One line a check, and one JSON object; no pseudonym in either."""
    found = verify_extracts([package(FOUR, k=2), package(CROSSED, k=3)])
    shown = union_table(found)
    assert "k promised 2, 3, smallest group found 2" in shown
    assert "BROKEN: 1 of 2 checks fail" in shown
    assert pseudonym("1") not in shown
    assert union_json(found) == {
        "ok": False,
        "projects": ["study"],
        "k_promised": [2, 3],
        "k_found": 2,
        "checks": [
            {"name": c.name, "ok": c.ok, "detail": c.detail} for c in found.checks
        ],
    }  # fmt: skip


@st.composite
def packages(draw):
    """One to three packages of the same few learners, under one m or several."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        names = draw(st.sets(st.integers(0, 11), min_size=1))
        learners, enrolments = [], []
        for name in sorted(names):
            learners.append((pseudonym(name), draw(st.sampled_from("aaab"))))
            for item in draw(st.sampled_from([[], ["X"], ["Y"], ["X", "Y"], ["X", "Y", "X,Y"]])):
                grade = draw(st.sampled_from("ab" if item == "X" else "aab*"))
                enrolments.append((pseudonym(name), item, grade))
        made.append((learners, enrolments, draw(st.integers(1, 3)), draw(MS)))
    return made


MS = st.sampled_from([2, 3, "full", "full"])
BOUNDS = {
    "protected": {"grade": ("b",)},
    "diversity": {"grade": DistinctDiversity(2)},
    "closeness": {"grade": Closeness(0.3, EqualDistance())},
}


@settings(max_examples=30, deadline=None)
@given(packages())
def test_the_union_agrees_with_the_slow_counter(made):
    """The smallest group, whether all hold, and each package's bounds, as in plain Python."""
    extracts = [
        extract(
            "linked",
            table("learners", learners, LEARNERS),
            table("enrolments", enrolments, ENROLMENTS),
            k=k,
            m=m,
            share=0.6,
            **STUDY,
            **BOUNDS,
        )
        for learners, enrolments, k, m in made
    ]
    slow = [
        {
            "learners": recount.rows_of(e.tables[0].frame),
            "enrolments": recount.rows_of(e.tables[1].frame),
            "quasi": ["qi"],
            "item": "item",
            "k": e.promise.k,
            "m": e.promise.m,
        }
        for e in extracts
    ]
    groups = union.groups_of(slow)
    found = verify_extracts(extracts)
    held = {check.name: check.ok for check in found.checks}
    assert found.k_found == recount.smallest(groups)
    assert held["k-anonymity:union"] == union.holds(groups)
    for number, one in enumerate(slow):
        seen, rows = union.seen_in(groups, number), one["enrolments"]
        shown = recount.shown(rows, "item", "grade")
        name = f"{number + 1}:grade"
        assert held[f"maximum-share:{name}"] == recount.shares_hold(
            seen, shown, "learner", "grade", 0.6, ("b",)
        )
        worst = recount.choices(seen, shown, "learner", "grade")
        assert held[f"l-diversity:{name}"] == all(recount.distinct_holds(w, 2) for w in worst)
        near = not any(row["grade"] == "*" for row in shown)
        if near:
            far = recount.distances_of(
                seen, shown, "learner", "item", "grade", recount.equal_distance
            )
            near = max(far, default=0) <= recount.Fraction("0.3")
        assert held[f"t-closeness:{name}"] == near
