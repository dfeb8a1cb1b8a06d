"""From parts of a histogram, however they were found, to the classes that are released."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.grouping import holding, selected
from anonymizer.histogram import Histogram, classes_of, group_index
from anonymizer.leaf_order import LeafOrder
from anonymizer.models import KAnonymity, Model


@dataclass(frozen=True)
class Demands:
    """Models taken apart: what compiled passes can heed, and what must be called.

    Attributes:
        k: the largest k of all k-anonymity; 1 where there is none.
        others: the other models.
    """

    k: int
    others: tuple[Model, ...]

    @classmethod
    def of(cls, models: Sequence[Model]) -> "Demands":
        """Take the models apart."""
        return cls(
            k=max((model.k for model in models if isinstance(model, KAnonymity)), default=1),
            others=tuple(model for model in models if not isinstance(model, KAnonymity)),
        )


@dataclass(frozen=True, eq=False)
class Released:
    """The classes that parts become under their lowest common ancestors.

    Attributes:
        generalization: of the histogram.
        class_of_part: the class of each part; `SUPPRESSED` where it fails; shape (parts,).
        size: learners of each class; shape (classes,).
        ncp: the normalized certainty penalty of each quasi-identifier, added up over the learners
            who are kept; shape (q,).
    """

    generalization: Generalization
    class_of_part: NDArray[np.int64]
    size: NDArray[np.int64]
    ncp: NDArray[np.float64]

    def loss(self, total: int, weights: NDArray[np.float64]) -> float:
        """Mean penalty over all learners and quasi-identifiers, suppressed learners at 1.

        Args:
            total: learners, the suppressed included.
            weights: of each quasi-identifier in the mean; shape (q,).
        """
        mean = float(self.ncp @ weights / weights.sum()) if len(weights) else 0.0
        return (mean + total - int(self.size.sum())) / total


def checked_weights(weights: Sequence[float], number: int) -> NDArray[np.float64]:
    """The weights as an array.

    Raises:
        CoreError: not one for each quasi-identifier, or one that is not above 0.
    """
    found = np.array(weights, np.float64)
    if found.shape != (number,) or not (np.isfinite(found) & (found > 0)).all():
        raise CoreError("weights: give one number above 0 for each quasi-identifier")
    # Only their proportions matter, and the largest floats would overflow.
    return found / found.max(initial=1.0) if len(found) else found


def good_cells(histogram: Histogram, demands: Demands) -> NDArray[np.int64]:
    """The cells that may be released at all, numbered from 0; shape (n,).

    A tuple of a cell that fails as a whole is `SUPPRESSED`: no generalization would save it. So is
    one without learners, unless a model may ask for its population.
    """
    index, number = group_index(histogram.cell, [])
    good = holding(classes_of(histogram, index, number), demands.others, demands.k)
    takes_part = good[index]
    if not demands.others:
        takes_part &= histogram.learners > 0
    return np.where(takes_part, (np.cumsum(good) - 1)[index], SUPPRESSED)


def released(
    histogram: Histogram,
    order: LeafOrder,
    part_of: NDArray[np.int64],
    parts: int,
    demands: Demands,
) -> Released:
    """Give every part its labels, make one class of equal labels, and verify every class.

    Equal labels are one class to an attacker. That classes which hold also hold together is true of
    our models but granted by none, so all are verified; a class that fails is suppressed.

    Args:
        histogram: distinct learners by tuple.
        order: of its hierarchies.
        part_of: the part of each tuple, each within a cell; `SUPPRESSED` where it is in none;
            shape (n,).
        parts: how many, from 0 without gaps; at least one.
        demands: what every class must satisfy.
    """
    low, high = order.extent(histogram.codes, part_of, parts)
    level = order.common_level(low, high)
    # Of tuples in no part: SUPPRESSED is the index of a last row, which belongs to no part.
    cell = np.zeros(parts + 1, np.int64)
    cell[part_of] = histogram.cell
    # A common ancestor is found at the lowest level that its label occurs at: equal labels are
    # equal numbers at equal levels.
    _, height, width = order.label.shape
    columns = [
        ((at * width + order.label[j, at, low[:, j]]).astype(np.int32), height * width)
        for j, at in enumerate(level.T)
    ]
    merged, number = group_index(cell[:-1], columns)
    everyone = np.append(merged, number)[part_of]
    found = selected(classes_of(histogram, everyone, number + 1), np.arange(number))
    good = holding(found, demands.others, demands.k)
    renumbered = np.append(np.where(good, np.cumsum(good) - 1, SUPPRESSED), SUPPRESSED)
    member = np.empty(number, np.int64)
    member[merged] = np.arange(parts)
    levels, size = level[member[good]], found.size[good]
    return Released(
        generalization=Generalization(renumbered[everyone], levels),
        class_of_part=renumbered[merged],
        size=size,
        ncp=order.ncp(low[member[good]], levels, size),
    )
