"""Releases: what was built, for whom, whom it shows, and what became of it."""

from pipelines.governance.releases.actions import (
    confirm,
    destroy_key,
    due,
    expire,
    recall,
    share,
)
from pipelines.governance.releases.recording import (
    failed,
    given_again,
    published,
    refuse_later_rights,
    reserve,
    reserve_noisy,
)
from pipelines.governance.releases.registry import (
    MEMBER_SCHEMA,
    members,
    recode_text,
    release,
    releases,
    releases_of,
    served_again,
    served_for,
)
from pipelines.governance.releases.state import (
    NewNoisyRelease,
    NewRelease,
    ReleaseHappening,
    ReleaseState,
    ReleaseStatus,
)

__all__ = [
    "MEMBER_SCHEMA",
    "NewNoisyRelease",
    "NewRelease",
    "ReleaseHappening",
    "ReleaseState",
    "ReleaseStatus",
    "confirm",
    "destroy_key",
    "due",
    "expire",
    "failed",
    "given_again",
    "members",
    "published",
    "recall",
    "recode_text",
    "refuse_later_rights",
    "release",
    "releases",
    "releases_of",
    "reserve",
    "reserve_noisy",
    "served_again",
    "served_for",
    "share",
]
