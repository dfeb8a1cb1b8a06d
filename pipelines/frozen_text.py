"""What of a recode stays on record, and its text as the registry keeps it.

The text tells which items and which tuples of leaf labels occur. It counts and names nobody.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import polars as pl

from anonymizer.hierarchy import Hierarchy
from anonymizer.measures import TopCodedBins
from pipelines.errors import RegistryError
from pipelines.recoding import released

_FORMAT: Final = "kohort-frozen/1"


class Bins(NamedTuple):
    """The least level of a ladder in an item, and how many of its highest edges are dropped."""

    level: int
    dropped: int


@dataclass(frozen=True, slots=True)
class LeastLevel:
    """The least level of a quasi-identifier.

    Attributes:
        sha256: the digest of its hierarchy.
        level: of that hierarchy.
    """

    sha256: str
    level: int


@dataclass(frozen=True, slots=True)
class LeastBins:
    """The least levels of a measure or sensitive value.

    Attributes:
        sha256: the digest of its ladder.
        of_item: released item -> bins; the item is "" in a table without one.
    """

    sha256: str
    of_item: Mapping[str, Bins]


@dataclass(frozen=True, eq=False)
class Recorded:
    """What local recoding made of each tuple that it kept.

    Attributes:
        hierarchies: quasi-identifier -> the digest of its hierarchy.
        tuples: a row for each tuple: its leaf labels, and under `released(name)` its labels.
    """

    hierarchies: Mapping[str, str]
    tuples: pl.DataFrame


Levels: TypeAlias = Mapping[str, LeastLevel]
"""Quasi-identifier -> its least level."""

Values: TypeAlias = Mapping[str, Mapping[str, LeastBins]]
"""Table -> column -> its least bins."""


def digest(hierarchy: Hierarchy) -> str:
    """The digest of a hierarchy's leaves with their labels at every level."""
    levels = [hierarchy.label_of(level) for level in range(hierarchy.height + 1)]
    content = [isinstance(hierarchy, TopCodedBins), levels]
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def text_of(levels: Levels, values: Values, recorded: Sequence[Recorded]) -> str:
    """Canonical JSON (RFC 8785 for the values that occur): what is equal has equal texts."""
    content = {
        "format": _FORMAT,
        "levels": {name: [own.sha256, own.level] for name, own in levels.items()},
        "values": {
            table: {name: [own.sha256, own.of_item] for name, own in columns.items()}
            for table, columns in values.items()
        },
        "recorded": sorted((_content(own) for own in recorded), key=_canonical),
    }
    return _canonical(content)


def parsed(text: str) -> tuple[Levels, Values, tuple[Recorded, ...]]:
    """Read what `text_of` wrote.

    Raises:
        RegistryError: the text is nothing of the kind.
    """
    try:
        content = json.loads(text)
        if content["format"] != _FORMAT:
            raise damaged(f"another format than {_FORMAT}")
        levels = {
            name: LeastLevel(_text(own), _number(level))
            for name, (own, level) in content["levels"].items()
        }
        values = {
            table: {name: _least_bins(*own) for name, own in columns.items()}
            for table, columns in content["values"].items()
        }
        return levels, values, tuple(map(_recorded, content["recorded"]))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise damaged("no text that a build writes") from None


def damaged(fault: str) -> RegistryError:
    """What is on record can't be right."""
    return RegistryError(
        f"release.recode: the record of a live release is damaged ({fault}); "
        "restore the database from a backup"
    )


def _content(recorded: Recorded) -> dict[str, Any]:
    """Each tuple of leaves with the number of its class; both sorted."""
    names = sorted(recorded.hierarchies)
    leaves = recorded.tuples.select(names).rows()
    labels = recorded.tuples.select(map(released, names)).rows()
    number = {own: i for i, own in enumerate(sorted(set(labels)))}
    return {
        "hierarchies": recorded.hierarchies,
        "classes": list(number),
        "tuples": sorted([*leaf, number[own]] for leaf, own in zip(leaves, labels, strict=True)),
    }


def _least_bins(sha256: object, of_item: Mapping[str, Any]) -> LeastBins:
    found = {
        item: Bins(_number(level), _number(dropped)) for item, (level, dropped) in of_item.items()
    }
    return LeastBins(_text(sha256), found)


def _recorded(content: Mapping[str, Any]) -> Recorded:
    hierarchies = {name: _text(own) for name, own in content["hierarchies"].items()}
    names = sorted(hierarchies)
    classes = [[_text(label) for label in own] for own in content["classes"]]
    rows = [
        (*map(_text, leaves), *classes[_number(number)]) for *leaves, number in content["tuples"]
    ]
    if not names or any(len(row) != 2 * len(names) for row in rows):
        raise ValueError
    columns = [*names, *map(released, names)]
    tuples = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    if tuples.select(names).is_duplicated().any():
        raise ValueError
    return Recorded(hierarchies, tuples)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _canonical(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
