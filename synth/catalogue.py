"""Synthetic courses: what they are made of, when they run, and how popular they are."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from synth.codes import LECTURE, PEER_REVIEW, QUIZ, READING
from synth.columns import DAY, Floats, Ints, Mask, long_ids, offsets, short_ids
from synth.coursera_preset import Courses

FIRST_LAUNCH: Final = 1_451_606_400  # 2016-01-01 UTC
LAST_LAUNCH: Final = 1_577_836_800  # 2020-01-01 UTC
LAST_SESSION: Final = 1_735_689_600  # 2025-01-01 UTC

_LEAST_MODULE: Final = 4
"""Items that a module has at least, so that there is a video in each beside its quiz."""
_LESSON: Final = 4
_SPECIALIZATION: Final = 4


@dataclass(frozen=True, slots=True)
class Items:
    """What courses are made of, course by course and in the order they are taken.

    Attributes:
        ids: unique among all.
        course: row number of the course.
        place: in its course, from 0.
        module: of its course, from 0.
        order: in its lesson, from 0.
        lesson: where its lesson starts in these arrays: a lesson is named by its first item.
        kind: one of `LECTURE`, `READING`, `QUIZ`, `PEER_REVIEW`; the last two are graded.
        opening: whether it is the first video of its module.
        final: whether it is the last of its course, which is graded.
    """

    ids: pl.Series
    course: Ints
    place: Ints
    module: Ints
    order: Ints
    lesson: Ints
    kind: Ints
    opening: Mask
    final: Mask

    @property
    def graded(self) -> Mask:
        """Whether it is graded, and must be passed in order to pass the course."""
        return self.kind >= QUIZ


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Courses; arrays are by course unless they say otherwise.

    Attributes:
        ids: of the courses, the most popular first.
        launches: seconds since 1970.
        categories: the subject, from 0.
        items: of all courses.
        first_item: where the course's items start.
        item_counts: how many it has.
        modules: ids, course by course.
        first_module: where the course's modules start.
        module_counts: how many it has; so many of its items are graded.
        peer_item: which item peers review; -1 where none is.
        assignments: ids of peer assignments; those of courses without one are not used.
        branches: ids, course by course: of a course's first branch, the id of the course.
        first_branch: where the course's branches start.
        branch_counts: one or two.
        second_launches: when a second branch replaces the first; seconds since 1970.
        sessions: ids, course by course.
        first_session: where the course's sessions start.
        session_counts: how many it has.
        session_seconds: a session starts every so many seconds from the launch on.
        specializations: ids.
        specialization: row number of the course's specialization, whose courses are of one subject.
        deviates: standard normal, two rows: by how much a course differs from others.
        chances: the popularity of the courses, summed up to and including each of them.
        by_category: row numbers, category by category.
        category_chances: as `chances`, in the order of `by_category`.
    """

    ids: pl.Series
    launches: Ints
    categories: Ints
    items: Items
    first_item: Ints
    item_counts: Ints
    modules: pl.Series
    first_module: Ints
    module_counts: Ints
    peer_item: Ints
    assignments: pl.Series
    branches: pl.Series
    first_branch: Ints
    branch_counts: Ints
    second_launches: Ints
    sessions: pl.Series
    first_session: Ints
    session_counts: Ints
    session_seconds: int
    specializations: pl.Series
    specialization: Ints
    deviates: Floats
    chances: Floats
    by_category: Ints
    category_chances: Floats

    def __len__(self) -> int:
        return len(self.launches)

    @property
    def popularity(self) -> Floats:
        """The share of draws that fall on each course."""
        return np.diff(self.chances, prepend=0.0)

    def drawn(self, chance: Floats) -> Ints:
        """Courses by their popularity, of uniform numbers below 1."""
        return _drawn(self.chances, chance)

    def drawn_within(self, categories: Ints, chance: Floats) -> Ints:
        """The same among the courses of a category."""
        ordered = self.categories[self.by_category]
        first = np.searchsorted(ordered, categories, side="left")
        last = np.searchsorted(ordered, categories, side="right") - 1
        below = np.concatenate([[0.0], self.category_chances])[first]
        found = _drawn(
            self.category_chances, below + chance * (self.category_chances[last] - below)
        )
        # Rounding may lead a hair's breadth beyond the category.
        return self.by_category[np.clip(found, first, last)]

    def sessions_at(self, courses: Ints, seconds: Ints) -> Ints:
        """The session, counted within its course, that one who enrols at that moment comes into.

        The running one in its first week, else the next.
        """
        since = seconds - self.launches[courses] - 7 * DAY
        number = -(-since // self.session_seconds)
        found: Ints = np.clip(number, 0, self.session_counts[courses] - 1)
        return found

    def session_length(self, courses: Ints) -> Ints:
        """For how many seconds a session of the course runs: a week a module."""
        return self.module_counts[courses] * 7 * DAY

    def branches_of(self, courses: Ints, sessions: Ints) -> Ints:
        """The branch that such a session shows, counted among all branches."""
        begins = self.launches[courses] + sessions * self.session_seconds
        second = (self.branch_counts[courses] > 1) & (begins >= self.second_launches[courses])
        return self.first_branch[courses] + second


def make_catalogue(courses: int, preset: Courses, *, rng: np.random.Generator) -> Catalogue:
    """Make courses.

    Args:
        courses: how many.
        preset: what they are like.
        rng: where chance comes from.
    """
    ids = long_ids(courses, rng)
    launches = rng.integers(FIRST_LAUNCH, LAST_LAUNCH, courses)
    counts = rng.integers(preset.fewest_items.value, preset.most_items.value + 1, courses)
    modules = np.minimum(
        rng.integers(preset.fewest_modules.value, preset.most_modules.value + 1, courses),
        counts // _LEAST_MODULE,
    )
    reviewed = rng.random(courses) < preset.peer_reviewed.value
    items, peer_item = _items(counts, modules, reviewed, preset.lectures.value, rng)
    twice = rng.random(courses) < preset.new_versions.value
    first_branch = offsets(1 + twice)
    branches = np.repeat(np.arange(courses), 1 + twice)
    original = np.zeros(len(branches), dtype=np.bool_)
    original[first_branch] = True
    period = preset.session_days.value * DAY
    sessions = -(-(LAST_SESSION - launches) // period)
    categories = rng.integers(0, preset.categories.value, courses)
    by_category = np.argsort(categories, kind="stable")
    specialization = _specialization(categories, by_category)
    popularity = 1 / np.arange(1, courses + 1) ** preset.popularity.value
    popularity /= popularity.sum()
    return Catalogue(
        ids=ids,
        launches=launches,
        categories=categories,
        items=items,
        first_item=offsets(counts),
        item_counts=counts,
        modules=short_ids(int(modules.sum()), rng),
        first_module=offsets(modules),
        module_counts=modules,
        peer_item=peer_item,
        assignments=long_ids(courses, rng) + "@1",
        branches=ids.gather(branches).zip_with(pl.Series(original), long_ids(len(branches), rng)),
        first_branch=first_branch,
        branch_counts=1 + twice,
        second_launches=launches + rng.integers(365 * DAY, 3 * 365 * DAY, courses),
        sessions=long_ids(int(sessions.sum()), rng),
        first_session=offsets(sessions),
        session_counts=sessions,
        session_seconds=period,
        specializations=long_ids(int(specialization.max()) + 1, rng),
        specialization=specialization,
        deviates=rng.standard_normal((2, courses)),
        chances=np.cumsum(popularity),
        by_category=by_category,
        category_chances=np.cumsum(popularity[by_category]),
    )


def _drawn(chances: Floats, chance: Floats) -> Ints:
    above = np.searchsorted(chances, chance * chances[-1], side="right")
    found: Ints = np.minimum(above, len(chances) - 1)
    return found


def _items(
    counts: Ints, modules: Ints, reviewed: Mask, lectures: float, rng: np.random.Generator
) -> tuple[Items, Ints]:
    """The items, and which of them peers review.

    A course starts with a text; each module starts with a video and ends with what is graded.
    """
    course = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(course)) - offsets(counts)[course]
    module = place * modules[course] // counts[course]
    starts = _changes(course, module)
    ends = place + 1 == counts[course]
    ends[:-1] |= starts[1:]
    within = _since(starts)
    opening = np.roll(starts & (place == 0), 1) | (starts & (place > 0))
    kind = np.where(rng.random(len(course)) < lectures, LECTURE, READING)
    kind = np.where(opening, LECTURE, np.where(place == 0, READING, kind))
    kind = np.where(ends, QUIZ, kind)
    # In the middle of the course: the final is a quiz.
    due = ends & reviewed[course] & (module == (modules[course] - 1) // 2)
    due &= modules[course] > 1
    kind = np.where(due, PEER_REVIEW, kind)
    peer_item = np.full(len(counts), -1)
    peer_item[course[due]] = np.flatnonzero(due)
    order = within % _LESSON
    items = Items(
        ids=short_ids(len(course), rng),
        course=course,
        place=place,
        module=module,
        order=order,
        lesson=np.arange(len(course)) - order,
        kind=kind,
        opening=opening,
        final=place == counts[course] - 1,
    )
    return items, peer_item


def _changes(*keys: Ints) -> Mask:
    """Whether a row starts a run of equal keys."""
    first = np.ones(len(keys[0]), dtype=np.bool_)
    first[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return first


def _since(starts: Mask) -> Ints:
    """How far back the run of a row starts."""
    places = np.arange(len(starts))
    return places - np.maximum.accumulate(np.where(starts, places, 0))


def _specialization(categories: Ints, by_category: Ints) -> Ints:
    """Some courses of one category each."""
    starts = _changes(categories[by_category])
    number = np.cumsum(_since(starts) % _SPECIALIZATION == 0) - 1
    found = np.empty(len(categories), dtype=np.int64)
    found[by_category] = number
    return found
