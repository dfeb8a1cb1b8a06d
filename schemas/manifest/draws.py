"""What was drawn for an aggregate release, and what it cost."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from schemas.manifest.error import demand, one_of
from schemas.manifest.query import MOST_CELLS

GEOMETRIC: Final = "geometric"
DISCRETE_LAPLACE: Final = "discrete-laplace"
DISCRETE_GAUSSIAN: Final = "discrete-gaussian"
NOISY_MAX: Final = "noisy-max"
MECHANISMS: Final = (GEOMETRIC, DISCRETE_LAPLACE, DISCRETE_GAUSSIAN, NOISY_MAX)

LARGEST_UNITS: Final = 2**63 - 1
"""Of a cost, or of what a learner changes: what the ledger can put on record."""

_FRACTION: Final = re.compile("[0-9]+(/[0-9]+)?")
_LONGEST: Final = 100


@dataclass(frozen=True, slots=True)
class Privacy:
    """What one draw, or all together, cost a learner at most.

    Attributes:
        micro_epsilon: millionths of epsilon; None: no pure epsilon is known.
        micro_rho: millionths of rho, of zero-concentrated differential privacy.
        atto_delta: 1e-18ths of delta.
    """

    micro_epsilon: int | None
    micro_rho: int
    atto_delta: int

    def __post_init__(self) -> None:
        amount = f"a whole number from 0 to {LARGEST_UNITS}"
        demand(
            (0 <= (self.micro_epsilon or 0) <= LARGEST_UNITS, "micro_epsilon", amount),
            (0 <= self.micro_rho <= LARGEST_UNITS, "micro_rho", amount),
            (0 <= self.atto_delta <= LARGEST_UNITS, "atto_delta", amount),
        )


@dataclass(frozen=True, slots=True)
class Draw:
    """One use of a mechanism, as the ledger has it.

    Attributes:
        mechanism: one of `MECHANISMS`.
        scale: of its noise, an exact fraction in lowest terms, such as `7/2`.
        l0: how many cells a learner changes at most.
        linf: by how much he changes one of them at most, in integer units; for noisy-max, its
            score.
        norm: `L1`, or `L2` for Gaussian noise.
        privacy: what it costs.
    """

    mechanism: str
    scale: str
    l0: int
    linf: int
    norm: Literal["L1", "L2"]
    privacy: Privacy

    def __post_init__(self) -> None:
        fraction = f"a positive fraction in lowest terms, of {_LONGEST} characters at most"
        demand(
            (self.mechanism in MECHANISMS, "mechanism", one_of(MECHANISMS)),
            (_is_scale(self.scale), "scale", fraction),
            (1 <= self.l0 <= MOST_CELLS, "l0", "a number of cells, at least 1"),
            (1 <= self.linf <= LARGEST_UNITS, "linf", "a number of units, at least 1"),
            (self.norm in {"L1", "L2"}, "norm", "L1 or L2"),
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """A draw, and the value columns that tell what came of it.

    Attributes:
        table: in which.
        columns: usually one; several where quantiles are read off one noisy histogram. The draw
            that names `mean` is of the centred sum.
        draw: what was drawn.
    """

    table: str
    columns: tuple[str, ...]
    draw: Draw

    def __post_init__(self) -> None:
        once = 0 < len(self.columns) == len(set(self.columns))
        demand((once, "columns", "names of columns, none of them twice"))


def _is_scale(text: str) -> bool:
    if len(text) > _LONGEST or not _FRACTION.fullmatch(text):
        return False
    try:
        found = Fraction(text)
    except ZeroDivisionError:
        return False
    return found > 0 and str(found) == text
