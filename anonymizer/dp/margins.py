"""Tables that agree: a margin and its detailed table, adjusted to one another.

Both were measured with noise of their own. That they must agree is known without any data, so it
may be used after the fact, at no cost, and makes both more exact (Hay, Rastogi, Miklau and Suciu
2010, "Boosting the Accuracy of Differentially Private Histograms Through Consistency").
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.dp.widths import Kind, factor, variance
from anonymizer.errors import CoreError

_LARGEST: Final = 2.0**62
_LATTICE: Final = 0.5
"""A whole number is within a whole half-width if what it was rounded from is within this more."""


@dataclass(frozen=True, eq=False)
class Reconciled:
    """A margin table and its detailed table whose sums agree exactly.

    Attributes:
        margins: in units; shape (margins,).
        cells: in units; shape (cells,).
        margin_variances: of the margins' noise, before rounding; shape (margins,).
        cell_variances: of the cells' noise, before rounding; shape (cells,).
        margin_half_width: of any margin, after rounding; in units.
        cell_half_width: of any cell, the same.
    """

    margins: NDArray[np.int64]
    cells: NDArray[np.int64]
    margin_variances: NDArray[np.float64]
    cell_variances: NDArray[np.float64]
    margin_half_width: int
    cell_half_width: int


def reconcile(
    margins: NDArray[np.int64],
    cells: NDArray[np.int64],
    margin_of: np.ndarray[Any, np.dtype[np.integer[Any]]],
    *,
    kind: Kind,
    margin_scale: float,
    cell_scale: float,
) -> Reconciled:
    """The least-squares fit of both tables, in whole numbers.

    With n cells c of sum S, a margin M becomes the mean of M and S, weighted by their inverse
    variances (v of M, n times that of a cell of S). The difference to S is spread over its cells
    evenly. M is rounded, halves to even in the distance from S; each cell gets the floor of its
    part, and the first cells, in the order of the table, one more until the sum is right. The rule
    is the same for all data; it moves a value by less than one.

    The noises must be independent: a table that has been reconciled once is not for another margin.

    Half-widths are conservative before rounding, see `anonymizer.dp.widths.factor`, and those of
    the margin with the fewest cells or the most, whichever is wider. Margins are rounded to the
    nearest, which leaves them so; that cells' hold, too, is measured.

    Args:
        margins: noisy values, in units; shape (margins,).
        cells: noisy values of the detailed table, in units; shape (cells,).
        margin_of: of each cell, the place of its margin; every margin has a cell.
        kind: of all noises.
        margin_scale: of the margins' noise.
        cell_scale: of the cells' noise.

    Raises:
        CoreError: shapes or types are others, a margin has no cell, a scale is out of range, or
            values are so large that sums could wrap.
    """
    sizes = _sizes(margins, cells, margin_of)
    of_margin, of_cell = variance(kind, margin_scale), variance(kind, cell_scale)
    totals = np.zeros(len(margins), np.int64)
    np.add.at(totals, margin_of, cells)
    weight = _weights(sizes, of_margin, of_cell)
    moved = np.rint(weight * (margins - totals)).astype(np.int64)
    each, over = np.divmod(moved, sizes)
    part = each[margin_of] + (_place_in_margin(margin_of, sizes) < over[margin_of])
    margin_variances, cell_variances = of_margin * weight, of_cell * (1 - weight / sizes)
    return Reconciled(
        margins=totals + moved,
        cells=cells + part,
        margin_variances=margin_variances,
        cell_variances=cell_variances[margin_of],
        margin_half_width=_half_width(kind, margin_variances.max().item()),
        cell_half_width=_half_width(kind, cell_variances.max().item()),
    )


def _half_width(kind: Kind, largest: float) -> int:
    return max(0, math.ceil(factor(kind) * math.sqrt(largest) - _LATTICE))


def _weights(sizes: NDArray[np.int64], of_margin: float, of_cell: float) -> NDArray[np.float64]:
    """Of each margin's own value; the sum of its cells has the rest."""
    largest = max(of_margin, of_cell)  # no product overflows
    below = sizes * (of_cell / largest)
    return below / (below + of_margin / largest)


def _place_in_margin(
    margin_of: np.ndarray[Any, np.dtype[np.integer[Any]]], sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many cells of the same margin stand before each cell."""
    order = np.argsort(margin_of, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place


def _sizes(
    margins: NDArray[np.int64],
    cells: NDArray[np.int64],
    margin_of: np.ndarray[Any, np.dtype[np.integer[Any]]],
) -> NDArray[np.int64]:
    """Cells of each margin, after all checks of the arrays."""
    if margins.dtype != np.int64 or cells.dtype != np.int64:
        raise CoreError("margins and cells: int64 was expected")
    if margins.ndim != 1 or cells.ndim != 1 or margin_of.shape != cells.shape:
        raise CoreError("margin_of: the margin of each cell was expected")
    if not len(margins) or not len(cells):
        raise CoreError("margins: at least one, with a cell, was expected")
    if not np.issubdtype(margin_of.dtype, np.integer):
        raise CoreError("margin_of: whole numbers were expected")
    if margin_of.min() < 0 or margin_of.max() >= len(margins):
        raise CoreError("margin_of: places within the margins were expected")
    amounts = (np.abs(table.astype(np.float64)).sum().item() for table in (margins, cells))
    if math.fsum(amounts) >= _LARGEST:
        raise CoreError("values: sums so large could wrap")
    sizes = np.bincount(margin_of, minlength=len(margins)).astype(np.int64, copy=False)
    if not sizes.all():
        raise CoreError("margin_of: every margin needs a cell")
    return sizes
