"""What is charged to a budget, and what the ledger answers."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from anonymizer.dp.accounting import LARGEST, Cost, composed, exact
from anonymizer.errors import CoreError
from pipelines.governance.tables import DIGEST_LENGTH, RELEASE_ID_LENGTH

_ID: Final = re.compile(rf"[0-9a-f]{{{RELEASE_ID_LENGTH}}}")
_FRACTION: Final = re.compile(r"[0-9]+(/[0-9]+)?")
_MOST_CELLS: Final = 2**31 - 1
"""The largest number that PostgreSQL's column takes."""

ANY_OTHER: Final = "*"
"""The recipient that stands for everybody to whom nothing was charged yet; nobody's name."""

_DIGEST: Final = re.compile(rf"[0-9a-f]{{{DIGEST_LENGTH}}}")


class Regime(StrEnum):
    """What adds up in an account: epsilons, or rhos."""

    PURE = "pure"
    ZCDP = "zcdp"


class Scope(StrEnum):
    """Whose account it is: everybody's on a family, a purpose's, a recipient's."""

    FAMILY = "family"
    PURPOSE = "purpose"
    RECIPIENT = "recipient"


class ChargeState(StrEnum):
    """What a charge is now, in the words of `ChargeEvent`."""

    RESERVED = "reserved"
    READING = "reading"
    COMMITTED = "committed"
    REFUNDED = "refunded"
    LOST = "lost"


ACTIVE: Final = frozenset({ChargeState.RESERVED, ChargeState.READING})
"""The states of a charge whose build is under way, or died."""


class Amount(NamedTuple):
    """What an account may spend, has spent, or is asked for.

    Attributes:
        micro: millionths of epsilon in a pure account, of rho in a zCDP one.
        atto_delta: 1e-18ths of delta: of the draws' own; not of what turns rho into epsilon.
    """

    micro: int
    atto_delta: int

    def minus(self, other: "Amount") -> "Amount":
        """What is left of it; 0 where the other is larger."""
        return Amount(max(0, self.micro - other.micro), max(0, self.atto_delta - other.atto_delta))


NOTHING: Final = Amount(0, 0)


@dataclass(frozen=True, slots=True)
class PlannedDraw:
    """One use of a mechanism that a build is about to make; the columns of `Draw`.

    Raises:
        ValueError: a part of it can't be put on record.
    """

    mechanism: str
    scale: str
    l0: int
    linf: int
    norm: Literal["L1", "L2"]
    cost: Cost

    def __post_init__(self) -> None:
        if not _is_printable(self.mechanism):
            raise ValueError("mechanism: a printable name was expected")
        if not _is_scale(self.scale):
            raise ValueError(
                "scale: a positive fraction in lowest terms was expected, as 7/2, of 100 "
                "characters at most"
            )
        if not _is_count(self.l0, _MOST_CELLS):
            raise ValueError("l0: a whole number from 1 to 2^31 - 1 was expected")
        if not _is_count(self.linf, LARGEST):
            raise ValueError("linf: a whole number from 1 to 2^63 - 1 was expected")
        if self.norm not in {"L1", "L2"}:
            raise ValueError("norm: L1 or L2 was expected")


@dataclass(frozen=True, slots=True)
class NewCharge:
    """What a build asks of the budget before it reads a row; the columns of `Charge`.

    Attributes:
        family: printable, in Unicode's normal form C.
        id_column: the column that tells the learners of the family apart: the unit of privacy.
        version: the hash of the data's version.
        snapshot_at: the cut-off of rights of that version.
        purpose: as `as_subject` writes it, so that it has one account however it is written.
        recipient: the same.
        draws: all that will be drawn.
        libraries: name -> version of what draws.

    Raises:
        ValueError: a part of it can't be put on record, compared or added up.
    """

    id: str
    family: str
    id_column: str
    version: str
    snapshot_at: datetime
    request: str
    purpose: str
    recipient: str
    draws: tuple[PlannedDraw, ...]
    code_version: str
    libraries: Mapping[str, str]

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"id: {RELEASE_ID_LENGTH} hex digits were expected")
        if not all(_DIGEST.fullmatch(digest) for digest in (self.version, self.request)):
            raise ValueError(f"a SHA-256 of {DIGEST_LENGTH} hex digits was expected")
        self._demand_texts()
        if self.snapshot_at.tzinfo is None:
            raise ValueError("snapshot_at: a time zone was expected, such as UTC")
        if not self.draws:
            raise ValueError("draws: at least one was expected; what draws nothing costs nothing")
        try:
            composed(draw.cost for draw in self.draws)
        except CoreError:
            raise ValueError("draws: at most 2^63 - 1 units together were expected") from None

    def _demand_texts(self) -> None:
        texts = {"family": self.family, "id_column": self.id_column, "purpose": self.purpose}
        texts |= {"recipient": self.recipient, "code_version": self.code_version}
        for name, text in texts.items():
            if not _is_printable(text):
                raise ValueError(f"{name}: a printable text was expected")
        if not all(_is_printable(text) for pair in self.libraries.items() for text in pair):
            raise ValueError("libraries: printable names and versions were expected")
        if self.family != unicodedata.normalize("NFC", self.family).strip():
            raise ValueError("family: normal form C, and no blanks around it, were expected")
        for name in ("purpose", "recipient"):
            if texts[name] != as_subject(texts[name]):
                raise ValueError(f"{name}: lower case and normal form C were expected")
            if texts[name] == ANY_OTHER:
                raise ValueError(f"{name}: a name was expected; {ANY_OTHER} stands for any other")

    @property
    def cost(self) -> Cost:
        """Of all draws together."""
        return composed(draw.cost for draw in self.draws)


@dataclass(frozen=True, slots=True)
class Reserved:
    """The charge was made: the build may go on.

    Attributes:
        id: of the charge.
    """

    id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """The same was drawn before on the same data: it is given out again, and costs nothing.

    Attributes:
        id: of the charge that paid for it, and of its release.
        result_sha256: of what was drawn.
    """

    id: str
    result_sha256: str


def as_subject(name: str) -> str:
    """A purpose or a recipient as accounts have it: the same however case and accents are written.

    Unicode's canonical caseless matching (The Unicode Standard, definition D145), in normal form C.
    """
    folded = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFC", folded).strip()


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 in hex."""
    return _DIGEST.fullmatch(text) is not None


def asked_of(cost: Cost, regime: Regime) -> Amount | None:
    """What a cost takes from an account; None where a pure account can't pay for it."""
    micro = cost.micro_rho if regime is Regime.ZCDP else cost.micro_epsilon
    return None if micro is None else Amount(micro, cost.atto_delta)


def _is_scale(text: str) -> bool:
    if not _FRACTION.fullmatch(text):
        return False
    try:
        found = exact(text, "scale")
    except CoreError:
        return False
    return found > 0 and str(found) == text


def _is_count(number: int, most: int) -> bool:
    return isinstance(number, int) and 1 <= number <= most


def _is_printable(text: str) -> bool:
    return text.isprintable() and text.strip() != ""
