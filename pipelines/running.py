"""One build: where it runs, for whom, and what it may draw on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from pipelines.folders import Workplace
from pipelines.governance.requests import Approved
from pipelines.people import Actor
from pipelines.settings import Workspace


@dataclass(frozen=True, slots=True)
class Run:
    """The same for every step of a build.

    Attributes:
        workspace: its sources, policy, registry and keys.
        registry: the workspace's.
        approval: of the request, as it was when the build began.
        actor: who builds.
        now: the moment of the build, and the cut-off of rights.
        randomness: a source of n secret random bytes.
        progress: told the name of each step.
        release: the id that a new release will have.
        place: its private folders.
    """

    workspace: Workspace
    registry: Engine
    approval: Approved
    actor: Actor
    now: datetime
    randomness: Callable[[int], bytes]
    progress: Callable[[str], None]
    release: str
    place: Workplace
