"""A new aggregate release: charged, counted, drawn, written, verified, published; in this order."""

from typing import Final

from pipelines.aggregates.counting import exact_figures, fresh_lots
from pipelines.aggregates.describe import planned_draws
from pipelines.aggregates.pack import pack_aggregate, write_aggregate_steward
from pipelines.aggregates.plan import AggregatePlan
from pipelines.aggregates.tables import noisy_tables
from pipelines.governance import ledger
from pipelines.governance.chain import Head
from pipelines.noisy import Noisy, charged, counting, publish_noisy, verified_noisy
from pipelines.noisy_files import NoisyBuilding, Stamp
from pipelines.permitted import Permitted
from pipelines.reading import Source
from pipelines.running import Run
from pipelines.store import package_digest
from pipelines.verify import AggregateVerification
from pipelines.views import permit

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
    building = NoisyBuilding(plan, rights, Stamp(inputs, run.release, moment, seen.hash))
    noisy = Noisy("aggregate", plan, rights, inputs, planned_draws(plan), _LIBRARIES)
    quarantine = source.staged.quarantine
    run.progress("charge the budget")
    paid = charged(run, noisy)
    run.progress("count")
    with counting(run):
        own = permit(source.tables, plan, rights.allowed)
        exact = exact_figures(own, plan, quarantine, fresh_lots(run.randomness))
        run.progress("draw noise")
        tables = noisy_tables(plan, exact, paid=paid)
        run.progress("write")
        pack_aggregate(tables, building, run.workspace.policy, run.place.package)
        budget = run.workspace.policy.budget
        assert budget is not None
        write_aggregate_steward(
            run.place.steward,
            building,
            charged=ledger.charged_draws(run.registry, run.release),
            package_sha256=package_digest(run.place.package),
            quarantine=quarantine,
            delta=budget.delta,
        )
        run.progress("verify")
        verification = verified_noisy(run, AggregateVerification)
        return verification, publish_noisy(run, noisy, seen=seen)
