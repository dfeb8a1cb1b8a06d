"""What a package says about itself: `datapackage.json` (Data Package v2), and the approval.

Standard library only: the writer and the separate checker share these names and nothing else.
"""

from schemas.manifest.text import parse_approval, parse_manifest, render_approval, render_manifest
from schemas.manifest.values import (
    CHECKSUMS_NAME,
    ITEM,
    LEARNER_COURSE_GRAIN,
    LEARNER_GRAIN,
    LEARNER_KEY,
    LEARNER_PATTERN,
    MANIFEST_NAME,
    MEASURE,
    QUASI_IDENTIFIER,
    ROLES,
    SENSITIVE,
    Approval,
    Field,
    ItemKnowledge,
    Manifest,
    ManifestError,
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
    "MANIFEST_NAME",
    "MEASURE",
    "QUASI_IDENTIFIER",
    "ROLES",
    "SENSITIVE",
    "Approval",
    "Field",
    "ItemKnowledge",
    "Manifest",
    "ManifestError",
    "Promise",
    "Resource",
    "parse_approval",
    "parse_manifest",
    "render_approval",
    "render_manifest",
]
