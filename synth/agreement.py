"""Does a synthetic world agree with published figures? Each within a tolerance that is stated."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

COLLECTED: Final = "collected"
"""A published figure of which only the value was kept, not the study."""

READ: Final = "read so"
"""What was published is a shape in words; the figure, or range, is how it is read here."""


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that somebody published, or a range of such.

    Attributes:
        name: what it is, and of whom.
        low: the figure; of a range, its lower end, perhaps -inf.
        high: the same figure; of a range, its upper end, perhaps inf.
        tolerance: how far outside a world may be, in the figure's own unit.
        source: who published it.
        share: whether it is shown as a percentage.
        aside: why a world does not follow it; empty where it does.
    """

    name: str
    low: float
    high: float
    tolerance: float
    source: str
    share: bool = False
    aside: str = ""

    def __post_init__(self) -> None:
        """Check the range.

        Raises:
            ValueError: it has no width and no value, or the tolerance is none.
        """
        if not self.low <= self.high or not 0 <= self.tolerance < math.inf:
            raise ValueError(f"{self.name}: low <= high and a tolerance from 0 were expected")

    def agrees(self, found: float, *, times: float = 1.0) -> bool:
        """Whether a world's figure is near enough.

        Args:
            found: the world's figure; a NaN never is.
            times: how many tolerances are allowed: a small world needs more.
        """
        return self.low - times * self.tolerance <= found <= self.high + times * self.tolerance


@dataclass(frozen=True, slots=True)
class Agreement:
    """A published figure beside a world's."""

    published: Published
    found: float

    @property
    def holds(self) -> bool:
        """Whether they agree, or the published figure is not followed."""
        return bool(self.published.aside) or self.published.agrees(self.found)


def share(name: str, value: float, tolerance: float, source: str) -> Published:
    """A published share."""
    return Published(name, value, value, tolerance, source, share=True)


def set_aside(name: str, value: float, source: str, *, why: str, as_share: bool) -> Published:
    """A published figure that a world does not follow, and why."""
    return Published(name, value, value, 0.0, source, share=as_share, aside=why)


def number(name: str, value: float, tolerance: float, source: str) -> Published:
    """A published number."""
    return Published(name, value, value, tolerance, source)


def compared(figures: Sequence[Published], found: Mapping[str, float]) -> Iterator[Agreement]:
    """Put published figures beside those of a world.

    Args:
        figures: what was published.
        found: name of a figure -> the world's.

    Raises:
        ValueError: the two do not name the same figures.
    """
    names = [figure.name for figure in figures]
    if sorted(names) != sorted(found):
        odd = sorted(set(names) ^ set(found)) or sorted(names)
        raise ValueError(f"figures: the same names on both sides were expected, not {odd[0]!r}")
    return (Agreement(figure, found[figure.name]) for figure in figures)


def mean(values: pl.Series) -> float:
    """The mean, or the share of what is true; NaN where there is nothing."""
    found = values.cast(pl.Float64).mean()
    return found if isinstance(found, float) else math.nan


def quantile(values: pl.Series, level: float) -> float:
    """The value below which this share lies, linear between values; NaN where there is nothing."""
    found = values.cast(pl.Float64).quantile(level, "linear")
    return math.nan if found is None else found


def ratio(one: float, other: float) -> float:
    """One number to another; NaN to zero."""
    return one / other if other else math.nan


def correlation(one: pl.Series, other: pl.Series) -> float:
    """Pearson's; NaN where one of them does not vary."""
    if one.n_unique() < 2 or other.n_unique() < 2:
        return math.nan
    return float(np.corrcoef(one.to_numpy(), other.to_numpy())[0, 1])
