"""A new aggregate release: charged, counted, drawn, written, verified, published; in this order."""

import importlib.metadata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pipelines.aggregates.counting import exact_figures, fresh_lots
from pipelines.aggregates.describe import planned_draws
from pipelines.aggregates.pack import Aggregating, pack_aggregate, write_aggregate_steward
from pipelines.aggregates.plan import AggregatePlan
from pipelines.aggregates.tables import noisy_tables
from pipelines.errors import KohortError, PrivacyError, RegistryError
from pipelines.governance import ledger
from pipelines.governance.chain import Head
from pipelines.governance.releases import (
    NewNoisyRelease,
    published,
    refuse_later_rights,
    reserve_noisy,
    served_for,
)
from pipelines.governance.tables import AGGREGATE
from pipelines.permitted import Permitted
from pipelines.reading import Source
from pipelines.running import Run
from pipelines.steward import APPROVAL_FILE
from pipelines.store import keep, package_digest
from pipelines.verify import AggregateVerification, verify_package
from pipelines.views import permit
from schemas.sharing import expires_on

_LIBRARIES: Final = ("diffprivlib", "opendp", "numpy")
"""What draws noise, and makes arrays of it."""


def make_aggregate(
    run: Run, plan: AggregatePlan, source: Source, rights: Permitted, inputs: str, *, seen: Head
) -> tuple[AggregateVerification, Head]:
    """Build a new aggregate release, ready to be handed over.

    Its budget is on record before the first row is aggregated. Whatever comes in between, that is
    never given back.

    Args:
        run: where and for whom.
        plan: what is built.
        source: its tables, of which nothing was made yet.
        rights: whose rows may be used.
        inputs: the hash of all that it is made from: the version of the data.
        seen: the head of the chain before rights were read.

    Returns:
        What the checker says, and the head of the chain once it is published.

    Raises:
        KohortError: the budget does not hold as much, or something that it rests on changed
            meanwhile.
    """
    moment = run.now.isoformat(timespec="seconds")
    building = Aggregating(plan, rights, inputs, run.release, moment, seen.hash)
    quarantine = source.staged.quarantine
    run.progress("charge the budget")
    paid = _charged(run, plan, inputs)
    run.progress("count")
    # Whoever took back a permission while the budget was charged is not read; nothing is spent yet.
    refuse_later_rights(run.registry, run.now)
    ledger.begin_reading(run.registry, run.release, actor=run.actor, at=run.now)
    with _spent():
        own = permit(source.tables, plan, rights.allowed)
        exact = exact_figures(own, plan, quarantine, fresh_lots(run.randomness))
        run.progress("draw noise")
        tables = noisy_tables(plan, exact, paid=paid)
        run.progress("write")
        manifest = pack_aggregate(tables, building, run.workspace.policy, run.place.package)
        budget = run.workspace.policy.budget
        assert budget is not None
        write_aggregate_steward(
            run.place.steward,
            building,
            manifest,
            charged=ledger.charged_draws(run.registry, run.release),
            quarantine=quarantine,
            delta=budget.delta,
        )
        run.progress("verify")
        verification = _verified(run)
        return verification, _published(run, building, seen)


@contextmanager
def _spent() -> Iterator[None]:
    """Rows are read: whatever goes wrong from here on, the message says what it cost."""
    try:
        yield
    except KohortError as error:
        raise type(error)(f"{error}; what was charged for it stays spent") from None


def _charged(run: Run, plan: AggregatePlan, inputs: str) -> ledger.Reserved:
    """Charge all that will be drawn, to every account at once."""
    request = plan.request
    charge = ledger.NewCharge(
        id=run.release,
        family=plan.family.family,
        id_column=plan.family.learner,
        version=inputs,
        snapshot_at=run.now,
        request=request.sha256(),
        purpose=ledger.as_subject(request.purpose),
        recipient=ledger.as_subject(request.researcher),
        draws=planned_draws(plan),
        code_version=importlib.metadata.version("kohort"),
        libraries=_versions(),
    )
    answer = ledger.reserve(run.registry, charge, run.workspace.policy, actor=run.actor, at=run.now)
    if isinstance(answer, ledger.Stored):  # by another workspace, since the registry was asked
        raise RegistryError(
            f"release {answer.id} answered the same request meanwhile; run it again, and that is "
            "given out"
        )
    return answer


def _versions() -> Mapping[str, str]:
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def _verified(run: Run) -> AggregateVerification:
    """The checker's word on the written package, held against what the ledger has on record."""
    found = verify_package(run.place.package, run.place.steward / APPROVAL_FILE)
    if not isinstance(found, AggregateVerification) or not found.ok:
        failing = ", ".join(check.name for check in found.checks if not check.ok)
        raise PrivacyError(
            f"the checker refuses what was built ({failing}); nothing is released; this is a fault "
            "of kohort: please report it"
        )
    return found


def _published(run: Run, building: Aggregating, seen: Head) -> Head:
    """Record the release, commit its charge, keep a copy, and publish it.

    The release first: a charge that is committed, and has no release on record, would be charged
    anew by the next build of the request, which nobody could tell from a second draw.
    """
    new = _new_release(run, building)
    run.progress("record")
    before = served_for(run.registry, new.request)
    reserve_noisy(run.registry, new, seen=seen, actor=run.actor, at=run.now)
    run.progress("commit the charge")
    ledger.commit(
        run.registry, new.id, result_sha256=new.package_sha256, actor=run.actor, at=run.now
    )
    run.progress("keep a copy")
    place, root = run.place, run.workspace.root
    keep(root, new.id, place.package, place.steward, package_sha256=new.package_sha256)
    run.progress("publish")
    earlier = [one.id for one in before]
    return published(
        run.registry, new.id, seen=seen, actor=run.actor, at=run.now, supersedes=earlier
    )


def _new_release(run: Run, building: Aggregating) -> NewNoisyRelease:
    request = building.plan.request
    access = request.release.access
    return NewNoisyRelease(
        scope=AGGREGATE,
        id=building.release,
        request=request.sha256(),
        title=request.title,
        researcher=request.researcher,
        purpose=request.purpose,
        source=request.source,
        family=building.plan.family.family,
        access=access,
        jurisdictions=building.rights.jurisdictions,
        inputs_sha256=building.inputs,
        data_version=building.inputs,
        package_sha256=package_digest(run.place.package),
        cut_off=run.now,
        created_at=run.now,
        expires_on=expires_on(run.workspace.policy, access, run.now.date()),
    )
