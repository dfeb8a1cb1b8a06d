"""Erasure (GDPR Art. 17): a tombstone for every id of a person, and what others must do.

kohort reads sources and never writes them: the rows there are the platform's to erase, and the
packages their recipients'. A tombstone holds no id, only its digest under the registry's own key,
and keeps the person out of every later build and import, whatever a source still holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Connection, Engine, select

from anonymizer.eligibility import ANY, State
from pipelines.errors import RightsError
from pipelines.governance.chain import changing
from pipelines.governance.identities import Identities, all_ids
from pipelines.governance.registry_keys import demand_key
from pipelines.governance.releases import ReleaseStatus, releases_of
from pipelines.governance.rights import registry_digests
from pipelines.governance.rights_ids import visible_id
from pipelines.governance.rights_statement import names_learner
from pipelines.governance.tables import RightsRecord
from pipelines.people import Actor, Duty
from pipelines.settings import Workspace


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure found and did.

    Attributes:
        identities: the person's ids, and where the platform must erase them.
        recorded: tombstones that were written; 0 where every id had one.
        releases: those that show the person, by any id; aggregates show nobody.
    """

    identities: Identities
    recorded: int
    releases: tuple[ReleaseStatus, ...]


def erase(
    engine: Engine,
    workspace: Workspace,
    learner_id: str,
    *,
    actor: Actor,
    at: datetime,
    registry_key: bytes,
    reason: str,
) -> Erasure:
    """Record that a person is erased, under every id; what is recorded already stays as it is.

    Args:
        engine: the registry.
        workspace: its sources are searched, all of them.
        learner_id: any id of the person.
        actor: a steward.
        at: now.
        registry_key: the registry's.
        reason: why; it stands beside the tombstones, and names nobody.

    Raises:
        RoleError: the actor is no steward.
        RightsError: the reason is empty, or holds an id; or no learner has such an id.
        SourceError: a source can't be searched; nothing is recorded.
        AmbiguousPersonError: the ids may be of several persons; nothing is recorded.
        RegistryError: the key was rotated since it was read; or the registry can't be used.
    """
    actor.must_be(Duty.STEWARD)
    if not reason.strip():
        raise RightsError("--reason: say why, such as the request and its date")
    identities = all_ids(workspace, visible_id(learner_id))
    if names_learner([reason], identities.ids):
        raise RightsError("--reason: holds an id of the learner; say why without it")
    ids = pl.Series(sorted(identities.ids), dtype=pl.String)
    digests = registry_digests(ids, registry_key).to_list()
    with changing(engine) as change:
        demand_key(change, registry_key)
        new = _without_tombstone(change.connection, digests)
        if new:
            for digest in new:
                change.add(RightsRecord, _tombstone(digest, at=at, reason=reason.strip()))
            # No learner is named: the count of ids is all that is told.
            detail = f"{len(new)} of the ids of one learner"
            change.record(actor, "rights.erase", "one learner", at=at, detail=detail)
        # As long as nobody rotates the key: under another one no release would show the learner.
        shown = tuple(releases_of(engine, digests))
    return Erasure(identities, len(new), shown)


def _without_tombstone(connection: Connection, digests: Sequence[str]) -> list[str]:
    query = select(RightsRecord.learner).where(
        RightsRecord.learner.in_(digests), RightsRecord.state == State.ERASED.value
    )
    known = set(connection.scalars(query))
    return [digest for digest in digests if digest not in known]


def _tombstone(digest: str, *, at: datetime, reason: str) -> dict[str, object]:
    return {
        "learner": digest,
        "purpose": ANY,
        "scope": ANY,
        "state": State.ERASED.value,
        "effective_from": at,
        "note": reason,
        "received_at": at,
    }
