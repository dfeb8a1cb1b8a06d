"""What must come of a trap, as data: a small closed vocabulary that any tool can check.

A claim names the requests that it is about, by their names in `expected.json`; one without requests
is about the source itself. Texts, ids and numbers are those of the planted world: invented, all of
them, so that they may stand here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

Requests = tuple[str, ...]

MEASURED: Final = "measured"
"""For the one of a twin's tables of noisy figures that has the keys of a cell: their names count
on from 01."""


@dataclass(frozen=True, slots=True)
class Counted:
    """So many learners are told of a cell.

    Of microdata: distinct learners of the rows of `table` with these values. Of an aggregate: the
    figure of that cell, which may be off by `within`. Of a synthetic twin the same: of its table of
    measured figures with just these keys where `table` is `MEASURED`, else of invented learners.

    Attributes:
        requests: of which releases.
        table: of the release.
        cell: column -> value.
        learners: how many.
        within: how far off the number may be. Noise alone takes a figure further off with a
            probability of `NOISE_ALARM` at most, and chance a number of invented learners about
            once in 10^7. Of microdata it is 0, but where a build may choose whose row stays.
    """

    claim: ClassVar[str] = "counted"
    requests: Requests
    table: str
    cell: Mapping[str, str]
    learners: int
    within: int = 0


@dataclass(frozen=True, slots=True)
class Never:
    """No row of a cell has one of these values in a column."""

    claim: ClassVar[str] = "never"
    requests: Requests
    table: str
    cell: Mapping[str, str]
    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Only:
    """Every row of a cell has one of these values in a column, and there is such a row."""

    claim: ClassVar[str] = "only"
    requests: Requests
    table: str
    cell: Mapping[str, str]
    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Together:
    """So many learners of a release that links courses are in all of these."""

    claim: ClassVar[str] = "together"
    requests: Requests
    courses: tuple[str, ...]
    learners: int


@dataclass(frozen=True, slots=True)
class Hidden:
    """Each class and course, or class and exact set of courses, has `least` learners or more."""

    claim: ClassVar[str] = "hidden"
    requests: Requests
    least: int


@dataclass(frozen=True, slots=True)
class Absent:
    """None of these learners is in the release, whatever the id he is known by."""

    claim: ClassVar[str] = "absent"
    requests: Requests
    learners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """Each of these learners is in the release."""

    claim: ClassVar[str] = "present"
    requests: Requests
    learners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Nowhere:
    """None of these texts stands in any byte or cell of the package, or in what a build prints."""

    claim: ClassVar[str] = "nowhere"
    requests: Requests
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A build puts so many rows aside because of this trap: one fault of each is told.

    Several traps may put rows of a table aside for one reason: what a build counts is the sum.

    Attributes:
        requests: of which builds.
        table: which rows.
        column: at fault; empty where it is the whole row.
        reason: as `docs/sources.md` lists them.
        rows: how many.
    """

    claim: ClassVar[str] = "quarantined"
    requests: Requests
    table: str
    column: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A build is refused, and writes nothing, if the late rights are imported while it runs.

    Attributes:
        requests: of which releases.
        says: a part of the message.
    """

    claim: ClassVar[str] = "overtaken"
    requests: Requests
    says: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A build is refused, and writes nothing, once this column is added to the source.

    Attributes:
        requests: of which releases.
        table: that the requests need.
        column: that nobody declared; of texts.
        says: a part of the message.
    """

    claim: ClassVar[str] = "refused"
    requests: Requests
    table: str
    column: str
    says: str


@dataclass(frozen=True, slots=True)
class Warned:
    """`kohort source check` tells this on one line."""

    claim: ClassVar[str] = "warned"
    says: str


@dataclass(frozen=True, slots=True)
class Read:
    """A cell of the source is read as this very text, whatever the format it is written in.

    Attributes:
        table: which table.
        key: column -> value, of the one row.
        column: which column.
        text: what stands there.
    """

    claim: ClassVar[str] = "read"
    table: str
    key: Mapping[str, str]
    column: str
    text: str


Claim = (
    Counted
    | Never
    | Only
    | Together
    | Hidden
    | Absent
    | Present
    | Nowhere
    | Quarantined
    | Overtaken
    | Refused
    | Warned
    | Read
)
"""What may be claimed."""


def document_of(claim: Claim) -> dict[str, Any]:
    """A claim as JSON has it: its name under `claim`, and its parts."""
    return {"claim": claim.claim, **asdict(claim)}
