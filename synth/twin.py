"""A synthetic twin: learners and their rows drawn from a model of noisy marginals.

Nothing here sees a learner. All is made of what was measured under the ledger, so that neither the
fit nor the sample costs anything (post-processing: Dwork and Roth 2014, Proposition 2.1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synth.factors import Factor
from synth.twin_estimate import estimated
from synth.twin_sampling import Sampled, sampled
from synth.twin_signal import combined, with_signal
from synth.workload import TwinShape

MOST_LEARNERS: Final = 10**7
"""Of a twin: with very much noise the number of learners could be anything."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A marginal with noise.

    Attributes:
        columns: at least one.
        counts: signed, flat: the last column varies fastest.
        std: the standard deviation of each count's noise, above 0.

    Raises:
        ValueError: there is no column or one twice, counts are not flat int64, or `std` is not
            above 0.
    """

    columns: tuple[str, ...]
    counts: NDArray[np.int64]
    std: float

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise ValueError("columns: at least one, each once, was expected")
        if self.counts.dtype != np.int64 or self.counts.ndim != 1:
            raise ValueError("counts: a flat array of int64 was expected")
        if not 0 < self.std < math.inf:
            raise ValueError("std: above 0 was expected")


@dataclass(frozen=True, eq=False)
class TwinModel:
    """What is believed of the source's learners.

    Attributes:
        shape: of the twin.
        learners: how many, by the noisy counts; 1 to `MOST_LEARNERS`.
        factors: of the distribution of one learner's record.
    """

    shape: TwinShape
    learners: int
    factors: tuple[Factor, ...]


def fit(measured: Sequence[Measured], shape: TwinShape) -> TwinModel:
    """The graphical model that agrees best with what was measured.

    Of all models with these marginals it is the one of the greatest entropy (McKenna, Sheldon and
    Miklau 2019, "Graphical-model based estimation and inference for differential privacy"). Before
    that each table is drawn towards the product of its columns, the more the less it differs from
    it by more than noise does: see `synth.twin_signal`. A column that was not measured is uniform.

    Args:
        measured: at least one marginal, of columns of the shape.
        shape: of the twin.

    Raises:
        ValueError: nothing was measured, or a marginal is not of the shape.
        TwinError: mbi, which fits the model, is not installed.
    """
    sizes = shape.sizes
    _check(measured, sizes)
    columns = [table.columns for table in measured]
    noise = [table.std for table in measured]
    counts = [
        table.counts.astype(np.float64).reshape([sizes[column] for column in table.columns])
        for table in measured
    ]
    total, alone = combined(columns, counts, noise)
    clear = [
        with_signal(table, [alone[column] * total for column in of], total=total, noise=std)
        for of, table, std in zip(columns, counts, noise, strict=True)
    ]
    factors = estimated(columns, clear, noise, sizes=sizes, total=total)
    return TwinModel(shape, min(max(round(total), 1), MOST_LEARNERS), factors)


def sample(model: TwinModel, rng: np.random.Generator, learners: int | None = None) -> Sampled:
    """Draw learners and their rows; the same model and `rng` give the same twin.

    Args:
        model: what to draw from.
        rng: where chance comes from. It needs no secret: a twin tells no more than its model.
        learners: how many; None, as many as the model says.

    Raises:
        ValueError: fewer than one learner is asked for.
    """
    size = model.learners if learners is None else learners
    if size < 1:
        raise ValueError("learners: at least 1 was expected")
    return sampled(model.factors, model.shape, rng, size)


def _check(measured: Sequence[Measured], sizes: dict[str, int]) -> None:
    if not measured:
        raise ValueError("measured: at least one marginal was expected")
    for table in measured:
        if not set(table.columns) <= sizes.keys():
            raise ValueError("measured: columns of the shape were expected")
        if len(table.counts) != math.prod(sizes[column] for column in table.columns):
            raise ValueError("measured: a count for each cell was expected")
