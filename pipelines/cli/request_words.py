"""How `kohort request` tells of requests, in words and as JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.policy import Policy

if TYPE_CHECKING:  # `--help` answers at once
    from pipelines.governance.submissions import Step, Submission
    from pipelines.plan import Plan


def promise(plan: "Plan") -> dict[str, Any]:
    """What a build would promise."""
    return {
        "ok": True,
        "request_sha256": plan.request.sha256(),
        "k": plan.terms.k,
        "m": plan.terms.m,
        "suppression_limit": plan.terms.suppression_limit,
        "maximum_share": dict(plan.terms.maximum_share),
        "quasi_identifiers": [h.name for h in plan.quasi_identifiers],
    }


def promise_lines(plan: "Plan") -> Iterator[str]:
    """The same in lines."""
    terms = plan.terms
    yield f"promise: k = {terms.k}, m = {terms.m}, suppression <= {terms.suppression_limit:g}"
    for column, share in terms.maximum_share.items():
        yield f"maximum share of one value of {column}: {share:g}"


def approval(submission: "Submission | None", policy: Policy) -> dict[str, Any]:
    """Whether an approval is needed, and in force."""
    state = None if submission is None else submission.state
    waived = [] if submission is None else sorted(submission.waived)
    return {
        "required": policy.require_approval,
        "state": state,
        "in_force": submission is not None and submission.in_force(policy),
        "waived": waived,
    }


def standing(submission: "Submission | None", file: Path, policy: Policy) -> str:
    """The same in a line, with what to do next."""
    required = policy.require_approval
    need = "required" if required else "not required"
    if submission is None:
        return f"{need}; next: kohort request submit {file}" if required else need
    last = submission.steps[-1]
    done = f"{last.kind} by {last.actor} on {last.at.date()}"
    if submission.in_force(policy):
        waives = f", waives {', '.join(sorted(last.waived))}" if last.waived else ""
        return f"{need}; in force: {done}{waives}"
    under = ", under another policy" if submission.state == "approved" else ""
    return f"{need}; not in force: {done}{under}"


def summary(submission: "Submission") -> dict[str, Any]:
    """What is asked, in short, and its state."""
    return {
        "request_sha256": submission.sha256,
        "state": submission.state,
        "title": submission.title,
        "researcher": submission.researcher,
        "purpose": submission.purpose,
        "source": submission.source,
    }


def event(step: "Step") -> dict[str, Any]:
    """What was done with it."""
    return {
        "kind": step.kind,
        "at": step.at.isoformat(timespec="seconds"),
        "actor": step.actor,
        "reason": step.reason,
        "waived": sorted(step.waived),
        "policy_sha256": step.policy_sha256,
    }


def visible(text: str) -> str:
    """A comment may hold what a terminal obeys, or what turns the text around: it is spelt out."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text.expandtabs()
    )
