"""Items: course-set anonymity jointly with the class of the quasi-identifiers.

An attacker knows a learner's quasi-identifiers and some of the items that the learner took, up to
m of them or all. Every class with a set of items that he may know is shared by k learners, and
holds the models. Only rows are dropped, and what is dropped depends on items and counts, never on
what a learner achieved: preferring those who completed raised a completion rate by 40%.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.incidence import (
    Incidence,
    LearnerValues,
    RowValues,
    profiles_of,
    require_lengths,
)
from anonymizer.item_groups import GroupCheck
from anonymizer.item_sets import merge_rare_sets
from anonymizer.item_subsets import suppress_rare_subsets
from anonymizer.models import Model

__all__ = [
    "Incidence",
    "KeptItems",
    "LearnerValues",
    "RowValues",
    "anonymize_items",
]


@dataclass(frozen=True, eq=False)
class KeptItems:
    """What may be released.

    Attributes:
        rows: the rows of enrolments that stay; shape (rows,).
        learners: the learners who stay, be it without any row; a learner who does not stay keeps
            no row; shape (learners,).
    """

    rows: NDArray[np.bool_]
    learners: NDArray[np.bool_]


def anonymize_items(
    incidence: Incidence,
    *,
    m: Literal[1, 2, 3, "full"],
    k: int,
    models: Sequence[Model],
    closeness: Sequence[Model],
    learner_values: Mapping[str, LearnerValues],
    row_values: Mapping[str, RowValues],
) -> KeptItems:
    """Drop rows, and where nothing else helps learners, until every group holds.

    A group is a class with a set of at most m items, the empty one included, that a learner holds
    together; for m = "full" a class with an exact set of items, the empty one included.

    Args:
        incidence: learners, their classes and their items.
        m: how many items of a learner the attacker knows; "full" where he knows all that the
            learner has, and all that he has not.
        k: distinct learners of every group, at least.
        models: asked of every group. A learner holds a value of `row_values` that any of his kept
            rows has, and his one value of `learner_values`; references are all kept learners.
        closeness: asked of every item of every group, about columns of `row_values` only: the
            values of the group's learners in the item against all kept rows of the item.
            Closeness of a column of `learner_values` belongs among `models`.
        learner_values: sensitive columns of the table of learners.
        row_values: sensitive columns of the table of enrolments.

    Returns:
        The rows and learners that stay. Groups are compared with what is finally kept.

    Raises:
        CoreError: m or k is out of range, a column does not fit the incidence, a model asks for a
            column that was not given, or there are too many sets for exact keys.
    """
    if k < 1:
        raise CoreError("k: a whole number of learners of at least 1")
    if m not in {1, 2, 3, "full"}:
        raise CoreError("m: 1, 2, 3 or full")
    require_lengths(incidence, learner_values, row_values)
    profiles = profiles_of(incidence)
    check = GroupCheck(k, models, closeness, incidence, profiles, learner_values, row_values)
    rows, kept = (
        merge_rare_sets(profiles, check=check)
        if m == "full"
        else suppress_rare_subsets(profiles, m=m, check=check)
    )
    return KeptItems(rows[profiles.of_row], kept[profiles.of_learner])
