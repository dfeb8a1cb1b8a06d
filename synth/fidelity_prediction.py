"""Train on the twin, test on real learners: what a model learnt from the twin is worth.

The model is a logistic regression on indicators of the labels, with scikit-learn's default penalty
(L2, C = 1). It has one best answer and takes no seed, and it stays calm with few rows and with
labels that hardly occur. Trees, boosted or not, would also find interactions, which two-way
marginals do not promise; on a small half they follow noise.

It is fitted by Newton's method, which reaches that answer to the last digits in a few steps. The
default of scikit-learn stops far enough from it to change the fourth decimal of the AUC. The price
is memory for the square of the number of labels.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]
from sklearn.preprocessing import OneHotEncoder  # type: ignore[import-untyped]

from schemas.roles import Grain
from synth.fidelity_tables import COUNT, Side

_SOLVER: Final = "newton-cholesky"

MOST_LABELS: Final = 1_500
"""Of all features together: Newton's method takes time with the cube of their number."""

Reason: TypeAlias = Literal[
    "no-features", "one-class-held-out", "one-class-trained-on", "too-many-labels"
]


@dataclass(frozen=True)
class Target:
    """What is predicted: that a column has one of these values.

    Attributes:
        column: of the learners or the enrolments.
        positive: labels, such as Pass and Distinction.

    Raises:
        ValueError: no values.
    """

    column: str
    positive: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.positive:
            raise ValueError(f"target {self.column}: name at least one positive value")


@dataclass(frozen=True)
class Auc:
    """The area under the ROC curve, or why there is none.

    The probability that a held-out row with a positive value gets a higher score than one without,
    where equal scores count half.

    Attributes:
        value: 0 to 1; None if there is a reason.
        reason: `no-features`: the target has no other column beside it; `one-class-held-out`: the
            held-out rows are all positive or none is; `one-class-trained-on`: so are the rows that
            the model is to learn from; `too-many-labels`: the features have more than
            `MOST_LABELS`. None if there is a value.

    Raises:
        ValueError: a value out of range, or not exactly one of value and reason.
    """

    value: float | None
    reason: Reason | None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("AUC: give a value, or the reason why there is none")
        if self.value is not None and not 0 <= self.value <= 1:
            raise ValueError("AUC: a number from 0 to 1")


@dataclass(frozen=True)
class Prediction:
    """How well models of both sides predict the same held-out half of the real learners.

    Attributes:
        target: what is predicted.
        grain: of the rows, that of the target's column.
        features: the columns it is predicted from: all others of these rows but for the key.
        held_out: real rows that both are tested on.
        real_rows: rows of the other real half.
        twin_rows: all rows of the twin.
        real: trained on the other real half.
        twin: trained on the twin.
    """

    target: Target
    grain: Grain
    features: tuple[str, ...]
    held_out: int
    real_rows: int
    twin_rows: int
    real: Auc
    twin: Auc

    @property
    def difference(self) -> float | None:
        """Twin less real: below 0 where the twin's model is the worse one. None where one is."""
        if self.real.value is None or self.twin.value is None:
            return None
        return self.twin.value - self.real.value


def predict(real: Side, twin: Side, target: Target, rng: np.random.Generator) -> Prediction:
    """Predict a target from all other columns of its table and, for enrolments, of the learner.

    The real learners, not their rows, are split: nobody is both learnt from and tested on. The
    order of the rows does not matter, nor what the twin's keys are.

    Args:
        real: the real side.
        twin: of the same columns.
        target: what is predicted; a value may occur nowhere.
        rng: chooses the half of the learners that is held out, the larger one if they are odd.

    Raises:
        ValueError: there is no such column.
    """
    if target.column not in real.columns or target.column == COUNT:
        raise ValueError(f"target: the tables have no column {target.column}")
    grain = real.grain_of([target.column])
    ours, theirs = (side.at(grain).sort(pl.all()) for side in (real, twin))
    features = tuple(name for name in ours.columns if name not in {real.key, target.column, COUNT})
    learners = ours[real.key].unique().sort()
    trained = learners[rng.permutation(len(learners))[: len(learners) // 2]]
    of_trained = ours[real.key].is_in(trained.implode())
    half, held_out = ours.filter(of_trained), ours.filter(~of_trained)
    labels = [sorted({*ours[name], *theirs[name]}) for name in features]
    found = [_auc(rows, held_out, target, features, labels) for rows in (half, theirs)]
    return Prediction(
        target, grain, features, len(held_out), len(half), len(theirs), found[0], found[1]
    )


def _auc(
    train: pl.DataFrame,
    test: pl.DataFrame,
    target: Target,
    features: tuple[str, ...],
    labels: list[list[str]],
) -> Auc:
    if not features:
        return Auc(None, "no-features")
    if sum(map(len, labels)) > MOST_LABELS:
        return Auc(None, "too-many-labels")
    learnt, true = _positive(train, target), _positive(test, target)
    if len(np.unique(true)) < 2:
        return Auc(None, "one-class-held-out")
    if len(np.unique(learnt)) < 2:
        return Auc(None, "one-class-trained-on")
    model = LogisticRegression(solver=_SOLVER)
    model.fit(_indicators(train, features, labels), learnt)
    # Equal rows get the very same score: sparse products add up each row in the same order.
    score = model.decision_function(_indicators(test, features, labels))
    return Auc(float(roc_auc_score(true, score)), None)


def _positive(rows: pl.DataFrame, target: Target) -> NDArray[np.bool_]:
    return rows[target.column].is_in(target.positive).to_numpy()


def _indicators(rows: pl.DataFrame, features: tuple[str, ...], labels: list[list[str]]) -> Any:
    """A sparse matrix: a column for each label of each feature, whether it occurs here or not."""
    encoder = OneHotEncoder(categories=[np.array(of_column, object) for of_column in labels])
    return encoder.fit_transform(rows.select(features).to_numpy().astype(object))
