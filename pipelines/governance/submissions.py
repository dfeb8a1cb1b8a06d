"""What was submitted, and what became of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NoReturn

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from pipelines.errors import RegistryError
from pipelines.governance.chain import Change
from pipelines.governance.database import translated
from pipelines.governance.tables import Request, RequestEvent
from schemas.policy import Policy, policy_sha256
from schemas.request import ExtractRequest


class RequestState(StrEnum):
    """What a request is, and the event that made it so."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done with a request.

    Attributes:
        reason: why; None of what needs none.
        waived: the sensitive columns that an approval leaves without a bound.
        policy_sha256: of the policy that it was judged by.
    """

    kind: RequestState
    at: datetime
    actor: str
    reason: str | None
    waived: frozenset[str]
    policy_sha256: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A request that was submitted, and what became of it.

    Attributes:
        text: the file, as it was first submitted.
        steps: oldest first; the first is its submission.
    """

    sha256: str
    title: str
    researcher: str
    purpose: str
    source: str
    text: str
    steps: tuple[Step, ...]

    @property
    def state(self) -> RequestState:
        """The kind of the last step."""
        return self.steps[-1].kind

    @property
    def waived(self) -> frozenset[str]:
        """The sensitive columns that need no bound; none unless it is approved."""
        return self.steps[-1].waived

    def in_force(self, policy: Policy) -> bool:
        """Whether it is approved, and under this policy: what that fills in was approved too."""
        same = self.steps[-1].policy_sha256 == policy_sha256(policy)
        return self.state is RequestState.APPROVED and same


def requests(engine: Engine, *, state: RequestState | None = None) -> list[Submission]:
    """The requests, or those of one state; in the order of their first submission.

    Raises:
        RegistryError: the registry can't be read.
    """
    found = _read(engine, None)
    return [each for each in found if state is None or each.state is state]


def known(engine: Engine, sha256: str) -> Submission | None:
    """The request of this hash, if it was ever submitted.

    Raises:
        RegistryError: the registry can't be read.
    """
    return next(iter(_read(engine, sha256)), None)


def show(engine: Engine, sha256: str) -> Submission:
    """The request of this hash.

    Raises:
        RegistryError: there is none.
    """
    found = known(engine, sha256)
    if found is None:
        raise RegistryError(
            f"request {sha256[:12]}: was never submitted; submit it with `kohort request submit`"
        )
    return found


def find(engine: Engine, prefix: str) -> str:
    """The hash that starts so.

    Args:
        engine: the registry.
        prefix: hex digits, at least 6; the fewer, the likelier two requests start so.

    Raises:
        RegistryError: none does, or several do.
    """
    starts = Request.sha256.startswith(prefix, autoescape=True)
    with translated(engine), engine.connect() as connection:
        found = connection.scalars(select(Request.sha256).where(starts).limit(2)).all()
    if len(found) != 1:
        fault = "several requests start so; give more digits" if found else "no request starts so"
        raise RegistryError(f"{fault}; see `kohort request list`")
    return found[0]


def keep(change: Change, request: ExtractRequest, text: str) -> None:
    """Store the request, unless it is there already."""
    sha256 = request.sha256()
    if change.connection.scalar(select(Request.sha256).where(Request.sha256 == sha256)) is None:
        values = {
            "sha256": sha256,
            "title": request.title,
            "researcher": request.researcher,
            "purpose": request.purpose,
            "source": request.source,
            "text": text,
        }
        change.add(Request, values)


def add(change: Change, sha256: str, step: Step, *, after: Sequence[RequestState | None]) -> None:
    """Add an event, if the last one lets it."""
    last = change.connection.scalar(
        select(RequestEvent.kind)
        .where(RequestEvent.request == sha256)
        .order_by(RequestEvent.id.desc())
        .limit(1)
    )
    if (None if last is None else RequestState(last)) not in after:
        _refuse(sha256, last, step.kind)
    values = {
        "request": sha256,
        "kind": step.kind.value,
        "at": step.at,
        "actor": step.actor,
        "reason": step.reason,
        "waived": json.dumps(sorted(step.waived)) if step.kind is RequestState.APPROVED else None,
        "policy_sha256": step.policy_sha256,
    }
    change.add(RequestEvent, values)


def _refuse(sha256: str, last: str | None, kind: RequestState) -> NoReturn:
    raise RegistryError(
        f"request {sha256[:12]}: is {last}, so it can't become {kind}; "
        f"see `kohort request show {sha256[:12]}`"
    )


def _read(engine: Engine, sha256: str | None) -> list[Submission]:
    """One request, or all of them."""
    query = select(Request, RequestEvent).join_from(Request, RequestEvent)
    if sha256 is not None:
        query = query.where(Request.sha256 == sha256)
    steps: dict[str, list[Step]] = {}
    kept: dict[str, Request] = {}
    with translated(engine), Session(engine) as session:
        for request, event in session.execute(query.order_by(RequestEvent.id)):
            kept[request.sha256] = request
            steps.setdefault(request.sha256, []).append(_step(event))
        return [
            Submission(
                sha256=request.sha256,
                title=request.title,
                researcher=request.researcher,
                purpose=request.purpose,
                source=request.source,
                text=request.text,
                steps=tuple(steps[request.sha256]),
            )
            for request in kept.values()
        ]


def _step(event: RequestEvent) -> Step:
    return Step(
        kind=RequestState(event.kind),
        at=event.at,
        actor=event.actor,
        reason=event.reason,
        waived=frozenset(json.loads(event.waived or "[]")),
        policy_sha256=event.policy_sha256,
    )
