"""One release, start to finish."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from pipelines.aggregates.plan import AggregatePlan
from pipelines.aggregates.release import make_aggregate
from pipelines.errors import KohortError, RegistryError
from pipelines.extracting import make_extract
from pipelines.folders import hand_over, refuse_inside, target
from pipelines.governance.chain import head
from pipelines.governance.database import open_registry
from pipelines.governance.releases import refuse_later_rights, served_again
from pipelines.governance.requests import approved
from pipelines.governance.tables import RELEASE_ID_LENGTH
from pipelines.locks import building as one_at_a_time
from pipelines.people import Actor, Duty
from pipelines.permitted import Permitted, permitted
from pipelines.publishing import give_again
from pipelines.reading import Source, ViewedSource, read_source, read_tables, refuse_ids
from pipelines.recovery import discard_all_ended, recover, surviving
from pipelines.requested import AnyPlan, plan_request, read_request
from pipelines.running import Run
from pipelines.settings import Workspace
from pipelines.twins.plan import TwinPlan
from pipelines.verify import AggregateVerification, SyntheticVerification, Verification
from pipelines.versions import inputs_sha256
from pipelines.views import LEARNER, occurring

STEPS: Final = (
    "recover",
    "read",
    "conform",
    "wait",
    "keep who permits it",
    "anonymize",
    "write",
    "verify",
    "record",
    "keep the key",
    "keep a copy",
    "publish",
    "hand over to the steward",
    "hand over",
    "tidy up",
)
"""What `progress` is told before each step of a build of new microdata, in this order.

"wait" is told before the build lock is taken, and "record" before the release is reserved. A
project's key is kept by "write": "keep the key" is for a release with a key of its own. Where the
recorded release is given out once more, "give out" follows "keep who permits it", then come both
"hand over" and "tidy up".
"""

AGGREGATE_STEPS: Final = (
    "recover",
    "read",
    "conform",
    "wait",
    "keep who permits it",
    "charge the budget",
    "count",
    "draw noise",
    "write",
    "verify",
    "record",
    "commit the charge",
    "keep a copy",
    "publish",
    "hand over to the steward",
    "hand over",
    "tidy up",
)
"""The same of a new aggregate release.

The charge is on record before "count", which is told before the first learner's row is aggregated,
and thus before "draw noise". Staging rows and hashing them, and looking up who permits what, is no
reading in the budget's sense: nothing that is told depends on what they say.
"""

TWIN_STEPS: Final = (
    *AGGREGATE_STEPS[: AGGREGATE_STEPS.index("write")],
    "invent learners",
    *AGGREGATE_STEPS[AGGREGATE_STEPS.index("write") :],
)
"""The same of a new synthetic twin."""

AnyVerification: TypeAlias = Verification | AggregateVerification | SyntheticVerification
"""What the checker may say."""


@dataclass(frozen=True, slots=True)
class Built:
    """A released package: where it lies, and what the checker said of it.

    Attributes:
        release: how the registry knows it.
        again: whether it was built before, from the same data, and is given out once more.
        head: the hash of the audit chain's head once it was published, or given out again.
    """

    package: Path
    steward: Path
    verification: AnyVerification
    release: str
    again: bool
    head: str


def build(
    request_text: str,
    workspace: Workspace,
    out: Path,
    *,
    actor: Actor,
    now: datetime,
    randomness: Callable[[int], bytes],
    progress: Callable[[str], None],
) -> Built:
    """Build a verified extract, or nothing.

    The same request on the same version of the data gives the recorded release once more. A new
    one is held against all that are out, and is recorded before it appears. Sources are read side
    by side; from asking who permits it to the record one build is at it at a time.

    Args:
        request_text: the request (TOML); approved, where the policy asks for it.
        workspace: its sources, policy, registry and keys.
        out: where the package shall lie; steward-side files go to `OUT.steward` beside it.
        actor: an engineer or a steward.
        now: the moment of the build, with time zone; also the cut-off of rights.
        randomness: a source of n secret random bytes.
        progress: told the name of each step.

    Raises:
        KohortError: the request is refused or not approved, a source can't be read as declared,
            nobody is permitted, the promise can't be met, alone or beside what is out already,
            something that it rests on changed meanwhile, or the output exists. Nothing is written
            then; but where the output can't be written once the release is recorded, the message
            says so, and the next build of the request gives it out.
    """
    actor.must_be(Duty.ENGINEER, Duty.STEWARD)
    root, registry = workspace.root, open_registry(workspace.database)
    request = read_request(request_text)
    approval = approved(registry, request, workspace.policy)
    plan = plan_request(request, workspace, waived=approval.waived)
    progress("recover")
    recover(root, registry, actor=actor, at=now)
    to = target(out)
    refuse_inside(to, root)
    release = randomness(RELEASE_ID_LENGTH // 2).hex()
    with surviving(root, registry, release, to, actor=actor, at=now) as place:
        run = Run(workspace, registry, approval, actor, now, randomness, progress, release, place)
        source = _read(run, plan)
        progress("wait")
        waiting = partial(progress, "wait for another build")
        with one_at_a_time(registry, root, waiting=waiting):
            # Whatever changes from here on is found out when the release is recorded.
            seen = head(registry)
            progress("keep who permits it")
            _refuse_taken_back(run, plan)
            refuse_later_rights(registry, now)
            rights, inputs = _permitted(run, plan, source)
            again = served_again(
                registry, request_sha256=request.sha256(), inputs_sha256=inputs, today=now.date()
            )
            if again is not None:
                progress("give out")
                verification, last = give_again(
                    again, registry, root, place, seen=seen, actor=actor, at=now
                )
            elif isinstance(plan, AggregatePlan):
                verification, last = make_aggregate(run, plan, source, rights, inputs, seen=seen)
            elif isinstance(plan, TwinPlan):
                from pipelines.twins.release import make_twin  # noqa: PLC0415 - heavy

                verification, last = make_twin(run, plan, source, rights, inputs, seen=seen)
            else:
                assert isinstance(source, ViewedSource)
                verification, last = make_extract(run, plan, source, rights, inputs, seen=seen)
        given = release if again is None else again.id
        hand_over(place, to, release=given, progress=progress)
        progress("tidy up")
        with suppress(KohortError):  # then the next build says so
            discard_all_ended(root, registry)
    return Built(
        out,
        out.with_name(to.steward.name),
        verification,
        given,
        again=again is not None,
        head=last.hash,
    )


def _read(run: Run, plan: AnyPlan) -> Source:
    """What is read of the source; nothing is made of it yet where a budget must be charged."""
    if isinstance(plan, AggregatePlan | TwinPlan):
        return read_tables(
            plan.request,
            plan.family,
            plan.needs(),
            run.workspace,
            run.place.staging,
            progress=run.progress,
        )
    return read_source(plan, run.workspace, run.place.staging, progress=run.progress)


def _permitted(run: Run, plan: AnyPlan, source: Source) -> tuple[Permitted, str]:
    """Whose rows may be used, and the hash of all that the release is made from."""
    everybody = occurring(source.tables, plan)
    refuse_ids(plan.request, everybody[LEARNER], source.people)
    rights = permitted(everybody, plan, run.workspace, cut_off=run.now, aliases=source.people)
    inputs = inputs_sha256(
        source.staged,
        plan,
        aliases=source.people,
        rights=rights,
        policy=run.workspace.policy,
        waived=run.approval.waived,
    )
    return rights, inputs


def _refuse_taken_back(run: Run, plan: AnyPlan) -> None:
    """Refuse a request that is approved no longer, or otherwise than when the build began."""
    if approved(run.registry, plan.request, run.workspace.policy) != run.approval:
        raise RegistryError(
            "something changed during the build (request.approve); nothing is released; run it "
            "again"
        )
