"""How `kohort request check` tells of an aggregate: what it costs, and what noise will do to it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from schemas.policy import Policy

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from sqlalchemy import Engine

    from pipelines.aggregates.expected import ExpectedError
    from pipelines.aggregates.plan import AggregatePlan
    from pipelines.governance.ledger import Forecast
    from pipelines.twins.plan import TwinPlan

    _Costly: TypeAlias = AggregatePlan | TwinPlan


def wishes_of(texts: Sequence[str]) -> list[tuple[str, float]]:
    """The wished-for half-widths, by query.

    Raises:
        BadParameter: one is written otherwise than QUERY=HALF_WIDTH.
    """
    return [_wish(text) for text in texts]


def errors_object(
    plan: "AggregatePlan", policy: Policy, registry: "Engine", wishes: Sequence[tuple[str, float]]
) -> dict[str, Any]:
    """What a build would spend, whether it may, and how exact its figures would be."""
    from pipelines.aggregates.expected import expected_errors, needed_budget  # noqa: PLC0415

    needed = {name: _needed(plan, name, needed_budget(plan, name, w)) for name, w in wishes}
    return {
        **cost_object(plan, policy, registry),
        "errors": [asdict(one) for one in expected_errors(plan)],
        "wishes": needed,
    }


def errors_lines(
    plan: "AggregatePlan", policy: Policy, registry: "Engine", wishes: Sequence[tuple[str, float]]
) -> Iterator[str]:
    """The same in lines."""
    from pipelines.aggregates.expected import expected_errors, needed_budget  # noqa: PLC0415
    from pipelines.aggregates.text import decimal_text  # noqa: PLC0415

    needed = [(n, w, decimal_text(needed_budget(plan, n, w))) for n, w in wishes]
    yield from cost_lines(plan, policy, registry)
    table = ""
    for one in expected_errors(plan):
        if one.table != table:
            table = one.table
            yield f"{table}: {_cells(one)}"
        yield f"  {one.column}: {one.mechanism} noise, scale {_scale(one)}; {_error(one)}"
    for name, width, budget in needed:
        method = plan.query(name).method
        by = f' with method = "{method}"' if method else ""
        yield f"wish: {name} within {width:g} needs {plan.terms.kind} {budget}{by}"
    yield "errors are of the noise alone: bounds, clamps and rounding are not in them"


def _needed(plan: "AggregatePlan", name: str, micro: int) -> dict[str, Any]:
    """What a wish costs; of quantiles by the method they have now: more budget may change it."""
    method = plan.query(name).method
    return {f"micro_{plan.terms.kind}": micro, **({"method": method} if method else {})}


def cost_object(plan: "_Costly", policy: Policy, registry: "Engine") -> dict[str, Any]:
    """What a build would spend, and whether it may."""
    cost, told = plan.cost, _forecast(plan, policy, registry)
    return {
        "ok": True,
        "request_sha256": plan.request.sha256(),
        "privacy": {
            "micro_epsilon": cost.micro_epsilon,
            "micro_rho": cost.micro_rho,
            "atto_delta": cost.atto_delta,
        },
        "budget": {"fits": told.refused is None, "refused": told.refused},
    }


def cost_lines(plan: "_Costly", policy: Policy, registry: "Engine") -> Iterator[str]:
    """The same in lines."""
    from pipelines.governance.ledger.words import delta_text  # noqa: PLC0415

    told = _forecast(plan, policy, registry)
    delta = f", delta {delta_text(plan.cost.atto_delta)}" if plan.cost.atto_delta else ""
    yield f"cost: {told.cost}{delta}"
    if told.refused is None:
        yield from (f"budget: {line}" for line in told.accounts)
    else:
        yield f"budget: does not fit now: {told.refused}"


def _forecast(plan: "_Costly", policy: Policy, registry: "Engine") -> "Forecast":
    from pipelines.governance.ledger import forecast  # noqa: PLC0415

    assert policy.budget is not None, "authorized"
    request = plan.request
    return forecast(
        registry,
        policy.budget,
        plan.cost,
        family=plan.family.family,
        purpose=request.purpose,
        recipient=request.researcher,
    )


def _cells(one: "ExpectedError") -> str:
    if one.cells is None:
        number = f"cells whose noisy count exceeds {one.threshold:,}"
    else:
        number = f"{one.cells:,} cells"
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
        raise click.BadParameter("write QUERY=HALF_WIDTH, such as enrolled=10", param_hint="--wish")
    return name, width
