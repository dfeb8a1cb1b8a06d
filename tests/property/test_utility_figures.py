"""The figures of utility against their definitions, learner by learner."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.generalization import Generalization
from anonymizer.histogram import Histogram
from anonymizer.utility import average_class_size, discernibility, granularity, loss
from tests.reference import utility as reference
from tests.reference.utility import recodings


@settings(deadline=None, max_examples=100)
@given(
    world=recodings(),
    weights=st.lists(st.sampled_from([0.1, 1.0, 3.0]), min_size=3, max_size=3),
    mean=st.sampled_from(["geometric", "arithmetic"]),
)
def test_every_figure_is_the_one_of_its_definition(world, weights, mean):
    """Local recodings with suppression, cells, population-only tuples and one-leaf hierarchies."""
    histogram, hierarchies, generalization = world
    weights = weights[: len(hierarchies)]
    assert loss(histogram, hierarchies, generalization, weights, mean) == pytest.approx(
        reference.loss(histogram, hierarchies, generalization, weights, mean), abs=1e-12
    )
    assert granularity(histogram, hierarchies, generalization) == pytest.approx(
        reference.granularity(histogram, hierarchies, generalization), abs=1e-12
    )
    assert discernibility(histogram, generalization) == reference.discernibility(*world)
    assert average_class_size(histogram, generalization) == reference.average_class_size(*world)


@settings(deadline=None, max_examples=50)
@given(world=recodings(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_tuples_does_not_matter(world, seed):
    """The very same numbers, not only nearly the same."""
    histogram, hierarchies, generalization = world
    order = np.random.default_rng(seed).permutation(len(histogram.learners))
    shuffled = Histogram(
        codes=histogram.codes[order],
        cell=histogram.cell[order],
        learners=histogram.learners[order],
        population=histogram.population[order],
        sensitive={},
    )
    same = Generalization(generalization.class_of[order], generalization.levels)
    weights = [1.0] * len(hierarchies)
    assert loss(histogram, hierarchies, generalization, weights) == loss(
        shuffled, hierarchies, same, weights
    )
    assert granularity(histogram, hierarchies, generalization) == granularity(
        shuffled, hierarchies, same
    )
    assert discernibility(histogram, generalization) == discernibility(shuffled, same)
