"""The values of an aggregate package's manifest, and of its approval.

A table holds one row a cell, with noisy figures about the learners in it and no row about anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.manifest.draws import Draw, Measurement, Privacy
from schemas.manifest.error import demand, one_of
from schemas.manifest.query import DISCOVERED, Query
from schemas.manifest.values import ACCESS, SHA256, SLUG, is_digest, is_inside, is_utc

AGGREGATE: Final = "aggregate"
"""The release type."""

CELL_GRAIN: Final = "cell"
UNIT: Final = "learner"
ADJACENCY: Final = "add-remove"

KEY: Final = "key"
VALUE: Final = "value"
HALF_WIDTH: Final = "half-width"
CELL_ROLES: Final = (KEY, VALUE, HALF_WIDTH)
CELL_TYPES: Final = ("string", "integer", "number")


@dataclass(frozen=True, slots=True)
class CellField:
    """One released column of a table of cells.

    Attributes:
        name: as in `Field`.
        type: `string` for keys; else `integer` (Int64) or `number` (Float64).
        role: one of `CELL_ROLES`.
        description: for the reader.
        of: the value column whose half-width of 95% this is; None for keys and values.
        required: whether no cell is null.
        enum: the labels of a key of a public grid, in the order of its rows; empty elsewhere.
    """

    name: str
    type: str
    role: str
    description: str
    of: str | None = None
    required: bool = True
    enum: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        start = self.name[:1]
        is_key = self.role == KEY
        demand(
            (start.isalpha() or start == "_", "name", "a name that starts with a letter or _"),
            (self.name.isprintable(), "name", "printable characters"),
            (self.role in CELL_ROLES, "role", one_of(CELL_ROLES)),
            (self.type in CELL_TYPES, "type", one_of(CELL_TYPES)),
            (is_key == (self.type == "string"), "type", "string for keys, and for them alone"),
            (is_key or not self.enum, "constraints.enum", "none but for keys"),
            (len(set(self.enum)) == len(self.enum), "constraints.enum", "no value twice"),
            (not is_key or self.required, "constraints.required", "true for keys"),
            (
                (self.of is not None) == (self.role == HALF_WIDTH),
                "of",
                "a value column for half-widths, and for them alone",
            ),
        )


@dataclass(frozen=True, slots=True)
class CellTable:
    """One released table of cells: `Resource` of an aggregate package.

    Attributes:
        name: of the query.
        path: of the Parquet file, inside the package.
        size: of that file, in bytes.
        sha256: of that file, in hex.
        query: what it answers.
        fields: the columns, in the order of the file.
        csv_path: of the same table as CSV, where that was asked for.
    """

    name: str
    path: str
    size: int
    sha256: str
    query: Query
    fields: tuple[CellField, ...]
    csv_path: str | None = None

    def __post_init__(self) -> None:
        names = [column.name for column in self.fields]
        values = {None, *self.of_role(VALUE)}
        keys = [column for column in self.fields if column.role == KEY]
        found = self.query.keys == DISCOVERED
        demand(
            (SLUG.fullmatch(self.name) is not None, "name", "a-z, 0-9, . _ -"),
            (is_inside(self.path), "path", "a path inside the package"),
            (self.size >= 0, "bytes", "a size"),
            (SHA256.fullmatch(self.sha256) is not None, "hash", "sha256: and 64 hex digits"),
            (len(set(names)) == len(names), "schema.fields", "no column name twice"),
            (
                all(c.of is None or c.of in values for c in self.fields),
                "schema.fields",
                "of a value",
            ),
            (all(bool(key.enum) != found for key in keys), "schema.fields", "enum, or discovered"),
            (bool(keys) or not found, "schema.fields", "a key to be discovered"),
            (self.csv_path is None or is_inside(self.csv_path), "csvPath", "a path inside it"),
        )

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The key columns; none where the whole table is one cell."""
        return self.of_role(KEY)

    def of_role(self, *roles: str) -> tuple[str, ...]:
        """The names of the columns of these roles, in file order."""
        return tuple(column.name for column in self.fields if column.role in roles)


@dataclass(frozen=True, slots=True)
class AggregatePromise:
    """What the package promises (the top-level `kohort` of the manifest).

    The unit of privacy is one learner; data sets are adjacent with and without one.

    Attributes:
        access: `controlled` or `public`.
        family: of data, whose aggregate releases add up.
        request_sha256: of the request, in hex.
        catalogue_sha256: of what the grids are made of, in hex.
        data_version: what the data, the policy and the declarations hash to.
        cut_off: the moment rights were evaluated at (ISO 8601).
        legal_bases: what the data of these learners is used on.
        privacy: what all measurements cost together.
        measurements: all that was drawn.
        audit_head: as in `Promise`.
    """

    access: str
    family: str
    request_sha256: str
    catalogue_sha256: str
    data_version: str
    cut_off: str
    legal_bases: tuple[str, ...]
    privacy: Privacy
    measurements: tuple[Measurement, ...]
    audit_head: str | None = None

    def __post_init__(self) -> None:
        demand(
            *_common_rules(self),
            (is_utc(self.cut_off), "cut_off", "a moment in UTC, such as 2026-01-31T12:00:00Z"),
            (self.data_version.isprintable(), "data_version", "printable text"),
            (all(map(str.isprintable, self.legal_bases)), "legal_bases", "printable texts"),
            (bool(self.measurements), "measurements", "at least one"),
            (is_digest(self.audit_head), "audit_head", "64 hex digits"),
        )

    @property
    def release_type(self) -> str:
        """What kind of release it is."""
        return AGGREGATE


@dataclass(frozen=True, slots=True)
class AggregateManifest:
    """The whole of `datapackage.json`; `created` is in UTC (ISO 8601)."""

    name: str
    title: str
    description: str
    created: str
    resources: tuple[CellTable, ...]
    promise: AggregatePromise

    def __post_init__(self) -> None:
        names = [table.name for table in self.resources]
        paths = [p for t in self.resources for p in (t.path, t.csv_path) if p is not None]
        demand(
            (SLUG.fullmatch(self.name) is not None, "name", "a-z, 0-9, . _ -"),
            (is_utc(self.created), "created", "a moment in UTC, such as 2026-01-31T12:00:00Z"),
            (bool(self.resources), "resources", "at least one table"),
            (len(set(names)) == len(names), "resources", "no name twice"),
            (len(set(paths)) == len(paths), "resources", "no path twice"),
        )


@dataclass(frozen=True, slots=True)
class ApprovedTable:
    """What a table may be: `CellTable`, but for its file."""

    query: Query
    fields: tuple[CellField, ...]


@dataclass(frozen=True, slots=True)
class AggregateApproval:
    """What a steward approved and the ledger charged, written beside the package.

    Attributes:
        tables: what was approved of each table, in order: cells, bounds, columns and labels, as
            they were planned before a row was read.
        charge_id: of the charge in the ledger.
        draws: of that charge, as the ledger has them.
        package_sha256: as in `Approval`.

    The other attributes are those of `AggregatePromise`.
    """

    access: str
    family: str
    request_sha256: str
    catalogue_sha256: str
    tables: Mapping[str, "ApprovedTable"]
    charge_id: str
    draws: tuple[Draw, ...]
    package_sha256: str | None = None

    def __post_init__(self) -> None:
        demand(
            *_common_rules(self),
            (_is_name(self.charge_id), "charge.id", "an id"),
            (bool(self.draws), "charge.measurements", "at least one"),
            (is_digest(self.package_sha256), "package_sha256", "64 hex digits"),
        )


def _common_rules(value: AggregatePromise | AggregateApproval) -> list[tuple[bool, str, str]]:
    digests = ("request_sha256", "catalogue_sha256")
    return [
        (value.access in ACCESS, "access", one_of(ACCESS)),
        (_is_name(value.family), "family", "a printable name"),
        *(
            (SHA256.fullmatch(getattr(value, key)) is not None, key, "64 hex digits")
            for key in digests
        ),
    ]


def _is_name(text: str) -> bool:
    return text.isprintable() and text.strip() == text != ""
