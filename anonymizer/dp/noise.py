"""The only place that draws: noise on integers, and the private selection of a quantile.

Randomness is the operating system's: diffprivlib without a random state draws from
`secrets.SystemRandom`, OpenDP from its own generator. Nothing here takes a seed. What the noise
distributes and costs is said by the mechanism; both libraries are imported when first needed, for
that takes a second each.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.dp.mechanisms import (
    DiscreteGaussian,
    DiscreteLaplace,
    Geometric,
    IntegerMechanism,
    NoisyMax,
)
from anonymizer.errors import CoreError

MOST: Final = 2**62
"""Of a value, either way: a value and noise of as much still fit 64 bits."""

_FEATURE: Final = "contrib"
_SLACK: Final = 1 + 1e-9
"""OpenDP rounds what its maps say up, as floats."""


def add_noise(values: NDArray[np.int64], mechanism: IntegerMechanism) -> NDArray[np.int64]:
    """Every value with noise of its own; signed, never clamped.

    Noise is drawn at 0 and added as integers, for diffprivlib's loses values above 2^53.

    Args:
        values: exact, of any shape, each between -2^62 and 2^62; left as they are.
        mechanism: what is drawn.

    Returns:
        A new array of the same shape.

    Raises:
        CoreError: the values are no 64-bit integers, or beyond 2^62.
    """
    if values.dtype != np.int64:
        raise CoreError("values: 64-bit integers were expected, round and cast them first")
    if values.size and not -MOST <= int(values.min()) <= int(values.max()) <= MOST:
        raise CoreError("values: at most 2^62 either way was expected, bound them more tightly")
    return values + _drawn(mechanism, values.size).reshape(values.shape)


def select_quantiles(
    groups: Sequence[NDArray[np.int64]], candidates: NDArray[np.int64], mechanism: NoisyMax
) -> NDArray[np.int64]:
    """For each cell, of the candidates one whose rank among its values is near the quantile.

    Args:
        groups: the values of the learners in each cell, one each; may be none, may repeat.
        candidates: public, increasing, at least one.
        mechanism: what is drawn, anew for each cell.

    Returns:
        The candidates themselves; shape (cells,).

    Raises:
        CoreError: the arrays are no 64-bit integers, or the candidates are none or not increasing.
    """
    if any(array.dtype != np.int64 for array in (candidates, *groups)):
        raise CoreError("values, candidates: 64-bit integers were expected")
    if any(array.ndim != 1 for array in (candidates, *groups)):
        raise CoreError("values, candidates: one dimension was expected")
    if not candidates.size or not bool(np.all(candidates[1:] > candidates[:-1])):
        raise CoreError("candidates: at least one, in increasing order, was expected")
    with _opendp() as dp:
        # Made once for all cells: that takes as long as a draw.
        scored = _scoring(dp, candidates, mechanism)
        # Gumbel noise: what OpenDP draws under this measure.
        selection = scored >> dp.m.then_noisy_max(
            dp.zero_concentrated_divergence(), scale=float(mechanism.scale), negate=True
        )
        _confirm(mechanism.l0 * selection.map(1), mechanism.rho)
        chosen = (selection(np.ascontiguousarray(values)) for values in groups)
        return candidates[np.fromiter(chosen, np.int64, len(groups))]


def _drawn(mechanism: IntegerMechanism, count: int) -> NDArray[np.int64]:
    """That many draws, each below 2^62 in size."""
    match mechanism:
        case Geometric():
            return _geometric(mechanism.rate, count)
        case DiscreteLaplace():
            return _laplace(mechanism, count)
        case DiscreteGaussian():
            return _gaussian(mechanism, count)


def _geometric(rate: float, count: int) -> NDArray[np.int64]:
    from diffprivlib.mechanisms.geometric import Geometric as Library  # noqa: PLC0415 - slow

    # Epsilon for a sensitivity of 1: its scale is then one division of floats, by 1.
    library = Library(epsilon=rate, sensitivity=1)
    with np.errstate(divide="ignore"):
        return np.fromiter((_randomised(library) for _ in range(count)), np.int64, count)


def _randomised(library: Any) -> int:
    """One draw at 0; anew where u = 1/2, of which the library can't take the logarithm."""
    while True:
        try:
            return int(library.randomise(0))
        except OverflowError:
            continue


def _laplace(mechanism: DiscreteLaplace, count: int) -> NDArray[np.int64]:
    with _opendp() as dp:
        # 64 bits by name: OpenDP's plain int has 32, at which it saturates.
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
        library = dp.m.make_laplace(*space, scale=float(mechanism.scale))
        _confirm(library.map(mechanism.l0 * mechanism.linf), mechanism.epsilon)
        return _small(library(np.zeros(count, dtype=np.int64)))


def _gaussian(mechanism: DiscreteGaussian, count: int) -> NDArray[np.int64]:
    with _opendp() as dp:
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
        library = dp.m.make_gaussian(*space, scale=float(mechanism.scale))
        _confirm(library.map(math.sqrt(mechanism.l0) * mechanism.linf), mechanism.rho)
        return _small(library(np.zeros(count, dtype=np.int64)))


def _small(noise: list[int]) -> NDArray[np.int64]:
    """Noise as an array, clipped where its sum with a value might not fit 64 bits.

    At the largest scale that has a probability below exp(-2000).
    """
    return np.clip(np.array(noise, dtype=np.int64), 1 - MOST, MOST - 1)


def _scoring(dp: Any, candidates: NDArray[np.int64], mechanism: NoisyMax) -> Any:
    """OpenDP's scores of the candidates, in ten-thousandths of a rank; the least is the best."""
    # It cuts alpha off after four decimals: a float just above, so that 0.0003 is not 0.0002.
    above = math.nextafter(float(mechanism.alpha), 1)
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.symmetric_distance()
    scored = dp.t.make_quantile_score_candidates(*space, candidates.tolist(), above)
    _confirm(scored.map(1), Fraction(mechanism.linf))
    return scored


def _confirm(found: float, claimed: Fraction) -> None:
    """Whether OpenDP's own map agrees, before anything is drawn.

    Raises:
        CoreError: it says that the draw costs more than what is charged.
    """
    if not found <= float(claimed) * _SLACK:
        raise CoreError("opendp: its privacy map exceeds what is charged, use the version locked")


@contextmanager
def _opendp() -> Iterator[ModuleType]:
    """OpenDP with what it calls contrib, which is turned off again where it was off."""
    import opendp.prelude as dp  # noqa: PLC0415 - slow
    from opendp.mod import GLOBAL_FEATURES  # noqa: PLC0415 - slow

    known = _FEATURE in GLOBAL_FEATURES
    dp.enable_features(_FEATURE)
    try:
        yield dp
    finally:
        if not known:
            dp.disable_features(_FEATURE)
