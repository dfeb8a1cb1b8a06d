"""`make bench`: where the time of a build goes, as shares of one run. Never part of the tests."""

import argparse
import os
import resource
import tempfile
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from pipelines.demo import run_demo


def main() -> None:
    """Time the steps of the demo at a given size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=100_000)
    learners = parser.parse_args().learners
    marks: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        run_demo(
            Path(folder) / "demo",
            learners=learners,
            now=datetime.now(UTC),
            login="bench",
            randomness=os.urandom,
            progress=lambda step: marks.append((step, time.perf_counter())),
            say=lambda _: None,
        )
    marks.append(("", time.perf_counter()))
    total = marks[-1][1] - marks[0][1]
    print(f"{learners:,} synthetic learners; {total:.1f} s on this machine")
    for (step, start), (_, end) in pairwise(marks):
        print(f"{step:<24}{(end - start) / total:>7.1%}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MB")


if __name__ == "__main__":
    main()
