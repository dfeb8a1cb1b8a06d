"""The JSON text of a manifest."""

from typing import Any

from schemas.manifest.node import Node, built, dump, load
from schemas.manifest.promise_text import promise_json, read_promise
from schemas.manifest.values import (
    FORMAT_VERSION,
    GRAINS,
    LEARNER_GRAIN,
    LEARNER_KEY,
    LEARNER_PATTERN,
    Field,
    Manifest,
    Resource,
)

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"


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
    resources = tuple(read_resource(node) for node in root.child("resources").array())
    promise = read_promise(root.child("kohort"))
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
    document = {
        "$schema": PROFILE,
        "name": manifest.name,
        "title": manifest.title,
        "description": manifest.description,
        "created": manifest.created,
        "resources": [resource_json(resource) for resource in manifest.resources],
        "kohort": promise_json(manifest.promise),
    }
    return dump(document)


def read_resource(node: Node) -> Resource:
    """A table of rows about learners."""
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
    fields = tuple(read_field(child, grain) for child in schema.child("fields").array())
    return built(
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


def read_field(node: Node, grain: str) -> Field:
    """A column of a table of that grain."""
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
    return built(Field, node.key, name=name, role=role, description=description, enum=enum)


def resource_json(resource: Resource) -> dict[str, Any]:
    """The inverse of `read_resource`."""
    csv = {} if resource.csv_path is None else {"csvPath": resource.csv_path}
    fields = [field_json(field, resource.grain) for field in resource.fields]
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


def field_json(field: Field, grain: str) -> dict[str, Any]:
    """The inverse of `read_field`."""
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
