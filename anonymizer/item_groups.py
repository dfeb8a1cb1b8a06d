"""Which groups of learners may be released: k and the models, over profiles instead of learners.

A group is what an attacker who knows items can single out: a class with a set of items. Values of
a learner come from the rows that he keeps; what groups are compared with, from all that is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.grouping import holding
from anonymizer.histogram import sums
from anonymizer.incidence import Incidence, LearnerValues, Profiles, RowValues
from anonymizer.models import EquivalenceClasses, Model, SensitiveValues


@dataclass(frozen=True, eq=False)
class Groups:
    """Classes with sets of s items, and the profiles that each is made of.

    Attributes:
        number: of groups.
        group: the group of each membership, below `number`; shape (memberships,).
        profile: its profile, once in a group; shape (memberships,).
        rows: of some memberships, the profile's rows that hold the items of the group, ascending
            by item; a function of their indices to shape (indices, s).
    """

    number: int
    group: NDArray[np.int64]
    profile: NDArray[np.int64]
    rows: Callable[[NDArray[np.int64]], NDArray[np.int64]]


Holds = Callable[[Groups, NDArray[np.bool_] | None], NDArray[np.bool_]]
"""Which groups hold, given the rows that their profiles keep by now; shape (groups,).

None says that these are still the rows that groups are compared with.
"""


@dataclass(frozen=True, eq=False)
class GroupCheck:
    """What is asked of every group.

    Attributes:
        k: distinct learners that share a group, at least.
        models: asked of each group; a learner has each value that any of his kept rows has.
        closeness: asked of each item of each group; of a column of enrolments, the group's values
            in this item are compared with those of all kept rows of the item.
        incidence: learners and their rows.
        profiles: the same, collapsed.
        learner_values: columns of the table of learners.
        row_values: columns of the table of enrolments.
    """

    k: int
    models: Sequence[Model]
    closeness: Sequence[Model]
    incidence: Incidence
    profiles: Profiles
    learner_values: Mapping[str, LearnerValues]
    row_values: Mapping[str, RowValues]

    def against(self, rows: NDArray[np.bool_], kept: NDArray[np.bool_]) -> Holds:
        """The check, with groups compared with these kept rows and profiles.

        Args:
            rows: rows of the profiles; shape (rows of profiles,).
            kept: profiles; shape (profiles,).
        """
        everyone, shown_by_all = self._holders(rows, kept) if self.models else ({}, {})
        by_row = self._by_row() if self.closeness else {}
        items = self.profiles.held.item
        whole = {name: table.sum(axis=0)[None] for name, table in everyone.items()}
        per_item = {
            name: _grouped(items[rows], table[rows], self.profiles.items)
            for name, table in by_row.items()
        }

        def holds(groups: Groups, now: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
            size = sums(groups.group, self.profiles.learners[groups.profile], groups.number)
            good: NDArray[np.bool_] = size >= self.k
            if not good.any() or not (self.models or self.closeness):
                return good
            # Only groups that k admits are worth counting values in.
            large = np.flatnonzero(good)
            members = np.flatnonzero(good[groups.group])
            group = (np.cumsum(good) - 1)[groups.group[members]]
            profile = groups.profile[members]
            size = size[large]
            passed = np.ones(len(large), np.bool_)
            if self.models:
                holders, showing = everyone, shown_by_all
                if now is not None:
                    among = np.zeros(len(kept), np.bool_)
                    among[profile] = True
                    holders, showing = self._holders(now, among)
                held = {
                    name: self._sensitive(
                        name,
                        _grouped(group, table[profile], len(large)),
                        whole[name],
                        np.zeros(len(large), np.int64),
                        shown=sums(group, showing[name][profile], len(large)),
                    )
                    for name, table in holders.items()
                }
                passed &= holding(EquivalenceClasses(size, size, held), self.models, self.k)
            if self.closeness:
                held_by = groups.rows(members)
                for place in range(held_by.shape[1]):
                    row = held_by[:, place]
                    stratum = np.zeros(len(large), np.int64)
                    stratum[group] = items[row]
                    held = {
                        name: self._sensitive(
                            name, _grouped(group, table[row], len(large)), per_item[name], stratum
                        )
                        for name, table in by_row.items()
                    }
                    classes = EquivalenceClasses(size, size, held)
                    passed &= holding(classes, self.closeness, self.k)
            good[large] = passed
            return good

        return holds

    def _holders(
        self, rows: NDArray[np.bool_], among: NDArray[np.bool_]
    ) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
        """Learners of each profile among some who hold each value, and who hold any value.

        Returns:
            Column -> shape (profiles, values), and column -> shape (profiles,).
        """
        profiles = self.profiles
        shown = rows[profiles.of_row] & among[profiles.of_learner[self.incidence.owner]]
        tables, showing = {}, {}
        number = len(profiles.learners)
        for name, own in self.learner_values.items():
            who = np.flatnonzero((own.codes >= 0) & among[profiles.of_learner])
            tables[name] = self._by_profile(who, own.codes[who], len(own.values))
            showing[name] = tables[name].sum(axis=1)
        for name, held in self.row_values.items():
            at = np.flatnonzero(shown & (held.codes >= 0))
            key = np.sort(self.incidence.owner[at] * len(held.values) + held.codes[at])
            # A learner who has a value in several rows holds it once.
            once = key[np.diff(key, prepend=-1) > 0]
            who, value = np.divmod(once, max(len(held.values), 1))
            tables[name] = self._by_profile(who, value, len(held.values))
            holders = who[np.diff(who, prepend=-1) > 0]
            showing[name] = np.bincount(profiles.of_learner[holders], minlength=number)
        return tables, showing

    def _by_profile(
        self, learner: NDArray[np.int64], value: NDArray[np.integer[Any]], width: int
    ) -> NDArray[np.int64]:
        profiles = len(self.profiles.learners)
        key = self.profiles.of_learner[learner] * width + value
        return np.bincount(key, minlength=profiles * width).reshape(profiles, width)

    def _by_row(self) -> dict[str, NDArray[np.int64]]:
        """Learners of each profile's row who have each value in it; shape (rows, values)."""
        tables = {}
        for name, held in self.row_values.items():
            at, width = np.flatnonzero(held.codes >= 0), len(held.values)
            key = self.profiles.of_row[at] * width + held.codes[at]
            rows = len(self.profiles.held.item)
            tables[name] = np.bincount(key, minlength=rows * width).reshape(rows, width)
        return tables

    def _sensitive(
        self,
        name: str,
        counts: NDArray[np.int64],
        reference: NDArray[np.int64],
        stratum: NDArray[np.int64],
        *,
        shown: NDArray[np.int64] | None = None,
    ) -> SensitiveValues:
        column = self.learner_values.get(name) or self.row_values[name]
        return SensitiveValues(counts, reference, stratum, column.values, shown)


def _grouped(
    group: NDArray[np.integer[Any]], table: NDArray[np.int64], number: int
) -> NDArray[np.int64]:
    """Sums of the rows of a table by group; shape (number, columns of the table)."""
    columns = [sums(group, column, number) for column in table.T]
    return np.stack(columns, axis=1) if columns else np.empty((number, 0), np.int64)
