"""Removing any one learner moves exact figures within the sensitivity that is charged.

On random declarations, requests and rows, through the whole of counting: conforming, attributes,
grids, lots and bounds. Lots are coupled: of every other learner the same cells stay.
"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.aggregates import counting
from tests.aggworld import World, family_text, figures, plan_of, worlds


def moved(world: World, learner: str) -> list[str]:
    """What moves further than is charged, if this learner had never been there."""
    before, after = figures(world), figures(world.without(learner))
    return [fault for query in world.plan.queries for fault in faults(query, before, after)]


def faults(query, before, after) -> list[str]:
    """By the definition of each norm."""
    one, other = before[query.name], after[query.name]
    draws = [measurement.mechanism for measurement in query.measurements]
    if one.groups:
        changed = [
            Counter(a.tolist()) - Counter(b.tolist()) | Counter(b.tolist()) - Counter(a.tolist())
            for a, b in zip(one.groups, other.groups, strict=True)
        ]
        wrong = sum(bool(c) for c in changed) > draws[0].l0
        return [query.name] if wrong or any(c.total() > 1 for c in changed) else []
    if one.labels is not None:
        both = [dict(zip(e.labels, e.values[0].tolist(), strict=True)) for e in (one, other)]
        names = both[0].keys() | both[1].keys()
        pairs = [[np.array([side.get(name, 0) for name in names]) for side in both]]
    else:
        pairs = list(zip(one.values, other.values, strict=True))
    found = []
    for draw, (a, b) in zip(draws, pairs, strict=True):
        change = np.abs(a - b).astype(object)
        norms = (np.count_nonzero(change), max(change, default=0), sum(change), sum(change**2))
        most = (draw.l0, draw.linf, draw.l0 * draw.linf, draw.l0 * draw.linf**2)
        if any(norm > bound for norm, bound in zip(norms, most, strict=True)):
            found.append(query.name)
    return found


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.data())
def test_one_learner_moves_figures_within_the_sensitivity(world, data):
    """Cells, largest change, L1 and L2 of every measurement, whoever is removed."""
    ids = sorted({row[0] for row in [*world.people, *world.results, *world.events]})
    assert moved(world, data.draw(st.sampled_from(ids))) == []


BUSY = """
[[release.queries]]
name = "busy"
type = "events"
view = "activity"
by = ["code", "week"]
cells = 2
most = 2
"""


def busy_world() -> World:
    """One learner with many rows in many cells, beside two quiet ones."""
    plan = plan_of(family_text(listing=True, staff=False, ordered=True, closed=True), BUSY)
    people = [[f"p{i}", "F", "a1"] for i in range(3)]
    results = [[f"p{i}", course, 0, "Pass", 0.5, "LEARNER"] for i in range(3) for course in "xyz"]
    events = [["p2", course, day, None, 1, 1.0] for course in "xyz" for day in range(21)]
    return World(plan, people, results, [*events, ["p0", "x", 0, None, 1, 1.0]])


def keep_all(learners, priorities, *, most):
    """No bound of cells."""
    return np.ones(len(learners), np.bool_)


def keep_rows(learners, priorities, *, most):
    """As many rows as all learners together may have, whosever they are."""
    return np.argsort(np.argsort(priorities)) < most * len(np.unique(learners))


def no_cap(cells, counts, **bounds):
    """Every row of a learner."""
    return np.bincount(cells, counts, bounds["size"]).astype(np.int64)


@pytest.mark.parametrize(
    ("name", "mutant"),
    [("keep_cells", keep_all), ("keep_cells", keep_rows), ("exact.events", no_cap)],
)
def test_the_checker_catches_what_is_not_bounded(monkeypatch, name, mutant):
    """The same checker finds a build that bounds nothing, or bounds what is no learner."""
    assert moved(busy_world(), "p2") == []
    monkeypatch.setattr(f"{counting.__name__}.{name}", mutant)
    assert moved(busy_world(), "p2") == ["busy"]


def test_a_row_that_is_put_aside_for_a_stranger_is_caught(monkeypatch):
    """Keys that tell rows apart across learners would let one learner's row hide another's."""
    one = 'name = "n"\ntype = "learners"\nby = ["code"]\ncells = 1'
    flags = {"listing": True, "staff": False, "ordered": False, "closed": True}
    plan = plan_of(family_text(**flags), f"[[release.queries]]\n{one}")
    people = [["p0", "F", "a1"], ["p1", "F", "a1"]]
    # The declared key (course, run) is the same in both rows; the last learner's comes first.
    results = [["p1", "x", 0, "Pass", 0.5, "LEARNER"], ["p0", "x", 0, "Fail", 0.1, "LEARNER"]]
    world = World(plan, people, results, [])
    assert figures(world)["n"].values[0].sum() == 2
    assert moved(world, "p1") == []
    real = counting.conform

    def across(tables, family, quarantine, **keys):
        return real(tables, family, quarantine, own_keys=not keys["own_keys"])

    monkeypatch.setattr(counting, "conform", across)
    assert figures(world)["n"].values[0].sum() == 1
