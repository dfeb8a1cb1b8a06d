"""What a recoding, global or local, makes of each tuple of a histogram."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.hierarchy import Hierarchy

SUPPRESSED: Final = -1
"""The class of a tuple whose learners leave the release."""


@dataclass(frozen=True, eq=False)
class Generalization:
    """The equivalence class of each tuple, and the levels each class is released at.

    Two classes never have the same labels in the same cell: equal labels are one class, whatever
    levels they were found at.

    Attributes:
        class_of: the class of each tuple, from 0 without gaps; `SUPPRESSED` where its learners
            leave; shape (n,).
        levels: the level of each of q quasi-identifiers in each class; shape (classes, q).

    Raises:
        CoreError: the classes are not numbered so, or a level is negative.
    """

    class_of: NDArray[np.int64]
    levels: NDArray[np.int64]

    def __post_init__(self) -> None:
        kept = self.class_of[self.class_of != SUPPRESSED]
        used = np.zeros(len(self.levels), np.bool_)
        if self.levels.ndim != 2 or (kept < 0).any() or (kept >= len(self.levels)).any():
            raise CoreError("generalization: a tuple is in no class; number classes from 0")
        used[kept] = True
        if not used.all() or (self.levels < 0).any():
            raise CoreError("generalization: a class without tuples, or a negative level")

    @property
    def suppressed(self) -> NDArray[np.bool_]:
        """Whether each tuple is suppressed; shape (n,)."""
        found: NDArray[np.bool_] = self.class_of == SUPPRESSED
        return found

    def level_of(self, j: int) -> NDArray[np.int64]:
        """The level of quasi-identifier j for each tuple that is kept, in their order."""
        found: NDArray[np.int64] = self.levels[self.class_of[~self.suppressed], j]
        return found

    def labels(
        self, codes: NDArray[np.int32], hierarchies: Sequence[Hierarchy]
    ) -> list[NDArray[np.object_]]:
        """The released labels of the kept tuples: one array for each quasi-identifier.

        Args:
            codes: the leaf of each tuple in each quasi-identifier; shape (n, q).
            hierarchies: one for each column of `codes`.
        """
        kept = codes[~self.suppressed]
        columns = []
        for j, hierarchy in enumerate(hierarchies):
            by_level = np.array(
                [hierarchy.label_of(level) for level in range(hierarchy.height + 1)], object
            )
            columns.append(by_level[self.level_of(j), kept[:, j]])
        return columns
