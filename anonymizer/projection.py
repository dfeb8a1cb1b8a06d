"""A local recoding that follows an earlier one: everybody keeps the class that his tuple had.

Nothing is chosen, so nothing can be chosen otherwise than before. What the record does not cover is
suppressed, never widened, and so is a class that no longer holds.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.errors import CoreError, NoRecodingError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.grouping import holding, selected
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, classes_of, group_index
from anonymizer.local import LocalRecoding, mean_penalty
from anonymizer.models import Model
from anonymizer.parts import Demands


def projected_recoding(
    histogram: Histogram,
    hierarchies: Sequence[Hierarchy],
    models: Sequence[Model],
    recorded: pl.DataFrame,
    *,
    suppression_limit: int,
) -> LocalRecoding:
    """Release every tuple under the labels on record, in the classes that still hold.

    Args:
        histogram: distinct learners by tuple.
        hierarchies: one for each column of `histogram.codes`; at least one.
        models: what every class must satisfy; one that fails is suppressed.
        recorded: the label of each tuple in each quasi-identifier, in columns named as the
            hierarchies; null where it has none. One that stands for other leaves covers nobody.
        suppression_limit: learners that may be suppressed at most.

    Raises:
        CoreError: the record has another number of rows than the histogram has tuples.
        NoRecodingError: more learners would be suppressed than the limit says, or all.
    """
    if len(recorded) != len(histogram.codes):
        raise CoreError("recorded: give one row for each tuple of the histogram")
    covered = np.ones(len(recorded), np.bool_)
    levels = np.zeros(histogram.codes.shape, np.int64)
    names = []
    for j, hierarchy in enumerate(hierarchies):
        domain = hierarchy.domain()
        label = recorded[hierarchy.name].cast(pl.Enum(domain), strict=False).to_physical()
        place = label.cast(pl.Int32).fill_null(SUPPRESSED).to_numpy()
        levels[:, j], under = _lowest_level(hierarchy, domain, place, histogram.codes[:, j])
        covered &= under
        names.append((place, len(domain)))
    at = np.flatnonzero(covered)
    group, number = group_index(
        histogram.cell[at], [(place[at], cardinality) for place, cardinality in names]
    )
    # The last class takes in whom the record does not cover.
    everyone = np.full(len(recorded), number, np.int64)
    everyone[at] = group
    demands = Demands.of(models)
    found = selected(classes_of(histogram, everyone, number + 1), np.arange(number))
    good = holding(found, demands.others, demands.k)
    renumbered = np.append(np.where(good, np.cumsum(good) - 1, SUPPRESSED), SUPPRESSED)
    of_class = np.zeros((number, len(hierarchies)), np.int64)
    of_class[group] = levels[at]
    suppressed = histogram.total - int(found.size[good].sum())
    if suppressed > suppression_limit or not good.any():
        raise NoRecodingError(
            "suppression_limit: more learners have no class on record, or one that no longer holds;"
            " raise it, or lower k, l or t"
        )
    generalization = Generalization(renumbered[everyone], of_class[good])
    return LocalRecoding(
        generalization=generalization,
        loss=mean_penalty(histogram, hierarchies, generalization),
        suppressed=suppressed,
        classes=int(good.sum()),
        method="record",
    )


def _lowest_level(
    hierarchy: Hierarchy,
    domain: Sequence[str],
    place: NDArray[np.int32],
    codes: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The lowest level at which each label occurs, and whether the tuple's leaf lies under it.

    Args:
        hierarchy: of the labels.
        domain: its labels.
        place: of each tuple's label in the domain; negative where it has none; shape (n,).
        codes: the leaf of each tuple; shape (n,).
    """
    number = {label: i for i, label in enumerate(domain)}
    of_leaf = np.array(
        [
            [number[label] for label in hierarchy.label_of(level)]
            for level in range(hierarchy.height + 1)
        ],
        np.int64,
    )
    lowest = np.zeros(len(domain), np.int64)
    for level in range(hierarchy.height, -1, -1):
        lowest[of_leaf[level]] = level
    level_of = lowest[place]
    under: NDArray[np.bool_] = of_leaf[level_of, codes] == place
    return level_of, under
