"""The record of what was done, by whom and when."""

from datetime import datetime

from sqlalchemy import Connection, insert

from pipelines.governance.tables import Action
from pipelines.people import Actor


def record(
    connection: Connection,
    actor: Actor,
    kind: str,
    subject: str,
    *,
    at: datetime,
    detail: str | None = None,
) -> None:
    """Write down who did what; in the transaction of what was done.

    Args:
        connection: in a transaction.
        actor: who.
        kind: what, such as `request.approve`.
        subject: what about; never a learner.
        at: when.
        detail: why or how much; no learner's value.
    """
    row = {"at": at, "actor": actor.name, "login": actor.login, "kind": kind}
    connection.execute(insert(Action), [{**row, "subject": subject, "detail": detail}])
