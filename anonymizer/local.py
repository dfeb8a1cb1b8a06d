"""Local recoding: the same value may be generalized here, where learners are few, and kept there.

The splitter always runs. The cover loses less and is sought where it is affordable and k-anonymity
is all that is asked. The better of the two is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer.cover import affordable, cover
from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram
from anonymizer.leaf_order import LeafOrder
from anonymizer.models import Model
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
        method: what found it.
    """

    generalization: Generalization
    loss: float
    suppressed: int
    classes: int
    method: Literal["splitter", "cover"]


def local_recoding(
    histogram: Histogram,
    hierarchies: Sequence[Hierarchy],
    models: Sequence[Model],
    *,
    suppression_limit: int,
    weights: Sequence[float],
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

    Raises:
        CoreError: a parameter is out of range.
        NoRecodingError: more learners would be suppressed than the limit says, or all.
    """
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
