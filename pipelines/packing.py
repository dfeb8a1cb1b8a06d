"""From an anonymized extract to a package: pseudonyms, the promise, the written files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from anonymizer.pseudonyms import PSEUDONYM, CourseScope, LinkedScope, ReleaseScope, pseudonym_map
from pipelines.errors import PrivacyError
from pipelines.microdata import Extract
from pipelines.package import Described, describe, write_package
from pipelines.permitted import Permitted
from pipelines.plan import Plan
from pipelines.promised import promised_closeness, promised_diversity, protected_labels
from pipelines.versions import data_version
from pipelines.views import LEARNER
from schemas.checking import breaches
from schemas.manifest import Promise
from schemas.policy import Policy
from schemas.released import released_schema

_SCOPES: Final[Mapping[str, CourseScope | ReleaseScope | LinkedScope]] = {
    "course": CourseScope(),
    "release": ReleaseScope(),
    "linked": LinkedScope(),
}


@dataclass(frozen=True, slots=True)
class Building:
    """What is known of a release before it is anonymized.

    Attributes:
        plan: what is built.
        rights: whose rows.
        inputs: the hash of what they are made from.
        release: the id that it will have.
        now: the moment of the build and the cut-off of rights.
        audit_head: the hash of the audit chain's head, before rights and live releases were read.
    """

    plan: Plan
    rights: Permitted
    inputs: str
    release: str
    now: datetime
    audit_head: str


@dataclass(frozen=True, slots=True)
class Packed:
    """A package as written: its tables, what it promises, and the key of its pseudonyms."""

    tables: tuple[Described, ...]
    promise: Promise
    key: bytes


def pack(
    extract: Extract, building: Building, policy: Policy, folder: Path, *, key: bytes
) -> Packed:
    """Write the package of an extract.

    Args:
        extract: under raw learner ids.
        building: what it was made for and of.
        policy: its legal bases.
        folder: an empty folder.
        key: of the pseudonyms.

    Raises:
        PrivacyError: a table breaks the released schema.
    """
    plan, moment = building.plan, building.now.isoformat(timespec="seconds")
    tables = describe(_pseudonymize(extract, plan, key), extract, plan)
    promise = _promise(plan, extract, building, legal_bases=policy.legal_bases, cut_off=moment)
    for table in tables:
        hold_to_schema(table)
    write_package(
        folder,
        tables,
        promise,
        name=package_name(building.release),
        title=plan.request.title,
        created=moment,
        csv=plan.request.release.csv,
    )
    return Packed(tuple(tables), promise, key)


def package_name(release: str) -> str:
    """The machine name of a release's package."""
    return f"kohort-{release}"


def _pseudonymize(extract: Extract, plan: Plan, key: bytes) -> dict[str, pl.DataFrame]:
    """Pseudonyms for raw ids; rows in the order of the pseudonyms, which is no order at all."""
    item = plan.item if plan.course_scope else None
    on = [LEARNER] if item is None else [LEARNER, item]
    tables = {}
    for name, frame in extract.tables.items():
        scope = _SCOPES[plan.request.release.pseudonyms]
        names = pseudonym_map(frame, scope, key=key, learner=LEARNER, item=item)
        tables[name] = (
            frame.join(names, on=on, how="inner")
            .with_columns(pl.col(PSEUDONYM).alias(LEARNER))
            .select(frame.columns)
            .sort(LEARNER, *([plan.item] if plan.item in frame.columns else []))
        )
    return tables


def _promise(
    plan: Plan, extract: Extract, building: Building, *, legal_bases: tuple[str, ...], cut_off: str
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
        data_version=data_version(building.inputs, extract),
        cut_off=cut_off,
        legal_bases=legal_bases,
        recoding=terms.recoding,
        protected=protected_labels(terms, ladders),
        diversity=promised_diversity(terms),
        closeness=promised_closeness(terms, ladders),
        item_suppression_limit=terms.item_suppression_limit,
        project=release.project,
        audit_head=building.audit_head,
    )


def _rounded(left_out: int, number: int, *, k: int) -> float | None:
    """A share rounded to 1%; withheld where fewer than k were left out."""
    return round(left_out / number, 2) if left_out >= k else None


def hold_to_schema(table: Described) -> None:
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
