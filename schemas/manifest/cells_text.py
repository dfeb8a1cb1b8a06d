"""The JSON of a table of cells.

`csvPath`, a key's `enum`, a half-width's `of`, and `primaryKey` where the whole table is one cell,
are left out where there is none; all else is always there.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from schemas.manifest.aggregate import CELL_GRAIN, CellField, CellTable
from schemas.manifest.node import Node, built
from schemas.manifest.query import Query

_T = TypeVar("_T")
_QUERY_KEYS: Final = (
    "metric",
    "keys",
    "cells",
    "most",
    "bounds",
    "decimals",
    "nulls",
    "least",
    "threshold",
    "quantiles",
    "candidates",
    "consistent_with",
)


def read_table(node: Node) -> CellTable:
    """A resource of the manifest of an aggregate package.

    Raises:
        ManifestError: it breaks its form, or is a table that no package can hold.
    """
    node.keys(
        {"name", "path", "format", "mediatype", "bytes", "hash", "grain", "query", "schema"},
        frozenset({"csvPath"}),
    )
    node.child("format").constant("parquet")
    node.child("mediatype").constant("application/vnd.apache.parquet")
    node.child("grain").constant(CELL_GRAIN)
    digest = node.child("hash").text()
    if not digest.startswith("sha256:"):
        raise node.child("hash").expected("sha256: and 64 hex digits")
    schema = node.child("schema")
    schema.keys({"fields"}, frozenset({"primaryKey"}))
    table = built(
        CellTable,
        node.key,
        name=node.child("name").text(),
        path=node.child("path").text(),
        size=node.child("bytes").integer(),
        sha256=digest.removeprefix("sha256:"),
        query=read_query(node.child("query")),
        fields=tuple(read_field(child) for child in schema.child("fields").array()),
        csv_path=node.child("csvPath").text() if "csvPath" in node.value else None,
    )
    key = schema.optional("primaryKey")
    if (() if key is None else key.texts()) != table.primary_key or (key and not key.value):
        raise schema.expected("the key columns as primaryKey")
    return table


def table_json(table: CellTable) -> dict[str, Any]:
    """The JSON of a resource: the inverse of `read_table`."""
    fields = [field_json(field) for field in table.fields]
    return {
        "name": table.name,
        "path": table.path,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "bytes": table.size,
        "hash": f"sha256:{table.sha256}",
        "grain": CELL_GRAIN,
        **({} if table.csv_path is None else {"csvPath": table.csv_path}),
        "query": query_json(table.query),
        "schema": {
            "fields": fields,
            **({"primaryKey": table.primary_key} if table.primary_key else {}),
        },
    }


def read_query(node: Node) -> Query:
    """What a table answers."""
    node.keys(set(_QUERY_KEYS))
    return built(
        Query,
        node.key,
        metric=node.child("metric").text(),
        keys=node.child("keys").text(),
        cells=node.child("cells").integer(),
        most=or_null(node.child("most"), Node.integer),
        bounds=or_null(node.child("bounds"), _pair),
        decimals=node.child("decimals").integer(),
        nulls=or_null(node.child("nulls"), Node.text),
        least=or_null(node.child("least"), Node.integer),
        threshold=or_null(node.child("threshold"), Node.integer),
        quantiles=tuple(share.number() for share in node.child("quantiles").array()),
        candidates=or_null(node.child("candidates"), Node.integer),
        consistent_with=node.child("consistent_with").texts(),
    )


def query_json(query: Query) -> dict[str, Any]:
    """The inverse of `read_query`."""
    return {key: getattr(query, key) for key in _QUERY_KEYS}


def _pair(node: Node) -> tuple[float, float]:
    numbers = node.array()
    if len(numbers) != 2:
        raise node.expected("two numbers")
    return numbers[0].number(), numbers[1].number()


def read_field(node: Node) -> CellField:
    """A column of a table."""
    node.keys({"name", "type", "description", "role", "constraints"}, frozenset({"of"}))
    constraints = node.child("constraints")
    constraints.keys({"required"}, frozenset({"enum"}))
    required, enum, of = (
        constraints.child("required"),
        constraints.optional("enum"),
        node.optional("of"),
    )
    if not isinstance(required.value, bool):
        raise required.expected("true or false")
    if enum is not None and not enum.texts():
        raise enum.expected("labels")
    return built(
        CellField,
        node.key,
        name=node.child("name").text(),
        type=node.child("type").text(),
        role=node.child("role").text(),
        description=node.child("description").text(),
        of=None if of is None else of.text(),
        required=required.value,
        enum=() if enum is None else enum.texts(),
    )


def field_json(field: CellField) -> dict[str, Any]:
    """The inverse of `read_field`."""
    return {
        "name": field.name,
        "type": field.type,
        "description": field.description,
        "role": field.role,
        **({} if field.of is None else {"of": field.of}),
        "constraints": {
            "required": field.required,
            **({"enum": field.enum} if field.enum else {}),
        },
    }


def or_null(node: Node, read: Callable[[Node], _T]) -> _T | None:
    """What is read of a value, or None where it is null."""
    return None if node.value is None else read(node)
