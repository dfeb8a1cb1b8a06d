"""Where a request was answered before on the same data: that is given out again at no cost."""

from datetime import datetime

from sqlalchemy import Connection, or_, select

from pipelines.errors import RegistryError
from pipelines.governance.ledger.steps import charge_states
from pipelines.governance.ledger.values import ACTIVE, ChargeState, NewCharge, Stored
from pipelines.governance.releases import ReleaseState
from pipelines.governance.releases.registry import statuses
from pipelines.governance.tables import Charge, Release


def answered(connection: Connection, charge: NewCharge, *, at: datetime) -> Stored | None:
    """Where the same request was answered on the same version; None: nowhere that still counts.

    A release that was recalled, superseded or expired, or may be kept no longer, is never given out
    again, and one that failed or was never recorded is none: what is drawn for it anew tells more,
    and is charged.

    Args:
        connection: of the transaction that decides.
        charge: what is asked.
        at: now.

    Raises:
        RegistryError: it is about to be answered, or is on record for somebody or something else.
    """
    _demand_same_terms(connection, charge)
    same = charge_states(
        connection,
        Charge.request == charge.request,
        Charge.version == charge.version,
        Charge.family == charge.family,
    )
    for one in same:
        if one.state in ACTIVE:
            raise RegistryError(
                f"the same request is under way on the same data (charge {one.id} is {one.state}); "
                "wait until that build is done, or run `kohort recover` if it died, or, for a "
                f"build that nobody knows, `kohort recover --charge {one.id}`"
            )
    paid = {one.id: one.result_sha256 for one in same if one.state is ChargeState.COMMITTED}
    for release in reversed(statuses(connection, Release.id.in_(paid))):
        if release.state is ReleaseState.RESERVED:
            raise RegistryError(
                f"the same request is under way on the same data (release {release.id} is "
                "reserved); wait until that build is done, or run `kohort recover` if it died, or "
                "recall it"
            )
        result = paid[release.id]
        if release.served and not release.is_past(at.date()) and result is not None:
            return Stored(release.id, result)
    return None


def _demand_same_terms(connection: Connection, charge: NewCharge) -> None:
    """A request says for whom and for what: its hash never goes with others."""
    other = or_(Charge.purpose != charge.purpose, Charge.recipient != charge.recipient)
    query = select(Charge.id).where(Charge.request == charge.request, other).limit(1)
    if (found := connection.scalar(query)) is not None:
        raise RegistryError(
            f"the same request is on record for another purpose or recipient (charge {found}), "
            "which is a fault of the program; report it"
        )
