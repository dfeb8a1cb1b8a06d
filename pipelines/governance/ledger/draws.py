"""What is on record of a charge's draws: what a checker holds a package's own words against."""

from typing import Literal, cast

from sqlalchemy import Connection, Engine, select

from anonymizer.dp.accounting import Cost
from anonymizer.errors import CoreError
from pipelines.errors import RegistryError
from pipelines.governance.database import translated
from pipelines.governance.ledger.values import PlannedDraw
from pipelines.governance.tables import Draw


def charged_draws(engine: Engine, charge_id: str) -> tuple[PlannedDraw, ...]:
    """The draws of a charge, as they were planned when it was reserved and in that order.

    Args:
        engine: the registry.
        charge_id: which; in any state.

    Raises:
        RegistryError: there is none of this id, its record holds what is no draw, or the registry
            can't be read.
    """
    with translated(engine), engine.connect() as connection:
        found = _draws(connection, charge_id)
    if not found:  # a charge has at least one
        raise RegistryError("charge: there is none of this id; see `kohort budget show`")
    return found


def _draws(connection: Connection, charge_id: str) -> tuple[PlannedDraw, ...]:
    rows = connection.execute(
        select(
            Draw.mechanism,
            Draw.scale,
            Draw.l0,
            Draw.linf,
            Draw.norm,
            Draw.micro_epsilon,
            Draw.micro_rho,
            Draw.atto_delta,
        )
        .where(Draw.charge == charge_id)
        .order_by(Draw.id)
    )
    try:
        return tuple(
            # `PlannedDraw` says whether it is one of the norms.
            PlannedDraw(
                mechanism,
                scale,
                l0,
                linf,
                cast('Literal["L1", "L2"]', norm),
                Cost(micro_epsilon, micro_rho, atto_delta),
            )
            for mechanism, scale, l0, linf, norm, micro_epsilon, micro_rho, atto_delta in rows
        )
    except (ValueError, CoreError, TypeError, AttributeError):
        raise RegistryError(
            f"charge {charge_id}: its record holds what is no draw; see `kohort audit verify`"
        ) from None
