"""What a package says about itself: `datapackage.json` (Data Package v2), and the approval.

Standard library only: the writer and the separate checker share these names and nothing else.
"""

from schemas.manifest.bounds import (
    WITHHELD,
    Closeness,
    Distance,
    DistinctDiversity,
    Diversity,
    EntropyDiversity,
    EqualDistance,
    HierarchicalDistance,
    OrderedDistance,
    RecursiveDiversity,
)
from schemas.manifest.error import ManifestError
from schemas.manifest.promise_text import parse_approval, render_approval
from schemas.manifest.text import parse_manifest, render_manifest
from schemas.manifest.values import (
    CHECKSUMS_NAME,
    ITEM,
    LEARNER_COURSE_GRAIN,
    LEARNER_GRAIN,
    LEARNER_KEY,
    LEARNER_PATTERN,
    LINKED,
    MANIFEST_NAME,
    MEASURE,
    QUASI_IDENTIFIER,
    ROLES,
    SENSITIVE,
    Approval,
    Field,
    ItemKnowledge,
    Manifest,
    Promise,
    Resource,
)

__all__ = [
    "CHECKSUMS_NAME",
    "ITEM",
    "LEARNER_COURSE_GRAIN",
    "LEARNER_GRAIN",
    "LEARNER_KEY",
    "LEARNER_PATTERN",
    "LINKED",
    "MANIFEST_NAME",
    "MEASURE",
    "QUASI_IDENTIFIER",
    "ROLES",
    "SENSITIVE",
    "WITHHELD",
    "Approval",
    "Closeness",
    "Distance",
    "DistinctDiversity",
    "Diversity",
    "EntropyDiversity",
    "EqualDistance",
    "Field",
    "HierarchicalDistance",
    "ItemKnowledge",
    "Manifest",
    "ManifestError",
    "OrderedDistance",
    "Promise",
    "RecursiveDiversity",
    "Resource",
    "parse_approval",
    "parse_manifest",
    "render_approval",
    "render_manifest",
]
