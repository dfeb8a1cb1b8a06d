"""The example of a synthetic twin on real data: how near it comes, and what it costs."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.functional.test_examples import ROOT, run_example

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(
        not (ROOT / ".venv" / "bin" / "kohort").exists(), reason="the examples need make's .venv"
    ),
]


def test_oulad_twin(shared_data: Path, tmp_path: Path):
    """At epsilon 1: pairs within 0.03, predictions within 0.02 of real ones, charged once.

    Over 10 twins of `python -m tests.bench_twin` the mean over pairs was at most 0.0156, and in
    three runs of this example, which counts the number of rows as a column, 0.019; the AUC was off
    by 0.003 at most. Both limits are far beyond what chance does to them.
    """
    package = run_example("oulad-twin.sh", shared_data / "oulad", tmp_path / "out")
    fidelity = json.loads((package.with_name("package.steward") / "fidelity.json").read_text())
    assert fidelity["two_way"]["mean"] <= 0.03
    assert abs(fidelity["prediction"]["difference"]) <= 0.02
    (family,) = json.loads((tmp_path / "out" / "before.json").read_text())["families"]
    assert 999_900 < family["accounts"][0]["spent"]["micro"] <= 1_000_000
    assert not list(package.rglob("*fidelity*"))
    raw = pl.read_csv(shared_data / "oulad" / "studentInfo.csv")["id_student"].cast(pl.String)
    for name in ("learners", "enrolments"):
        invented = pl.read_parquet(package / "data" / f"{name}.parquet")
        assert not invented["learner"].is_in(raw.implode()).any()
