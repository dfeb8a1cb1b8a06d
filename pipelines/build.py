"""One extract, start to finish."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.beside import anonymize_beside
from pipelines.errors import RequestError, RightsError, SourceError
from pipelines.folders import target, workplace
from pipelines.governance.database import open_registry
from pipelines.governance.identities import aliases
from pipelines.governance.releases import served_again
from pipelines.governance.requests import approved
from pipelines.keys import registry_key
from pipelines.packing import Building, pack
from pipelines.people import Actor, Duty
from pipelines.permitted import permitted
from pipelines.plan import Plan, make_plan, needs
from pipelines.publishing import (
    earlier_releases,
    give_again,
    publish,
    release_key_for,
    verified,
)
from pipelines.settings import Workspace
from pipelines.sources import Quarantine, load_family, open_source, stage
from pipelines.sources.staging import Staged
from pipelines.steward import write_steward_files
from pipelines.verify import Verification
from pipelines.versions import inputs_sha256
from pipelines.views import LEARNER, assemble, canonical, occurring, permit
from pipelines.world import make_world
from schemas.policy import authorize
from schemas.request import ExtractRequest, parse_request
from schemas.violations import SchemaError

_TELLING = 5
"""An id of fewer characters also stands in a title by chance."""

_SEED_BYTES = 16
"""Of what is drawn: who leaves beside the departed, and simulated attacks."""


@dataclass(frozen=True, slots=True)
class Built:
    """A released package: where it lies, and what the checker said of it.

    Attributes:
        release: how the registry knows it.
        again: whether it was built before, from the same data, and is given out once more.
    """

    package: Path
    steward: Path
    verification: Verification
    release: str
    again: bool


def build(
    request_text: str,
    workspace: Workspace,
    out: Path,
    *,
    actor: Actor,
    now: datetime,
    randomness: Callable[[int], bytes],
    progress: Callable[[str], None],
) -> Built:
    """Build a verified extract, or nothing.

    The same request on the same version of the data gives the recorded release once more. A new
    one is held against all that are out, and is recorded before it appears.

    Args:
        request_text: the request (TOML); approved, where the policy asks for it.
        workspace: its sources, policy, registry and keys.
        out: where the package shall lie; steward-side files go to `OUT.steward` beside it.
        actor: an engineer or a steward.
        now: the moment of the build, with time zone; also the cut-off of rights.
        randomness: a source of n secret random bytes.
        progress: told the name of each step.

    Raises:
        KohortError: the request is refused or not approved, a source can't be read as declared,
            nobody is permitted, the promise can't be met, alone or beside what is out already, or
            the output exists. Nothing is written then.
    """
    actor.must_be(Duty.ENGINEER, Duty.STEWARD)
    to = target(out)
    registry = open_registry(workspace.database)
    request = read_request(request_text)
    approval = approved(registry, request, workspace.policy)
    plan = plan_request(request, workspace, waived=approval.waived)
    with workplace(workspace.root, to) as place:
        progress("read")
        staged = _stage(plan, workspace, place.staging)
        progress("conform")
        people = aliases(workspace)
        tables = canonical(_frames(staged), plan.family, people)
        frames = assemble(tables, plan, staged.quarantine)
        _refuse_empty(frames, staged.quarantine)
        progress("keep who permits it")
        everybody = occurring(tables, plan)
        _refuse_ids(request, everybody[LEARNER], people)
        rights = permitted(everybody, plan, workspace, cut_off=now, aliases=people)
        inputs = inputs_sha256(
            staged,
            plan,
            aliases=people,
            rights=rights,
            policy=workspace.policy,
            waived=approval.waived,
        )
        again = served_again(
            registry, request_sha256=request.sha256(), inputs_sha256=inputs, today=now.date()
        )
        if again is not None:
            progress("give out the recorded release")
            verification = give_again(again, workspace, registry, place, to, actor=actor, at=now)
            return Built(out, out.with_name(to.steward.name), verification, again.id, again=True)
        progress("anonymize")
        own = _of_permitted(tables, plan, rights.allowed, staged.quarantine)
        generator = np.random.default_rng(int.from_bytes(randomness(_SEED_BYTES)))
        earlier = earlier_releases(
            registry, plan, rights.known_as["digest"], people, key=registry_key(workspace.root)
        )
        most = workspace.policy.limits.suppression
        apart = anonymize_beside(
            own, plan, earlier, rights.known_as, most_departing=most, generator=generator
        )
        progress("write")
        building = Building(plan, rights, inputs, release=randomness(4).hex(), now=now)
        key = release_key_for(plan, workspace.root, randomness)
        packed = pack(apart.extract, building, workspace.policy, place.package, key=key)
        write_steward_files(
            place.steward,
            plan=plan,
            promise=packed.promise,
            tables=packed.tables,
            quarantine=staged.quarantine,
            rights=rights,
            apart=apart,
            platform=make_world(frames, plan),
            generator=generator,
        )
        progress("verify")
        verification = verified(place, plan, registry, workspace.root)
        progress("record")
        publish(
            building,
            apart,
            packed,
            workspace=workspace,
            registry=registry,
            place=place,
            to=to,
            actor=actor,
        )
    return Built(out, out.with_name(to.steward.name), verification, building.release, again=False)


def read_request(text: str) -> ExtractRequest:
    """Read a request.

    Raises:
        RequestError: it breaks its schema; the message lists every violation.
    """
    try:
        return parse_request(text, subject="request")
    except SchemaError as error:
        raise RequestError(str(error)) from None


def plan_request(
    request: ExtractRequest, workspace: Workspace, *, waived: frozenset[str] = frozenset()
) -> Plan:
    """Authorize a request and decide what its build does; reads no learner's row.

    Args:
        request: what is asked.
        workspace: its sources and policy.
        waived: the sensitive columns that an approval leaves without a bound.

    Raises:
        RequestError: the policy refuses it; the message lists every violation.
        SettingsError: the workspace has no such source.
    """
    declared = workspace.source(request.source).family
    family, hierarchies = load_family(declared, base=workspace.root)
    try:
        terms = authorize(request, workspace.policy, family, waived)
    except SchemaError as error:
        raise RequestError(str(error)) from None
    return make_plan(request, terms, family, hierarchies)


def _stage(plan: Plan, workspace: Workspace, folder: Path) -> Staged:
    location = workspace.source(plan.request.source).location
    source = open_source(location, base=workspace.root)
    staged = stage(source, plan.family, needs(plan), folder)
    domains = {t.id_domain: name for name, t in staged.tables.items() if t.id_domain is not None}
    if len(domains) > 1:
        named = ", ".join(f"{table} ({domain})" for domain, table in sorted(domains.items()))
        raise SourceError(
            f"{source.location}: tables of different id domains can't be joined: {named}; "
            "ask for columns of one domain, or get a linked export"
        )
    return staged


def _frames(staged: Staged) -> dict[str, pl.LazyFrame]:
    return {name: pl.scan_parquet(table.path) for name, table in staged.tables.items()}


def _of_permitted(
    tables: Mapping[str, pl.LazyFrame],
    plan: Plan,
    allowed: pl.DataFrame,
    quarantine: Quarantine,
) -> dict[str, pl.DataFrame]:
    """The views anew, of permitted rows alone; everybody's are only what risks are measured on."""
    later = Quarantine()
    own = assemble(permit(tables, plan, allowed), plan, later)
    quarantine.absorb(later)
    if any(frame.is_empty() for frame in own.values()):
        raise RightsError(
            f"no learner with a row in the requested views permits '{plan.request.purpose}'; "
            "record rights with `kohort rights import`"
        )
    return own


def _refuse_ids(request: ExtractRequest, learners: pl.Series, aliases: pl.DataFrame | None) -> None:
    """The title stands in every package: it must hold no id of a learner, nor another of his."""
    words = {word for word in re.findall(r"[\w.@~-]+", request.title) if len(word) >= _TELLING}
    known = learners if aliases is None else pl.concat([learners, aliases["id"]])
    if known.is_in(list(words)).any():
        raise RequestError("title: holds an id of a learner; say what is asked without it")


def _refuse_empty(frames: Mapping[str, pl.DataFrame], quarantine: Quarantine) -> None:
    for name, frame in frames.items():
        if frame.is_empty():
            reasons = sorted({f"{c.table}: {c.reason}" for c in quarantine.entries()})
            said = f" (put aside for {', '.join(reasons)})" if reasons else ""
            raise SourceError(
                f"no row is left for the view {name}{said}; see `kohort source check`"
            )
