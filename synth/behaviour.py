"""What synthetic learners do in a course: never come, look around, explore, or pass.

Nothing here depends on who the learner is. How far those come who only look around follows the
shares of a preset by week, whose hazard is a bathtub's: many leave early, few in the middle, and
more near the end.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from synth.catalogue import Catalogue
from synth.codes import COMPLETED, STARTED
from synth.columns import DAY, Floats, Ints, Mask, constant, offsets, picked, timestamps
from synth.coursera_preset import Activity, Outcomes
from synth.enrolling import Block, Enrolments
from synth.people import LEARNER

ABSENT, VIEWED, EXPLORED, CERTIFIED = range(4)
"""What becomes of an enrolment."""

_EVERYWHERE: Final = np.int64(1_000_000)
_LONGEST_SITTING: Final = 8 * 3_600
_HABIT: Final = 1.5 * 3_600
"""By how many seconds the hour of the day differs from one day to another."""


@dataclass(frozen=True, slots=True)
class Log:
    """Items that were started, by enrolment and in the order of time.

    Attributes:
        entry: row number of the enrolment.
        item: row number of the item.
        started: seconds since 1970.
        completed: the moment when it was, or would have been.
        done: whether it was completed.
        active: row numbers of the enrolments in the log.
        first: where each of these starts in the log.
        begins: the first moment of each of these.
        ends: the last moment of each of these.
    """

    entry: Ints
    item: Ints
    started: Ints
    completed: Ints
    done: Mask
    active: Ints
    first: Ints
    begins: Ints
    ends: Ints


def fates(
    enrolments: Enrolments, catalogue: Catalogue, preset: Outcomes, rng: np.random.Generator
) -> Ints:
    """What becomes of each enrolment; courses differ, the shares of all enrolments are given.

    Args:
        enrolments: who is where.
        catalogue: the courses.
        preset: the shares.
        rng: where chance comes from.
    """
    absent, certified = _by_course(catalogue, preset)
    chance = rng.random(len(enrolments))
    passes = 1 - certified[enrolments.courses]
    explores = passes - preset.explored.value
    found = np.full(len(enrolments), VIEWED)
    found[chance >= explores] = EXPLORED
    found[chance >= passes] = CERTIFIED
    found[chance < absent[enrolments.courses]] = ABSENT
    return found


def behave(
    block: Block,
    fate: Ints,
    *,
    outcomes: Outcomes,
    activity: Activity,
    rng: np.random.Generator,
) -> Log:
    """Let learners work through the courses they enrolled in.

    Args:
        block: who is where.
        fate: what becomes of each enrolment.
        outcomes: which items they start.
        activity: and when.
        rng: where chance comes from.
    """
    enrolments = block.enrolments
    active = np.flatnonzero(fate != ABSENT)
    owner, item = _touched(enrolments.courses[active], fate[active], block.catalogue, outcomes, rng)
    counts = np.bincount(owner, minlength=len(active))
    first = offsets(counts)
    gaps = _gaps(owner, fate[active], activity, rng)
    gaps[first] = rng.exponential(activity.entry_days.value * DAY, len(active))
    since = np.cumsum(gaps)
    since -= (since[first] - gaps[first])[owner]
    started = enrolments.starts[active][owner] + since.astype(np.int64)
    minutes = 1 + activity.completion_minutes.value * rng.standard_exponential(len(owner))
    done = rng.random(len(owner), dtype=np.float32) < outcomes.completed.value
    done |= fate[active][owner] == CERTIFIED
    completed = started + (60 * minutes).astype(np.int64)
    last = np.where(done, completed, started)
    return Log(
        entry=active[owner],
        item=item,
        started=started,
        completed=completed,
        done=done,
        active=active,
        first=first,
        begins=started[first],
        ends=np.maximum.reduceat(last, first) if len(first) else first,
    )


def progress(log: Log, block: Block) -> pl.DataFrame:
    """The table `course_progress`: what was started, then what was completed."""
    done = np.flatnonzero(log.done)
    entry, item = (np.concatenate([a, a[done]]) for a in (log.entry, log.item))
    states = [
        constant(STARTED, len(log.entry), pl.Int32()),
        constant(COMPLETED, len(done), pl.Int32()),
    ]
    return pl.DataFrame(
        {
            "course_id": block.courses(entry),
            "course_item_id": picked(block.catalogue.items.ids, item),
            LEARNER: block.users(entry),
            "course_progress_state_type_id": pl.concat(states),
            "course_progress_ts": timestamps(np.concatenate([log.started, log.completed[done]])),
        }
    )


def _by_course(catalogue: Catalogue, preset: Outcomes) -> tuple[Floats, Floats]:
    """The shares that never come, and that pass, by course."""
    length = catalogue.item_counts / catalogue.item_counts.mean()
    absent = _spread(preset.absent.value, preset.absent_sd.value, catalogue.deviates[0], catalogue)
    certified = _spread(
        preset.certified.value,
        preset.certified_sd.value,
        catalogue.deviates[1],
        catalogue,
        length ** (-preset.length_slope.value),
    )
    room = 1 - preset.explored.value
    absent = np.minimum(absent, 0.9 * room)
    return absent, np.minimum(certified, 0.9 * (room - absent))


def _spread(
    mean: float, sd: float, deviates: Floats, catalogue: Catalogue, factor: Floats | float = 1.0
) -> Floats:
    """A share by course, lognormal about a mean over all enrolments."""
    factors = np.exp(sd * deviates) * factor
    spread: Floats = mean * factors / (factors * catalogue.popularity).sum()
    return spread


def _touched(
    courses: Ints, fate: Ints, catalogue: Catalogue, preset: Outcomes, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Which items each active enrolment starts: row numbers of both."""
    counts = catalogue.item_counts[courses]
    each = np.repeat(np.arange(len(courses), dtype=np.int32), counts)
    offered = np.arange(len(each)) + (catalogue.first_item[courses] - offsets(counts))[each]
    chances = _chances(catalogue, preset)
    # The first item opens the course: whoever comes starts it, however far he comes then.
    module = np.where(catalogue.items.place == 0, -1, catalogue.items.module)
    chance = chances.ravel()[((fate - VIEWED) * chances.shape[1])[each] + offered]
    starts = rng.random(len(each), dtype=np.float32) < chance
    starts &= module[offered] <= _reach(fate, preset, rng)[each]
    places = np.flatnonzero(starts)
    owner, item = each[places].astype(np.int64), offered[places]
    # Whoever views less than half starts less than half.
    rank = np.arange(len(owner)) - offsets(np.bincount(owner, minlength=len(courses)))[owner]
    limit = np.where(fate == VIEWED, (counts - 1) // 2, counts)
    within = rank < limit[owner]
    return owner[within], item[within]


def _chances(catalogue: Catalogue, preset: Outcomes) -> npt.NDArray[np.float32]:
    """How likely an item is started, by fate: of those who come as far as its module."""
    items = catalogue.items
    opening = items.opening | (items.place == 0)
    viewed = np.where(opening, 1.0, preset.further_items.value)
    first_half = 2 * items.place < catalogue.item_counts[items.course]
    explored = np.where(first_half | opening, 1.0, preset.explored_further.value)
    explored[items.final] = 0.0
    certified = np.where(items.graded | opening, 1.0, preset.certified_items.value)
    return np.stack([viewed, explored, certified]).astype(np.float32)


def _reach(fate: Ints, preset: Outcomes, rng: np.random.Generator) -> Ints:
    """The last module that each comes to; -1: none beyond the first item."""
    weekly = np.array(preset.weekly_video.value)
    shares = (weekly - preset.explored.value - preset.certified.value) / preset.viewed
    # Ascending, for the search: how many of the shares lie above the chance.
    came = len(shares) - np.searchsorted(shares[::-1], rng.random(len(fate)), side="right")
    everywhere = (fate != VIEWED) | (came == len(shares))
    return np.where(everywhere, _EVERYWHERE, came - 1)


def _gaps(owner: Ints, fate: Ints, preset: Activity, rng: np.random.Generator) -> Floats:
    """Seconds from each item to the next: within a day, or after whole days at about that hour."""
    size = len(owner)
    shares = np.array(
        [
            preset.viewed_next_day.value,
            preset.explored_next_day.value,
            preset.certified_next_day.value,
        ]
    )
    later = rng.random(size, dtype=np.float32) < shares[fate - VIEWED][owner]
    days, within = np.flatnonzero(later), np.flatnonzero(~later)
    gaps = np.empty(size)
    shortest = preset.shortest_gap_minutes.value * 60
    gaps[within] = shortest * _power_law(
        len(within), preset.session_gap_exponent.value, _LONGEST_SITTING / shortest, rng
    )
    number = np.floor(
        _power_law(len(days), preset.gap_exponent.value, preset.longest_gap_days.value + 1, rng)
    )
    habit = _HABIT * rng.standard_normal(len(days))
    gaps[days] = np.maximum(number * DAY + habit, DAY / 2)
    return gaps


def _power_law(size: int, exponent: float, most: float, rng: np.random.Generator) -> Floats:
    """Values from 1 to below `most` whose density falls with this exponent."""
    beyond = most ** (1 - exponent)
    drawn: Floats = (1 - rng.random(size) * (1 - beyond)) ** (-1 / (exponent - 1))
    return drawn
