"""The rights file: a CSV of what learners said, read whole or refused whole.

A mistyped withdrawal that were skipped would leave a grant in force, so one bad line refuses the
file. Refusals give line numbers, never values.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

from anonymizer.eligibility import State
from pipelines.errors import RightsError

COLUMNS: Final = (
    "learner_id",
    "purpose",
    "scope",
    "state",
    "legal_basis",
    "jurisdiction",
    "notice_version",
    "effective_from",
    "effective_to",
    "source",
)
"""The columns of a rights file, all of them, in any order."""

_ABSENT: Final = frozenset({"", "NA"})
_EAST_OF_GREENWICH: Final = timedelta(hours=14)
"""A restriction dated by day holds as soon as that day begins anywhere."""

_STATES: Final = frozenset(State) - {State.NO_RECORD}
_SCOPE: Final = re.compile(r"(?P<kind>[a-z_]+)\s*:\s*(?P<name>.+)")
_NUMBERED: Final = re.compile(r"^(\d+)\.0+$")
_REWRITTEN: Final = re.compile(
    r"['+].*|\d+\.|\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?[eE]\+\d+|\d+\.\d+[eE]\d+"
)
"""A number with an apostrophe, a sign, thousands separators or an exponent. A plain `12e5` may be a
hash, and passes."""

_EVERYTHING: Final = frozenset({"*", "all", "any", "every"})
"""Words for everything; only `*` is one: another, meant so, must not pass as a name."""


class _Fault(Exception):  # noqa: N818 - not an error of the program: one bad line of a file
    """Why a line is refused; never holds its values."""


@dataclass(frozen=True, slots=True)
class RightsLine:
    """One line of a rights file, parsed; empty text is None."""

    learner_id: str
    purpose: str
    scope: str
    state: State
    legal_basis: str | None
    jurisdiction: str | None
    notice_version: str | None
    effective_from: datetime
    effective_to: datetime | None
    source: str | None


def read_rights(file: Path) -> Iterator[RightsLine]:
    """The lines of a rights file, one by one; the caller keeps nothing unless the end is reached.

    Raises:
        RightsError: the file can't be read, its header is not `COLUMNS`, it holds no record, or
            any line is bad. Bad lines are counted to the end of the file, then refused at once.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            yield from _lines(file, text)
    except OSError as error:
        raise RightsError(f"{file}: can't be read ({error.strerror}); name a CSV file") from None
    except UnicodeDecodeError:
        raise RightsError(f"{file}: not UTF-8; save it as UTF-8, nothing is imported") from None


def _lines(file: Path, text: TextIO) -> Iterator[RightsLine]:
    reader = csv.reader(text, strict=True)
    faults: dict[str, list[int]] = {}
    empty = True
    try:
        header = _header(file, next(reader, []))
        first = reader.line_num + 1
        for cells in reader:
            line, first = first, reader.line_num + 1
            if not cells:  # an empty line says nothing
                continue
            empty = False
            try:
                yield _parse(header, cells)
            except _Fault as fault:
                faults.setdefault(str(fault), []).append(line)
    except csv.Error:
        faults.setdefault("not valid CSV", []).append(reader.line_num)
    if faults:
        raise RightsError(_refusal(file, faults))
    if empty:
        raise RightsError(f"{file}: holds no record; expected at least one line below the header")


def _header(file: Path, cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    faults = {
        "missing": [name for name in COLUMNS if name not in header],
        "repeated": [name for name in COLUMNS if header.count(name) > 1],
    }
    unknown = sum(name not in COLUMNS for name in header)
    said = [f"{fault} {', '.join(names)}" for fault, names in faults.items() if names]
    if unknown:
        said.append(f"{unknown} unknown")
    if said:
        raise RightsError(
            f"{file}: wrong columns in line 1: {'; '.join(said)}; expected exactly "
            f"{','.join(COLUMNS)}"
        )
    return header


def _parse(header: list[str], cells: list[str]) -> RightsLine:
    if len(cells) != len(header):
        raise _Fault(f"wrong number of cells: {len(header)} were expected")
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    if row["state"] not in _STATES:
        raise _Fault(f"unknown state: expected one of {', '.join(sorted(_STATES))}")
    effective_from = _instant(_required(row, "effective_from"))
    effective_to = _instant(row["effective_to"]) if row["effective_to"] else None
    if effective_to is not None and effective_to <= effective_from:
        raise _Fault("effective_to not after effective_from")
    if row["state"] != State.GRANTED and len(row["effective_from"]) <= len("2026-01-31"):
        with suppress(OverflowError):  # the year 1
            effective_from -= _EAST_OF_GREENWICH
    return RightsLine(
        learner_id=_visible(_required(row, "learner_id")),
        purpose=_purpose(_required(row, "purpose")),
        scope=_scope(row["scope"]),
        state=State(row["state"]),
        legal_basis=row["legal_basis"] or None,
        jurisdiction=row["jurisdiction"] or None,
        notice_version=row["notice_version"] or None,
        effective_from=effective_from,
        effective_to=effective_to,
        source=row["source"] or None,
    )


def _required(row: dict[str, str], name: str) -> str:
    if row[name] in _ABSENT:
        raise _Fault(f"no {name}")
    return row[name]


def _visible(text: str) -> str:
    """An id as it stands. One that a tool rewrote, or with unseen characters, matches nobody."""
    if any(unicodedata.category(character) in {"Cc", "Cf"} for character in text):
        raise _Fault("learner_id with invisible characters")
    if _REWRITTEN.fullmatch(text) or any(c.isdecimal() and not c.isascii() for c in text):
        raise _Fault("learner_id that a spreadsheet rewrote: write the id as the source has it")
    return text


def _purpose(text: str) -> str:
    """A purpose, in lower case as everywhere in the registry, or `*`."""
    if text != "*" and text.casefold() in _EVERYTHING:
        raise _Fault("purpose that means every one: write *")
    return text.casefold()


def _scope(text: str) -> str:
    """`*`, or `kind:name` without blanks around the colon."""
    if text == "*":
        return text
    found = _SCOPE.fullmatch(text)
    if found is None:
        raise _Fault("unknown scope: expected * or course:ID")
    if found["name"].casefold() in _EVERYTHING:
        raise _Fault("scope that means everything: write *")
    if re.search("[;,]", found["name"]):
        raise _Fault("scope of several names: write one line for each")
    # Tools that know no integer with nulls write the course 14 as 14.0.
    name = _NUMBERED.sub(r"\1", found["name"])
    return f"{found['kind']}:{name}"


def _instant(text: str) -> datetime:
    """An ISO 8601 date (its first instant) or timestamp; UTC where it names no offset."""
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Fault("unparsable date: expected one like 2026-01-31") from None


def _refusal(file: Path, faults: dict[str, list[int]]) -> str:
    said = [
        f"{len(lines)} {reason} (first in line {lines[0]})"
        for reason, lines in sorted(faults.items(), key=lambda fault: fault[1][0])
    ]
    return f"{file}: nothing is imported: {'; '.join(said)}; correct the file and import it again"
