"""The values of a manifest and of an approval; they refuse what no package can mean."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from schemas.manifest.bounds import WITHHELD, Closeness, Diversity
from schemas.manifest.error import demand, one_of

FORMAT_VERSION: Final = 1
MANIFEST_NAME: Final = "datapackage.json"
CHECKSUMS_NAME: Final = "checksums.sha256"
LEARNER_PATTERN: Final = "^[0-9a-f]{32}$"

LEARNER_KEY: Final = "learner-key"
QUASI_IDENTIFIER: Final = "quasi-identifier"
ITEM: Final = "item"
SENSITIVE: Final = "sensitive"
MEASURE: Final = "measure"
ROLES: Final = (LEARNER_KEY, QUASI_IDENTIFIER, ITEM, SENSITIVE, MEASURE)

LEARNER_GRAIN: Final = "learner"
LEARNER_COURSE_GRAIN: Final = "learner-course"
GRAINS: Final = (LEARNER_GRAIN, LEARNER_COURSE_GRAIN)

ItemKnowledge = Literal[1, 2, 3, "full"]
"""How many items the attacker knows: up to so many of them, or the whole set."""

LINKED: Final = "linked"
"""The pseudonym scope of a project, whose packages tell of the same learners."""

_SCOPES = ("course", "release", LINKED)
ACCESS = ("controlled", "public")
_RECODINGS = ("global", "local")
SLUG = re.compile("[a-z0-9._-]+")
_PROJECT_EXPECTED = "a-z, 0-9, . _ - under linked scope, and there only"
_ROUNDING = 0.005
"""The suppressed share is rounded to 1%."""

SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Field:
    """One released column.

    Attributes:
        name: starts with a letter or `_`, so that no spreadsheet reads it as a formula.
        role: one of `ROLES`.
        description: for the reader.
        enum: the closed domain; empty for the learner key, whose shape is `LEARNER_PATTERN`.
    """

    name: str
    role: str
    description: str
    enum: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        start = self.name[:1]
        is_key = self.role == LEARNER_KEY
        demand(
            (start.isalpha() or start == "_", "name", "a name that starts with a letter or _"),
            (self.name.isprintable(), "name", "printable characters"),
            (self.role in ROLES, "role", one_of(ROLES)),
            (is_key != bool(self.enum), "constraints.enum", "values, but not for the learner key"),
            (len(set(self.enum)) == len(self.enum), "constraints.enum", "no value twice"),
        )


@dataclass(frozen=True, slots=True)
class Resource:
    """One released table.

    Attributes:
        name: as in the view it comes from, such as `enrolments`.
        path: of the Parquet file, inside the package.
        size: of that file, in bytes.
        sha256: of that file, in hex.
        grain: `learner` or `learner-course`.
        learner_key: the column of pseudonyms.
        fields: the columns, in the order of the file.
        primary_key: the columns that tell rows apart.
        csv_path: of the same table as CSV, where that was asked for.
    """

    name: str
    path: str
    size: int
    sha256: str
    grain: str
    learner_key: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    csv_path: str | None = None

    def __post_init__(self) -> None:
        names = [column.name for column in self.fields]
        keys = [column.name for column in self.fields if column.role == LEARNER_KEY]
        demand(
            (SLUG.fullmatch(self.name) is not None, "name", "a-z, 0-9, . _ -"),
            (is_inside(self.path), "path", "a path inside the package"),
            (self.size >= 0, "bytes", "a size"),
            (SHA256.fullmatch(self.sha256) is not None, "hash", "sha256: and 64 hex digits"),
            (self.grain in GRAINS, "grain", one_of(GRAINS)),
            (len(set(names)) == len(names), "schema.fields", "no column name twice"),
            (keys == [self.learner_key], "learnerKey", f"the one field of role {LEARNER_KEY}"),
            (self.csv_path is None or is_inside(self.csv_path), "csvPath", "a path inside it"),
        )

    def of_role(self, *roles: str) -> tuple[str, ...]:
        """The names of the columns of these roles, in file order."""
        return tuple(column.name for column in self.fields if column.role in roles)


@dataclass(frozen=True, slots=True)
class Promise:
    """What the package promises (the top-level `kohort` of the manifest).

    Attributes:
        k: learners who share a class and what the attacker knows of their items.
        m: how many items that attacker knows.
        pseudonym_scope: `course`: no pseudonym joins two items; `release`: one a learner, in no
            other release; `linked`: one a learner in all releases of the project.
        access: `controlled` or `public`.
        item: the item column; None where no table has one.
        maximum_share: sensitive column -> the largest share of one value in a group.
        suppression_limit: the share of learners that may be left out.
        suppressed_share: the share left out, rounded to 1%; None where withheld.
        request_sha256: of the request, in hex.
        data_version: what the data, the policy and the declarations hash to.
        cut_off: the moment rights were evaluated at (ISO 8601).
        legal_bases: what the data of these learners is used on.
        recoding: `global`: one level a quasi-identifier for everybody; or `local`.
        protected: column -> the values that its maximum share is about; every value where left out.
        diversity: sensitive column -> the l-diversity of every group.
        closeness: sensitive column -> how near every group is to everybody.
        item_suppression_limit: the share of (learner, item) rows that may be left out for the
            items they would tell; 0 under course scope.
        project: whose releases linked pseudonyms join, the promise being about all of them; None
            in every other scope.
        audit_head: the hash of the last entry of the registry's audit chain when this was built,
            in hex; None in what was built before there was one.
    """

    release_type: str
    k: int
    m: ItemKnowledge
    pseudonym_scope: str
    access: str
    item: str | None
    maximum_share: Mapping[str, float]
    suppression_limit: float
    suppressed_share: float | None
    request_sha256: str
    data_version: str
    cut_off: str
    legal_bases: tuple[str, ...]
    recoding: str = "global"
    protected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    diversity: Mapping[str, Diversity] = field(default_factory=dict)
    closeness: Mapping[str, Closeness] = field(default_factory=dict)
    item_suppression_limit: float = 0.0
    project: str | None = None
    audit_head: str | None = None

    def __post_init__(self) -> None:
        limit, item_limit = self.suppression_limit, self.item_suppression_limit
        course = self.pseudonym_scope == "course"
        within = "a share from 0 to the limit, or null"
        demand(
            *_common_rules(self),
            (0 <= limit <= 1, "suppression.limit", "a share from 0 to 1"),
            (_is_within(self.suppressed_share, limit), "suppression.share", within),
            (0 <= item_limit <= 1, "suppression.item_limit", "a share from 0 to 1"),
            (not course or not item_limit, "suppression.item_limit", "0 under course scope"),
            (is_digest(self.audit_head), "audit_head", "64 hex digits"),
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole of `datapackage.json`; `created` is in UTC (ISO 8601)."""

    name: str
    title: str
    description: str
    created: str
    resources: tuple[Resource, ...]
    promise: Promise

    def __post_init__(self) -> None:
        names = [resource.name for resource in self.resources]
        paths = [p for r in self.resources for p in (r.path, r.csv_path) if p is not None]
        demand(
            (SLUG.fullmatch(self.name) is not None, "name", "a-z, 0-9, . _ -"),
            (is_utc(self.created), "created", "a moment in UTC, such as 2026-01-31T12:00:00Z"),
            (bool(self.resources), "resources", "at least one table"),
            (len(set(names)) == len(names), "resources", "no name twice"),
            (len(set(paths)) == len(paths), "resources", "no path twice"),
        )


@dataclass(frozen=True, slots=True)
class Approval:
    """What a steward approved, written beside the package and never into it.

    Attributes:
        tables: table -> column -> role, for every column but the learner key.
        domains: sensitive column -> every label it may have, without which a bound on some of them
            means nothing. Columns left out are not held to any.
        package_sha256: of the package as it was written: of its list of checksums, which covers
            every other file, in hex; None in what was built before approvals told it.

    The other attributes are those of `Promise`.
    """

    request_sha256: str
    release_type: str
    k: int
    m: ItemKnowledge
    pseudonym_scope: str
    access: str
    item: str | None
    maximum_share: Mapping[str, float]
    suppression_limit: float
    tables: Mapping[str, Mapping[str, str]]
    recoding: str = "global"
    protected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    diversity: Mapping[str, Diversity] = field(default_factory=dict)
    closeness: Mapping[str, Closeness] = field(default_factory=dict)
    item_suppression_limit: float = 0.0
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    project: str | None = None
    package_sha256: str | None = None

    def __post_init__(self) -> None:
        roles = {role for columns in self.tables.values() for role in columns.values()}
        demand(
            *_common_rules(self),
            (0 <= self.suppression_limit <= 1, "suppression_limit", "a share from 0 to 1"),
            (
                0 <= self.item_suppression_limit <= 1,
                "item_suppression_limit",
                "a share from 0 to 1",
            ),
            (roles <= set(ROLES) - {LEARNER_KEY}, "tables", f"roles: {one_of(ROLES[1:])}"),
            (is_digest(self.package_sha256), "package_sha256", "64 hex digits"),
        )


def is_inside(path: str) -> bool:
    """Whether a `/`-separated relative path names something below the folder it starts from."""
    parts = path.split("/")
    plain = path.isprintable() and "\\" not in path and ":" not in path
    return plain and not any(part in {"", ".", ".."} for part in parts)


def _common_rules(value: Promise | Approval) -> list[tuple[bool, str, str]]:
    shares, protected = value.maximum_share, value.protected
    columns = (*shares, *value.diversity, *value.closeness)
    return [
        (value.release_type == "microdata", "release_type", "microdata"),
        (value.k >= 1, "k", "a number of learners, at least 1"),
        (value.m in get_args(ItemKnowledge), "m", '1, 2, 3 or "full"'),
        (value.pseudonym_scope in _SCOPES, "pseudonym_scope", one_of(_SCOPES)),
        (_is_project(value.project, value.pseudonym_scope), "project", _PROJECT_EXPECTED),
        (value.access in ACCESS, "access", one_of(ACCESS)),
        (value.recoding in _RECODINGS, "recoding", one_of(_RECODINGS)),
        (all(0 < s <= 1 for s in shares.values()), "maximum_share", "shares above 0, at most 1"),
        (all(map(str.isprintable, columns)), "maximum_share, l, t", "printable columns"),
        (protected.keys() <= shares.keys(), "protected", "columns that have a maximum share"),
        (all(map(_are_values, protected.values())), "protected", "values, none of them twice"),
        (SHA256.fullmatch(value.request_sha256) is not None, "request_sha256", "64 hex digits"),
    ]


def _is_project(project: str | None, scope: str) -> bool:
    if project is None:
        return scope != LINKED
    return scope == LINKED and SLUG.fullmatch(project) is not None


def is_digest(digest: str | None) -> bool:
    """Whether this is a hash, such as that of an entry of an audit chain, or none is told."""
    return digest is None or SHA256.fullmatch(digest) is not None


def _are_values(labels: tuple[str, ...]) -> bool:
    return 0 < len(labels) == len(set(labels)) and WITHHELD not in labels


def _is_within(share: float | None, limit: float) -> bool:
    return share is None or 0 <= share <= limit + _ROUNDING


def is_utc(moment: str) -> bool:
    """Whether this is a moment in UTC (ISO 8601)."""
    try:
        return datetime.fromisoformat(moment).utcoffset() == timedelta(0)
    except ValueError:
        return False
