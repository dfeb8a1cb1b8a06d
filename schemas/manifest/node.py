"""Strict JSON, read and written: a refusal names the key and what was expected, never a value."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from schemas.manifest.error import ManifestError

_T = TypeVar("_T")
_LARGEST = 10**15
"""No figure of a package is larger; beyond it integers and floats part ways."""


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and the dotted key it stands at. Every reading raises `ManifestError`."""

    value: Any
    key: str

    def expected(self, what: str) -> ManifestError:
        """The refusal to raise."""
        return ManifestError(self.key, f"expected {what}")

    def keys(self, required: set[str], optional: frozenset[str] = frozenset()) -> None:
        """Demand an object with these keys and no others."""
        present = {name for name, _ in self.children()}
        for name in sorted(required - present):
            raise ManifestError(self._under(name), "required, but left out")
        if present - required - optional:
            known = ", ".join(sorted(required | optional))
            raise self.expected(f"no keys but {known}")

    def children(self) -> list[tuple[str, "Node"]]:
        """The members of an object."""
        if not isinstance(self.value, dict):
            raise self.expected("an object")
        return [(name, Node(value, self._under(name))) for name, value in self.value.items()]

    def optional(self, name: str) -> "Node | None":
        """One member of an object, or None where it is left out."""
        return dict(self.children()).get(name)

    def child(self, name: str) -> "Node":
        """One member of an object, which must be there."""
        found = self.optional(name)
        if found is None:
            raise ManifestError(self._under(name), "required, but left out")
        return found

    def array(self) -> "list[Node]":
        """The members of an array."""
        if not isinstance(self.value, list):
            raise self.expected("an array")
        return [Node(value, f"{self.key}[{i}]") for i, value in enumerate(self.value)]

    def text(self) -> str:
        """A string. Half a surrogate pair is none: no file and no terminal can hold it."""
        if not isinstance(self.value, str) or re.search("[\ud800-\udfff]", self.value):
            raise self.expected("a string")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """An array of strings."""
        return tuple(node.text() for node in self.array())

    def integer(self, most: int = _LARGEST) -> int:
        """An integer, at most so large either way."""
        if type(self.value) is not int or abs(self.value) > most:
            raise self.expected("an integer")
        return self.value

    def number(self) -> float:
        """A number."""
        if type(self.value) not in {int, float} or abs(self.value) > _LARGEST:
            raise self.expected("a number")
        return float(self.value)

    def constant(self, value: object) -> None:
        """Demand this very value: 1, 1.0 and true are equal in Python and differ in JSON."""
        if self.value != value or type(self.value) is not type(value):
            raise self.expected(json.dumps(value))

    def _under(self, name: str) -> str:
        name = name if name.isprintable() else "?"
        return f"{self.key}.{name}" if self.key else name


def load(text: str) -> Node:
    """The text as JSON, read the same way by every reader: no repeated key, no NaN."""
    try:
        document = json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except ManifestError:
        raise
    except (ValueError, RecursionError):  # also an integer of thousands of digits
        raise ManifestError("", "not valid JSON") from None
    return Node(document, "")


def built(cls: type[_T], key: str, **values: Any) -> _T:
    """The value; what it refuses is told with the JSON key it stands at."""
    try:
        return cls(**values)
    except ManifestError as error:
        raise ManifestError(f"{key}.{error.key}" if key else error.key, error.expected) from None


def dump(document: Mapping[str, Any]) -> str:
    """The text of a document, the same for the same values."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ManifestError("", "expected no key twice in one object")
    return dict(pairs)


def _no_constant(_: str) -> None:
    raise ManifestError("", "expected no NaN or Infinity")
