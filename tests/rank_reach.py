"""`python -m tests.rank_reach`: how far ranks of quantiles from histograms can be off at worst.

Not a test. In standard deviations of the noise of all bins times max(q, 1 - q): what half-width
would hold for 95 of 100 ranks, at the worst place of values. `rank_half_widths` tells 2.3264.

A rank beyond takes the events that its docstring names, for a and b next to each other; whatever
lies between or beyond makes them rarer. They are counted on simulated noise, for 25 places. The
total of 0 or less is held against it wherever so few learners can be that far off.
"""

import sys
from collections.abc import Iterator

import numpy as np

BINS = (2, 3, 6, 11, 101, 401, 2048)
SHARES = (0.5, 0.49, 0.4, 0.25, 0.025)
PLACES = 25
PATHS = 100_000
AT_ONCE = 2_000


def main(paths: int) -> None:
    """A line for each kind of noise and number of bins."""
    print(f"| noise | bins | {' | '.join(f'q = {q}' for q in SHARES)} |")
    print("|---|" + "---|" * (len(SHARES) + 1), flush=True)
    for kind in ("gaussian", "laplace"):
        for bins in BINS:
            found = needed(kind, bins, paths, np.random.default_rng(bins))
            print(f"| {kind} | {bins} | {' | '.join(f'{n:.3f}' for n in found)} |", flush=True)


def needed(kind: str, bins: int, paths: int, generator: np.random.Generator) -> tuple[float, ...]:
    """For each share, what would hold in 95 of 100 paths, at the worst place."""
    reached: dict[float, list[np.ndarray]] = {q: [] for q in SHARES}
    for _ in range(-(-paths // AT_ONCE)):
        size = (AT_ONCE, bins)
        noise = (
            generator.normal(size=size)
            if kind == "gaussian"
            else generator.laplace(scale=0.5**0.5, size=size)
        )
        upto = np.cumsum(noise, axis=1) / bins**0.5
        for q in SHARES:
            reached[q].append(np.stack(list(reaches(upto, q)), axis=1))
    return tuple(float(np.quantile(np.concatenate(reached[q]), 0.95, axis=0).max()) for q in SHARES)


def reaches(upto: np.ndarray, q: float) -> Iterator[np.ndarray]:
    """How far off a rank is at most, of each path: for each place, and ways to be off.

    Args:
        upto: noise up to each bin; shape (paths, bins).
        q: the share.
    """
    bins, most, least = upto.shape[1], max(q, 1 - q), min(q, 1 - q)
    total = upto[:, -1:]
    centred = (upto - q * total) / most
    lowest = np.minimum.accumulate(centred[:, ::-1], axis=1)[:, ::-1]
    high = -(centred + lowest) / 2
    low = (centred + np.maximum.accumulate(centred, axis=1)) / 2
    none = -total[:, 0]
    for b in np.unique(np.linspace(0, bins - 2, min(PLACES, bins - 1)).astype(int)):
        a = min(b + 1, bins - 2)  # a rank at the last candidate is never too high
        # So few learners are off either way only if both sides are as far as the nearer end.
        yield np.maximum(np.maximum(high[:, a], low[:, b]), none * (least / most))
        yield np.maximum(high[:, a], none * ((1 - q) / most))
        yield np.maximum(low[:, b], none * (q / most))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PATHS)
