"""How far noise goes in 95 of 100 cases, where it is a combination of several draws.

Draws are described by their scale: Laplace P(x) ~ exp(-|x| / scale), Gaussian P(x) ~
exp(-x^2 / (2 scale^2)). Drawn noise is of whole numbers; its variance is at most that of the
continuous noise of the same scale (for the discrete Gaussian: Canonne, Kamath and Steinke 2020,
"The Discrete Gaussian for Differential Privacy").
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError

Kind = Literal["laplace", "gaussian"]
"""Of noise: which distribution it has."""

MISS: Final = 0.05
"""How often noise is farther out than a half-width."""

_FACTORS: Final = {"laplace": 2.1184, "gaussian": 1.959964}
_NEARLY_EQUAL: Final = 1 - 1e-5
_LEAST_RATIO: Final = 1e-3


def factor(kind: Kind) -> float:
    """Standard deviations in the half-width of any sum of weighted, independent draws.

    Gaussian: of every sum alike. Laplace: ln(20) / sqrt(2) of one draw, rounded up; that of a sum
    is less, down to the Gaussian's as draws become many (tested on random weights, not proven).
    """
    return _FACTORS[kind]


def variance(kind: Kind, scale: float) -> float:
    """Of one draw, at most; in squared units.

    Raises:
        CoreError: the scale is not a finite number above 0.
    """
    check_scale(scale)
    return 2 * scale**2 if kind == "laplace" else scale**2


def check_scale(scale: float) -> None:
    """Refuse what is no scale of noise.

    Raises:
        CoreError: it is not a finite number above 0.
    """
    if not 0 < scale < np.inf:
        raise CoreError("scale: a finite number above 0 was expected")


def exceeded(
    kind: Kind, distance: NDArray[np.float64], first: float, second: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Where the difference of two independent draws is beyond a distance more often than `MISS`.

    Args:
        kind: of both draws.
        distance: at least 0; shape (n,).
        first: scale of the one, above 0.
        second: scales of the other, at least 0; shape (n,).
    """
    if kind == "gaussian":
        return distance < factor(kind) * np.hypot(first, second)
    return laplace_tail(distance, first, second) > MISS


def laplace_tail(
    distance: NDArray[np.float64], first: float, second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How often the difference of two independent Laplace draws is beyond a distance, either way.

    With scales b > c it is (b^2 exp(-h/b) - c^2 exp(-h/c)) / (b^2 - c^2), and
    (1 + h/(2b)) exp(-h/b) where they are equal: the integral of the convolved densities. Scales
    that differ by a hundred-thousandth are taken as equal to the larger, which errs upwards.
    """
    larger = np.maximum(first, second)
    far, ratio = distance / larger, np.minimum(first, second) / larger
    apart = ratio < _NEARLY_EQUAL
    # Below this ratio the smaller draw's own term is nothing; dividing by 0 would not be.
    smaller = np.exp(-far / np.maximum(ratio, _LEAST_RATIO)) * ratio**2
    width = np.where(apart, 1 - ratio**2, 1.0)
    return np.where(apart, (np.exp(-far) - smaller) / width, (1 + far / 2) * np.exp(-far))
