"""The text of a master recode, and the digest that it is known by.

The text is canonical JSON (RFC 8785 for the values that occur): equal recodes have equal texts. It
tells which labels occur, but no count of learners, and stays with the releases of the population.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from anonymizer.errors import CoreError
from anonymizer.hierarchy import Hierarchy
from anonymizer.leaf_order import LeafOrder
from anonymizer.recode import FrozenLevels, FrozenTree, MasterRecode
from anonymizer.split_kernels import NONE
from anonymizer.splitter import Tree

_FORMAT: Final = "kohort-recode/1"


def to_text(recode: MasterRecode) -> str:
    """The recode as text; it ends with its own digest.

    Nodes of a tree are `[parent, label, quasi-identifier, level, class]`; null stands for what a
    root, a residual, a leaf or a node without class lacks.
    """
    content = _content(recode)
    return _canonical(content | {"sha256": _digest(content)})


def sha256(recode: MasterRecode) -> str:
    """The digest of its hierarchies (names, leaves and labels), tree or levels, classes and k."""
    return _digest(_content(recode))


def from_text(text: str, hierarchies: Sequence[Hierarchy]) -> MasterRecode:
    """Read a recode.

    Args:
        text: as `to_text` wrote it.
        hierarchies: those that it was fitted with, in their order.

    Raises:
        CoreError: the text is no recode, was changed, or was fitted with other hierarchies.
    """
    try:
        content = json.loads(text)
        stated = content.pop("sha256")
        if content["format"] != _FORMAT:
            raise CoreError(f"recode: another format than {_FORMAT}; fit it again")
        if _digest(content) != stated:
            raise CoreError("recode: the text was changed; restore it from the releases' records")
        if content["hierarchies"] != [_named(hierarchy) for hierarchy in hierarchies]:
            raise CoreError("recode: fitted with other hierarchies; use those it was fitted with")
        classes = tuple(map(tuple, content["classes"]))
        if "levels" in content:
            levels = tuple(content["levels"])
            return FrozenLevels(tuple(hierarchies), content["k"], levels, classes)
        tree = _tree(content["nodes"], hierarchies)
        return FrozenTree(tuple(hierarchies), content["k"], tree, classes)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        if isinstance(error, CoreError):
            raise
        raise CoreError("recode: the text is no recode; give what `to_text` wrote") from error


def _content(recode: MasterRecode) -> dict[str, Any]:
    content: dict[str, Any] = {
        "format": _FORMAT,
        "k": recode.k,
        "hierarchies": [_named(hierarchy) for hierarchy in recode.hierarchies],
        "classes": recode.classes,
    }
    if isinstance(recode, FrozenLevels):
        return content | {"levels": recode.levels}
    return content | {"nodes": list(_nodes(recode.tree, recode.hierarchies))}


def _nodes(tree: Tree, hierarchies: Sequence[Hierarchy]) -> Iterator[list[Any]]:
    """The nodes of a tree as rows of text."""
    order = LeafOrder.of(hierarchies)
    names = [hierarchy.name for hierarchy in hierarchies]
    label_of = {
        (j, level): {number: label for label, number in found.items()}
        for (j, level), found in _labels(order, hierarchies).items()
    }
    columns = (tree.parent, tree.label, tree.attribute, tree.level, tree.part)
    rows = np.stack(columns, axis=1).tolist()
    for parent, number, attribute, level, part in rows:
        label = None
        if number != NONE:
            label = label_of[rows[parent][2], rows[parent][3]][number]
        name = None if attribute == NONE else names[attribute]
        yield [_or_null(parent), label, name, _or_null(level), _or_null(part)]


def _tree(rows: list[list[Any]], hierarchies: Sequence[Hierarchy]) -> Tree:
    """The tree of the rows of a text."""
    place = {hierarchy.name: j for j, hierarchy in enumerate(hierarchies)}
    number_of = _labels(LeafOrder.of(hierarchies), hierarchies)
    found = []
    for parent, label, name, level, part in rows:
        number = NONE
        if label is not None:
            _, _, above, above_level, _ = rows[parent]
            number = number_of[place[above], above_level][label]
        attribute = NONE if name is None else place[name]
        own = (_or_none(level), _or_none(parent), number, _or_none(part))
        found.append((attribute, *own))
    return Tree(*np.array(found, np.int64).reshape(len(found), 5).T)


def _labels(
    order: LeafOrder, hierarchies: Sequence[Hierarchy]
) -> dict[tuple[int, int], dict[str, int]]:
    """For each quasi-identifier and level: label -> its number in `LeafOrder.label`."""
    return {
        (j, level): dict(
            zip(
                hierarchy.label_of(level),
                order.label[j, level, order.rank[j, : len(hierarchy.leaves)]].tolist(),
                strict=True,
            )
        )
        for j, hierarchy in enumerate(hierarchies)
        for level in range(hierarchy.height + 1)
    }


def _named(hierarchy: Hierarchy) -> dict[str, str]:
    """A hierarchy's name, and the digest of its leaves with their labels at every level."""
    levels = [hierarchy.label_of(level) for level in range(hierarchy.height + 1)]
    return {"name": hierarchy.name, "sha256": _digest(levels)}


def _or_null(number: int) -> int | None:
    return None if number == NONE else number


def _or_none(number: int | None) -> int:
    return NONE if number is None else number


def _digest(content: Any) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
