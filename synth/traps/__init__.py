"""Known difficulties, planted into a synthetic world, each with what must come of it."""

from synth.traps.expected import Expected, Trap
from synth.traps.planting import Traps, make_traps, plant

__all__ = ["Expected", "Trap", "Traps", "make_traps", "plant"]
