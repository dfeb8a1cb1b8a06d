"""The demo, and the same synthetic platform through other doors."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from pipelines.cli.main import main
from pipelines.demo import REQUEST
from pipelines.governance.database import create_registry
from pipelines.settings import SourceSettings, create_workspace, find_workspace
from pipelines.synthetic import write_rights, write_world
from synth.world import make_world
from tests.reference.promise import smallest_class

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUASI = ("country_cd", "educational_attainment", "reported_or_inferred_gender")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def classes(package: Path) -> int:
    """The smallest class of a course-scoped package of the platform, recounted."""
    tables = {"enrolments": pl.read_parquet(package / "data" / "enrolments.parquet")}
    return smallest_class(tables, scope="course", quasi=QUASI, item="course_id")


def test_the_demo_walks_the_whole_story(tmp_path: Path):
    """From consent over a refusal, an approval and an erasure to a package that recounts."""
    output = run("demo", "--out", str(tmp_path / "demo"), "--learners", "2000")
    told = iter(output.splitlines())
    for step in (
        "imports what 2,000 synthetic learners permit",
        "the policy refuses it: request: purpose: the policy admits: research; release.enrolments:",
        "r.lee@uni.example mends and submits it",
        "s.ahn@platform.example approves just that",
        "built, verified and recorded as release",
        "erases a learner who asks for it; to be recalled: release",
        "recalls release",
        "rebuilt without that learner as release",
        "finds the learner's pseudonyms in the first package, and not in the second",
        "is destroyed",
        str(tmp_path / "demo" / "rebuilt"),
        "at least 5 distinct learners",
    ):
        assert any(step in line for line in told), step
    for name in ("package", "rebuilt"):
        assert classes(tmp_path / "demo" / name) >= 5
        run("verify", str(tmp_path / "demo" / name))
    listed = run("release", "list", "--workspace", str(tmp_path / "demo" / "workspace"),
                 "--as", "r.lee@uni.example")  # fmt: skip
    assert sorted(line.split()[1] for line in listed.splitlines()) == ["recalled", "served"]


def test_the_demo_overwrites_nothing(tmp_path: Path):
    """A folder that exists is left alone."""
    result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 8
    assert "exists already" in result.output


def test_parquet_and_sqlite_give_the_same_extract(tmp_path: Path):
    """The same platform as a folder and as a database: equal but for the pseudonyms."""
    world = make_world(2000, courses=3, seed=1)
    folder = write_world(world, tmp_path / "parquet", fmt="parquet")
    database = write_world(world, tmp_path / "sqlite", fmt="sqlite")
    locations = {"folder": str(folder), "database": f"sqlite:///{database}"}
    sources = {
        n: SourceSettings(family="coursera", location=where) for n, where in locations.items()
    }
    create_workspace(tmp_path / "ws", local=True, sources=sources)
    create_registry(find_workspace(tmp_path / "ws").database)
    write_rights(world, tmp_path / "rights.csv", seed=1)
    workspace = ("--workspace", str(tmp_path / "ws"))
    run("rights", "import", str(tmp_path / "rights.csv"), *workspace)
    found = []
    for name in sources:
        request = tmp_path / f"{name}.toml"
        request.write_text(REQUEST.replace('"platform"', f'"{name}"'))
        run("build", str(request), "--out", str(tmp_path / name / "package"), *workspace)
        table = pl.read_parquet(tmp_path / name / "package" / "data" / "enrolments.parquet")
        found.append(table.drop("learner").sort(pl.all()))
    assert found[0].equals(found[1])
    assert found[0].height > 0


@pytest.mark.parametrize("seed", [1, 2])
def test_staff_are_not_learners(tmp_path: Path, seed: int):
    """No instructor of a synthetic course stands among its learners' classes."""
    world = make_world(1000, courses=2, seed=seed)
    staff = world["course_memberships"].filter(course_membership_role="INSTRUCTOR")
    assert staff.height
    folder = write_world(world, tmp_path / "p", fmt="parquet")
    run("init", str(tmp_path / "ws"), "--local", "--source", f"platform=coursera:{folder}")
    workspace = ("--workspace", str(tmp_path / "ws"))
    run("rights", "import", "--all-in", "platform", "--state", "granted", "--legal-basis",
        "published-dataset", "--note", "synthetic", *workspace)  # fmt: skip
    request = tmp_path / "request.toml"
    request.write_text(REQUEST)
    run("build", str(request), "--out", str(tmp_path / "package"), *workspace)
    learners = world["course_memberships"].filter(course_membership_role="LEARNER")
    pairs = learners.join(staff, on=["synth_user_id", "course_id"], how="anti")
    released = pl.read_parquet(tmp_path / "package" / "data" / "enrolments.parquet")
    assert released.height <= pairs.select("synth_user_id", "course_id").n_unique()
