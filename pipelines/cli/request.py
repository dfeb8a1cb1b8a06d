"""`kohort request`."""

import json
from pathlib import Path

import click

from pipelines.cli.options import json_option, read_text, workspace_option
from pipelines.settings import find_workspace


@click.group()
def request() -> None:
    """Check a request against the policy."""


@request.command(epilog="Example: kohort request check request.toml")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@workspace_option
@json_option
def check(file: Path, *, workspace: Path, as_json: bool) -> None:
    """Check FILE against its schema, the policy and the source's views; reads no learner's row.

    Lists every violation at once (exit code 3), or says what a build would promise.
    """
    # Heavy imports on use: `--help` answers at once.
    from pipelines.build import plan_request, read_request  # noqa: PLC0415

    plan = plan_request(read_request(read_text(file)), find_workspace(workspace))
    terms = plan.terms
    if as_json:
        answer = {
            "ok": True,
            "request_sha256": plan.request.sha256(),
            "k": terms.k,
            "m": terms.m,
            "suppression_limit": terms.suppression_limit,
            "maximum_share": dict(terms.maximum_share),
            "quasi_identifiers": [h.name for h in plan.quasi_identifiers],
        }
        click.echo(json.dumps(answer))
        return
    click.echo(f"request: allowed by the policy (sha256 {plan.request.sha256()[:12]})")
    click.echo(f"promise: k = {terms.k}, m = {terms.m}, suppression <= {terms.suppression_limit:g}")
    for column, share in terms.maximum_share.items():
        click.echo(f"maximum share of one value of {column}: {share:g}")
