"""What becomes of a charge: rows are read, and it is committed; or it is refunded, or lost.

Nothing is refunded once rows were read: what was seen of them can't be unseen.
"""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, select

from pipelines.errors import RegistryError
from pipelines.governance.chain import Change, changing
from pipelines.governance.database import translated
from pipelines.governance.ledger.values import ACTIVE, ChargeState, is_digest
from pipelines.governance.tables import Charge, ChargeEvent
from pipelines.people import Actor

_RECORDED: Final = {
    ChargeState.READING: "budget.read",
    ChargeState.COMMITTED: "budget.commit",
    ChargeState.REFUNDED: "budget.refund",
    ChargeState.LOST: "budget.lose",
}


class ChargeStanding(NamedTuple):
    """A charge and what it is now.

    Attributes:
        by: who reserved it.
        result_sha256: of what was drawn; None unless it is committed.
    """

    id: str
    state: ChargeState
    by: str
    result_sha256: str | None


def begin_reading(engine: Engine, charge_id: str, *, actor: Actor, at: datetime) -> None:
    """Record that rows are read for a charge from here on; before the first one is.

    Raises:
        RegistryError: it is not reserved.
    """
    with changing(engine) as change:
        _demand(change.connection, charge_id, ChargeState.RESERVED)
        _become(change, charge_id, ChargeState.READING, actor=actor, at=at)


def commit(
    engine: Engine, charge_id: str, *, result_sha256: str, actor: Actor, at: datetime
) -> None:
    """Record that a charge's draws were made, and what they were.

    Raises:
        ValueError: the result's hash is none.
        RegistryError: no row was read for it, or it has ended.
    """
    if not is_digest(result_sha256):
        raise ValueError("result_sha256: a SHA-256 in hex was expected")
    with changing(engine) as change:
        _demand(change.connection, charge_id, ChargeState.READING)
        _become(change, charge_id, ChargeState.COMMITTED, actor=actor, at=at, result=result_sha256)


def give_up(
    engine: Engine, charge_id: str, *, reason: str, actor: Actor, at: datetime
) -> ChargeState:
    """End a charge that nothing comes of.

    Args:
        engine: the registry.
        charge_id: which.
        reason: why; it names no learner.
        actor: who builds.
        at: when.

    Returns:
        `REFUNDED` where no row was read, else `LOST`.

    Raises:
        RegistryError: it has ended.
    """
    with changing(engine) as change:
        state = _demand(change.connection, charge_id, *ACTIVE)
        return _end(change, charge_id, state, reason=reason, actor=actor, at=at)


def settle(engine: Engine, charge_id: str, *, actor: Actor, at: datetime) -> None:
    """End the charge of a build that died; where it has ended, or there is none, nothing happens.

    Whoever calls it knows that the build is dead.
    """
    with changing(engine) as change:
        found = charge_states(change.connection, Charge.id == charge_id)
        if found and found[0].state in ACTIVE:
            _end(change, charge_id, found[0].state, reason="its build died", actor=actor, at=at)


def orphaned(engine: Engine) -> tuple[str, ...]:
    """The charges that are active, oldest first: each has a build that is under way, or is none's.

    Whoever calls it knows which builds are under way.
    """
    with translated(engine), engine.connect() as connection:
        return tuple(one.id for one in charge_states(connection) if one.state in ACTIVE)


def lose(engine: Engine, charge_id: str, *, reason: str, actor: Actor, at: datetime) -> None:
    """End an active charge whose build nobody knows any more: it is lost, and never refunded.

    Not even from `reserved`: where the registry was restored from a backup, the build may have read
    rows after that was made.

    Args:
        engine: the registry.
        charge_id: which.
        reason: why; it names no learner.
        actor: who says so.
        at: when.

    Raises:
        RegistryError: there is none of that id, or it has ended.
    """
    with changing(engine) as change:
        _demand(change.connection, charge_id, *ACTIVE)
        _become(change, charge_id, ChargeState.LOST, actor=actor, at=at, reason=reason)


def charge_states(connection: Connection, *criteria: ColumnElement[bool]) -> list[ChargeStanding]:
    """The charges that meet all criteria, each with what it is now; oldest first."""
    events = connection.execute(
        select(Charge.id, ChargeEvent.kind, ChargeEvent.actor, ChargeEvent.result_sha256)
        .join(Charge, Charge.id == ChargeEvent.charge)
        .where(*criteria)
        .order_by(ChargeEvent.id)
    )
    found: dict[str, ChargeStanding] = {}
    for charge_id, kind, actor, result in events:
        by = found[charge_id].by if charge_id in found else actor
        found[charge_id] = ChargeStanding(charge_id, ChargeState(kind), by, result)
    return list(found.values())


def _demand(connection: Connection, charge_id: str, *expected: ChargeState) -> ChargeState:
    found = charge_states(connection, Charge.id == charge_id)
    if not found:
        raise RegistryError("charge: there is none of this id; see `kohort budget show`")
    state = found[0].state
    if state not in expected:
        wanted = " or ".join(sorted(expected))
        raise RegistryError(
            f"charge {charge_id} is {state}, where {wanted} was expected; see `kohort budget show`"
        )
    return state


def _end(
    change: Change, charge_id: str, state: ChargeState, *, reason: str, actor: Actor, at: datetime
) -> ChargeState:
    refunded = state is ChargeState.RESERVED
    ending = ChargeState.REFUNDED if refunded else ChargeState.LOST
    _become(change, charge_id, ending, actor=actor, at=at, reason=reason)
    return ending


def _become(
    change: Change,
    charge_id: str,
    state: ChargeState,
    *,
    actor: Actor,
    at: datetime,
    result: str | None = None,
    reason: str | None = None,
) -> None:
    row = {"charge": charge_id, "kind": state.value, "at": at, "actor": actor.name}
    change.add(ChargeEvent, {**row, "result_sha256": result, "reason": reason})
    change.record(actor, _RECORDED[state], charge_id, at=at, detail=reason)
