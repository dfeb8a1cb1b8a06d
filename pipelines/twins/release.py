"""A new synthetic twin: charged, counted, drawn, fitted, sampled, verified, published.

Everything that is told of learners goes through the noise: what comes after it, the model and the
invented learners among them, is made of noisy figures and of chance, and costs nothing more.
"""

from typing import Final

import numpy as np

from pipelines.aggregates.counting import fresh_lots
from pipelines.errors import SettingsError
from pipelines.governance import ledger
from pipelines.governance.chain import Head
from pipelines.noisy import Noisy, charged, counting, publish_noisy, verified_noisy
from pipelines.noisy_files import NoisyBuilding, Stamp
from pipelines.permitted import Permitted
from pipelines.reading import Source
from pipelines.running import Run
from pipelines.sources.quarantine import Quarantine
from pipelines.store import package_digest
from pipelines.twins.describe import planned_draws
from pipelines.twins.measuring import exact_marginals, measured, noisy_marginals
from pipelines.twins.pack import pack_twin, write_twin_steward
from pipelines.twins.plan import TwinPlan
from pipelines.twins.records import labelled, records_of
from pipelines.twins.tables import twin_tables, twin_views
from pipelines.verify import SyntheticVerification
from pipelines.views import LEARNER, assemble, permit
from synth.fidelity import fidelity_of
from synth.fidelity_prediction import Target
from synth.twin import fit, sample
from synth.twin_estimate import TwinError, demand_mbi

_LIBRARIES: Final = ("diffprivlib", "opendp", "numpy", "mbi", "jax")
"""What draws noise, makes arrays of it, and fits a model to them."""

_SEED_BYTES: Final = 16


def make_twin(
    run: Run, plan: TwinPlan, source: Source, rights: Permitted, inputs: str, *, seen: Head
) -> tuple[SyntheticVerification, Head]:
    """Build a new synthetic twin, ready to be handed over; as `make_aggregate`.

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
        SettingsError: the extra `twin` is not installed; nothing is charged then.
    """
    _demand_extra()
    moment = run.now.isoformat(timespec="seconds")
    building = NoisyBuilding(plan, rights, Stamp(inputs, run.release, moment, seen.hash))
    noisy = Noisy("synthetic", plan, rights, inputs, planned_draws(plan), _LIBRARIES)
    run.progress("charge the budget")
    paid = charged(run, noisy)
    run.progress("count")
    with counting(run):
        put_aside = Quarantine()
        own = permit(source.tables, plan, rights.allowed)
        real = labelled(assemble(own, plan, put_aside, own_keys=True), plan)
        exact = exact_marginals(records_of(real, plan, fresh_lots(run.randomness)), plan)
        run.progress("draw noise")
        marginals = noisy_marginals(plan, exact, paid=paid)
        run.progress("invent learners")
        chance = np.random.default_rng(int.from_bytes(run.randomness(_SEED_BYTES)))
        sampled = sample(fit(measured(marginals), plan.shape), chance)
        run.progress("write")
        invented = twin_tables(sampled, plan, run.randomness)
        pack_twin(marginals, invented, building, run.workspace.policy, run.place.package)
        fidelity = fidelity_of(
            real,
            twin_views(sampled, plan),
            key=LEARNER,
            item=plan.shape.item,
            statistics=plan.request.release.statistics,
            target=_target(plan),
            rng=chance,
        )
        budget = run.workspace.policy.budget
        assert budget is not None
        source.staged.quarantine.absorb(put_aside)
        write_twin_steward(
            run.place.steward,
            building,
            fidelity,
            charged=ledger.charged_draws(run.registry, run.release),
            package_sha256=package_digest(run.place.package),
            quarantine=source.staged.quarantine,
            delta=budget.delta,
        )
        run.progress("verify")
        verification = verified_noisy(run, SyntheticVerification)
        return verification, publish_noisy(run, noisy, seen=seen)


def _demand_extra() -> None:
    """Refuse what could not be finished, while nothing is charged yet."""
    try:
        demand_mbi()
    except TwinError as error:
        raise SettingsError(str(error)) from None


def _target(plan: TwinPlan) -> Target | None:
    """What is predicted in the fidelity report: the first statistic that was declared."""
    first = next(iter(plan.request.release.statistics), None)
    return None if first is None else Target(first.column, first.values)
