"""One extract, start to finish."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from anonymizer.pseudonyms import PSEUDONYM, CourseScope, ReleaseScope, pseudonym_map
from pipelines.errors import PrivacyError, RequestError, RightsError, SourceError
from pipelines.folders import publish, target, workplace
from pipelines.keys import KEY_BYTES, store_release_key
from pipelines.microdata import Extract, anonymize
from pipelines.package import Described, describe, write_package
from pipelines.permitted import Permitted, permitted
from pipelines.plan import Plan, make_plan, needs
from pipelines.promised import promised_closeness, promised_diversity, protected_labels
from pipelines.settings import Workspace
from pipelines.sources import Quarantine, load_family, open_source, stage
from pipelines.sources.staging import Staged
from pipelines.steward import APPROVAL_FILE, write_steward_files
from pipelines.verify import Verification, verify_package
from pipelines.views import LEARNER, assemble, occurring, permit
from pipelines.world import make_world
from schemas.checking import breaches
from schemas.manifest import Promise
from schemas.policy import authorize
from schemas.released import released_schema
from schemas.request import ExtractRequest, parse_request
from schemas.violations import SchemaError

_SEED_BYTES = 16
"""Of the simulated attacks in the steward's figures."""


@dataclass(frozen=True, slots=True)
class Built:
    """A released package: where it lies, and what the checker said of it."""

    package: Path
    steward: Path
    verification: Verification


def build(
    request_text: str,
    workspace: Workspace,
    out: Path,
    *,
    now: datetime,
    randomness: Callable[[int], bytes],
    progress: Callable[[str], None],
) -> Built:
    """Build a verified extract, or nothing.

    Args:
        request_text: the request (TOML).
        workspace: its sources, policy, rights and keys.
        out: where the package shall lie; steward-side files go to `OUT.steward` beside it.
        now: the moment of the build, with time zone; also the cut-off of rights.
        randomness: a source of n secret random bytes.
        progress: told the name of each step.

    Raises:
        KohortError: the request is refused, a source can't be read as declared, nobody is
            permitted, the promise can't be met, or the output exists. Nothing is written then.
    """
    to = target(out)
    request = read_request(request_text)
    plan = plan_request(request, workspace)
    with workplace(workspace.root, to) as place:
        progress("read")
        staged = _stage(plan, workspace, place.staging)
        progress("conform")
        frames = assemble(_frames(staged), plan, staged.quarantine)
        _refuse_empty(frames, staged.quarantine)
        progress("keep who permits it")
        rights = permitted(occurring(_frames(staged), plan), plan, workspace, cut_off=now)
        own = _of_permitted(staged, plan, rights.allowed)
        progress("anonymize")
        extract = anonymize(own, plan)
        key, release = randomness(KEY_BYTES), randomness(4).hex()
        tables = describe(_pseudonymize(extract, plan, key), extract, plan)
        promise = _promise(
            plan,
            extract,
            data_version=_data_version(staged, rights, plan, extract, workspace),
            cut_off=_iso(now),
            legal_bases=workspace.policy.legal_bases,
        )
        progress("write")
        for table in tables:
            _hold_to_schema(table)
        write_package(
            place.package,
            tables,
            promise,
            name=f"kohort-{release}",
            title=request.title,
            created=_iso(now),
            csv=request.release.csv,
        )
        write_steward_files(
            place.steward,
            plan=plan,
            promise=promise,
            tables=tables,
            quarantine=staged.quarantine,
            rights=rights,
            extract=extract,
            platform=make_world(frames, plan),
            generator=np.random.default_rng(int.from_bytes(randomness(_SEED_BYTES))),
        )
        progress("verify")
        verification = verify_package(place.package, place.steward / APPROVAL_FILE)
        if not verification.ok:
            failed = ", ".join(check.name for check in verification.checks if not check.ok)
            raise PrivacyError(
                f"the checker refuses what was built ({failed}); nothing is released; "
                "this is a fault of kohort: please report it"
            )
        publish(place, to, lambda: store_release_key(workspace.root, release, key))
    return Built(out, out.with_name(to.steward.name), verification)


def read_request(text: str) -> ExtractRequest:
    """Read a request.

    Raises:
        RequestError: it breaks its schema; the message lists every violation.
    """
    try:
        return parse_request(text, subject="request")
    except SchemaError as error:
        raise RequestError(str(error)) from None


def plan_request(request: ExtractRequest, workspace: Workspace) -> Plan:
    """Authorize a request and decide what its build does; reads no learner's row.

    Raises:
        RequestError: the policy refuses it; the message lists every violation.
        SettingsError: the workspace has no such source.
    """
    declared = workspace.source(request.source).family
    family, hierarchies = load_family(declared, base=workspace.root)
    try:
        terms = authorize(request, workspace.policy, family)
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


def _of_permitted(staged: Staged, plan: Plan, allowed: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The views anew, of permitted rows alone; everybody's are only what risks are measured on."""
    later = Quarantine()
    own = assemble(permit(_frames(staged), plan, allowed), plan, later)
    staged.quarantine.absorb(later)
    if any(frame.is_empty() for frame in own.values()):
        raise RightsError(
            f"no learner with a row in the requested views permits '{plan.request.purpose}'; "
            "record rights with `kohort rights import`"
        )
    return own


def _refuse_empty(frames: Mapping[str, pl.DataFrame], quarantine: Quarantine) -> None:
    for name, frame in frames.items():
        if frame.is_empty():
            reasons = sorted({f"{c.table}: {c.reason}" for c in quarantine.entries()})
            said = f" (put aside for {', '.join(reasons)})" if reasons else ""
            raise SourceError(
                f"no row is left for the view {name}{said}; see `kohort source check`"
            )


def _pseudonymize(extract: Extract, plan: Plan, key: bytes) -> dict[str, pl.DataFrame]:
    """Pseudonyms for raw ids; rows in the order of the pseudonyms, which is no order at all."""
    tables = {}
    for name, frame in extract.tables.items():
        item = plan.item if plan.course_scope else None
        scope = CourseScope() if plan.course_scope else ReleaseScope()
        on = [LEARNER] if item is None else [LEARNER, item]
        names = pseudonym_map(frame, scope, key=key, learner=LEARNER, item=item)
        tables[name] = (
            frame.join(names, on=on, how="inner")
            .with_columns(pl.col(PSEUDONYM).alias(LEARNER))
            .select(frame.columns)
            .sort(LEARNER, *([plan.item] if plan.item in frame.columns else []))
        )
    return tables


def _promise(
    plan: Plan, extract: Extract, *, data_version: str, cut_off: str, legal_bases: tuple[str, ...]
) -> Promise:
    release, terms = plan.request.release, plan.terms
    ladders = {ladder.name: ladder for ladder in (*plan.learner_ladders, *plan.enrolment_ladders)}
    return Promise(
        release_type=release.type,
        k=terms.k,
        m=terms.m,
        pseudonym_scope=release.pseudonyms,
        access=release.access,
        item=plan.item if release.enrolments else None,
        maximum_share=terms.maximum_share,
        suppression_limit=terms.suppression_limit,
        suppressed_share=_rounded(extract.affected, extract.learners, k=terms.k),
        request_sha256=plan.request.sha256(),
        data_version=data_version,
        cut_off=cut_off,
        legal_bases=legal_bases,
        recoding=terms.recoding,
        protected=protected_labels(terms, ladders),
        diversity=promised_diversity(terms),
        closeness=promised_closeness(terms, ladders),
        item_suppression_limit=terms.item_suppression_limit,
    )


def _rounded(left_out: int, number: int, *, k: int) -> float | None:
    """A share rounded to 1%; withheld where fewer than k were left out."""
    return round(left_out / number, 2) if left_out >= k else None


def _hold_to_schema(table: Described) -> None:
    """Hold a table to the strict released schema; its messages name columns, never values."""
    learner, *others = table.fields
    schema = released_schema(
        table.name,
        learner=learner.name,
        domains={field.name: field.enum for field in others},
        unique=table.primary_key,
    )
    if broken := breaches(schema, table.frame):
        named = "; ".join(map(str, broken))
        raise PrivacyError(f"{table.name}: what was built breaks the released schema ({named})")


def _data_version(
    staged: Staged, rights: Permitted, plan: Plan, extract: Extract, workspace: Workspace
) -> str:
    """What the released figures depend on: source, eligible set, policy, declarations, recode."""
    parts = {
        "source": {name: table.sha256 for name, table in sorted(staged.tables.items())},
        "eligible": rights.digest,
        "policy": workspace.policy.model_dump(mode="json"),
        "family": plan.family.model_dump(mode="json"),
        "hierarchies": [
            (h.name, h.labels, [level.tolist() for level in h.levels])
            for h in (*plan.quasi_identifiers, *plan.learner_ladders, *plan.enrolment_ladders)
        ],
        "recoding": [extract.recoded.tuples.sort(pl.all()).rows(), extract.levels],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
