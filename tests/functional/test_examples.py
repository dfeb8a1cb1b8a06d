"""The examples on real data, recounted by a slow, separate counter."""

import json
import subprocess
from pathlib import Path

import polars as pl
import pytest

from tests.reference.promise import broken_shares, rarest_combination, smallest_class

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(
        not (ROOT / ".venv" / "bin" / "kohort").exists(), reason="the examples need make's .venv"
    ),
]


def run_example(script: str, source: Path, out: Path) -> Path:
    """The package that an example makes; every line of the script must succeed."""
    command = ["bash", str(ROOT / "examples" / script), str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "holds: all" in done.stdout
    return out / "package"


def held(package: Path, quasi, item, values, share):
    """Recount k, combinations and shares of a course-scoped package."""
    tables = {"enrolments": pl.read_parquet(package / "data" / "enrolments.parquet")}
    where = {"scope": "course", "quasi": quasi, "item": item}
    k = json.loads((package / "datapackage.json").read_text())["kohort"]["k"]
    assert smallest_class(tables, **where) >= k == 5
    assert rarest_combination(tables["enrolments"], values=values, item=item) >= k
    shares = dict.fromkeys(share, 0.8)
    assert not broken_shares(tables, **where, shares=shares)
    return tables["enrolments"]


def test_oulad(shared_data: Path, tmp_path: Path):
    """OULAD in, no class below k out; nothing of the source's ids in the package."""
    package = run_example("oulad.sh", shared_data / "oulad", tmp_path / "out")
    quasi = ("gender", "age_band", "highest_education", "region")
    values = ("final_result", "clicks")
    enrolments = held(package, quasi, "code_module", values, ["final_result"])
    # 28,785 learners, 31,284 learner-modules; the request allows 5% of learners to be left out.
    assert 31_284 - 0.05 * 28_785 <= enrolments.height <= 31_284


def test_coursera(shared_data: Path, tmp_path: Path):
    """The sample export in, no class below k out.

    Its ids are scrambled table by table: only nine enrolled learners have a row in `users`.
    """
    export = next((shared_data / "coursera_export").glob("*.zip"))
    package = run_example("coursera.sh", export, tmp_path / "out")
    quasi = ("country_cd", "educational_attainment", "reported_or_inferred_gender")
    values = ("passing_state", "grade", "active_weeks", "items_completed")
    enrolments = held(package, quasi, "course_id", values, ["passing_state", "grade"])
    assert enrolments.height == 9
    counts = (tmp_path / "out" / "package.steward" / "quarantine" / "counts.csv").read_text()
    assert "course_memberships,,no_learner_row,574" in counts


def test_the_examples_ask_for_the_environment_first(tmp_path: Path):
    """Copied away from the repository, an example says what to do."""
    (tmp_path / "examples").mkdir()
    copy = tmp_path / "examples" / "oulad.sh"
    copy.write_text((ROOT / "examples" / "oulad.sh").read_text())
    done = subprocess.run(
        ["bash", str(copy), "a", "b"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "run make demo first\n")
