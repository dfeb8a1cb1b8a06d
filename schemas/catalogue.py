"""The catalogue: what is public of a source, dated by a steward; what grids of cells are made of.

Nothing in it is read from rows about learners: a list of courses and a range of weeks that came
from those would tell who is in them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, model_validator

from schemas.declaration import Family
from schemas.roles import MISSING, OTHER, WITHHELD, ColumnType, Role
from schemas.sensitive import distinct
from schemas.violations import Violation

_FROZEN: Final = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_RESERVED: Final = (MISSING, OTHER, WITHHELD)
MOST_PERIODS: Final = 100_000


def _labels(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(value.strip() == value != "" and value.isprintable() for value in values):
        raise ValueError("printable values without blanks around them were expected")
    if any(value in _RESERVED for value in values):
        raise ValueError(f"{', '.join(_RESERVED)} have a meaning of their own; leave them out")
    distinct(values)
    return values


class Periods(BaseModel):
    """From which day or week to which; days of the calendar, or numbers of relative weeks.

    Attributes:
        first: the first, or any day of the first.
        last: the last, or any day of the last.
    """

    model_config = _FROZEN
    first: date | StrictInt
    last: date | StrictInt

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        span = self._span()
        if span is None:
            raise ValueError("first and last: two dates, or two numbers of weeks")
        if not 0 <= span < MOST_PERIODS:
            raise ValueError(f"last must not be before first, nor {MOST_PERIODS} after it")
        return self

    def _span(self) -> int | None:
        if isinstance(self.first, date) and isinstance(self.last, date):
            return (self.last - self.first).days
        if isinstance(self.first, int) and isinstance(self.last, int):
            return self.last - self.first
        return None


class Catalogue(BaseModel):
    """What is public of a source.

    Attributes:
        dated: the day as of which a steward says so.
        learners: how many learners the source has, as published; only to tell expected errors
            beside expected figures, and to choose between methods. None: not public.
        values: column -> its values, such as the courses on offer. What else a row says falls into
            one cell, `(other)`.
        periods: column of time -> its first and last period.
    """

    model_config = _FROZEN
    dated: date
    learners: Annotated[StrictInt, Field(ge=1)] | None = None
    values: Mapping[
        str, Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_labels)]
    ] = Field(default_factory=dict)
    periods: Mapping[str, Periods] = Field(default_factory=dict)


def catalogue_faults(catalogue: Catalogue, family: Family) -> Iterator[Violation]:
    """What a catalogue says of columns that the source has not, or can't have said so."""
    columns = [
        (view, name, c) for view in family.views.values() for name, c in view.columns.items()
    ]
    items = [name for _, name, c in columns if c.role is Role.ITEM and c.period is None]
    for name in catalogue.values:
        if name not in items:
            yield _unknown(f"values.{name}", name, items)
    times = {name: view for view, name, c in columns if c.role is Role.TIME}
    for name, periods in catalogue.periods.items():
        if name not in times:
            yield _unknown(f"periods.{name}", name, list(times))
            continue
        relative = family.behind(name, times[name]).type is ColumnType.INTEGER
        if relative != isinstance(periods.first, int):
            kind = "numbers of weeks, such as 0 and 38" if relative else "dates, such as 2024-01-01"
            yield Violation(f"periods.{name}", f"first and last are {kind}")


def _unknown(key: str, name: str, known: Sequence[str]) -> Violation:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(known) or 'none'}"
    return Violation(key, f"the source has no such column; {hint}")


def catalogue_sha256(catalogue: Catalogue, declared: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """The hash of all that grids may be made of, whatever the layout of the file.

    Args:
        catalogue: the steward's.
        declared: column -> for each level of its hierarchy the label of every value.
    """
    parts = {
        "catalogue": catalogue.model_dump(mode="json"),
        "declared": {
            name: [list(labels) for labels in levels] for name, levels in declared.items()
        },
    }
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
