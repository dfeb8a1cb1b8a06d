"""What must come of a trapped world: `expected.json`, for kohort's tests and for any other tool."""

import json
from dataclasses import dataclass
from typing import Final

from synth.traps.claims import Claim, document_of
from synth.traps.requests import NOISE_ALARM, PERIODS, POLICY, PREMISE, SOURCE, requests_of

FORMAT: Final = "kohort-traps/1"


@dataclass(frozen=True, slots=True)
class Trap:
    """A known difficulty, and what must come of it.

    Attributes:
        name: of the trap; its courses are called after it.
        what: the difficulty, in a sentence.
        claims: what must come of it.
    """

    name: str
    what: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of all planted traps.

    Attributes:
        seed: of the traps.
        k: the class size that they are planted around.
        traps: one after the other.
    """

    seed: int
    k: int
    traps: tuple[Trap, ...]

    def to_json(self) -> str:
        """The text of `expected.json`: settings, requests by name, and the claims by trap."""
        document = {
            "format": FORMAT,
            "seed": self.seed,
            "k": self.k,
            "premise": PREMISE,
            "source": SOURCE,
            "policy": POLICY,
            "periods": PERIODS,
            "noise_alarm": NOISE_ALARM,
            "requests": requests_of(self.k),
            "traps": {
                trap.name: {
                    "what": trap.what,
                    "claims": [document_of(claim) for claim in trap.claims],
                }
                for trap in self.traps
            },
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
