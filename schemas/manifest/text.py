"""The JSON text of a manifest and of an approval."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from schemas.manifest.node import Node, load
from schemas.manifest.values import (
    FORMAT_VERSION,
    GRAINS,
    LEARNER_GRAIN,
    LEARNER_KEY,
    LEARNER_PATTERN,
    Approval,
    Field,
    Manifest,
    ManifestError,
    Promise,
    Resource,
)

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
_T = TypeVar("_T")
_SHARED_KEYS = ("request_sha256", "release_type", "k", "m", "pseudonym_scope", "access", "item")
_PROMISE_KEYS = (*_SHARED_KEYS, "data_version", "cut_off", "legal_bases")


def parse_manifest(text: str) -> Manifest:
    """Read `datapackage.json`.

    Raises:
        ManifestError: the text is not JSON, or not a manifest of this format version.
    """
    root = load(text)
    # The version comes first: of another format nothing else can be said.
    root.child("kohort").child("format_version").constant(FORMAT_VERSION)
    # A Data Package may carry further properties; in a package of this format nobody checks them.
    root.keys({"$schema", "name", "title", "description", "created", "resources", "kohort"})
    root.child("$schema").constant(PROFILE)
    resources = tuple(_resource(node) for node in root.child("resources").array())
    promise = _promise(root.child("kohort"))
    return Manifest(
        name=root.child("name").text(),
        title=root.child("title").text(),
        description=root.child("description").text(),
        created=root.child("created").text(),
        resources=resources,
        promise=promise,
    )


def render_manifest(manifest: Manifest) -> str:
    """The text of `datapackage.json`: the inverse of `parse_manifest`."""
    promise = manifest.promise
    document = {
        "$schema": PROFILE,
        "name": manifest.name,
        "title": manifest.title,
        "description": manifest.description,
        "created": manifest.created,
        "resources": [_resource_json(resource) for resource in manifest.resources],
        "kohort": {
            "format_version": FORMAT_VERSION,
            **{key: getattr(promise, key) for key in _PROMISE_KEYS},
            "maximum_share": dict(promise.maximum_share),
            "suppression": {"limit": promise.suppression_limit, "share": promise.suppressed_share},
        },
    }
    return _dump(document)


def parse_approval(text: str) -> Approval:
    """Read a steward's approval.

    Raises:
        ManifestError: the text is not JSON, or not an approval.
    """
    root = load(text)
    root.keys({*_SHARED_KEYS, "maximum_share", "suppression_limit", "tables"})
    tables = {
        name: {column: role.text() for column, role in table.children()}
        for name, table in root.child("tables").children()
    }
    return Approval(
        **_shared(root),
        suppression_limit=root.child("suppression_limit").number(),
        tables=tables,
    )


def render_approval(approval: Approval) -> str:
    """The text of an approval: the inverse of `parse_approval`."""
    return _dump(
        {
            **{key: getattr(approval, key) for key in _SHARED_KEYS},
            "maximum_share": dict(approval.maximum_share),
            "suppression_limit": approval.suppression_limit,
            "tables": {name: dict(columns) for name, columns in approval.tables.items()},
        }
    )


def _resource(node: Node) -> Resource:
    node.keys(
        {"name", "path", "format", "mediatype", "bytes", "hash", "grain", "learnerKey", "schema"},
        frozenset({"csvPath"}),
    )
    node.child("format").constant("parquet")
    node.child("mediatype").constant("application/vnd.apache.parquet")
    digest = node.child("hash").text()
    if not digest.startswith("sha256:"):
        raise node.child("hash").expected("sha256: and 64 hex digits")
    grain = node.child("grain").text()
    if grain not in GRAINS:  # before the fields: the constraints of the key follow from it
        raise node.child("grain").expected(f"one of {', '.join(GRAINS)}")
    schema = node.child("schema")
    schema.keys({"fields", "primaryKey"})
    fields = tuple(_field(child, grain) for child in schema.child("fields").array())
    return _build(
        Resource,
        node.key,
        name=node.child("name").text(),
        path=node.child("path").text(),
        size=node.child("bytes").integer(),
        sha256=digest.removeprefix("sha256:"),
        grain=grain,
        learner_key=node.child("learnerKey").text(),
        fields=fields,
        primary_key=schema.child("primaryKey").texts(),
        csv_path=node.child("csvPath").text() if "csvPath" in node.value else None,
    )


def _field(node: Node, grain: str) -> Field:
    node.keys({"name", "type", "description", "role", "constraints"})
    node.child("type").constant("string")
    role = node.child("role").text()
    constraints = node.child("constraints")
    if role == LEARNER_KEY:
        constraints.keys({"required", "unique", "pattern"})
        constraints.child("unique").constant(grain == LEARNER_GRAIN)
        constraints.child("pattern").constant(LEARNER_PATTERN)
        enum: tuple[str, ...] = ()
    else:
        constraints.keys({"required", "enum"})
        enum = constraints.child("enum").texts()
    constraints.child("required").constant(True)  # noqa: FBT003 - a JSON value
    name, description = node.child("name").text(), node.child("description").text()
    return _build(Field, node.key, name=name, role=role, description=description, enum=enum)


def _promise(node: Node) -> Promise:
    node.keys({*_PROMISE_KEYS, "format_version", "maximum_share", "suppression"})
    suppression = node.child("suppression")
    suppression.keys({"limit", "share"})
    share = suppression.child("share")
    return _build(
        Promise,
        node.key,
        **_shared(node),
        suppression_limit=suppression.child("limit").number(),
        suppressed_share=None if share.value is None else share.number(),
        data_version=node.child("data_version").text(),
        cut_off=node.child("cut_off").text(),
        legal_bases=node.child("legal_bases").texts(),
    )


def _shared(node: Node) -> dict[str, Any]:
    """What the promise and the approval both say."""
    m, item = node.child("m"), node.child("item")
    return {
        "request_sha256": node.child("request_sha256").text(),
        "release_type": node.child("release_type").text(),
        "k": node.child("k").integer(),
        "m": m.value if isinstance(m.value, str) else m.integer(),
        "pseudonym_scope": node.child("pseudonym_scope").text(),
        "access": node.child("access").text(),
        "item": None if item.value is None else item.text(),
        "maximum_share": {
            column: share.number() for column, share in node.child("maximum_share").children()
        },
    }


def _resource_json(resource: Resource) -> dict[str, Any]:
    csv = {} if resource.csv_path is None else {"csvPath": resource.csv_path}
    fields = [_field_json(field, resource.grain) for field in resource.fields]
    return {
        "name": resource.name,
        "path": resource.path,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "bytes": resource.size,
        "hash": f"sha256:{resource.sha256}",
        "grain": resource.grain,
        "learnerKey": resource.learner_key,
        **csv,
        "schema": {"fields": fields, "primaryKey": resource.primary_key},
    }


def _field_json(field: Field, grain: str) -> dict[str, Any]:
    domain: dict[str, Any] = {"enum": field.enum}
    if field.role == LEARNER_KEY:
        domain = {"unique": grain == LEARNER_GRAIN, "pattern": LEARNER_PATTERN}
    return {
        "name": field.name,
        "type": "string",
        "description": field.description,
        "role": field.role,
        "constraints": {"required": True, **domain},
    }


def _build(cls: type[_T], key: str, **values: Any) -> _T:
    """The value; what it refuses is told with the JSON key it stands at."""
    try:
        return cls(**values)
    except ManifestError as error:
        raise ManifestError(f"{key}.{error.key}", error.expected) from None


def _dump(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
