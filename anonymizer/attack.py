"""The attack that the promise is about, simulated: quasi-identifiers and some items are known.

Targets are drawn from the learners of the source, released or not. The attacker knows a target's
quasi-identifiers as they were before generalization and some of his items, and looks for the
released learners who fit: those whose labels cover the quasi-identifiers and who hold the items.
He takes one of them at random. Where the target left the release, or an item by which he is sought
was left out of his rows, the attacker finds others only, and fails.

The figures concern real learners: for the steward, never for a package.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.generalization import SUPPRESSED, Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, sums
from anonymizer.matching import Holders, ItemSets
from anonymizer.released_labels import ReleasedLabels
from anonymizer.risk import Estimate, draw_learners, estimate


@dataclass(frozen=True)
class AttackSuccess:
    """How far the attacker gets.

    Attributes:
        mean: over the targets, of 1 / the candidates where the target is among them, else of 0.
        identified: share of the targets who are the only candidate and the right one, with its
            interval.
    """

    mean: float
    identified: Estimate


@dataclass(frozen=True, eq=False)
class ReleasedRows:
    """A recoding, and which rows of the source are released under it.

    A row is a learner, or under course scope a learner in an item.

    Attributes:
        histogram: distinct learners by tuple.
        hierarchies: one for each column of `histogram.codes`.
        generalization: the class of each tuple.
        tuple_of: the tuple of each row of the source, suppressed ones included; shape (rows,).
        present: whether each row is released; shape (rows,).

    Raises:
        CoreError: the arrays do not fit each other, or a row of a suppressed tuple is released.
    """

    histogram: Histogram
    hierarchies: Sequence[Hierarchy]
    generalization: Generalization
    tuple_of: NDArray[np.int64]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        known = (self.tuple_of >= 0) & (self.tuple_of < len(self.histogram.learners))
        if self.tuple_of.shape != self.present.shape or not known.all():
            raise CoreError("tuple_of: give a tuple of the histogram for each row")
        if (self.generalization.class_of[self.tuple_of[self.present]] == SUPPRESSED).any():
            raise CoreError("present: a row of a suppressed tuple is not released")

    def matches(
        self, target: NDArray[np.int64], *, cells: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The released combinations of labels that each target's knowledge matches.

        Args:
            target: rows of the source; shape (targets,).
            cells: whether the cell is known.

        Returns:
            The combination of each row of the source, -1 where it is not released; and the pairs:
            places in `target`, ascending, and combinations that match.
        """
        cell = self.histogram.cell if cells else np.zeros_like(self.histogram.cell)
        labels = ReleasedLabels(self.histogram, self.hierarchies, self.generalization, cell=cell)
        combination_of = np.full(len(self.tuple_of), -1, np.int64)
        released = self.generalization.class_of[self.tuple_of[self.present]]
        combination_of[self.present] = labels.of_class[released]
        known = self.tuple_of[target]
        row, combination = zip(
            *labels.covering(self.histogram.codes[known], cell[known]), strict=True
        )
        return combination_of, np.concatenate(row), np.concatenate(combination)


def attack_learners(
    rows: ReleasedRows,
    original: ItemSets,
    released: ItemSets,
    *,
    m: int,
    draws: int,
    generator: np.random.Generator,
) -> AttackSuccess:
    """The attack on items that are linked by one pseudonym for each learner.

    The attacker knows m original items of his target, drawn at random, all where he has fewer. The
    cells of the histogram are nothing that he knows.

    Args:
        rows: they are learners.
        original: the items of each learner in the source.
        released: the items of each learner in the release, none where he is not released.
        m: items known.
        draws: targets, drawn with replacement.
        generator: the source of randomness.

    Raises:
        CoreError: a parameter is out of range, or the arguments differ in length.
    """
    if m < 0:
        raise CoreError("m: a whole number of items of at least 0")
    if original.sizes.shape != rows.tuple_of.shape:
        raise CoreError("original: give an item set for each learner of the source")
    target = draw_learners(np.arange(len(rows.tuple_of)), draws, generator)
    known = original.draw(target, m, generator)
    combination_of, place, combination = rows.matches(target, cells=False)
    candidates = Holders(combination_of, released).count(place, combination, known)
    # The target alone in the index: is he among the candidates?
    alone = Holders(np.arange(len(rows.tuple_of)), released)
    own = alone.count(np.arange(draws), target, known) > 0
    return _success(candidates, own & _found(combination_of[target], place, combination))


def attack_course_rows(
    rows: ReleasedRows,
    learner: NDArray[np.int64],
    *,
    draws: int,
    generator: np.random.Generator,
) -> AttackSuccess:
    """The attack on items whose pseudonyms no key joins: each item is a world of its own.

    The attacker knows one item of his target, drawn at random, and looks for his row in it.

    Args:
        rows: they are learners in items, its cells are the items.
        learner: the learner of each row, from 0; shape (rows,).
        draws: targets, drawn with replacement: a learner, then one of his rows.
        generator: the source of randomness.

    Raises:
        CoreError: there is nobody to draw, or the arguments differ in length.
    """
    if learner.shape != rows.tuple_of.shape:
        raise CoreError("learner: give one for each row of the source")
    drawn = draw_learners(np.unique(learner), draws, generator)
    order = np.argsort(learner, kind="stable")
    first = np.searchsorted(learner, drawn, "left", sorter=order)
    end = np.searchsorted(learner, drawn, "right", sorter=order)
    target = order[generator.integers(first, end)]
    combination_of, place, combination = rows.matches(target, cells=True)
    released = combination_of[combination_of >= 0]
    size = np.bincount(released, minlength=int(combination.max(initial=0)) + 1)
    candidates = sums(place, size[combination], draws)
    return _success(candidates, _found(combination_of[target], place, combination))


def _found(
    own: NDArray[np.int64], place: NDArray[np.int64], combination: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether each target's own released combination is among those that match him."""
    found = np.zeros(len(own), np.bool_)
    found[place[combination == own[place]]] = True
    return found


def _success(candidates: NDArray[np.int64], found: NDArray[np.bool_]) -> AttackSuccess:
    """Success by target, from the candidates and from whether the target is one of them."""
    success = math.fsum(found / np.maximum(candidates, 1))
    return AttackSuccess(mean=success / len(found), identified=estimate(found & (candidates == 1)))
