"""Noisy marginals: the only figures about real learners that a twin is made of."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from anonymizer.dp.marginals import marginal
from anonymizer.dp.mechanisms import IntegerMechanism
from anonymizer.dp.noise import add_noise
from pipelines.governance.ledger import Reserved
from pipelines.twins.plan import PlannedMarginal, TwinPlan
from pipelines.twins.records import Codes
from synth.twin import Measured

LEARNERS: Final = "learners"
"""The column of noisy counts."""

_LEAST_DEVIATION: Final = 1e-3

HALF_WIDTH: Final = "learners_half_width"
"""The column of their half-widths."""


@dataclass(frozen=True, slots=True)
class NoisyMarginal:
    """What came of a measurement.

    Attributes:
        planned: what was measured.
        counts: noisy, of every cell.
        frame: the same with labels and half-widths, as it is released.
    """

    planned: PlannedMarginal
    counts: NDArray[np.int64]
    frame: pl.DataFrame


def exact_marginals(records: Codes, plan: TwinPlan) -> dict[str, NDArray[np.int64]]:
    """The exact figures of every marginal, by its name; each learner counts in one cell of each."""
    sizes = {name: len(labels) for name, labels in plan.labels().items()}
    return {one.name: marginal(records, sizes, one.columns) for one in plan.marginals}


def noisy_marginals(
    plan: TwinPlan,
    exact: Mapping[str, NDArray[np.int64]],
    *,
    paid: Reserved,  # noqa: ARG001 - a receipt
) -> tuple[NoisyMarginal, ...]:
    """Draw noise for every figure.

    Args:
        plan: which noise.
        exact: the figures of every marginal, by its name; nothing else is made of them.
        paid: the charge for all of it, which is on record; nobody draws who has none.
    """
    labels = plan.labels()
    return tuple(_noisy(one, exact[one.name], labels) for one in plan.marginals)


def _noisy(
    planned: PlannedMarginal, figures: NDArray[np.int64], labels: Mapping[str, tuple[str, ...]]
) -> NoisyMarginal:
    counts = add_noise(figures, planned.mechanism)
    cells = list(product(*(labels[name] for name in planned.columns)))
    keys = pl.DataFrame(cells, schema=dict.fromkeys(planned.columns, pl.String), orient="row")
    width = planned.mechanism.half_width()
    told = pl.DataFrame(
        {
            LEARNERS: pl.Series(counts, dtype=pl.Int64),
            HALF_WIDTH: pl.Series([width] * len(counts), dtype=pl.Int64),
        }
    )
    return NoisyMarginal(planned, counts, keys.hstack(told))


def measured(noisy: Iterable[NoisyMarginal]) -> list[Measured]:
    """What the model is fitted to: noisy figures, and how noisy they are."""
    return [
        Measured(one.planned.columns, one.counts, standard_deviation(one.planned.mechanism))
        for one in noisy
    ]


def standard_deviation(mechanism: IntegerMechanism) -> float:
    """Of the noise of one cell.

    Of P(x) ~ q^|x| with q = exp(-1 / scale) it is sqrt(2 q) / (1 - q); of discrete Gaussian noise
    the scale is no less than it (Canonne, Kamath and Steinke 2020, Corollary 9). At least a
    thousandth: what is told apart by less is no noise, and squares of it would leave the floats.
    """
    scale = float(mechanism.scale)
    if mechanism.norm == "L2":
        return max(scale, _LEAST_DEVIATION)
    q = math.exp(-1 / scale)
    return max(math.sqrt(2 * q) / (1 - q), _LEAST_DEVIATION)
