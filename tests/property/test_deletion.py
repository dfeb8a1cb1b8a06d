"""The deletion test: without any one learner, exact bounded aggregates move within bounds.

The same checker is shown to catch what is commonly done wrong.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b
from random import Random

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from anonymizer.bounding import clamp, keep_cells
from anonymizer.dp import queries
from anonymizer.dp.queries import Sensitivity
from tests.reference.bounded_queries import answers, put_together


@dataclass(frozen=True)
class World:
    """Rows (learner, cell, value), and the public parameters of queries about them."""

    rows: list
    l0: int
    size: int
    most: int
    low: int
    high: int
    edges: list
    seed: int

    def priority(self, learner, cell):
        """Of a learner's cell, whoever else is there; with odd seeds there are many ties."""
        drawn = blake2b(f"{self.seed}/{learner}/{cell}".encode(), digest_size=8).digest()
        return int.from_bytes(drawn) % (3 if self.seed % 2 else 2**64)


@st.composite
def worlds(draw):
    size = draw(st.integers(1, 6))
    row = st.tuples(st.integers(0, 4), st.integers(0, size - 1), st.integers(-9, 9))
    low = draw(st.integers(-8, 8))
    return World(
        rows=draw(st.lists(row, max_size=40)),
        l0=draw(st.integers(1, 4)),
        size=size,
        most=draw(st.integers(1, 3)),
        low=low,
        high=low + draw(st.integers(1, 9)),
        edges=sorted(draw(st.sets(st.integers(-5, 5), max_size=3))),
        seed=draw(st.integers(0, 99)),
    )


def contributions(world):
    """Learners, cells, counts and units of the (learner, cell) pairs that stay."""
    together = put_together(sorted(world.rows, key=lambda row: row[:2]))
    pairs = np.array(list(together), np.int64).reshape(-1, 2)
    counts = np.array([len(values) for values in together.values()], np.int64)
    units = np.array([sum(values) for values in together.values()], np.int64)
    priorities = np.array([world.priority(*pair) for pair in together], np.uint64)
    keep = keep_cells(pairs[:, 0].astype(np.uint32), priorities, most=world.l0)
    return pairs[keep, 1], counts[keep], units[keep]


def learners(world):
    cells, _, _ = contributions(world)
    return queries.learners(cells, size=world.size), Sensitivity.of_learners(world.l0)


def events(world):
    cells, counts, _ = contributions(world)
    found = queries.events(cells, counts, most=world.most, size=world.size)
    return found, Sensitivity.of_events(world.l0, most=world.most)


def sums(world):
    cells, _, units = contributions(world)
    found = queries.sums(cells, units, low=world.low, high=world.high, size=world.size)
    return found, Sensitivity.of_sums(world.l0, low=world.low, high=world.high)


def centred(world):
    cells, _, units = contributions(world)
    found = queries.centred_sums(cells, units, low=world.low, high=world.high, size=world.size)
    return found, Sensitivity.of_centred_sums(world.l0, low=world.low, high=world.high)


def histogram(world):
    cells, _, units = contributions(world)
    bins = np.searchsorted(world.edges, clamp(units, world.low, world.high), "right")
    found = queries.histogram(cells, bins, size=world.size, bins_n=len(world.edges) + 1)
    return found, Sensitivity.of_learners(world.l0)


QUERIES = {query.__name__: query for query in (learners, events, sums, centred, histogram)}


def broken_bounds(query, world):
    """The bounds that the removal of some learner breaks."""
    found, bound = query(world)
    broken = set()
    for learner in {learner for learner, _, _ in world.rows}:
        rows = [row for row in world.rows if row[0] != learner]
        change = [int(x) for x in (found - query(replace(world, rows=rows))[0]).reshape(-1)]
        moved = {
            "l0": (sum(x != 0 for x in change), bound.l0),
            "linf": (max(abs(x) for x in change), bound.linf),
            "l1": (sum(abs(x) for x in change), bound.l1),
            "squared_l2": (sum(x * x for x in change), bound.squared_l2),
        }
        broken |= {name for name, (by, most) in moved.items() if by > most}
    return broken


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@settings(deadline=None, max_examples=200)
@given(world=worlds())
def test_no_learner_moves_an_aggregate_beyond_its_sensitivity(query, world):
    """L0, L-infinity, L1 and squared L2 hold for any data and any learner."""
    assert broken_bounds(query, world) == set()


@settings(deadline=None, max_examples=300)
@given(world=worlds())
def test_aggregates_are_those_of_the_slow_twin(world):
    """Every query counts and adds up what dictionaries do."""
    wanted = answers(
        world.rows,
        world.priority,
        l0=world.l0,
        size=world.size,
        most=world.most,
        low=world.low,
        high=world.high,
        edges=world.edges,
    )
    assert {name: query(world)[0].tolist() for name, query in QUERIES.items()} == wanted


def rows_bounded(world):
    """Mutant: rows are bounded, not the learner's cells."""
    rows = np.array(world.rows, np.int64).reshape(-1, 3)
    priorities = np.array([world.priority(*row[:2]) for row in world.rows], np.uint64)
    keep = keep_cells(rows[:, 0].astype(np.uint32), priorities, most=world.l0)
    found = queries.learners(rows[keep, 1], size=world.size)
    return found, Sensitivity.of_learners(world.l0)


def each_row_its_own_learner(world):
    """Mutant: the unit is the row, so that a learner is in as many cells as it has rows."""
    cells = np.array([cell for _, cell, _ in world.rows], np.int64)
    return queries.learners(cells, size=world.size), Sensitivity.of_learners(world.l0)


def totals_clamped(world):
    """Mutant: the sum of everybody is clamped, not what each adds to it."""
    cells, _, units = contributions(world)
    totals = queries.sums(cells, units, low=-(10**6), high=10**6, size=world.size)
    return clamp(totals, world.low, world.high), sums(world)[1]


def rows_clamped(world):
    """Mutant: each row is clamped, and then a learner's rows are added up."""
    rows = [(a, b, min(max(x, world.low), world.high)) for a, b, x in world.rows]
    cells, _, units = contributions(replace(world, rows=rows))
    found = queries.sums(cells, units, low=-(10**6), high=10**6, size=world.size)
    return found, sums(world)[1]


def noise_for_one_cell(world):
    """Mutant: epsilon a cell: noise for a learner in one cell, who is in three."""
    return learners(replace(world, l0=3))[0], Sensitivity.of_learners(1)


def chosen_globally(world):
    """Mutant: of all pairs the least priorities stay, whose they may be."""
    together = put_together(sorted(world.rows, key=lambda row: row[:2]))
    chosen = sorted(together, key=lambda pair: world.priority(*pair))[: 2 * world.l0]
    cells = np.array([cell for _, cell in chosen], np.int64)
    return queries.learners(cells, size=world.size), Sensitivity.of_learners(world.l0)


def kept_cells_of_the_many(world):
    """Mutant: of a learner those cells stay that most others are in."""
    together = put_together(sorted(world.rows, key=lambda row: row[:2]))
    crowd = [sum(other == cell for _, other in together) for cell in range(world.size)]
    pairs = np.array(list(together), np.int64).reshape(-1, 2)
    priorities = np.array([100 - crowd[cell] for _, cell in together], np.uint64)
    keep = keep_cells(pairs[:, 0].astype(np.uint32), priorities, most=world.l0)
    return queries.learners(pairs[keep, 1], size=world.size), Sensitivity.of_learners(world.l0)


@pytest.mark.parametrize(
    ("mutant", "bound"),
    [
        (rows_bounded, "linf"),
        (each_row_its_own_learner, "l1"),
        (totals_clamped, "linf"),
        (rows_clamped, "linf"),
        (noise_for_one_cell, "l0"),
        (noise_for_one_cell, "squared_l2"),
        (chosen_globally, "l0"),
        (kept_cells_of_the_many, "l0"),
    ],
)
def test_the_checker_catches_what_is_commonly_done_wrong(mutant, bound):
    """In some world of the same kind a mutant breaks the bound."""
    search = settings(max_examples=5000, deadline=None, database=None)
    world = find(
        worlds(), lambda w: bound in broken_bounds(mutant, w), settings=search, random=Random(6)
    )
    assert bound in broken_bounds(mutant, world)
