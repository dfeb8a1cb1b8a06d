"""A distribution over columns as a product of tables, and how it is drawn from, column by column.

A table has one axis a column; probability is proportional to the exponential of the sum of all
tables. Columns are eliminated one by one, each leaving its distribution given what it hangs on
(Koller and Friedman 2009, "Probabilistic Graphical Models", chapter 9): drawn in reverse order,
nothing is approximated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synth.workload import eliminated

_GOLDEN: Final = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class Factor:
    """A table of logarithms.

    Attributes:
        columns: of the axes.
        logs: finite; as many axes as columns.
    """

    columns: tuple[str, ...]
    logs: NDArray[np.float64]

    def aligned(self, columns: tuple[str, ...]) -> NDArray[np.float64]:
        """The table with an axis for each of these columns, its own among them, to broadcast."""
        axes = [self.columns.index(column) for column in columns if column in self.columns]
        shape = [
            self.logs.shape[self.columns.index(column)] if column in self.columns else 1
            for column in columns
        ]
        return self.logs.transpose(axes).reshape(shape)


@dataclass(frozen=True, eq=False)
class Conditional:
    """The distribution of a column given others.

    Attributes:
        column: that is drawn.
        others: that it hangs on; may be none.
        shares: an axis for each of the others, then the column's own, which sums to 1.
    """

    column: str
    others: tuple[str, ...]
    shares: NDArray[np.float64]

    def drawn(
        self, codes: Mapping[str, NDArray[np.int64]], lots: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """A code for each lot, given the codes of the others."""
        sizes = self.shares.shape[:-1]
        given = np.zeros(len(lots), np.int64)
        for column, size in zip(self.others, sizes, strict=True):
            given = given * size + codes[column]
        return by_lot(self.shares.reshape(-1, self.shares.shape[-1]), given, lots)


def eliminate(
    factors: Sequence[Factor], sizes: Mapping[str, int], columns: Sequence[str]
) -> tuple[list[Conditional], list[Factor]]:
    """Take columns out of a product of tables.

    Args:
        factors: of the product.
        sizes: column -> values.
        columns: to take out; the others stay.

    Returns:
        The distributions to draw the columns from in that order, and a product of tables that is
        proportional to the distribution of the columns that stay.
    """
    left, found = list(factors), []
    for clique in eliminated([factor.columns for factor in factors], sizes, columns):
        axes = (*clique.others, clique.column)
        own = [factor for factor in left if clique.column in factor.columns]
        left = [factor for factor in left if clique.column not in factor.columns]
        logs = np.zeros([sizes[column] for column in axes])
        for factor in own:
            logs += factor.aligned(axes)
        peak = logs.max(axis=-1, keepdims=True)
        shares = np.exp(logs - peak)
        sums = shares.sum(axis=-1, keepdims=True)
        found.append(Conditional(clique.column, clique.others, shares / sums))
        left.append(Factor(clique.others, (peak + np.log(sums))[..., 0]))
    return found[::-1], left


def by_lot(
    shares: NDArray[np.float64], given: NDArray[np.int64], lots: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The code of each lot under the distribution in the row that is given.

    Args:
        shares: shape (rows, codes); each row sums to 1.
        given: a row for each lot; shape (lots,).
        lots: from 0 to below 1; shape (lots,).
    """
    ends = shares.cumsum(axis=1)
    ends /= ends[:, -1:]
    ends += np.arange(len(shares))[:, None]  # of all rows on one line, so that one search will do
    places = np.searchsorted(ends.reshape(-1), given + lots, side="right")
    within: NDArray[np.int64] = places - given * shares.shape[1]
    return within.clip(0, shares.shape[1] - 1)


def even_lots(rng: np.random.Generator, *keys: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Lots that are even among themselves, and among those who share keys.

    Each is uniform. In the order of the keys, ties at random, they step by the golden ratio from a
    random start: of those who stand next to one another as many have each code as their shares
    say, give or take about one (Kronecker's sequence: Kuipers and Niederreiter 1974, "Uniform
    Distribution of Sequences"). What is drawn so strays less from its shares than by lots that
    know nothing of one another, and from independence of what was drawn before.

    Args:
        rng: where chance comes from.
        keys: of each lot, the most significant first.
        size: how many lots.
    """
    order = np.lexsort((rng.random(size), *reversed(keys)))
    lots = np.empty(size)
    lots[order] = (rng.random() + _GOLDEN * np.arange(size)) % 1
    return lots


def ranked(*keys: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """One key for several: a whole number each, equal and in order as they are together."""
    rank = np.zeros(size, np.int64)
    for key in keys:
        rank = np.unique(rank * (int(key.max(initial=0)) + 1) + key, return_inverse=True)[1]
    return rank
