"""From the text of a request to a plan: read, authorized, and decided before any row is read."""

from typing import TypeAlias

from pipelines.aggregates.describe import demand_describable
from pipelines.aggregates.grid import Public
from pipelines.aggregates.plan import AggregatePlan
from pipelines.aggregates.planning import make_aggregate_plan
from pipelines.aggregates.public import public_of
from pipelines.drafts import demand_sayable
from pipelines.errors import RequestError
from pipelines.plan import Plan, make_plan
from pipelines.settings import Workspace
from pipelines.sources import load_family
from pipelines.twins.describe import demand_describable as demand_describable_twin
from pipelines.twins.plan import TwinPlan
from pipelines.twins.planning import make_twin_plan
from schemas.aggregates import authorize_aggregate
from schemas.policy import Policy, authorize
from schemas.request import AggregateRequest, AnyRequest, SyntheticRequest, parse_request
from schemas.twin_terms import authorize_synthetic
from schemas.violations import SchemaError

AnyPlan: TypeAlias = Plan | AggregatePlan | TwinPlan
"""What a build may do."""


def read_request(text: str) -> AnyRequest:
    """Read a request.

    Raises:
        RequestError: it breaks its schema; the message lists every violation.
    """
    try:
        return parse_request(text, subject="request")
    except SchemaError as error:
        raise RequestError(str(error)) from None


def plan_request(
    request: AnyRequest,
    workspace: Workspace,
    *,
    waived: frozenset[str] = frozenset(),
) -> AnyPlan:
    """Authorize a request and decide what its build does; reads no learner's row.

    Args:
        request: what is asked.
        workspace: its sources, policy and catalogues.
        waived: the sensitive columns that an approval leaves without a bound.

    Raises:
        RequestError: the policy refuses it; the message lists every violation.
        SettingsError: the workspace has no such source, or a catalogue can't be read.
    """
    if isinstance(request, AggregateRequest | SyntheticRequest):
        return _plan_noisy(request, workspace, waived=waived)
    declared = workspace.source(request.source).family
    family, hierarchies = load_family(declared, base=workspace.root)
    try:
        terms = authorize(request, workspace.policy, family, waived)
    except SchemaError as error:
        raise RequestError(str(error)) from None
    return make_plan(request, terms, family, hierarchies)


def _plan_noisy(
    request: AggregateRequest | SyntheticRequest, workspace: Workspace, *, waived: frozenset[str]
) -> AggregatePlan | TwinPlan:
    if waived:
        raise RequestError(
            f"waived: a request of type {request.release.type} has no bounds to be waived; leave "
            "it out"
        )
    public = public_of(workspace, request.source)
    if isinstance(request, AggregateRequest):
        return _aggregate(request, workspace.policy, public)
    return _twin(request, workspace.policy, public)


def _aggregate(request: AggregateRequest, policy: Policy, public: Public) -> AggregatePlan:
    try:
        terms = authorize_aggregate(
            request, policy, public.family, public.catalogue, catalogue_sha256=public.sha256()
        )
    except SchemaError as error:
        raise RequestError(str(error)) from None
    plan = make_aggregate_plan(request, terms, public)
    demand_describable(plan)
    demand_sayable(plan, policy)
    return plan


def _twin(request: SyntheticRequest, policy: Policy, public: Public) -> TwinPlan:
    try:
        authorize_synthetic(
            request, policy, public.family, public.catalogue, catalogue_sha256=public.sha256()
        )
    except SchemaError as error:
        raise RequestError(str(error)) from None
    plan = make_twin_plan(request, public)
    demand_describable_twin(plan)
    demand_sayable(plan, policy)
    return plan
