"""The exact figures of aggregates are what plain loops over the rows count."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from pipelines.aggregates.counting import fresh_lots
from tests.aggworld import figures, worlds
from tests.reference.aggregates import exact_by_definition


def flags_of(world) -> dict:
    """What the declaration says, read back."""
    family = world.plan.family
    view = family.views["enrolments"]
    return {
        "listing": family.learner_table() is not None,
        "staff": bool(view.exclude),
        "ordered": bool(view.order_by),
    }


def told(query, exact) -> dict:
    """Figures by the labels of their cells; empty cells are left out."""
    if exact.labels is not None:
        return dict(zip(exact.labels, exact.values[0].tolist(), strict=True))
    cells = query.grid.combinations()
    if exact.groups:
        found = {c: sorted(g.tolist()) for c, g in zip(cells, exact.groups, strict=True)}
        return {cell: values for cell, values in found.items() if values}
    parts = [values.reshape(len(cells), -1).tolist() for values in exact.values]
    if len(parts) == 2:
        both = zip(cells, *parts, strict=True)
        return {c: (s[0], n[0]) for c, s, n in both if n[0]}
    if query.asked.type in {"histogram", "quantiles"}:
        return {c: bins for c, bins in zip(cells, parts[0], strict=True) if any(bins)}
    return {c: value[0] for c, value in zip(cells, parts[0], strict=True) if value[0]}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_figures_are_as_defined(world):
    """Counts, sums, bins and groups of every query, cell by cell, with the same lots."""
    found, expected = figures(world), exact_by_definition(world, flags_of(world))
    for query in world.plan.queries:
        right = {cell: value for cell, value in expected[query.name].items() if value}
        if query.asked.type == "mean":
            right = {cell: value for cell, value in right.items() if value[1]}
        assert told(query, found[query.name]) == right, query.name


def test_lots_are_of_the_given_randomness_alone():
    """One draw of eight bytes a learner and cell, whoever he is; none is used twice."""
    asked = []

    def randomness(size: int) -> bytes:
        asked.append(size)
        return bytes(range(size))

    drawn = fresh_lots(randomness)(np.zeros(3, np.uint32), np.arange(3))
    assert asked == [24]
    assert drawn.tobytes() == bytes(range(24))
    assert fresh_lots(randomness)(np.zeros(0, np.uint32), np.zeros(0, np.int64)).shape == (0,)


@pytest.mark.parametrize("empty", [True, False])
def test_nobody_gives_the_same_shape(empty):
    """A source without a row has figures of the same cells, all of them 0."""
    from tests.property.test_aggregate_deletion import busy_world  # noqa: PLC0415

    world = busy_world()
    if empty:
        world = type(world)(world.plan, [], [], [])
    values = figures(world)["busy"].values[0]
    assert values.shape == (world.plan.queries[0].grid.size,)
    assert bool(values.any()) is not empty
