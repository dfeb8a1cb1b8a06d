"""How `kohort request check` tells of a synthetic twin: what it costs, and what is measured."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipelines.cli.request_errors import cost_lines, cost_object
from schemas.policy import Policy

if TYPE_CHECKING:  # heavy: `--help` answers at once
    from sqlalchemy import Engine

    from pipelines.twins.plan import PlannedMarginal, TwinPlan


def twin_object(plan: "TwinPlan", policy: Policy, registry: "Engine") -> dict[str, Any]:
    """What a build would spend, whether it may, and what it would measure."""
    measured = [
        {
            "table": one.name,
            "columns": one.columns,
            "cells": _cells(one, plan),
            "mechanism": one.mechanism.name,
            "scale": str(one.mechanism.scale),
            "half_width": one.mechanism.half_width(),
        }
        for one in plan.marginals
    ]
    return {**cost_object(plan, policy, registry), "measured": measured}


def twin_lines(plan: "TwinPlan", policy: Policy, registry: "Engine") -> Iterator[str]:
    """The same in lines."""
    yield from cost_lines(plan, policy, registry)
    for one in plan.marginals:
        width = one.mechanism.half_width()
        cells = _cells(one, plan)
        yield f"{one.name}: {' x '.join(one.columns)}, {cells:,} cells, 95% half-width {width:,}"
    yield "learners are invented from these noisy figures alone; how near they come is for stewards"


def _cells(one: "PlannedMarginal", plan: "TwinPlan") -> int:
    from anonymizer.dp.marginals import cells_of  # noqa: PLC0415

    sizes = {name: len(labels) for name, labels in plan.labels().items()}
    return cells_of(sizes, one.columns)
