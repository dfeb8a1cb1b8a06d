"""Drawing a twin: learners and how many rows they have, then their rows given both."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from synth.factors import Conditional, Factor, by_lot, eliminate, even_lots, ranked
from synth.twin_items import chosen_items, inclusion
from synth.workload import TwinShape

Codes = dict[str, NDArray[np.int64]]

_AT_ONCE: Final = 1 << 22
"""Numbers of a table that is held at once."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """Invented learners and their rows, as codes.

    Attributes:
        size: how many learners.
        learners: own column -> a code for each learner.
        rows: column of rows -> a code for each row; rows of a learner stand together, by item.
        owner: of each row, the place of its learner; never falls.
    """

    size: int
    learners: Mapping[str, NDArray[np.int64]]
    rows: Mapping[str, NDArray[np.int64]]
    owner: NDArray[np.int64]


def sampled(
    factors: Sequence[Factor], shape: TwinShape, rng: np.random.Generator, size: int
) -> Sampled:
    """Draw learners, their numbers of rows, and their rows.

    Learners and numbers come from the model of a record. A learner of n rows then gets n items, no
    item twice, each with n times the chance that the model gives it for one row of such a learner,
    but 1 at most: then the others get what is left. Everything else of a row is drawn given the
    learner, n and the item, as if it were the row of the record.

    Args:
        factors: of the distribution of a record.
        shape: of the twin.
        rng: where chance comes from.
        size: how many learners.
    """
    conditionals, _ = eliminate(factors, shape.sizes, list(shape.sizes))
    records: Codes = {}
    _draw(records, conditionals, rng, np.zeros(size, np.int64))
    own = {column: records[column] for column in shape.learners}
    if not shape.rows:
        return Sampled(size, own, {}, np.zeros(0, np.int64))
    record = {**own, shape.number: records[shape.number]}
    rows, owner = _rows(factors, shape, record, rng)
    return Sampled(size, own, rows, owner)


def _draw(
    codes: Codes,
    conditionals: Sequence[Conditional],
    rng: np.random.Generator,
    rank: NDArray[np.int64],
) -> None:
    """Add a column for each distribution, even among what was drawn before, which `rank` tells."""
    size = len(rank)
    for conditional in conditionals:
        given = ranked(*(codes[column] for column in conditional.others), size=size)
        lots = even_lots(rng, given, rank, size=size)
        codes[conditional.column] = conditional.drawn(codes, lots)
        rank = ranked(rank, codes[conditional.column], size=size)


def _rows(
    factors: Sequence[Factor], shape: TwinShape, record: Codes, rng: np.random.Generator
) -> tuple[Codes, NDArray[np.int64]]:
    """The rows of all learners, and whose they are.

    Columns that hang on the learner are drawn together, for all learners of a kind at once; the
    others then, given these.
    """
    together = _together(factors, shape)
    rest = [column for column in shape.rows if column not in together]
    conditionals, left = eliminate(factors, shape.sizes, rest)
    touching = [factor for factor in left if set(factor.columns) & set(together)]
    given = {column for factor in touching for column in factor.columns} - set(together)
    keys = {column: record[column] for column in record if column in {*given, shape.number}}
    kind = ranked(*keys.values(), size=len(record[shape.number]))
    _, first = np.unique(kind, return_index=True)
    kinds = {column: codes[first] for column, codes in keys.items()}
    codes, owner = _drawn_together(touching, together, shape, (kind, kinds), rng)
    rank = ranked(*codes.values(), kind[owner], size=len(owner))
    _draw(codes, conditionals, rng, rank)
    return {column: codes[column] for column in shape.rows}, owner


def _together(factors: Sequence[Factor], shape: TwinShape) -> tuple[str, ...]:
    """The columns of rows that hang on the learner by any table, and the anchors; the item first.

    What a table of own columns and others holds of others is one anchor, so they are few.
    """
    own = {*shape.learners, shape.number}
    hang = {column for factor in factors if own & set(factor.columns) for column in factor.columns}
    chosen = [column for column in shape.rows if column in hang or column in shape.anchors]
    return tuple(sorted(chosen, key=lambda column: column != shape.item))


def _drawn_together(
    factors: Sequence[Factor],
    columns: tuple[str, ...],
    shape: TwinShape,
    learners: tuple[NDArray[np.int64], Codes],
    rng: np.random.Generator,
) -> tuple[Codes, NDArray[np.int64]]:
    """The columns of rows that hang on the learner, part by part of the kinds of learners.

    Args:
        factors: of the distribution of the columns given the learner.
        columns: the item first, if there is one.
        shape: of the twin.
        learners: of each, his kind; and of each kind, the codes of what rows hang on.
        rng: where chance comes from.

    Returns:
        Column -> a code for each row, and whose it is, in the order of learners.
    """
    kind, kinds = learners
    count = len(kinds[shape.number])
    sizes = [shape.rows[column] for column in columns]
    step = max(_AT_ONCE // math.prod(sizes), 1)
    order = np.argsort(kind, kind="stable")
    cuts = np.searchsorted(kind[order], [*range(0, count, step), count])
    parts = []
    for begin, (low, high) in zip(range(0, count, step), pairwise(cuts.tolist()), strict=True):
        members = order[low:high]
        part = {column: codes[begin : begin + step] for column, codes in kinds.items()}
        logs = _logs(factors, columns, sizes, part)
        numbers = part[shape.number] + 1
        drawn = _items_first if shape.item is not None else _alike
        codes, owner = drawn(logs, numbers, kind[members] - begin, rng)
        parts.append(np.vstack((members[owner], codes)))
    table = np.hstack(parts)
    table = table[:, np.lexsort((table[1], table[0]))]
    return dict(zip(columns, table[1:], strict=True)), table[0]


def _logs(
    factors: Sequence[Factor], columns: tuple[str, ...], sizes: Sequence[int], kinds: Codes
) -> NDArray[np.float64]:
    """Logarithms of the columns' joint shares for each kind of learner, not scaled."""
    alike: dict[tuple[int, ...], NDArray[np.float64]] = {}  # of tables on the same columns
    for factor in factors:
        given = tuple(column for column in factor.columns if column not in columns)
        table = factor.aligned((*given, *columns))
        table = table[tuple(kinds[column] for column in given)] if given else table[None]
        on = table.shape[1:]
        alike[on] = alike[on] + table if on in alike else table
    logs = np.zeros((len(next(iter(kinds.values()))), *sizes))
    for table in alike.values():
        logs += table
    return logs


def _items_first(
    logs: NDArray[np.float64],
    numbers: NDArray[np.int64],
    kind: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Items, none twice, then the other columns given the item.

    Args:
        logs: a row for each kind of learner, an axis for items, others for the other columns.
        numbers: of rows of a learner of each kind.
        kind: of each learner; never falls.
        rng: where chance comes from.

    Returns:
        Codes, one row a column, and of each row of the twin the place of its learner.
    """
    count, items, *others = logs.shape
    flat = logs.reshape(count * items, -1)
    peak = flat.max(axis=1, keepdims=True)
    shares = np.exp(flat - peak)
    sums = (peak + np.log(shares.sum(axis=1, keepdims=True))).reshape(count, items)
    chances = np.exp(sums - sums.max(axis=1, keepdims=True))
    lots = even_lots(rng, kind, size=len(kind))
    item, owner = chosen_items(inclusion(chances, numbers), numbers, kind, lots, rng)
    given = kind[owner] * items + item
    place = by_lot(shares, given, even_lots(rng, item, kind[owner], size=len(owner)))
    return np.vstack((item, *np.unravel_index(place, others))) if others else item[None], owner


def _alike(
    logs: NDArray[np.float64],
    numbers: NDArray[np.int64],
    kind: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that know nothing of one another; as `_items_first`."""
    flat = logs.reshape(len(logs), -1)
    shares = np.exp(flat - flat.max(axis=1, keepdims=True))
    owner = np.repeat(np.arange(len(kind)), numbers[kind])
    place = by_lot(shares, kind[owner], even_lots(rng, kind[owner], size=len(owner)))
    return np.vstack(np.unravel_index(place, logs.shape[1:])), owner
