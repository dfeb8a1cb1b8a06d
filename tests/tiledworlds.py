"""Thousands of small worlds side by side in one release, so that an audit takes seconds."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import polars as pl

from pipelines.aggregates.counting import fresh_lots
from pipelines.aggregates.plan import AggregatePlan, PlannedQuery
from schemas.queries import Histogram
from tests.auditing import epsilon_at_least
from tests.countedworld import plan_of, staged, whole_release

TILES = 9_000
TARGET = "target"
MONDAY = "2026-01-05"


@dataclass(frozen=True)
class World:
    """What is asked, and who is there besides the learner in question.

    Attributes:
        queries: as TOML.
        budget: of all of them.
        courses: of a world; the learner is in all of them.
        rows: of the learner in each course.
        grade: of the learner.
        others: grades of the others, who are in the first course alone.
        delta: with which `budget` is a rho, or that of discovered keys.
        tiles: worlds of a release.
        listed: whether a catalogue lists the courses.
    """

    queries: tuple[str, ...]
    budget: str = "epsilon = 1"
    courses: int = 3
    rows: int = 1
    grade: float = 100
    others: tuple[float, ...] = ()
    delta: float = 0
    tiles: int = TILES
    listed: bool = True

    @property
    def names(self) -> list[list[str]]:
        """The courses of each world."""
        return [[f"{t:05d}-{c}" for c in range(self.courses)] for t in range(self.tiles)]

    def plan(self) -> AggregatePlan:
        """What a release of it does."""
        courses = [course for own in self.names for course in own] if self.listed else []
        return plan_of(self.queries, self.budget, courses=courses)

    def claimed(self, plan: AggregatePlan) -> float:
        """The epsilon that is charged; of a rho by Bun and Steinke 2016, Proposition 1.3."""
        cost = plan.cost
        if cost.micro_epsilon is not None:
            return cost.micro_epsilon / 1e6
        rho = cost.micro_rho / 1e6
        return rho + 2 * math.sqrt(rho * math.log(1 / self.delta))

    def tables(self, *, present: bool):
        """Its raw tables, with the learner in question of every world or without."""
        people, results, events = [], [], []
        for t, own in enumerate(self.names):
            takers = [(f"{t}-{i}", own[:1], 1, grade) for i, grade in enumerate(self.others)]
            if present:
                takers.append((f"{t}-{TARGET}", own, self.rows, self.grade))
            for who, where, rows, grade in takers:
                people.append((who, "F"))
                results += [(who, course, grade) for course in where]
                events += [(who, course) for course in where for _ in range(rows)]
        return staged(
            {
                "people": pl.DataFrame(people, schema=["id", "sex"], orient="row"),
                "results": pl.DataFrame(results, schema=["id", "course", "grade"], orient="row"),
                "events": pl.DataFrame(events, schema=["id", "course"], orient="row").select(
                    "id",
                    "course",
                    pl.lit(MONDAY).str.to_datetime("%Y-%m-%d").alias("ts"),
                    pl.lit(1).alias("n"),
                ),
            }
        )


def keys_of(query: PlannedQuery, courses: list[str]) -> pl.DataFrame:
    """The keys of every row that may be told of these courses, as a reader knows them."""
    keys = query.grid.keys
    labels = [courses if key.column == "course" else key.labels for key in keys]
    names = [key.column for key in keys]
    if isinstance(query.asked, Histogram):
        labels, names = [*labels, query.bin_labels], [*names, "bin"]
    return pl.DataFrame(list(product(*labels)), schema=names, orient="row")


def samples(world: World, plan: AggregatePlan, told: list[pl.DataFrame]) -> np.ndarray:
    """All numbers that are told of each world; NaN where a row or a number is not."""
    courses = [course for own in world.names for course in own]
    found = []
    for query, frame in zip(plan.queries, told, strict=True):
        keys = keys_of(query, courses)
        whole = keys.join(frame, on=keys.columns, how="left", maintain_order="left")
        numbers = whole.drop(keys.columns).cast(pl.Float64).fill_null(np.nan).to_numpy()
        found.append(numbers.reshape(world.tiles, -1))
    return np.concatenate(found, axis=1)


def audited(world: World) -> tuple[float, float]:
    """The epsilon that releases have at least, and the one that is charged for them."""
    plan, lots = world.plan(), partial(fresh_lots, os.urandom)
    without, present = (
        samples(world, plan, whole_release(world.tables(present=is_in), plan, lots))
        for is_in in (False, True)
    )
    return epsilon_at_least(without, present, delta=world.delta), world.claimed(plan)


def audited_by_runs(
    world: World, release_with: Callable[[bool], list[pl.DataFrame]], number: int
) -> float:
    """The epsilon that a pipeline has at least, by that many releases one after the other.

    Args:
        world: its plan says what is told.
        release_with: releases the world with the learner in question, or without.
        number: of releases of either.
    """
    plan = world.plan()
    without, present = (
        np.concatenate([samples(world, plan, release_with(is_in)) for _ in range(number)])
        for is_in in (False, True)
    )
    return epsilon_at_least(without, present, delta=world.delta)
