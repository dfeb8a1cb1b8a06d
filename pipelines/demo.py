"""The demo: the whole way from a synthetic platform to a verified package."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from pipelines.build import Built, build
from pipelines.errors import OutputError
from pipelines.governance.database import create_registry
from pipelines.governance.rights import import_rights
from pipelines.keys import registry_key
from pipelines.settings import SourceSettings, create_workspace, find_workspace
from pipelines.synthetic import write_rights, write_world
from synth.world import make_world

SEED: Final = 20261123
COURSES: Final = 12

REQUEST: Final = """\
title = "Passing by education and country"
researcher = "r.lee@uni.example"
purpose = "research"
source = "platform"

[release]
type = "microdata"
access = "controlled"
pseudonyms = "course"
learners = ["country_cd", "educational_attainment", "reported_or_inferred_gender"]
enrolments = ["course_id", "passing_state", "active_weeks"]

[release.privacy]
k = 5
suppression_limit = 0.05
"""


def run_demo(
    out: Path,
    *,
    learners: int,
    now: datetime,
    randomness: Callable[[int], bytes],
    progress: Callable[[str], None],
) -> Built:
    """Make a platform of synthetic learners, record their consent, and build an extract.

    Args:
        out: a new folder for everything.
        learners: how many learners the platform has.
        now: the moment of the build.
        randomness: a source of n secret random bytes.
        progress: told the name of each step.

    Raises:
        KohortError: `out` exists, or a step fails.
    """
    if out.exists():
        raise OutputError(f"{out} exists already; remove it, or choose another --out")
    progress("make synthetic learners")
    world = make_world(learners, courses=COURSES, seed=SEED)
    source = SourceSettings(family="coursera", location=str((out / "platform").resolve()))
    create_workspace(out / "workspace", local=True, sources={"platform": source})
    write_world(world, out / "platform", fmt="parquet")
    progress("record consent")
    workspace = find_workspace(out / "workspace")
    write_rights(world, out / "rights.csv", seed=SEED)
    import_rights(
        create_registry(workspace.database),
        out / "rights.csv",
        registry_key=registry_key(workspace.root),
        received_at=now,
    )
    (out / "request.toml").write_text(REQUEST, encoding="utf-8")
    return build(
        REQUEST,
        workspace,
        out / "package",
        now=now,
        randomness=randomness,
        progress=progress,
    )
