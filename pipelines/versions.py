"""What a release was made from, as hashes: the same inputs give the same release.

The data version is the hash of source content, eligible set, policy, declarations and recode. All
but the recode is known before anything is anonymized: by it a recorded release is found again.
"""

import hashlib
import json
from collections.abc import Mapping

import polars as pl

from pipelines.microdata import Extract
from pipelines.permitted import Permitted
from pipelines.plan import Concern
from pipelines.sources.staging import Staged
from schemas.policy import Policy, policy_sha256


def inputs_sha256(
    staged: Staged,
    plan: Concern,
    *,
    aliases: pl.DataFrame | None,
    rights: Permitted,
    policy: Policy,
    waived: frozenset[str],
) -> str:
    """The hash of everything that a release is made from.

    Args:
        staged: the source's content.
        plan: declarations and hierarchies.
        aliases: which ids belong together; only what concerns learners of the source counts.
        rights: the eligible set, known by a keyed digest.
        policy: as it stands.
        waived: the columns that the approval leaves without a bound.
    """
    people = _people_of(rights.known_as["learner"], aliases)
    return _sha256(
        {
            "source": {name: table.sha256 for name, table in sorted(staged.tables.items())},
            "people": None if people.is_empty() else _rows_sha256(people),
            "eligible": rights.digest,
            "policy": policy_sha256(policy),
            "waived": sorted(waived),
            "family": plan.family.model_dump(mode="json"),
            "hierarchies": [
                (h.name, h.labels, [level.tolist() for level in h.levels]) for h in plan.hierarchies
            ],
        }
    )


def data_version(inputs: str, extract: Extract) -> str:
    """The hash of a release's inputs and of the recode that was made for it."""
    recode = [extract.recoded.tuples.sort(pl.all()).rows(), extract.levels]
    return _sha256({"inputs": inputs, "recode": recode})


def _people_of(learners: pl.Series, aliases: pl.DataFrame | None) -> pl.DataFrame:
    """The ids of these persons: who else is in other sources changes nothing here."""
    if aliases is None:
        return pl.DataFrame()
    return aliases.join(pl.DataFrame({"person": learners}), on="person", how="semi")


def _rows_sha256(frame: pl.DataFrame) -> str:
    rows = frame.sort(frame.columns).write_csv().encode()
    return hashlib.sha256(rows).hexdigest()


def _sha256(parts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
