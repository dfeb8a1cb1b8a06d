"""Requests and approvals: what was asked, by whom, and who allowed it.

A request is known by the hash of what it asks, so whoever changes it asks anew, and nobody who only
moves a comment does. Its state is its last event:

    submitted -> approved | rejected | withdrawn;  approved -> rejected (revoked) | withdrawn;
    rejected, withdrawn -> submitted
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import Engine

from pipelines.errors import RequestError, RoleError
from pipelines.governance.chain import changing
from pipelines.governance.submissions import RequestState, Step, Submission, add, keep, known, show
from pipelines.people import Actor, Duty
from pipelines.settings import Workspace
from schemas.policy import Policy, policy_sha256
from schemas.request import AnyRequest, ExtractRequest, parse_request
from schemas.violations import SchemaError

_LONGEST_REASON: Final = 1000
_OPEN: Final = (RequestState.SUBMITTED, RequestState.APPROVED)
_CLOSED: Final = (RequestState.REJECTED, RequestState.WITHDRAWN)
"""What can still be taken back."""


@dataclass(frozen=True, slots=True)
class Approved:
    """A request that may be built.

    Attributes:
        waived: the sensitive columns that need no bound.
    """

    waived: frozenset[str]


class Judge(Protocol):
    """Holds a request to the policy, as a build does."""

    def __call__(
        self, request: AnyRequest, workspace: Workspace, *, waived: frozenset[str]
    ) -> object:
        """Let it pass; what is returned is not looked at.

        Raises:
            RequestError: the policy refuses the request; the message lists every violation.
        """


def submit(
    engine: Engine, text: str, workspace: Workspace, *, judge: Judge, actor: Actor, at: datetime
) -> str:
    """Put a request before the stewards.

    What the policy refuses is not kept; that it was tried is.

    Args:
        engine: the registry.
        text: the request (TOML).
        workspace: its policy, and the people it names.
        judge: `plan_request`.
        actor: a researcher: the request's own, where the workspace names people.
        at: when.

    Returns:
        The hash of what is asked.

    Raises:
        RequestError: it breaks its schema or the policy; the message lists every violation.
        RoleError: the actor may not submit it.
        RegistryError: it is submitted or approved already.
    """
    actor.must_be(Duty.RESEARCHER)
    request = _parse(text)
    sha256 = request.sha256()
    if workspace.people and not _same(actor.name, request.researcher):
        raise RoleError(
            f"researcher: {actor.name} submits, but the request names somebody else; "
            "let the researcher submit it"
        )
    try:
        judge(request, workspace, waived=frozenset())
    except RequestError:
        with changing(engine) as change:
            detail = "refused by the policy"
            change.record(actor, "request.submit", sha256, at=at, detail=detail)
        raise
    step = _step(RequestState.SUBMITTED, workspace, actor, at)
    with changing(engine) as change:
        keep(change, request, text)
        add(change, sha256, step, after=[None, RequestState.REJECTED, RequestState.WITHDRAWN])
        change.record(actor, "request.submit", sha256, at=at)
    return sha256


def approve(
    engine: Engine,
    sha256: str,
    workspace: Workspace,
    *,
    judge: Judge,
    reason: str,
    waived: Iterable[str] = (),
    actor: Actor,
    at: datetime,
) -> None:
    """Allow a submitted request to be built.

    Args:
        engine: the registry.
        sha256: the request's hash.
        workspace: its policy, which the request is held to anew.
        judge: `plan_request`.
        reason: why.
        waived: the sensitive columns that need no bound.
        actor: a steward; neither the researcher nor who submitted it.
        at: when.

    Raises:
        RequestError: the policy refuses it by now, the reason says nothing, or what is waived is
            no sensitive column of it.
        RoleError: the actor may not approve it.
        RegistryError: there is no such request, or it is not submitted; one that was approved
            under another policy is approved anew.
    """
    columns = frozenset(waived)
    found = show(engine, sha256)
    _must_decide(actor, found)
    request = _parse(found.text)
    if request.sha256() != sha256:
        raise RequestError(
            f"{sha256[:12]}: reads differently than when it was submitted, by another version of "
            "kohort; have it submitted again"
        )
    judge(request, workspace, waived=columns)
    step = _step(RequestState.APPROVED, workspace, actor, at, reason=_said(reason), waived=columns)
    after = [RequestState.SUBMITTED]
    if found.steps[-1].policy_sha256 != step.policy_sha256:  # what it fills in may differ
        after.append(RequestState.APPROVED)
    _take(engine, sha256, step, "request.approve", actor, after=after)


def reject(
    engine: Engine, sha256: str, workspace: Workspace, *, reason: str, actor: Actor, at: datetime
) -> None:
    """Refuse a request; an approved one is approved no longer.

    Raises:
        RequestError: the reason says nothing.
        RoleError: the actor is no steward, or the researcher, or who submitted it.
        RegistryError: there is no such request, or it is neither submitted nor approved.
    """
    _must_decide(actor, show(engine, sha256))
    step = _step(RequestState.REJECTED, workspace, actor, at, reason=_said(reason))
    _take(engine, sha256, step, "request.reject", actor, after=_OPEN)


def withdraw(
    engine: Engine, sha256: str, workspace: Workspace, *, actor: Actor, at: datetime
) -> None:
    """Take a request back, also an approved one.

    Raises:
        RoleError: the actor is not who submitted it.
        RegistryError: there is no such request, or it is neither submitted nor approved.
    """
    found = show(engine, sha256)
    submitter = [s.actor for s in found.steps if s.kind is RequestState.SUBMITTED][-1]
    if not _same(actor.name, submitter):
        raise RoleError(f"{sha256[:12]}: only {submitter}, who submitted it, can withdraw it")
    step = _step(RequestState.WITHDRAWN, workspace, actor, at)
    _take(engine, sha256, step, "request.withdraw", actor, after=_OPEN)


def approved(engine: Engine, request: ExtractRequest, policy: Policy) -> Approved:
    """Whether a request may be built, as far as approvals go.

    An approval is of what the request says and of what the policy fills in: it is in force as long
    as that policy is. A policy that requires none needs one still for what is waived, and what was
    rejected or withdrawn is not built. Nobody approves a request of his own: in a workspace of one
    person (`init --local`) nothing can be waived.

    Raises:
        RequestError: the policy requires an approval, and none is in force; or the request was
            rejected or withdrawn.
        RegistryError: the registry can't be read.
    """
    sha256 = request.sha256()
    found = known(engine, sha256)
    state = None if found is None else found.state
    if found is not None and found.in_force(policy):
        return Approved(found.waived)
    if not policy.require_approval and state not in _CLOSED:
        return Approved(frozenset())
    raise RequestError(f"request {sha256[:12]}: {_not_approved(state, sha256[:12])}")


def _parse(text: str) -> AnyRequest:
    try:
        return parse_request(text, subject="request")
    except SchemaError as error:
        raise RequestError(str(error)) from None


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _must_decide(actor: Actor, found: Submission) -> None:
    """A steward decides, and about no request of his own."""
    actor.must_be(Duty.STEWARD)
    own = [found.researcher, *(s.actor for s in found.steps if s.kind is RequestState.SUBMITTED)]
    if any(_same(actor.name, name) for name in own):
        raise RoleError(
            f"{found.sha256[:12]}: {actor.name} asks for it, or submitted it; "
            "another steward must decide"
        )


def _said(reason: str) -> str:
    """The reason in one line."""
    said = " ".join(reason.split())
    if not any(c.isalnum() for c in said) or not said.isprintable() or len(said) > _LONGEST_REASON:
        raise RequestError(f"--reason: say why, in at most {_LONGEST_REASON} printable characters")
    return said


def _not_approved(state: RequestState | None, short: str) -> str:
    """Why it is not, and what to do."""
    match state:
        case RequestState.SUBMITTED:
            return (
                "waits for an approval; a steward gives it with "
                f"`kohort request approve {short} --reason TEXT`"
            )
        case RequestState.APPROVED:
            return (
                "was approved under another policy, which may have filled in other terms; a "
                f"steward approves it anew with `kohort request approve {short} --reason TEXT`"
            )
        case None:
            return (
                "the policy requires an approval of just this text, and it was never submitted "
                "so; `kohort request submit` it, for each change anew"
            )
        case _:
            return (
                f"is {state}; `kohort request show {short}` says why, and it can be submitted again"
            )


def _step(
    kind: RequestState,
    workspace: Workspace,
    actor: Actor,
    at: datetime,
    *,
    reason: str | None = None,
    waived: frozenset[str] = frozenset(),
) -> Step:
    return Step(kind, at, actor.name, reason, waived, policy_sha256(workspace.policy))


def _take(
    engine: Engine,
    sha256: str,
    step: Step,
    action: str,
    actor: Actor,
    *,
    after: Sequence[RequestState],
) -> None:
    with changing(engine) as change:
        add(change, sha256, step, after=after)
        change.record(actor, action, sha256, at=step.at, detail=step.reason)
