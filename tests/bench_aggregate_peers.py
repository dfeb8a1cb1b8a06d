"""The same two queries by kohort, OpenDP and Tumult Analytics: error and time; never a test.

`python -m tests.bench_aggregate_peers` makes an environment of its own for each of the others, by
pip; where one does not install or run, a line says so. Distinct learners by course, and a sum by
course of a value clamped to 0 to 20: each at epsilon 1, of learners in at most five courses, as the
bound says, so that the error is of noise alone. Times are from Parquet to noisy figures, without
the start of the interpreter, but with that of whatever engine a library has when first asked.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from anonymizer.dp.noise import add_noise
from pipelines.aggregates.counting import fresh_lots
from tests.countedworld import count, plan_of, release, staged

COURSES = [f"c{number:03d}" for number in range(200)]
CELLS, MOST = 5, 20
LONGEST = 900
"""Seconds that another library may take to install, and to answer."""

OPENDP = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import polars as pl
import opendp.prelude as dp
dp.enable_features("contrib", "honest-but-curious")
rows, courses = pl.scan_parquet(sys.argv[1]), json.loads(sys.argv[2])
keys = pl.LazyFrame({"course": courses})
expressions = {
    "learners": dp.len(signed=True),
    "sum": pl.col("value").fill_null(0).dp.sum((0, 20)),
}
for name, expression in expressions.items():
    start = time.perf_counter()
    context = dp.Context.compositor(
        data=rows,
        privacy_unit=dp.unit_of(contributions=1, identifier="id"),
        privacy_loss=dp.loss_of(epsilon=1.0),
        split_evenly_over=1,
        margins=[dp.polars.Margin(by=["course"], max_length=10_000_000, max_groups=len(courses))],
    )
    # A learner has one row a course here, so that five rows are five courses. Not by
    # truncate_num_groups: in 0.16.0 it fails by default, and with keep="first" it keeps four.
    query = context.query().truncate_per_group(5).group_by("course")
    told = query.agg(expression.alias("told")).with_keys(keys).release().collect()
    seconds = time.perf_counter() - start
    print(json.dumps([name, seconds, told.sort("course")["told"].to_list()]), flush=True)
"""
TUMULT = """
import json, os, sys, time, warnings
warnings.simplefilter("ignore")
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g")
spark = builder.config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
from tmlt.analytics import (
    AddRowsWithID, KeySet, MaxGroupsPerID, MaxRowsPerGroupPerID, PureDPBudget, QueryBuilder, Session
)
courses = json.loads(sys.argv[2])
rows = spark.read.parquet(sys.argv[1])
session = Session.from_dataframe(PureDPBudget(2), "t", rows, protected_change=AddRowsWithID("id"))
bounded = QueryBuilder("t").enforce(MaxGroupsPerID("course", 5))
groups = bounded.enforce(MaxRowsPerGroupPerID("course", 1)).groupby(
    KeySet.from_dict({"course": courses})
)
queries = {
    "learners": groups.count_distinct(["id"], name="told"),
    "sum": groups.sum("value", 0, 20, name="told"),
}
for name, query in queries.items():
    start = time.perf_counter()
    told = session.evaluate(query, PureDPBudget(1)).toPandas().sort_values("course")
    seconds = time.perf_counter() - start
    print(json.dumps([name, seconds, told["told"].tolist()]), flush=True)
"""
PEERS = {
    "OpenDP": ("opendp[polars]==0.16.*", OPENDP),
    "Tumult Analytics": ("tmlt.analytics", TUMULT),
}
Answers = dict[str, tuple[float, list[float]]]


def main() -> None:
    """Ask everybody, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=200_000)
    parser.add_argument("--environments", type=Path, help="where to keep them, or find them again")
    arguments = parser.parse_args()
    print("| library | query | mean absolute error | seconds |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(arguments.learners)
        path = Path(folder) / "rows.parquet"
        rows.write_parquet(path)
        exact = exactly(rows)
        show("kohort", ours(path), exact)
        for name, (requirement, script) in PEERS.items():
            environment = (arguments.environments or Path(folder)) / name.split()[0].lower()
            try:
                show(name, theirs(environment, requirement, script, path), exact)
            except (OSError, subprocess.SubprocessError) as error:
                print(f"| {name} | does not install or run here | | |", flush=True)
                print(reason(error), file=sys.stderr, flush=True)


def show(name: str, answers: Answers, exact: dict[str, np.ndarray]) -> None:
    """A line for each query."""
    for query, (seconds, told) in answers.items():
        error = float(np.abs(np.array(told) - exact[query]).mean())
        print(f"| {name} | {query} | {error:.2f} | {seconds:.2f} |", flush=True)


def reason(error: Exception) -> str:
    """The last line that a failed process wrote."""
    written = getattr(error, "stderr", None) or str(error)
    text = written.decode(errors="replace") if isinstance(written, bytes) else written
    return text.strip().splitlines()[-1]


def rows_of(learners: int) -> pl.DataFrame:
    """One row a learner and course, of one to five courses each; in no order of learners."""
    rng = np.random.default_rng(0)
    each = rng.integers(1, CELLS + 1, learners)
    courses = np.argpartition(rng.random((learners, len(COURSES)), np.float32), CELLS)[:, :CELLS]
    chosen = courses[np.arange(CELLS) < each[:, None]]
    rows = pl.DataFrame(
        {
            "id": pl.Series([f"l{i:07d}" for i in range(learners)])[
                np.repeat(np.arange(learners), each)
            ],
            "course": pl.Series(COURSES)[chosen],
            "value": rng.integers(0, 60, len(chosen)),
        }
    )
    return rows.sample(fraction=1, shuffle=True, seed=0)


def exactly(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """What each query's figures are before noise, by course."""
    by = rows.group_by("course").agg(
        pl.col("id").n_unique().alias("learners"), pl.col("value").clip(0, MOST).sum().alias("sum")
    )
    whole = pl.DataFrame({"course": COURSES}).join(by, on="course", how="left").fill_null(0)
    return {name: whole[name].to_numpy() for name in ("learners", "sum")}


def ours(path: Path) -> Answers:
    """By the pipeline of an aggregate release."""
    keys = f'by = ["course"]\ncells = {CELLS}'
    queries = {
        "learners": f'type = "learners"\n{keys}',
        "sum": f'type = "sum"\n{keys}\nof = "grade"\nnulls = "leave-out"\nbounds = [0, {MOST}]',
    }
    rows = pl.read_parquet(path).rename({"value": "grade"})
    people = rows.select("id").unique().with_columns(pl.lit("F").alias("sex"))
    folder = path.parent
    for name, table in staged({"results": rows, "people": people}).items():
        table.sink_parquet(folder / f"staged-{name}.parquet")
    found: Answers = {}
    for name, query in queries.items():
        plan = plan_of([query], "epsilon = 1", courses=COURSES)
        add_noise(np.zeros(1, np.int64), plan.queries[0].measurements[0].mechanism)  # imports
        start = time.perf_counter()
        tables = {
            one: pl.scan_parquet(folder / f"staged-{one}.parquet")
            for one in ("people", "results", "events")
        }
        (told,) = release(plan, count(tables, plan, fresh_lots(os.urandom)))
        seconds = time.perf_counter() - start
        found[name] = (seconds, told[name].to_list()[: len(COURSES)])
    return found


def theirs(environment: Path, requirement: str, script: str, path: Path) -> Answers:
    """By another library, in an environment of its own.

    Raises:
        OSError: or subprocess.SubprocessError: it does not install or run.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        run(sys.executable, "-m", "venv", str(environment))
        run(str(python), "-m", "pip", "install", "--quiet", requirement)
    said = run(str(python), "-c", script, str(path), json.dumps(COURSES))
    lines = [json.loads(line) for line in said.splitlines() if line.startswith('["')]
    return {name: (seconds, told) for name, seconds, told in lines}


def run(*command: str) -> str:
    """What a command prints."""
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LONGEST)
    return done.stdout


if __name__ == "__main__":
    main()
