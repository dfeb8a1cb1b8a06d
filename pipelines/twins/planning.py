"""From a request for a twin to its columns, cells and noise: all that a build will do."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from anonymizer.dp.accounting import MICRO
from anonymizer.dp.calibration import gaussian_for, laplace_for
from anonymizer.dp.marginals import SENSITIVITY, cells_of
from anonymizer.errors import CoreError, HierarchyError
from anonymizer.hierarchy import Hierarchy
from pipelines.aggregates.grid import MOST_DRAWS, Public
from pipelines.errors import RequestError, SourceError
from pipelines.ladders import ladder_of
from pipelines.twins.measuring import standard_deviation
from pipelines.twins.plan import PlannedMarginal, TwinColumn, TwinPlan
from schemas.manifest import ROWS_KEY
from schemas.request import SyntheticRequest
from schemas.roles import Role
from schemas.spending import Spend
from schemas.twin_terms import named_columns
from schemas.violations import SchemaError, Violation
from synth.twin import MOST_LEARNERS
from synth.workload import TwinShape, budget_shares, workload

_MOST_DEVIATION: Final = 10_000
"""Of the number of learners, where no catalogue says how many there are."""


def make_twin_plan(request: SyntheticRequest, public: Public) -> TwinPlan:
    """Decide what a build does: columns and labels by the request, what is measured by them alone.

    Args:
        request: authorized.
        public: what cells are made of.

    Raises:
        RequestError: levels or values that there are none of, too many cells, or a budget too small
            for its draws.
        SourceError: a declared hierarchy is not a tree.
    """
    columns = _columns(request, public)
    by_view = {
        view: {c.name: len(c.labels) for c in columns if c.view == view}
        for view in ("learners", "enrolments")
    }
    item = next((c.name for c in columns if c.role is Role.ITEM), None)
    # No learner has an item twice, so there are no more rows of him than items.
    most = min(request.release.most_rows, by_view["enrolments"].get(item or "", 1))
    try:
        shape = TwinShape(
            by_view["learners"], by_view["enrolments"], item, number=ROWS_KEY, most_rows=most
        )
        chosen = workload(shape)
        marginals = _marginals(chosen, budget_shares(chosen, shape), request.release.budget)
    except (CoreError, ValueError) as error:
        raise RequestError(f"request: release: {error}") from None
    _demand_few(chosen, shape)
    _demand_clear(marginals, shape, public.catalogue.learners)
    return TwinPlan(request, public, columns, shape, marginals)


def _columns(request: SyntheticRequest, public: Public) -> tuple[TwinColumn, ...]:
    """The columns that are asked for, the item first among rows; all that is wrong at once."""
    release, named = request.release, named_columns(request, public.family)
    found: list[TwinColumn] = []
    wrong: list[Violation] = []
    for view, names in (("learners", release.learners), ("enrolments", release.enrolments)):
        items = [name for name in names if named[name].role is Role.ITEM]
        for name in [*items, *(name for name in names if name not in items)]:
            level, ladder = release.levels.get(name, 0), _ladder(name, request, public)
            if level >= ladder.height:
                said = f"levels 0 to {ladder.height - 1} say something; see `kohort catalog show`"
                wrong.append(Violation(f"release.levels.{name}", said))
                level = 0
            column = named[name]
            found.append(TwinColumn(view, column.role, column.description, ladder, level))
    wrong += _unknown_values(request, found)
    if wrong:
        raise RequestError(str(SchemaError("request", wrong)))
    return tuple(found)


def _unknown_values(
    request: SyntheticRequest, columns: Sequence[TwinColumn]
) -> Iterator[Violation]:
    """Statistics are of labels as the twin has them."""
    labels = {column.name: column.labels for column in columns}
    for i, statistic in enumerate(request.release.statistics):
        offered = labels[statistic.column]
        if unknown := [value for value in statistic.values if value not in offered]:
            yield Violation(
                f"release.statistics.{i}.values",
                f"{statistic.column} has no value {', '.join(unknown)}; "
                f"it has: {', '.join(offered[:20])}",
            )


def _ladder(name: str, request: SyntheticRequest, public: Public) -> Hierarchy:
    column = named_columns(request, public.family)[name]
    try:
        if column.role is Role.ITEM:
            return Hierarchy.flat(name, public.catalogue.values[name], missing=False)
        found = ladder_of(name, column, public.rows)
    except HierarchyError as error:
        raise SourceError(str(error)) from None
    assert found is not None  # authorized: it has bins or values
    return found


def _marginals(
    chosen: Sequence[tuple[str, ...]], parts: Sequence[Fraction], budget: Spend
) -> tuple[PlannedMarginal, ...]:
    """The noise of each marginal: of its part of the budget, in whole millionths."""
    noise = laplace_for if budget.kind == "epsilon" else gaussian_for
    width = max(2, len(str(len(chosen))))
    found = []
    for number, (columns, part) in enumerate(zip(chosen, parts, strict=True), start=1):
        micro = int(budget.micro * part)
        if not micro:
            raise CoreError("budget: a marginal's part is below a millionth; ask for more")
        mechanism = noise(Fraction(micro, MICRO), SENSITIVITY.l0, SENSITIVITY.linf)
        found.append(PlannedMarginal(f"marginal_{number:0{width}}", columns, mechanism))
    return tuple(found)


def _demand_few(chosen: Sequence[tuple[str, ...]], shape: TwinShape) -> None:
    cells = sum(cells_of(shape.sizes, columns) for columns in chosen)
    if cells > MOST_DRAWS:
        raise RequestError(
            f"request: release: {cells:,} cells would be measured; ask for {MOST_DRAWS:,} at most, "
            "by coarser levels or fewer columns"
        )


def _demand_clear(
    marginals: Sequence[PlannedMarginal], shape: TwinShape, learners: int | None
) -> None:
    """A twin whose number of learners is noise could be of any size, and stand in for nothing.

    Its standard deviation is that of the mean of all marginals' totals, weighted by their inverse
    variances.
    """
    if learners is not None and learners > MOST_LEARNERS:
        raise RequestError(
            f"request: release.type: twins are of {MOST_LEARNERS:,} learners at most; the "
            f"catalogue says {learners:,}"
        )
    clear = [
        1 / (cells_of(shape.sizes, one.columns) * standard_deviation(one.mechanism) ** 2)
        for one in marginals
    ]
    deviation = 1 / math.sqrt(math.fsum(clear))
    if deviation > max(_MOST_DEVIATION, learners or 0):
        raise RequestError(
            f"request: release.budget: with so little the number of learners alone has noise of "
            f"{deviation:,.0f}; ask for more, coarser levels or fewer columns"
        )
