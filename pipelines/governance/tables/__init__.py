"""The tables of the workspace's database: what makes a release permitted.

Rows are only ever added: a state is what the events say, and every row is sealed by the audit chain
(`pipelines.governance.chain`). Learners are known by digest alone. The schema is laid by the
migrations.
"""

from pipelines.governance.tables.audit import Action, ChainHead
from pipelines.governance.tables.base import (
    DIGEST_LENGTH,
    RELEASE_ID_LENGTH,
    SALT_LENGTH,
    Base,
    Governed,
    Salted,
    UtcDateTime,
)
from pipelines.governance.tables.budget import (
    Account,
    AccountCeiling,
    Charge,
    ChargeEvent,
    DataFamily,
    DatasetVersion,
    Draw,
    Spend,
)
from pipelines.governance.tables.keys import KEY_ID_LENGTH, KeyEvent
from pipelines.governance.tables.releases import (
    AGGREGATE,
    NO_ITEM,
    SYNTHETIC,
    Release,
    ReleaseClass,
    ReleaseEvent,
    ReleaseMember,
)
from pipelines.governance.tables.requests import Request, RequestEvent
from pipelines.governance.tables.rights import RightsRecord

__all__ = [
    "AGGREGATE",
    "DIGEST_LENGTH",
    "KEY_ID_LENGTH",
    "NO_ITEM",
    "RELEASE_ID_LENGTH",
    "SALT_LENGTH",
    "SYNTHETIC",
    "Account",
    "AccountCeiling",
    "Action",
    "Base",
    "ChainHead",
    "Charge",
    "ChargeEvent",
    "DataFamily",
    "DatasetVersion",
    "Draw",
    "Governed",
    "KeyEvent",
    "Release",
    "ReleaseClass",
    "ReleaseEvent",
    "ReleaseMember",
    "Request",
    "RequestEvent",
    "RightsRecord",
    "Salted",
    "Spend",
    "UtcDateTime",
]
