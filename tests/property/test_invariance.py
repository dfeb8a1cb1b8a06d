"""What is found does not depend on how the learners were counted: rows, chunks, order."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.errors import NoRecodingError
from anonymizer.histogram import Histogram, histogram_from_counts
from anonymizer.local import local_recoding
from anonymizer.models import KAnonymity
from anonymizer.search import optimal_recoding
from tests.reference.trees import trees


@st.composite
def tables(draw):
    """Two hierarchies and up to 40 learners, a row of leaves each."""
    hierarchies = [draw(trees(name)) for name in "ab"]
    person = st.tuples(*(st.sampled_from(h.leaves) for h in hierarchies))
    return hierarchies, draw(st.lists(person, min_size=1, max_size=40))


def counted(people, hierarchies):
    """Learners by tuple."""
    frame = pl.DataFrame(people, [h.name for h in hierarchies], orient="row")
    return frame.group_by(pl.all()).len("n")


def histogram(counts, hierarchies):
    return histogram_from_counts(
        counts, hierarchies, cell=None, learners="n", sensitive={}, orders={}
    )[0]


def found(search, held, hierarchies, limit):
    """Levels and learners of each class, sorted; None where nothing is found."""
    try:
        made = search(
            held, hierarchies, [KAnonymity(3)], suppression_limit=limit, weights=[1.0, 1.0]
        ).generalization
    except NoRecodingError:
        return None
    kept = ~made.suppressed
    labels = made.labels(held.codes, hierarchies)
    of_class = {}
    for row, learners in zip(zip(*labels, strict=True), held.learners[kept], strict=True):
        of_class[row] = of_class.get(row, 0) + int(learners)
    return sorted(of_class.items())


def as_rows(held):
    """The same learners, each a tuple of his own."""
    each = np.repeat(np.arange(len(held.learners)), held.learners)
    ones = np.ones(len(each), np.int64)
    return Histogram(held.codes[each], held.cell[each], ones, ones, {})


@settings(deadline=None, max_examples=60)
@given(
    table=tables(), limit=st.sampled_from([0, 4, 40]), at=st.integers(0, 40), local=st.booleans()
)
def test_rows_chunks_and_order_do_not_matter(table, limit, at, local):
    """One histogram, two chunks added up, the rows one by one and backwards: the same classes."""
    hierarchies, people = table
    search = local_recoding if local else optimal_recoding
    whole = histogram(counted(people, hierarchies), hierarchies)
    parts = [counted(part, hierarchies) for part in (people[:at], people[at:]) if part]
    names = [h.name for h in hierarchies]
    merged = histogram(pl.concat(parts).group_by(names).agg(pl.sum("n")), hierarchies)
    backwards = histogram(counted(people[::-1], hierarchies), hierarchies)
    expected = found(search, whole, hierarchies, limit)
    assert found(search, merged, hierarchies, limit) == expected
    assert found(search, backwards, hierarchies, limit) == expected
    assert found(search, as_rows(whole), hierarchies, limit) == expected
    if expected is not None:
        assert len(people) - sum(n for _, n in expected) <= limit
        assert all(n >= 3 for _, n in expected)
