"""Who permits the purpose, as of a cut-off: decided before anything is made of his rows."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from pipelines.errors import RightsError
from pipelines.governance.database import open_registry
from pipelines.governance.registry_keys import registry_key_of
from pipelines.governance.rights import registry_digests
from pipelines.governance.rights_as_of import rights_as_of
from pipelines.permissions import DIGEST, NUMBER, Permissions
from pipelines.plan import Concern
from pipelines.settings import Workspace
from pipelines.views import COURSE, LEARNER

_SLICE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Permitted:
    """Who permits what, and what decided (steward-side).

    Attributes:
        decided: `learners`, `enrolments` -> deciding state -> how many of them; and under
            `restrictions_without_effect` how many restrict a learner, or a course, that the source
            does not have: a sign of mistyped ids. Under `ambiguous_ids` how many learners were
            left out, and are not in the other counts, as nobody knows whose their ids are.
        allowed: the learners and raw items whose rows may be used: `learner` and, where the family
            has items, `_course`.
        known_as: `learner` and `digest`: how the registry knows everybody of the source.
        digest: of the permitted pairs, keyed, so that nobody can test a guess against it.
        jurisdictions: of the learners' grants that count for this recipient, in order; one that
            holds everywhere (`*`) names none.
    """

    decided: Mapping[str, Mapping[str, int]]
    allowed: pl.DataFrame
    known_as: pl.DataFrame
    digest: str
    jurisdictions: tuple[str, ...]


def permitted(
    occurring: pl.DataFrame,
    plan: Concern,
    workspace: Workspace,
    *,
    cut_off: datetime,
    aliases: pl.DataFrame | None = None,
) -> Permitted:
    """Ask the rights registry about every learner and item.

    Args:
        occurring: `learner` and, where the family has items, `_course`, as recorded: rights name
            courses, whatever the released item is made of.
        plan: the purpose, and whether the family has items.
        workspace: its registry, key and policy.
        cut_off: the moment as of which rights are read.
        aliases: text columns `id` and `person`: the ids of one person share it. What is on record
            of one of them bears on all, the strictest of all records decides, and a grant under
            one permits all. Null: the id may be of several persons, and is permitted nothing; a
            grant of one of them would permit a stranger.

    Raises:
        RightsError: nobody permits the purpose.
        SettingsError: the registry key is missing, or not this registry's.
    """
    registry = open_registry(workspace.database)
    key = registry_key_of(registry, workspace.root)
    course = None if plan.item is None else COURSE
    items = None if course is None else occurring[course].unique()
    learners = _learners(occurring[LEARNER].unique(), key)
    said = Permissions(plan, workspace.policy, _reach(learners, aliases, key), items, cut_off)
    for records in rights_as_of(registry, source=plan.request.source, cut_off=cut_off):
        said.take(records)

    counts: dict[str, Mapping[str, int]] = {}
    ambiguous = _ambiguous(learners, aliases)
    numbered = learners.select(LEARNER, NUMBER).join(ambiguous, on=NUMBER, how="anti")
    pairs = occurring.join(numbered, on=LEARNER, how="inner")
    if not plan.course_scope:
        # Courses are linked there: what restricts one of them, or permits only one, is not enough.
        people = said.decide(numbered, None)
        counts["learners"] = people.counts
        pairs = pairs.join(people.allowed, on=NUMBER, how="semi")
    decided = said.decide(pairs, course)
    if plan.item is not None:
        counts["enrolments"] = decided.counts
    counts["restrictions_without_effect"] = said.without_effect()
    counts["ambiguous_ids"] = {"learners": len(ambiguous)}
    if decided.allowed.is_empty():
        bad = "; whoever has several learner keys in a bridge table is left out"
        raise RightsError(
            f"no learner of source '{plan.request.source}' permits the purpose "
            f"'{plan.request.purpose}'; record rights with `kohort rights import`"
            f"{'' if ambiguous.is_empty() else bad}"
        )
    known = decided.allowed.join(learners, on=NUMBER, how="inner")
    return Permitted(
        decided=counts,
        allowed=decided.allowed.select(occurring.columns),
        known_as=learners.select(LEARNER, pl.col(DIGEST).alias("digest")),
        digest=_keyed_digest(known.select(*occurring.drop(LEARNER).columns, DIGEST), key),
        jurisdictions=tuple(sorted(said.jurisdictions)),
    )


def _learners(learners: pl.Series, key: bytes) -> pl.DataFrame:
    """The learners of the source: `learner`, `_digest`, `_number`."""
    numbers = pl.int_range(len(learners), dtype=pl.UInt32, eager=True)
    return pl.DataFrame(
        {LEARNER: learners, DIGEST: registry_digests(learners, key), NUMBER: numbers}
    )


def _ambiguous(learners: pl.DataFrame, aliases: pl.DataFrame | None) -> pl.DataFrame:
    """`_number`: whose id is that of nobody in particular."""
    if aliases is None:
        return learners.clear().select(NUMBER)
    nobodys = aliases.filter(pl.col("person").is_null())
    return learners.join(nobodys, left_on=LEARNER, right_on="id", how="semi").select(NUMBER)


def _reach(learners: pl.DataFrame, aliases: pl.DataFrame | None, key: bytes) -> pl.DataFrame:
    """`_digest`, `_number`: whom of the source a record under this digest bears on."""
    own = learners.select(DIGEST, NUMBER)
    if aliases is None:
        return own
    here = learners.join(aliases, left_on=LEARNER, right_on="id", how="inner")
    linked = aliases.join(here.select("person", NUMBER), on="person", how="inner")
    # Digests take long: only of who is here, and only once.
    others = linked.join(learners, left_on=["id", NUMBER], right_on=[LEARNER, NUMBER], how="anti")
    digests = registry_digests(others["id"], key).alias(DIGEST)
    return pl.concat([own, others.select(digests, NUMBER)])


def _keyed_digest(pairs: pl.DataFrame, key: bytes) -> str:
    """Of the pairs as sorted JSON, which is written slice by slice: it is long."""
    digest = hmac.new(key, b"kohort eligible set\0[", hashlib.sha256)
    for number, part in enumerate(pairs.sort(pl.all()).iter_slices(_SLICE)):
        rows = json.dumps(part.rows()).removeprefix("[").removesuffix("]")
        digest.update((", " if number else "").encode() + rows.encode())
    digest.update(b"]")
    return digest.hexdigest()
