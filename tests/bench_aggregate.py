"""`make bench-aggregate`: how often printed intervals hold, and what releases cost; never a test.

Times are of this machine and vary by a factor of two; 10,000,000 rows are released twice, each time
in a process of its own for its peak memory.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl

from anonymizer.dp.mechanisms import DiscreteGaussian, DiscreteLaplace, Geometric, IntegerMechanism
from anonymizer.dp.noise import add_noise
from pipelines.aggregates.counting import fresh_lots
from schemas.raw import ROW
from tests.countedworld import count, plan_of, release
from tests.interval_coverage import coverage

LEARNERS, ITEMS, WEEKS = 300_000, 100, 60
COURSES = [f"course~{number:04d}abcdefghijk" for number in range(ITEMS)]
FIRST = datetime(2024, 1, 1)
GOAL_SECONDS, GOAL_GIGABYTES, GOAL_CELLS = 15, 4, 2


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["coverage", "time"])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--child", choices=["write", "release"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child == "write":
        write_rows(arguments.folder, arguments.rows)
        return
    if arguments.child == "release":
        print(json.dumps(release_rows(arguments.folder)))
        return
    if arguments.only != "time":
        coverage()
    if arguments.only != "coverage":
        timed(arguments.rows)


def timed(rows: int) -> None:
    """The whole of counting and noise in a process of its own, and noise alone."""
    print("\n| measured | kohort | must reach | reached |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        in_child("write", folder, rows)
        for _ in range(2):
            found = json.loads(in_child("release", folder, rows))
            met = found["seconds"] < GOAL_SECONDS and found["gigabytes"] < GOAL_GIGABYTES
            print(
                f"| {rows:,} rows to {found['cells']:,} cells, learners and events, L0 = 10 "
                f"| {found['seconds']:.1f} s ({found['cpu']:.1f} s CPU; noise "
                f"{found['noise']:.1f} s), peak {found['gigabytes']:.2f} GB "
                f"({found['before']:.2f} GB before) "
                f"| below {GOAL_SECONDS} s and {GOAL_GIGABYTES} GB | {'yes' if met else 'NO'} |",
                flush=True,
            )
    for mechanism in (
        Geometric(1, 1, Fraction(10)),
        DiscreteLaplace(1, 1, Fraction(10)),
        DiscreteGaussian(1, 1, Fraction(10)),
    ):
        seconds, cpu = min(noise_of(mechanism) for _ in range(3))
        met = "yes" if seconds < GOAL_CELLS else "NO"
        print(
            f"| 100,000 noisy cells, {mechanism.name} ({mechanism.library}) "
            f"| {seconds:.2f} s ({cpu:.2f} s CPU) | below {GOAL_CELLS} s | {met} |",
            flush=True,
        )


def in_child(work: str, folder: str, rows: int) -> str:
    """What a process of its own prints: its peak memory is then its own."""
    command = [sys.executable, "-m", "tests.bench_aggregate", "--child", work]
    more = ["--folder", folder, "--rows", str(rows)]
    return subprocess.run([*command, *more], check=True, stdout=subprocess.PIPE, text=True).stdout


def noise_of(mechanism: IntegerMechanism) -> tuple[float, float]:
    """Seconds and CPU seconds of noise for 100,000 cells."""
    start, cpu = time.perf_counter(), time.process_time()
    add_noise(np.zeros(100_000, np.int64), mechanism)
    return time.perf_counter() - start, time.process_time() - cpu


def write_rows(folder: Path, rows: int) -> None:
    """Staged Parquet: learners in two courses each, and their activity, in no order of learners."""
    rng = np.random.default_rng(0)
    who = np.array([f"{number:032x}" for number in rng.permutation(LEARNERS)])
    courses = np.array(COURSES)
    first = rng.choice(ITEMS, LEARNERS, p=popularity())
    of = np.stack([first, (first + rng.integers(1, ITEMS, LEARNERS)) % ITEMS], axis=1)
    people = pl.DataFrame({"id": who, "sex": rng.choice(["F", "M"], LEARNERS)})
    results = pl.DataFrame({"id": np.repeat(who, 2), "course": courses[of.reshape(-1)]})
    weight = rng.gamma(0.7, 1, LEARNERS)
    learner = rng.choice(LEARNERS, rows, p=weight / weight.sum())
    course = of[learner, rng.integers(0, 2, rows)]
    begins = rng.integers(0, WEEKS - 12, LEARNERS)[learner]
    days = 7 * (begins + np.minimum(rng.geometric(0.2, rows), 12)) + rng.integers(0, 7, rows)
    seconds = days * 86_400 + rng.integers(0, 86_400, rows)
    events = pl.DataFrame(
        {
            "id": pl.Series(who)[learner],
            "course": pl.Series(courses)[course],
            "ts": pl.Series(seconds).cast(pl.Duration("us")) * 1_000_000 + FIRST,
        }
    )
    for name, frame in {"people": people, "results": results, "events": events}.items():
        frame.with_row_index(ROW).cast({ROW: pl.Int64}).write_parquet(folder / f"{name}.parquet")


def popularity() -> np.ndarray:
    """Shares of courses, which fall as a power of the rank."""
    chances = 1 / np.arange(1, ITEMS + 1) ** 0.8
    return chances / chances.sum()


def release_rows(folder: Path) -> dict[str, float]:
    """Release the rows of a folder; seconds, and peak memory in GB."""
    keys = 'view = "activity"\nby = ["course", "week"]\ncells = 10'
    queries = [f'type = "learners"\n{keys}', f'type = "events"\n{keys}\nmost = 5']
    weeks = (FIRST.date(), FIRST.date() + timedelta(weeks=WEEKS - 1))
    plan = plan_of(queries, "epsilon = 1", courses=COURSES, weeks=weeks)
    add_noise(np.zeros(1, np.int64), plan.queries[0].measurements[0].mechanism)  # imports
    before, start, cpu = peak(), time.perf_counter(), time.process_time()
    paths = {name: folder / f"{name}.parquet" for name in ("people", "results", "events")}
    tables = {name: pl.scan_parquet(path) for name, path in paths.items()}
    figures = count(tables, plan, fresh_lots(os.urandom))
    counted = time.perf_counter()
    told = release(plan, figures)
    return {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "count": counted - start,
        "noise": time.perf_counter() - counted,
        "cells": told[0].height,
        "gigabytes": peak(),
        "before": before,
    }


def peak() -> float:
    """The peak memory of this process in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
