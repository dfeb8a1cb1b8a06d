"""What every noisy release goes through: charged before a row is aggregated, published after it.

Aggregates and synthetic twins alike spend a budget that is never given back once rows were read.
"""

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from pipelines.errors import STAYS_SPENT, KohortError, PrivacyError, RegistryError
from pipelines.governance import ledger
from pipelines.governance.chain import Head
from pipelines.governance.releases import (
    NewNoisyRelease,
    published,
    refuse_later_rights,
    reserve_noisy,
    served_for,
)
from pipelines.permitted import Permitted
from pipelines.plan import Concern
from pipelines.running import Run
from pipelines.steward import APPROVAL_FILE
from pipelines.store import keep, package_digest
from pipelines.verify import AggregateVerification, SyntheticVerification, verify_package
from schemas.sharing import expires_on

_Verification = TypeVar("_Verification", AggregateVerification, SyntheticVerification)


@dataclass(frozen=True, slots=True)
class Noisy:
    """A noisy release before it is counted.

    Attributes:
        kind: what its package holds.
        plan: what is built.
        rights: whose rows may be used.
        inputs: the hash of all that it is made from: the version of the data.
        draws: all that will be drawn.
        libraries: what draws noise, and whatever else makes figures of it.
    """

    kind: Literal["aggregate", "synthetic"]
    plan: Concern
    rights: Permitted
    inputs: str
    draws: tuple[ledger.PlannedDraw, ...]
    libraries: Sequence[str]


def charged(run: Run, noisy: Noisy) -> ledger.Reserved:
    """Charge all that will be drawn, to every account at once.

    Raises:
        KohortError: the budget does not hold as much, or the request was answered meanwhile.
    """
    request, family = noisy.plan.request, noisy.plan.family
    charge = ledger.NewCharge(
        id=run.release,
        family=family.family,
        id_column=family.learner,
        version=noisy.inputs,
        snapshot_at=run.now,
        request=request.sha256(),
        purpose=ledger.as_subject(request.purpose),
        recipient=ledger.as_subject(request.researcher),
        draws=noisy.draws,
        code_version=importlib.metadata.version("kohort"),
        libraries=_versions(noisy.libraries),
    )
    answer = ledger.reserve(run.registry, charge, run.workspace.policy, actor=run.actor, at=run.now)
    if isinstance(answer, ledger.Stored):  # by another workspace, since the registry was asked
        raise RegistryError(
            f"release {answer.id} answered the same request meanwhile; run it again, and that is "
            "given out"
        )
    return answer


@contextmanager
def counting(run: Run) -> Iterator[None]:
    """Rows are read from here on: whatever goes wrong, the message says what it cost.

    Raises:
        RegistryError: rights are on record that the build passed over; nothing is spent then.
    """
    # Whoever took back a permission while the budget was charged is not read; nothing is spent yet.
    refuse_later_rights(run.registry, run.now)
    ledger.begin_reading(run.registry, run.release, actor=run.actor, at=run.now)
    try:
        yield
    except KohortError as error:
        raise type(error)(f"{error}; {STAYS_SPENT}") from None
    except Exception as error:
        error.add_note(STAYS_SPENT)  # the command line says so, and nothing else of it
        raise


def verified_noisy(run: Run, kind: type[_Verification]) -> _Verification:
    """The checker's word on the written package, held against what the ledger has on record.

    Raises:
        PrivacyError: it refuses it.
    """
    found = verify_package(run.place.package, run.place.steward / APPROVAL_FILE)
    if not isinstance(found, kind) or not found.ok:
        failing = ", ".join(check.name for check in found.checks if not check.ok)
        raise PrivacyError(
            f"the checker refuses what was built ({failing}); nothing is released; this is a fault "
            "of kohort: please report it"
        )
    return found


def publish_noisy(run: Run, noisy: Noisy, *, seen: Head) -> Head:
    """Record the release, commit its charge, keep a copy, and publish it.

    The release first: a charge that is committed, and has no release on record, would be charged
    anew by the next build of the request, which nobody could tell from a second draw.

    Args:
        run: where its package lies.
        noisy: what it is.
        seen: the head of the chain before rights were read.

    Returns:
        The head of the chain.
    """
    new = _new_release(run, noisy)
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


def _new_release(run: Run, noisy: Noisy) -> NewNoisyRelease:
    request = noisy.plan.request
    access = request.release.access
    return NewNoisyRelease(
        scope=noisy.kind,
        id=run.release,
        request=request.sha256(),
        title=request.title,
        researcher=request.researcher,
        purpose=request.purpose,
        source=request.source,
        family=noisy.plan.family.family,
        access=access,
        jurisdictions=noisy.rights.jurisdictions,
        inputs_sha256=noisy.inputs,
        data_version=noisy.inputs,
        package_sha256=package_digest(run.place.package),
        cut_off=run.now,
        created_at=run.now,
        expires_on=expires_on(run.workspace.policy, access, run.now.date()),
    )


def _versions(libraries: Sequence[str]) -> Mapping[str, str]:
    return {name: importlib.metadata.version(name) for name in libraries}
