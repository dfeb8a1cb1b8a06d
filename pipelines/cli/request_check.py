"""`kohort request check`."""

import json
from pathlib import Path

import click

from pipelines.cli.options import SHORT, file_argument, json_option, read_text, workspace_option
from pipelines.cli.request_words import approval, promise, promise_lines, standing
from pipelines.errors import RequestError
from pipelines.settings import find_workspace


@click.command(
    epilog="Example: kohort request check request.toml",
    short_help="Check a request against the policy.",
)
@file_argument
@click.option(
    "--wish",
    "wishes",
    multiple=True,
    metavar="QUERY=HALF_WIDTH",
    help="Tell what an aggregate's query must spend for a 95% half-width. Repeatable.",
)
@workspace_option
@json_option
def check(file: Path, *, wishes: tuple[str, ...], workspace: Path, as_json: bool) -> None:
    """Check FILE against its schema, the policy and the source's views; reads no learner's row.

    Lists every violation at once (exit code 3), or says what a build would promise, and whether an
    approval is needed and in force. Of an aggregate it tells how far noise will move each figure,
    of a synthetic twin what will be measured, and of both what is left of the budget; nothing is
    spent.
    """
    from pipelines.aggregates.plan import AggregatePlan  # noqa: PLC0415
    from pipelines.cli.request_errors import (  # noqa: PLC0415
        errors_lines,
        errors_object,
        wishes_of,
    )
    from pipelines.cli.request_twins import twin_lines, twin_object  # noqa: PLC0415
    from pipelines.governance.database import open_registry  # noqa: PLC0415
    from pipelines.governance.submissions import known  # noqa: PLC0415
    from pipelines.plan import Plan  # noqa: PLC0415
    from pipelines.requested import plan_request, read_request  # noqa: PLC0415
    from pipelines.twins.plan import TwinPlan  # noqa: PLC0415

    found, wished = find_workspace(workspace), wishes_of(wishes)
    asked = read_request(read_text(file))
    registry = open_registry(found.database)
    submission = known(registry, asked.sha256())
    in_force = submission is not None and submission.in_force(found.policy)
    waived = submission.waived if submission is not None and in_force else frozenset[str]()
    plan = plan_request(asked, found, waived=waived)
    if wishes and not isinstance(plan, AggregatePlan):
        raise RequestError("--wish: goes with requests of type aggregate")
    if as_json:
        told = promise(plan) if isinstance(plan, Plan) else {}
        if isinstance(plan, AggregatePlan):
            told = errors_object(plan, found.policy, registry, wished)
        elif isinstance(plan, TwinPlan):
            told = twin_object(plan, found.policy, registry)
        click.echo(json.dumps({**told, "approval": approval(submission, found.policy)}))
        return
    click.echo(f"request: allowed by the policy (sha256 {asked.sha256()[:SHORT]})")
    if isinstance(plan, AggregatePlan):
        lines = errors_lines(plan, found.policy, registry, wished)
    elif isinstance(plan, TwinPlan):
        lines = twin_lines(plan, found.policy, registry)
    else:
        lines = promise_lines(plan)
    for line in lines:
        click.echo(line)
    click.echo(f"approval: {standing(submission, file, found.policy)}")
