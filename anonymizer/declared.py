"""Hierarchies as people write them down: ARX's tables as text, and mappings such as TOML gives.

| kind | keys | leaves |
|---|---|---|
| `table` | `rows = [["F", "low"], ["M", "low"], ...]` | the first of each row |
| `values` | `values = ["f", "m"]` | the values, below `*` |
| `bins` | `edges = [[1, 10, 100], [10]]` | the bins of the first list |
| `intervals` | `low = 20, high = 80, widths = [5, 10, 20]` | the narrowest intervals |
| `dates` | `first = 2013-01-01, last = 2014-12-31, finest = "day"` | days, or coarser |
| `prefixes` | `lengths = [3, 1], separator = ""` | `values = [...]`, or those that occur |
| `redaction` | | `values = [...]`, or those that occur |
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, get_args

from anonymizer.errors import HierarchyError
from anonymizer.hierarchy import Hierarchy
from anonymizer.ladders import (
    DateLevel,
    date_hierarchy,
    interval_hierarchy,
    prefix_hierarchy,
    redaction_hierarchy,
)


def read_hierarchy(text: str, *, name: str, separator: str, missing: bool) -> Hierarchy:
    """Read a hierarchy file as ARX writes it: no header, one row a leaf, finest label first.

    Args:
        text: the content; blank lines and a byte order mark are passed over. Labels are taken as
            they stand, blanks around them included.
        name: the column it generalizes.
        separator: one character; ARX's is `;`.
        missing: whether an unknown value occurs: appends the leaf `(missing)`.

    Raises:
        HierarchyError: the text is no such table, or the table no tree.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").splitlines(keepends=True)
    try:
        rows = [row for row in csv.reader(lines, delimiter=separator, strict=True) if row]
    except csv.Error as error:
        raise HierarchyError(f"hierarchy {name}: not a table: {error}") from None
    return Hierarchy.from_rows(name, rows, missing=missing)


def hierarchy_from_mapping(
    name: str, mapping: Mapping[str, Any], *, found: Sequence[str] | None, missing: bool
) -> Hierarchy:
    """Build the hierarchy that a mapping declares; its kinds are listed at the top of this module.

    Args:
        name: the column it generalizes.
        mapping: `kind` and the keys of that kind, and no others.
        found: the values that occur in the column (see `occurring`), for kinds that need values
            and do not declare them; None where the data must not decide.
        missing: whether an unknown value occurs.

    Raises:
        HierarchyError: the kind or a key is unknown, absent or of the wrong type, or the result is
            no tree.
    """
    kind = mapping.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise HierarchyError(f"hierarchy {name}: kind: one of {', '.join(_KINDS)}")
    form = _KINDS[kind]
    given = {**form.defaults, **mapping}
    del given["kind"]
    if found is not None and form.keys.get("values") is _OCCURRING:
        given.setdefault("values", [*found])
    unknown = sorted(given.keys() - form.keys.keys())
    if unknown:
        raise HierarchyError(f"hierarchy {name}: {unknown[0]}: no key of {kind}; remove it")
    for key, shape in form.keys.items():
        if key not in given or not shape.fits(given[key]):
            raise HierarchyError(f"hierarchy {name}: {key}: give {shape.what}")
    return form.build(name, **given, missing=missing)


@dataclass(frozen=True)
class _Shape:
    """What the value of a key must be, in words and as a check."""

    what: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class _Form:
    """One kind of mapping: what builds it from which keys."""

    build: Callable[..., Hierarchy]
    keys: Mapping[str, _Shape]
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _each(what: str, fits: Callable[[Any], bool]) -> _Shape:
    return _Shape(
        f"a list of {what}", lambda value: isinstance(value, list) and all(map(fits, value))
    )


# Exact types: a boolean is an int, and a moment is a date, to isinstance.
_NUMBER: Final = _Shape("a number", lambda value: type(value) in {int, float})
_NUMBERS: Final = _each("numbers", _NUMBER.fits)
_WHOLE: Final = _each("whole numbers", lambda value: type(value) is int)
_TEXT: Final = _Shape("a text", lambda value: isinstance(value, str))
_TEXTS: Final = _each("texts", _TEXT.fits)
_OCCURRING: Final = _each("texts, or let the values that occur decide", _TEXT.fits)
_DAY: Final = _Shape("a date", lambda value: type(value) is date)
_LEVEL: Final = _Shape(
    f"one of {', '.join(get_args(DateLevel))}", lambda value: value in get_args(DateLevel)
)
_KINDS: Final[Mapping[str, _Form]] = {
    "table": _Form(Hierarchy.from_rows, {"rows": _each("lists of texts", _TEXTS.fits)}),
    "values": _Form(Hierarchy.flat, {"values": _TEXTS}),
    "bins": _Form(Hierarchy.from_bins, {"edges": _each("lists of numbers", _NUMBERS.fits)}),
    "intervals": _Form(interval_hierarchy, {"low": _NUMBER, "high": _NUMBER, "widths": _NUMBERS}),
    "dates": _Form(
        date_hierarchy, {"first": _DAY, "last": _DAY, "finest": _LEVEL}, {"finest": "day"}
    ),
    "prefixes": _Form(
        prefix_hierarchy,
        {"lengths": _WHOLE, "separator": _TEXT, "values": _OCCURRING},
        {"separator": ""},
    ),
    "redaction": _Form(redaction_hierarchy, {"values": _OCCURRING}),
}
