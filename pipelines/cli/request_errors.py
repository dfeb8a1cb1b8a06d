"""How `kohort request check` tells of an aggregate: what it costs, and what noise will do to it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipelines.errors import RequestError
from schemas.policy import Policy

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from sqlalchemy import Engine

    from pipelines.aggregates.expected import ExpectedError
    from pipelines.aggregates.plan import AggregatePlan


def errors_object(plan: "AggregatePlan", wishes: Sequence[str]) -> dict[str, Any]:
    """What a build would spend, and how exact its figures would be."""
    from pipelines.aggregates.expected import expected_errors, needed_budget  # noqa: PLC0415

    cost = plan.cost
    return {
        "ok": True,
        "request_sha256": plan.request.sha256(),
        "privacy": {
            "micro_epsilon": cost.micro_epsilon,
            "micro_rho": cost.micro_rho,
            "atto_delta": cost.atto_delta,
        },
        "errors": [asdict(one) for one in expected_errors(plan)],
        "wishes": {
            name: {f"micro_{plan.terms.kind}": needed_budget(plan, name, width)}
            for name, width in map(_wish, wishes)
        },
    }


def errors_lines(
    plan: "AggregatePlan", policy: Policy, registry: "Engine", wishes: Sequence[str]
) -> Iterator[str]:
    """The same in lines, with what is left of the family's budget."""
    from pipelines.aggregates.describe import privacy_of  # noqa: PLC0415
    from pipelines.aggregates.expected import expected_errors, needed_budget  # noqa: PLC0415
    from pipelines.aggregates.text import cost_line, decimal_text  # noqa: PLC0415
    from pipelines.governance.ledger import statement  # noqa: PLC0415
    from pipelines.governance.ledger.words import account_name, privacy  # noqa: PLC0415

    yield f"cost: {cost_line(privacy_of(plan.cost))}"
    for account in statement(registry, policy, plan.family.family).accounts:
        left = privacy(account.left.micro, account.regime, account.ceiling)
        yield f"left: {account_name(account.scope, account.subject)}: {left}"
    table = ""
    for one in expected_errors(plan):
        if one.table != table:
            table = one.table
            yield f"{table}: {_cells(one)}"
        yield f"  {one.column}: {one.mechanism} noise, scale {_scale(one)}; {_error(one)}"
    for name, width in map(_wish, wishes):
        needed = decimal_text(needed_budget(plan, name, width))
        yield f"wish: {name} within {width:g} needs {plan.terms.kind} {needed}"
    yield "errors are of the noise alone: bounds, clamps and rounding are not in them"


def _cells(one: "ExpectedError") -> str:
    number = "discovered cells" if one.cells is None else f"{one.cells:,} cells"
    share = "" if one.expected is None else f", {one.expected:,.1f} learners each on average"
    return f"{number}{share}; a learner counts in at most {one.l0:,}"


def _scale(one: "ExpectedError") -> str:
    whole, _, parts = one.scale.partition("/")
    return f"{int(whole) / int(parts or 1):g}"


def _error(one: "ExpectedError") -> str:
    if one.half_width is None:
        return "its error depends on how many learners a cell has, which the catalogue doesn't say"
    if one.column.startswith("q"):
        return f"95% within {one.half_width:,.4g} learners of the asked rank"
    share = ""
    if one.column == "learners" and one.expected:
        share = f", {one.half_width / one.expected:.1%} of the average"
    return f"95% half-width {one.half_width:,.6g}{share}"


def _wish(text: str) -> tuple[str, float]:
    name, equals, number = text.partition("=")
    try:
        width = float(number)
    except ValueError:
        width = 0.0
    if not equals or not 0 < width < float("inf"):
        raise RequestError("--wish: write QUERY=HALF_WIDTH, such as enrolled=10")
    return name, width
