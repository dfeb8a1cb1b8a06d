"""Periods of time as numbers without gaps, and as the labels that a grid shows.

Weeks begin on Monday. A time in days from some start has weeks of its own: days 0 to 6 are week 0.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from schemas.catalogue import Periods
from schemas.view import Period

_EPOCH = date(1970, 1, 1)
_WEEK = 7
_FOUR_WEEKS = 28
_MONDAY = 4
"""Days from 1 January 1970, a Thursday, to the first Monday."""


@dataclass(frozen=True, slots=True)
class PeriodRange:
    """The periods of a grid.

    Attributes:
        period: how long one is.
        relative: whether time is told in days from some start.
        first: the number of the first, as `period_number` counts.
        labels: one a period, from the first on.
    """

    period: Period
    relative: bool
    first: int
    labels: tuple[str, ...]


def period_range(period: Period, periods: Periods) -> PeriodRange:
    """The periods from the first to the last that a catalogue names, both included."""
    first, last = periods.first, periods.last
    if isinstance(first, date) and isinstance(last, date):
        numbers = range(_number(first, period), _number(last, period) + 1)
        labels = tuple(_label(number, period) for number in numbers)
        return PeriodRange(period, relative=False, first=numbers[0], labels=labels)
    assert isinstance(first, int)
    assert isinstance(last, int)
    weeks = range(first, last + 1)
    labels = tuple(f"week {number}" for number in weeks)
    return PeriodRange(period, relative=True, first=first, labels=labels)


def _number(day: date, period: Period) -> int:
    days = (day - _EPOCH).days
    by_days: dict[Period, int] = {
        "week": (days - _MONDAY) // _WEEK,
        "4w": (days - _MONDAY) // _FOUR_WEEKS,
    }
    by_months: dict[Period, int] = {
        "month": day.year * 12 + day.month - 1,
        "quarter": day.year * 4 + (day.month - 1) // 3,
        "year": day.year,
    }
    return (by_days | by_months)[period]


def _label(number: int, period: Period) -> str:
    """As `pipelines.item_labels` writes it; a week is its Monday."""
    if period in {"week", "4w"}:
        days = _MONDAY + number * (_WEEK if period == "week" else _FOUR_WEEKS)
        start = (_EPOCH + timedelta(days=days)).isoformat()
        return start if period == "week" else f"{start}/P4W"
    if period == "month":
        return f"{number // 12:04d}-{number % 12 + 1:02d}"
    return f"{number // 4:04d}-Q{number % 4 + 1}" if period == "quarter" else f"{number:04d}"
