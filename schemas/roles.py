"""What a column means for privacy, how it is read and counted, and what one row stands for."""

from enum import StrEnum
from typing import Final

MISSING: Final = "(missing)"
"""The released value of an unknown attribute. A leaf of its own: it meets others only at `*`."""

WITHHELD: Final = "*"
"""The released value that says nothing: the root of every hierarchy."""

OTHER: Final = "(other)"
"""The key of what a public catalogue does not list."""


class Role(StrEnum):
    """What a column means for privacy (ISO/IEC 20889 terms where it has them)."""

    LEARNER_KEY = "learner-key"
    """Names the learner. Leaves only as a pseudonym."""

    DIRECT_IDENTIFIER = "direct-identifier"
    """Names a person on its own: never read for a release."""

    QUASI_IDENTIFIER = "quasi-identifier"
    """Known to an attacker: generalized until each learner hides among k."""

    ITEM = "item"
    """What the learner took part in, such as a course."""

    SENSITIVE = "sensitive"
    """What an attacker wants to learn: bounded by a maximum share."""

    MEASURE = "measure"
    """A figure about activity: binned by declared rules."""

    FREE_TEXT = "free-text"
    """Written by a person: may hold anything, never released."""

    TIME = "time"
    """A point in time, or a run: used to order and to count; leaves as a part of an item only, and
    as a period that cells of activity are counted by."""

    CATALOGUE = "catalogue"
    """Describes courses and codes, not learners: used to join; leaves as a part of an item only."""

    DROPPED = "dropped"
    """Known, and never read."""


class Grain(StrEnum):
    """What one row of a table stands for."""

    LEARNER = "learner"
    LEARNER_COURSE = "learner-course"
    EVENT = "event"
    CATALOGUE = "catalogue"


class ColumnType(StrEnum):
    """How a raw column is parsed. Text is stripped of blanks; empty text is null."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"


class Aggregate(StrEnum):
    """How the rows behind one released cell become one value."""

    FIRST = "first"
    LAST = "last"
    SUM = "sum"
    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    COUNT_WEEKS = "count_weeks"
