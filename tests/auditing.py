"""A lower bound of the epsilon that releases really have, from what comes out of them alone.

Where a mechanism is (epsilon, delta)-DP, no event is more likely than exp(epsilon) times what it is
with one learner less, plus delta. So whoever releases many times with a learner and many times
without him, and counts how often some event happens, has a lower bound of epsilon with a stated
confidence (Jagielski, Ullman and Oprea 2020, "Auditing Differentially Private Machine Learning: How
Private is Private SGD?"). Nothing of the mechanism is known here: the event is looked for in one
half of the samples, and counted in the other.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

FALSE_ALARM = 1e-6
"""How often a bound is above the true epsilon, at most; half of it for either count."""

_LEARNT_ON, _CHOSEN_ON = 0.25, 0.5
"""Up to which share of the samples scores are learnt, and up to which thresholds are chosen."""
_BINS = 64
_THRESHOLDS = 200

Score = Callable[[np.ndarray], np.ndarray]


class Event(NamedTuple):
    """That a score is at least `threshold`; and whether that speaks for the learner or against."""

    score: Score
    threshold: float
    speaks_for: bool


def epsilon_at_least(without: np.ndarray, present: np.ndarray, *, delta: float = 0.0) -> float:
    """The lower bound; false alarm `FALSE_ALARM`.

    Args:
        without: releases without the learner, one a row, drawn independently; NaN where a number is
            not told; shape (samples, numbers).
        present: the same with him.
        delta: that is claimed.

    Returns:
        It may be below 0, which says nothing.
    """
    learnt, chosen, counted = zip(_parts(without), _parts(present), strict=True)
    event = _telling(_scores(*learnt), *chosen, delta)
    own, other = (event.score(samples) >= event.threshold for samples in counted)
    likely, seldom = (other, own) if event.speaks_for else (own, other)
    return float(_bounds(likely.sum(), seldom.sum(), len(likely), len(seldom), delta))


def _parts(samples: np.ndarray) -> list[np.ndarray]:
    cuts = [round(len(samples) * share) for share in (_LEARNT_ON, _CHOSEN_ON)]
    return np.split(samples, cuts)


def _bounds(
    likely: np.ndarray, seldom: np.ndarray, likely_n: int, seldom_n: int, delta: float
) -> np.ndarray:
    """The bounds from counts of the same event in both (Clopper and Pearson 1934)."""
    miss = FALSE_ALARM / 2
    low = np.where(likely > 0, beta.ppf(miss, np.maximum(likely, 1), likely_n - likely + 1), 0.0)
    high = beta.ppf(1 - miss, seldom + 1, np.maximum(seldom_n - seldom, 1))
    high = np.where(seldom < seldom_n, high, 1.0)
    return np.log(np.maximum(low - delta, 1e-12) / high)


def _scores(without: np.ndarray, present: np.ndarray) -> list[tuple[Score, bool]]:
    """Scores, each with whether a high one speaks for the learner."""
    learnt = _by_likelihood(without, present)
    return [
        (learnt, True),
        (lambda samples: -learnt(samples), False),
        (_sum, True),
        (lambda samples: -_sum(samples), False),
    ]


def _telling(
    scores: list[tuple[Score, bool]], without: np.ndarray, present: np.ndarray, delta: float
) -> Event:
    """The event that gives the largest bound on these samples."""
    found = []
    for score, speaks_for in scores:
        own, other = np.sort(score(without)), np.sort(score(present))
        values = np.unique(np.concatenate([own, other]))
        places = np.unique(np.linspace(0, len(values) - 1, _THRESHOLDS).astype(int))
        thresholds = values[places]
        hits = [len(ordered) - np.searchsorted(ordered, thresholds) for ordered in (own, other)]
        likely, seldom = (hits[1], hits[0]) if speaks_for else (hits[0], hits[1])
        sizes = (len(other), len(own)) if speaks_for else (len(own), len(other))
        bounds = _bounds(likely, seldom, *sizes, delta)
        best = int(np.argmax(bounds))
        found.append((float(bounds[best]), Event(score, float(thresholds[best]), speaks_for)))
    return max(found, key=lambda one: one[0])[1]


def _sum(samples: np.ndarray) -> np.ndarray:
    return np.nan_to_num(samples, nan=0.0).sum(axis=1)


def _by_likelihood(without: np.ndarray, present: np.ndarray) -> Score:
    """The sum over numbers of the logarithm of how much more often each occurs with the learner.

    As if numbers were independent, as the noises of cells are; what is not told is a value, too.
    """
    edges, logs = [], []
    for column in range(without.shape[1]):
        both = np.concatenate([without[:, column], present[:, column]])
        values = np.unique(both[~np.isnan(both)])
        if len(values) > _BINS:
            values = np.unique(np.quantile(both[~np.isnan(both)], np.linspace(0, 1, _BINS)))
        edges.append(values)
        counts = [
            np.bincount(_places(samples[:, column], values), minlength=len(values) + 2) + 0.5
            for samples in (without, present)
        ]
        shares = [count / count.sum() for count in counts]
        logs.append(np.log(shares[1] / shares[0]))

    def score(samples: np.ndarray) -> np.ndarray:
        parts = [
            log[_places(samples[:, j], values)]
            for j, (values, log) in enumerate(zip(edges, logs, strict=True))
        ]
        return np.sum(parts, axis=0)

    return score


def _places(numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The bin of each number; the last one where it is not told."""
    found = np.searchsorted(values, numbers, side="right")
    return np.where(np.isnan(numbers), len(values) + 1, found)
