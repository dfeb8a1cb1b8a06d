"""Risk of re-identification, measured on a finished recoding.

These are exact figures about learners outside the release too: for the steward, never for a
package. The models of attackers are those of El Emam and Dankar 2008: the *prosecutor* knows that
his target is in the release, the *journalist* only that he is in the population, the *marketer*
wants to re-identify as many as possible, no matter whom. The results are plain numbers;
`dataclasses.asdict` makes them ready for JSON.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.errors import CoreError
from anonymizer.generalization import Generalization
from anonymizer.hierarchy import Hierarchy
from anonymizer.histogram import Histogram, sums
from anonymizer.matching import Holders, ItemSets
from anonymizer.released_labels import ReleasedLabels
from anonymizer.utility import class_sizes

_SUBSETS: Final = 2**20
"""Item subsets counted at once."""


@dataclass(frozen=True)
class ProsecutorRisk:
    """What an attacker achieves who knows that his targets are in the release.

    Attributes:
        maximum: 1 / the smallest class.
        mean: over the learners, of 1 / their class.
        marketer: classes / learners: the share he re-identifies by matching every record at random
            (Dankar and El Emam 2010). The same number as the mean, by another reasoning.
        below_k: share of the learners in classes of fewer than k.
    """

    maximum: float
    mean: float
    marketer: float
    below_k: float


@dataclass(frozen=True)
class JournalistRisk:
    """What an attacker achieves who knows that his targets are in the full platform table.

    Attributes:
        maximum: 1 / the fewest platform learners who match a class.
        mean: over the released learners, of 1 / the platform learners who match their class: the
            marketer's success where the release is a sample (Dankar and El Emam 2010).
    """

    maximum: float
    mean: float


@dataclass(frozen=True)
class Estimate:
    """A share estimated from random draws.

    Attributes:
        share: of the draws.
        low: lower end of the 95% confidence interval.
        high: upper end.
        draws: how many, independent and with replacement.
    """

    share: float
    low: float
    high: float
    draws: int


def prosecutor_risk(sizes: NDArray[np.int64], *, k: int) -> ProsecutorRisk:
    """The risk of classes that part the learners; all 0 where nobody is released.

    Args:
        sizes: learners of each class, such as `class_sizes`; empty classes are no classes.
        k: at least 1.

    Raises:
        CoreError: k is below 1.
    """
    if k < 1:
        raise CoreError("k: a whole number of learners of at least 1")
    peopled = sizes[sizes > 0]
    if not len(peopled):
        return ProsecutorRisk(maximum=0.0, mean=0.0, marketer=0.0, below_k=0.0)
    learners = int(peopled.sum())
    return ProsecutorRisk(
        maximum=1 / int(peopled.min()),
        mean=len(peopled) / learners,
        marketer=len(peopled) / learners,
        below_k=int(peopled[peopled < k].sum()) / learners,
    )


def journalist_risk(
    histogram: Histogram, hierarchies: Sequence[Hierarchy], generalization: Generalization
) -> JournalistRisk:
    """The exact risk against the full platform table; all 0 where nobody is released.

    A platform learner matches a class if its labels cover his leaves in its cell, whether he is
    released in it, in another or not at all. Under local recoding one learner may match several.

    Args:
        histogram: distinct learners by tuple; `population` is the full platform table.
        hierarchies: one for each column of `histogram.codes`.
        generalization: the class of each tuple.

    Raises:
        CoreError: the arguments do not fit each other.
    """
    labels = ReleasedLabels(histogram, hierarchies, generalization, cell=histogram.cell)
    matching = np.zeros(labels.number, np.int64)
    for row, combination in labels.covering(histogram.codes, histogram.cell):
        matching += sums(combination, histogram.population[row], labels.number)
    sizes = class_sizes(histogram, generalization)
    peopled = sizes > 0
    if not peopled.any():
        return JournalistRisk(maximum=0.0, mean=0.0)
    platform = matching[labels.of_class[peopled]]
    mean = math.fsum(sizes[peopled] / platform) / int(sizes.sum())
    return JournalistRisk(maximum=1 / int(platform.min()), mean=mean)


def unicity(group_of: NDArray[np.int64], items: ItemSets, *, m: int) -> float:
    """The probability that m items at random single a learner out, exactly (de Montjoye 2013).

    The mean over the learners of the share of their subsets of m items that no other learner of
    their group holds; of a learner with fewer items all are known. 0 without learners. Counts every
    subset: for long item sets and m above 2 `sampled_unicity` is the one to ask.

    Args:
        group_of: the released class of each learner, or 0 throughout where nothing but items is
            known; -1 for one who is not released; shape (n,).
        items: of the same learners, original or released.
        m: items known.

    Raises:
        CoreError: m is negative, or the arguments differ in length.
    """
    _check(m)
    holders = Holders(group_of, items)
    present, sizes, unique = group_of >= 0, items.sizes, Fraction(0)
    for size in np.unique(sizes[present]).tolist():
        known = list(itertools.combinations(range(size), min(m, size)))
        place = np.array(known, np.int64).reshape(len(known), -1)
        learners = np.flatnonzero(present & (sizes == size))
        step = max(_SUBSETS // len(known), 1)
        for block in np.array_split(learners, -(-len(learners) // step)):
            subset = items.item[items.offsets[block, None, None] + place]
            query = np.arange(len(block) * len(known))
            found = holders.count(
                query,
                np.repeat(group_of[block], len(known)),
                ItemSets(np.arange(len(query) + 1) * place.shape[1], subset.ravel()),
            )
            unique += Fraction(int((found == 1).sum()), len(known))
    return float(unique / int(present.sum())) if present.any() else 0.0


def sampled_unicity(
    group_of: NDArray[np.int64],
    items: ItemSets,
    *,
    m: int,
    draws: int,
    generator: np.random.Generator,
) -> Estimate:
    """`unicity`, estimated from learners and items drawn at random.

    Args:
        group_of: as in `unicity`.
        items: as in `unicity`.
        m: items known.
        draws: learners to draw, with replacement.
        generator: the source of randomness.

    Raises:
        CoreError: m is negative, the arguments differ in length, or there is nobody to draw.
    """
    _check(m)
    learner = draw_learners(np.flatnonzero(group_of >= 0), draws, generator)
    found = Holders(group_of, items).count(
        np.arange(draws), group_of[learner], items.draw(learner, m, generator)
    )
    return estimate(found == 1)


def draw_learners(
    learners: NDArray[np.int64], draws: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Learners drawn independently, with replacement, each as likely as any other.

    Raises:
        CoreError: fewer than one draw, or nobody to draw.
    """
    if draws < 1 or not len(learners):
        raise CoreError("draws: at least 1, from at least one learner")
    return learners[generator.integers(len(learners), size=draws)]


def estimate(successes: NDArray[np.bool_]) -> Estimate:
    """The share of successes of independent draws, with its interval by Wilson 1927.

    Unlike the interval of the normal approximation it is not empty where the share is 0 or 1.
    """
    n = len(successes)
    z = NormalDist().inv_cdf(0.975)
    share = int(successes.sum()) / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and 1 an end of the interval is the share itself, but for rounding.
    low = 0.0 if share == 0 else centre - reach
    high = 1.0 if share == 1 else centre + reach
    return Estimate(share=share, low=low, high=high, draws=n)


def _check(m: int) -> None:
    if m < 0:
        raise CoreError("m: a whole number of items of at least 0")
