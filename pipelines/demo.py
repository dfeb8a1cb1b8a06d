"""The demo: one extract's whole life, from consent to the rebuild after an erasure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from pipelines.build import Built, build
from pipelines.errors import OutputError, PrivacyError, RequestError
from pipelines.governance.absence import pseudonyms_of, write_absent
from pipelines.governance.database import create_registry, open_registry
from pipelines.governance.erasure import erase
from pipelines.governance.registry_keys import record_registry_key, registry_key_of
from pipelines.governance.releases import confirm, members, recall, release
from pipelines.governance.requests import approve, submit
from pipelines.governance.rights import import_rights, registry_digests
from pipelines.people import Actor, Duty
from pipelines.requested import plan_request
from pipelines.settings import SourceSettings, Workspace, create_workspace, find_workspace
from pipelines.store import discard_ended
from pipelines.synthetic import write_rights, write_world
from pipelines.verify import verify_package
from synth.world import make_world

SEED: Final = 20261123
COURSES: Final = 12

PEOPLE: Final[Mapping[str, tuple[Duty, ...]]] = {
    "r.lee@uni.example": (Duty.RESEARCHER,),
    "s.ahn@platform.example": (Duty.STEWARD,),
    "e.diaz@platform.example": (Duty.ENGINEER,),
}
_RESEARCHER, _STEWARD, _ENGINEER = PEOPLE

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

FIRST_TRY: Final = (
    REQUEST.replace('purpose = "research"', 'purpose = "marketing"')
    .replace("active_weeks", "active_week")
    .replace("k = 5", "k = 3")
)
"""What a researcher might write who has not read the policy."""


@dataclass(frozen=True, slots=True)
class Walked:
    """What the demo left behind: the extract, and the one rebuilt after a learner was erased."""

    first: Built
    rebuilt: Built


def run_demo(
    out: Path,
    *,
    learners: int,
    now: datetime,
    login: str,
    randomness: Callable[[int], bytes],
    progress: Callable[[str], None],
    say: Callable[[str], None],
) -> Walked:
    """Walk the whole way: consent, a request, its approval, the build, an erasure, the rebuild.

    Args:
        out: a new folder for everything.
        learners: how many learners the platform has.
        now: the moment of it all.
        login: the account it runs under.
        randomness: a source of n secret random bytes.
        progress: told the name of each step of the builds.
        say: told what happens, line by line.

    Raises:
        KohortError: `out` exists, or a step fails.
    """
    if out.exists():
        raise OutputError(f"{out} exists already; remove it, or choose another --out")
    workspace, people = _platform(out, learners, login=login, now=now, progress=progress, say=say)
    _request(out, workspace, people, now=now, say=say)

    def built(name: str) -> Built:
        return build(
            REQUEST,
            workspace,
            out / name,
            actor=people[_ENGINEER],
            now=now,
            randomness=randomness,
            progress=progress,
        )

    first = built("package")
    found = first.verification
    say(
        f"built, verified and recorded as release {first.release}: k = {found.k_promised} "
        f"promised, {found.k_found} found"
    )
    learner = _somebody(out, workspace, first)
    _erase(workspace, learner, first, actor=people[_STEWARD], now=now, say=say)
    rebuilt = built("rebuilt")
    say(f"rebuilt without that learner as release {rebuilt.release}; it may stand beside the first")
    _absent(workspace, learner, (first, rebuilt), say=say)
    registry = open_registry(workspace.database)
    confirm(registry, first.release, recipient=_RESEARCHER, actor=people[_STEWARD], at=now)
    say(f"{_RESEARCHER} confirms that release {first.release} is destroyed")
    return Walked(first, rebuilt)


def _platform(
    out: Path,
    learners: int,
    *,
    login: str,
    now: datetime,
    progress: Callable[[str], None],
    say: Callable[[str], None],
) -> tuple[Workspace, dict[str, Actor]]:
    """A platform of synthetic learners, its workspace, and what its learners permit."""
    progress("make synthetic learners")
    world = make_world(learners, courses=COURSES, seed=SEED)
    source = SourceSettings(family="coursera", location=str((out / "platform").resolve()))
    create_workspace(out / "workspace", local=False, sources={"platform": source}, people=PEOPLE)
    write_world(world, out / "platform", fmt="parquet")
    workspace = find_workspace(out / "workspace")
    people = {name: workspace.actor(name, login=login) for name in PEOPLE}
    progress("record consent")
    write_rights(world, out / "rights.csv", seed=SEED)
    registry = create_registry(workspace.database)
    record_registry_key(registry, workspace.root, actor=people[_ENGINEER], at=now)
    imported = import_rights(
        registry,
        out / "rights.csv",
        registry_key=registry_key_of(registry, workspace.root),
        received_at=now,
        actor=people[_STEWARD],
    )
    counts = ", ".join(f"{count:,} {state}" for state, count in imported.counts.items())
    say(f"{_STEWARD} imports what {learners:,} synthetic learners permit: {counts}")
    return workspace, people


def _request(
    out: Path,
    workspace: Workspace,
    people: Mapping[str, Actor],
    *,
    now: datetime,
    say: Callable[[str], None],
) -> None:
    """A request: refused by the policy, mended, and approved by another person."""
    registry = open_registry(workspace.database)
    researcher, steward = people[_RESEARCHER], people[_STEWARD]
    try:
        submit(registry, FIRST_TRY, workspace, judge=plan_request, actor=researcher, at=now)
    except RequestError as error:
        say(f"{_RESEARCHER} submits a request, and the policy refuses it: {error}")
    (out / "request.toml").write_text(REQUEST, encoding="utf-8")
    sha256 = submit(registry, REQUEST, workspace, judge=plan_request, actor=researcher, at=now)
    say(f"{_RESEARCHER} mends and submits it: {sha256[:12]}")
    approve(
        registry,
        sha256,
        workspace,
        judge=plan_request,
        reason="within the policy, and the study is registered",
        actor=steward,
        at=now,
    )
    say(f"{_STEWARD} approves just that")


def _somebody(out: Path, workspace: Workspace, built: Built) -> str:
    """A learner of the release; here the demo plays the learner who writes to the platform."""
    ids = pl.scan_parquet(out / "platform" / "users.parquet").select(pl.first()).collect()
    known = ids.to_series().cast(pl.String).sort()
    registry = open_registry(workspace.database)
    digests = registry_digests(known, registry_key_of(registry, workspace.root))
    shown = members(registry, built.release)["learner"]
    found: str = known.filter(digests.is_in(shown.implode()))[0]
    return found


def _erase(
    workspace: Workspace,
    learner: str,
    built: Built,
    *,
    actor: Actor,
    now: datetime,
    say: Callable[[str], None],
) -> None:
    """A learner is erased; the releases that hold him are listed and recalled."""
    registry = open_registry(workspace.database)
    erased = erase(
        registry,
        workspace,
        learner,
        actor=actor,
        at=now,
        registry_key=registry_key_of(registry, workspace.root),
        reason="asked by letter",
    )
    listed = ", ".join(one.id for one in erased.releases)
    say(f"{_STEWARD} erases a learner who asks for it; to be recalled: release {listed}")
    recalled = recall(registry, built.release, reason="a learner was erased", actor=actor, at=now)
    discard_ended(workspace.root, recalled)
    say(f"{_STEWARD} recalls release {built.release}: it is never given out again")


def _absent(
    workspace: Workspace,
    learner: str,
    packages: tuple[Built, Built],
    *,
    say: Callable[[str], None],
) -> None:
    """The learner is in the first package, and not in the second: the checker says so."""
    registry = open_registry(workspace.database)
    holds = []
    for built in packages:
        file = built.package.with_name(f"absent-{built.release}.json")
        named = pseudonyms_of(
            workspace, release(registry, built.release), [learner], package=built.package
        )
        write_absent(file, built.release, named)
        holds.append(verify_package(built.package, absent=file).ok)
    if holds != [False, True]:
        raise PrivacyError(
            "the erased learner is not where he was expected; this is a fault of kohort: please "
            "report it"
        )
    say("the checker finds the learner's pseudonyms in the first package, and not in the second")
