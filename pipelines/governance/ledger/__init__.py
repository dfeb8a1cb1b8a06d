"""The budget ledger: what differential privacy was promised of a family, and what is spent of it.

A build charges all that it will draw before it reads a row (`reserve`), records that it begins to
read (`begin_reading`), and then what came of it (`commit`, `give_up`).
"""

from pipelines.governance.ledger.draws import charged_draws
from pipelines.governance.ledger.forecast import Forecast, forecast
from pipelines.governance.ledger.reserving import reserve
from pipelines.governance.ledger.statement import (
    AccountStatement,
    ChargeStatement,
    FamilyStatement,
    families_on_record,
    statement,
)
from pipelines.governance.ledger.steps import (
    begin_reading,
    commit,
    give_up,
    lose,
    orphaned,
    settle,
)
from pipelines.governance.ledger.values import (
    ANY_OTHER,
    Amount,
    ChargeState,
    NewCharge,
    PlannedDraw,
    Regime,
    Reserved,
    Scope,
    Stored,
    as_subject,
)

__all__ = [
    "ANY_OTHER",
    "AccountStatement",
    "Amount",
    "ChargeState",
    "ChargeStatement",
    "FamilyStatement",
    "Forecast",
    "NewCharge",
    "PlannedDraw",
    "Regime",
    "Reserved",
    "Scope",
    "Stored",
    "as_subject",
    "begin_reading",
    "charged_draws",
    "commit",
    "families_on_record",
    "forecast",
    "give_up",
    "lose",
    "orphaned",
    "reserve",
    "settle",
    "statement",
]
