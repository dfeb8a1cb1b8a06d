"""Views: what may be released of a source, column by column."""

import math
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.roles import MISSING, WITHHELD, Aggregate, Grain, Role

_FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_RELEASABLE: Final = (
    Role.QUASI_IDENTIFIER,
    Role.ITEM,
    Role.SENSITIVE,
    Role.MEASURE,
    Role.TIME,
)
_MOST_STEPS: Final = 60
_DOMAINS: Final = ("bins", "log_bins", "microaggregate", "hierarchy", "values")

Period = Literal["month", "4w", "quarter", "year", "week"]
"""How coarse a released time is; weeks begin on Monday, and `4w` counts from 5 January 1970."""


class Bins(BaseModel):
    """A ladder of bins for a number, finest first; each coarser list is a subset of the finer.

    `edges = [[1, 10, 100], [10]]` reads: level 0 has the bins below 1, [1, 10), [10, 100), and 100
    or more; level 1 has below 10, and 10 or more; above the last level stands `*`.
    """

    model_config = _FROZEN
    edges: tuple[tuple[float, ...], ...]
    unit: str = ""

    @model_validator(mode="after")
    def _nested(self) -> Self:
        for finer, coarser in zip(self.edges, self.edges[1:], strict=False):
            if not set(coarser) <= set(finer):
                raise ValueError("each coarser list of edges must be a subset of the finer one")
        for edges in self.edges:
            if not edges or list(edges) != sorted(set(edges)):
                raise ValueError("edges must be non-empty and strictly increasing")
        return self


class LogBins(BaseModel):
    """Bins for a number over several orders of magnitude: edges lowest * base^i up to highest.

    Each coarser level keeps every second edge, from the lowest, until that one alone is left.
    """

    model_config = _FROZEN
    base: Annotated[float, Field(gt=1)]
    lowest: Annotated[float, Field(gt=0)]
    highest: float
    unit: str = ""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.highest < self.lowest:
            raise ValueError("highest must not be below lowest")
        steps = (math.log(self.highest) - math.log(self.lowest)) / math.log(self.base)
        if steps >= _MOST_STEPS:
            raise ValueError(f"more than {_MOST_STEPS} edges; give a larger base")
        return self


class Microaggregate(BaseModel):
    """A number released as the mean of a group of at least k similar learners.

    Attributes:
        decimals: digits after the point.
        unit: of the number.
    """

    model_config = _FROZEN
    decimals: Annotated[int, Field(ge=0, le=9, strict=True)] = 0
    unit: str = ""


class ViewColumn(BaseModel):
    """One releasable column of a view.

    Attributes:
        role: what it means for privacy; a request cannot change it.
        table: the raw table it comes from; the view's own table where left out.
        column: the raw column; the view column's own name where left out.
        aggregate: how the raw rows of one (learner) or (learner, item) become one value.
        where: raw column -> admitted values; other rows are not counted.
        relabel: value -> released value, before any generalization.
        missing: the released value where the source has none: a leaf of its own, or one of the
            column's declared values. A count or a sum is 0 where no row exists.
        bins: the ladder of a number; or
        log_bins: the same, by rule; or
        microaggregate: means of groups instead of a ladder; or
        hierarchy: the name of a hierarchy table shipped beside the declaration; or neither: the
            values, then `*`.
        values: the closed domain for a column that is neither a number nor in a hierarchy.
        top_code: whether, item by item, the highest bins are merged until at least k learners are
            in the tail.
        columns: the raw columns of an item of several; their values are joined, none is dropped.
        time: the raw time of the row that leaves, a part of the item as coarse as `period`.
        period: with `time`; or, of a column of role time in a view of events, how coarse it is.
            A time in days from some start has the period `week`: days 0 to 6 are week 0.
    """

    model_config = _FROZEN
    role: Role
    description: str
    table: str | None = None
    column: str | None = None
    aggregate: Aggregate = Aggregate.FIRST
    where: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    relabel: Mapping[str, str] = Field(default_factory=dict)
    missing: str = MISSING
    bins: Bins | None = None
    log_bins: LogBins | None = None
    microaggregate: Microaggregate | None = None
    hierarchy: str | None = None
    values: tuple[str, ...] | None = None
    top_code: bool = False
    columns: tuple[str, ...] = ()
    time: str | None = None
    period: Period | None = None
    special_category: bool = False

    @property
    def domain(self) -> str | None:
        """The key that says what its values become; None for an item."""
        return next((key for key in _DOMAINS if getattr(self, key) is not None), None)

    @property
    def is_number(self) -> bool:
        """Whether it is read as a number."""
        return self.domain in {"bins", "log_bins", "microaggregate"}

    def sources(self, name: str) -> tuple[str, ...]:
        """The raw columns it is made of, by its name in the view."""
        if self.columns:
            return (*self.columns, *([self.time] if self.time is not None else []))
        return (self.column or name,)

    @model_validator(mode="after")
    def _one_domain(self) -> Self:
        if self.role not in _RELEASABLE:
            raise ValueError(f"a view column's role is one of {', '.join(_RELEASABLE)}")
        given = [key for key in _DOMAINS if getattr(self, key) is not None]
        if self.role is Role.TIME:
            if given or self.period is None or self.time is not None:
                raise ValueError("a time leaves as a period: give period, and nothing else of it")
        elif self.role is not Role.ITEM and len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_DOMAINS)}")
        if self.is_number and self.missing != MISSING:
            raise ValueError(f"missing: the unknown value of a number is {MISSING!r}")
        if self.missing == WITHHELD:
            raise ValueError(f"missing may not be {WITHHELD!r}: that label means withheld")
        return self

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.top_code and self.domain not in {"bins", "log_bins"}:
            raise ValueError("top_code goes with bins or log_bins")
        if self.top_code and self.role is not Role.MEASURE:
            raise ValueError(
                "top_code is for measures: its bins differ by item, and bounds on other columns "
                "know one ladder for all items"
            )
        if self.microaggregate is not None and self.role is not Role.MEASURE:
            raise ValueError(
                "microaggregate is for measures: no share or diversity of means can be bounded"
            )
        return self

    @model_validator(mode="after")
    def _composed(self) -> Self:
        if self.columns and (self.role is not Role.ITEM or self.column is not None):
            raise ValueError("columns make an item, and take the place of column")
        if self.role is not Role.TIME and (self.time is None) != (self.period is None):
            raise ValueError("give time and period together")
        if self.time is not None and self.period == "week":
            raise ValueError("an item's period is 4w at the finest")
        if self.time is not None and not self.columns:
            raise ValueError("time goes with columns")
        if len(self.columns) == 1 and self.time is None:
            raise ValueError("an item of one column says column, not columns")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names one twice")
        return self


class View(BaseModel):
    """A releasable table.

    Attributes:
        grain: learner (one row a learner), learner-course (one row a learner and item), or event
            (one row an event; never leaves but as noisy figures).
        table: the raw table whose rows say who is in the view.
        where: raw column -> admitted values of that table.
        exclude: raw column -> values; a (learner, raw item) with any such row is left out. Staff
            accounts, for example, do not count as learners.
        order_by: raw columns; of several rows the last in this order leaves (first in file order
            where empty).
        run: the raw column that names a run of the item; aggregates count the kept run only.
    """

    model_config = _FROZEN
    grain: Grain
    table: str
    columns: Mapping[str, ViewColumn]
    where: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    exclude: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    order_by: tuple[str, ...] = ()
    run: str | None = None
    description: str = ""

    def items(self) -> tuple[str, ...]:
        """The item columns, of which a release has exactly one: first the raw item as it is."""
        names = [name for name, column in self.columns.items() if column.role is Role.ITEM]
        return tuple(sorted(names, key=lambda name: bool(self.columns[name].columns)))
