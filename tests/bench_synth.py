"""`python -m tests.bench_synth`: what synthetic worlds cost to make and write; never a test.

The platform is that of the preset `mooc`, but with 2.4 registrations a learner, not 1.41: so a
million learners have 2.4 million enrolments and some 20 million rows of progress. Each line is a
process of its own, from its start to its end: times hold the imports, peak memory is its own.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

import pytest

from pipelines.synthetic import Order, make_raw
from pipelines.worlds.destinations import Database, Destination, Files
from synth.presets import parse_preset, world_parts
from tests.postgres import running_server

REGISTRATIONS = 2.4
GOAL_SECONDS, GOAL_GIGABYTES = 60, 4
FORMATS = ("parquet", "coursera-zip", "csv", "sqlite", "postgresql")
NAMES = {"made": "made, not written"}


def main() -> None:
    """Make and write worlds, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=1_000_000)
    parser.add_argument("--others", type=int, default=100_000, help="learners in other formats")
    parser.add_argument("--child", choices=("made", *FORMATS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        print(json.dumps(measured(arguments.child, arguments.learners, arguments.folder)))
        return
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| learners | written as | rows | of these progress | size | time | CPU | peak memory |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    enrolments = line("made", arguments.learners)
    reached = line("parquet", arguments.learners)
    for fmt in FORMATS:
        line(fmt, arguments.others)
    goal = f"to Parquet below {GOAL_SECONDS} s and {GOAL_GIGABYTES} GB: {reached}"
    print(f"\n{arguments.learners:,} learners, {enrolments}; {goal}")


def line(what: str, learners: int) -> str:
    """One line of the table, from a process of its own; what is to be said of it below."""
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        environment = dict(os.environ)
        if what == "postgresql":
            try:
                server = opened.enter_context(running_server())
            except pytest.skip.Exception as absent:
                print(f"| {learners:,} | {what} | {absent} | | | | | |", flush=True)
                return ""
            url = opened.enter_context(server.database())
            environment["BENCH_URL"] = url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", "tests.bench_synth", "--child", what]
        command += ["--learners", str(learners), "--folder", folder]
        start = time.perf_counter()
        ran = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        seconds = time.perf_counter() - start
    found = json.loads(ran.stdout)
    size = f"{found['bytes'] / 1e6:,.0f} MB" if found["bytes"] else ""
    print(
        f"| {learners:,} | {NAMES.get(what, what)} | {sum(found['rows'].values()):,} "
        f"| {found['rows']['course_progress']:,} | {size} | {seconds:.0f} s "
        f"| {found['cpu']:.0f} s | {found['peak']:.2f} GB |",
        flush=True,
    )
    if what == "made":
        return f"{found['enrolments']:,} enrolments"
    within = seconds < GOAL_SECONDS and found["peak"] < GOAL_GIGABYTES
    return "yes" if within else "NO"


def measured(what: str, learners: int, folder: Path) -> dict[str, object]:
    """Make a world, write it, and tell rows, bytes, and this process's CPU and peak memory."""
    text = (files("synth") / "preset_files" / "mooc.toml").read_text(encoding="utf-8")
    text, found = re.subn(
        r"^registrations = \{ value = [0-9.]+", f"registrations = {{ value = {REGISTRATIONS}", text,
        flags=re.MULTILINE,
    )  # fmt: skip
    assert found == 1
    order = Order(parse_preset(text, subject="bench"), learners, courses=200, seed=1)
    enrolments = 0
    if what == "made":
        rows: Counter[str] = Counter()
        for part in world_parts(order.preset, learners=learners, courses=200, seed=1):
            rows.update({name: table.height for name, table in part.items()})
            roles = part["course_memberships"]["course_membership_role"]
            enrolments += int((roles == "LEARNER").sum())
    else:
        to: Destination = Files(folder / "world.zip", what)
        if what == "postgresql":
            to = Database(os.environ["BENCH_URL"])
        rows = Counter(make_raw(order, to, rights_file=None, progress=lambda _: None).rows)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": rows,
        "enrolments": enrolments,
        "bytes": sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()),
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss / 1e6,
    }


if __name__ == "__main__":
    main()
