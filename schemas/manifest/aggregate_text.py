"""The JSON of an aggregate package's manifest, and of the approval it is held against.

All that has no value is null; only `audit_head` is left out where a registry has no chain, and
`package_sha256` where an approval was written before it was told.
"""

from collections.abc import Sequence
from typing import Any, Final

from schemas.manifest.aggregate import (
    ADJACENCY,
    AGGREGATE,
    UNIT,
    AggregateApproval,
    AggregateManifest,
    AggregatePromise,
    ApprovedTable,
)
from schemas.manifest.cells_text import (
    field_json,
    or_null,
    query_json,
    read_field,
    read_query,
    read_table,
    table_json,
)
from schemas.manifest.draws import LARGEST_UNITS, Draw, Measurement, Privacy
from schemas.manifest.node import Node, built, dump, load
from schemas.manifest.promise_text import (
    PACKAGE_SHA256,
    package_sha256_json,
    read_package_sha256,
)
from schemas.manifest.text import PROFILE
from schemas.manifest.values import FORMAT_VERSION

_COST_KEYS: Final = ("micro_epsilon", "micro_rho", "atto_delta")
_DRAW_KEYS: Final = ("mechanism", "scale", "l0", "linf", "norm")
_TERMS: Final = ("access", "family", "request_sha256", "catalogue_sha256")
"""What the promise and the approval both say."""

_CONSTANTS: Final = {"unit": UNIT, "adjacency": ADJACENCY}

CELLS_APPROVAL_KEYS: Final = ("release_type", *_TERMS, "tables", "charge")
"""What the approval of a release that holds tables of cells says of these."""


def release_type_of(text: str) -> str:
    """Which kind of release a manifest, or an approval, is of; nothing else of it is looked at.

    Raises:
        ManifestError: the text is not JSON, names none, or is a manifest of another format version.
    """
    root = load(text)
    at = root.optional("kohort")
    if at is None:
        return root.child("release_type").text()
    at.child("format_version").constant(FORMAT_VERSION)
    return at.child("release_type").text()


def parse_aggregate(text: str) -> AggregateManifest:
    """Read the `datapackage.json` of an aggregate package.

    Raises:
        ManifestError: the text is not JSON, or not such a manifest of this format version.
    """
    root = package_root(text)
    tables = root.child("resources").array()
    return read_cells_manifest(root, tables, read_cells_promise(root.child("kohort"), AGGREGATE))


def package_root(text: str) -> Node:
    """The document of a package of this format version; what it holds is not looked at."""
    root = load(text)
    root.child("kohort").child("format_version").constant(FORMAT_VERSION)
    root.keys({"$schema", "name", "title", "description", "created", "resources", "kohort"})
    root.child("$schema").constant(PROFILE)
    return root


def read_cells_manifest(
    root: Node, tables: Sequence[Node], promise: AggregatePromise
) -> AggregateManifest:
    """What a package says of its tables of cells."""
    return AggregateManifest(
        name=root.child("name").text(),
        title=root.child("title").text(),
        description=root.child("description").text(),
        created=root.child("created").text(),
        resources=tuple(read_table(node) for node in tables),
        promise=promise,
    )


def render_aggregate(manifest: AggregateManifest) -> str:
    """The text of `datapackage.json`: the inverse of `parse_aggregate`."""
    tables = [table_json(table) for table in manifest.resources]
    return dump(package_json(manifest, tables, cells_promise_json(manifest.promise, AGGREGATE)))


def package_json(
    manifest: AggregateManifest, resources: Sequence[dict[str, Any]], promise: dict[str, Any]
) -> dict[str, Any]:
    """The document of a package that holds tables of cells."""
    return {
        "$schema": PROFILE,
        "name": manifest.name,
        "title": manifest.title,
        "description": manifest.description,
        "created": manifest.created,
        "resources": resources,
        "kohort": promise,
    }


def parse_aggregate_approval(text: str) -> AggregateApproval:
    """Read a steward's approval of an aggregate release.

    Raises:
        ManifestError: the text is not JSON, or not such an approval.
    """
    root = load(text)
    root.keys(set(CELLS_APPROVAL_KEYS), frozenset({PACKAGE_SHA256}))
    root.child("release_type").constant(AGGREGATE)
    return read_cells_approval(root)


def read_cells_approval(root: Node) -> AggregateApproval:
    """What was approved of tables of cells, and charged for them."""
    charge = root.child("charge")
    charge.keys({"id", "measurements"})
    return AggregateApproval(
        **_terms(root),
        tables={name: _approved(table) for name, table in root.child("tables").children()},
        charge_id=charge.child("id").text(),
        draws=tuple(_draw(node, set()) for node in charge.child("measurements").array()),
        package_sha256=read_package_sha256(root),
    )


def render_aggregate_approval(approval: AggregateApproval) -> str:
    """The text of an approval: the inverse of `parse_aggregate_approval`."""
    return dump({"release_type": AGGREGATE, **cells_approval_json(approval)})


def cells_approval_json(approval: AggregateApproval) -> dict[str, Any]:
    """The inverse of `read_cells_approval`."""
    return {
        **{key: getattr(approval, key) for key in _TERMS},
        "tables": {
            name: {
                "query": query_json(table.query),
                "fields": [field_json(field) for field in table.fields],
            }
            for name, table in approval.tables.items()
        },
        "charge": {
            "id": approval.charge_id,
            "measurements": [_draw_json(draw) for draw in approval.draws],
        },
        **package_sha256_json(approval.package_sha256),
    }


def _approved(node: Node) -> ApprovedTable:
    node.keys({"query", "fields"})
    fields = tuple(read_field(child) for child in node.child("fields").array())
    return ApprovedTable(read_query(node.child("query")), fields)


def read_cells_promise(
    node: Node, release_type: str, more: frozenset[str] = frozenset()
) -> AggregatePromise:
    """What a package promises of its noise.

    Args:
        node: the `kohort` of its manifest.
        release_type: that it must name.
        more: keys that are read elsewhere.
    """
    own = {"format_version", "release_type", *_CONSTANTS, *_TERMS, "data_version", "cut_off"}
    node.keys({*own, "legal_bases", "privacy", "measurements", *more}, frozenset({"audit_head"}))
    for key, value in {"release_type": release_type, **_CONSTANTS}.items():
        node.child(key).constant(value)
    privacy = node.child("privacy")
    privacy.keys(set(_COST_KEYS))
    head = node.optional("audit_head")
    return built(
        AggregatePromise,
        node.key,
        **_terms(node),
        data_version=node.child("data_version").text(),
        cut_off=node.child("cut_off").text(),
        legal_bases=node.child("legal_bases").texts(),
        privacy=_privacy(privacy),
        measurements=tuple(_measurement(one) for one in node.child("measurements").array()),
        audit_head=None if head is None else head.text(),
    )


def cells_promise_json(promise: AggregatePromise, release_type: str) -> dict[str, Any]:
    """The inverse of `read_cells_promise`."""
    return {
        "format_version": FORMAT_VERSION,
        "release_type": release_type,
        **_CONSTANTS,
        **{key: getattr(promise, key) for key in _TERMS},
        "data_version": promise.data_version,
        "cut_off": promise.cut_off,
        "legal_bases": promise.legal_bases,
        **({} if promise.audit_head is None else {"audit_head": promise.audit_head}),
        "privacy": _privacy_json(promise.privacy),
        "measurements": [
            {"table": one.table, "columns": one.columns, **_draw_json(one.draw)}
            for one in promise.measurements
        ],
    }


def _terms(node: Node) -> dict[str, Any]:
    return {key: node.child(key).text() for key in _TERMS}


def _measurement(node: Node) -> Measurement:
    draw = _draw(node, {"table", "columns"})
    table, columns = node.child("table").text(), node.child("columns").texts()
    return built(Measurement, node.key, table=table, columns=columns, draw=draw)


def _draw(node: Node, more: set[str]) -> Draw:
    node.keys({*more, *_DRAW_KEYS, *_COST_KEYS})
    return built(
        Draw,
        node.key,
        mechanism=node.child("mechanism").text(),
        scale=node.child("scale").text(),
        l0=node.child("l0").integer(),
        linf=node.child("linf").integer(LARGEST_UNITS),
        norm=node.child("norm").text(),
        privacy=_privacy(node),
    )


def _draw_json(draw: Draw) -> dict[str, Any]:
    return {key: getattr(draw, key) for key in _DRAW_KEYS} | _privacy_json(draw.privacy)


def _privacy(node: Node) -> Privacy:
    return built(
        Privacy,
        node.key,
        micro_epsilon=or_null(node.child("micro_epsilon"), _units),
        micro_rho=_units(node.child("micro_rho")),
        atto_delta=_units(node.child("atto_delta")),
    )


def _privacy_json(privacy: Privacy) -> dict[str, Any]:
    return {key: getattr(privacy, key) for key in _COST_KEYS}


def _units(node: Node) -> int:
    return node.integer(LARGEST_UNITS)
