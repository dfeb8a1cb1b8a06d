"""What a steward does to a release: recall, expire, confirm, share, destroy its key."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Final

import polars as pl
from sqlalchemy import Connection, Engine, select

from pipelines.errors import RegistryError, RequestError
from pipelines.governance.chain import Change, changing
from pipelines.governance.key_events import key_destroyed
from pipelines.governance.registry_keys import demand_key
from pipelines.governance.releases.registry import happened, only, releases, statuses
from pipelines.governance.releases.standing import all_permitted
from pipelines.governance.releases.state import ENDED, PUBLIC, Kind, ReleaseState, ReleaseStatus
from pipelines.governance.submissions import RequestState
from pipelines.governance.tables import RequestEvent
from pipelines.people import Actor, Duty
from schemas.policy import Policy, policy_sha256
from schemas.sharing import recipient_admitted, same_place

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")


def recall(
    engine: Engine, id_prefix: str, *, reason: str, actor: Actor, at: datetime
) -> ReleaseStatus:
    """Take a release back: it is never given out again, and its recipients must destroy it.

    Raises:
        RoleError: the actor is no steward.
        RegistryError: it failed or has ended already, or no reason is given.
    """
    said = stated_reason(reason)
    with _stewarding(engine, actor) as change:
        found = only(change.connection, id_prefix)
        # One that is reserved may be of a build that was killed, and its package out or not.
        if found.state not in {
            ReleaseState.RESERVED,
            ReleaseState.SERVED,
            ReleaseState.SUPERSEDED,
        }:
            raise RegistryError(
                f"release {found.id} is {found.state}; only one that may be out and has not ended "
                "can be recalled"
            )
        happened(change, found.id, Kind.RECALLED, actor=actor, at=at, reason=said)
        change.record(actor, "release.recall", found.id, at=at, detail=said)
        return only(change.connection, found.id)


def due(engine: Engine, today: date) -> list[ReleaseStatus]:
    """The releases that may be kept no longer and are neither recalled nor expired yet."""
    return [one for one in releases(engine) if _is_due(one, today)]


def expire(engine: Engine, *, today: date, actor: Actor, at: datetime) -> list[ReleaseStatus]:
    """End every release that is due; what stays of it in the registry is its tombstone.

    Returns:
        Those that ended now.

    Raises:
        RoleError: the actor is no steward.
    """
    with _stewarding(engine, actor) as change:
        ended = [one.id for one in statuses(change.connection) if _is_due(one, today)]
        for each in ended:
            happened(change, each, Kind.EXPIRED, actor=actor, at=at)
            change.record(actor, "release.expire", each, at=at)
        return [only(change.connection, each) for each in ended]


def confirm(
    engine: Engine, id_prefix: str, *, recipient: str, actor: Actor, at: datetime
) -> ReleaseStatus:
    """Record that a recipient says that he destroyed every copy he had.

    Raises:
        RoleError: the actor is no steward.
        RegistryError: the release is still served, he never had it, or confirmed before.
    """
    who = recipient.strip().casefold()
    with _stewarding(engine, actor) as change:
        found = only(change.connection, id_prefix)
        if found.state not in ENDED:
            raise RegistryError(
                f"release {found.id} is {found.state}; only of one that ended is destruction "
                "confirmed: recall it first"
            )
        if found.access == PUBLIC and who == PUBLIC:
            raise RegistryError(
                f"--recipient: release {found.id} is public; what anybody may have, nobody can "
                "say is destroyed"
            )
        if who not in found.recipients:
            raise RegistryError(
                f"--recipient: not a recipient of release {found.id}; they are: "
                f"{', '.join(found.recipients)}"
            )
        if who not in found.outstanding:
            raise RegistryError(f"--recipient: confirmed for release {found.id} before")
        happened(change, found.id, Kind.DESTROYED, actor=actor, at=at, recipient=who)
        change.record(actor, "release.confirm", found.id, at=at, detail=who)
        return only(change.connection, found.id)


def share(
    engine: Engine,
    id_prefix: str,
    *,
    recipient: str,
    policy: Policy,
    names: pl.DataFrame | None,
    registry_key: bytes,
    by_course: bool,
    actor: Actor,
    at: datetime,
) -> ReleaseStatus:
    """Record that one more recipient gets a release; he must confirm its destruction one day.

    He is where the researcher is: whose rows may go there was decided in the build.

    Args:
        engine: the registry.
        id_prefix: how the release's id starts.
        recipient: his address.
        policy: as it stands.
        names: as in `standing.all_permitted`.
        registry_key: what the names were made under.
        by_course: as in `standing.all_permitted`.
        actor: a steward.
        at: now.

    Raises:
        RoleError: the actor is no steward.
        RegistryError: the release is not served, or public, or past its last day, or an aggregate,
            which is charged to its researcher; or he has it already; its request is not approved
            where it must be, or was taken back; or a learner in it does not permit by now that it
            goes to him; or the key was rotated since.
        RequestError: the policy doesn't admit him, or the purpose; or he is elsewhere than the
            researcher.
    """
    who = recipient.strip()
    with _stewarding(engine, actor) as change:
        demand_key(change, registry_key)
        found = only(change.connection, id_prefix)
        _demand_shareable(change.connection, found, policy, at)
        if not _ADDRESS.fullmatch(who):
            raise RegistryError("ADDRESS: not an address; write one such as r.lee@uni.example")
        if who.casefold() in found.recipients:
            raise RegistryError(f"ADDRESS: has release {found.id} already")
        _demand_admitted(found, who, policy)
        permitted = all_permitted(
            engine, found, policy, who, names=names, by_course=by_course, at=at
        )
        if not permitted:
            raise RegistryError(
                f"release {found.id}: not every learner in it permits that by now; build anew, and "
                "share that"
            )
        name = who.casefold()
        happened(change, found.id, Kind.SHARED, actor=actor, at=at, recipient=name)
        change.record(actor, "release.share", found.id, at=at, detail=name)
        return only(change.connection, found.id)


def destroy_key(
    engine: Engine,
    id_prefix: str,
    *,
    reason: str,
    actor: Actor,
    at: datetime,
    destroy: Callable[[str], None],
) -> ReleaseStatus:
    """Destroy the key of a release: nobody computes its pseudonyms from learners' ids any more.

    The record comes first: where the key's file outlives it, by a kill or a fault, it is removed by
    `key_events.finish_destructions`, and nobody uses it until then.

    Args:
        engine: the registry.
        id_prefix: how the release's id starts.
        reason: why.
        actor: a steward.
        at: when.
        destroy: given the release's id, removes its key; called once the record is committed.

    Raises:
        RoleError: the actor is no steward.
        RegistryError: the release has not ended, has no key (it shows nobody) or none of its own,
            its key is destroyed, or no reason is given.
    """
    said = stated_reason(reason)
    with _stewarding(engine, actor) as change:
        found = only(change.connection, id_prefix)
        if found.shows_nobody:
            raise RegistryError(
                f"release {found.id} is {found.noun}: it shows nobody, so it has no key to destroy"
            )
        if found.state not in ENDED:
            raise RegistryError(
                f"release {found.id} is {found.state}; its key serves rights requests until it has "
                "ended: recall it first"
            )
        if found.project is not None:
            raise RegistryError(
                f"release {found.id} is linked: its pseudonyms are made under the key of its "
                "project, which other releases share; when all of them have ended, run `kohort key "
                f"destroy-project {found.project}`"
            )
        if found.key_destroyed:
            raise RegistryError(f"release {found.id}: its key is destroyed already")
        happened(change, found.id, Kind.KEY_DESTROYED, actor=actor, at=at, reason=said)
        key_destroyed(change, "release", found.id, actor=actor, at=at, reason=said)
        change.record(actor, "release.destroy_key", found.id, at=at, detail=said)
        changed = only(change.connection, found.id)
    destroy(changed.id)
    return changed


def _demand_shareable(
    connection: Connection, found: ReleaseStatus, policy: Policy, at: datetime
) -> None:
    """Refuse a release that nobody else may get any more, whoever he is."""
    if not found.served:
        raise RegistryError(f"release {found.id} is {found.state}; only a served one is shared")
    if found.access == PUBLIC:
        raise RegistryError(f"release {found.id} is public; anybody may have it already")
    if found.is_past(at.date()):
        raise RegistryError(f"release {found.id} is past its last day; `kohort release expire`")
    if found.shows_nobody:
        raise RegistryError(
            f"release {found.id} is {found.noun}: what it tells was charged to its researcher's "
            "account alone; have ADDRESS ask with a request of his own, which is charged to his"
        )
    step = connection.execute(
        select(RequestEvent.kind, RequestEvent.policy_sha256)
        .where(RequestEvent.request == found.request)
        .order_by(RequestEvent.id.desc())
        .limit(1)
    ).first()
    state, under = (None, None) if step is None else tuple(step)
    in_force = state == RequestState.APPROVED and under == policy_sha256(policy)
    closed = state in {RequestState.REJECTED, RequestState.WITHDRAWN}
    if closed or (policy.require_approval and not in_force):
        raise RegistryError(
            f"release {found.id}: its request is {state or 'not submitted'}, under this policy not "
            "approved; have the request approved again, or recall the release"
        )


def _demand_admitted(found: ReleaseStatus, who: str, policy: Policy) -> None:
    """Refuse a recipient to whom the policy, as it stands, lets not all of the release go."""
    if not recipient_admitted(policy, who):
        raise RequestError("ADDRESS: not among the policy's recipients; see policy.toml")
    if not same_place(policy, found.researcher, who):
        raise RequestError(
            f"ADDRESS: the policy has him elsewhere than the researcher of release {found.id}, and "
            "other rows may go there; have him ask with a request of his own"
        )
    if found.purpose not in policy.purposes:
        raise RequestError(f"release {found.id}: the policy admits its purpose no longer")


def _is_due(release: ReleaseStatus, today: date) -> bool:
    over = {ReleaseState.FAILED, ReleaseState.RECALLED, ReleaseState.EXPIRED}
    return release.is_past(today) and release.state not in over


def stated_reason(text: str) -> str:
    """A reason, on one line.

    Raises:
        RegistryError: there is none.
    """
    said = " ".join(text.split())
    if not said or not said.isprintable():
        raise RegistryError("--reason: say why, in a few printable words that name no learner")
    return said


@contextmanager
def _stewarding(engine: Engine, actor: Actor) -> Iterator[Change]:
    """A transaction of a steward: what it reads, decides and writes goes together."""
    actor.must_be(Duty.STEWARD)
    with changing(engine) as change:
        yield change
