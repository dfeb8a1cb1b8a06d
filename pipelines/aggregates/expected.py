"""How far noise will move each figure: told before anything is spent, from public sizes alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from anonymizer.dp.means import noisy_means
from anonymizer.dp.mechanisms import NoisyMax
from anonymizer.dp.quantiles import rank_half_widths
from anonymizer.dp.widths import Kind
from anonymizer.errors import CoreError
from pipelines.aggregates.plan import AggregatePlan, PlannedQuery, half_width_of
from pipelines.aggregates.planning import plan_query
from pipelines.aggregates.tables import agreed
from pipelines.errors import RequestError
from schemas.queries import Mean, Quantiles, Sum

_MOST_MICRO: Final = 10**9


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """What noise does to one column.

    Attributes:
        table: of the query.
        column: of its table.
        mechanism: what is drawn.
        scale: of the noise, as an exact fraction.
        cells: of the grid, bins included; None where keys are discovered.
        l0: in how many of them a learner counts.
        linf: what a learner changes one of them by, in units.
        half_width: of the 95% interval, in the column's unit; of quantiles in learners, by rank; of
            means at the expected number of learners a cell. None: no public number tells.
        expected: learners of a cell on average, by public numbers; None where there are none.
        threshold: of discovered keys: what a noisy count must exceed to be told; else None.
    """

    table: str
    column: str
    mechanism: str
    scale: str
    cells: int | None
    l0: int
    linf: int
    half_width: float | None
    expected: float | None
    threshold: int | None


def expected_errors(plan: AggregatePlan) -> tuple[ExpectedError, ...]:
    """Of every value column that will be drawn, in the order of the request."""
    return tuple(found for query in plan.queries for found in _of_query(query, plan))


def needed_budget(plan: AggregatePlan, name: str, half_width: float) -> int:
    """The least that a query must spend for a wished-for half-width.

    Quantiles keep the method that they have now: left open it depends on the budget, and the error
    would jump where it changes.

    Args:
        plan: as it is.
        name: of the query.
        half_width: of its first column, as `ExpectedError` tells it.

    Returns:
        Millionths of epsilon or rho, whichever the request spends.

    Raises:
        RequestError: there is no such query, no public number tells its error, or no budget is
            enough.
    """
    if name not in {query.name for query in plan.queries}:
        raise RequestError(f"--wish: {name} is no query of the request")
    now = plan.query(name)
    if next(_of_query(now, plan)).half_width is None:
        raise RequestError(
            f"--wish: the error of {name} depends on how many learners a cell has; have a steward "
            "write learners into the catalogue"
        )

    asked = now.asked
    if isinstance(asked, Quantiles):
        asked = asked.model_copy(update={"method": now.method})

    def holds(micro: int) -> bool:
        terms = replace(now.terms, query=asked, micro=micro)
        try:
            again = plan_query(terms, plan.terms.kind, plan.public, subject=name)
        except (CoreError, RequestError):  # too little for its draws, or too many of them
            return False
        found = next(_of_query(again, plan)).half_width
        return found is not None and found <= half_width

    if not holds(_MOST_MICRO):
        raise RequestError(f"--wish: no budget makes the half-width of {name} as small")
    below, above = 0, _MOST_MICRO
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if holds(middle) else (middle, above)
    return above


def _of_query(query: PlannedQuery, plan: AggregatePlan) -> Iterator[ExpectedError]:
    learners = plan.public.catalogue.learners
    cells = None if query.grid.discovered else query.grid.size * max(1, len(query.bin_labels))
    expected = None if cells is None or learners is None else learners / cells
    agreed = _agreed(query, plan)
    for i, measurement in enumerate(query.measurements):
        mechanism = measurement.mechanism
        for j, column in enumerate(measurement.columns):
            yield ExpectedError(
                table=query.name,
                column=column,
                mechanism=mechanism.name,
                scale=str(mechanism.scale),
                cells=cells,
                l0=mechanism.l0,
                linf=mechanism.linf,
                half_width=_half_width(query, i, j, expected) if agreed is None else agreed,
                expected=expected,
                threshold=query.threshold,
            )


def _agreed(query: PlannedQuery, plan: AggregatePlan) -> float | None:
    """The half-width once a margin and its cells are made to agree; None where they are not.

    By the same step as on noisy figures, on none: it depends on the noise alone.
    """
    partners = plan.agrees_with(query)
    if not partners:
        return None
    other = plan.query(partners[0])
    margin, detail = (query, other) if query.margin_of is not None else (other, query)
    found = agreed(margin, detail)
    width = found.margin_half_width if query is margin else found.cell_half_width
    return width / _unit(query)


def _unit(query: PlannedQuery) -> int:
    return 10**query.decimals if isinstance(query.asked, Sum) else 1


def _half_width(
    query: PlannedQuery, measurement: int, column: int, expected: float | None
) -> float | None:
    drawn = query.measurements[measurement]
    if isinstance(drawn.mechanism, NoisyMax):
        return drawn.mechanism.rank_half_width(len(query.candidates))
    kind: Kind = "gaussian" if drawn.mechanism.norm == "L2" else "laplace"
    if isinstance(query.asked, Quantiles):
        widths = rank_half_widths(
            query.asked.quantiles,
            bins=len(query.candidates),
            kind=kind,
            scale=float(drawn.mechanism.scale),
        )
        return widths[column]
    if isinstance(query.asked, Mean) and measurement == 0:
        return None if expected is None else _of_mean(query, expected)
    return half_width_of(drawn) / _unit(query)


def _of_mean(query: PlannedQuery, expected: float) -> float:
    """At the expected number of learners, of a mean in the middle of the bounds."""
    low, high = query.clamps
    total, count = (one.mechanism for one in query.measurements)
    found = noisy_means(
        np.zeros(1, np.int64),
        np.array([max(1, round(expected))], np.int64),
        low=low,
        high=high,
        decimals=query.decimals,
        least=1,
        kind="gaussian" if total.norm == "L2" else "laplace",
        sum_scale=float(total.scale),
        count_scale=float(count.scale),
    )
    return float(found.half_widths[0])
