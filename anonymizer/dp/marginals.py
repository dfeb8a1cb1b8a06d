"""Exact marginals of one record a learner, and how far one learner moves them.

A marginal counts the records of every combination of the values of its columns. Domains are public
and closed: what is counted has shaped none of them, and a combination that nobody has counts 0.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anonymizer.dp.queries import Sensitivity
from anonymizer.errors import CoreError

SENSITIVITY: Final = Sensitivity(l0=1, linf=1)
"""Of one marginal.

**Claim.** Let one learner be added or removed. Then one cell of each marginal moves, by 1; of K
marginals together K cells move, the L1 norm of the change is K and the L2 norm is sqrt(K).

**Proof.** Each learner has one record, which is made of his own rows and of chance that is his
own, so nobody else's record changes. A record has one code in each column and so belongs to one
cell of a marginal. A marginal is the sum over the records of the unit vectors of their cells:
adding or removing a record adds or takes one unit vector. A marginal of no columns is the number
of records, and no exception.

So noise of epsilon e(k) on each cell of marginal k costs the sum of the e(k), and rho likewise
(Dwork, McSherry, Nissim and Smith 2006; Bun and Steinke 2016). The workload must be public: a
choice of marginals that looked at data would have to be paid for.
"""

MOST_CELLS: Final = 10**7
"""Of one marginal: as many noisy cells take minutes to draw."""


def cells_of(sizes: Mapping[str, int], columns: tuple[str, ...]) -> int:
    """Cells of a marginal: the product of the sizes of its columns.

    >>> cells_of({"gender": 2, "region": 13}, ("region", "gender"))
    26

    Raises:
        CoreError: a column is named twice, or has no size, or one below 1.
    """
    if len(set(columns)) != len(columns):
        raise CoreError("columns: each once was expected")
    for column in columns:
        if sizes.get(column, 0) < 1:
            raise CoreError(f"sizes: {column} needs a size of at least 1")
    return math.prod(sizes[column] for column in columns)


def marginal(
    codes: Mapping[str, NDArray[np.int64]], sizes: Mapping[str, int], columns: tuple[str, ...]
) -> NDArray[np.int64]:
    """Records of each combination of the values of the columns.

    Args:
        codes: of each column, the code of each learner's one record, from 0 to below the column's
            size; shape (learners,). There may be no learner; others than the columns are not
            looked at.
        sizes: of each column, how many values it may have: public.
        columns: of the marginal.

    Returns:
        Shape (cells,), flat: the last column varies fastest. No columns, one cell.

    Raises:
        CoreError: there are no codes; a column is missing or named twice, has codes of another
            type or length than the others, or a code outside its size; or the cells are more than
            `MOST_CELLS`.
    """
    cells = cells_of(sizes, columns)
    if cells > MOST_CELLS:
        raise CoreError(f"columns: a marginal of at most {MOST_CELLS} cells was expected")
    places = np.zeros(_records(codes, columns), np.int64)
    for column in columns:
        code = codes[column]
        if len(code) and not (code.min() >= 0 and code.max() < sizes[column]):
            raise CoreError(f"codes: {column} has a code outside its size")
        places = places * sizes[column] + code
    return np.bincount(places, minlength=cells).astype(np.int64, copy=False)


def _records(codes: Mapping[str, NDArray[np.int64]], columns: tuple[str, ...]) -> int:
    """How many there are, after all checks of the arrays' shapes."""
    if not codes:
        raise CoreError("codes: at least one column was expected")
    for column in columns:
        if column not in codes:
            raise CoreError(f"codes: {column} is missing")
        if codes[column].dtype != np.int64 or codes[column].ndim != 1:
            raise CoreError(f"codes: {column} needs one int64 for each learner")
    lengths = {len(code) for code in codes.values()}
    if len(lengths) > 1:
        raise CoreError("codes: columns of the same length were expected")
    return lengths.pop()
