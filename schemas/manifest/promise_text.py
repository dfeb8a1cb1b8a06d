"""The JSON of a promise, and of the approval that it is held against.

`recoding`, `protected`, `l`, `t` and `item_limit` came later than the other keys: they are always
written, and may be left out of what is read, which then promises none of them. `project` is written
under linked scope only, `audit_head` where a registry has a chain. `package_sha256` of an approval
came later still.
"""

from collections.abc import Mapping
from typing import Any, Final

from schemas.manifest.bounds import (
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
from schemas.manifest.node import Node, built, dump, load
from schemas.manifest.values import FORMAT_VERSION, Approval, Promise

_SHARED_KEYS: Final = (
    "request_sha256",
    "release_type",
    "k",
    "m",
    "pseudonym_scope",
    "access",
    "item",
)
_PROMISE_KEYS: Final = (*_SHARED_KEYS, "data_version", "cut_off", "legal_bases")
PACKAGE_SHA256: Final = "package_sha256"
_LATER_KEYS: Final = frozenset({"recoding", "protected", "l", "t", "project"})


def read_promise(node: Node) -> Promise:
    """The promise in the `kohort` of a manifest.

    Raises:
        ManifestError: it breaks its form, or promises what no package can mean.
    """
    own = {*_PROMISE_KEYS, "format_version", "maximum_share", "suppression"}
    node.keys(own, _LATER_KEYS | {"audit_head"})
    head = node.optional("audit_head")
    suppression = node.child("suppression")
    suppression.keys({"limit", "share"}, frozenset({"item_limit"}))
    item_limit = suppression.optional("item_limit")
    return built(
        Promise,
        node.key,
        **_shared(node),
        suppression_limit=suppression.child("limit").number(),
        suppressed_share=_number_or_null(suppression.child("share")),
        item_suppression_limit=0.0 if item_limit is None else item_limit.number(),
        data_version=node.child("data_version").text(),
        cut_off=node.child("cut_off").text(),
        legal_bases=node.child("legal_bases").texts(),
        audit_head=None if head is None else head.text(),
    )


def promise_json(promise: Promise) -> dict[str, Any]:
    """The `kohort` of a manifest: the inverse of `read_promise`."""
    return {
        "format_version": FORMAT_VERSION,
        **{key: getattr(promise, key) for key in _PROMISE_KEYS},
        **({} if promise.audit_head is None else {"audit_head": promise.audit_head}),
        **_project_json(promise),
        **_bounds_json(promise),
        "suppression": {
            "limit": promise.suppression_limit,
            "share": promise.suppressed_share,
            "item_limit": promise.item_suppression_limit,
        },
    }


def parse_approval(text: str) -> Approval:
    """Read a steward's approval.

    Raises:
        ManifestError: the text is not JSON, or not an approval.
    """
    root = load(text)
    later = _LATER_KEYS | {"item_suppression_limit", "domains", PACKAGE_SHA256}
    root.keys({*_SHARED_KEYS, "maximum_share", "suppression_limit", "tables"}, later)
    tables = {
        name: {column: role.text() for column, role in table.children()}
        for name, table in root.child("tables").children()
    }
    item_limit = root.optional("item_suppression_limit")
    return Approval(
        **_shared(root),
        suppression_limit=root.child("suppression_limit").number(),
        item_suppression_limit=0.0 if item_limit is None else item_limit.number(),
        domains={column: labels.texts() for column, labels in _columns(root, "domains")},
        tables=tables,
        package_sha256=read_package_sha256(root),
    )


def render_approval(approval: Approval) -> str:
    """The text of an approval: the inverse of `parse_approval`."""
    return dump(
        {
            **{key: getattr(approval, key) for key in _SHARED_KEYS},
            **_project_json(approval),
            **_bounds_json(approval),
            "suppression_limit": approval.suppression_limit,
            "item_suppression_limit": approval.item_suppression_limit,
            "tables": {name: dict(columns) for name, columns in approval.tables.items()},
            "domains": {column: list(labels) for column, labels in approval.domains.items()},
            **package_sha256_json(approval.package_sha256),
        }
    )


def read_package_sha256(node: Node) -> str | None:
    """The hash of the package that an approval goes with, where it tells one."""
    found = node.optional(PACKAGE_SHA256)
    return None if found is None else found.text()


def package_sha256_json(digest: str | None) -> dict[str, str]:
    """The inverse of `read_package_sha256`."""
    return {} if digest is None else {PACKAGE_SHA256: digest}


def _shared(node: Node) -> dict[str, Any]:
    """What the promise and the approval both say."""
    m, item, recoding = node.child("m"), node.child("item"), node.optional("recoding")
    project = node.optional("project")
    return {
        "request_sha256": node.child("request_sha256").text(),
        "release_type": node.child("release_type").text(),
        "k": node.child("k").integer(),
        "m": m.value if isinstance(m.value, str) else m.integer(),
        "pseudonym_scope": node.child("pseudonym_scope").text(),
        "project": None if project is None else project.text(),
        "access": node.child("access").text(),
        "item": None if item.value is None else item.text(),
        "recoding": "global" if recoding is None else recoding.text(),
        "maximum_share": {
            column: share.number() for column, share in node.child("maximum_share").children()
        },
        "protected": {column: labels.texts() for column, labels in _columns(node, "protected")},
        "diversity": {column: _diversity(bound) for column, bound in _columns(node, "l")},
        "closeness": {column: _closeness(bound) for column, bound in _columns(node, "t")},
    }


def _bounds_json(value: Promise | Approval) -> Mapping[str, Any]:
    """The inverse of the later half of `_shared`."""
    return {
        "recoding": value.recoding,
        "maximum_share": dict(value.maximum_share),
        "protected": {column: list(labels) for column, labels in value.protected.items()},
        "l": {column: _diversity_json(bound) for column, bound in value.diversity.items()},
        "t": {column: _closeness_json(bound) for column, bound in value.closeness.items()},
    }


def _project_json(value: Promise | Approval) -> dict[str, str]:
    return {} if value.project is None else {"project": value.project}


def _columns(node: Node, name: str) -> list[tuple[str, Node]]:
    found = node.optional(name)
    return [] if found is None else found.children()


def _diversity(node: Node) -> Diversity:
    kind = node.child("kind").text()
    if kind == "distinct":
        node.keys({"kind", "l"})
        return built(DistinctDiversity, node.key, l=node.child("l").integer())
    if kind == "entropy":
        node.keys({"kind", "l"})
        return built(EntropyDiversity, node.key, l=node.child("l").number())
    if kind == "recursive":
        node.keys({"kind", "c", "l"})
        c, least = node.child("c").number(), node.child("l").integer()
        return built(RecursiveDiversity, node.key, c=c, l=least)
    raise node.child("kind").expected("distinct, entropy or recursive")


def _diversity_json(bound: Diversity) -> dict[str, Any]:
    match bound:
        case DistinctDiversity():
            return {"kind": "distinct", "l": bound.l}
        case EntropyDiversity():
            return {"kind": "entropy", "l": bound.l}
        case RecursiveDiversity():
            return {"kind": "recursive", "c": bound.c, "l": bound.l}


def _closeness(node: Node) -> Closeness:
    return built(Closeness, node.key, t=node.child("t").number(), distance=_distance(node))


def _distance(node: Node) -> Distance:
    kind = node.child("distance").text()
    if kind == "equal":
        node.keys({"t", "distance"})
        return EqualDistance()
    if kind == "ordered":
        node.keys({"t", "distance", "order"})
        return built(OrderedDistance, node.key, order=node.child("order").texts())
    if kind == "hierarchical":
        node.keys({"t", "distance", "tree"})
        rows = tuple(row.texts() for row in node.child("tree").array())
        return built(HierarchicalDistance, node.key, tree=rows)
    raise node.child("distance").expected("equal, ordered or hierarchical")


def _closeness_json(bound: Closeness) -> dict[str, Any]:
    match bound.distance:
        case EqualDistance():
            return {"t": bound.t, "distance": "equal"}
        case OrderedDistance(order):
            return {"t": bound.t, "distance": "ordered", "order": list(order)}
        case HierarchicalDistance(tree):
            return {"t": bound.t, "distance": "hierarchical", "tree": [list(row) for row in tree]}


def _number_or_null(node: Node) -> float | None:
    return None if node.value is None else node.number()
