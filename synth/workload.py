"""Which marginals a synthetic twin is made of: a rule on the schema, never on data.

Everything here is public: names and sizes of columns, and what they are of. Whatever looked at
learners to choose would have to be paid for.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Final

MOST_COLUMNS: Final = 40
MOST_MARGINALS: Final = 40
"""Each more makes every other one noisier."""

MOST_CELLS: Final = 20_000
"""Of one marginal of several columns."""

MOST_STATES: Final = 250_000
"""Of all cliques of the model together, which bounds time and memory of the fit."""

_SHARES: Final = 1_000
"""Budget shares are multiples of one in so many, before scaling."""

_OUTCOME: Final = 2

Workload = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TwinShape:
    """What is public of a twin: its columns, and how many values each may have.

    The record of a learner holds his own columns, the number of his rows (code c is c + 1 rows, the
    last one "or more"), and the columns of one of these rows.

    Attributes:
        learners: a learner's own columns -> values, in the order of the schema; may be none.
        rows: columns of his rows -> values, the item's among them, in the order of the schema; may
            be none: then there are no rows, and their number is no column.
        item: the column of `rows` that a learner has each value of once at most; None if rows may
            repeat.
        number: what the column of the number of rows is called in a record.
        most_rows: to how many rows their number is capped, at least 1; where there is an item, no
            more than it has values.

    Raises:
        ValueError: there is no column, or more than `MOST_COLUMNS`; names repeat; a size is below
            1; `item` is no column of `rows`; or `most_rows` is out of its range.
    """

    learners: Mapping[str, int]
    rows: Mapping[str, int]
    item: str | None = None
    number: str = "rows"
    most_rows: int = 1

    def __post_init__(self) -> None:
        names = (*self.learners, *self.rows, *((self.number,) if self.rows else ()))
        if not 1 <= len(names) <= MOST_COLUMNS:
            raise ValueError(f"columns: 1 to {MOST_COLUMNS} were expected, request fewer")
        if len(set(names)) != len(names):
            raise ValueError("columns: each name once, of learners, rows and number, was expected")
        if any(size < 1 for size in (*self.learners.values(), *self.rows.values())):
            raise ValueError("columns: at least one value of each was expected")
        if self.item is not None and self.item not in self.rows:
            raise ValueError("item: a column of rows was expected")
        most = self.rows[self.item] if self.item is not None else self.most_rows
        if not 1 <= self.most_rows <= most:
            raise ValueError("most_rows: from 1 to the number of items was expected")

    @property
    def sizes(self) -> dict[str, int]:
        """Every column of a record -> its values: own, number of rows, one row's."""
        number = {self.number: self.most_rows} if self.rows else {}
        return {**self.learners, **number, **self.rows}

    @property
    def outcome(self) -> str | None:
        """The first column of rows beside the item, if there is one."""
        return next((column for column in self.rows if column != self.item), None)

    @property
    def anchors(self) -> tuple[str, ...]:
        """Columns of rows that are measured with the learner's own: the item and the outcome.

        All others hang on these two: so the model stays small, however many columns there are.
        """
        return tuple(column for column in (self.item, self.outcome) if column is not None)


def workload(shape: TwinShape) -> Workload:
    """The marginals to be measured, in the order of their worth.

    Pairs: of a row's columns with the anchors, of the number of rows and the learner's own columns
    with the anchors, of own columns that are neighbours in the schema, of all other own columns,
    of a row's other columns. A pair is left out if it has more than `MOST_CELLS` cells, if there
    are `MOST_MARGINALS` already, or if with it the cliques of the model would have more than
    `MOST_STATES` states. A column that is in no pair is measured alone.

    >>> workload(TwinShape({"gender": 2}, {"course": 5, "passed": 2}, item="course", most_rows=3))
    (('course', 'passed'), ('course', 'rows'), ('passed', 'rows'), ('gender', 'course'), \
('gender', 'passed'))
    """
    sizes = shape.sizes
    chosen: list[tuple[str, ...]] = []
    for pair in _pairs(shape):
        small = math.prod(sizes[column] for column in pair) <= MOST_CELLS
        if small and states([*chosen, pair], sizes) <= MOST_STATES:
            chosen.append(pair)
        if len(chosen) == MOST_MARGINALS:
            break
    paired = {column for pair in chosen for column in pair}
    return (*chosen, *((column,) for column in sizes if column not in paired))


def budget_shares(marginals: Workload, shape: TwinShape) -> tuple[Fraction, ...]:
    """Of the whole budget, epsilon or rho, what each marginal gets; their sum is 1.

    As the square root of its cells: of all shares that spend as much epsilon, the sum of all
    absolute errors is then the least. Twice as much for marginals of the outcome, the first column
    of rows beside the item: it is what analyses are of.

    >>> budget_shares((("a",), ("b",)), TwinShape({"a": 4, "b": 16}, {}))
    (Fraction(1, 3), Fraction(2, 3))
    """
    sizes, outcome = shape.sizes, shape.outcome
    cells = [math.prod(sizes[column] for column in columns) for columns in marginals]
    weights = [
        math.isqrt(count * _SHARES**2) * (_OUTCOME if outcome in columns else 1)
        for count, columns in zip(cells, marginals, strict=True)
    ]
    return tuple(Fraction(weight, sum(weights)) for weight in weights)


def states(marginals: Sequence[tuple[str, ...]], sizes: Mapping[str, int]) -> int:
    """States of all cliques of a model with these marginals.

    Columns are eliminated one by one, each time the one whose clique is smallest.
    """
    return sum(clique.states for clique in eliminated(marginals, sizes))


@dataclass(frozen=True)
class Clique:
    """A column when it is eliminated, and the columns that it hangs on from then on."""

    column: str
    others: tuple[str, ...]
    states: int


def eliminated(
    marginals: Sequence[tuple[str, ...]],
    sizes: Mapping[str, int],
    columns: Sequence[str] | None = None,
) -> list[Clique]:
    """Columns in the order of their elimination; the earlier of two where cliques are as large.

    Args:
        marginals: columns that stand in one of them together are neighbours.
        sizes: column -> values; the order of columns.
        columns: which to eliminate; the others stay. None, all.
    """
    near: dict[str, set[str]] = {column: set() for column in sizes}
    for marginal in marginals:
        for one, other in combinations(marginal, 2):
            near[one].add(other)
            near[other].add(one)
    left = list(sizes if columns is None else columns)
    found = []
    while left:
        cost = {
            column: math.prod(sizes[other] for other in (column, *near[column])) for column in left
        }
        column = min(left, key=lambda candidate: cost[candidate])
        others = tuple(other for other in sizes if other in near[column])
        found.append(Clique(column, others, cost[column]))
        for other in others:
            near[other] |= near[column] - {other}
            near[other].discard(column)
        left.remove(column)
    return found


def _pairs(shape: TwinShape) -> Iterator[tuple[str, str]]:
    """Each once, in the order of their worth."""
    own, anchors = tuple(shape.learners), shape.anchors
    rest = [column for column in shape.rows if column not in anchors]
    if len(anchors) == 2:
        yield anchors[0], anchors[1]
    yield from ((anchor, column) for column in rest for anchor in anchors)
    if shape.rows:
        yield from ((anchor, shape.number) for anchor in anchors)
    yield from ((column, anchor) for anchor in anchors for column in own)
    near = list(pairwise(own))
    yield from near
    yield from (pair for pair in combinations(own, 2) if pair not in near)
    yield from combinations(rest, 2)
