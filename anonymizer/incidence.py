"""Who holds which items, and which values: what course-set anonymity is decided on.

A *profile* is a class with an exact set of items. Learners of one profile are alike in all that
decides what is dropped, so they always share one fate, and nothing that they achieved can choose
between them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError

KEY_LIMIT: Final = 2**62
"""Keys packed from two numbers stay below this, clear of the sign of an int64."""


@dataclass(frozen=True, eq=False)
class Incidence:
    """The rows of the table of enrolments: one for each learner and item.

    Attributes:
        offsets: learner u holds the rows offsets[u] to offsets[u + 1], which may be none; shape
            (learners + 1,).
        item: the item of each row as a number from 0, strictly ascending within a learner; shape
            (rows,). Composite items, such as a course with a coarse time, are items like others.
        classes: the class of each learner's quasi-identifiers as a number from 0; shape
            (learners,).

    Raises:
        CoreError: the arrays do not fit each other, or a learner holds an item twice.
    """

    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    classes: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.offsets.shape != (len(self.classes) + 1,):
            raise CoreError("incidence: give one offset for each learner, and the end")
        ends = self.offsets[0] == 0 and self.offsets[-1] == len(self.item)
        if not ends or (np.diff(self.offsets) < 0).any():
            raise CoreError("incidence: offsets ascend from 0 to the number of rows")
        if (self.item < 0).any() or (self.classes < 0).any():
            raise CoreError("incidence: items and classes are numbered from 0")
        same = self.owner[1:] == self.owner[:-1]
        if (same & (np.diff(self.item) <= 0)).any():
            raise CoreError("incidence: sort items within a learner, one row for each item")

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """The learner of each row; shape (rows,)."""
        return np.repeat(np.arange(len(self.classes)), np.diff(self.offsets))


@dataclass(frozen=True, eq=False)
class _Values:
    """Codes of a sensitive column, -1 where the value is withheld or there is none.

    Attributes:
        codes: an index of `values`, or -1.
        values: the labels in the declared order of the column; never `*`.

    Raises:
        CoreError: a code is out of range.
    """

    codes: NDArray[np.int32]
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if (self.codes < -1).any() or (self.codes >= len(self.values)).any():
            raise CoreError("sensitive values: a code is out of range; -1 is a withheld value")


@dataclass(frozen=True, eq=False)
class LearnerValues(_Values):
    """A sensitive column of the table of learners: one code for each learner."""


@dataclass(frozen=True, eq=False)
class RowValues(_Values):
    """A sensitive column of the table of enrolments: one code for each row."""


def require_lengths(
    incidence: Incidence,
    learner_values: Mapping[str, LearnerValues],
    row_values: Mapping[str, RowValues],
) -> None:
    """Refuse sensitive columns that do not belong to these learners and rows.

    Raises:
        CoreError: a column has another length, or is in both tables.
    """
    for both in sorted(learner_values.keys() & row_values.keys()):
        raise CoreError(f"sensitive {both}: in both tables; name the table that it belongs to")
    for name, own in learner_values.items():
        if own.codes.shape != incidence.classes.shape:
            raise CoreError(f"sensitive {name}: give one code for each learner")
    for name, held in row_values.items():
        if held.codes.shape != incidence.item.shape:
            raise CoreError(f"sensitive {name}: give one code for each row")


@dataclass(frozen=True, eq=False)
class Profiles:
    """Learners by class and exact item set, in the order of class and items.

    Attributes:
        held: the items of each profile, with its class, as if each were one learner.
        learners: distinct learners of each profile, at least 1; shape (profiles,).
        of_learner: the profile of each learner; shape (learners,).
        of_row: the row of `held` that each row of the learners is; shape (rows,).
        items: what every item number is below.
    """

    held: Incidence
    learners: NDArray[np.int64]
    of_learner: NDArray[np.int64]
    of_row: NDArray[np.int64]
    items: int


def profiles_of(incidence: Incidence) -> Profiles:
    """Collapse learners of the same class with the same items.

    Raises:
        CoreError: too many sets and items for exact keys.
    """
    node = Trie.of(incidence).node
    _, first, of_learner = np.unique(node, return_index=True, return_inverse=True)
    length = np.diff(incidence.offsets)
    offsets = np.concatenate(([0], np.cumsum(length[first]))).astype(np.int64)
    within = np.arange(len(incidence.item)) - incidence.offsets[incidence.owner]
    of_row = offsets[of_learner[incidence.owner]] + within
    item = np.empty(offsets[-1], np.int32)
    item[of_row] = incidence.item
    return Profiles(
        held=Incidence(offsets, item, incidence.classes[first]),
        learners=np.bincount(of_learner, minlength=len(first)).astype(np.int64),
        of_learner=of_learner.astype(np.int64, copy=False),
        of_row=of_row,
        items=int(incidence.item.max(initial=-1)) + 1,
    )


@dataclass(frozen=True, eq=False)
class Trie:
    """Sets of items as paths from their class: equal numbers mean equal sets, without hashes.

    Nodes are numbered by depth, then by the number of their parent, then by item: the same from
    whatever order of learners.

    Attributes:
        node: the node of each learner's class and exact item set; shape (learners,).
        parent: the node with the largest item left out, -1 at a class; shape (nodes,).
        item: the largest item of each node, -1 at a class; shape (nodes,).
    """

    node: NDArray[np.int64]
    parent: NDArray[np.int64]
    item: NDArray[np.int64]

    @classmethod
    def of(cls, incidence: Incidence) -> "Trie":
        """The trie of the exact item sets of all learners.

        Raises:
            CoreError: too many sets and items for exact keys.
        """
        classes, node = np.unique(incidence.classes, return_inverse=True)
        node = node.astype(np.int64, copy=False)
        length = np.diff(incidence.offsets)
        items = int(incidence.item.max(initial=0)) + 1
        parents = [np.full(len(classes), -1, np.int64)]
        last = [np.full(len(classes), -1, np.int64)]
        nodes = len(classes)
        going = np.flatnonzero(length > 0)
        depth = 0
        while len(going):
            require_keys(nodes, items)
            key = node[going] * items + incidence.item[incidence.offsets[going] + depth]
            distinct, index = np.unique(key, return_inverse=True)
            node[going] = nodes + index
            parents.append(distinct // items)
            last.append(distinct % items)
            nodes += len(distinct)
            depth += 1
            going = going[length[going] > depth]
        return cls(node, np.concatenate(parents), np.concatenate(last))


def require_keys(numbers: int, items: int) -> None:
    """Refuse keys that would not be exact.

    Raises:
        CoreError: number * items passes 62 bits.
    """
    if numbers * items > KEY_LIMIT:
        raise CoreError(
            "items: too many sets for exact keys of 62 bits; number the items without gaps from 0"
        )
