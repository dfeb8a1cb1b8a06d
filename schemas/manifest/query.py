"""What a table of cells answers, and how far one learner counts in it."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from schemas.manifest.error import demand, one_of

GRID: Final = "grid"
DISCOVERED: Final = "discovered"
LEARNERS: Final = "learners"
EVENTS: Final = "events"
SUM: Final = "sum"
MEAN: Final = "mean"
HISTOGRAM: Final = "histogram"
QUANTILES: Final = "quantiles"
METRICS: Final = (LEARNERS, EVENTS, SUM, MEAN, HISTOGRAM, QUANTILES)

MOST_CELLS: Final = 2**31 - 1
"""Of L0: the largest number that the ledger takes."""

_MOST_DECIMALS: Final = 15
_OF_NUMBERS: Final = frozenset({SUM, MEAN, QUANTILES})
_ADDING_UP: Final = frozenset({LEARNERS, EVENTS, SUM, HISTOGRAM})


@dataclass(frozen=True, slots=True)
class Query:
    """What a table answers, and how far one learner counts in it. All of it is public.

    Attributes:
        metric: one of `METRICS`.
        keys: `grid`: every combination of the keys' labels is a row; `discovered`: those whose
            noisy count exceeds the threshold.
        cells: in how many cells one learner counts at most (L0).
        most: events: how many of a learner's events count in a cell; None elsewhere.
        bounds: sum, mean and quantiles: between which a learner's value in a cell is clamped, in
            whole units of the last decimal; None elsewhere.
        decimals: to how many decimals a learner's value is rounded; 0 for counts.
        nulls: what an unknown value counts as, in words; None where there is none.
        least: mean: the noisy count below which none is told; None elsewhere.
        threshold: discovered keys: what a noisy count exceeds; None elsewhere.
        quantiles: which are told, as shares; empty elsewhere.
        candidates: quantiles: how many public values could be told: both bounds, and others evenly
            between them; None elsewhere.
        consistent_with: the tables whose sums agree with this one's.
    """

    metric: str
    keys: str
    cells: int
    most: int | None = None
    bounds: tuple[float, float] | None = None
    decimals: int = 0
    nulls: str | None = None
    least: int | None = None
    threshold: int | None = None
    quantiles: tuple[float, ...] = ()
    candidates: int | None = None
    consistent_with: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        metric, found = self.metric, self.keys == DISCOVERED
        numeric = metric in _OF_NUMBERS
        agreeing = self.consistent_with
        once = len(set(agreeing)) == len(agreeing)
        demand(
            (metric in METRICS, "metric", one_of(METRICS)),
            (self.keys in {GRID, DISCOVERED}, "keys", one_of((GRID, DISCOVERED))),
            (not found or metric == LEARNERS, "keys", f"{GRID} but for learners"),
            (1 <= self.cells <= MOST_CELLS, "cells", "a number of cells, at least 1"),
            (_is_there(self.most, metric == EVENTS), "most", "a number for events, else null"),
            ((self.bounds is not None) == numeric, "bounds", "[low, high] for numbers, else null"),
            (0 <= self.decimals <= _MOST_DECIMALS, "decimals", f"0 to {_MOST_DECIMALS}"),
            (numeric or not self.decimals, "decimals", "0 for counts"),
            (_are_whole(self.bounds, self.decimals), "bounds", "low < high, of so many decimals"),
            (_is_text(self.nulls), "nulls", "printable text, or null"),
            (_is_there(self.least, metric == MEAN), "least", "a number for means, else null"),
            (_is_there(self.threshold, found), "threshold", "a number where discovered, else null"),
            (bool(self.quantiles) == (metric == QUANTILES), "quantiles", "shares for quantiles"),
            (all(0 < q < 1 for q in self.quantiles), "quantiles", "shares above 0 and below 1"),
            (len(set(self.quantiles)) == len(self.quantiles), "quantiles", "no share twice"),
            (
                _is_there(self.candidates, metric == QUANTILES, least=2),
                "candidates",
                "at least 2 for quantiles, else null",
            ),
            (once, "consistent_with", "no name twice"),
            (not agreeing or metric in _ADDING_UP, "consistent_with", "none for this metric"),
            (not agreeing or not found, "consistent_with", "none for discovered keys"),
        )


def _is_there(number: int | None, wanted: bool, least: int = 1) -> bool:  # noqa: FBT001 - a rule
    return number is None if not wanted else number is not None and number >= least


def _are_whole(bounds: tuple[float, float] | None, decimals: int) -> bool:
    if bounds is None:
        return True
    units = [Fraction(repr(bound)) * 10 ** max(decimals, 0) for bound in bounds]
    return units[0] < units[1] and all(unit.denominator == 1 for unit in units)


def _is_text(text: str | None) -> bool:
    return text is None or (text.isprintable() and text.strip() != "")
