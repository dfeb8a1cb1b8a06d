"""Local recoding: the same value may be generalized here, where learners are few, and kept there.

The splitter always runs. The cover loses less and is sought where it is affordable and k-anonymity
is all that is asked. The better of the two is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer.cover import affordable, cover
from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, SensitiveCounts, group_index, sums
from anonymizer.leaf_order import LeafOrder
from anonymizer.models import Model
from anonymizer.nodes import Node
from anonymizer.parts import Demands, Released, checked_weights, good_cells, released
from anonymizer.splitter import split


@dataclass(frozen=True, eq=False)
class LocalRecoding:
    """A local recoding and what it costs.

    Attributes:
        generalization: what it makes of each tuple.
        loss: mean normalized certainty penalty (Xu et al. 2006) over learners and
            quasi-identifiers, unweighted: 0 loses nothing, a suppressed learner loses 1.
        suppressed: learners suppressed.
        classes: equivalence classes kept, counted by cell and labels.
        method: what found it; `record` where an earlier recoding was followed.
    """

    generalization: Generalization
    loss: float
    suppressed: int
    classes: int
    method: Literal["splitter", "cover", "record"]


def local_recoding(
    histogram: Histogram,
    hierarchies: Sequence[Hierarchy],
    models: Sequence[Model],
    *,
    suppression_limit: int,
    weights: Sequence[float],
    minimum: Node | None = None,
) -> LocalRecoding:
    """Generalize each class of each cell as little as the models let it.

    The guarantee has equality semantics: an attacker who knows cell and quasi-identifiers matches
    equal labels, and every (cell, labels) that occurs satisfies every model. Classes may overlap:
    a learner's leaf can also lie under the labels of another class.

    A cell that fails as a whole is suppressed; nobody else is. Choices are made by the weighted
    loss, and do not depend on the order of the tuples. Where a model other than k-anonymity is
    asked for, or where tuples x nodes of the lattice pass `cover.AFFORDABLE`, no cover is sought.

    Args:
        histogram: distinct learners by tuple. The shares of t-closeness are compared with those of
            the whole cell. With models other than k-anonymity, tuples that only the population has
            are generalized with the others.
        hierarchies: one for each column of `histogram.codes`.
        models: what every class must satisfy.
        suppression_limit: learners that may be suppressed at most.
        weights: how much the loss of each quasi-identifier matters, above 0.
        minimum: the lowest level allowed for each quasi-identifier; what it does not tell apart
            is in one class. None allows every level.

    Raises:
        CoreError: a parameter is out of range.
        NoRecodingError: more learners would be suppressed than the limit says, or all.
    """
    if minimum is not None and (len(minimum) != len(hierarchies) or any(minimum)):
        lifted, of_tuple = _lifted(histogram, hierarchies, minimum)
        found = local_recoding(
            lifted, hierarchies, models, suppression_limit=suppression_limit, weights=weights
        )
        # Leaves that stand for different labels of the minimum meet above it, or not at all: each
        # class that is raised to the minimum keeps labels of its own.
        raised = Generalization(
            found.generalization.class_of[of_tuple],
            np.maximum(found.generalization.levels, np.array(minimum, np.int64)),
        )
        return replace(
            found, generalization=raised, loss=mean_penalty(histogram, hierarchies, raised)
        )
    if suppression_limit < 0:
        raise CoreError("suppression_limit: a whole number of learners of at least 0")
    matter = checked_weights(weights, len(hierarchies))
    demands = Demands.of(models)
    roots = good_cells(histogram, demands)
    if (roots == SUPPRESSED).all():
        raise NoRecodingError(
            "models: no cell as a whole satisfies them; lower k, l or t, or use a coarser item"
        )
    tried = [
        (result.loss(histogram.total, matter), method, result)
        for method, result in _candidates(histogram, hierarchies, roots, demands, matter)
    ]
    _, method, best = min(tried, key=lambda candidate: candidate[0])
    suppressed = histogram.total - int(best.size.sum())
    if suppressed > suppression_limit or not len(best.size):
        raise NoRecodingError(
            "suppression_limit: more learners are in cells that fail the models as a whole; raise"
            " it, lower k, l or t, or use a coarser item"
        )
    return LocalRecoding(
        generalization=best.generalization,
        loss=best.loss(histogram.total, np.ones_like(matter)),
        suppressed=suppressed,
        classes=len(best.size),
        method=method,
    )


def mean_penalty(
    histogram: Histogram, hierarchies: Sequence[Hierarchy], generalization: Generalization
) -> float:
    """The loss of a `LocalRecoding`, of any generalization; at least one hierarchy."""
    kept = ~generalization.suppressed
    learners, codes = histogram.learners[kept], histogram.codes[kept]
    lost = histogram.total - int(learners.sum())
    more = 0.0
    for j, hierarchy in enumerate(hierarchies):
        leaves = np.array([hierarchy.leaf_counts(level) for level in range(hierarchy.height + 1)])
        under = leaves[generalization.level_of(j), codes[:, j]] - 1
        more += int(learners @ under) / max(len(hierarchy.leaves) - 1, 1)
    return (more / len(hierarchies) + lost) / histogram.total


def _candidates(
    histogram: Histogram,
    hierarchies: Sequence[Hierarchy],
    roots: NDArray[np.int64],
    demands: Demands,
    weights: NDArray[np.float64],
) -> Iterator[tuple[Literal["splitter", "cover"], Released]]:
    """What each method finds."""
    order, k = LeafOrder.of(hierarchies), demands.k
    by_split = split(histogram, order, roots, demands.others, k=k, weights=weights)
    yield "splitter", released(histogram, order, by_split.part_of, by_split.parts, demands)
    if not demands.others and affordable(len(histogram.codes), hierarchies):
        part_of, parts = cover(histogram, order, roots, k=k, weights=weights)
        yield "cover", released(histogram, order, part_of, parts, demands)


def _lifted(
    histogram: Histogram, hierarchies: Sequence[Hierarchy], minimum: Node
) -> tuple[Histogram, NDArray[np.int64]]:
    """The histogram with the first leaf of each label of the minimum in place of all its leaves.

    Returns:
        The histogram, and the tuple in it of each tuple of the given one.

    Raises:
        CoreError: the minimum is no level of each hierarchy.
    """
    if len(minimum) != len(hierarchies) or not all(
        0 <= level <= hierarchy.height
        for level, hierarchy in zip(minimum, hierarchies, strict=True)
    ):
        raise CoreError("minimum: give a level of each hierarchy for each quasi-identifier")
    codes = np.empty_like(histogram.codes)
    for j, (hierarchy, level) in enumerate(zip(hierarchies, minimum, strict=True)):
        label = hierarchy.levels[level]
        _, first = np.unique(label, return_index=True)
        codes[:, j] = first[label[histogram.codes[:, j]]]
    of_tuple, number = group_index(
        histogram.cell,
        [(codes[:, j], len(hierarchy.leaves)) for j, hierarchy in enumerate(hierarchies)],
    )
    member = np.zeros(number, np.int64)
    member[of_tuple] = np.arange(len(of_tuple))

    def added(counts: SensitiveCounts) -> SensitiveCounts:
        width = max(len(counts.values), 1)
        pairs = of_tuple[counts.tuple_index] * width + counts.value
        found, at = np.unique(pairs, return_inverse=True)
        learners = sums(at, counts.learners, len(found))
        value = (found % width).astype(np.int32)
        return SensitiveCounts(found // width, value, learners, counts.values)

    lifted = Histogram(
        codes=codes[member],
        cell=histogram.cell[member],
        learners=sums(of_tuple, histogram.learners, number),
        population=sums(of_tuple, histogram.population, number),
        sensitive={name: added(counts) for name, counts in histogram.sensitive.items()},
    )
    return lifted, of_tuple
