"""What is charged to a budget, and what the ledger answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from anonymizer.dp.accounting import Cost, composed
from pipelines.governance.tables import DIGEST_LENGTH, RELEASE_ID_LENGTH

_ID: Final = re.compile(rf"[0-9a-f]{{{RELEASE_ID_LENGTH}}}")
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


@dataclass(frozen=True, slots=True)
class PlannedDraw:
    """One use of a mechanism that a build is about to make; the columns of `Draw`."""

    mechanism: str
    scale: str
    l0: int
    linf: int
    norm: Literal["L1", "L2"]
    cost: Cost

    def __post_init__(self) -> None:
        if not self.mechanism:
            raise ValueError("mechanism: a name was expected")
        if not _is_scale(self.scale):
            raise ValueError("scale: a positive fraction in lowest terms was expected, as 7/2")
        if self.l0 < 1 or self.linf < 1:
            raise ValueError("l0, linf: 1 or more was expected")
        if self.norm not in {"L1", "L2"}:
            raise ValueError("norm: L1 or L2 was expected")


@dataclass(frozen=True, slots=True)
class NewCharge:
    """What a build asks of the budget before it reads a row; the columns of `Charge`.

    Attributes:
        id_column: the column that tells the learners of the family apart: the unit of privacy.
        version: the hash of the data's version.
        snapshot_at: the cut-off of rights of that version.
        purpose: lower case, so that it has one account however it is written.
        recipient: lower case, the same.
        draws: all that will be drawn.
        libraries: name -> version of what draws.
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
        if not all((self.family, self.id_column, self.code_version)):
            raise ValueError("family, id_column, code_version: a text was expected")
        for name in (self.purpose, self.recipient):
            if not name or name != name.strip().casefold():
                raise ValueError("purpose, recipient: lower case was expected")
        if self.snapshot_at.tzinfo is None:
            raise ValueError("snapshot_at: a time zone was expected, such as UTC")
        if not self.draws:
            raise ValueError("draws: at least one was expected; what draws nothing costs nothing")

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


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 in hex."""
    return _DIGEST.fullmatch(text) is not None


def asked_of(cost: Cost, regime: Regime) -> Amount | None:
    """What a cost takes from an account; None where a pure account can't pay for it."""
    micro = cost.micro_rho if regime is Regime.ZCDP else cost.micro_epsilon
    return None if micro is None else Amount(micro, cost.atto_delta)


def _is_scale(text: str) -> bool:
    try:
        found = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return False
    return found > 0 and str(found) == text
