"""How far sums of noise are: never farther with a higher probability than told."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from pipelines.verify.margins import _reach
from tests.unit.test_verify_overlapping import figures


def noise(kind, scale, cells):
    """Probabilities of the sum of so many cells' noise, around 0."""
    places = np.arange(-400, 401)
    power = {"discrete-laplace": 1, "discrete-gaussian": 2}[kind]
    odds = np.exp(-((np.abs(places) / scale) ** power) / power)
    odds /= odds.sum()
    found = odds
    for _ in range(cells - 1):
        found = fftconvolve(found, odds)
    return found


@pytest.mark.parametrize("kinds", [
    ("discrete-laplace", "discrete-laplace"),
    ("discrete-gaussian", "discrete-gaussian"),
    ("discrete-laplace", "discrete-gaussian"),
])  # fmt: skip
@pytest.mark.parametrize("chance", [1e-2, 1e-6, 1e-9])
def test_reach(kinds, chance):
    """Of a sum of 5 cells and one of 2; nor is it much wider than it must be."""
    one = figures(("a", "b"), [0] * 15, kinds[0], "4")
    other = figures(("a", "c"), [0] * 6, kinds[1], "7")
    found = _reach((one, other), (one.keys[0],), chance)
    odds = fftconvolve(noise(kinds[0], 4, 5), noise(kinds[1], 7, 2)).clip(0)
    beyond = np.abs(np.arange(len(odds)) - len(odds) // 2)
    assert odds[beyond > found].sum() <= chance * (1 + 1e-6)
    assert odds[beyond > found * 0.65].sum() > chance
