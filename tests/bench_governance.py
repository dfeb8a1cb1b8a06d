"""`make bench-governance`: rights of a million learners, and the gate, on both databases.

Each line is measured in a process of its own, for its peak memory. PostgreSQL is left out where no
server can be started. Never part of the tests.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sqlalchemy import URL, make_url

from pipelines.gate import Shown, left_out
from pipelines.governance.audit import verify_chain
from pipelines.governance.database import create_registry, open_registry
from pipelines.governance.registry_keys import rotate_registry_key
from pipelines.governance.rights import import_rights
from pipelines.keys import registry_key
from pipelines.people import EVERY_DUTY, Actor
from pipelines.permitted import permitted
from pipelines.requested import plan_request, read_request
from pipelines.settings import SourceSettings, create_workspace, find_workspace
from pipelines.views import COURSE, LEARNER
from tests.postgres import running_server

COLUMNS = (
    *("learner_id", "purpose", "scope", "state", "legal_basis", "jurisdiction"),
    *("notice_version", "effective_from", "effective_to", "source"),
)
REQUEST = """
title = "Bench"
researcher = "r.lee@uni.example"
purpose = "research"
source = "oulad"
[release]
type = "microdata"
pseudonyms = "{scope}"
learners = ["gender"]
enrolments = ["code_module"]
"""
ACTOR = Actor("bench", "bench", EVERY_DUTY)


def write_rights(file: Path, learners: int) -> int:
    """A grant of everybody, and a withdrawal of one in fifty."""
    ids = pl.Series("learner_id", [f"learner{i:09d}" for i in range(learners)])
    drawn = random.Random(1)
    grants = pl.DataFrame({"learner_id": ids}).with_columns(
        pl.lit("research").alias("purpose"),
        pl.lit("*").alias("scope"),
        pl.lit("granted").alias("state"),
        pl.lit("consent").alias("legal_basis"),
        pl.Series("jurisdiction", drawn.choices(["EU", "US", "IN"], k=learners)),
        pl.lit("v1").alias("notice_version"),
        pl.lit("2024-01-01").alias("effective_from"),
        pl.lit("").alias("effective_to"),
        pl.lit("portal").alias("source"),
    )
    withdrawn = grants.gather_every(50).with_columns(
        pl.lit("withdrawn").alias("state"), pl.lit("2024-02-01").alias("effective_from")
    )
    both = pl.concat([grants, withdrawn]).select(COLUMNS)
    both.write_csv(file)
    return both.height


def measured(work: Callable[[], object]) -> str:
    """What it took: wall and CPU seconds, and how much the peak of memory rose."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{wall:.1f} s, {cpu:.1f} s CPU, peak {peak // 1024:,} MB ({before // 1024:,} before)"


def bench_import(folder: Path, url: str, _: int) -> str:
    """A rights file into a new registry."""
    engine = create_registry(make_url(url))
    key = registry_key(folder / "ws")
    at = datetime.now(UTC)
    return measured(
        lambda: import_rights(
            engine, folder / "rights.csv", registry_key=key, received_at=at, actor=ACTOR
        )
    )


def bench_eligible(folder: Path, url: str, learners: int, scope: str = "course") -> str:
    """Who of the learners, with 1.4 courses each, permits the purpose."""
    workspace = find_workspace(folder / "ws")
    if url.startswith("postgresql"):
        workspace = replace(workspace, server=url)
    plan = plan_request(read_request(REQUEST.format(scope=scope)), workspace)
    ids = pl.Series([f"learner{i:09d}" for i in range(learners)])
    courses = pl.Series([f"c{i % 20}" for i in range(learners)])
    more = int(learners * 0.4)
    pairs = pl.concat(
        [
            pl.DataFrame({LEARNER: ids, COURSE: courses}),
            pl.DataFrame({LEARNER: ids.head(more), COURSE: courses.slice(1, more)}),
        ]
    ).sort(pl.all())
    return measured(lambda: permitted(pairs, plan, workspace, cut_off=datetime.now(UTC)))


def bench_audit(_: Path, url: str, __: int) -> str:
    """The whole chain, and every row that it answers for."""
    return measured(lambda: verify_chain(open_registry(make_url(url))))


def bench_rotate(folder: Path, url: str, _: int) -> str:
    """Every digest of the registry under a new layer; the chain is checked first."""
    engine, at = open_registry(make_url(url)), datetime.now(UTC)
    return measured(
        lambda: rotate_registry_key(
            engine, folder / "ws", randomness=os.urandom, actor=ACTOR, at=at, reason="a bench"
        )
    )


def bench_gate(_: Path, __: str, learners: int, m: str = "1") -> str:
    """A new release beside two live ones, a thousand learners gone since."""
    drawn = np.random.default_rng(1)
    digests = pl.Series([drawn.bytes(32).hex() for _ in range(learners)])
    classes = drawn.integers(0, 200, learners)
    who = np.repeat(np.arange(learners), 1 + drawn.binomial(1, 0.4, learners))
    items = drawn.integers(0, 20, len(who))
    rows = np.unique(np.stack([who, items], 1), axis=0)
    knows = {"1": 1, "2": 2}.get(m, "full")

    members = pl.DataFrame(
        {
            "learner": digests[rows[:, 0]],
            "item": pl.Series(rows[:, 1]).cast(pl.String),
            "class_number": pl.Series(classes[rows[:, 0]]).cast(pl.Int64),
        }
    )
    everybody = Shown(5, knows, None, "code_module", members)
    nobody = replace(everybody, members=members.clear())
    on = ["learner", "item"] if knows == 1 else ["learner"]

    def left(release: Shown, live: list[Shown], present: pl.DataFrame) -> Shown:
        out = left_out(live, release, present=present, generator=drawn)
        return replace(release, members=release.members.join(out, on=on, how="anti"))

    present = members.select("learner", "item")
    first = left(everybody, [nobody], present)
    gone = digests.gather(drawn.choice(learners, 1000, replace=False))
    stays = ~pl.col("learner").is_in(gone.implode())
    new = replace(everybody, members=first.members.filter(stays))
    return measured(lambda: left(new, [first, first], present.filter(stays)))


BENCHES: dict[str, Callable[[Path, str, int], str]] = {
    "import of a rights file": bench_import,
    "eligibility, course scope": bench_eligible,
    "eligibility, release scope": lambda f, u, n: bench_eligible(f, u, n, "release"),
    "audit of the whole chain": bench_audit,
    "rotation of the registry key": bench_rotate,
    "gate, 2 live, m = 1": bench_gate,
    "gate, 2 live, m = full": lambda f, u, n: bench_gate(f, u, n, "full"),
}


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """The name and the address of each database that can be had."""
    sqlite = URL.create("sqlite", database=str(folder / "ws" / "kohort.sqlite"))
    found = {"SQLite": sqlite.render_as_string()}
    try:
        with running_server() as server, server.database() as url:
            yield found | {"PostgreSQL": url.render_as_string(hide_password=False)}
    except pytest.skip.Exception as error:
        print(f"PostgreSQL is left out: {error}")
        yield found


def main() -> None:
    """Measure, and print a table; or, called by itself, one line of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=1_000_000)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, folder, url = arguments.one
        print(BENCHES[name](Path(folder), url, arguments.learners))
        return
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        source = SourceSettings(family="oulad", location=str(folder))
        create_workspace(folder / "ws", local=True, sources={"oulad": source})
        lines = write_rights(folder / "rights.csv", arguments.learners)
        print(f"{arguments.learners:,} learners, {lines:,} lines of rights; gate: 300,000 learners")
        with databases(folder) as found:
            for name in BENCHES:
                for database, url in found.items():
                    _line(name, database, folder, url, arguments.learners)


def _line(name: str, database: str, folder: Path, url: str, learners: int) -> None:
    gate = name.startswith("gate")
    if gate and database != "SQLite":
        return
    number = str(min(learners, 300_000) if gate else learners)
    command = [sys.executable, "-m", "tests.bench_governance", "--learners", number]
    done = subprocess.run(
        [*command, "--one", name, str(folder), url], capture_output=True, text=True, check=False
    )
    told = done.stdout.strip() or f"failed: {done.stderr.strip().splitlines()[-1:]}"
    print(f"| {name}{'' if gate else ', ' + database} | {told} |", flush=True)


if __name__ == "__main__":
    main()
