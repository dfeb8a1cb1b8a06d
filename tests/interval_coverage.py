"""How often the intervals that are printed hold, counted on figures of synthetic learners.

Noise is fresh for each cell and repeat. A share p of n has a standard error of sqrt(p (1 - p) / n),
which is printed beside it.
"""

import math
import os
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.aggregates.counting import Exact, fresh_lots
from pipelines.aggregates.expected import expected_errors
from pipelines.aggregates.plan import AggregatePlan, PlannedQuery, half_width_of
from tests.countedworld import Tables, count, plan_of, release, staged

DRAWS = 40_000
"""Of each line of the table of coverage, at least."""

RANKS = 4_000
"""Of those that take longest: of selections, and of ranks at worst."""

COURSES = [f"c{i:03d}" for i in range(200)]
FINE, LEAST = (0.94, 0.965), 0.95
ENOUGH = 4
"""The scale from which noise is fine enough for a share near 95%."""

BUDGETS = ["epsilon = 0.1", "epsilon = 0.5", "epsilon = 2", "rho = 0.001", "rho = 0.02"]
NULLS = 'nulls = "leave-out"'


class Held(NamedTuple):
    """How often intervals held.

    Attributes:
        what: of which figures.
        noise: mechanism and scale of what was drawn first.
        share: of intervals that hold the exact bounded figure.
        number: of intervals.
        judged: whether the share must be near 95%; else 95% at least.
    """

    what: str
    noise: str
    share: float
    number: int
    judged: bool

    @property
    def fine(self) -> bool:
        """Whether it is as it should be, but for the error of counting it."""
        error = 3 * math.sqrt(0.05 * 0.95 / self.number)
        if not self.judged:
            return self.share >= LEAST - error
        return FINE[0] - error <= self.share <= FINE[1] + error


def coverage() -> None:
    """Every kind of figure, at several budgets."""
    print("| figures | noise | held | of | 94% to 96.5% |\n|---|---|---|---|---|", flush=True)
    for line in every_line():
        error = math.sqrt(line.share * (1 - line.share) / line.number)
        word = "yes" if line.fine else "NO"
        said = word if line.judged else f"{word}: 95% at least"
        print(
            f"| {line.what} | {line.noise} | {line.share:.2%} ± {error:.2%} | {line.number:,} "
            f"| {said} |",
            flush=True,
        )


def every_line() -> Iterator[Held]:
    """The lines of the table."""
    for budget in BUDGETS:
        one, two = 'by = ["course"]\ncells = 2', 'by = ["course", "sex"]\ncells = 2'
        of = f'of = "grade"\n{one}\n{NULLS}'
        yield held("learners", [f'type = "learners"\n{one}'], budget)
        yield held("events", [f'type = "events"\nview = "activity"\n{one}\nmost = 3'], budget)
        yield held("sum", [f'type = "sum"\n{of}\nbounds = [0, 100]\ndecimals = 1'], budget)
        yield held("histogram", [f'type = "histogram"\n{of}\nedges = [40, 70]'], budget)
        for learners in (60, 600, 2400):
            query = f'type = "mean"\n{of}\nbounds = [0, 100]\ndecimals = 1'
            yield held(f"mean of {learners:,}", [query], budget, learners=learners)
        for of_cell, cells in (("sex", 3), ("area", 11)):
            queries = [
                f'type = "learners"\n{one}\nmargin_of = "q1"',
                f'type = "learners"\n{two.replace("sex", of_cell)}',
            ]
            for number, name in enumerate(("margin", "cell")):
                what = f"{name}, a margin of {cells}"
                yield held(what, queries, budget, number=number)
        for method in ("noisy-max", "histogram"):
            yield ranks(method, budget)
        for others in (0, 200):
            yield ranks("histogram", budget, clustered=others)


def world(courses: int, learners: int, marks: np.ndarray | None = None) -> Tables:
    """Courses of that many learners each, of whom each is in two; with grades and events.

    Grades are even, or in each course these marks: as many as learners, an even number.
    """
    rng = np.random.default_rng(0)
    number = courses * learners // 2
    who = [f"l{i}" for i in range(number)]
    first = np.arange(number) % courses
    courses_of = np.concatenate([first, (first + 1) % courses])
    twice = pl.DataFrame({"id": who * 2, "course": np.array(COURSES[:courses])[courses_of]})
    if marks is None:
        grades = 100 * rng.beta(5, 2, 2 * number)
    else:
        place = np.arange(number) // courses
        grades = marks[np.concatenate([place, place + learners // 2])].astype(np.float64)
    events = np.repeat(np.arange(2 * number), rng.poisson(2, 2 * number))
    return staged(
        {
            "people": pl.DataFrame(
                {
                    "id": who,
                    "sex": rng.choice(["F", "M"], number),
                    "area": rng.choice(list("abcdefghij"), number),
                }
            ),
            "results": twice.with_columns(pl.Series("grade", grades)),
            "events": twice[events].with_columns(
                pl.lit(datetime(2026, 1, 5)).alias("ts"), pl.lit(1).alias("n")
            ),
        }
    )


def held(
    what: str, queries: list[str], budget: str, *, learners: int = 60, number: int = 0
) -> Held:
    """How often the intervals of the one query of a request hold the exact bounded figure.

    Means are told from a noisy count on. Where a cell has fewer learners than that, what is told is
    told by chance; counted are then the cells without a wrong mean. Up to five half-widths of the
    count intervals of means are wider than they must be: they allow for an error of the mean that
    they are centred on.
    """
    courses = COURSES if learners < 100 else COURSES[:40]
    plan = plan_of(queries, budget, courses=courses)
    figures = count(world(len(courses), learners), plan, fresh_lots(os.urandom))
    query = plan.queries[number]
    true = exact_column(query, figures[query.name])
    name = {"histogram": "learners"}.get(query.asked.type, query.asked.type)
    by_chance = learners < query.least
    inside = seen = 0
    while seen < DRAWS:
        frame = release(plan, figures)[number][: len(true)]
        value, width = (
            frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
            for column in (name, f"{name}_half_width")
        )
        told, known = ~np.isnan(value), ~np.isnan(true)
        wrong = known & told & (np.abs(value - true) > width + 1e-9)
        counted = known if by_chance else known & told
        inside += int(np.sum(counted & ~wrong))
        seen += int(counted.sum())
    said = f"{what}, none told or right" if by_chance else what
    fine = scale_of(plan, number) >= ENOUGH
    few = name == "mean" and learners < 5 * half_width_of(query.measurements[1])
    return Held(
        f"{said}; {budget}", drawn(plan, number), inside / seen, seen, judged=fine and not few
    )


def exact_column(query: PlannedQuery, exact: Exact) -> np.ndarray:
    """The exact bounded figures, in the units in which they are told; NaN where there is none."""
    unit = 10**query.decimals
    if query.asked.type == "mean":
        middle, learners = sum(query.clamps) // 2, exact.values[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return (middle + exact.values[0] / learners) / unit
    values = exact.values[0].astype(np.float64)
    return values / unit if query.asked.type == "sum" else values


def ranks(method: str, budget: str, *, clustered: int | None = None) -> Held:
    """How often the rank of a told median is within its half-width.

    Args:
        method: of the quantile.
        budget: of the request.
        clustered: how many learners have the mark 0, and how many 100, where all others have 40;
            of these there are as few as it takes that any other value is too far off. None: grades
            as `world` has them.
    """
    query = (
        f'type = "quantiles"\nof = "grade"\nby = ["course"]\ncells = 2\n{NULLS}\n'
        f'quantiles = [0.5]\nbounds = [0, 100]\nmethod = "{method}"'
    )
    courses = COURSES[: 20 if method == "noisy-max" or clustered is not None else 100]
    plan = plan_of([query], budget, courses=courses)
    learners, marks, said = 200, None, ""
    if clustered is not None:
        width = expected_errors(plan)[0].half_width
        assert width is not None
        marks = np.repeat([0, 40, 100], [clustered, 2 * math.floor(width) + 2, clustered])
        learners, said = len(marks), " of three marks" if clustered else " of one mark"
    figures = count(world(len(courses), learners, marks), plan, fresh_lots(os.urandom))
    points = np.array(plan.queries[0].candidates)
    far = too_far(figures["q0"], points)[: len(courses)]
    inside = told = 0
    while told < (RANKS if marks is not None or method == "noisy-max" else DRAWS):
        frame = release(plan, figures)[0].head(len(courses))
        off = far[np.arange(len(far)), np.searchsorted(points, frame["q50"].to_numpy())]
        inside += int(np.sum(off <= frame["q50_rank_half_width"].to_numpy()))
        told += len(far)
    return Held(f"rank of the median{said}, {method}; {budget}", drawn(plan, 0), inside / told,
                told, judged=False)  # fmt: skip


def too_far(exact: Exact, points: np.ndarray) -> np.ndarray:
    """By how much each candidate's rank is off, of each cell, as its half-width means it.

    Of a histogram: how far the asked rank is from those that the candidate stands for. By score:
    how much farther than that of the best one.
    """
    if not exact.groups:
        counts = exact.values[0].reshape(-1, len(points))
        upto, asked = np.cumsum(counts, axis=1), counts.sum(axis=1, keepdims=True) / 2
        return np.maximum(0, np.maximum(upto - counts - asked, asked - upto))
    places = [np.searchsorted(points, group) for group in exact.groups]
    counts = np.array([np.bincount(place, minlength=len(points)) for place in places])
    below = np.cumsum(counts, axis=1) - counts
    score = np.abs(below - 0.5 * (counts.sum(axis=1, keepdims=True) - counts))
    return score - score.min(axis=1, keepdims=True)


def scale_of(plan: AggregatePlan, number: int) -> float:
    """The scale of what a query draws first."""
    return float(plan.queries[number].measurements[0].mechanism.scale)


def drawn(plan: AggregatePlan, number: int) -> str:
    """The mechanism of what a query draws first, and its scale."""
    mechanism = plan.queries[number].measurements[0].mechanism
    return f"{mechanism.name} {float(mechanism.scale):.3g}"
