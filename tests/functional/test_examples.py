"""The examples on real data, recounted by a slow, separate counter."""

import json
import subprocess
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from tests.reference.promise import broken_shares, groups, rarest_combination, smallest_class

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
    for name, m in [("pairs", 2), ("sets", "full")]:
        linked(package.with_name(name), m=m, rows=31_284, learners=28_785)
    local = package.with_name("local")
    rows = held(local, (*quasi, "imd_band"), "code_module", ["final_result"], ["final_result"])
    for _, of_group in rows.group_by(*quasi, "imd_band", "code_module"):
        there = rows.filter(code_module=of_group["code_module"][0])["final_result"]
        assert furthest(of_group["final_result"], there) <= Fraction(3, 10)
    for name in ("package", "pairs", "sets", "local"):
        figures = package.with_name(f"{name}.steward")
        attack = json.loads((figures / "risk.json").read_text())["attack"]
        assert {told["identified"]["share"] for told in attack.values()} == {0.0}
        utility = json.loads((figures / "utility.json").read_text())
        assert utility["learners_affected"] <= 0.05 * 28_785
    (passed,) = json.loads((package.with_name("pairs.steward") / "bias.json").read_text())[
        "statistics"
    ]
    everybody, *by_gender = passed["found"]
    assert [group["group"] for group in by_gender] == ["F", "M"]
    assert everybody["before"] == pytest.approx(0.4916, abs=1e-4)


def linked(package: Path, *, m, rows: int, learners: int):
    """Recount k and l = 2 of a package in which one pseudonym links a learner's modules."""
    tables = {p.stem: pl.read_parquet(p) for p in (package / "data").glob("*.parquet")}
    quasi = ("gender", "age_band", "highest_education", "region")
    shown = defaultdict(set)
    for learner, _, result in tables["enrolments"].iter_rows():
        shown[learner] |= {result} - {"*"}
    for members, _ in groups(tables, m=m, quasi=quasi, item="code_module"):
        assert len(members) >= 5
        showing = [shown[learner] for learner in members if shown[learner]]
        # The worst choice shows one value only where one value is everybody's.
        assert not showing or not set.intersection(*showing)
    assert tables["learners"].height >= 0.95 * learners
    assert tables["enrolments"].height >= 0.95 * 0.95 * rows


def furthest(values: pl.Series, everybody: pl.Series) -> Fraction:
    """The equal-distance EMD of two columns of values."""
    one, all_ = Counter(values), Counter(everybody)
    return (
        sum(
            (abs(Fraction(one[v], len(values)) - Fraction(all_[v], len(everybody))) for v in all_),
            Fraction(0),
        )
        / 2
    )


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


def noisy_figures(package: Path, table: str, *keys: str) -> dict:
    """Keys -> (value, half-width) of a table's first figure."""
    frame = pl.read_parquet(package / "data" / f"{table}.parquet")
    value = next(name for name in frame.columns if name not in keys)
    return {row[:-2]: row[-2:] for row in frame.select(*keys, value, f"{value}_half_width").rows()}


def near(told: dict, true: dict) -> bool:
    """Whether all figures are within six half-widths: noise is out with 0.05^6 = 2e-8 a cell."""
    assert true.keys() <= told.keys()
    return all(abs(value - true.get(key, 0)) <= 6 * width for key, (value, width) in told.items())


def test_oulad_aggregate(shared_data: Path, tmp_path: Path):
    """Noisy figures of OULAD are near a plain count; the second build spends nothing."""
    source = shared_data / "oulad"
    package = run_example("oulad-aggregate.sh", source, tmp_path / "out")
    spent = json.loads((tmp_path / "out" / "after.json").read_text())["families"][0]
    assert [charge["state"] for charge in spent["charges"]] == ["committed"]
    info = pl.read_csv(source / "studentInfo.csv")
    learners = info.select("id_student", "code_module").unique()
    counts = dict(learners.group_by("code_module").len().rows())
    told = noisy_figures(package, "by_module", "code_module")
    assert near(told, {(module,): number for module, number in counts.items()})
    clicks = pl.read_csv(source / "studentVle.csv")
    weeks = clicks.select("id_student", week=pl.col("date") // 7).unique().group_by("week").len()
    # Nobody in the part of the file that is shared is active in more than 40 weeks.
    assert near(
        noisy_figures(package, "active_by_week", "week"),
        {(f"week {week}",): number for week, number in weeks.rows() if -4 <= week <= 38},
    )


def test_coursera_aggregate(shared_data: Path, tmp_path: Path):
    """Gaussian noise under zCDP on the sample export; the second build spends nothing."""
    export = shared_data / "coursera_export" / "fake_course_7051862327916.zip"
    package = run_example("coursera-aggregate.sh", export, tmp_path / "out")
    told = noisy_figures(package, "learners", "course_id", "country_cd")
    # Nine learners of the sample have a profile; each stands in one course and continent.
    assert len(told) == 2 * 9
    deviation = sum(width**2 for _, width in told.values()) ** 0.5
    assert abs(sum(value for value, _ in told.values()) - 9) <= 4 * deviation  # 7.8 sigma
