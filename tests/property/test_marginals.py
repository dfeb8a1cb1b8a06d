"""Marginals against a dictionary, and what one learner moves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.dp.marginals import SENSITIVITY, marginal
from tests.reference.marginals import counted

NAMES = ("a", "b", "c", "d")


@st.composite
def tables(draw):
    """Sizes, up to 12 records of four columns, and the columns of a marginal."""
    sizes = {name: draw(st.integers(1, 4)) for name in NAMES}
    record = st.fixed_dictionaries({name: st.integers(0, sizes[name] - 1) for name in NAMES})
    records = draw(st.lists(record, max_size=12))
    columns = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
    return sizes, records, tuple(columns)


def codes_of(records):
    return {name: np.array([record[name] for record in records], np.int64) for name in NAMES}


@settings(deadline=None, max_examples=200)
@given(tables())
def test_marginals_are_counts_of_combinations(table):
    """Cell by cell, in C order."""
    sizes, records, columns = table
    assert marginal(codes_of(records), sizes, columns).tolist() == counted(records, sizes, columns)


@settings(deadline=None, max_examples=200)
@given(tables().filter(lambda table: table[1]), st.data())
def test_without_a_learner_one_cell_is_one_less(table, data):
    """Whoever is removed, of every marginal: the sensitivity that is charged, and no less."""
    sizes, records, columns = table
    gone = data.draw(st.integers(0, len(records) - 1))
    before = marginal(codes_of(records), sizes, columns)
    after = marginal(codes_of(records[:gone] + records[gone + 1 :]), sizes, columns)
    moved = before - after
    assert sorted(moved[moved != 0].tolist()) == [SENSITIVITY.linf] * SENSITIVITY.l0
