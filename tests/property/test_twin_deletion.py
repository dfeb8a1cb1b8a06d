"""Removing any one learner takes one record from a twin's measurements, and changes no other.

On random declarations and rows, through conforming, views, labels and lots. Lots are coupled: of
every other learner the same row is chosen.
"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anonymizer.errors import CoreError
from pipelines.sources.quarantine import Quarantine
from pipelines.twins import records
from pipelines.twins.measuring import exact_marginals
from pipelines.twins.plan import TwinPlan
from pipelines.twins.planning import make_twin_plan
from pipelines.views import LEARNER, assemble
from schemas.request import parse_request
from tests.aggworld import World, priority, worlds
from tests.property.test_aggregate_deletion import busy_world


def twin_plan(world: World, learners: list, enrolments: list, most: int) -> TwinPlan:
    """The plan of a twin on a random world."""
    public = world.plan.public
    text = f"""
title = "T"
researcher = "r@uni.example"
purpose = "research"
source = "agg"
[release]
type = "synthetic"
pseudonyms = "{"release" if learners else "course"}"
catalogue = "{public.sha256()}"
learners = {learners}
enrolments = {enrolments}
most_rows = {most}
[release.budget]
epsilon = 10.0
"""
    return make_twin_plan(parse_request(text.replace("'", '"'), subject="request"), public)


def recorded(world: World, plan: TwinPlan) -> dict:
    """The records of learners."""
    views = records.labelled(assemble(world.tables(), plan, Quarantine(), own_keys=True), plan)
    names = sorted(set(next(iter(views.values()))[LEARNER]))

    def lots(owners, places):
        first = np.searchsorted(owners, owners)
        return priority([names[owner] for owner in owners], places - first)

    return records.records_of(views, plan, lots)


def measured(world: World, plan: TwinPlan) -> tuple[Counter, dict]:
    """Records of learners, as often as they occur; and the exact marginals."""
    found = recorded(world, plan)
    rows = zip(*(codes.tolist() for codes in found.values()), strict=True)
    return Counter(rows), exact_marginals(found, plan)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.data())
def test_one_learner_is_one_record(world, data):
    """At most one record goes, none comes; each marginal moves by 1 in one cell, or not at all."""
    own = data.draw(st.lists(st.sampled_from(["gender", "region"]), unique=True))
    others = st.lists(st.sampled_from(["final", "score", "minutes", "days"]), unique=True)
    rows = ["code", *data.draw(others)] if not own or data.draw(st.booleans()) else []
    plan = twin_plan(world, own, rows, data.draw(st.integers(1, 4)))
    ids = sorted({row[0] for row in [*world.people, *world.results, *world.events]})
    without = world.without(data.draw(st.sampled_from(ids)))
    (before, one), (after, other) = measured(world, plan), measured(without, plan)
    assert (before - after).total() <= 1
    assert not after - before
    for name, counts in one.items():
        moved = np.abs(counts - other[name])
        assert moved.sum() <= 1
        assert counts.sum() == before.total()


def test_rows_in_place_of_records_are_caught(monkeypatch):
    """A mutant that counts every row of a learner has more rows than records: it can't go on."""
    monkeypatch.setattr(records, "keep_cells", lambda numbers, *_, **__: numbers >= 0)
    plan = twin_plan(busy_world(), ["gender"], ["code", "final"], 3)
    with pytest.raises(CoreError, match="columns of the same length"):
        exact_marginals(recorded(busy_world(), plan), plan)
