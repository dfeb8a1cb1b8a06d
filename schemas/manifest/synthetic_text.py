"""The JSON of a synthetic package's manifest, and of the approval it is held against."""

from typing import Any

from schemas.manifest.aggregate import CELL_GRAIN
from schemas.manifest.aggregate_text import (
    CELLS_APPROVAL_KEYS,
    cells_approval_json,
    cells_promise_json,
    package_json,
    package_root,
    read_cells_approval,
    read_cells_manifest,
    read_cells_promise,
)
from schemas.manifest.cells_text import or_null, table_json
from schemas.manifest.node import Node, built, dump, load
from schemas.manifest.promise_text import PACKAGE_SHA256
from schemas.manifest.synthetic import (
    SYNTHETIC,
    SyntheticApproval,
    SyntheticManifest,
    Twin,
    TwinTable,
)
from schemas.manifest.text import field_json, read_field, read_resource, resource_json

_TWIN = "twin"


def parse_synthetic(text: str) -> SyntheticManifest:
    """Read the `datapackage.json` of a synthetic package.

    Raises:
        ManifestError: the text is not JSON, or not such a manifest of this format version.
    """
    root = package_root(text)
    resources = root.child("resources").array()
    cells = [node for node in resources if node.child("grain").text() == CELL_GRAIN]
    others = [node for node in resources if node not in cells]
    at = root.child("kohort")
    promise = read_cells_promise(at, SYNTHETIC, frozenset({_TWIN}))
    return built(
        SyntheticManifest,
        "",
        cells=read_cells_manifest(root, cells, promise),
        tables=tuple(read_resource(node) for node in others),
        twin=_twin(at.child(_TWIN)),
    )


def render_synthetic(manifest: SyntheticManifest) -> str:
    """The text of `datapackage.json`: the inverse of `parse_synthetic`."""
    cells = manifest.cells
    tables = [resource_json(table) for table in manifest.tables]
    measured = [table_json(table) for table in cells.resources]
    promise = cells_promise_json(cells.promise, SYNTHETIC)
    promise[_TWIN] = _twin_json(manifest.twin)
    return dump(package_json(cells, [*tables, *measured], promise))


def parse_synthetic_approval(text: str) -> SyntheticApproval:
    """Read a steward's approval of a synthetic release.

    Raises:
        ManifestError: the text is not JSON, or not such an approval.
    """
    root = load(text)
    root.keys({*CELLS_APPROVAL_KEYS, _TWIN, "invented"}, frozenset({PACKAGE_SHA256}))
    root.child("release_type").constant(SYNTHETIC)
    return SyntheticApproval(
        cells=read_cells_approval(root),
        tables={name: _approved(table) for name, table in root.child("invented").children()},
        twin=_twin(root.child(_TWIN)),
    )


def render_synthetic_approval(approval: SyntheticApproval) -> str:
    """The text of an approval: the inverse of `parse_synthetic_approval`."""
    return dump(
        {
            "release_type": SYNTHETIC,
            **cells_approval_json(approval.cells),
            "invented": {
                name: {
                    "grain": table.grain,
                    "fields": [field_json(field, table.grain) for field in table.fields],
                    "primaryKey": table.primary_key,
                }
                for name, table in approval.tables.items()
            },
            _TWIN: _twin_json(approval.twin),
        }
    )


def _approved(node: Node) -> TwinTable:
    node.keys({"grain", "fields", "primaryKey"})
    grain = node.child("grain").text()
    fields = tuple(read_field(child, grain) for child in node.child("fields").array())
    key = node.child("primaryKey").texts()
    return built(TwinTable, node.key, grain=grain, fields=fields, primary_key=key)


def _twin(node: Node) -> Twin:
    node.keys({"pseudonym_scope", "item", "most_rows"})
    return built(
        Twin,
        node.key,
        pseudonym_scope=node.child("pseudonym_scope").text(),
        item=or_null(node.child("item"), Node.text),
        most_rows=node.child("most_rows").integer(),
    )


def _twin_json(twin: Twin) -> dict[str, Any]:
    return {
        "pseudonym_scope": twin.pseudonym_scope,
        "item": twin.item,
        "most_rows": twin.most_rows,
    }
